/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - the configuration file (YAML), described by one table.
 *
 * From the table come the parser, the range checks, `x0 config show|check|help`, the commented
 * default file and docs/configuration.md. Unknown keys, wrong types, values out of range and
 * keys given twice are errors with file, line, key and what is allowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/endpoint.h"
#include "core/policy/policy.h"
#include "core/prefix/prefix.h"

#define CONFIG_FILE_MAX (1 << 20) /* bytes; 1,024 rules of the greatest length fit */
#define CONFIG_DEPTH_MAX 8	  /* nested lists and sections; the table needs 4 */
#define CONFIG_LISTEN_MAX 8
#define CONFIG_ENDPOINTS_MAX 16 /* as many as an invitation holds */
#define CONFIG_PEERS_MAX 256	/* as many contacts as a node keeps */
#define CONFIG_OFFERS_MAX 30	/* and the two of an exit: as many as a node may offer */
#define CONFIG_PROBLEMS_MAX 32	/* told; more are only counted */
#define CONFIG_TEXT_SIZE 256	/* one string value and NUL */
#define CONFIG_BLOCK_MAX 256	/* prefixes whose datagrams are dropped */
#define CONFIG_BATMAN_MAX 4	/* interfaces, as core/batman has; and addresses */
#define CONFIG_DEVICE_SIZE 16	/* IFNAMSIZ */
#define CONFIG_HOSTPORT_SIZE 272
#define CONFIG_PORT_DEFAULT 26969

/* Where things lie by default; see config_environment_read(). */
struct config_environment {
	bool is_root;
	const char *home;
	const char *xdg_config_home;
	const char *xdg_state_home;
	const char *xdg_runtime_dir; /* each NULL where unset */
};

struct config_peer {
	char name[CONFIG_TEXT_SIZE];	     /* expected SPIFFE ID; "" for any member */
	char endpoint[CONFIG_HOSTPORT_SIZE]; /* host:port, host may be a DNS name */
	unsigned line;
};

/* An interface's address and the length of its prefix, IPv4 as ::ffff:0:0/96 and longer. */
struct config_host {
	uint8_t ip[16]; /* with the host's bits */
	unsigned len;	/* of the prefix, in bits of the 16 bytes */
};

/* All values, checked. Owned by config_free(). */
struct config {
	char domain[CONFIG_TEXT_SIZE]; /* trust domain */
	char name[CONFIG_TEXT_SIZE];   /* of this node; "" where not set: the host's name */
	struct endpoint listen[CONFIG_LISTEN_MAX];
	size_t n_listen;
	char endpoints[CONFIG_ENDPOINTS_MAX][CONFIG_HOSTPORT_SIZE]; /* to announce */
	size_t n_endpoints;
	struct config_peer *peers;
	size_t n_peers;
	char state_dir[CONFIG_TEXT_SIZE];
	char run_dir[CONFIG_TEXT_SIZE];
	char socket[CONFIG_TEXT_SIZE]; /* run_dir + "/x0.sock" */
	char user[CONFIG_TEXT_SIZE];   /* the daemon's, when started as root */
	char tun_name[CONFIG_TEXT_SIZE];
	uint64_t tun_mtu_bytes;
	uint64_t path_mtu_confirm_s, path_mtu_raise_s;
	uint64_t tells_denied; /* 0 or 1 */
	struct policy_rule *rules;
	size_t n_rules;
	uint64_t log_level;  /* enum log_level */
	uint64_t log_format; /* enum log_format */
	uint64_t aead;	     /* enum config_aead */
	uint64_t peers_max;
	uint64_t rekey_after_s;
	uint64_t offload_tun, offload_udp_gso, offload_udp_gro, offload_batch,
		offload_urgent;			/* 0 or 1 */
	uint64_t multipath;			/* 1: auto, 2: flowlets too */
	uint64_t flat_max, zone_max;		/* nodes */
	uint64_t n_threads;			/* 1: the main loop alone */
	uint64_t scheduling;			/* 1: real-time */
	uint64_t qos_outer_dscp;		/* 1: copied */
	char passphrase_file[CONFIG_TEXT_SIZE]; /* "" for none */
	uint64_t require_locked_memory;		/* 0 or 1 */
	uint64_t tls_groups;			/* enum config_tls_groups */
	struct prefix ipv4_prefix;		/* of the nodes' IPv4 addresses; len 0: none */
	struct prefix offers[CONFIG_OFFERS_MAX];
	size_t n_offers;
	uint64_t is_exit, exit_only, exit_lan; /* 0 or 1 */
	uint64_t names_responder;	       /* 0 or 1 */
	char names_zone[CONFIG_TEXT_SIZE];
	uint64_t names_ttl_s;
	uint64_t names_clients;	    /* enum config_names_clients */
	uint64_t names_resolv_conf; /* enum config_resolv_conf */
	uint64_t discovery_lan;	    /* 0 or 1 */
	uint64_t discovery_links, discovery_links_max;
	char discovery_interfaces[CONFIG_TEXT_SIZE]; /* names, commas between; "" for all */
	uint64_t ebpf_guard, ebpf_meter, ebpf_flow, ebpf_enforce; /* enum config_ebpf */
	uint64_t ebpf_attach;					  /* enum config_ebpf_attach */
	struct prefix ebpf_block[CONFIG_BLOCK_MAX];
	size_t n_ebpf_block;
	char batman_interfaces[CONFIG_BATMAN_MAX][CONFIG_DEVICE_SIZE]; /* none: no gateway */
	size_t n_batman_interfaces;
	char batman_tap[CONFIG_TEXT_SIZE];
	struct config_host batman_addresses[CONFIG_BATMAN_MAX];
	size_t n_batman_addresses;
	uint64_t batman_throughput_mbps;
	uint64_t api_server;			 /* 0 or 1 */
	uint64_t api_port;			 /* of the loopback and the overlay address */
	uint64_t api_metrics_port;		 /* of the loopback; 0: none */
	uint64_t api_loopback_read, api_overlay; /* 0 or 1 */
	uint64_t api_connections, api_rate_per_s;
	char tracing_endpoint[CONFIG_TEXT_SIZE]; /* "" for none: off */
	uint64_t tracing_format;		 /* enum export_format */
	uint64_t tracing_sample_percent;
	char notify_webhook[CONFIG_TEXT_SIZE]; /* "" for none, as each of these */
	char notify_webhook_token_file[CONFIG_TEXT_SIZE];
	char notify_mail_server[CONFIG_TEXT_SIZE];
	uint64_t notify_mail_is_plain; /* 0 or 1 */
	char notify_mail_from[CONFIG_TEXT_SIZE], notify_mail_to[CONFIG_TEXT_SIZE];
	char notify_mail_user[CONFIG_TEXT_SIZE], notify_mail_password_file[CONFIG_TEXT_SIZE];
	char notify_telegram_chat[CONFIG_TEXT_SIZE], notify_telegram_token_file[CONFIG_TEXT_SIZE];
	char notify_telegram_api[CONFIG_TEXT_SIZE];
	uint64_t notify_per_hour;
	uint64_t healing_learn_s;
	char services[CONFIG_TEXT_SIZE]; /* URLs, commas between */
};

enum config_names_clients {
	CONFIG_NAMES_SELF, /* this host alone */
	CONFIG_NAMES_MEMBERS,
};

enum config_resolv_conf {
	CONFIG_RESOLV_CONF_LEAVE,
	CONFIG_RESOLV_CONF_MANAGE,
};

enum config_ebpf {
	CONFIG_EBPF_AUTO, /* on where it can be */
	CONFIG_EBPF_ON,	  /* the daemon does not start without */
	CONFIG_EBPF_OFF,
};

enum config_ebpf_attach {
	CONFIG_EBPF_ATTACH_AUTO,
	CONFIG_EBPF_ATTACH_XDP,
	CONFIG_EBPF_ATTACH_TCX,
	CONFIG_EBPF_ATTACH_CLSACT,
};

enum config_tls_groups {
	CONFIG_TLS_HYBRID_FIRST, /* X25519 alone where the other side knows no hybrid group */
	CONFIG_TLS_HYBRID_ONLY,
};

enum config_aead {
	CONFIG_AEAD_AUTO, /* AES-256-GCM where the processor has it, else ChaCha20-Poly1305 */
	CONFIG_AEAD_AES,
	CONFIG_AEAD_CHACHA,
};

struct config_problem {
	bool is_error; /* else a warning */
	unsigned line; /* 0 where none can be told */
	char text[320];
};

/* What was wrong with a file, in its order. */
struct config_report {
	char file[256];
	struct config_problem problems[CONFIG_PROBLEMS_MAX];
	size_t n;
	size_t n_errors; /* may exceed those told */
	size_t n_warnings;
};

/* The process's own: geteuid() and the environment variables (borrowed from it). */
void config_environment_read(struct config_environment *ret);
/* The path of the file where --config is not given: /etc/x0/x0.yaml, or
 * $XDG_CONFIG_HOME/x0/x0.yaml without root. -ENAMETOOLONG. */
int config_default_path(const struct config_environment *env, char *ret, size_t size);

/* Every key at its default. -ENOMEM. */
int config_new(const struct config_environment *env, struct config **ret);
void config_free(struct config *c);

/* Reads a file. -EINVAL when the report has errors; -ENOENT and others when it cannot be
 * read (the report says so too, with the next command); ret only on success. ret_report is
 * always filled in. */
int config_load(const char *path, const struct config_environment *env, struct config **ret,
		struct config_report *ret_report);
/* Where the daemon's socket is by a file that has mistakes elsewhere: for what must work on a
 * running daemon all the same. -EINVAL where run_dir itself is not to be told for sure: another
 * node might be meant. */
int config_load_socket(const char *path, const struct config_environment *env,
		       char ret[CONFIG_TEXT_SIZE]);
/* The same from memory; file is the name used in messages. */
int config_parse(const char *text, size_t len, const char *file,
		 const struct config_environment *env, struct config **ret,
		 struct config_report *ret_report);

/* "x0.yaml:12: error: tun.mtu: 9000 is out of range; allowed: 1280 to 1344 bytes", a line each. */
void config_report_print(const struct config_report *r, FILE *to);

/* ---- the table ---- */

enum config_type {
	CONFIG_STRING,
	CONFIG_PATH, /* absolute */
	CONFIG_INTEGER,
	CONFIG_CHOICE,
	CONFIG_PREFIX,	  /* an IPv4 network for the nodes, or "" */
	CONFIG_ADDRESSES, /* list of numeric address[:port] */
	CONFIG_HOSTPORTS, /* list of host:port */
	CONFIG_PREFIXES,  /* list of networks that may be offered */
	CONFIG_SOURCES,	  /* list of address/length, of any kind */
	CONFIG_HOSTS,	  /* list of address/length of interfaces: with the host's bits */
	CONFIG_DEVICES,	  /* list of names of interfaces */
	CONFIG_PEERS,	  /* list of { endpoint, name } */
	CONFIG_RULES,	  /* list of { allow | forbid, from, to } */
};

struct config_key {
	const char *path; /* "tun.mtu" */
	enum config_type type;
	const char *unit;	  /* "bytes"; "" for none */
	const char *default_text; /* as YAML; "" for none */
	const char *default_user; /* without root, where it differs; else NULL */
	uint64_t min, max;	  /* of the number, or of the length, or of the count */
	const char *choices;	  /* "auto|text|json": CHOICE; allowed characters: STRING */
	bool is_reloadable;	  /* applied by SIGHUP and `x0 config reload` */
	const char *help;
	const char *example;
	size_t offset; /* in struct config */
	size_t offset_n;
};

/* All keys in the order of the file. */
const struct config_key *config_keys(size_t *ret_n);
const struct config_key *config_key_find(const char *path);

/* One value on one line, valid YAML and valid JSON at once. */
void config_print_value(const struct config *c, const struct config_key *key, FILE *to);
/* The whole configuration as it is in force, as a file that would be read back the same. */
void config_print(const struct config *c, FILE *to);
/* The same as one JSON object, its members named by path ("tun.mtu"). */
void config_print_json(const struct config *c, FILE *to);
/* Every key: type, range, default, whether reloaded, meaning. */
void config_print_help(FILE *to);
/* The same in Markdown: docs/configuration.md. */
void config_print_markdown(FILE *to);
/* A new file for `x0 init`: domain and name set (each may be NULL), the policy written out,
 * everything else as comments. */
void config_print_default_file(const char *domain, const char *name, FILE *to);

/* Keys whose values differ, at most max of them; tells how many. Those that are not
 * is_reloadable need a restart. */
size_t config_compare(const struct config *before, const struct config *after,
		      const struct config_key **ret, size_t max);

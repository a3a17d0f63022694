/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_internal.h - what the files of this room share. */
#pragma once

#include "core/forward/forward.h"
#include "core/ledger/entry.h"
#include "core/node/node.h"
#include "daemon/authority.h"
#include "daemon/daemon.h"
#include "daemon/member.h"
#include "shell/bpf/bpf.h"
#include "shell/control/control.h"
#include "shell/keeper/keeper.h"
#include "shell/loop/loop.h"
#include "shell/secret/secret.h"
#include "shell/tun/tun.h"
#include "shell/udp/udp.h"
#include "trace/trace.h"

#define PINGS_MAX 64
#define FEATURES_MAX 48
/* What the tunnel may bring a wake-up, so that it cannot starve the rest. */
#define TUN_READS 64
#define TUN_READ_BYTES (256 << 10)
#define PACKETS_BATCH 64 /* packets until what they led to is sent */
#define CLOCK_EVERY_US SECONDS(1)
#define KEEP_EVERY_US SECONDS(60) /* clock floor, renewal */

struct daemon;
struct names;
struct notices;
struct ebpf;
struct discovery;
struct configured;
struct places;
struct batman;
struct threads;
struct carrier;
struct alive;
struct api;
struct tracing;
struct summary;
struct healing_loop;
struct ledger_writer;
struct witnessing;

struct feature {
	const char *name;
	bool is_on;
	char why[KEEPER_WHY_SIZE];
};

#define STATUSES_MAX 16 /* `x0 status` at once; further ones are answered in brief */

/* An `x0 ping` or `x0 trace` under way. */
struct ping {
	struct daemon *daemon;
	uint64_t request; /* of the control socket; 0: free */
	uint64_t node_id;
	char name[NODE_NAME_MAX + 1];
	bool is_trace;
	uint32_t id;
	uint32_t n_sent;
	uint32_t n_received;
	uint32_t n_wanted; /* 0: until the client goes away */
	uint64_t interval_us;
	uint64_t wait_us;
	uint64_t sent_us;
	uint64_t min_us, max_us, sum_us;
	bool has_answer;	      /* trace: of the current ttl */
	bool is_retrying;	      /* there was no route yet */
	struct trace_context context; /* of a trace: what its hops are part of */
	struct loop_timer *timer;
};

/* What the kernel was given for networks behind nodes. */
struct networks_installed {
	struct prefix *list; /* routes */
	size_t n, size;
	bool is_retrying;
	bool has_ipv4;
	uint8_t ipv4[16];
	char exit[NODE_NAME_MAX + 1]; /* chosen: a name or "any"; "" none */
	unsigned exit_bits;	      /* as the keeper has them */
	bool is_exit_known;
	bool is_forwarding;
	unsigned lost;			/* bits of enum keeper_held: removed by another program */
	bool is_forwarding_known;	/* the keeper was told, be it that there is none */
	char unmarked[KEEPER_WHY_SIZE]; /* why our sockets have no mark; "" they have */
};

struct daemon {
	const struct daemon_options *options;  /* its config is that of the start */
	const struct config *config;	       /* as last read: of this what is_reloadable says */
	struct config_environment environment; /* as it was before privileges went */
	struct config *reloaded; /* owned, where the configuration has been read again */
	struct log *log;
	const struct crypto_ops *ops;
	struct keeper_client *keeper;
	struct keeper_user user;
	struct keeper_protections protections;
	struct loop *loop;
	struct store *store;
	struct member *member;
	struct authority *authority;  /* NULL where this node is not it */
	struct passphrase passphrase; /* while it starts */
	uint64_t boot_epoch;
	bool is_unlocking;
	struct policy *policy;
	struct node *node;
	struct udp *udp[CONFIG_LISTEN_MAX];
	struct loop_fd *udp_watch[CONFIG_LISTEN_MAX];
	struct loop_fd *urgent_watch[CONFIG_LISTEN_MAX]; /* NULL: no such socket */
	bool is_udp_blocked[CONFIG_LISTEN_MAX];		 /* it is watched for writing too */
	size_t n_udp;
	struct tun *tun;	 /* NULL: none */
	struct threads *threads; /* packet threads; NULL: the loop does it all */
	bool has_queues;	 /* the tunnel has one for each of them */
	struct loop_fd *tun_watch;
	bool is_tun_lost; /* it was there, and is to be made again */
	struct ebpf *ebpf;
	struct discovery *discovery;
	struct batman *batman;	 /* NULL: switched off */
	struct carrier *carrier; /* NULL: the kernel does not tell */
	struct alive *alive;	 /* NULL: no such thread */
	uint64_t wanted_us;	 /* node_timer was armed for then */
	uint64_t turned_us;	 /* the last call on the node */
	int listen_fd;
	struct control_server *control;
	struct loop_timer *node_timer, *beat_timer, *clock_timer, *keep_timer;
	uint64_t statuses[STATUSES_MAX]; /* requests that wait for the guard's counters */
	unsigned n_statuses;
	struct ping pings[PINGS_MAX];
	uint32_t next_ping;
	struct configured *configured;
	struct places *places;
	struct networks_installed networks;
	struct names *names;	 /* NULL: switched off */
	struct notices *notices; /* NULL: nobody is told */
	struct api *api;	 /* NULL: off */
	struct tracing *tracing; /* NULL: off */
	struct summary *summary;
	struct healing_loop *healing;  /* NULL: it could not begin */
	struct ledger_writer *ledger;  /* NULL: it could not begin */
	struct witnessing *witnessing; /* NULL: it could not begin */
	unsigned n_ledger_questions;   /* under way: ledger_proofs.c */
	struct feature features[FEATURES_MAX];
	size_t n_features;
	int64_t clock_floor_ms; /* unix time at start_us, at least */
	uint64_t start_us;
	uint64_t n_renewals, n_renewals_failed; /* of our certificate */
	struct policy_times decisions;		/* about local users; the node has its own */
	uint64_t tun_missing;			/* packets for a tunnel that there was not */
	uint64_t batch_us;			/* when the batch under way came */
	unsigned n_batch;			/* packets of the tunnel since the last pause */
	bool owes_epoch;			/* the boot epoch is not on the disk yet */
	bool is_saving_clock, is_log_stuck;
	bool owes_membership; /* the last change could not be written: once a minute again */
	bool is_stopping;
	unsigned n_beats; /* until the memory of the start is given back */
	int status;
};

/* daemon.c */
int64_t daemon_unix_ms(const struct daemon *d);
void daemon_drain(struct daemon *d); /* after each call on the node */
void daemon_act(struct daemon *d);   /* the same without looking at timers: inside a batch */
void daemon_open_tunnel(struct daemon *d);
void daemon_stop(struct daemon *d, int status);
void daemon_feature(struct daemon *d, const char *name, bool is_on, const char *why);
/* Reads the configuration again and applies what can be; a JSON report. -EINVAL and the text. */
json_t *daemon_reload(struct daemon *d, char why[DAEMON_WHY_SIZE]);

/* held.c */
void held_check_guard(struct daemon *d); /* whether the one begun is on; may end the daemon */
void held_hear(struct daemon *d);	 /* what the keeper has said; may end it too */

/* packets.c */
bool packets_take(struct daemon *d, const struct node_action *a); /* false: not of its kinds */
void packets_flush(struct daemon *d);
/* Of several sockets the first of the right family; [::] takes both. NULL: none. */
struct udp *packets_socket_for(struct udp *const *list, size_t n, const struct endpoint *to);
void packets_lose_tunnel(struct daemon *d);
void packets_read(struct daemon *d, uint64_t now_us); /* what has arrived from other nodes */
int packets_watch_udp(struct daemon *d);
void packets_offload(struct daemon *d); /* of sockets just opened */
int packets_open_tunnel(struct daemon *d, char why[KEEPER_WHY_SIZE]);
int packets_watch_tunnel(struct daemon *d);
void packets_check_tunnel(struct daemon *d); /* once a second */
void packets_features(const struct daemon *d, json_t *list);

/* path_probes.c */
void path_probe_send(struct daemon *d, struct udp *u, const struct node_action *a);

/* Logs why it cannot go on; returns the exit status. */
int daemon_fatal(struct daemon *d, const char *event, const char *why);

/* keys.c: private keys, their passphrase and their memory */
void keys_passphrase(struct daemon *d);
int keys_load(struct daemon *d); /* 0 or an exit status */
void keys_unlock(struct daemon *d, uint64_t request, const json_t *args);
void keys_lock(struct daemon *d, uint64_t request);

/* members.c: membership as it changes */
void members_issue(struct daemon *d, const struct node_issue *issue);
void members_renewed(struct daemon *d, struct span answer);
void members_store(struct daemon *d);
void members_tick(struct daemon *d);

/* disk.c: written on the work queue */
int disk_begin_epoch(struct daemon *d, uint64_t epoch);
void disk_save_clock(struct daemon *d, int64_t now_s);

/* ebpf.c */
/* For the keeper, before it forks; false where nothing of it is wanted. */
bool ebpf_options_fill(const struct config *c, struct log *log, struct ebpf_options *ret);
int ebpf_begin(struct daemon *d); /* -EPERM: a program is off that has to be on */
void ebpf_end(struct daemon *d);
void ebpf_sync(struct daemon *d); /* after each call on the node, before what it led to goes out */
void ebpf_tick(struct daemon *d); /* once a second */
void ebpf_policy_changed(struct daemon *d);
json_t *ebpf_json(const struct daemon *d);
void ebpf_features(const struct daemon *d, json_t *list);

/* discovery.c: nodes on the same Ethernet */
int discovery_open(struct daemon *d); /* the sockets, while there are privileges; -ENOMEM */
int discovery_start(struct daemon *d);
void discovery_tick(struct daemon *d); /* once a second */
void discovery_link_lost(struct daemon *d);
void discovery_end(struct daemon *d);
json_t *discovery_json(const struct daemon *d);

/* configured.c: the peers of the configuration */
int configured_start(struct daemon *d);
void configured_tick(struct daemon *d); /* once a second */
void configured_reloaded(struct daemon *d);
void configured_end(struct daemon *d); /* once the loop is gone */

/* places.c: where this node and others may be reached */
int places_start(struct daemon *d);
void places_tick(struct daemon *d); /* once a second */
void places_reloaded(struct daemon *d);
void places_end(struct daemon *d); /* once the loop is gone, before node and store */
json_t *places_json(const struct daemon *d);

/* batman.c: the gateway to batman-adv */
bool batman_options_fill(const struct config *c, struct keeper_batman *ret);
int batman_start(struct daemon *d); /* once the loop is there; -ENOMEM */
void batman_tick(struct daemon *d); /* once a second */
void batman_end(struct daemon *d);  /* once the loop is gone */
json_t *batman_status(const struct daemon *d);
json_t *batman_gateway(const struct daemon *d);

/* carrier.c: interfaces that lose their carrier */
void carrier_start(struct daemon *d);
void carrier_tick(struct daemon *d); /* once a second */
void carrier_learn(struct daemon *d, uint64_t node_id, const struct endpoint *endpoint);
void carrier_look(struct daemon *d); /* whether the kernel has said something */
void carrier_end(struct daemon *d);

/* jobs.c */
unsigned jobs_workers(void);
void jobs_begin(struct daemon *d);  /* those of the node that can begin now */
void jobs_retire(struct member *m); /* frees it, once no job reads its key */

/* networks.c: IPv4, networks behind nodes, exits */
bool networks_permits(void *arg, enum keeper_permit what, const struct netlink_prefix *prefix);
void networks_fill(const struct daemon *d, struct node_networks *ret);
void networks_mark_socket(struct daemon *d, int fd);
void networks_start(struct daemon *d); /* before the tunnel is opened */
void networks_tunnel_opened(struct daemon *d);
void networks_sync(struct daemon *d);
void networks_retry(struct daemon *d); /* once a second */
void networks_news(struct daemon *d, const struct keeper_news *news);
void networks_reloaded(struct daemon *d);
void networks_end(struct daemon *d);
json_t *networks_offered(const struct daemon *d);
json_t *networks_exit(const struct daemon *d);
void networks_exit_use(struct daemon *d, uint64_t request, const json_t *args);
void networks_exit_off(struct daemon *d, uint64_t request);

/* events.c */
void events_handle(struct daemon *d, const struct node_event *e);

/* requests.c: who asks, which handler, and where its answer goes */
struct asker {
	const char *principal; /* of the policy */
	bool is_owner;	       /* who runs the daemon, or root: may do all */
	bool is_remote;	       /* by the API */
};

void answers_request(void *arg, uint64_t request, const char *verb, const json_t *args,
		     const struct control_caller *caller);
void answers_gone(void *arg, uint64_t request);
void requests_handle(struct daemon *d, uint64_t request, const char *verb, const json_t *args,
		     const struct asker *who);
/* As control_result() and so on, for requests of the control socket and of the API alike. */
int answer_result(struct daemon *d, uint64_t request, json_t *value);
int answer_error(struct daemon *d, uint64_t request, const char *code, const char *message);
int answer_event(struct daemon *d, uint64_t request, json_t *value);

/* commands.c */
void commands_invite(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who);
void commands_revoke(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who);
void commands_rotate(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who);
void commands_explain(struct daemon *d, uint64_t request, const json_t *args,
		      const struct asker *who);
void commands_reload(struct daemon *d, uint64_t request, const json_t *args,
		     const struct asker *who);
void commands_stop(struct daemon *d, uint64_t request, const json_t *args, const struct asker *who);

/* answers.c: what can be seen */
json_t *answers_view(const struct daemon *d, const char *verb); /* NULL: no such view */
void answers_status(struct daemon *d, uint64_t request, bool is_brief);
/* The keeper may have told what was asked for `x0 status`. */
void answers_guard(struct daemon *d);
json_t *answers_event(const struct daemon *d, const struct node_event *e);
void node_id_text(uint64_t id, char ret[17]);
json_t *address_json(const uint8_t address[16]);
json_t *ipv4_json(const struct daemon *d, uint64_t id); /* null where it has none */

/* topology.c: the mesh while somebody looks */
void topology_look(struct daemon *d); /* somebody does */
void topology_answer(struct daemon *d, uint64_t request);
void topology_time(int64_t unix_ms, char ret[32]); /* RFC 3339 */

/* inherited.c: a listener for the API that was opened before us */
/* -1 into *ret where there is none; -EINVAL and a sentence where it is none that can be taken. */
int inherited_listener(int *ret, char why[DAEMON_WHY_SIZE]);

/* ledger.c: what was done and what happened, in STATE/ledger (docs/ledger.md). Entries become
 * durable in the order of these calls, on the work queue; none of them waits. */
void ledger_start(struct daemon *d);
void ledger_tick(struct daemon *d, uint64_t now_us); /* once a second: opens, and signs */
void ledger_end(struct daemon *d);		     /* once the loop is gone; writes what waits */
/* What happened. who: NULL for this node; where and why: NULL or "" for nothing to say. All are
 * copied. No secret, nor what could be used as one: others may read a ledger. */
void ledger_notice(struct daemon *d, const char *who, const char *what, const char *where,
		   const char *why);
/* Of the report of daemon_reload(). */
void ledger_notice_reload(struct daemon *d, const char *who, const json_t *report);
/* An entry that somebody waits for. answer() comes from the loop, later: 0, it is durable; or
 * negative, it is not there and will not be. -EAGAIN: no ledger, or no room, and no answer. The
 * texts are copied. */
typedef void ledger_answer(void *arg, uint64_t ticket, int r);
int ledger_record(struct daemon *d, const struct ledger_entry *e, ledger_answer *answer, void *arg,
		  uint64_t ticket);
uint64_t ledger_n_entries(const struct daemon *d);
uint64_t ledger_signed_size(const struct daemon *d); /* entries of the latest checkpoint */
bool ledger_is_open(const struct daemon *d);

/* witness.c: neighbours cosign each other's checkpoints (docs/ledger.md, Witnesses) */
struct witness_accused { /* a log with evidence against it */
	uint64_t id;
	char name[256];
	bool is_split; /* two roots of one size: that alone proves it to anybody */
};

void witness_start(struct daemon *d);
void witness_tick(struct daemon *d);	 /* once a second */
void witness_messages(struct daemon *d); /* NODE_COSIGN */
void witness_event(struct daemon *d, const struct node_event *e);
void witness_end(struct daemon *d); /* once the loop is gone */
size_t witness_n_accused(const struct daemon *d);
const struct witness_accused *witness_accused(const struct daemon *d, size_t i);
json_t *witness_json(const struct daemon *d); /* the ledger, for `x0 status` */

/* ledger_proofs.c: what the ledger has of an incident, each entry with its proof */
void ledger_proofs(struct daemon *d, uint64_t request, const json_t *args);

/* healing.c: incidents, and what is done about them (docs/healing.md) */
void healing_start(struct daemon *d);
void healing_reloaded(struct daemon *d);
void healing_event(struct daemon *d, const struct node_event *e);
void healing_stop(struct daemon *d); /* before the loop is freed; healing_end() after it */
void healing_end(struct daemon *d);
/* healing_record.c: the ledger is open, or why not: then nothing is done */
void healing_ledger(struct daemon *d, bool is_open, const char *why);
/* healing_past.c */
void healing_incidents(struct daemon *d, uint64_t request, const json_t *args);
void healing_incident(struct daemon *d, uint64_t request, const json_t *args);
void healing_rates(struct daemon *d, uint64_t request);
int healing_parse_id(const char *text, uint64_t *ret); /* -EINVAL */
/* healing_views.c */
void healing_mandates(struct daemon *d, uint64_t request);
void healing_detectors(struct daemon *d, uint64_t request); /* healing_unusual.c */
void healing_simulate_verb(struct daemon *d, uint64_t request, const json_t *args);
json_t *healing_status(const struct daemon *d); /* null where it is off */

/* Before the loop: what asks services has a thread. */
void healing_services_stop(struct daemon *d);

/* notices.c: messages to people (docs/notices.md) */
void notices_secrets(struct daemon *d); /* while there are privileges */
void notices_start(struct daemon *d);	/* once the loop is there */
void notices_end(struct daemon *d);	/* before the loop goes */

/* summary.c: the last ten minutes */
void summary_tick(struct daemon *d); /* once a second */
void summary_end(struct daemon *d);
void summary_answer(struct daemon *d, uint64_t request, const json_t *args);

/* names.c: the names of nodes for this host's programs */
int names_options(const struct config *c, const struct crypto_ops *ops, char reverse_zone[254],
		  char why[DAEMON_WHY_SIZE]); /* -EINVAL: no such zone can be */
int names_start(struct daemon *d);	      /* once the tunnel is there; -ENOMEM */
void names_tick(struct daemon *d);	      /* once a second */
void names_end(struct daemon *d);
json_t *names_status(const struct daemon *d);
void names_resolve(struct daemon *d, uint64_t request, const json_t *args);

/* pings.c */
void pings_begin(struct daemon *d, uint64_t request, const json_t *args, bool is_trace);
void pings_event(struct daemon *d, const struct node_event *e);
void pings_route_changed(struct daemon *d, uint64_t node_id); /* those that wait for one go on */
void pings_end(struct daemon *d, uint64_t request);

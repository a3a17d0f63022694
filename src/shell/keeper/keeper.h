/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.h - the privileged parent of the daemon, and the confinement of the daemon.
 *
 * keeper_run() forks. The parent keeps the privileges, reads nothing from the network and does
 * a fixed table of verbs for the child over a socketpair, each checked against the options it
 * was given before the fork. It starts the child again when it dies or hangs. The child is the
 * daemon: it opens what needs privilege and is its own to open (sockets), then calls
 * keeper_confine() and never has privileges again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shell/bpf/bpf.h"
#include "shell/log/log.h"
#include "shell/netlink/netlink.h"

#define KEEPER_SETTLED_BEATS 4		/* then the start is over: see shell/memory */
#define KEEPER_HEARTBEAT_MS 500		/* how often the child should beat */
#define KEEPER_HEARTBEAT_MISSED_MS 2000 /* silence after which the child is killed */
#define KEEPER_STARVED_MS \
	20000 /* if it waits for a disk, or for a processor of which it got less than half */
#define KEEPER_START_MS 15000 /* until its first beat it may take this long */
#define KEEPER_STOP_MS 5000   /* from SIGTERM to SIGKILL */
#define KEEPER_BACKOFF_MIN_MS 100
#define KEEPER_BACKOFF_MAX_MS 30000
#define KEEPER_BACKOFF_RESET_MS 60000 /* up this long: the next restart is quick again */
#define KEEPER_ROUTES_MAX 4096	      /* added by one child */
#define KEEPER_REALTIME_MAX 10	      /* highest SCHED_FIFO priority given */
#define KEEPER_WHY_SIZE 200
#define KEEPER_CALL_MS 8000 /* a verb's answer is waited for this long */

/* Exit statuses of the child after which it is not started again. */
#define KEEPER_EXIT_DONE 0
#define KEEPER_EXIT_FATAL 78 /* a mistake that a restart does not mend (sysexits' EX_CONFIG) */

/* Who the daemon will be. */
struct keeper_user {
	char name[64];
	uid_t uid;
	gid_t gid;
	bool is_other;		   /* not who we are now: we are root and change to it */
	char why[KEEPER_WHY_SIZE]; /* where it differs from what was asked: the reason */
};

/* As root: the user of this name; where it does not exist, nobody (and why says so); where this
 * user namespace does not map it, ourselves (and why says so). Not root: ourselves. */
void keeper_user_find(const char *name, struct keeper_user *ret);

/* Makes sure that a directory is there with this mode, owned by the user, its parents made as
 * needed (0755). With is_recursive what root left inside (init as root) is given to the user:
 * plain files and directories only, no links followed. why names the path. */
int keeper_directory(const char *path, mode_t mode, const struct keeper_user *user,
		     bool is_recursive, char why[KEEPER_WHY_SIZE]);

struct keeper;	      /* the parent */
struct keeper_client; /* the child's end */

/* The daemon: returns its exit status. Runs in the forked child with the signals as the keeper
 * found them, but SIGPIPE ignored. */
typedef int keeper_child(void *arg, struct keeper_client *client);

/* The default routes through the tunnel, and what of others they take the place. */
enum keeper_exit {
	KEEPER_EXIT_ROUTES = 1,	     /* everything that has no nearer route goes to the tunnel */
	KEEPER_EXIT_ONLY = 2,	     /* and never elsewhere, the tunnel be there or not */
	KEEPER_EXIT_WITHOUT_LAN = 4, /* not even to networks that this machine is in */
};
/* Sockets with this mark are not led into the tunnel: the daemon's own. */
#define KEEPER_MARK 0x58304d4b

/* May this be done, by the configuration as it is now? For a prefix in the overlay it is not asked.
 */
enum keeper_permit {
	KEEPER_PERMIT_ROUTE, /* packets for the prefix to the tunnel; 0.0.0.0/0 and ::/0: an exit */
	KEEPER_PERMIT_FORWARD, /* the kernel passes on what comes out of the tunnel */
};

/* How this host comes to ask our name server. */
enum keeper_names {
	KEEPER_NAMES_NONE,     /* nothing tells it */
	KEEPER_NAMES_PENDING,  /* systemd-resolved is being told */
	KEEPER_NAMES_RESOLVED, /* systemd-resolved sends us our zones */
	KEEPER_NAMES_FILE,     /* /etc/resolv.conf names us first */
	KEEPER_N_NAMES,
};

/* What the keeper set on this host and looks after, for others may remove it. */
enum keeper_held {
	KEEPER_HELD_RULES, /* of routing: to networks and exits */
	KEEPER_HELD_GUARD,
	KEEPER_HELD_FORWARDING,
	KEEPER_N_HELD,
};

#define KEEPER_BATMAN_MAX 4	      /* interfaces, and addresses */
#define KEEPER_BATMAN_PROTOCOL 0x4305 /* of batman-adv's frames */
/* What batman-adv puts before a packet inside its frames, at most: 14 bytes of its own, an Ethernet
 * header, a VLAN tag. */
#define KEEPER_BATMAN_OVERHEAD 32

/* The gateway to batman-adv: where its frames are, and the device that is our end of its mesh. */
struct keeper_batman {
	const char *interfaces[KEEPER_BATMAN_MAX];
	size_t n_interfaces;
	const char *tap;
	struct netlink_prefix addresses[KEEPER_BATMAN_MAX]; /* of the device */
	size_t n_addresses;
};

struct keeper_options {
	const char
		*names_owner;	/* run_dir: which daemon /etc/resolv.conf was changed by; or NULL */
	const char *run_dir;	/* where it keeps for the next keeper how this host was; or NULL */
	const char *names_zone; /* NULL: no names */
	const char *names_reverse_zone;
	bool is_resolv_conf_managed;
	const char *tun_name;
	unsigned mtu_max_bytes;	       /* 1280 to this may be set */
	struct netlink_prefix overlay; /* all addresses and routes lie inside */
	bool has_ipv4;
	struct netlink_prefix ipv4; /* the same for IPv4, mapped */
	bool is_guarded;	    /* nftables may be asked for */
	/* NULL: neither. prefix is NULL for what has none. */
	bool (*permits)(void *arg, enum keeper_permit what, const struct netlink_prefix *prefix);
	const struct ebpf_options *ebpf;    /* NULL: no eBPF program is wanted */
	const struct keeper_batman *batman; /* NULL: no gateway */
	keeper_child *child;
	void *arg;
	struct log *log;
};

/* By what a keeper's leavings in its network namespace are told from another's; from the name of
 * its tunnel, and below EBPF_NUMBERS_MAX. */
uint32_t keeper_number(const char *tun_name);
/* Runs until the child is done, SIGTERM or SIGINT; SIGHUP, SIGUSR1 and SIGUSR2 are passed on.
 * Removes the nftables table. Returns the exit status for the process: the
 * child's for DONE and FATAL, FATAL too where another keeper has the tunnel, 0 after a signal, 1
 * where no child could be started. */
int keeper_run(const struct keeper_options *options);

/* ---- where no keeper is ---- */

enum keeper_left {
	KEEPER_LEFT_NAMES = 1,	    /* /etc/resolv.conf with our server first */
	KEEPER_LEFT_RULES = 2,	    /* of routing */
	KEEPER_LEFT_EXIT_ONLY = 4,  /* the same, and they let nothing out except by an exit */
	KEEPER_LEFT_FORWARDING = 8, /* and NAT; only root sees it, and the guard */
	KEEPER_LEFT_GUARD = 16,	    /* table of nftables */
};
#define KEEPER_N_LEFT 5

/* What one that was killed left of this tunnel, as bits of enum keeper_left; with is_removed it is
 * removed, and filters of tc as well. -EADDRINUSE: there is a keeper, and nothing was done; or
 * the first failure: why is a sentence. On success it may be a remark. */
int keeper_left(const char *tun_name, const char *run_dir, bool is_removed, unsigned *ret,
		char why[KEEPER_WHY_SIZE]);

/* ---- the child's side; one thread at a time ---- */

/* Each waits for the answer. On failure why is a sentence. -EPERM: the keeper is not allowed;
 * -EPROTO: it refuses, outside its options; -ETIMEDOUT, -EPIPE: the keeper is gone. */
/* wanted and ret_offloads are bits of enum tun_offload; wanted also TUN_MANY_QUEUES. */
int keeper_tun_open(struct keeper_client *k, unsigned wanted, int *ret_fd, unsigned *ret_offloads,
		    char why[KEEPER_WHY_SIZE]);
int keeper_mtu(struct keeper_client *k, unsigned mtu_bytes, char why[KEEPER_WHY_SIZE]);
int keeper_address_add(struct keeper_client *k, const struct netlink_prefix *address,
		       char why[KEEPER_WHY_SIZE]);
int keeper_address_delete(struct keeper_client *k, const struct netlink_prefix *address,
			  char why[KEEPER_WHY_SIZE]);
int keeper_link_up(struct keeper_client *k, char why[KEEPER_WHY_SIZE]);
int keeper_route_add(struct keeper_client *k, const struct netlink_prefix *to,
		     char why[KEEPER_WHY_SIZE]);
int keeper_route_delete(struct keeper_client *k, const struct netlink_prefix *to,
			char why[KEEPER_WHY_SIZE]);
/* Bits of enum keeper_exit; 0 takes all of it back. */
int keeper_exit_set(struct keeper_client *k, unsigned bits, char why[KEEPER_WHY_SIZE]);
/* Forwarding and NAT for what comes out of the tunnel. On success why may hold a remark. */
int keeper_forward(struct keeper_client *k, bool is_on, char why[KEEPER_WHY_SIZE]);
/* The same without waiting, for the kernel takes its time to change its rules; other calls may be
 * made meanwhile. Ask for the end when keeper_client_fd() is readable, and after other calls.
 * -EAGAIN: not yet, or not begun; -EPIPE: the keeper is gone; else as keeper_guard_apply(). */
void keeper_guard_begin(struct keeper_client *k);
int keeper_guard_end(struct keeper_client *k, char why[KEEPER_WHY_SIZE]);
int keeper_guard_apply(struct keeper_client *k, char why[KEEPER_WHY_SIZE]);
int keeper_guard_remove(struct keeper_client *k, char why[KEEPER_WHY_SIZE]);
int keeper_guard_read(struct keeper_client *k, struct nft_counters *ret, char why[KEEPER_WHY_SIZE]);
/* The same without waiting, for it runs a program: begun once at a time; ended when the keeper's
 * descriptor is readable, or some time later. -EAGAIN: not yet, or not begun. */
int keeper_guard_read_begin(struct keeper_client *k);
int keeper_guard_read_end(struct keeper_client *k, struct nft_counters *ret,
			  char why[KEEPER_WHY_SIZE]);
/* Of what it looks after: is_lost, and later that it is there again, or why it cannot be. Known
 * when keeper_client_fd() was readable, and after other calls. False: no news. */
struct keeper_news {
	enum keeper_held what;
	bool is_lost;
	char why[KEEPER_WHY_SIZE];
};
bool keeper_news(struct keeper_client *k, struct keeper_news *ret);
/* The sockets of port 53 on the tunnel's own address. */
int keeper_names_listen(struct keeper_client *k, int *ret_udp_fd, int *ret_tcp_fd,
			char why[KEEPER_WHY_SIZE]);
/* Tells this host's resolver of our server, and is called again until it is not PENDING; then
 * is_again false only asks. For NONE why says why. */
int keeper_names_apply(struct keeper_client *k, bool is_again, enum keeper_names *ret,
		       char why[KEEPER_WHY_SIZE]);
/* SCHED_FIFO for a thread of the child (gettid()). */
int keeper_realtime(struct keeper_client *k, pid_t thread, unsigned priority,
		    char why[KEEPER_WHY_SIZE]);

struct keeper_ether {
	int fd;
	uint8_t address[6];
	unsigned mtu_bytes;
};

/* A packet socket for batman-adv's frames at one of the interfaces in the options. -ENODEV,
 * -ENETDOWN: it is not there now; -EBUSY: it is part of another device; -EMSGSIZE: its MTU is
 * too small. */
int keeper_batman_socket(struct keeper_client *k, unsigned which, struct keeper_ether *ret,
			 char why[KEEPER_WHY_SIZE]);
/* The TAP device, raised, with its addresses and an MTU that fits the interfaces of all sockets so
 * far; there has to be one. On success why may hold a remark. */
int keeper_batman_tap(struct keeper_client *k, struct keeper_ether *ret, char why[KEEPER_WHY_SIZE]);

/* Asks for the eBPF programs to be loaded and attached, or, later, for interfaces to be looked at
 * again. Without an answer: it takes tens of milliseconds. */
int keeper_ebpf_refresh(struct keeper_client *k);
/* A descriptor of theirs, once they are. -ENOENT: not there (yet), or why. */
int keeper_ebpf_fd(struct keeper_client *k, enum ebpf_descriptor which, int *ret_fd,
		   char why[KEEPER_WHY_SIZE]);

/* Says that the loop still turns; every KEEPER_HEARTBEAT_MS. Never blocks. -EPIPE: the keeper
 * is gone, so should we. */
int keeper_heartbeat(struct keeper_client *k);
int keeper_client_fd(const struct keeper_client *k);	 /* readable at its end: the keeper died */
unsigned keeper_restarts(const struct keeper_client *k); /* of children before this one */

/* ---- confinement of the child ---- */

enum keeper_protection {
	KEEPER_USER,	     /* runs as an unprivileged user */
	KEEPER_CAPABILITIES, /* no capabilities, none to be had */
	KEEPER_NO_NEW_PRIVS,
	KEEPER_SECCOMP, /* system call filter */
	KEEPER_N_PROTECTIONS,
};

struct keeper_protections {
	struct {
		bool is_on;
		char text[KEEPER_WHY_SIZE]; /* "runs as x0 (uid 990)", or why it is off */
	} of[KEEPER_N_PROTECTIONS];
};

/* "user", "capabilities", "no_new_privs", "seccomp". */
const char *keeper_protection_name(enum keeper_protection p);

/* Drops to the user, clears all capabilities, forbids core files, sets no_new_privs and installs
 * the filter, in that order; all threads that come after inherit it, so call it before any. A step
 * that is refused is reported and not fatal, except one: having become the user, root must not be
 * regainable (-EPERM then, and the child must exit). */
int keeper_confine(const struct keeper_user *user, struct keeper_protections *ret);

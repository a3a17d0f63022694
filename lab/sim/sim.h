/* SPDX-License-Identifier: Apache-2.0 */
/* sim.h - many whole nodes in virtual time, all from one seed.
 *
 * The nodes are the same cores the daemon runs, joined by simulated links that delay, lose,
 * duplicate, reorder and cut; nodes crash, restart and have clocks that drift. The invariants of
 * docs/architecture.md are checked at every step; the first one broken ends the run and is told
 * with its time. The same seed gives the same trace, whatever the compiler. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto/crypto.h"
#include "core/forward/forward.h"
#include "core/node/node.h"

#define SIM_NODES_MAX 1024

/* Certificates are made once a process: of identity i of the domain "sim.test". */
struct sim_pki;

/* ops outlives it. -ENOMEM, -EIO. */
int sim_pki_new(const struct crypto_ops *ops, size_t n, struct sim_pki **ret);
void sim_pki_free(struct sim_pki *p);

struct sim_link_quality {
	uint32_t delay_us;
	uint32_t jitter_us; /* uniform, added; more than the gap between packets reorders */
	uint32_t loss_ppm;
	uint32_t duplicate_ppm;
	uint32_t corrupt_ppm; /* one bit of the datagram flipped */
	uint32_t size_max;    /* a longer datagram is lost: a path that is narrow; 0 for no limit */
	uint32_t rate_kbps;   /* of each direction, 0 for no limit; what waits longer is lost: */
	uint32_t queue_us;
};

struct sim_config {
	uint64_t seed;
	struct sim_pki *pki;
	size_t n_nodes;
	struct session_limits limits; /* zero fields: the defaults */
	unsigned mtu_bytes;	      /* of the tunnels; 0 for the default */
	bool tells_denied;
	bool has_multipath, has_flowlets;
	unsigned n_threads; /* packet threads; they do nothing but what a test does with them */
	bool allow_all;	    /* policy: true lets every member reach every other; false denies all */
	const struct policy_rule *rules; /* instead of that; NULL: as allow_all says */
	size_t n_rules;
	size_t flat_max, zone_max;	      /* of core/reach; 0: its own */
	const struct node_networks *networks; /* one for each node, or NULL; kept by the caller */
	/* True takes a delivered packet, which then is not one of sim_send(). May be NULL; else
	 * spoofed addresses fail the run. */
	bool (*deliver)(void *arg, size_t node, struct span packet);
	void (*watch)(void *arg, size_t node, const struct node_event *event, uint64_t now_us);
	/* Sees each datagram as it is sent; true takes it off the link. May be NULL. */
	bool (*tap)(void *arg, size_t link, bool to_b, struct span datagram);
	/* Told of NODE_STORE, NODE_ISSUE, NODE_RENEWED and NODE_COSIGN. May be NULL. */
	void (*act)(void *arg, struct node *node, size_t number, const struct node_action *action);
	void *watch_arg; /* of all of them */
};

struct sim;

int sim_new(const struct sim_config *config, struct sim **ret);
void sim_free(struct sim *s);

/* Joins two nodes; a connects to b and b to a where both is set. Returns the link's number. */
size_t sim_link(struct sim *s, size_t a, size_t b, const struct sim_link_quality *q, bool both);
void sim_link_set(struct sim *s, size_t link, const struct sim_link_quality *q);
void sim_link_cut(struct sim *s, size_t link, bool is_cut); /* silent */

/* The node at one end has a new address: what is sent to the old one is lost. */
void sim_link_move(struct sim *s, size_t link, bool is_b);

/* Boots a node, which has been off. Its clock starts offset_us from true time and gains
 * drift_ppm. */
int sim_boot(struct sim *s, size_t node, int64_t offset_us, int32_t drift_ppm);
/* Its wall clock is this far off from now on; its timers are none of that. It is right again after
 * a boot. */
void sim_set_wall_clock(struct sim *s, size_t node, int64_t off_s);
void sim_crash(struct sim *s, size_t node);
/* What it kept is lost: its next boot epoch comes from its clock alone, as after a restore. */
void sim_forget(struct sim *s, size_t node);
bool sim_is_running(const struct sim *s, size_t node);
struct node *sim_node(struct sim *s, size_t node);	/* NULL while off */
uint64_t sim_node_us(const struct sim *s, size_t node); /* what its clock shows */
/* Carries out what a command given to the node itself (node_ping() and the like) has queued. */
void sim_poke(struct sim *s, size_t node);
uint64_t sim_id(const struct sim *s, size_t node);

/* Runs to the given true time. false: an invariant broke, see sim_failure(). */
bool sim_run(struct sim *s, uint64_t until_us);
uint64_t sim_now_us(const struct sim *s);
const char *sim_failure(const struct sim *s);

/* One inner UDP packet of payload_len bytes with a number of its own: it may be lost, but it is
 * delivered at most once, unchanged, to its destination only. Returns its number. */
uint64_t sim_send(struct sim *s, size_t from, size_t to, size_t payload_len);
/* The same with a codepoint, and so of a class. */
uint64_t sim_send_marked(struct sim *s, size_t from, size_t to, size_t payload_len, uint8_t dscp);
bool sim_is_delivered(const struct sim *s, uint64_t packet);
/* The ICMPv6 error that the sender was told of it; type 0 for none. */
struct sim_error {
	unsigned type, code, mtu;
};

struct sim_error sim_error_of(const struct sim *s, uint64_t packet);
/* True time from sim_send() to delivery; 0 for not delivered. */
uint64_t sim_delivery_us(const struct sim *s, uint64_t packet);

/* Does from have a path to to by following next hops now? Its length, 0 for none. */
unsigned sim_walk(struct sim *s, size_t from, size_t to);
/* All ordered pairs of running nodes that the graph of uncut links joins, and how many of them
 * are routed. */
void sim_pairs(struct sim *s, size_t *ret_joined, size_t *ret_routed);

/* Delivers these bytes to a node as if they had come over the link from the other end. */
void sim_inject(struct sim *s, size_t link, bool to_b, struct span datagram, uint64_t delay_us);

struct sim_totals {
	uint64_t datagrams, bytes, lost, events, handshakes, packets_sent, packets_delivered;
	uint64_t seals; /* each checked to use a nonce never used before under its key */
	uint64_t rekeys, sessions_ended; /* of age or unused: the last one with that peer */
};

void sim_totals(const struct sim *s, struct sim_totals *ret);
/* Over everything that happened: equal for equal seeds. */
uint64_t sim_trace(const struct sim *s);

/* ---- scenarios: scenario.c ---- */

struct topology; /* sim/topology.h */

struct sim_scenario {
	size_t n_nodes;
	const struct topology *topology; /* NULL: a random geometric graph */
	double radius;	    /* of the random geometric graph on the unit square; 0: chosen */
	uint64_t calm_us;   /* cold start before faults */
	uint64_t faults_us; /* mixed faults for this long */
	/* Each tenth of a second, with a chance of one in this many; 0 for none: */
	uint32_t link_fault_one_in, crash_one_in, partition_one_in;
	uint64_t fault_max_us;	 /* how long a link's fault lasts at most */
	bool has_narrow_paths;	 /* long datagrams being lost is one of them */
	uint64_t session_max_us; /* 0 for the default, 24 h */
	uint64_t heal_us;	 /* after the last fault, before the verdict */
};

struct sim_report {
	bool is_ok;
	char failure[256];
	size_t joined, routed;	      /* ordered pairs at the end */
	size_t pings, pings_answered; /* packets between sampled joined pairs at the end */
	uint64_t routed_us;	      /* cold start: 95 % of pairs routed; 0 never */
	uint64_t trace;
	struct sim_totals totals;
};

extern const struct sim_scenario sim_scenario_mixed; /* 50 nodes, 4 s + 20 s + 15 s */
/* 8 nodes, 4 s + 440 s + 15 s, sessions of 200 s at most: rekeys, the end of what is not used, and
 * full handshakes in place of old sessions happen many times, among rarer faults. */
extern const struct sim_scenario sim_scenario_long;

int sim_run_scenario(struct sim_pki *pki, const struct sim_scenario *scenario, uint64_t seed,
		     struct sim_report *ret);

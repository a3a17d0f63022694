/* SPDX-License-Identifier: Apache-2.0 */
/* mesh.h - up to ten thousand simulated nodes of which only the cores of routing run: route/,
 * link/ with its streams, and forward/. No sessions, no cryptography, no tunnels: where the whole
 * node seals a datagram, this counts its bytes; where it shakes hands, two datagrams are
 * exchanged. What a node does between those cores (core/node) is written again in mesh_host.c.
 *
 * Virtual time, one seed, one trace. Invariants are checked as routes change and packets move;
 * the first one broken is told with its time, all are counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/link/link.h"
#include "core/reach/reach.h"
#include "core/route/route.h"
#include "sim/topology.h"

struct mesh;

struct mesh_config {
	uint64_t seed;
	const struct topology *topology; /* outlives it */
	uint32_t loss_ppm;		 /* of every datagram on every link, beside its own loss */
	unsigned check_every;		 /* one in so many route changes is walked; 0: chosen */
	uint64_t memory_max;		 /* bytes of the process; 0: no limit */
	size_t flat_max, zone_max;	 /* of core/reach; 0: its own */
	bool is_unproved;		 /* without epoch certificates */
};

int mesh_new(const struct mesh_config *config, struct mesh **ret);
void mesh_free(struct mesh *m);

size_t mesh_n_nodes(const struct mesh *m);
size_t mesh_n_links(const struct mesh *m);
void mesh_link_ends(const struct mesh *m, size_t link, size_t *ret_a, size_t *ret_b);
#define MESH_NONE SIZE_MAX
size_t mesh_link_between(const struct mesh *m, size_t a, size_t b);
/* Joins two nodes that nothing joins; the link is cut at first. Mobility needs this. */
size_t mesh_add_link(struct mesh *m, const struct topology_link *l);

void mesh_boot(struct mesh *m, size_t node);
void mesh_crash(struct mesh *m, size_t node); /* silently, with all it knew */
bool mesh_is_running(const struct mesh *m, size_t node);
struct routes *mesh_routes(struct mesh *m, size_t node);
struct reach *mesh_reach(struct mesh *m, size_t node);

/* Nothing passes any more. has_carrier: neither end is told; else both know at once. */
void mesh_cut(struct mesh *m, size_t link, bool has_carrier);
void mesh_mend(struct mesh *m, size_t link);
bool mesh_is_cut(const struct mesh *m, size_t link);
/* Both ends use it in their routing. */
bool mesh_is_up(const struct mesh *m, size_t link);

/* What a node lies about, or 0 for an honest one. */
#define MESH_LIAR_METRIC 1 /* announces a tenth of its metrics, digests and all */
#define MESH_LIAR_DROPS 2  /* drops the packets of others */
int mesh_set_liar(struct mesh *m, size_t node, unsigned how);

/* Runs to a time. false: the process grew beyond memory_max. */
bool mesh_run(struct mesh *m, uint64_t until_us);
uint64_t mesh_now_us(const struct mesh *m);
/* The first broken invariant, or ""; counted all the same and the run goes on. */
const char *mesh_failure(const struct mesh *m);
bool mesh_is_out_of_memory(const struct mesh *m);
uint64_t mesh_process_memory(void); /* bytes resident now */

/* ---- ways beyond the zone ---- */

/* As reach_want(). */
int mesh_want(struct mesh *m, size_t from, size_t to);

struct mesh_found {
	size_t from, to;
	uint64_t took_us; /* 0: looked for in vain */
};

/* Each once, in the order of time. */
bool mesh_next_found(struct mesh *m, struct mesh_found *ret);

/* ---- packets ---- */

enum mesh_fate {
	MESH_UNDER_WAY,
	MESH_DELIVERED,
	MESH_LOST,
};

/* A packet of 100 bytes; returns its number. */
size_t mesh_send(struct mesh *m, size_t from, size_t to);
/* Its hops are remembered, for mesh_next_step(). */
size_t mesh_send_traced(struct mesh *m, size_t from, size_t to);
enum mesh_fate mesh_fate(const struct mesh *m, size_t packet);
uint64_t mesh_sent_us(const struct mesh *m, size_t packet);
uint64_t mesh_delivery_us(const struct mesh *m,
			  size_t packet); /* how long it took; 0: it did not */
/* Numbers begin anew; what is under way is lost. */
void mesh_forget_packets(struct mesh *m);

struct mesh_step {
	uint64_t at_us;
	size_t packet, node;
	const char *what; /* static text: "sent by the first hop", ... */
	size_t next;	  /* MESH_NONE for none */
	uint32_t metric;  /* of the route used; ROUTE_METRIC_INFINITY for none */
};

bool mesh_next_step(const struct mesh *m, size_t *cursor, struct mesh_step *ret);

/* ---- looked at from outside ---- */

/* Where next hops lead from a node towards another, over a link that both ends use. */
size_t mesh_next(const struct mesh *m, size_t from, size_t to);
/* Follows next hops over links that both ends use. Its hops, 0 for none; ret_path (n_nodes + 1
 * places) may be NULL. */
unsigned mesh_walk(struct mesh *m, size_t from, size_t to, size_t *ret_path);
/* Which part of the graph of uncut links each node is in; a node that is off is alone. only_up:
 * of links that both ends use. without: by link, those to leave out; NULL for none. */
void mesh_parts(const struct mesh *m, bool only_up, const bool *without, uint32_t *ret_part);
/* Costs of the best paths to a node over links that both ends use, each hop as its sender counts
 * it, or in microseconds of delay; UINT64_MAX where there is none. */
int mesh_distances(const struct mesh *m, size_t to, bool by_delay, uint64_t *ret);
uint64_t mesh_path_cost(const struct mesh *m, const size_t *path, unsigned n_hops, bool by_delay);

struct mesh_totals {
	uint64_t probe_packets, probe_bytes;   /* datagrams, from the first byte after UDP */
	uint64_t stream_packets, stream_bytes; /* routing */
	uint64_t reach_bytes;		       /* of records of core/reach, in these */
	uint64_t data_packets, data_bytes;
	uint64_t sessions; /* set up; their handshakes' bytes are not counted */
	uint64_t lost, queue_drops;
	uint64_t sent, delivered; /* packets of mesh_send() */
	uint64_t watch_probes;	  /* of core/watch, their answers not counted */
	uint64_t lies;		  /* claims that a neighbour could not prove */
	uint64_t at_liar;	  /* packets for others that came to a node of mesh_set_liar() */
	uint64_t doubts;	  /* of a neighbour, for one destination or all */
	uint64_t hops;		  /* of packets and their copies */
	uint64_t recorded_hops;	  /* of those, with a record of the nodes visited */
	uint64_t returns;	  /* came to a node twice, with such a record */
	uint64_t loops;		  /* the same without one, or although the list names the node */
	uint64_t plain_loops;	  /* of those, the ones that no alternate took on */
	uint64_t hints;		  /* of dead ends, told */
	uint64_t ttl_ended;
	uint64_t route_changes, checks; /* walked after a change */
	uint64_t route_loops;		/* next hops that form a circle, at one instant */
	uint64_t infeasible;		/* next hops whose feasibility distance is no smaller */
	uint64_t liar_loops;		/* of both kinds, a liar of MESH_LIAR_METRIC among them */
	uint64_t refused;		/* records an honest node sent and another refused */
	uint64_t link_downs;		/* of ends */
	uint64_t events;
};

void mesh_totals(const struct mesh *m, struct mesh_totals *ret);
uint64_t mesh_trace(const struct mesh *m);

/* SPDX-License-Identifier: Apache-2.0 */
/* reach.h - ways to nodes beyond the zone: how many nodes there are, a spanning tree with Bloom
 * filters to look a node up by, requests for routes (docs/reach.md; design: ROUTING.md, Z and R).
 *
 * It finds out where to ask, and asks. The answers are ordinary entries of core/route under the
 * same feasibility condition; this room has no part in the proof that there are no loops. It sets
 * the zone limit of the table, asks the table to tell neighbours of what they asked for, and reads
 * next hops from it. Deterministic: no hash order, no float. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "core/route/route.h"

#define REACH_FLAT_MAX                                                            \
	1000 /* up to so many nodes all are one zone; with a tenth more no longer \
	      */
#define REACH_FLAT_MIN 8
#define REACH_ZONE_MAX 256 /* nodes of a zone */
#define REACH_ZONE_MIN 4
#define REACH_NEIGHBOURS_MAX ROUTE_NEIGHBOURS_MAX
#define REACH_WANTS_MAX 1024  /* destinations looked for or used beyond the zone */
#define REACH_ORIGINS_MAX 256 /* origins whose requests are counted */
#define REACH_SEEN_MAX 512    /* requests remembered, so that copies are not sent on */
#define REACH_ANSWERED_MAX 64 /* requests for this node remembered */
#define REACH_ANSWERS_MAX 3   /* copies of one request that are answered */
#define REACH_ORIGIN_RATE 10  /* requests a second of one origin that are sent on */
#define REACH_NEIGHBOUR_RATE 50
#define REACH_FILTER_BITS 65536
#define REACH_MATURE_US UINT64_C(3600000000) /* up for so long, a node may be preferred as root */
#define REACH_REFRESH_US UINT64_C(240000000) /* of the tree, by its root */
#define REACH_CONFIRM_US 20000000	     /* a route in use is confirmed so often */
#define REACH_IDLE_US 60000000		     /* a route not used for so long is let go */

struct reach;

struct reach_config {
	uint64_t self;
	uint32_t epoch; /* low 32 bits of the boot epoch */
	uint64_t seed;
	uint8_t hash_key[16];
	struct routes *routes; /* borrowed; its zone limit is set from here on */
	size_t flat_max;       /* 0: REACH_FLAT_MAX */
	size_t zone_max;       /* 0: REACH_ZONE_MAX */
};

int reach_new(const struct reach_config *config, uint64_t now_us, struct reach **ret);
void reach_free(struct reach *r);

/* As the calls of core/route, and after them. -ENOBUFS, -ENOMEM, -EINVAL. */
int reach_neighbour_up(struct reach *r, uint64_t neighbour, uint32_t cost, uint64_t now_us);
void reach_neighbour_cost(struct reach *r, uint64_t neighbour, uint32_t cost, uint64_t now_us);
void reach_neighbour_down(struct reach *r, uint64_t neighbour, uint64_t now_us);
void reach_neighbour_resync(struct reach *r, uint64_t neighbour, uint64_t now_us);

/* A record of type RECORD_TREE, RECORD_TREE_FILTER, RECORD_TREE_ASK or RECORD_ROUTE_REQUEST from
 * a neighbour with a session. -EBADMSG, -EPROTO: refused, nothing changed. */
int reach_input(struct reach *r, uint64_t neighbour, uint8_t record_type, struct span body,
		uint64_t now_us);
/* The table told of a change (ROUTE_CHANGED). */
void reach_route_changed(struct reach *r, uint64_t destination, uint64_t now_us);
void reach_tick(struct reach *r, uint64_t now_us);
uint64_t reach_deadline_us(const struct reach *r);

/* A packet for the destination. 0: there is a route, and it is kept while it is used; -EAGAIN: it
 * is being looked for, REACH_FOUND or REACH_FAILED will follow; -ENETUNREACH: all nodes are known
 * and it is none of them, or it was just looked for in vain; -ENOBUFS: REACH_WANTS_MAX. */
int reach_want(struct reach *r, uint64_t destination, uint64_t now_us);

enum reach_action_type {
	REACH_SEND, /* a record for a neighbour's stream, urgent */
	REACH_FOUND,
	REACH_FAILED,
};

struct reach_action {
	enum reach_action_type type;
	uint64_t neighbour;
	uint64_t destination; /* REACH_FOUND, REACH_FAILED */
	uint64_t took_us;     /* REACH_FOUND: from the first request on */
	uint8_t record_type;
	uint8_t body[1240];
	size_t len;
};

/* Drain after each call above, beside routes_next_action(). */
bool reach_next_action(struct reach *r, struct reach_action *ret);

struct reach_view {
	bool is_zoned;	  /* there is more than this table is told of */
	size_t zone_max;  /* as set in the table */
	size_t zone;	  /* destinations in it */
	uint64_t root;	  /* of the tree; this node itself, perhaps */
	uint64_t parent;  /* 0: this node is the root */
	uint32_t cost;	  /* to the root */
	uint32_t n_nodes; /* as the root counts them */
	uint32_t n_below; /* in the tree, this node included */
	size_t n_wants;
	size_t n_looking; /* of them, being looked for */
};

void reach_view(const struct reach *r, struct reach_view *ret);

struct reach_counters {
	uint64_t requests;	/* of this node's own, each stage */
	uint64_t found, failed; /* destinations looked for */
	uint64_t relayed;	/* requests sent on, each copy */
	uint64_t answered;	/* for this node */
	uint64_t copies;	/* of requests seen before */
	uint64_t limited;	/* requests beyond the rates */
	uint64_t confirms;	/* of this node's own */
	uint64_t parents;	/* changes of the parent */
	uint64_t refused;	/* records */
	uint64_t bytes_sent;
};

void reach_counters(const struct reach *r, struct reach_counters *ret);

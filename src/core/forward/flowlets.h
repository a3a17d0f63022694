/* SPDX-License-Identifier: Apache-2.0 */
/* flowlets.h - bulk spread over the next hop and its feasible alternates, one run of packets of a
 * flow at a time: after a pause longer than the ways differ by, the next packet cannot overtake the
 * last (docs/multipath.md; design: ROUTING.md, F).
 *
 * What goes by an alternate goes with a record of where it was, as any packet does that leaves the
 * next hops: see docs/routing.md for why that makes no circle. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/forward/forward.h"

#define FLOWLETS_MAX 1024     /* flows remembered; two in one place only choose more often */
#define FLOWLET_GAP_US 2000   /* and the difference of the ways */
#define FLOWLET_COST_FACTOR 2 /* dearer ways than this many times the best are left out */

struct flowlet {
	uint16_t hash;
	uint64_t destination; /* 0: a free place */
	uint64_t last_us;
	uint64_t gap_us;
	uint64_t next; /* 0: the next hop, whoever that is */
};

struct flowlets {
	struct flowlet places[FLOWLETS_MAX];
};

/* Whether a packet is one to spread at all. */
bool flowlets_apply(const struct forward_question *q, const struct wire_hop *hop);
/* The packet goes on where the one before it went, *ret: 0 for the next hop. False: a new run
 * begins, or that neighbour is not up or a dead end. */
bool flowlets_follow(struct flowlets *f, const struct forward_question *q,
		     const struct wire_hop *hop, uint64_t *ret);
/* Where a new run goes; q->route is complete. The nearer a way the more often, by the inverse of
 * its cost. is_bad: a link that none is to be sent over by choice. chance: any number. */
uint64_t flowlets_begin(struct flowlets *f, const struct forward_question *q,
			const struct wire_hop *hop, bool (*is_bad)(void *arg, uint64_t neighbour),
			uint64_t chance);

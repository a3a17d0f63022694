/* SPDX-License-Identifier: Apache-2.0 */
/* observe.h - what address neighbours see this node at, and what that says of a NAT between.
 *
 * Each neighbour tells what it sees. One may lie or look from inside the same network, so an
 * address counts as agreed where two observers at different addresses see the same. Addresses of
 * one's own tell nothing of a NAT further out unless they are public. */
#pragma once

#include "core/nat/candidate.h"

#define OBSERVERS_MAX 32 /* of more the one heard longest ago is forgotten */
#define OWN_ADDRESSES_MAX 32

struct observation {
	uint64_t observer;  /* node id; 0: free */
	struct endpoint at; /* the observer's own address: two on one host count as one */
	struct endpoint seen;
	uint64_t order; /* when, relative to the others */
};

/* All zeros is a node that nobody has looked at. */
struct observe {
	struct observation list[OBSERVERS_MAX];
	uint64_t next_order;
	struct endpoint own[OWN_ADDRESSES_MAX];
	size_t n_own;
};

/* Addresses of this machine's interfaces; what is beyond OWN_ADDRESSES_MAX is left out. */
void observe_set_own(struct observe *o, const struct endpoint *own, size_t n);
/* This neighbour, at this address, sees us there. True: that is news. */
bool observe_told(struct observe *o, uint64_t observer, const struct endpoint *at,
		  const struct endpoint *seen);
/* The neighbour is none any more. True: it had said something. */
bool observe_forget(struct observe *o, uint64_t observer);

struct observe_view {
	enum nat_mapping mapping;
	struct endpoint seen; /* what most agree on; null where nobody has looked */
	unsigned n_agree;     /* observers, by address, that see just that */
	unsigned n_observers; /* that look from where it counts */
};

void observe_view(const struct observe *o, bool is_ipv4, struct observe_view *ret);
/* Of both families the one that makes it harder to be reached. */
enum nat_mapping observe_mapping(const struct observe *o);
/* Adds own addresses, then what is seen, the most agreed first; room is left for both. */
void observe_candidates(const struct observe *o, struct candidates *ret);

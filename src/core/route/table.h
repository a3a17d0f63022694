/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - the state of a routing table and what its files share. Private to route/.
 *
 * Destinations and neighbours live in numbered slots; slot 0 of the destinations is this node.
 * What a neighbour said of a destination, and what it was told, are rows of the neighbour
 * under the destination's number. */
#pragma once

#include "base/map.h"
#include "core/route/record.h"
#include "core/route/route.h"

#define SELF 0
#define NO_SLOT (-1)
#define ROUTE_SWEEP_US 5000000 /* how often the forgotten are looked for */
#define ASKERS_WORDS (ROUTE_NEIGHBOURS_MAX / 64)

/* (epoch, seqno, metric): how close to the destination a route claims to be. */
struct distance {
	uint32_t epoch;
	uint16_t seqno;
	uint32_t metric;
};

/* The feasibility condition, RFC 8966 section 3.5.1: strictly closer. A later epoch is closer
 * than any seqno, a later seqno than any metric. */
bool distance_is_closer(const struct distance *a, const struct distance *b);
/* a's (epoch, seqno) is older than b's. */
bool distance_is_older(const struct distance *a, const struct distance *b);

/* What a neighbour said. */
struct heard {
	uint64_t hash;	      /* of the entry's bytes */
	uint8_t *relayed;     /* its length, then the attributes; NULL none */
	struct distance at;   /* metric ROUTE_METRIC_INFINITY: nothing, or withdrawn */
	uint32_t last_metric; /* the last finite one */
	uint8_t hops;
	bool via_us;
	bool is_beyond;	 /* withdrawn for lying beyond the neighbour's zone */
	bool is_stale;	 /* not yet repeated in the resync under way */
	bool is_refused; /* its claim does not hold: as if it were withdrawn */
	bool is_doubted; /* packets given to it did not arrive */
};

/* What a neighbour was told, and what it is to be told. */
struct told {
	uint64_t hash;	  /* of the entry's bytes */
	uint64_t news;	  /* of what is news in it: without seqno and proof */
	bool is_told;	  /* and not withdrawn since */
	bool is_dirty;	  /* in the queue of updates */
	bool is_asked;	  /* even a new seqno alone is news */
	bool has_request; /* in the queue of requests */
};

/* Destination numbers waiting to be written into a record; each at most once. */
struct queue {
	uint32_t *items;
	size_t head, tail;
};

struct neighbour {
	uint64_t id;	 /* 0: the slot is free */
	uint32_t metric; /* ROUTE_METRIC_INFINITY: not up */
	uint32_t epoch;	 /* of its last resync; 0 unknown */
	bool is_up;
	bool is_doubted;  /* as the way to anybody but itself */
	bool is_shunned;  /* and told of ways through us, and to us, as doubted: there are others */
	bool is_draining; /* records are being handed out */
	struct heard *heard;
	struct told *told;
	struct queue updates;
	struct queue requests;
	struct digest heard_digest;
	struct digest told_digest;
	size_t n_introduced; /* destinations first heard of from it */

	uint64_t flush_us; /* nothing is sent before */
	uint64_t digest_us;
	bool needs_begin;
	bool needs_end;
	bool needs_digest;
	bool needs_dump;    /* all is to be told again when the digest is due */
	bool wants_resync;  /* we ask it to tell all again */
	bool is_resyncing;  /* it is telling all again */
	uint64_t dumped_us; /* when we last began to tell all */
	bool was_dumped;
	uint64_t resync_after_us; /* asked for no sooner */
	uint64_t resync_wait_us;  /* doubles while it does not help */
};

enum wish {
	WISH_NONE,
	WISH_ANY,    /* no route is left: anybody may answer */
	WISH_BETTER, /* a nearer neighbour is not feasible under the present seqno */
};

struct destination {
	uint64_t id; /* 0: the slot is free */
	uint64_t since_us;
	int next;	    /* neighbour slot */
	struct distance at; /* of the selected route, our own link included */
	uint32_t last_metric;
	uint8_t hops;
	bool is_changed; /* in the queue of changes */
	int introduced_by;

	bool has_feasibility;
	struct distance feasibility;
	uint64_t feasibility_until_us; /* counts while there is no route */

	/* The pending seqno request: ours, or of neighbours that asked. */
	enum wish wish;
	bool is_pending;
	bool has_hope;		/* a finite offer that is not feasible */
	int better;		/* neighbour slot of WISH_BETTER */
	struct distance wanted; /* epoch and seqno */
	uint8_t ask_hops;
	unsigned n_tries;
	uint64_t retry_us;
	uint64_t asked_us; /* last sent on */
	uint64_t relay_until_us;
	uint64_t askers[ASKERS_WORDS];

	/* What lies beyond the zone is told to those that asked only. */
	bool is_in_zone;
	bool is_beyond; /* no neighbour offers it and some have it beyond their zones */
	uint32_t hoped; /* what it would cost by the best offer that is not feasible */
	uint64_t used_until_us;
	uint64_t subscribed_until_us; /* 0: nobody is */
	uint64_t subscribers[ASKERS_WORDS];
};

struct routes {
	struct route_config config;
	struct rng rng;
	uint64_t now_us;   /* of the last call */
	struct map *by_id; /* node id -> slot + 1 */

	struct destination *destinations;
	size_t n_destinations; /* slots in use or freed */
	size_t n_size;	       /* slots allocated, here and in each neighbour */
	size_t n_live;
	size_t n_unreachable;
	size_t n_reachable;
	struct queue freed;
	struct queue changed;
	struct queue pending;

	struct neighbour *neighbours;
	unsigned n_neighbours;	  /* slots ever used */
	unsigned neighbours_size; /* slots allocated */
	unsigned sending;	  /* the slot being drained */

	uint64_t refresh_us;
	uint64_t retry_us; /* no request is due before */
	uint64_t sweep_us;
	uint64_t bump_us;	/* own seqno is to be raised, as was asked; NEVER_US: not */
	uint64_t bump_after_us; /* and no sooner */
	uint64_t bumps_us;	/* when the last of n_bumps was given back */
	unsigned n_bumps;
	uint64_t claim_us; /* own id was last claimed back */
	bool was_claimed;
	bool has_claim;
	uint8_t *own; /* our own attributes: length, then as they go out; NULL none */
	uint64_t n_changes;

	size_t zone_max;    /* 0: no limit */
	size_t n_zone;	    /* destinations in it */
	uint32_t radius;    /* metric of the last one in it; infinity while it is not full */
	uint64_t radius_id; /* and its id, among equals */
	size_t n_subscribed;
	struct route_counters counters;
};

/* ---- table.c ---- */
void queue_push(struct queue *q, size_t size, uint32_t item);
bool queue_pop(struct queue *q, uint32_t *ret);
bool queue_is_empty(const struct queue *q);

int table_find(const struct routes *t, uint64_t id);
/* Finds or makes; -ENOBUFS, -ENOMEM. */
int table_add(struct routes *t, uint64_t id, int introduced_by);
void table_forget(struct routes *t, uint32_t slot);
int neighbour_find(const struct routes *t, uint64_t id);
int neighbour_add(struct routes *t, uint64_t id); /* -ENOBUFS, -ENOMEM */
void neighbour_done(struct routes *t, struct neighbour *n);
/* Nothing points to the neighbour any more, so that its slot may go to another. */
void neighbour_detach(struct routes *t, int slot);

/* ---- select.c ---- */
uint32_t metric_add(uint32_t a, uint32_t b); /* saturates at infinity */
bool route_is_feasible(const struct destination *d, const struct distance *offered);
/* The neighbour's metric, its link's, and what doubts add. */
uint32_t cost_through(const struct routes *t, const struct neighbour *n, uint32_t slot);
bool is_doubted(const struct routes *t, const struct neighbour *n, uint32_t slot);
/* Chooses again after what neighbours say, or their links' costs, changed. */
void select_route(struct routes *t, uint32_t slot, bool has_new_attributes);

/* ---- send.c ---- */
void tell(struct routes *t, uint32_t slot); /* all neighbours, if there is something new */
void tell_one(struct routes *t, struct neighbour *n, uint32_t slot, bool is_asked);
void tell_all(struct routes *t, struct neighbour *n); /* the whole table */
void forget_told(struct routes *t, struct neighbour *n);
bool neighbour_has_work(const struct neighbour *n);
void ask_one(struct routes *t, struct neighbour *n, uint32_t slot); /* queues a request */
void tell_now(struct routes *t, struct neighbour *n);		    /* without pacing */

/* ---- zone.c ---- */
/* After its metric or its reachability changed. True: it is in the zone now and was not, or the
 * other way round. */
bool zone_update(struct routes *t, struct destination *d);
void zone_review(struct routes *t); /* before anything is sent */
bool zone_allows(const struct routes *t, const struct neighbour *n, const struct destination *d);
/* A lost route is worth looking for: it was in the zone, or is used. */
bool zone_cares(const struct routes *t, const struct destination *d);
void zone_subscribe(struct routes *t, uint32_t slot, int neighbour);
void zone_detach(struct routes *t, int neighbour);
void zone_tick(struct routes *t, uint32_t slot); /* ends subscriptions */

/* ---- request.c ---- */
/* A neighbour asked, and is answered with what is newer than wanted and newer than it. */
void ask_received(struct routes *t, uint32_t slot, int from, const struct distance *wanted);
void review_wishes(struct routes *t, uint32_t slot, int better, bool has_hope);
bool has_askers(const struct destination *d);
void request_received(struct routes *t, int from, const struct request *q);
void requests_tick(struct routes *t);
void review_own_seqno(struct routes *t); /* raises it when asked to and due */
void raise_own_seqno(struct routes *t);	 /* and tells the neighbours */
/* Our id was announced with an (epoch, seqno) that may be later than ours. */
void own_id_announced(struct routes *t, const struct distance *at);

/* ---- input.c ---- */
/* What can be used of what the neighbour says: infinite where its claim does not hold. */
static inline uint32_t heard_metric(const struct heard *h)
{
	return h->is_refused ? ROUTE_METRIC_INFINITY : h->at.metric;
}
/* Judges an entry heard; true if it is now judged otherwise than before. */
bool judge_claim(struct routes *t, struct neighbour *n, uint32_t slot);
/* Takes back what a neighbour said of a destination, as if it had withdrawn it. */
void unhear(struct neighbour *n, uint32_t slot);
void unhear_all(struct routes *t, int neighbour); /* and chooses other routes */

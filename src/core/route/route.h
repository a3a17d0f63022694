/* SPDX-License-Identifier: Apache-2.0 */
/* route.h - the routing table of one zone: distance vector with the feasibility condition of
 * RFC 8966 section 3.5.1, incremental reliable updates, loop-free alternates (RFC 5286).
 *
 * The condition: accept a route only if it is strictly better than the best (seqno, metric)
 * oneself ever advertised for the destination. So (newest seqno, feasibility distance)
 * strictly decreases along every next hop at every instant: no loops, ever. See
 * docs/routing.md (design: ROUTING.md, Z). Deterministic: no hash order, no float. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

#define ROUTE_DESTINATIONS_MAX 10000
#define ROUTE_NEIGHBOURS_MAX 256
#define ROUTE_INTRODUCED_MAX 4096 /* destinations first heard of from one neighbour */
#define ROUTE_ALTERNATES_MAX 3
#define ROUTE_METRIC_INFINITY 0xffffffU /* 24 bits, units of 10 us */
#define ROUTE_PACING_US 5000
#define ROUTE_DIGEST_US 1000000
#define ROUTE_REFRESH_US 60000000
#define ROUTE_REQUEST_RETRY_US 60000
#define ROUTE_FEASIBILITY_KEPT_US 180000000
#define ROUTE_REQUEST_HOPS_MAX 64
#define ROUTE_SUBSCRIBED_US 60000000 /* who asked is told so long, unless it asks again */
#define ROUTE_DOUBTED 0x800000U	     /* metrics from here on: it is doubted that it arrives */
#define ROUTE_SHUNNED 0xc00000U	     /* and from here on: it goes through who is doubted for all */
#define ROUTE_PROOF_MAX 120	     /* bytes of the attributes that prove a claim */

struct routes;

/* What an entry says of how near its sender is, with the attributes that are to prove it. */
struct route_claim {
	uint64_t destination;
	uint32_t epoch;
	uint16_t seqno;
	uint32_t metric;
	struct span attributes; /* type 1 | length 1 | value; without the hop count */
};

/* How claims are judged and passed on: core/origin. Called within the calls below, so it may not
 * call back. The attributes written are those below ROUTE_ATTRIBUTE_RESERVED. */
struct route_proofs {
	/* False: the entry counts as withdrawn, until it is heard anew or routes_review(). Of
	 * oneself only what is proved holds. */
	bool (*holds)(void *arg, uint64_t neighbour, const struct route_claim *claim);
	/* What goes with the claim when it is passed on at a metric that is no smaller. Returns
	 * the length. */
	size_t (*relay)(void *arg, const struct route_claim *claim, uint32_t metric,
			uint8_t ret[ROUTE_PROOF_MAX]);
	/* What goes with our own entry. */
	size_t (*own)(void *arg, uint32_t epoch, uint16_t seqno, uint8_t ret[ROUTE_PROOF_MAX]);
	void *arg;
};

struct route_config {
	uint64_t self;	/* node id */
	uint32_t epoch; /* low 32 bits of the boot epoch: later boots win */
	uint64_t seed;
	uint8_t hash_key[16];
	size_t zone_max;		   /* of routes_set_zone(), at first; 0: all */
	const struct route_proofs *proofs; /* outlives the table; NULL: all is believed */
};

int routes_new(const struct route_config *config, uint64_t now_us, struct routes **ret);
void routes_free(struct routes *t);

/* A neighbour appeared, or its link's cost changed, or it vanished. A cost of 0 counts as 1.
 * Down repairs at once: the best feasible alternate is selected when the call returns. -EINVAL
 * for 0 and for oneself, -ENOBUFS. */
int routes_neighbour_up(struct routes *t, uint64_t neighbour, uint32_t metric, uint64_t now_us);
void routes_neighbour_metric(struct routes *t, uint64_t neighbour, uint32_t metric,
			     uint64_t now_us);
void routes_neighbour_down(struct routes *t, uint64_t neighbour, uint64_t now_us);
/* The session was replaced: what the neighbour knows of us is told again. Only for a neighbour
 * of the same boot epoch: one that restarted forgot what it had advertised, so it must go down
 * and come up, and its old routes with it. Also after a record could not be queued. */
void routes_neighbour_resync(struct routes *t, uint64_t neighbour, uint64_t now_us);

/* Zones (docs/reach.md). To a neighbour this node announces itself, the nearest zone_max of its
 * destinations, and what the neighbour asked for. 0: all. */
void routes_set_zone(struct routes *t, size_t zone_max, uint64_t now_us);
size_t routes_zone_max(const struct routes *t);
size_t routes_zone_count(const struct routes *t); /* announced to all; oneself not counted */
bool routes_is_in_zone(const struct routes *t, uint64_t destination);

/* The (epoch, seqno) that a route must have to be feasible wherever it was asked for. */
struct route_wanted {
	uint32_t epoch; /* 0: any will do */
	uint16_t seqno;
};

/* A neighbour looks for a route: the next that comes of the destination, newer than what is here,
 * is told it, and what changes of it in the next minute. The destination itself answers with a new
 * seqno. *wanted is raised to what this node needs itself. -ENOBUFS, -ENOMEM; -ENOENT: no such
 * neighbour. */
int routes_asked(struct routes *t, uint64_t neighbour, uint64_t destination,
		 struct route_wanted *wanted, uint64_t now_us);
/* The neighbour is told of the destination for a minute from now. by: the neighbour that asked for
 * it, and has a new entry on its account. The same errors. */
int routes_subscribe(struct routes *t, uint64_t neighbour, uint64_t by, uint64_t destination,
		     uint64_t now_us);
/* This node itself uses the route: while it does, and a minute more, a route that is lost is
 * asked for anew although it lies beyond the zone. */
void routes_used(struct routes *t, uint64_t destination, uint64_t now_us);
/* What a request of this node's own should want. */
struct route_wanted routes_wanted(const struct routes *t, uint64_t destination);

/* Of the destination's entries more is known: all are judged again. */
void routes_review(struct routes *t, uint64_t destination, uint64_t now_us);
/* What measurement says of a neighbour as the way to a destination, or to all others (0): through
 * one that is doubted it costs ROUTE_DOUBTED more, here and for all whom we tell. It stays until it
 * is taken back, the neighbour says itself that its way is doubted, or it goes. One that is doubted
 * for all is told of routes, and of us, as doubted while another neighbour is not. */
void routes_set_doubt(struct routes *t, uint64_t neighbour, uint64_t destination, bool is_doubted,
		      uint64_t now_us);

/* A record of type RECORD_ROUTE_* or RECORD_SEQNO_REQUEST from a neighbour with a session. It
 * may come before routes_neighbour_up(), and counts from then on. -EBADMSG, -EPROTO, -ENOBUFS;
 * a bad record changes nothing. */
int routes_input(struct routes *t, uint64_t neighbour, uint8_t record_type, struct span body,
		 uint64_t now_us);
void routes_tick(struct routes *t, uint64_t now_us);
uint64_t routes_deadline_us(const struct routes *t);

/* Drain after every call above. Records are already paced: push them as urgent. */
enum route_action_type {
	ROUTE_SEND,    /* a record for a neighbour's stream */
	ROUTE_CHANGED, /* the selected next hop or reachability of a destination changed */
};

struct route_action {
	enum route_action_type type;
	uint64_t neighbour; /* ROUTE_SEND */
	uint8_t record_type;
	uint8_t body[1240];
	size_t len;
	uint64_t destination; /* ROUTE_CHANGED */
};

bool routes_next_action(struct routes *t, struct route_action *ret);

/* What this node's own entry carries besides, for all nodes to see and none but us to have said
 * so: attributes as type 1 | length 1 | value, ROUTE_ATTRIBUTES_MAX bytes at most, type above
 * ROUTE_ATTRIBUTE_RESERVED. Relays could change them: they are hints. -EINVAL, -ENOMEM. */
#define ROUTE_ATTRIBUTES_MAX (252 - ROUTE_PROOF_MAX)
#define ROUTE_ATTRIBUTE_RESERVED 5
#define ROUTE_ATTRIBUTE_IPV4 6	 /* which IPv4 address the node takes */
#define ROUTE_ATTRIBUTE_OFFERS 7 /* digest of the prefixes that it offers */
int routes_set_attributes(struct routes *t, struct span attributes, uint64_t now_us);
/* The value of one, by the selected route; empty for none. Borrowed until the next call. */
struct span routes_attribute(const struct routes *t, uint64_t destination, uint8_t type);
/* Another number whenever a destination's attributes or next hop may be others than before. */
uint64_t routes_changes(const struct routes *t);

struct route {
	uint64_t destination;
	uint64_t next_hop; /* 0: unreachable */
	uint32_t metric;
	uint32_t epoch;
	uint16_t seqno;
	unsigned hops; /* as announced, our hop included */
	size_t n_alternates;
	size_t n_feasible; /* the first so many of them are feasible, the others loop-free alone */
	uint64_t alternates[ROUTE_ALTERNATES_MAX]; /* feasible or loop-free, best first */
	bool is_doubted;			   /* the next hop is; nothing better is left */
	uint64_t since_us;
};

/* false for a destination never heard of. Oneself is its own next hop. With next_hop 0 there may
 * still be alternates, loop-free as of the last route. */
bool routes_lookup(const struct routes *t, uint64_t destination, struct route *ret);
/* Of that nothing but next_hop, for each packet; 0 where there is none. */
uint64_t routes_next_hop(const struct routes *t, uint64_t destination);
/* The same, and since when; ret_since_us is untouched where there is none. */
uint64_t routes_next_hop_since(const struct routes *t, uint64_t destination,
			       uint64_t *ret_since_us);
/* Walks in order of first sight, oneself left out; start with *cursor = 0. A forgotten
 * destination's place in the order goes to the next new one. */
bool routes_next(const struct routes *t, size_t *cursor, struct route *ret);
size_t routes_count_reachable(const struct routes *t); /* oneself not counted */
/* The last finite metric the neighbour announced, withdrawn or not, its link not included;
 * ROUTE_METRIC_INFINITY for none. For deflection only: nothing says it is free of loops. */
uint32_t routes_last_metric(const struct routes *t, uint64_t neighbour, uint64_t destination);
/* All neighbours that are up, each with that metric and its link's; in an order that stays while
 * none goes. Start with *cursor = 0. */
bool routes_next_neighbour(const struct routes *t, size_t *cursor, uint64_t destination,
			   uint64_t *ret, uint32_t *ret_metric);

/* For invariant checks: what this node has advertised at best, (epoch, seqno, metric). */
bool routes_feasibility(const struct routes *t, uint64_t destination, uint32_t *ret_epoch,
			uint16_t *ret_seqno, uint32_t *ret_metric);

struct route_counters {
	uint64_t updates_sent, updates_received, infeasible, requests_sent, resyncs, bytes_sent;
	uint64_t requests_received;
	uint64_t refused;	    /* records that were malformed or impossible */
	uint64_t table_full;	    /* entries left out for want of room */
	uint64_t digest_mismatches; /* a neighbour's table is not what we heard of it */
	uint64_t own_id_claims;	    /* our id announced with a later seqno or epoch than ours */
	uint64_t unproved;	    /* entries whose claim did not hold */
};

void routes_counters(const struct routes *t, struct route_counters *ret);

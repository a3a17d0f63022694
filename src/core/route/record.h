/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - the bytes of routing records (docs/routing.md). Layout and what no honest sender
 * would write; what a record means is judged elsewhere. Private to route/. */
#pragma once

#include "core/route/route.h"

#define RECORD_MAX 1240
#define ENTRY_LEN 19 /* without attributes */
#define REQUEST_LEN 15
#define DIGEST_LEN 12
#define RELAYED_MAX 252 /* 255 less our hop count */

#define ENTRY_VIA_YOU 0x01 /* the sender's next hop is the receiver */
#define ENTRY_BEYOND 0x02  /* a withdrawal: the sender has a route, beyond its zone */

enum attribute {
	ATTRIBUTE_PATH = 1, /* these two prove the claim, core/origin */
	ATTRIBUTE_ELEMENT = 2,
	ATTRIBUTE_CERTIFICATE = 4,
	ATTRIBUTE_HOPS = 5,
};

struct entry {
	uint64_t destination;
	uint32_t epoch;
	uint16_t seqno;
	uint32_t metric; /* ROUTE_METRIC_INFINITY withdraws */
	uint8_t flags;
	uint8_t hops;
	uint8_t relayed_len; /* the other attributes, untouched, in order */
	uint8_t relayed[RELAYED_MAX];
	struct span bytes; /* as received; borrowed */
};

/* The next entry. -EBADMSG for what is cut short, -EPROTO for what cannot be. */
int entry_decode(struct reader *r, struct entry *ret);
/* False, and nothing written, when there is no room. */
bool entry_encode(struct writer *w, const struct entry *e);
/* What a digest sums: equal at both ends of a link for equal bytes. */
uint64_t entry_hash(struct span bytes);

/* The attributes without those that prove the claim. Returns the length; ret has room for as many
 * bytes. */
size_t strip_proof(struct span attributes, uint8_t *ret);
/* Without all that core/origin writes itself; what finds no room is left out. */
size_t strip_reserved(struct span attributes, size_t room, uint8_t *ret);

struct request {
	uint64_t destination;
	uint32_t epoch;
	uint16_t seqno;
	uint8_t hops;
};

int request_decode(struct reader *r, struct request *ret);
void request_encode(struct writer *w, const struct request *q);

struct digest {
	uint32_t n;
	uint64_t sum;
};

int digest_decode(struct span body, struct digest *ret);
void digest_encode(struct writer *w, const struct digest *d);

enum resync_kind {
	RESYNC_REQUEST = 0, /* tell me all again */
	RESYNC_BEGIN = 1,   /* what follows is all; the digest is of what I heard from you */
	RESYNC_END = 2,	    /* and this was all: forget the rest */
};

struct resync {
	enum resync_kind kind;
	uint32_t epoch; /* of the sender; RESYNC_BEGIN only, as is the digest */
	struct digest heard;
};

int resync_decode(struct span body, struct resync *ret);
void resync_encode(struct writer *w, const struct resync *s);

/* SPDX-License-Identifier: Apache-2.0 */
/* pmtu.h - how long a datagram to a neighbour may be: path MTU discovery in the packet layer
 * (RFC 8899), by padded probes which the neighbour answers. docs/mtu.md.
 *
 * Sizes are of our datagrams, UDP's payload. It sends nothing itself: it says what to send. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define PMTU_BASE 1386 /* carries an inner packet of 1,280 bytes whole: BASE_PLPMTU */
#define PMTU_MIN 1232  /* of any IPv6 path (RFC 8200 section 5), taken for granted until known */
#define PMTU_FLOOR 768 /* below this a datagram of PMTU_BASE would not fit in two */
#define PMTU_MAX_PROBES 3
#define PMTU_PROBE_US 1000000	/* PROBE_TIMER, which may not be less */
#define PMTU_CONFIRM_US 5000000 /* CONFIRMATION_TIMER, while long datagrams are sent */
#define PMTU_RAISE_US 600000000 /* PMTU_RAISE_TIMER */
#define PMTU_SUSPECT_US                                                           \
	60000000 /* the same after a black hole and in ERROR: it may be gone soon \
		  */

enum pmtu_state {      /* RFC 8899 section 5.2 */
	PMTU_DISABLED, /* the link is down */
	PMTU_CHECK_BASE,
	PMTU_SEARCHING,
	PMTU_COMPLETE,
	PMTU_ERROR, /* not even the base passes: what is longer goes in two */
};

struct pmtu {
	enum pmtu_state state;
	unsigned max;	     /* the longest worth looking for */
	unsigned header_len; /* of IP and UDP below */
	uint64_t confirm_us;
	uint64_t raise_us;
	unsigned size;	 /* the longest known to pass, or PMTU_MIN or PMTU_FLOOR on trust */
	unsigned failed; /* the shortest known not to; max + 1 for none */
	unsigned hint;	 /* what the kernel believes; 0 none */
	unsigned probed; /* size of the probe under way; 0 none */
	unsigned n_sent; /* how often */
	uint32_t id;
	uint64_t probe_at_us;	/* the next probe, or the end of the wait for an answer */
	uint64_t confirm_at_us; /* the next check that what passed still does */
	uint64_t raise_at_us;
	bool is_used;	    /* a datagram longer than PMTU_MIN was sent since the last answer */
	bool has_suspicion; /* the search under way follows a black hole */
};

/* Zero times are the defaults; max is at least PMTU_BASE. */
void pmtu_init(struct pmtu *p, unsigned max, uint64_t confirm_us, uint64_t raise_us);
/* The link is up, or leads to another address: nothing is known any more. */
void pmtu_begin(struct pmtu *p, bool is_ipv4, uint64_t now_us);
void pmtu_stop(struct pmtu *p); /* it is down */

/* Datagrams up to this pass. */
static inline unsigned pmtu_size(const struct pmtu *p)
{
	return p->size;
}

/* What may pass at most: the size where the search is over, else what has not failed yet. */
unsigned pmtu_at_most(const struct pmtu *p);
bool pmtu_is_searching(const struct pmtu *p); /* it may still be found to be more */

/* A probe is due: so long shall its datagram be, and this its id. Ask after every input and tick,
 * until false. */
bool pmtu_next_probe(struct pmtu *p, uint64_t now_us, uint32_t *ret_id, unsigned *ret_size);
/* The answer to one. False where it was not asked for. */
bool pmtu_answered(struct pmtu *p, uint32_t id, unsigned size, uint64_t now_us);
/* The probe of that size could not even leave: longer than the device carries. */
void pmtu_refused(struct pmtu *p, unsigned size, uint64_t now_us);
/* What the kernel believes of the path, from the device and from ICMP. A hint: it says what to
 * try next, and nothing is believed before a probe has told (RFC 8899 section 4.6). */
void pmtu_hint(struct pmtu *p, unsigned size, uint64_t now_us);

/* A datagram longer than PMTU_MIN was sent. After a pause the path is checked at once. */
static inline void pmtu_sent_long(struct pmtu *p)
{
	p->is_used = true;
}

void pmtu_tick(struct pmtu *p, uint64_t now_us);
uint64_t pmtu_deadline_us(const struct pmtu *p);

const char *pmtu_state_name(enum pmtu_state s);

/* ---- what goes over the wire: the body of a datagram of type 18 ---- */

/* kind 1 (0x10 probe, 0x11 answer) | 0 1 | size 2 | id 4; a probe is padded with zeros to its
 * size. The kinds differ from what a probe of liveness can begin with. */
#define PMTU_MESSAGE_LEN 8

struct pmtu_message {
	bool is_answer;
	unsigned size;
	uint32_t id;
};

static inline bool pmtu_is_message(struct span body)
{
	return body.len > 0 && (body.at[0] & 0xf0) == 0x10;
}

/* -EBADMSG too short, or an answer that is padded; -EPROTO another kind or reserved byte. */
int pmtu_message_decode(struct span body, struct pmtu_message *ret);
void pmtu_message_encode(const struct pmtu_message *m, uint8_t ret[PMTU_MESSAGE_LEN]);

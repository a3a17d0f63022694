/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - measures whether what is handed to a neighbour for a destination arrives there.
 *
 * For each destination that packets go to, ours or others', a probe goes through exactly that
 * neighbour now and then, sealed end to end, so that on the way it looks like any other packet; the
 * destination answers it. Whoever drops what it should pass on drops these too, and is doubted:
 * for that destination, and after the second for all. Nobody else's word is needed or taken.
 * docs/authenticity.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCH_DESTINATIONS_MAX 64   /* those in use last; more are not watched */
#define WATCH_HOPS_MAX 4	    /* neighbours of each: a next hop and three alternates */
#define WATCH_NEIGHBOURS_MAX 64	    /* doubted as a whole */
#define WATCH_PACKETS_MIN 16	    /* so many of others in the last second or two are a use */
#define WATCH_ACTIVE_US 2000000	    /* a use is over after this long */
#define WATCH_KEPT_US 60000000	    /* what is not in use is forgotten, doubts and all */
#define WATCH_INTERVAL_US 1000000   /* between probes, +- 25 % */
#define WATCH_LOST_MIN 3	    /* in a row, and one more for each two hops to there: doubted */
#define WATCH_BULK_LOST 4	    /* so many of bulk count as one: it loses its own packets */
#define WATCH_SLOW_MIN_US 8000	    /* longer than ever, by an eighth or so much: may be full */
#define WATCH_SLOW_PART 8	    /* of the least round trip */
#define WATCH_MORE_BYTES 8192	    /* a second, and twice of what was carried before: it too */
#define WATCH_WINDOW 16		    /* or of so many */
#define WATCH_WINDOW_LOST_MAX 10    /* this many */
#define WATCH_HISTORY 32	    /* probes that a share of losses is said of */
#define WATCH_HISTORY_US 30000000   /* without one for so long what was before is forgotten */
#define WATCH_HURRY_US 100000	    /* between probes while more seems lost than usual */
#define WATCH_BUSY_US 250000	    /* between probes of a way that many packets go */
#define WATCH_BUSY_PACKETS 8	    /* so many for each of these */
#define WATCH_DOUBTED_US 250000	    /* between probes of the way doubted last, until it is sure, */
#define WATCH_HURRIED_MAX 16	    /* for so many of them, */
#define WATCH_HURRIED_PER_S 40	    /* and so many a second of all such ways; else at leisure */
#define WATCH_ANSWERS_MIN 4	    /* in a row: believed again; doubles each time, to 64 */
#define WATCH_CONVICTED_MIN 2	    /* destinations that others reach, and it is doubted for all */
#define WATCH_FAILING_MIN 3	    /* or so many, and none that it reaches */
#define WATCH_DOUBT_MIN_US 60000000 /* a whole neighbour at least so long; doubles, to an hour */
#define WATCH_DOUBT_MAX_US UINT64_C(3600000000)

/* Who is farther from a destination than its neighbours' neighbours lets those nearer mend what is
 * lost: so long for each link more, and what is seen after that is what counts. Those who only pass
 * on have but their probes to tell by, and take longer (test_grey). */
#define WATCH_NEAREST_HOPS 2
#define WATCH_NEARER_US 15000000
#define WATCH_FURTHER_MAX 2	      /* links that are waited for */
#define WATCH_FURTHER_UNKNOWN 1	      /* where nobody answered yet */
#define WATCH_NEARER_KEPT_US 60000000 /* little lost for so long: the next fault is another */

struct watch;

int watch_new(uint64_t seed, uint64_t now_us, struct watch **ret); /* -ENOMEM */
void watch_free(struct watch *w);

enum watch_use {
	WATCH_NOT, /* nothing happens */
	WATCH_RELAYED,
	WATCH_OWN,
	WATCH_ANSWER, /* to a probe with is_for_packets; to others, and of our probes: WATCH_NOT */
};

/* A packet that was handed to a neighbour as its next hop. */
struct watch_packet {
	uint64_t destination;
	uint64_t neighbour;
	size_t len;
	enum watch_use use;
	uint8_t tag;  /* given back with the probe */
	bool is_bulk; /* may fill its way and be lost there with nobody at fault */
};

/* Cheap. */
void watch_passed(struct watch *w, const struct watch_packet *packet, uint64_t now_us);
/* The neighbour is gone, and what was thought of it. */
void watch_gone(struct watch *w, uint64_t neighbour);

/* A probe to be sent now to the destination through the neighbour, as long as packets there are. */
struct watch_probe {
	uint64_t destination;
	uint64_t neighbour;
	uint32_t id;
	size_t len;
	uint8_t tag; /* of the last packet, as it was given */
	/* To be sent not as bulk: one that was bulk was lost, and it is asked whether for want of
	 * room. */
	bool is_second;
	/* Packets go there, and not just answers: whoever answers this one watches us in turn. */
	bool is_for_packets;
};

bool watch_next_probe(struct watch *w, uint64_t now_us, struct watch_probe *ret);
/* Before it is sent: n_sealed of our packets have gone to its destination by any way, ever (modulo
 * 2^32). Without this call nothing is learnt of packets, but of probes alone. */
void watch_mark(struct watch *w, uint32_t id, uint32_t n_sealed);
/* It could not be sent, for a reason that says nothing of the way: it counts neither way. */
void watch_unsent(struct watch *w, uint32_t id);
/* It need not be sent: the neighbour says itself that its way is doubted. */
void watch_excuse(struct watch *w, uint32_t id);
/* The destination answered it, by so many hops. What answers nothing is ignored. n_opened, where
 * it is said (else NULL): packets of ours that it had by then, ever (modulo 2^32). */
void watch_answered(struct watch *w, uint64_t destination, uint32_t id, unsigned n_hops,
		    const uint32_t *n_opened, uint64_t now_us);
uint64_t watch_deadline_us(struct watch *w);

/* Doubts to be told to the routing table; drain after each call with a time. */
struct watch_doubt {
	uint64_t neighbour;
	uint64_t destination; /* 0: all but the neighbour itself */
	bool is_doubted;
	bool is_news;		 /* else it is only said again, for it may have been taken back */
	unsigned n_lost, n_sent; /* of the last probes */
};

bool watch_next_doubt(struct watch *w, struct watch_doubt *ret);

/* One more claim of the neighbour that did not hold (core/origin). Three within a minute count as
 * if it had been convicted. */
#define WATCH_LIES_MAX 3
#define WATCH_LIES_US 60000000
void watch_lied(struct watch *w, uint64_t neighbour, uint64_t now_us);

/* What probes through one neighbour to one destination say: where bulk goes, those that were lost
 * while the way may have been full are left out. */
struct watch_way {
	uint64_t destination;
	uint64_t neighbour;
	bool is_current; /* packets went that way last */
	bool is_doubted;
	unsigned n_hops;	 /* by it to the destination, as last answered; 0 unknown */
	unsigned n_sent, n_lost; /* of the last WATCH_HISTORY */
	uint64_t noted_us;	 /* when the last of them was answered or lost; 0 never */
	bool is_suspect;	 /* more seems lost than usual, and it is asked more often */
	bool is_failing;	 /* it surely is (evidence.h), and nobody nearer has mended it */
	double sureness;	 /* from 0 to 1, where it is sure, and on to 2 */
	/* Since it began to seem so, by the stronger of the two: packets, or else probes. */
	bool is_of_packets;
	unsigned n_seen, n_missing;
};

/* Walks the ways that were ever probed; start with *cursor = 0. */
bool watch_next_way(const struct watch *w, size_t *cursor, struct watch_way *ret);

struct watch_counters {
	uint64_t sent, answered, lost, doubts, neighbour_doubts;
	uint64_t full; /* destinations not watched for want of room */
};

void watch_counters(const struct watch *w, struct watch_counters *ret);
bool watch_is_doubted(const struct watch *w, uint64_t neighbour);

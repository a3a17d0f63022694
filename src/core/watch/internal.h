/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include "base/rng.h"
#include "base/units.h"
#include "core/watch/evidence.h"
#include "core/watch/watch.h"

#define GIVEN_UP_MAX 8 /* lost probes that an answer may yet come to */

#define DOUBTS_MAX (WATCH_DESTINATIONS_MAX * WATCH_HOPS_MAX + 2 * WATCH_NEIGHBOURS_MAX)

/* How many of our packets went to a destination in all, to it by one neighbour, and arrived. */
struct tally {
	uint32_t n_sealed, n_passed, n_opened;
};

/* Bulk that fills its way loses packets with nobody at fault, and has those that arrive wait: so
 * what is lost counts only where what arrives is as fast as ever. fill.c */
struct fill {
	uint64_t bulk_us;    /* of the last packet of bulk; 0 none */
	uint32_t least_us;   /* round trip, of all answers by as many hops; 0 unknown */
	bool is_slow;	     /* the last answer was */
	uint64_t n_bytes;    /* of anybody, ever */
	uint64_t then_bytes; /* some time ago; and when */
	uint64_t then_us;
	uint64_t rate, carried; /* bytes a second since then, and while answers were fast */
	uint8_t n_held;		/* lost probes that do not count yet: not of bulk, and of bulk */
	uint8_t n_held_bulk;
	bool is_counted_fast; /* the last answer that counted packets was */
};

struct given_up {
	uint32_t id; /* 0: none */
	uint64_t sent_us;
};

/* One neighbour as the way to one destination. */
struct hop {
	uint64_t neighbour; /* 0: free */
	uint64_t used_us;
	uint64_t probe_us; /* when the next one is due, or the one under way is lost */
	uint64_t sent_us;
	uint64_t answered_us;
	uint32_t id;				/* of the probe under way; 0 none */
	struct given_up given_up[GIVEN_UP_MAX]; /* the last first: they may yet be answered */
	bool is_noted, is_weighed; /* the first of these is in the results; is evidence */
	uint64_t noted_us;	   /* of the last bit of history */
	uint32_t history;	   /* as results, and for longer */
	uint8_t n_history;
	uint16_t results; /* a bit for each of the last probes: 1 lost */
	uint8_t n_results;
	uint8_t n_lost_row;
	uint8_t n_bulk_row; /* and so many that count as a part of one */
	bool is_bulk;	    /* the probe under way */
	bool wants_second;  /* the next one is not bulk, whatever packets are */
	uint8_t n_answered_row;
	uint8_t n_needed; /* answers to be believed again */
	bool has_answered;
	bool is_doubted;
	uint8_t n_hurried; /* probes sooner than at leisure since it is */
	struct evidence evidence;
	struct fill fill;
	uint8_t n_hops;		/* by it, as its last two answers tell; 0 unknown */
	uint8_t last_hops;	/* as the last one does */
	uint64_t again_us;	/* until then those nearer are let mend it; 0: it was never so */
	uint64_t seen_us;	/* that more was lost than by chance, last */
	uint32_t n_passed;	/* of our packets, ever */
	uint32_t n_since_probe; /* of anybody's, since the last probe */
	bool is_marked;		/* the probe under way is */
	bool is_counted;	/* and an answer before it */
	bool has_bulk;		/* some went since, and say nothing */
	bool is_busy;		/* the last probe was early because of many packets */
	struct tally marked;	/* when the probe under way went */
	struct tally counted;	/* when the last that was answered with a count had gone */
};

struct destination {
	uint64_t id;	    /* 0: free */
	uint64_t seen_us;   /* of the last packet */
	uint64_t used_us;   /* of the last one that was one of many, or ours */
	uint64_t packet_us; /* of the last one that was no answer */
	uint64_t count_us;  /* since when it is counted; and how much, now and the time before */
	unsigned count, count_before;
	uint64_t current; /* neighbour of the last packet */
	size_t len;
	uint8_t tag;
	bool is_bulk;
	uint32_t rtt_us;
	unsigned n_hops;  /* of the last answer; 0 unknown */
	uint64_t hurried; /* neighbour that was doubted last: it alone is probed in a hurry */
	struct hop hops[WATCH_HOPS_MAX];
};

struct neighbour {
	uint64_t id;
	bool is_doubted;
	uint64_t until_us;
	uint64_t for_us;
	unsigned n_lies;
	uint64_t lies_us; /* the first of them */
};

struct watch {
	struct rng rng;
	struct destination destinations[WATCH_DESTINATIONS_MAX];
	size_t last; /* found last */
	struct neighbour neighbours[WATCH_NEIGHBOURS_MAX];
	bool is_used; /* something was ever put there: many nodes pass on nothing */
	/* The earliest of all below, as it was when is_due_known was set; it may have become later.
	 */
	uint64_t due_us;
	bool is_due_known;
	uint32_t next_id;
	uint64_t hurried_us; /* the second in which so many probes of doubted ways hurried */
	unsigned n_hurried;
	struct watch_doubt doubts[DOUBTS_MAX]; /* a ring */
	size_t first_doubt, n_doubts;
	struct watch_counters counters;
};

/* ---- fill.c ---- */

void fill_passed(struct fill *f, size_t len, bool is_bulk, uint64_t now_us);
bool fill_has_bulk(const struct fill *f, uint64_t now_us); /* lately */
bool fill_is_slow(const struct fill *f, uint64_t now_us);  /* and what arrives is slow */
/* Whether what was lost by now may have been lost for want of room. */
bool fill_may_be_full(struct fill *f, uint64_t now_us);
void fill_hold(struct fill *f, bool is_bulk);
enum fill_answer {
	FILL_IN_TIME,
	FILL_SECOND, /* in time, of one that was not bulk where packets are */
	FILL_LATE,
};

/* A probe was answered after so long, a late one by definition slowly: then nothing that was held
 * counts. That a second one was fast says nothing of room for bulk, where all else goes first. */
void fill_answered(struct fill *f, uint64_t rtt_us, enum fill_answer kind, uint64_t now_us);
/* So many that were held count now: of bulk too, or not. */
unsigned fill_release(struct fill *f, bool with_bulk);

/* ---- doubts.c ---- */

unsigned watch_count_lost(const struct hop *h);
void watch_doubt_hop(struct watch *w, const struct destination *d, struct hop *h, bool is_doubted);
struct neighbour *watch_find_neighbour(struct watch *w, uint64_t id); /* NULL: none */
/* Whether what it loses is enough to doubt it for all. */
void watch_judge(struct watch *w, uint64_t id, uint64_t now_us);
void watch_believe(struct watch *w, uint64_t id);
void watch_review(struct watch *w, uint64_t now_us); /* those whose time is over */

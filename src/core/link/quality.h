/* SPDX-License-Identifier: Apache-2.0 */
/* quality.h - how good a link is: loss from gaps in the sequence numbers, round trips, and
 * delivered rate, over windows of 1 s, 30 s and 10 min; its class and its metric.
 *
 * Private to link/. Integers only: parts per million, microseconds, bits per second. */
#pragma once

#include "core/link/link.h"

#define QUALITY_SLOTS_MAX 30
#define QUALITY_REORDER 64    /* a number this far off is a gap or a latecomer, not a new start */
#define QUALITY_RTT_SLOTS 6   /* of 5 s */
#define QUALITY_RATE_SLOTS 20 /* of 30 s */
#define QUALITY_WINDOW_US 1000000 /* how often the class is judged */
#define QUALITY_WORSE_AFTER 2	  /* windows */
#define QUALITY_BETTER_AFTER 5

struct totals {
	uint64_t expected;
	uint64_t received;
	uint64_t bytes;
};

/* What the totals were at the end of each of the last n_slots periods. */
struct window {
	uint64_t period_us;
	unsigned n_slots;
	unsigned oldest;
	uint64_t slot_ends_us;
	struct totals slots[QUALITY_SLOTS_MAX];
};

/* Which numbers came in one lane. */
struct track {
	bool has_sequence;
	uint16_t newest;   /* sequence number */
	uint64_t seen;	   /* bit i: newest - i came */
	bool has_stranger; /* a number far off came; one more near it is a jump */
	uint16_t stranger;
};

struct quality {
	struct totals totals;
	struct window second;	   /* 10 x 100 ms */
	struct window half_minute; /* 30 x 1 s */
	struct window ten_minutes; /* 20 x 30 s */

	struct track tracks[LINK_LANES];

	uint32_t rtt_us; /* smoothed (RFC 6298 section 2), 0 before the first */
	uint32_t jitter_us;
	uint32_t rtt_min_us[QUALITY_RTT_SLOTS]; /* 0 none in that slot */
	uint64_t rate_bps[QUALITY_RATE_SLOTS];	/* most delivered in a second of that slot */
	uint64_t n_windows;
	uint64_t window_ends_us;
	uint32_t loss_out_ppm; /* as the neighbour measured it */

	enum link_class class;
	unsigned n_worse;
	unsigned n_better;
};

void quality_init(struct quality *q, uint64_t now_us);
/* Sequence numbers begin anew. */
void quality_restart(struct quality *q);
/* A packet came; while the link is down gaps are outage, not loss, and are not counted. */
void quality_received(struct quality *q, unsigned lane, uint16_t sequence, size_t len,
		      bool counts_gaps, uint64_t now_us);
/* The same of many, counted elsewhere. What is late makes n_expected less than n_received. */
void quality_carried(struct quality *q, uint64_t n_expected, uint64_t n_received, uint64_t bytes,
		     bool counts_gaps, uint64_t now_us);
void quality_rtt(struct quality *q, uint32_t rtt_us);
/* Closes windows that ended. True when a 1 s window ended, and the class was judged if the
 * link is up. */
bool quality_tick(struct quality *q, bool is_up, uint64_t now_us);

uint32_t quality_loss_ppm(const struct quality *q); /* of the last 30 s */
uint32_t quality_rtt_min_us(const struct quality *q);
uint64_t quality_rate_bps(const struct quality *q); /* delivered in the last second */
uint32_t quality_metric(const struct quality *q);
/* The upper end of a 95 % confidence interval, for n_lost of n. 1,000,000 for n == 0. */
uint32_t quality_loss_upper_ppm(uint64_t n_lost, uint64_t n);

/* SPDX-License-Identifier: Apache-2.0 */
/* ways.h - which of two or three ways the next packet goes, by what reports say of them
 * (docs/multipath.md): bulk where it arrives first, interactive where the delay is least, critical
 * by two.
 *
 * Delays are round trips, out by the way and back with the report; as reports all come back alike,
 * their differences are those of the ways. A rate is what was delivered while packets queued on the
 * way, so it is the way's; until then it is a guess, which grows while it is too small. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/multipath/disjoint.h"
#include "core/multipath/report.h"

#define WAYS_MARKS 2048		 /* packets under way that a report can be matched with */
#define WAYS_RATE_GUESS 10000000 /* bit/s of a way that nothing is known of */
#define WAYS_RATE_MIN 100000
#define WAYS_FIRST_QUEUE_US 1500 /* of bulk on the way of least delay; more waits elsewhere, */
#define WAYS_QUEUE_US 4000	 /* for this and an eighth of the round trip; more is too much */
#define WAYS_SHED_US 100000	 /* then one packet is dropped, and after this the next */
#define WAYS_QUEUED_US 3000	 /* later than at best by this much: it queues */
#define WAYS_APART_US 15000	 /* slower ways carry no bulk: less than RESEQUENCE_CAP_US */
#define WAYS_LOSS_PPM 50000	 /* without a queue: as bad as class BAD, and carries no bulk */
#define WAYS_LOSS_PACKETS 400	 /* that this is judged by */
#define WAYS_LOSSY_US 10000000
#define WAYS_LOAD_PERCENT 80 /* interactive goes elsewhere from here on */
#define WAYS_SILENT_MIN_US \
	250000		   /* sent and not reported for this long, and for four round trips */
#define WAYS_LANE_URGENT 2 /* end-to-end lane of interactive and critical */
#define WAYS_FLOWS 256
#define WAYS_GAP_US 2000 /* a flow may change its way after the difference and this */

struct way_mark {
	uint64_t counter;	 /* lane 1 | sequence 7 */
	uint64_t at_us;		 /* 0: no mark */
	uint64_t bytes, packets; /* sent by this way until then */
};

struct way {
	uint16_t name;
	uint32_t guess_us; /* of the delay, by the cost of the path */
	bool has_delay[REPORT_LANES];
	uint32_t delay_us[REPORT_LANES]; /* as last reported */
	uint32_t least_us[2];		 /* of this spell and the one before; 0 none */
	uint64_t rate_bps;
	bool is_rate_known; /* it has queued */
	bool is_queueing;
	uint64_t best_bps, best_before_bps; /* delivered at most in this second, the one before */
	unsigned n_samples, n_full;
	uint64_t second_us;
	uint32_t standing[2]; /* least wait in this tenth of a second and the one before */
	uint64_t standing_us;
	uint64_t idle_at_us; /* when what was sent has left the bottleneck */
	uint64_t sent_bytes, sent_packets;
	uint64_t window_bytes, window_us; /* sent since then */
	uint64_t load_bps;
	bool has_report;
	uint32_t reported_at_us;
	uint64_t reported_bytes;
	uint64_t loss_from; /* packets sent until the window began, and reported */
	uint32_t loss_reported_from;
	uint32_t loss_ppm;
	bool has_queued; /* within that window */
	uint64_t lossy_until_us;
	uint64_t waits_us;	/* since when what was sent is not reported; NEVER_US: all is */
	bool is_silent;		/* not used until a probe is reported */
	struct way_mark *marks; /* WAYS_MARKS */
};

struct ways_flow {
	uint16_t hash;
	uint8_t way;
	uint64_t last_us;
};

struct ways {
	size_t n;
	struct way list[PATHS_MAX];
	struct ways_flow flows[WAYS_FLOWS];
	uint64_t spell_us;
	uint64_t shed_us; /* last */
};

/* All zeros has none. guess_us: of the round trip. -ENOBUFS, -ENOMEM. */
int ways_add(struct ways *w, uint16_t name, uint32_t guess_us, uint64_t now_us);
void ways_done(struct ways *w);

#define WAYS_NONE SIZE_MAX
#define WAYS_FULL (SIZE_MAX - 1)

/* Where so many bytes of bulk arrive first. WAYS_NONE: none is to be relied on. WAYS_FULL: all have
 * had as much as they carry for a while: this packet is to be dropped. */
size_t ways_bulk(struct ways *w, size_t len, uint64_t now_us);
/* The way of an interactive flow: the one of least delay with room, which it keeps between packets
 * that follow each other closely. */
size_t ways_interactive(struct ways *w, uint16_t flow, uint64_t now_us);
/* The two of least delay for a critical packet; the second WAYS_NONE where there is but one. */
void ways_critical(const struct ways *w, size_t ret[2]);

/* A packet went that way, with its end-to-end counter. */
void ways_sent(struct ways *w, size_t at, uint8_t lane, uint64_t sequence, size_t len,
	       uint64_t now_us);
void ways_reported(struct ways *w, const struct report *r, uint64_t now_us);
/* Every one has been reported of, and is not silent. */
bool ways_are_known(const struct ways *w);
/* True: a way has fallen silent by this call. */
bool ways_tick(struct ways *w, uint64_t now_us);
uint64_t ways_deadline_us(const struct ways *w);

/* Why a way is or is not taken, for people. */
const char *ways_reason(const struct ways *w, size_t at, uint64_t now_us);
uint32_t ways_least_us(const struct way *way); /* the delay without queues */

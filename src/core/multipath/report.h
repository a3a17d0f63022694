/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - what came in by each way that a peer sends by, and the report of it that the peer gets
 * (docs/multipath.md). A way has the flow hash that its packets carry for a name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define REPORT_WAYS_MAX 4      /* PATHS_MAX, and one that has just ended */
#define REPORT_EVERY_US 20000  /* while packets come */
#define INLET_ACTIVE_US 100000 /* a way that bulk came by this short ago is in use */
#define REPORT_HELD_MAX_US 0xffffffU

enum report_lane {
	REPORT_BULK,
	REPORT_URGENT,
	REPORT_LANES,
};

struct report_way {
	uint16_t name;
	/* The newest packet of each lane: its sequence number, how long ago it came; has_: any did
	 */
	bool has[REPORT_LANES];
	uint64_t newest[REPORT_LANES]; /* 56 bits */
	uint32_t held_us[REPORT_LANES];
	uint64_t bytes; /* of all that came, and packets */
	uint32_t packets;
};

/* at_us 4 | n 1 | n * (name 2 | lanes 1 | 2 * (sequence 7, held 3) | bytes 8 | packets 4) */
#define REPORT_WAY_LEN 35
#define REPORT_LEN_MAX (5 + REPORT_WAYS_MAX * REPORT_WAY_LEN)

struct report {
	uint32_t at_us; /* the receiver's clock, for differences alone */
	size_t n;
	struct report_way ways[REPORT_WAYS_MAX];
};

/* -EBADMSG: not of this length; -EPROTO: no way or too many, unknown lanes, a way twice. */
int report_decode(struct span body, struct report *ret);
size_t report_encode(const struct report *r, uint8_t ret[REPORT_LEN_MAX]);

struct inlet_way {
	struct report_way way;
	uint64_t heard_us[REPORT_LANES]; /* 0 never */
};

/* All zeros has heard nothing. */
struct inlet {
	size_t n;
	struct inlet_way ways[REPORT_WAYS_MAX];
	uint64_t due_us; /* the next report; 0: none is due */
	uint64_t sent_us;
};

/* An authentic packet came by that way. Of more ways than there is room for, the one longest silent
 * is forgotten. */
void inlet_heard(struct inlet *in, uint16_t name, enum report_lane lane, uint64_t sequence,
		 size_t len, uint64_t now_us);
/* True: a report is due, which this fills and counts as sent. */
bool inlet_report(struct inlet *in, uint64_t now_us, struct report *ret);
/* What all ways in use for bulk have brought a later one of: a lower sequence number that has not
 * come is lost, since no way overtakes itself. 0: nothing can be said. */
uint64_t inlet_floor(const struct inlet *in, uint64_t now_us);
/* Sequence numbers begin anew. */
void inlet_new_keys(struct inlet *in);

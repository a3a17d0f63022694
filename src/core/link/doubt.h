/* SPDX-License-Identifier: Apache-2.0 */
/* doubt.h - private to the room: for how long a silent link is only suspect. While it is, packets
 * go both ways, so that to wait costs bytes and no packets; to be wrong costs a flap.
 *
 * A link is given up when it was in doubt for one promised interval or a round trip, whichever is
 * longer (patience_us), for LINK_DOUBT_MIN_US, and
 * for three times as long as any doubt of the last hour that proved wrong: what the bursts of
 * loss on this link last is learnt from the link. Time that we ourselves did not have is no
 * evidence: between two looks at most DOUBT_STEP_US count. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DOUBT_STEP_US 30000
#define DOUBT_WINDOW_US 3600000000U
#define DOUBT_FACTOR 3

struct doubt {
	bool is_on;
	uint64_t since_us;
	uint64_t looked_us;
	uint64_t counted_us;
	/* The longest that proved wrong, of this window and the one before. */
	uint64_t wrong_us[2];
	uint64_t window_ends_us;
	/* Of late: what wrong doubts lasted, less a hundredth of the time since. */
	uint32_t n_wrong;
	uint64_t restless_us, restless_at_us;
};

void doubt_begin(struct doubt *d, uint64_t now_us);
void doubt_look(struct doubt *d, uint64_t now_us);
/* Something was heard: if there was a doubt, it was wrong. */
void doubt_was_wrong(struct doubt *d, uint64_t now_us);
void doubt_end(struct doubt *d);
/* Doubts prove wrong so often that copies of what is sent meanwhile would be many: more than a
 * hundredth of the time, beyond DOUBT_RESTLESS_US. */
#define DOUBT_RESTLESS_US 100000
bool doubt_is_restless(const struct doubt *d, uint64_t now_us);
/* How long it has to last, in all. */
uint64_t doubt_needed_us(const struct doubt *d, uint32_t patience_us);
bool doubt_is_over(const struct doubt *d, uint32_t patience_us);
/* When it may be over at the earliest; NEVER_US without one. */
uint64_t doubt_deadline_us(const struct doubt *d, uint32_t patience_us);

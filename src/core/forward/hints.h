/* SPDX-License-Identifier: Apache-2.0 */
/* hints.h - of which neighbours it is known that packets to a destination turn back there.
 *
 * A node that has to send a packet off its next hops tells the neighbour that it came from: "to
 * this destination, not by me". That one takes another way at once, and where it has none tells
 * the neighbour before it, and so on to the source, until routes have changed. It is said under
 * the link's keys, and only of oneself: who says it without need loses traffic and nothing else.
 * A hint ends by itself. The same table remembers to whom it was said, so that it is said seldom.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HINTS_BUCKETS 64
#define HINTS_WAYS 4
#define HINTS_MAX (HINTS_BUCKETS * HINTS_WAYS) /* of a full bucket the one that ends first goes */
#define HINT_US 500000			       /* for so long another way is taken */
#define HINT_EVERY_US 100000 /* to one neighbour of one destination no more often */
#define HINTS_A_SECOND 64    /* from one neighbour, and to all of them */

struct hint {
	uint64_t neighbour;
	uint64_t destination;
	uint64_t until_us;
};

/* All zeros is none. */
struct hints {
	struct hint of[HINTS_BUCKETS][HINTS_WAYS];
	uint64_t until_us; /* of the last one */
};

bool hints_has(const struct hints *h, uint64_t neighbour, uint64_t destination, uint64_t now_us);
/* False: it is there already. */
bool hints_put(struct hints *h, uint64_t neighbour, uint64_t destination, uint64_t now_us,
	       uint64_t for_us);
static inline bool hints_are_there(const struct hints *h, uint64_t now_us)
{
	return now_us < h->until_us;
}

/* HINTS_A_SECOND of them, no more. All zeros is unused. */
struct hints_rate {
	uint64_t second_us;
	unsigned n;
};

bool hints_may(struct hints_rate *r, uint64_t now_us);

/* SPDX-License-Identifier: Apache-2.0 */
/* rate.h - token buckets by key, in a table that does not grow.
 *
 * A bucket that is full again is as good as none, so it gives its place to another key. Where all
 * places hold keys that are still paying, new keys share one bucket: many senders at once slow each
 * other down, and nobody makes the table grow. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define RATE_KEYS_MAX 1024 /* looked for in a window of RATE_WINDOW places */
#define RATE_WINDOW 8

struct rate_limit {
	uint32_t per_second;
	uint32_t burst; /* at least 1 */
};

struct rate_bucket {
	uint64_t key;	  /* a keyed hash; 0: free */
	uint64_t full_us; /* when it will be full again */
};

struct rate_table {
	struct rate_limit limit;
	uint8_t secret[16]; /* so that nobody chooses which keys share a window */
	struct rate_bucket shared;
	struct rate_bucket buckets[RATE_KEYS_MAX];
};

void rate_init(struct rate_table *t, struct rate_limit limit, const uint8_t secret[16]);
/* Takes one token. False: there is none; in ret_wait_us when there will be. */
bool rate_take(struct rate_table *t, struct span key, uint64_t now_us, uint64_t *ret_wait_us);

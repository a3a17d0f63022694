/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets, each kept as the time at which it is full again (GCRA, ITU-T I.371 annex A): no
 * counter, and nothing to do while time passes. */
#include "shell/http/rate.h"

#include <string.h>

#include "base/siphash.h"
#include "base/units.h"

void rate_init(struct rate_table *t, struct rate_limit limit, const uint8_t secret[16])
{
	memset(t, 0, sizeof(*t));
	t->limit = limit;
	memcpy(t->secret, secret, sizeof(t->secret));
}

/* Its own bucket, else a full one, else the one that all others share. */
static struct rate_bucket *find(struct rate_table *t, uint64_t hash, uint64_t now_us)
{
	struct rate_bucket *unused = NULL;

	for (size_t i = 0; i < RATE_WINDOW; i++) {
		struct rate_bucket *b = &t->buckets[(hash + i) % RATE_KEYS_MAX];

		if (b->key == hash)
			return b;
		if (!unused && b->full_us <= now_us)
			unused = b;
	}
	if (!unused)
		return &t->shared;
	*unused = (struct rate_bucket){ .key = hash };
	return unused;
}

bool rate_take(struct rate_table *t, struct span key, uint64_t now_us, uint64_t *ret_wait_us)
{
	uint64_t hash = siphash64(t->secret, &key, 1) | 1; /* never 0 */
	struct rate_bucket *b = find(t, hash, now_us);
	uint64_t token_us = US_PER_S / t->limit.per_second;
	uint64_t size_us = token_us * t->limit.burst;
	uint64_t full_us = max_u64(b->full_us, now_us) + token_us;

	if (full_us > now_us + size_us) {
		*ret_wait_us = full_us - now_us - size_us;
		return false;
	}
	b->full_us = full_us;
	return true;
}

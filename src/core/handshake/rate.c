/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of a second each. */
#include "core/handshake/rate.h"

#include "base/siphash.h"
#include "base/units.h"

void rates_init(struct rates *r, const struct entropy *entropy)
{
	*r = (struct rates){ .all.used = 0 };
	entropy_fill(entropy, r->hash_key, sizeof(r->hash_key));
}

/* Who shares a bucket with whom is dealt anew, so that nobody sits beside a flood for long. */
static void deal_anew(struct rates *r, uint64_t now_us)
{
	uint64_t key[2];

	for (uint8_t i = 0; i < 2; i++)
		key[i] = siphash64(r->hash_key, &SPAN(&i, 1), 1);
	memcpy(r->hash_key, key, sizeof(r->hash_key));
	bytes_wipe(key, sizeof(key));
	memset(r->of, 0, sizeof(r->of));
	r->dealt_us = now_us;
}

static size_t place(const struct rates *r, struct span what)
{
	return siphash64(r->hash_key, &what, 1) % RATE_BUCKETS;
}

static uint32_t used(const struct bucket *b, uint64_t now_us)
{
	return now_us < b->since_us + SECONDS(1) ? b->used : 0;
}

static bool take(struct bucket *b, uint32_t max, uint64_t now_us)
{
	if (now_us >= b->since_us + SECONDS(1))
		*b = (struct bucket){ .since_us = now_us };
	if (b->used >= max)
		return false;
	b->used++;
	return true;
}

bool rates_host_has_left(const struct rates *r, const struct rate_limits *limits, struct span host,
			 uint64_t now_us)
{
	return used(&r->of[RATE_HOST][place(r, host)], now_us) < limits->of[RATE_HOST];
}

bool rates_take(struct rates *r, const struct rate_limits *limits, const struct rate_source *source,
		uint64_t now_us)
{
	if (now_us >= r->dealt_us + RATE_DEAL_US)
		deal_anew(r, now_us);
	for (unsigned i = 0; i < N_RATES; i++)
		if (!take(&r->of[i][place(r, source->of[i])], limits->of[i], now_us))
			return false;
	return take(&r->all, limits->all, now_us);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a way may be full: then bulk loses its own packets there, and nobody is at fault.
 *
 * A full queue has what gets through it wait for as long as it is deep. So a probe that was lost
 * on a way where bulk goes is held until the next one is answered, and counts if that was as fast
 * as ever. A queue that overflows at once, before any answer could be slow, does so because more is
 * sent than was carried before, which whoever sends it, or passes it on, sees. */
#include "core/watch/internal.h"

#define RATE_EVERY_US MS(100)
#define HELD_MAX 32

void fill_passed(struct fill *f, size_t len, bool is_bulk, uint64_t now_us)
{
	f->n_bytes += len;
	if (is_bulk)
		f->bulk_us = now_us;
}

bool fill_has_bulk(const struct fill *f, uint64_t now_us)
{
	return f->bulk_us && now_us - f->bulk_us < WATCH_ACTIVE_US;
}

bool fill_is_slow(const struct fill *f, uint64_t now_us)
{
	return f->is_slow && fill_has_bulk(f, now_us);
}

static void measure(struct fill *f, uint64_t now_us)
{
	uint64_t for_us = now_us - f->then_us;

	if (f->then_us && for_us < RATE_EVERY_US)
		return;
	f->rate = f->then_us ? (f->n_bytes - f->then_bytes) * US_PER_S / for_us : 0;
	f->then_bytes = f->n_bytes;
	f->then_us = now_us;
}

bool fill_may_be_full(struct fill *f, uint64_t now_us)
{
	measure(f, now_us);
	return fill_has_bulk(f, now_us) &&
	       (f->is_slow || f->rate > 2 * f->carried + WATCH_MORE_BYTES);
}

void fill_hold(struct fill *f, bool is_bulk)
{
	uint8_t *n = is_bulk ? &f->n_held_bulk : &f->n_held;

	*n = (uint8_t)(*n + (*n < HELD_MAX));
}

void fill_answered(struct fill *f, uint64_t rtt_us, enum fill_answer kind, uint64_t now_us)
{
	uint32_t rtt = (uint32_t)min_u64(max_u64(rtt_us, 1), UINT32_MAX);
	bool is_slow;

	measure(f, now_us);
	if (kind != FILL_LATE && (f->least_us == 0 || rtt < f->least_us))
		f->least_us = rtt;
	is_slow = kind == FILL_LATE ||
		  rtt - f->least_us > max_u64(WATCH_SLOW_MIN_US, f->least_us / WATCH_SLOW_PART);
	if (kind == FILL_SECOND && !is_slow)
		return;
	f->is_slow = is_slow;
	if (f->is_slow)
		f->n_held = f->n_held_bulk = 0;
	else
		f->carried = max_u64(f->rate, f->carried - f->carried / 8);
}

unsigned fill_release(struct fill *f, bool with_bulk)
{
	unsigned n = f->n_held + (with_bulk ? f->n_held_bulk : 0U);

	f->n_held = 0;
	if (with_bulk)
		f->n_held_bulk = 0;
	return n;
}

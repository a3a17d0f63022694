/* SPDX-License-Identifier: Apache-2.0 */
/* How long a silent link is only suspect. */
#include "core/link/doubt.h"

#include "base/units.h"
#include "core/link/link.h"

void doubt_begin(struct doubt *d, uint64_t now_us)
{
	d->is_on = true;
	d->since_us = now_us;
	d->looked_us = now_us;
	d->counted_us = 0;
}

static void turn_window(struct doubt *d, uint64_t now_us)
{
	if (now_us < d->window_ends_us)
		return;
	d->wrong_us[1] = now_us < d->window_ends_us + DOUBT_WINDOW_US ? d->wrong_us[0] : 0;
	d->wrong_us[0] = 0;
	d->window_ends_us = now_us + DOUBT_WINDOW_US;
}

void doubt_look(struct doubt *d, uint64_t now_us)
{
	turn_window(d, now_us);
	if (!d->is_on || now_us <= d->looked_us)
		return;
	d->counted_us += min_u64(now_us - d->looked_us, DOUBT_STEP_US);
	d->looked_us = now_us;
}

static uint64_t restless_us(const struct doubt *d, uint64_t now_us)
{
	uint64_t passed_us = now_us > d->restless_at_us ? now_us - d->restless_at_us : 0;

	return d->restless_us - min_u64(d->restless_us, passed_us / 100);
}

bool doubt_is_restless(const struct doubt *d, uint64_t now_us)
{
	return restless_us(d, now_us) > DOUBT_RESTLESS_US;
}

void doubt_was_wrong(struct doubt *d, uint64_t now_us)
{
	if (!d->is_on)
		return;
	doubt_look(d, now_us);
	d->wrong_us[0] = max_u64(d->wrong_us[0], d->counted_us);
	d->restless_us = min_u64(restless_us(d, now_us) + d->counted_us, 2 * DOUBT_RESTLESS_US);
	d->restless_at_us = now_us;
	d->n_wrong++;
	d->is_on = false;
}

void doubt_end(struct doubt *d)
{
	d->is_on = false;
}

uint64_t doubt_needed_us(const struct doubt *d, uint32_t patience_us)
{
	uint64_t learnt = DOUBT_FACTOR * max_u64(d->wrong_us[0], d->wrong_us[1]);

	learnt = min_u64(max_u64(learnt, LINK_DOUBT_MIN_US), LINK_DOUBT_MAX_US);
	return max_u64(learnt, patience_us);
}

bool doubt_is_over(const struct doubt *d, uint32_t patience_us)
{
	return d->is_on && d->counted_us >= doubt_needed_us(d, patience_us);
}

uint64_t doubt_deadline_us(const struct doubt *d, uint32_t patience_us)
{
	uint64_t left;

	if (!d->is_on)
		return NEVER_US;
	left = doubt_needed_us(d, patience_us);
	left = left > d->counted_us ? left - d->counted_us : 0;
	return d->looked_us + min_u64(left, DOUBT_STEP_US);
}

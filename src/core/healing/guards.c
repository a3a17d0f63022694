/* SPDX-License-Identifier: Apache-2.0 */
/* Breaker, bucket, and the count of the last hour. */
#include "base/units.h"
#include "core/healing/internal.h"

/* ---- breaker ---- */

bool breaker_allows(const struct breaker *b, uint64_t now_us)
{
	return !b->is_open || (now_us >= b->until_us && !b->is_trying);
}

void breaker_begins(struct breaker *b)
{
	b->is_trying = b->is_open;
}

void breaker_gave_up(struct breaker *b)
{
	b->is_trying = false;
}

void breaker_ended(struct breaker *b, bool is_success, uint64_t now_us)
{
	b->is_trying = false;
	if (is_success) {
		b->n_failed = 0;
		b->is_open = b->is_open && ++b->n_succeeded < BREAKER_SUCCESSES;
		return;
	}
	b->n_succeeded = 0;
	if (!b->is_open && ++b->n_failed < BREAKER_FAILURES)
		return;
	b->is_open = true;
	b->n_failed = 0;
	b->until_us = now_us + BREAKER_OPEN_US;
}

/* ---- bucket ---- */

bool budget_has(struct budget *b, double max_per_minute, uint64_t now_us)
{
	if (!b->is_begun)
		*b = (struct budget){ .tokens = max_per_minute, .at_us = now_us, .is_begun = true };
	if (now_us > b->at_us) {
		b->tokens += (double)(now_us - b->at_us) * max_per_minute / (double)SECONDS(60);
		b->at_us = now_us;
	}
	if (b->tokens > max_per_minute)
		b->tokens = max_per_minute;
	return b->tokens >= 1;
}

void budget_take(struct budget *b)
{
	b->tokens -= 1;
}

/* ---- of the last hour ---- */

void taken_add(struct taken *t, uint64_t now_us)
{
	t->at_us[t->n++ % TAKEN_MAX] = now_us;
}

unsigned taken_last_hour(const struct taken *t, uint64_t now_us)
{
	unsigned n = 0;

	for (size_t i = 0; i < t->n && i < TAKEN_MAX; i++)
		n += now_us - t->at_us[i] < SECONDS(3600);
	return n;
}

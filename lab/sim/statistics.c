/* SPDX-License-Identifier: Apache-2.0 */
/* Samples, sorted when they are asked about. */
#include "sim/statistics.h"

#include <stdlib.h>

#define SIZE_FIRST 64

void samples_add(struct samples *s, uint64_t value)
{
	if (s->n == s->size) {
		s->size = s->size ? 2 * s->size : SIZE_FIRST;
		s->values = realloc(s->values, s->size * sizeof(*s->values));
		if (!s->values)
			abort();
	}
	s->values[s->n++] = value;
	s->is_sorted = false;
}

void samples_add_all(struct samples *s, const struct samples *more)
{
	for (size_t i = 0; i < more->n; i++)
		samples_add(s, more->values[i]);
}

void samples_done(struct samples *s)
{
	free(s->values);
	*s = (struct samples){ 0 };
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t samples_percentile(struct samples *s, unsigned percent)
{
	size_t rank;

	if (s->n == 0)
		return 0;
	if (!s->is_sorted)
		qsort(s->values, s->n, sizeof(*s->values), by_value);
	s->is_sorted = true;
	rank = (s->n * percent + 99) / 100;
	return s->values[rank > 0 ? rank - 1 : 0];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of powers of two, and its longest. */
#include "linkem/lateness.h"

void lateness_add(struct lateness *l, uint64_t ns)
{
	uint64_t us = ns / 1000;
	size_t i = 0;

	while (us > 0 && i + 1 < LATENESS_BUCKETS) {
		us >>= 1;
		i++;
	}
	l->buckets[i]++;
	l->n++;
	if (ns > l->max_ns)
		l->max_ns = ns;
}

uint64_t lateness_below_us(const struct lateness *l, uint32_t ppm)
{
	uint64_t wanted = (l->n * ppm + 999999) / 1000000;
	uint64_t n = 0;

	for (size_t i = 0; i < LATENESS_BUCKETS; i++) {
		n += l->buckets[i];
		if (n >= wanted)
			return UINT64_C(1) << i;
	}
	return UINT64_C(1) << LATENESS_BUCKETS;
}

bool lateness_may_judge(const struct lateness *l, uint64_t time_us)
{
	return l->max_ns / 100 <= time_us;
}

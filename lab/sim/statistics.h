/* SPDX-License-Identifier: Apache-2.0 */
/* statistics.h - samples, and what they come to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros is an empty one. */
struct samples {
	uint64_t *values;
	size_t n, size;
	bool is_sorted;
};

void samples_add(struct samples *s, uint64_t value); /* aborts without memory */
void samples_add_all(struct samples *s, const struct samples *more);
void samples_done(struct samples *s);

/* The smallest sample that at least percent of all do not exceed (nearest rank): 0 is the
 * minimum, 50 the median, 100 the maximum; 0 for no samples. */
uint64_t samples_percentile(struct samples *s, unsigned percent);

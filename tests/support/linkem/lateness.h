/* SPDX-License-Identifier: Apache-2.0 */
/* lateness.h - how late frames left, for whoever judges times: a machine that is busy delays them
 * by more than was asked for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LATENESS_BUCKETS 24 /* below 1, 2, 4 ... us; the last is all from 4 s */

struct lateness {
	uint64_t n;
	uint64_t max_ns;
	uint64_t buckets[LATENESS_BUCKETS];
};

void lateness_add(struct lateness *l, uint64_t ns);
/* The upper edge of the bucket that this share of a million falls into. */
uint64_t lateness_below_us(const struct lateness *l, uint32_t ppm);
/* A time that a test asserts is worth nothing where frames were late by over a tenth of it. */
bool lateness_may_judge(const struct lateness *l, uint64_t time_us);

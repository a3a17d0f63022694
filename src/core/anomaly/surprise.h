/* SPDX-License-Identifier: Apache-2.0 */
/* surprise.h - how rare a score is, in bits, by the scores of training: one scale for all
 * detectors. Beyond the highest quarter the tail is taken to fall off exponentially (peaks over a
 * threshold), which lets few rows speak of rare ones; 20 bits are one row in a million. */
#pragma once

#include <stddef.h>

#define SURPRISE_BITS_MAX 32.0

struct surprise {
	double at;     /* a quarter of the scores of training were above this */
	double excess; /* and by so much in the mean */
};

/* Sorts the scores, in which NaN does not count. excess_min: the least by which scores are taken
 * to differ, over 0. -ENODATA: fewer than four. */
int surprise_learn(double *scores, size_t n, double excess_min, struct surprise *ret);
/* 0 to SURPRISE_BITS_MAX; NaN for NaN. */
double surprise_bits(const struct surprise *s, double score);

/* SPDX-License-Identifier: Apache-2.0 */
/* baseline.h - the simplest ways to find strange rows, to be beaten. */
#pragma once

#include "core/anomaly/detector.h"

struct baseline {
	const char *name;
	/* Learns from train and scores all rows, of which the first are those of train. */
	int (*score)(const struct rows *train, const struct rows *all, struct rng *rng,
		     double *ret_scores);
};

extern const struct baseline baselines[];
extern const size_t n_baselines;

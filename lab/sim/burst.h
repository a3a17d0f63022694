/* SPDX-License-Identifier: Apache-2.0 */
/* burst.h - loss in bursts (Gilbert, Elliott, in time): in one, half of what is sent is lost,
 * outside nothing. Both last from nothing to twice their mean, evenly: 50 ms of burst, and between
 * bursts what makes the mean loss right. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

#define BURST_US 50000
#define BURST_LOSS_PPM 500000

/* All zeros is one that begins now. */
struct burst {
	bool is_on;
	uint64_t until_us;
};

/* Whether what is sent now is lost. */
bool burst_loses(struct burst *b, struct rng *rng, uint32_t loss_ppm, uint64_t now_us);

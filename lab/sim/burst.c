/* SPDX-License-Identifier: Apache-2.0 */
/* Loss in bursts. */
#include "sim/burst.h"

#define PPM 1000000

static uint64_t pause_us(uint32_t loss_ppm)
{
	return loss_ppm >= BURST_LOSS_PPM
		       ? 0
		       : (uint64_t)BURST_US * (BURST_LOSS_PPM - loss_ppm) / loss_ppm;
}

/* A sender that was quiet for long finds the link in a burst as often as it is in one. */
static void turn(struct burst *b, struct rng *rng, uint32_t loss_ppm, uint64_t now_us)
{
	uint64_t pause = pause_us(loss_ppm);

	if (now_us > b->until_us + 16 * (BURST_US + pause)) {
		b->is_on = rng_below(rng, BURST_US + pause) >= BURST_US;
		b->until_us = now_us;
	}
	while (now_us >= b->until_us) {
		b->is_on = !b->is_on;
		b->until_us += 1 + rng_below(rng, 2 * (b->is_on ? BURST_US : pause) + 1);
	}
}

bool burst_loses(struct burst *b, struct rng *rng, uint32_t loss_ppm, uint64_t now_us)
{
	uint32_t in_burst_ppm = loss_ppm > BURST_LOSS_PPM ? loss_ppm : BURST_LOSS_PPM;

	if (loss_ppm == 0)
		return false;
	turn(b, rng, loss_ppm, now_us);
	return b->is_on && rng_below(rng, PPM) < in_burst_ppm;
}

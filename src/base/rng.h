/* SPDX-License-Identifier: Apache-2.0 */
/* rng.h - two sources of chance, never to be confused.
 *
 * struct rng is a seeded generator (xoshiro256**) for jitter, sampling and simulations: the
 * same seed gives the same run. struct entropy is a function handed in that yields bytes fit
 * for keys: the daemon's asks the kernel, a simulation's its seed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n); 0 for n == 0 */
double rng_unit(struct rng *r);		       /* uniform in [0, 1) */
/* mean ± percent, uniform: jitter for a timer. */
uint64_t rng_jitter(struct rng *r, uint64_t mean, unsigned percent);

struct entropy {
	void (*fill)(void *arg, uint8_t *ret, size_t len); /* never fails: aborts rather */
	void *arg;
};

static inline void entropy_fill(const struct entropy *e, uint8_t *ret, size_t len)
{
	e->fill(e->arg, ret, len);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* mlkem_sample.h - all that an operation of ML-KEM draws from Keccak, as many at once as the
 * processor permutes at once.
 *
 * What is independent is listed first and then run together: the entries of the matrix, noise,
 * and long hashes, which wide registers cannot speed up but for company. Internal to this room. */
#pragma once

#include "pqc/mlkem_poly.h"

/* The matrix, and with it the noise of key generation or one hash. */
#define MLKEM_DRAWS_MAX (MLKEM_K_MAX * MLKEM_K_MAX + 2 * MLKEM_K_MAX)

enum mlkem_draw_kind {
	MLKEM_DRAW_UNIFORM,
	MLKEM_DRAW_NOISE,
	MLKEM_DRAW_HASH,
};

struct mlkem_draw {
	enum mlkem_draw_kind kind;
	uint8_t eta;
	uint8_t suffix;
	unsigned rate;
	uint8_t seed[34]; /* what from points to, unless it is a hash */
	const uint8_t *from;
	size_t left; /* to be absorbed */
	void *ret;
};

/* Begins with n = 0; wiped by mlkem_draws_run(). */
struct mlkem_draws {
	unsigned n;
	struct mlkem_draw list[MLKEM_DRAWS_MAX];
};

/* SampleNTT (algorithm 7) of rho, x, y. */
void mlkem_draw_uniform(struct mlkem_draws *d, struct mlkem_poly *ret, const uint8_t rho[32],
			uint8_t x, uint8_t y);
/* SamplePolyCBD (algorithm 8) of PRF(seed, nonce); eta is 2 or 3. */
void mlkem_draw_noise(struct mlkem_draws *d, struct mlkem_poly *ret, unsigned eta,
		      const uint8_t seed[32], uint8_t nonce);
/* H, SHA3-256, and J, 32 bytes of SHAKE256 (4.4); from is kept until the run. These go first. */
void mlkem_draw_h(struct mlkem_draws *d, uint8_t ret[32], const uint8_t *from, size_t len);
void mlkem_draw_j(struct mlkem_draws *d, uint8_t ret[32], const uint8_t *from, size_t len);

/* Fills in what was listed. */
void mlkem_draws_run(struct mlkem_draws *d, const struct mlkem_kernels *kernels);

/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa_poly.h - polynomials of degree 255 modulo q = 8380417, as ML-DSA uses them.
 *
 * Internal to this room. Coefficients are signed; "reduced" is within (-q, q). Products carry
 * the Montgomery factor 2^-32, which mldsa_poly_inverse_ntt() takes away again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MLDSA_N 256
#define MLDSA_Q 8380417
#define MLDSA_D 13 /* bits dropped from t */

struct mldsa_poly {
	int32_t c[MLDSA_N];
};

/* Algorithms 41 and 42. The NTT takes and gives coefficients below 9 q in absolute value, the
 * inverse takes any sum of products (see mldsa_poly_multiply_add) and gives reduced ones. */
void mldsa_poly_ntt(struct mldsa_poly *p);
void mldsa_poly_inverse_ntt(struct mldsa_poly *p);

void mldsa_poly_multiply(struct mldsa_poly *ret, const struct mldsa_poly *a,
			 const struct mldsa_poly *b);
/* sum += a b; one factor below 9 q and the other reduced; at most 7 products to a sum. */
void mldsa_poly_multiply_add(struct mldsa_poly *sum, const struct mldsa_poly *a,
			     const struct mldsa_poly *b);
void mldsa_poly_add(struct mldsa_poly *p, const struct mldsa_poly *other);
void mldsa_poly_subtract(struct mldsa_poly *p, const struct mldsa_poly *other);
/* To about [-q/2, q/2], and from (-q, q) to [0, q). */
void mldsa_poly_reduce(struct mldsa_poly *p);
void mldsa_poly_to_unsigned(struct mldsa_poly *p);

/* Whether any coefficient is at or beyond ± bound. All are looked at. */
bool mldsa_poly_exceeds(const struct mldsa_poly *p, int32_t bound);

/* RejNTTPoly (algorithm 30) of rho, s, r: public. */
void mldsa_poly_sample_uniform(struct mldsa_poly *p, const uint8_t rho[32], uint8_t s, uint8_t r);
/* RejBoundedPoly (algorithm 31) of seed, nonce: within [-eta, eta], eta 2 or 4. */
void mldsa_poly_sample_bounded(struct mldsa_poly *p, unsigned eta, const uint8_t seed[64],
			       uint16_t nonce);
/* One polynomial of ExpandMask (algorithm 34): within (-2^(n_bits-1), 2^(n_bits-1)]. */
void mldsa_poly_sample_mask(struct mldsa_poly *p, unsigned n_bits, const uint8_t seed[64],
			    uint16_t nonce);
/* SampleInBall (algorithm 29): tau coefficients of ± 1. */
void mldsa_poly_sample_challenge(struct mldsa_poly *p, unsigned tau, const uint8_t *seed,
				 size_t seed_len);

/* Power2Round (algorithm 35) of coefficients in [0, q). */
void mldsa_poly_power2round(const struct mldsa_poly *t, struct mldsa_poly *ret_high,
			    struct mldsa_poly *ret_low);
/* Decompose (algorithm 36) of coefficients in [0, q). */
void mldsa_poly_decompose(const struct mldsa_poly *r, int32_t gamma2, struct mldsa_poly *ret_high,
			  struct mldsa_poly *ret_low);

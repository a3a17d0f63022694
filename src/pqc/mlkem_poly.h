/* SPDX-License-Identifier: Apache-2.0 */
/* mlkem_poly.h - polynomials of degree 255 modulo q = 3329, as ML-KEM uses them.
 *
 * Internal to this room. There is a table of these operations for each level of cpu.h; what an
 * operation returns is the same in all of them modulo q, and what it writes as bytes is the same.
 *
 * Coefficients are signed, in the standard's order, and lie between -q and q unless said
 * otherwise. Products carry the Montgomery factor 2^-16, which inverse_ntt() and
 * to_montgomery() take away again. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pqc/keccak.h"

#define MLKEM_N 256
#define MLKEM_Q 3329
#define MLKEM_POLY_LEN 384 /* bytes: 12 bits a coefficient */
#define MLKEM_K_MAX 4

struct mlkem_poly {
	_Alignas(64) int16_t c[MLKEM_N];
};

/* A polynomial of the NTT domain made ready to be a factor in several products: for each pair
 * b0 + b1 X modulo X^2 - zeta what a0 and a1 are multiplied with for the low coefficient of the
 * product, b0 and zeta b1, and for the high one, b1 and b0. */
struct mlkem_factor {
	struct mlkem_poly low, high;
};

struct mlkem_kernels {
	/* Algorithms 9 and 10; ntt() leaves coefficients below 2 q / 3 in absolute value.
	 * inverse_ntt() is for sums of products: it removes their factor. */
	void (*ntt)(struct mlkem_poly *p);
	void (*inverse_ntt)(struct mlkem_poly *p);

	/* The sum of k products in the NTT domain (algorithm 11). Coefficients of a may be any
	 * of 12 bits, those of the factors come from ntt(). */
	void (*to_factor)(struct mlkem_factor *ret, const struct mlkem_poly *from);
	void (*inner_product)(struct mlkem_poly *ret, const struct mlkem_poly *a,
			      const struct mlkem_factor *b, unsigned k);

	void (*to_montgomery)(struct mlkem_poly *p);
	void (*add)(struct mlkem_poly *p, const struct mlkem_poly *other);
	void (*subtract)(struct mlkem_poly *p, const struct mlkem_poly *other);

	/* The loop of SampleNTT (algorithm 7) over one block: appends to the n coefficients
	 * there are and returns how many there are then, at most 256; coefficients after these
	 * are undefined. Public: its time depends on the bytes. */
	unsigned (*sample_uniform)(struct mlkem_poly *ret, unsigned n,
				   const uint8_t block[SHAKE128_RATE]);
	/* SamplePolyCBD (algorithm 8) of 64 eta bytes; eta is 2 or 3. */
	void (*sample_noise)(struct mlkem_poly *ret, unsigned eta, const uint8_t *bytes);

	/* ByteEncode_12 and ByteDecode_12, which does not reduce. encode() takes any int16_t. */
	void (*encode)(const struct mlkem_poly *p, uint8_t ret[MLKEM_POLY_LEN]);
	void (*decode)(struct mlkem_poly *ret, const uint8_t from[MLKEM_POLY_LEN]);

	/* ByteEncode_d(Compress_d()) of any int16_t and back (4.7, 4.8): 32 d bytes, d one of
	 * 1, 4, 5, 10, 11. */
	void (*compress)(const struct mlkem_poly *p, unsigned d, uint8_t *ret);
	void (*decompress)(struct mlkem_poly *ret, unsigned d, const uint8_t *from);
};

/* Those of the level in use. */
const struct mlkem_kernels *mlkem_kernels(void);

extern const struct mlkem_kernels mlkem_kernels_portable;
extern const struct mlkem_kernels mlkem_kernels_avx2;
extern const struct mlkem_kernels mlkem_kernels_avx512;

/* SPDX-License-Identifier: Apache-2.0 */
/* mlkem_poly.h - polynomials of degree 255 modulo q = 3329, as ML-KEM uses them.
 *
 * Internal to this room. Coefficients are signed and lie between -q and q unless said
 * otherwise; products carry the Montgomery factor 2^-16, which mlkem_poly_inverse_ntt() and
 * mlkem_poly_to_montgomery() take away again. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MLKEM_N 256
#define MLKEM_Q 3329
#define MLKEM_POLY_LEN 384 /* bytes: 12 bits a coefficient */

struct mlkem_poly {
	int16_t c[MLKEM_N];
};

/* Algorithms 9 and 10. The inverse is for sums of products: it removes their factor. */
void mlkem_poly_ntt(struct mlkem_poly *p);
void mlkem_poly_inverse_ntt(struct mlkem_poly *p);

/* sum += a b in the NTT domain (algorithm 11); at most 4 products to a sum. */
void mlkem_poly_multiply_add(struct mlkem_poly *sum, const struct mlkem_poly *a,
			     const struct mlkem_poly *b);
void mlkem_poly_to_montgomery(struct mlkem_poly *p);
void mlkem_poly_add(struct mlkem_poly *p, const struct mlkem_poly *other);
void mlkem_poly_reduce(struct mlkem_poly *p);

/* SampleNTT (algorithm 7) of rho, x, y: public, in time that depends on the bytes. */
void mlkem_poly_sample_uniform(struct mlkem_poly *p, const uint8_t rho[32], uint8_t x, uint8_t y);
/* SamplePolyCBD (algorithm 8) of PRF(seed, nonce); eta is 2 or 3. */
void mlkem_poly_sample_noise(struct mlkem_poly *p, unsigned eta, const uint8_t seed[32],
			     uint8_t nonce);

/* ByteEncode_12 and ByteDecode_12; decoding does not check for values of q and over. */
void mlkem_poly_encode(const struct mlkem_poly *p, uint8_t ret[MLKEM_POLY_LEN]);
void mlkem_poly_decode(struct mlkem_poly *p, const uint8_t from[MLKEM_POLY_LEN]);
/* 0 where every coefficient of the encoding is less than q; for public keys. */
int mlkem_poly_check(const uint8_t from[MLKEM_POLY_LEN]);

/* ByteEncode_d(Compress_d()) and back (4.7, 4.8), d one of 1, 4, 5, 10, 11: 32 d bytes. */
void mlkem_poly_compress(const struct mlkem_poly *p, unsigned d, uint8_t *ret);
void mlkem_poly_decompress(struct mlkem_poly *p, unsigned d, const uint8_t *from);

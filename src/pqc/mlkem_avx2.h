/* SPDX-License-Identifier: Apache-2.0 */
/* mlkem_avx2.h - what the AVX2 files of ML-KEM share: 16 coefficients in a register. */
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "pqc/mlkem_poly.h"

static inline __m256i load(const int16_t *p)
{
	return _mm256_load_si256((const __m256i *)(const void *)p);
}

static inline void store(int16_t *p, __m256i v)
{
	_mm256_store_si256((__m256i *)(void *)p, v);
}

static inline __m128i load_bytes(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline void store_bytes(uint8_t *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)(void *)p, v);
}

/* The same 16 bytes, or two different ones, in the halves of a register. */
static inline __m256i load_bytes_twice(const uint8_t *low, const uint8_t *high)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(load_bytes(low)), load_bytes(high),
				       1);
}

/* 10 / 2^15 is 1 / q but for 1.6 %, so the rounded quotient is off by 0.16 at most and the rest
 * below 0.66 q in absolute value, for any int16_t. */
static inline __m256i reduce(__m256i a)
{
	__m256i quotient = _mm256_mulhrs_epi16(a, _mm256_set1_epi16(10));

	return _mm256_sub_epi16(a, _mm256_mullo_epi16(quotient, _mm256_set1_epi16(MLKEM_Q)));
}

/* The representative within [0, q) of any int16_t. */
static inline __m256i to_unsigned(__m256i a)
{
	a = reduce(a);
	return _mm256_add_epi16(
		a, _mm256_and_si256(_mm256_srai_epi16(a, 15), _mm256_set1_epi16(MLKEM_Q)));
}

/* Halves: (a0 a1, b0 b1) becomes (a0 b0, a1 b1), and the same brings it back. */
static inline void swap_halves(__m256i *a, __m256i *b)
{
	__m256i t = _mm256_permute2x128_si256(*a, *b, 0x20);

	*b = _mm256_permute2x128_si256(*a, *b, 0x31);
	*a = t;
}

/* The operations of struct mlkem_kernels. */
void mlkem_ntt_avx2(struct mlkem_poly *p);
void mlkem_inverse_ntt_avx2(struct mlkem_poly *p);
void mlkem_to_factor_avx2(struct mlkem_factor *ret, const struct mlkem_poly *from);
void mlkem_inner_product_avx2(struct mlkem_poly *ret, const struct mlkem_poly *a,
			      const struct mlkem_factor *b, unsigned k);
void mlkem_to_montgomery_avx2(struct mlkem_poly *p);
void mlkem_add_avx2(struct mlkem_poly *p, const struct mlkem_poly *other);
void mlkem_subtract_avx2(struct mlkem_poly *p, const struct mlkem_poly *other);
unsigned mlkem_sample_uniform_avx2(struct mlkem_poly *ret, unsigned n,
				   const uint8_t block[SHAKE128_RATE]);
void mlkem_sample_noise_avx2(struct mlkem_poly *ret, unsigned eta, const uint8_t *bytes);
void mlkem_encode_avx2(const struct mlkem_poly *p, uint8_t ret[MLKEM_POLY_LEN]);
void mlkem_decode_avx2(struct mlkem_poly *ret, const uint8_t from[MLKEM_POLY_LEN]);
void mlkem_compress_avx2(const struct mlkem_poly *p, unsigned d, uint8_t *ret);
void mlkem_decompress_avx2(struct mlkem_poly *ret, unsigned d, const uint8_t *from);

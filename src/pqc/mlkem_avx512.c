/* SPDX-License-Identifier: Apache-2.0 */
/* Polynomials of ML-KEM where AVX-512 is faster than AVX2; the rest is AVX2's. */
#include "pqc/mlkem_avx2.h"

/* Where there are compress instructions (VBMI2), no table of lanes is needed: the numbers below
 * q are moved to the front of 32. The last of the 42 triples of the block come with half a
 * register. */
static inline __m512i unpack12(__m512i bytes)
{
	const __m512i places = _mm512_set_epi8(
		47, 46, 46, 45, 44, 43, 43, 42, 41, 40, 40, 39, 38, 37, 37, 36, 35, 34, 34, 33, 32,
		31, 31, 30, 29, 28, 28, 27, 26, 25, 25, 24, 23, 22, 22, 21, 20, 19, 19, 18, 17, 16,
		16, 15, 14, 13, 13, 12, 11, 10, 10, 9, 8, 7, 7, 6, 5, 4, 4, 3, 2, 1, 1, 0);
	__m512i v = _mm512_permutexvar_epi8(places, bytes);

	v = _mm512_mask_srli_epi16(v, 0xaaaaaaaa, v, 4);
	return _mm512_and_si512(v, _mm512_set1_epi16(0xfff));
}

/* Not beyond the end: room is how many there are to come, and may be more than 32. */
static inline unsigned keep(int16_t *ret, unsigned room, __m512i v, __mmask32 candidates)
{
	__mmask32 fits = _mm512_mask_cmplt_epi16_mask(candidates, v, _mm512_set1_epi16(MLKEM_Q));
	unsigned n = (unsigned)__builtin_popcount(fits);

	n = n < room ? n : room;
	_mm512_mask_storeu_epi16(ret, _bzhi_u32(0xffffffff, n),
				 _mm512_maskz_compress_epi16(fits, v));
	return n;
}

static unsigned sample_uniform(struct mlkem_poly *ret, unsigned n,
			       const uint8_t block[SHAKE128_RATE])
{
	for (unsigned at = 0; at < 144; at += 48) {
		__m512i bytes = _mm512_maskz_loadu_epi8(0xffffffffffff, block + at);

		n += keep(ret->c + n, MLKEM_N - n, unpack12(bytes), 0xffffffff);
	}
	return n + keep(ret->c + n, MLKEM_N - n,
			unpack12(_mm512_maskz_loadu_epi8(0xffffff, block + 144)), 0xffff);
}

const struct mlkem_kernels mlkem_kernels_avx512 = {
	.ntt = mlkem_ntt_avx2,
	.inverse_ntt = mlkem_inverse_ntt_avx2,
	.to_factor = mlkem_to_factor_avx2,
	.inner_product = mlkem_inner_product_avx2,
	.to_montgomery = mlkem_to_montgomery_avx2,
	.add = mlkem_add_avx2,
	.subtract = mlkem_subtract_avx2,
	.sample_uniform = sample_uniform,
	.sample_noise = mlkem_sample_noise_avx2,
	.encode = mlkem_encode_avx2,
	.decode = mlkem_decode_avx2,
	.compress = mlkem_compress_avx2,
	.decompress = mlkem_decompress_avx2,
};

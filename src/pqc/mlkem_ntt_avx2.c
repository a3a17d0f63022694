/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms and products of ML-KEM in AVX2. The portable code of
 * mlkem_poly.c says what is computed; here it is said how. */
#include "pqc/mlkem_avx2.h"
#include "pqc/mlkem_zetas.h"

#define Q MLKEM_Q
#define N_VECTORS 16   /* registers to a polynomial */
#define R_SQUARED 1353 /* 2^32 modulo q */
#define INVERSE_128_R2 1441

/* ---- arithmetic modulo q ---- */

/* a b 2^-16 for a constant b, of which b q^-1 modulo 2^16 is given too: what the low half of
 * a b must be multiplied with to know the multiple of q is then one product away from a, and does
 * not wait for a b. The low halves cancel, so the high ones are all there is to subtract. */
static inline __m256i multiply(__m256i a, __m256i b, __m256i b_q_inverse)
{
	__m256i t = _mm256_mullo_epi16(a, b_q_inverse);

	return _mm256_sub_epi16(_mm256_mulhi_epi16(a, b),
				_mm256_mulhi_epi16(t, _mm256_set1_epi16(Q)));
}

static inline __m256i multiply_constant(__m256i a, int16_t b)
{
	return multiply(a, _mm256_set1_epi16(b), _mm256_set1_epi16(MLKEM_TIMES_Q_INVERSE(b)));
}

/* ---- the number-theoretic transform ---- */

/* (a, b) becomes (a + zeta b, a - zeta b). */
static inline __attribute__((always_inline)) void butterfly(__m256i *a, __m256i *b,
							    const struct mlkem_zeta *zeta)
{
	__m256i t = multiply(*b, load(zeta->z), load(zeta->z_q_inverse));

	*b = _mm256_sub_epi16(*a, t);
	*a = _mm256_add_epi16(*a, t);
}

/* (a, b) becomes (a + b, zeta (b - a)). */
static inline __attribute__((always_inline)) void inverse_butterfly(__m256i *a, __m256i *b,
								    const struct mlkem_zeta *zeta)
{
	__m256i t = _mm256_sub_epi16(*b, *a);

	*a = _mm256_add_epi16(*a, *b);
	*b = multiply(t, load(zeta->z), load(zeta->z_q_inverse));
}

/* Quarters of 64 bits: the same within each half. */
static inline void swap_quarters(__m256i *a, __m256i *b)
{
	__m256i t = _mm256_unpacklo_epi64(*a, *b);

	*b = _mm256_unpackhi_epi64(*a, *b);
	*a = t;
}

/* Pairs of coefficients, 32 bits: the same within each quarter. */
static inline void swap_pairs(__m256i *a, __m256i *b)
{
	__m256i t = _mm256_blend_epi32(*a, _mm256_slli_epi64(*b, 32), 0xaa);

	*b = _mm256_blend_epi32(_mm256_srli_epi64(*a, 32), *b, 0xaa);
	*a = t;
}

/* The layers of length 128 and 64, which pair whole registers 8 and 4 apart. */
static inline void ntt_first_two(struct mlkem_poly *p)
{
	for (unsigned i = 0; i < 4; i++) {
		int16_t *c = p->c + (size_t)16 * i;
		__m256i v[4];

		for (unsigned j = 0; j < 4; j++)
			v[j] = load(c + (size_t)64 * j);
		butterfly(&v[0], &v[2], &mlkem_zetas_outer[0]);
		butterfly(&v[1], &v[3], &mlkem_zetas_outer[0]);
		butterfly(&v[0], &v[1], &mlkem_zetas_outer[1]);
		butterfly(&v[2], &v[3], &mlkem_zetas_outer[2]);
		for (unsigned j = 0; j < 4; j++)
			store(c + (size_t)64 * j, v[j]);
	}
}

/* The layers of length 8, 4 and 2 pair coefficients of one register. Two registers exchange
 * halves, quarters and pairs, so that partners come to lie in the same place of the two, and
 * change back at the end. */
static inline __attribute__((always_inline)) void ntt_last_three(__m256i *a, __m256i *b,
								 const struct mlkem_zeta zetas[3])
{
	swap_halves(a, b);
	butterfly(a, b, &zetas[0]);
	swap_quarters(a, b);
	butterfly(a, b, &zetas[1]);
	swap_pairs(a, b);
	butterfly(a, b, &zetas[2]);
	swap_pairs(a, b);
	swap_quarters(a, b);
	swap_halves(a, b);
}

/* Seven layers add less than q each: 8 q is less than 2^15. */
void mlkem_ntt_avx2(struct mlkem_poly *p)
{
	ntt_first_two(p);
	for (unsigned i = 0; i < 4; i++) { /* blocks of 64 are on their own from here on */
		const struct mlkem_zeta *zetas = mlkem_zetas_inner[i];
		int16_t *c = p->c + (size_t)64 * i;
		__m256i v[4];

		for (unsigned j = 0; j < 4; j++)
			v[j] = load(c + (size_t)16 * j);
		butterfly(&v[0], &v[2], &zetas[0]);
		butterfly(&v[1], &v[3], &zetas[0]);
		butterfly(&v[0], &v[1], &zetas[1]);
		butterfly(&v[2], &v[3], &zetas[2]);
		ntt_last_three(&v[0], &v[1], zetas + 3);
		ntt_last_three(&v[2], &v[3], zetas + 6);
		for (unsigned j = 0; j < 4; j++)
			store(c + (size_t)16 * j, reduce(v[j]));
	}
}

/* From below q the sums of three layers stay below 8 q, and are then reduced. */
static inline __attribute__((always_inline)) void
inverse_ntt_first_three(__m256i *a, __m256i *b, const struct mlkem_zeta zetas[3])
{
	swap_halves(a, b);
	swap_quarters(a, b);
	swap_pairs(a, b);
	inverse_butterfly(a, b, &zetas[2]);
	swap_pairs(a, b);
	inverse_butterfly(a, b, &zetas[1]);
	swap_quarters(a, b);
	inverse_butterfly(a, b, &zetas[0]);
	*a = reduce(*a);
	swap_halves(a, b);
}

/* The next two, to 4 q, and the last two, from q again to 4 q. The factor, 2^16 / 128, is that
 * of the product before and that of the transform. */
void mlkem_inverse_ntt_avx2(struct mlkem_poly *p)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct mlkem_zeta *zetas = mlkem_inverse_zetas_inner[i];
		int16_t *c = p->c + (size_t)64 * i;
		__m256i v[4];

		for (unsigned j = 0; j < 4; j++)
			v[j] = load(c + (size_t)16 * j);
		inverse_ntt_first_three(&v[0], &v[1], zetas + 3);
		inverse_ntt_first_three(&v[2], &v[3], zetas + 6);
		inverse_butterfly(&v[0], &v[1], &zetas[1]);
		inverse_butterfly(&v[2], &v[3], &zetas[2]);
		inverse_butterfly(&v[0], &v[2], &zetas[0]);
		inverse_butterfly(&v[1], &v[3], &zetas[0]);
		store(c, reduce(v[0]));
		store(c + 16, reduce(v[1]));
		store(c + 32, v[2]);
		store(c + 48, v[3]);
	}
	for (unsigned i = 0; i < 4; i++) {
		int16_t *c = p->c + (size_t)16 * i;
		__m256i v[4];

		for (unsigned j = 0; j < 4; j++)
			v[j] = load(c + (size_t)64 * j);
		inverse_butterfly(&v[0], &v[1], &mlkem_inverse_zetas_outer[1]);
		inverse_butterfly(&v[2], &v[3], &mlkem_inverse_zetas_outer[2]);
		inverse_butterfly(&v[0], &v[2], &mlkem_inverse_zetas_outer[0]);
		inverse_butterfly(&v[1], &v[3], &mlkem_inverse_zetas_outer[0]);
		for (unsigned j = 0; j < 4; j++)
			store(c + (size_t)64 * j, multiply_constant(v[j], INVERSE_128_R2));
	}
}

/* ---- products ---- */

void mlkem_to_factor_avx2(struct mlkem_factor *ret, const struct mlkem_poly *from)
{
	for (unsigned i = 0; i < N_VECTORS; i++) {
		__m256i b = load(from->c + (size_t)16 * i);
		__m256i zeta_b = multiply(b, load(mlkem_zetas_product[i].z),
					  load(mlkem_zetas_product[i].z_q_inverse));

		store(ret->low.c + (size_t)16 * i, _mm256_blend_epi16(b, zeta_b, 0xaa));
		store(ret->high.c + (size_t)16 * i, /* each pair the other way round */
		      _mm256_or_si256(_mm256_slli_epi32(b, 16), _mm256_srli_epi32(b, 16)));
	}
}

/* Sums of 32 bits: one instruction multiplies pairs and adds the two products. Montgomery's
 * reduction is once for all, on the low and high halves of the sums, which are gathered into
 * registers of 16 bits so that the coefficients are in order. */
void mlkem_inner_product_avx2(struct mlkem_poly *ret, const struct mlkem_poly *a,
			      const struct mlkem_factor *b, unsigned k)
{
	__m256i q_inverse = _mm256_set1_epi16(MLKEM_TIMES_Q_INVERSE(1));

	for (size_t i = 0; i < MLKEM_N; i += 16) {
		__m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
		__m256i low, high, t;

		for (unsigned j = 0; j < k; j++) {
			__m256i v = load(a[j].c + i);

			even = _mm256_add_epi32(even, _mm256_madd_epi16(v, load(b[j].low.c + i)));
			odd = _mm256_add_epi32(odd, _mm256_madd_epi16(v, load(b[j].high.c + i)));
		}
		low = _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xaa);
		high = _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xaa);
		t = _mm256_mullo_epi16(low, q_inverse);
		store(ret->c + i,
		      _mm256_sub_epi16(high, _mm256_mulhi_epi16(t, _mm256_set1_epi16(Q))));
	}
}

void mlkem_to_montgomery_avx2(struct mlkem_poly *p)
{
	for (size_t i = 0; i < MLKEM_N; i += 16)
		store(p->c + i, multiply_constant(load(p->c + i), R_SQUARED));
}

void mlkem_add_avx2(struct mlkem_poly *p, const struct mlkem_poly *other)
{
	for (size_t i = 0; i < MLKEM_N; i += 16)
		store(p->c + i, _mm256_add_epi16(load(p->c + i), load(other->c + i)));
}

void mlkem_subtract_avx2(struct mlkem_poly *p, const struct mlkem_poly *other)
{
	for (size_t i = 0; i < MLKEM_N; i += 16)
		store(p->c + i, _mm256_sub_epi16(load(p->c + i), load(other->c + i)));
}

const struct mlkem_kernels mlkem_kernels_avx2 = {
	.ntt = mlkem_ntt_avx2,
	.inverse_ntt = mlkem_inverse_ntt_avx2,
	.to_factor = mlkem_to_factor_avx2,
	.inner_product = mlkem_inner_product_avx2,
	.to_montgomery = mlkem_to_montgomery_avx2,
	.add = mlkem_add_avx2,
	.subtract = mlkem_subtract_avx2,
	.sample_uniform = mlkem_sample_uniform_avx2,
	.sample_noise = mlkem_sample_noise_avx2,
	.encode = mlkem_encode_avx2,
	.decode = mlkem_decode_avx2,
	.compress = mlkem_compress_avx2,
	.decompress = mlkem_decompress_avx2,
};

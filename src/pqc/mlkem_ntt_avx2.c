/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms and products of ML-KEM in AVX2. The portable code of mlkem_poly.c says what is
 * computed; here it is said how. */
#include "pqc/mlkem_avx2.h"
#include "pqc/mlkem_zetas.h"

#define Q MLKEM_Q
#define N_VECTORS 16   /* registers to a polynomial */
#define R_SQUARED 1353 /* 2^32 modulo q */

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

static inline __attribute__((always_inline)) __m256i multiply_by(__m256i a,
								 const struct mlkem_zeta *b)
{
	return multiply(a, load(b->z), load(b->z_q_inverse));
}

/* ---- the number-theoretic transform ---- */

/* (a, b) becomes (a + zeta b, a - zeta b). */
static inline __attribute__((always_inline)) void butterfly(__m256i *a, __m256i *b,
							    const struct mlkem_zeta *zeta)
{
	__m256i t = multiply_by(*b, zeta);

	*b = _mm256_sub_epi16(*a, t);
	*a = _mm256_add_epi16(*a, t);
}

/* (a, b) becomes (a + b, zeta (b - a)). */
static inline __attribute__((always_inline)) void inverse_butterfly(__m256i *a, __m256i *b,
								    const struct mlkem_zeta *zeta)
{
	__m256i t = _mm256_sub_epi16(*b, *a);

	*a = _mm256_add_epi16(*a, *b);
	*b = multiply_by(t, zeta);
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

/* Eight registers are worked on together, half a polynomial: enough that a multiplication need
 * not wait for the one before, and they fit. */
#define N_HALF 8

static inline __attribute__((always_inline)) void load_half(__m256i v[N_HALF], const int16_t *c)
{
	for (size_t i = 0; i < N_HALF; i++)
		v[i] = load(c + 16 * i);
}

/* Pairs of registers 4, 2 or 1 apart; n is the number of constants, one to a block. */
static inline __attribute__((always_inline)) void
butterflies(__m256i v[N_HALF], const struct mlkem_zeta *zetas, unsigned n)
{
	unsigned apart = 4 / n;

	for (unsigned i = 0; i < N_HALF / 2; i++) {
		unsigned block = i / apart;
		unsigned first = 2 * apart * block + i % apart;

		butterfly(&v[first], &v[first + apart], &zetas[block]);
	}
}

static inline __attribute__((always_inline)) void
inverse_butterflies(__m256i v[N_HALF], const struct mlkem_zeta *zetas, unsigned n)
{
	unsigned apart = 4 / n;

	for (unsigned i = 0; i < N_HALF / 2; i++) {
		unsigned block = i / apart;
		unsigned first = 2 * apart * block + i % apart;

		inverse_butterfly(&v[first], &v[first + apart], &zetas[block]);
	}
}

static inline __attribute__((always_inline)) void swap_all(__m256i v[N_HALF],
							   void (*swap)(__m256i *a, __m256i *b))
{
	for (unsigned i = 0; i < N_HALF; i += 2)
		swap(&v[i], &v[i + 1]);
}

/* The layers of length 8, 4 and 2 pair coefficients of one register. Two registers exchange
 * halves, quarters and pairs, so that partners come to lie in the same place of the two, and
 * change back at the end. Seven layers add less than q each: 8 q is less than 2^15. */
static void ntt_half(int16_t *c, const struct mlkem_zetas_half *zetas)
{
	__m256i v[N_HALF];

	load_half(v, c);
	butterflies(v, zetas->len64, 1);
	butterflies(v, zetas->len32, 2);
	butterflies(v, zetas->len16, 4);
	swap_all(v, swap_halves);
	butterflies(v, zetas->len8, 4);
	swap_all(v, swap_quarters);
	butterflies(v, zetas->len4, 4);
	swap_all(v, swap_pairs);
	butterflies(v, zetas->len2, 4);
	swap_all(v, swap_pairs);
	swap_all(v, swap_quarters);
	swap_all(v, swap_halves);
	for (size_t i = 0; i < N_HALF; i++)
		store(c + 16 * i, reduce(v[i]));
}

void mlkem_ntt_avx2(struct mlkem_poly *p)
{
	for (size_t i = 0; i < MLKEM_N / 2; i += 16) {
		__m256i a = load(p->c + i), b = load(p->c + MLKEM_N / 2 + i);

		butterfly(&a, &b, &mlkem_zeta_len128);
		store(p->c + i, a);
		store(p->c + MLKEM_N / 2 + i, b);
	}
	ntt_half(p->c, &mlkem_zetas[0]);
	ntt_half(p->c + MLKEM_N / 2, &mlkem_zetas[1]);
}

/* From below q the sums of three layers stay below 8 q, and are then reduced; so do those of the
 * next three, and but for the first register they have room for the last. */
static void inverse_ntt_half(int16_t *c, const struct mlkem_zetas_half *zetas)
{
	__m256i v[N_HALF];

	load_half(v, c);
	swap_all(v, swap_halves);
	swap_all(v, swap_quarters);
	swap_all(v, swap_pairs);
	inverse_butterflies(v, zetas->len2, 4);
	swap_all(v, swap_pairs);
	inverse_butterflies(v, zetas->len4, 4);
	swap_all(v, swap_quarters);
	inverse_butterflies(v, zetas->len8, 4);
	for (unsigned i = 0; i < N_HALF; i += 2)
		v[i] = reduce(v[i]);
	swap_all(v, swap_halves);
	inverse_butterflies(v, zetas->len16, 4);
	inverse_butterflies(v, zetas->len32, 2);
	inverse_butterflies(v, zetas->len64, 1);
	v[0] = reduce(v[0]);
	for (size_t i = 0; i < N_HALF; i++)
		store(c + 16 * i, v[i]);
}

/* The last layer also takes away the factors: that of the product before, 2^-16, and that of the
 * transform, 128. */
void mlkem_inverse_ntt_avx2(struct mlkem_poly *p)
{
	inverse_ntt_half(p->c, &mlkem_inverse_zetas[0]);
	inverse_ntt_half(p->c + MLKEM_N / 2, &mlkem_inverse_zetas[1]);
	for (size_t i = 0; i < MLKEM_N / 2; i += 16) {
		__m256i a = load(p->c + i), b = load(p->c + MLKEM_N / 2 + i);

		store(p->c + i, multiply_by(_mm256_add_epi16(a, b), &mlkem_inverse_128));
		store(p->c + MLKEM_N / 2 + i,
		      multiply_by(_mm256_sub_epi16(b, a), &mlkem_inverse_128_zeta));
	}
}

/* ---- products ---- */

void mlkem_to_factor_avx2(struct mlkem_factor *ret, const struct mlkem_poly *from)
{
	for (unsigned i = 0; i < N_VECTORS; i++) {
		__m256i b = load(from->c + (size_t)16 * i);
		__m256i zeta_b = multiply_by(b, &mlkem_zetas_product[i]);

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
	const __m256i b = _mm256_set1_epi16(R_SQUARED);
	const __m256i b_q_inverse = _mm256_set1_epi16(MLKEM_TIMES_Q_INVERSE(R_SQUARED));

	for (size_t i = 0; i < MLKEM_N; i += 16)
		store(p->c + i, multiply(load(p->c + i), b, b_q_inverse));
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

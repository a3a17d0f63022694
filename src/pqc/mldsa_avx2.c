/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of ML-DSA polynomials, eight coefficients at a time (AVX2, with BMI2).
 *
 * The multiplication of AVX2 that keeps 64 bits takes the even half of the coefficients, so a
 * Montgomery product is computed for the even and the odd ones and put together again. */
#include <immintrin.h>

#include "pqc/ct.h"
#include "pqc/mldsa_lanes.h"
#include "pqc/mldsa_pack_avx2.h"
#include "pqc/mldsa_zetas.h"

#define Q MLDSA_Q

static inline __m256i load(const void *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

static inline void store(void *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)p, v);
}

/* The odd coefficients in the even places. */
static inline __m256i odd(__m256i a)
{
	return _mm256_castps_si256(_mm256_movehdup_ps(_mm256_castsi256_ps(a)));
}

/* The high halves of four differences each; their low halves are zero. */
static inline __m256i high_halves(__m256i even, __m256i odds)
{
	return _mm256_blend_epi32(odd(even), odds, 0xaa);
}

/* a z 2^-32 modulo q, within (-q, q), where the even and odd coefficients of z are given apart,
 * and z / q for both. The low half of a z minus t q is zero with t = a z / q modulo 2^32, of
 * which a and z / q make the same as a z and 1 / q would, one multiplication sooner. */
static inline __m256i times(__m256i a, __m256i z, __m256i z_over_q, __m256i z_odd,
			    __m256i z_odd_over_q)
{
	const __m256i q = _mm256_set1_epi32(Q);
	__m256i a_odd = odd(a);
	__m256i t0 = _mm256_mul_epi32(_mm256_mul_epi32(a, z_over_q), q);
	__m256i t1 = _mm256_mul_epi32(_mm256_mul_epi32(a_odd, z_odd_over_q), q);

	return high_halves(_mm256_sub_epi64(_mm256_mul_epi32(a, z), t0),
			   _mm256_sub_epi64(_mm256_mul_epi32(a_odd, z_odd), t1));
}

/* Eight 64-bit numbers less than q 2^31 in absolute value, times 2^-32, within (-q, q). */
static inline __m256i montgomery(__m256i even, __m256i odds)
{
	const __m256i q = _mm256_set1_epi32(Q);
	const __m256i q_inverse = _mm256_set1_epi32(MLDSA_Q_INVERSE);
	__m256i t0 = _mm256_mul_epi32(_mm256_mul_epi32(even, q_inverse), q);
	__m256i t1 = _mm256_mul_epi32(_mm256_mul_epi32(odds, q_inverse), q);

	return high_halves(_mm256_sub_epi64(even, t0), _mm256_sub_epi64(odds, t1));
}

/* ---- the NTT: three layers between registers 32 coefficients apart, then five within 32 ---- */

/* The zetas of the first five layers, one for a whole register. */
#define ROW(...) __VA_ARGS__,
#define OVER_Q_8(a, b, c, d, e, f, g, h)                                                     \
	MLDSA_OVER_Q(a), MLDSA_OVER_Q(b), MLDSA_OVER_Q(c), MLDSA_OVER_Q(d), MLDSA_OVER_Q(e), \
		MLDSA_OVER_Q(f), MLDSA_OVER_Q(g), MLDSA_OVER_Q(h)
#define OVER_Q_16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
	OVER_Q_8(a, b, c, d, e, f, g, h), OVER_Q_8(i, j, k, l, m, n, o, p),

static const int32_t zetas[32] = { MLDSA_ZETAS_0(ROW) MLDSA_ZETAS_16(ROW) };
static const int32_t zetas_over_q[32] = { MLDSA_ZETAS_0(OVER_Q_16) MLDSA_ZETAS_16(OVER_Q_16) };

/* The zetas of the last three layers, laid out as split_4(), split_2() and split_1() lay out the
 * coefficients of two registers a and b: of eight blocks of four, ... */
#define BLOCKS_4_8(M, a, b, c, d, e, f, g, h)                                                     \
	M(a), M(a), M(a), M(a), M(b), M(b), M(b), M(b), M(c), M(c), M(c), M(c), M(d), M(d), M(d), \
		M(d), M(e), M(e), M(e), M(e), M(f), M(f), M(f), M(f), M(g), M(g), M(g), M(g),     \
		M(h), M(h), M(h), M(h)
#define BLOCKS_2_8(M, a, b, c, d, e, f, g, h)                                                     \
	M(a), M(a), M(b), M(b), M(c), M(c), M(d), M(d), M(e), M(e), M(f), M(f), M(g), M(g), M(h), \
		M(h)
#define BLOCKS_1_8(M, a, b, c, d, e, f, g, h) M(a), M(c), M(b), M(d), M(e), M(g), M(f), M(h)

#define PLAIN(z) (z)
#define TWICE(LAYOUT, M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
	LAYOUT(M, a, b, c, d, e, f, g, h), LAYOUT(M, i, j, k, l, m, n, o, p),
/* The two, four or eight blocks of a pair of registers in reverse. */
#define BACKWARDS_4(M, a, b, c, d, e, f, g, h) BLOCKS_4_8(M, b, a, d, c, f, e, h, g)
#define BACKWARDS_2(M, a, b, c, d, e, f, g, h) BLOCKS_2_8(M, d, c, b, a, h, g, f, e)
#define BACKWARDS_1(M, a, b, c, d, e, f, g, h) BLOCKS_1_8(M, h, g, f, e, d, c, b, a)
#define FORWARD_4(...) TWICE(BLOCKS_4_8, PLAIN, __VA_ARGS__)
#define FORWARD_4_OVER_Q(...) TWICE(BLOCKS_4_8, MLDSA_OVER_Q, __VA_ARGS__)
#define FORWARD_2(...) TWICE(BLOCKS_2_8, PLAIN, __VA_ARGS__)
#define FORWARD_2_OVER_Q(...) TWICE(BLOCKS_2_8, MLDSA_OVER_Q, __VA_ARGS__)
#define FORWARD_1(...) TWICE(BLOCKS_1_8, PLAIN, __VA_ARGS__)
#define FORWARD_1_OVER_Q(...) TWICE(BLOCKS_1_8, MLDSA_OVER_Q, __VA_ARGS__)
/* ... and the other way round for the inverse, which takes the zetas from the end: here within
 * a pair of registers, and from pair to pair by counting down. */
#define INVERSE_4(...) TWICE(BACKWARDS_4, PLAIN, __VA_ARGS__)
#define INVERSE_4_OVER_Q(...) TWICE(BACKWARDS_4, MLDSA_OVER_Q, __VA_ARGS__)
#define INVERSE_2(...) TWICE(BACKWARDS_2, PLAIN, __VA_ARGS__)
#define INVERSE_2_OVER_Q(...) TWICE(BACKWARDS_2, MLDSA_OVER_Q, __VA_ARGS__)
#define INVERSE_1(...) TWICE(BACKWARDS_1, PLAIN, __VA_ARGS__)
#define INVERSE_1_OVER_Q(...) TWICE(BACKWARDS_1, MLDSA_OVER_Q, __VA_ARGS__)

struct inner_zetas {
	_Alignas(32) int32_t blocks_4[128], blocks_4_over_q[128];
	int32_t blocks_2[128], blocks_2_over_q[128];
	int32_t blocks_1[128], blocks_1_over_q[128];
};

static const struct inner_zetas forward = {
	{ MLDSA_ZETAS_32(FORWARD_4) },	{ MLDSA_ZETAS_32(FORWARD_4_OVER_Q) },
	{ MLDSA_ZETAS_64(FORWARD_2) },	{ MLDSA_ZETAS_64(FORWARD_2_OVER_Q) },
	{ MLDSA_ZETAS_128(FORWARD_1) }, { MLDSA_ZETAS_128(FORWARD_1_OVER_Q) },
};

static const struct inner_zetas backward = {
	{ MLDSA_ZETAS_32(INVERSE_4) },	{ MLDSA_ZETAS_32(INVERSE_4_OVER_Q) },
	{ MLDSA_ZETAS_64(INVERSE_2) },	{ MLDSA_ZETAS_64(INVERSE_2_OVER_Q) },
	{ MLDSA_ZETAS_128(INVERSE_1) }, { MLDSA_ZETAS_128(INVERSE_1_OVER_Q) },
};

static inline __m256i times_one_zeta(__m256i a, int32_t z, int32_t z_over_q)
{
	__m256i wide = _mm256_set1_epi32(z);
	__m256i wide_over_q = _mm256_set1_epi32(z_over_q);

	return times(a, wide, wide_over_q, wide, wide_over_q);
}

/* Neighbours of a zeta are alike but in the last layer. */
static inline __m256i times_zetas(__m256i a, const int32_t *z, const int32_t *z_over_q,
				  bool neighbours_differ)
{
	__m256i v = load(z);
	__m256i v_over_q = load(z_over_q);

	if (!neighbours_differ)
		return times(a, v, v_over_q, v, v_over_q);
	return times(a, v, v_over_q, odd(v), odd(v_over_q));
}

static inline void butterfly(__m256i *a, __m256i *b, unsigned k)
{
	__m256i t = times_one_zeta(*b, zetas[k], zetas_over_q[k]);

	*b = _mm256_sub_epi32(*a, t);
	*a = _mm256_add_epi32(*a, t);
}

static inline void inverse_butterfly(__m256i *a, __m256i *b, unsigned k)
{
	__m256i difference = _mm256_sub_epi32(*b, *a);

	*a = _mm256_add_epi32(*a, *b);
	*b = times_one_zeta(difference, zetas[k], zetas_over_q[k]);
}

static inline void inner_butterfly(__m256i *a, __m256i *b, const int32_t *z,
				   const int32_t *z_over_q, bool neighbours_differ)
{
	__m256i t = times_zetas(*b, z, z_over_q, neighbours_differ);

	*b = _mm256_sub_epi32(*a, t);
	*a = _mm256_add_epi32(*a, t);
}

static inline void inner_inverse_butterfly(__m256i *a, __m256i *b, const int32_t *z,
					   const int32_t *z_over_q, bool neighbours_differ)
{
	__m256i difference = _mm256_sub_epi32(*b, *a);

	*a = _mm256_add_epi32(*a, *b);
	*b = times_zetas(difference, z, z_over_q, neighbours_differ);
}

/* From a = 0..7 and b = 8..15 to 0 1 2 3 8 9 10 11 and 4 5 6 7 12 13 14 15, and back. */
static inline void split_4(__m256i *a, __m256i *b)
{
	__m256i first = _mm256_permute2x128_si256(*a, *b, 0x20);

	*b = _mm256_permute2x128_si256(*a, *b, 0x31);
	*a = first;
}

/* From there to 0 1 4 5 8 9 12 13 and 2 3 6 7 10 11 14 15, and back. */
static inline void split_2(__m256i *a, __m256i *b)
{
	__m256i first = _mm256_unpacklo_epi64(*a, *b);

	*b = _mm256_unpackhi_epi64(*a, *b);
	*a = first;
}

/* From there to 0 4 2 6 8 12 10 14 and 1 5 3 7 9 13 11 15, ... */
static inline void split_1(__m256i *a, __m256i *b)
{
	__m256 x = _mm256_castsi256_ps(*a);
	__m256 y = _mm256_castsi256_ps(*b);

	*a = _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88));
	*b = _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd));
}

/* ... and back. */
static inline void join_1(__m256i *a, __m256i *b)
{
	__m256i first = _mm256_unpacklo_epi32(*a, *b);

	*b = _mm256_unpackhi_epi32(*a, *b);
	*a = first;
}

/* Three layers within the 16 coefficients of two registers, the i-th of sixteen such pairs. */
static inline void ntt_16(__m256i *a, __m256i *b, unsigned i)
{
	i *= 8;
	split_4(a, b);
	inner_butterfly(a, b, forward.blocks_4 + i, forward.blocks_4_over_q + i, false);
	split_2(a, b);
	inner_butterfly(a, b, forward.blocks_2 + i, forward.blocks_2_over_q + i, false);
	split_1(a, b);
	inner_butterfly(a, b, forward.blocks_1 + i, forward.blocks_1_over_q + i, true);
	join_1(a, b);
	split_2(a, b);
	split_4(a, b);
}

static inline void inverse_ntt_16(__m256i *a, __m256i *b, unsigned i)
{
	i = 8 * (15 - i);
	split_4(a, b);
	split_2(a, b);
	split_1(a, b);
	inner_inverse_butterfly(a, b, backward.blocks_1 + i, backward.blocks_1_over_q + i, true);
	join_1(a, b);
	inner_inverse_butterfly(a, b, backward.blocks_2 + i, backward.blocks_2_over_q + i, false);
	split_2(a, b);
	inner_inverse_butterfly(a, b, backward.blocks_4 + i, backward.blocks_4_over_q + i, false);
	split_4(a, b);
}

static void ntt(struct mldsa_poly *p)
{
	for (unsigned i = 0; i < 32; i += 8) {
		__m256i v[8];

		for (unsigned j = 0; j < 8; j++)
			v[j] = load(p->c + i + (size_t)32 * j);
		for (unsigned j = 0; j < 4; j++)
			butterfly(&v[j], &v[j + 4], 1);
		for (unsigned j = 0; j < 2; j++) {
			butterfly(&v[j], &v[j + 2], 2);
			butterfly(&v[j + 4], &v[j + 6], 3);
		}
		for (unsigned j = 0; j < 4; j++)
			butterfly(&v[2 * j], &v[2 * j + 1], 4 + j);
		for (unsigned j = 0; j < 8; j++)
			store(p->c + i + (size_t)32 * j, v[j]);
	}
	for (unsigned i = 0; i < 8; i++) {
		int32_t *c = p->c + (size_t)32 * i;
		__m256i v[4] = { load(c), load(c + 8), load(c + 16), load(c + 24) };

		butterfly(&v[0], &v[2], 8 + i);
		butterfly(&v[1], &v[3], 8 + i);
		butterfly(&v[0], &v[1], 16 + 2 * i);
		butterfly(&v[2], &v[3], 17 + 2 * i);
		ntt_16(&v[0], &v[1], 2 * i);
		ntt_16(&v[2], &v[3], 2 * i + 1);
		for (unsigned j = 0; j < 4; j++)
			store(c + (size_t)8 * j, v[j]);
	}
}

/* The last layer of the inverse. */
static inline void last_butterfly(__m256i *a, __m256i *b)
{
	__m256i difference = _mm256_sub_epi32(*b, *a);
	__m256i sum = _mm256_add_epi32(*a, *b);

	*a = times_one_zeta(sum, MLDSA_LAST_FACTOR, MLDSA_OVER_Q(MLDSA_LAST_FACTOR));
	*b = times_one_zeta(difference, MLDSA_LAST_ZETA, MLDSA_OVER_Q(MLDSA_LAST_ZETA));
}

static void inverse_ntt(struct mldsa_poly *p)
{
	for (unsigned i = 0; i < 8; i++) {
		int32_t *c = p->c + (size_t)32 * i;
		__m256i v[4] = { load(c), load(c + 8), load(c + 16), load(c + 24) };

		inverse_ntt_16(&v[0], &v[1], 2 * i);
		inverse_ntt_16(&v[2], &v[3], 2 * i + 1);
		inverse_butterfly(&v[0], &v[1], 31 - 2 * i);
		inverse_butterfly(&v[2], &v[3], 30 - 2 * i);
		inverse_butterfly(&v[0], &v[2], 15 - i);
		inverse_butterfly(&v[1], &v[3], 15 - i);
		for (unsigned j = 0; j < 4; j++)
			store(c + (size_t)8 * j, v[j]);
	}
	for (unsigned i = 0; i < 32; i += 8) {
		__m256i v[8];

		for (unsigned j = 0; j < 8; j++)
			v[j] = load(p->c + i + (size_t)32 * j);
		for (unsigned j = 0; j < 4; j++)
			inverse_butterfly(&v[2 * j], &v[2 * j + 1], 7 - j);
		for (unsigned j = 0; j < 2; j++) {
			inverse_butterfly(&v[j], &v[j + 2], 3);
			inverse_butterfly(&v[j + 4], &v[j + 6], 2);
		}
		for (unsigned j = 0; j < 4; j++)
			last_butterfly(&v[j], &v[j + 4]);
		for (unsigned j = 0; j < 8; j++)
			store(p->c + i + (size_t)32 * j, v[j]);
	}
}

/* ---- products ---- */

static void multiply(struct mldsa_poly *ret, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i += 8) {
		__m256i x = load(a->c + i);
		__m256i y = load(b->c + i);

		store(ret->c + i,
		      montgomery(_mm256_mul_epi32(x, y), _mm256_mul_epi32(odd(x), odd(y))));
	}
}

/* n is a constant where this is inlined, so that the loop over the products unrolls. */
static inline __attribute__((always_inline)) void inner_product_n(struct mldsa_poly *ret,
								  const struct mldsa_poly *a,
								  const struct mldsa_poly *b,
								  unsigned n)
{
	for (unsigned i = 0; i < MLDSA_N; i += 8) {
		__m256i even = _mm256_setzero_si256();
		__m256i odds = _mm256_setzero_si256();

#pragma GCC unroll 8
		for (unsigned j = 0; j < n; j++) {
			__m256i x = load(a[j].c + i);
			__m256i y = load(b[j].c + i);

			even = _mm256_add_epi64(even, _mm256_mul_epi32(x, y));
			odds = _mm256_add_epi64(odds, _mm256_mul_epi32(odd(x), odd(y)));
		}
		store(ret->c + i, montgomery(even, odds));
	}
}

static void inner_product(struct mldsa_poly *ret, const struct mldsa_poly *a,
			  const struct mldsa_poly *b, unsigned n)
{
	switch (n) { /* l of each set, and one more for verification */
	case 4:
		inner_product_n(ret, a, b, 4);
		break;
	case 5:
		inner_product_n(ret, a, b, 5);
		break;
	case 6:
		inner_product_n(ret, a, b, 6);
		break;
	case 7:
		inner_product_n(ret, a, b, 7);
		break;
	case 8:
		inner_product_n(ret, a, b, 8);
		break;
	default:
		inner_product_n(ret, a, b, n);
	}
}

/* ---- rejection ---- */

/* One in a thousand candidates is too large: the eight of 24 bytes are nearly always kept
 * together, and picked apart one by one otherwise. */
static unsigned reject_uniform(int32_t *ret, unsigned n, const uint8_t *from, size_t len)
{
	const __m256i spread =
		_mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 0, 1, 2, -1,
				 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);

	for (size_t i = 0; i < len && n < MLDSA_N; i += 24) {
		__m128i first = _mm_loadu_si128((const __m128i *)(const void *)(from + i));
		__m128i second = _mm_loadu_si128((const __m128i *)(const void *)(from + i + 12));
		__m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(second, first), spread);
		__m256i too_large;

		v = _mm256_and_si256(v, _mm256_set1_epi32(0x7fffff));
		too_large = _mm256_cmpgt_epi32(v, _mm256_set1_epi32(Q - 1));
		if (n <= MLDSA_N - 8 && _mm256_testz_si256(too_large, too_large)) {
			store(ret + n, v);
			n += 8;
		} else {
			int32_t candidates[8];

			store(candidates, v);
			for (unsigned j = 0; j < 8 && n < MLDSA_N; j++)
				if (candidates[j] < Q)
					ret[n++] = candidates[j];
		}
	}
	return n;
}

/* Half bytes to bytes, looked up in a register; then PEXT moves those kept together. What is
 * kept decides where the next go, and how long PEXT takes on some processors; the values do
 * neither. */
static unsigned reject_bounded(int8_t *ret, unsigned n, unsigned eta, const uint8_t *from,
			       size_t len)
{
	const __m128i eta_2 = _mm_setr_epi8(2, 1, 0, -1, -2, 2, 1, 0, -1, -2, 2, 1, 0, -1, -2, 0);
	const __m128i eta_4 = _mm_setr_epi8(4, 3, 2, 1, 0, -1, -2, -3, -4, 0, 0, 0, 0, 0, 0, 0);
	const __m128i values = eta == 2 ? eta_2 : eta_4;
	const __m128i limit = _mm_set1_epi8(eta == 2 ? 15 : 9);

	for (size_t i = 0; i < len; i += 8) {
		__m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(from + i));
		__m128i v = _mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4));
		__m128i kept, made;

		v = _mm_and_si128(v, _mm_set1_epi8(15));
		kept = _mm_cmpgt_epi8(limit, v);
		made = _mm_shuffle_epi8(values, v);
		for (unsigned j = 0; j < 2; j++) {
			uint64_t mask = (uint64_t)_mm_cvtsi128_si64(kept);
			uint64_t together;

			ct_declassify(&mask, sizeof(mask));
			together = _pext_u64((uint64_t)_mm_cvtsi128_si64(made), mask);
			memcpy(ret + n, &together, sizeof(together));
			n += (unsigned)__builtin_popcountll(mask) / 8;
			kept = _mm_unpackhi_epi64(kept, kept);
			made = _mm_unpackhi_epi64(made, made);
		}
	}
	return n;
}

MLDSA_FIELDS(MLDSA_FIELD_FUNCTIONS)

const struct mldsa_kernels mldsa_kernels_avx2 = {
	MLDSA_LANES_KERNELS,
	.ntt = ntt,
	.inverse_ntt = inverse_ntt,
	.multiply = multiply,
	.inner_product = inner_product,
	.reject_uniform = reject_uniform,
	.reject_bounded = reject_bounded,
	.pack = { MLDSA_FIELDS(MLDSA_FIELD_PACK) },
	.unpack = { MLDSA_FIELDS(MLDSA_FIELD_UNPACK) },
};

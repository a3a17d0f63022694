/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of ML-DSA polynomials, sixteen coefficients at a time (AVX-512F, BW, VL, VBMI, VBMI2).
 *
 * Beside the width, 32 registers hold a whole polynomial, so that the NTT loads and stores it
 * once; a masked shuffle puts halves together that AVX2 needs a blend for; and what rejection
 * keeps is moved together by one instruction. */
#include <immintrin.h>

#include "pqc/ct.h"
#include "pqc/mldsa_lanes.h"
#include "pqc/mldsa_pack_avx2.h"
#include "pqc/mldsa_zetas.h"

#define Q MLDSA_Q

static inline __m512i load(const void *p)
{
	return _mm512_loadu_si512(p);
}

static inline void store(void *p, __m512i v)
{
	_mm512_storeu_si512(p, v);
}

/* The odd coefficients in the even places. */
static inline __m512i odd(__m512i a)
{
	return _mm512_castps_si512(_mm512_movehdup_ps(_mm512_castsi512_ps(a)));
}

/* The high halves of eight differences each; their low halves are zero. */
static inline __m512i high_halves(__m512i even, __m512i odds)
{
	return _mm512_castps_si512(_mm512_mask_movehdup_ps(_mm512_castsi512_ps(odds), 0x5555,
							   _mm512_castsi512_ps(even)));
}

/* Montgomery products as in mldsa_avx2.c. */
static inline __m512i times(__m512i a, __m512i z, __m512i z_over_q, __m512i z_odd,
			    __m512i z_odd_over_q)
{
	const __m512i q = _mm512_set1_epi32(Q);
	__m512i a_odd = odd(a);
	__m512i t0 = _mm512_mul_epi32(_mm512_mul_epi32(a, z_over_q), q);
	__m512i t1 = _mm512_mul_epi32(_mm512_mul_epi32(a_odd, z_odd_over_q), q);

	return high_halves(_mm512_sub_epi64(_mm512_mul_epi32(a, z), t0),
			   _mm512_sub_epi64(_mm512_mul_epi32(a_odd, z_odd), t1));
}

static inline __m512i montgomery(__m512i even, __m512i odds)
{
	const __m512i q = _mm512_set1_epi32(Q);
	const __m512i q_inverse = _mm512_set1_epi32(MLDSA_Q_INVERSE);
	__m512i t0 = _mm512_mul_epi32(_mm512_mul_epi32(even, q_inverse), q);
	__m512i t1 = _mm512_mul_epi32(_mm512_mul_epi32(odds, q_inverse), q);

	return high_halves(_mm512_sub_epi64(even, t0), _mm512_sub_epi64(odds, t1));
}

/* ---- the NTT: four layers between registers, then four within pairs of them ---- */

#define ROW(...) __VA_ARGS__,
#define OVER_Q(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                               \
	MLDSA_OVER_Q(a), MLDSA_OVER_Q(b), MLDSA_OVER_Q(c), MLDSA_OVER_Q(d), MLDSA_OVER_Q(e), \
		MLDSA_OVER_Q(f), MLDSA_OVER_Q(g), MLDSA_OVER_Q(h), MLDSA_OVER_Q(i),          \
		MLDSA_OVER_Q(j), MLDSA_OVER_Q(k), MLDSA_OVER_Q(l), MLDSA_OVER_Q(m),          \
		MLDSA_OVER_Q(n), MLDSA_OVER_Q(o), MLDSA_OVER_Q(p)

static const int32_t zetas[16] = { MLDSA_ZETAS_0(ROW) };
static const int32_t zetas_over_q[16] = { MLDSA_ZETAS_0(OVER_Q) };

/* The zetas of the last four layers, laid out as split_8(), split_4(), split_2() and split_1()
 * lay out the coefficients of a pair of registers. A row of sixteen is for eight, four, two pairs
 * or one. */
#define FOUR(M, a) M(a), M(a), M(a), M(a)
#define SPLIT_8(M, a, b) FOUR(M, a), FOUR(M, a), FOUR(M, b), FOUR(M, b)
#define JOIN_8(M, a, b) FOUR(M, a), FOUR(M, b), FOUR(M, a), FOUR(M, b)
#define SPLIT_4(M, a, b, c, d) FOUR(M, a), FOUR(M, c), FOUR(M, b), FOUR(M, d)
#define SPLIT_2(M, a, b, c, d, e, f, g, h)                                                        \
	M(a), M(a), M(b), M(b), M(e), M(e), M(f), M(f), M(c), M(c), M(d), M(d), M(g), M(g), M(h), \
		M(h)
#define SPLIT_1(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                \
	M(a), M(c), M(b), M(d), M(i), M(k), M(j), M(l), M(e), M(g), M(f), M(h), M(m), M(o), M(n), \
		M(p)

#define FORWARD_8(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                              \
	SPLIT_8(M, a, b), SPLIT_8(M, c, d), SPLIT_8(M, e, f), SPLIT_8(M, g, h), SPLIT_8(M, i, j), \
		SPLIT_8(M, k, l), SPLIT_8(M, m, n), SPLIT_8(M, o, p),
#define FORWARD_4(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)            \
	SPLIT_4(M, a, b, c, d), SPLIT_4(M, e, f, g, h), SPLIT_4(M, i, j, k, l), \
		SPLIT_4(M, m, n, o, p),
#define FORWARD_2(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
	SPLIT_2(M, a, b, c, d, e, f, g, h), SPLIT_2(M, i, j, k, l, m, n, o, p),
#define FORWARD_1(M, ...) SPLIT_1(M, __VA_ARGS__),

/* For the inverse, which takes the zetas from the end: here within a pair, and from pair to pair
 * by counting down. */
#define INVERSE_8(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                         \
	JOIN_8(M, b, a), JOIN_8(M, d, c), JOIN_8(M, f, e), JOIN_8(M, h, g), JOIN_8(M, j, i), \
		JOIN_8(M, l, k), JOIN_8(M, n, m), JOIN_8(M, p, o),
#define INVERSE_4(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)            \
	SPLIT_4(M, d, c, b, a), SPLIT_4(M, h, g, f, e), SPLIT_4(M, l, k, j, i), \
		SPLIT_4(M, p, o, n, m),
#define INVERSE_2(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
	SPLIT_2(M, h, g, f, e, d, c, b, a), SPLIT_2(M, p, o, n, m, l, k, j, i),
#define INVERSE_1(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
	SPLIT_1(M, p, o, n, m, l, k, j, i, h, g, f, e, d, c, b, a),

#define PLAIN(z) (z)
#define F8(...) FORWARD_8(PLAIN, __VA_ARGS__)
#define F8Q(...) FORWARD_8(MLDSA_OVER_Q, __VA_ARGS__)
#define F4(...) FORWARD_4(PLAIN, __VA_ARGS__)
#define F4Q(...) FORWARD_4(MLDSA_OVER_Q, __VA_ARGS__)
#define F2(...) FORWARD_2(PLAIN, __VA_ARGS__)
#define F2Q(...) FORWARD_2(MLDSA_OVER_Q, __VA_ARGS__)
#define F1(...) FORWARD_1(PLAIN, __VA_ARGS__)
#define F1Q(...) FORWARD_1(MLDSA_OVER_Q, __VA_ARGS__)
#define I8(...) INVERSE_8(PLAIN, __VA_ARGS__)
#define I8Q(...) INVERSE_8(MLDSA_OVER_Q, __VA_ARGS__)
#define I4(...) INVERSE_4(PLAIN, __VA_ARGS__)
#define I4Q(...) INVERSE_4(MLDSA_OVER_Q, __VA_ARGS__)
#define I2(...) INVERSE_2(PLAIN, __VA_ARGS__)
#define I2Q(...) INVERSE_2(MLDSA_OVER_Q, __VA_ARGS__)
#define I1(...) INVERSE_1(PLAIN, __VA_ARGS__)
#define I1Q(...) INVERSE_1(MLDSA_OVER_Q, __VA_ARGS__)

/* Of one layer: sixteen for each of eight pairs of registers. */
struct layer_zetas {
	_Alignas(64) int32_t z[128];
	int32_t z_over_q[128];
};

enum layer {
	LEN_8,
	LEN_4,
	LEN_2,
	LEN_1,
};

static const struct layer_zetas forward[] = {
	[LEN_8] = { { MLDSA_ZETAS_16(F8) }, { MLDSA_ZETAS_16(F8Q) } },
	[LEN_4] = { { MLDSA_ZETAS_32(F4) }, { MLDSA_ZETAS_32(F4Q) } },
	[LEN_2] = { { MLDSA_ZETAS_64(F2) }, { MLDSA_ZETAS_64(F2Q) } },
	[LEN_1] = { { MLDSA_ZETAS_128(F1) }, { MLDSA_ZETAS_128(F1Q) } },
};

static const struct layer_zetas backward[] = {
	[LEN_8] = { { MLDSA_ZETAS_16(I8) }, { MLDSA_ZETAS_16(I8Q) } },
	[LEN_4] = { { MLDSA_ZETAS_32(I4) }, { MLDSA_ZETAS_32(I4Q) } },
	[LEN_2] = { { MLDSA_ZETAS_64(I2) }, { MLDSA_ZETAS_64(I2Q) } },
	[LEN_1] = { { MLDSA_ZETAS_128(I1) }, { MLDSA_ZETAS_128(I1Q) } },
};

static inline __m512i times_one_zeta(__m512i a, int32_t z, int32_t z_over_q)
{
	__m512i wide = _mm512_set1_epi32(z);
	__m512i wide_over_q = _mm512_set1_epi32(z_over_q);

	return times(a, wide, wide_over_q, wide, wide_over_q);
}

/* Neighbours of a zeta are alike but in the last layer. */
static inline __m512i times_zetas(__m512i a, const struct layer_zetas *by, unsigned pair,
				  bool neighbours_differ)
{
	__m512i v = load(by->z + (size_t)16 * pair);
	__m512i v_over_q = load(by->z_over_q + (size_t)16 * pair);

	if (!neighbours_differ)
		return times(a, v, v_over_q, v, v_over_q);
	return times(a, v, v_over_q, odd(v), odd(v_over_q));
}

static inline void butterfly(__m512i *a, __m512i *b, unsigned k)
{
	__m512i t = times_one_zeta(*b, zetas[k], zetas_over_q[k]);

	*b = _mm512_sub_epi32(*a, t);
	*a = _mm512_add_epi32(*a, t);
}

static inline void inverse_butterfly(__m512i *a, __m512i *b, unsigned k)
{
	__m512i difference = _mm512_sub_epi32(*b, *a);

	*a = _mm512_add_epi32(*a, *b);
	*b = times_one_zeta(difference, zetas[k], zetas_over_q[k]);
}

static inline void inner_butterfly(__m512i *a, __m512i *b, enum layer layer, unsigned pair)
{
	__m512i t = times_zetas(*b, &forward[layer], pair, layer == LEN_1);

	*b = _mm512_sub_epi32(*a, t);
	*a = _mm512_add_epi32(*a, t);
}

static inline void inner_inverse_butterfly(__m512i *a, __m512i *b, enum layer layer, unsigned pair)
{
	__m512i difference = _mm512_sub_epi32(*b, *a);

	*a = _mm512_add_epi32(*a, *b);
	*b = times_zetas(difference, &backward[layer], 7 - pair, layer == LEN_1);
}

/* With f0 for the first four coefficients, and so on: from f0 f1 f2 f3 and f4 f5 f6 f7 to f0 f1 f4
 * f5 and f2 f3 f6 f7. */
static inline void split_8(__m512i *a, __m512i *b)
{
	__m512i first = _mm512_shuffle_i64x2(*a, *b, 0x44);

	*b = _mm512_shuffle_i64x2(*a, *b, 0xee);
	*a = first;
}

/* From there to f0 f4 f2 f6 and f1 f5 f3 f7. */
static inline void split_4(__m512i *a, __m512i *b)
{
	__m512i first = _mm512_shuffle_i64x2(*a, *b, 0x88);

	*b = _mm512_shuffle_i64x2(*a, *b, 0xdd);
	*a = first;
}

/* Back from there to f0 f4 f1 f5 and f2 f6 f3 f7, whose halves are eight apart as those of
 * split_8() are, ... */
static inline void join_4(__m512i *a, __m512i *b)
{
	split_8(a, b);
}

/* ... and from there to the beginning. */
static inline void join_8(__m512i *a, __m512i *b)
{
	split_4(a, b);
}

/* Within each f0 = 0 1 2 3 and f1 = 4 5 6 7: to 0 1 4 5 and 2 3 6 7, and back. */
static inline void split_2(__m512i *a, __m512i *b)
{
	__m512i first = _mm512_unpacklo_epi64(*a, *b);

	*b = _mm512_unpackhi_epi64(*a, *b);
	*a = first;
}

/* From there to 0 4 2 6 and 1 5 3 7, ... */
static inline void split_1(__m512i *a, __m512i *b)
{
	__m512 x = _mm512_castsi512_ps(*a);
	__m512 y = _mm512_castsi512_ps(*b);

	*a = _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88));
	*b = _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd));
}

/* ... and back. */
static inline void join_1(__m512i *a, __m512i *b)
{
	__m512i first = _mm512_unpacklo_epi32(*a, *b);

	*b = _mm512_unpackhi_epi32(*a, *b);
	*a = first;
}

/* All splits at once, and all of them back: entries below 16 are of a, the others of b. */
static inline void split_all(__m512i *a, __m512i *b)
{
	const __m512i even =
		_mm512_setr_epi32(0, 4, 2, 6, 16, 20, 18, 22, 8, 12, 10, 14, 24, 28, 26, 30);
	const __m512i odds =
		_mm512_setr_epi32(1, 5, 3, 7, 17, 21, 19, 23, 9, 13, 11, 15, 25, 29, 27, 31);
	__m512i first = _mm512_permutex2var_epi32(*a, even, *b);

	*b = _mm512_permutex2var_epi32(*a, odds, *b);
	*a = first;
}

static inline void join_all(__m512i *a, __m512i *b)
{
	const __m512i first_half =
		_mm512_setr_epi32(0, 16, 2, 18, 1, 17, 3, 19, 8, 24, 10, 26, 9, 25, 11, 27);
	const __m512i second_half =
		_mm512_setr_epi32(4, 20, 6, 22, 5, 21, 7, 23, 12, 28, 14, 30, 13, 29, 15, 31);
	__m512i first = _mm512_permutex2var_epi32(*a, first_half, *b);

	*b = _mm512_permutex2var_epi32(*a, second_half, *b);
	*a = first;
}

static inline void load_all(const struct mldsa_poly *p, __m512i v[16])
{
	for (size_t i = 0; i < 16; i++)
		v[i] = load(p->c + 16 * i);
}

static inline void store_all(struct mldsa_poly *p, const __m512i v[16])
{
	for (size_t i = 0; i < 16; i++)
		store(p->c + 16 * i, v[i]);
}

static void ntt(struct mldsa_poly *p)
{
	__m512i v[16];

	load_all(p, v);
#pragma GCC unroll 4
	for (unsigned len = 8; len >= 1; len /= 2) {
#pragma GCC unroll 8
		for (unsigned i = 0; i < 8; i++) {
			unsigned block = i / len;
			unsigned at = 2 * len * block + i % len;

			butterfly(&v[at], &v[at + len], 8 / len + block);
		}
	}
#pragma GCC unroll 8
	for (unsigned i = 0; i < 8; i++) {
		__m512i *a = &v[2 * i];
		__m512i *b = &v[2 * i + 1];

		split_8(a, b);
		inner_butterfly(a, b, LEN_8, i);
		split_4(a, b);
		inner_butterfly(a, b, LEN_4, i);
		split_2(a, b);
		inner_butterfly(a, b, LEN_2, i);
		split_1(a, b);
		inner_butterfly(a, b, LEN_1, i);
		join_all(a, b);
	}
	store_all(p, v);
}

static void inverse_ntt(struct mldsa_poly *p)
{
	__m512i v[16];

	load_all(p, v);
#pragma GCC unroll 8
	for (unsigned i = 0; i < 8; i++) {
		__m512i *a = &v[2 * i];
		__m512i *b = &v[2 * i + 1];

		split_all(a, b);
		inner_inverse_butterfly(a, b, LEN_1, i);
		join_1(a, b);
		inner_inverse_butterfly(a, b, LEN_2, i);
		split_2(a, b);
		inner_inverse_butterfly(a, b, LEN_4, i);
		join_4(a, b);
		inner_inverse_butterfly(a, b, LEN_8, i);
		join_8(a, b);
	}
#pragma GCC unroll 3
	for (unsigned len = 1; len <= 4; len *= 2) {
#pragma GCC unroll 8
		for (unsigned i = 0; i < 8; i++) {
			unsigned block = i / len;
			unsigned at = 2 * len * block + i % len;

			inverse_butterfly(&v[at], &v[at + len], 16 / len - 1 - block);
		}
	}
#pragma GCC unroll 8
	for (unsigned i = 0; i < 8; i++) {
		__m512i difference = _mm512_sub_epi32(v[i + 8], v[i]);
		__m512i sum = _mm512_add_epi32(v[i], v[i + 8]);

		v[i] = times_one_zeta(sum, MLDSA_LAST_FACTOR, MLDSA_OVER_Q(MLDSA_LAST_FACTOR));
		v[i + 8] =
			times_one_zeta(difference, MLDSA_LAST_ZETA, MLDSA_OVER_Q(MLDSA_LAST_ZETA));
	}
	store_all(p, v);
}

/* ---- products ---- */

static void multiply(struct mldsa_poly *ret, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i += 16) {
		__m512i x = load(a->c + i);
		__m512i y = load(b->c + i);

		store(ret->c + i,
		      montgomery(_mm512_mul_epi32(x, y), _mm512_mul_epi32(odd(x), odd(y))));
	}
}

/* n is a constant where this is inlined, so that the loop over the products unrolls. */
static inline __attribute__((always_inline)) void inner_product_n(struct mldsa_poly *ret,
								  const struct mldsa_poly *a,
								  const struct mldsa_poly *b,
								  unsigned n)
{
	for (unsigned i = 0; i < MLDSA_N; i += 16) {
		__m512i even = _mm512_setzero_si512();
		__m512i odds = _mm512_setzero_si512();

#pragma GCC unroll 8
		for (unsigned j = 0; j < n; j++) {
			__m512i x = load(a[j].c + i);
			__m512i y = load(b[j].c + i);

			even = _mm512_add_epi64(even, _mm512_mul_epi32(x, y));
			odds = _mm512_add_epi64(odds, _mm512_mul_epi32(odd(x), odd(y)));
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

/* Bytes of three go to words of four; the fourth is masked away. */
#define CANDIDATE(i) (3 * (i) + 2) << 16 | (3 * (i) + 1) << 8 | 3 * (i)

/* One in a thousand candidates is too large: sixteen are nearly always kept together, and
 * otherwise moved together. The last of what is given fill half a register; and so few are
 * stored at the end that nothing is written behind the polynomial. */
static unsigned reject_uniform(int32_t *ret, unsigned n, const uint8_t *from, size_t len)
{
	const __m512i spread = _mm512_setr_epi32(
		CANDIDATE(0), CANDIDATE(1), CANDIDATE(2), CANDIDATE(3), CANDIDATE(4), CANDIDATE(5),
		CANDIDATE(6), CANDIDATE(7), CANDIDATE(8), CANDIDATE(9), CANDIDATE(10),
		CANDIDATE(11), CANDIDATE(12), CANDIDATE(13), CANDIDATE(14), CANDIDATE(15));

	for (size_t i = 0; i < len && n < MLDSA_N; i += 48) {
		__m512i v = _mm512_permutexvar_epi8(spread, load(from + i));
		__mmask16 kept;

		v = _mm512_and_si512(v, _mm512_set1_epi32(0x7fffff));
		kept = _mm512_cmplt_epi32_mask(v, _mm512_set1_epi32(Q));
		if (kept == 0xffff && n <= MLDSA_N - 16 && len - i >= 48) {
			store(ret + n, v);
			n += 16;
		} else {
			unsigned n_kept;

			if (len - i < 48)
				kept &= 0xff;
			n_kept = (unsigned)__builtin_popcount(kept);
			if (n_kept > MLDSA_N - n)
				n_kept = MLDSA_N - n;
			_mm512_mask_storeu_epi32(ret + n, (__mmask16)((1U << n_kept) - 1),
						 _mm512_maskz_compress_epi32(kept, v));
			n += n_kept;
		}
	}
	return n;
}

/* Half bytes to bytes, looked up in a register; those kept are moved together, which takes the
 * same time whatever they are. Where the next go depends on their number alone. */
static unsigned reject_bounded(int8_t *ret, unsigned n, unsigned eta, const uint8_t *from,
			       size_t len)
{
	const __m128i eta_2 = _mm_setr_epi8(2, 1, 0, -1, -2, 2, 1, 0, -1, -2, 2, 1, 0, -1, -2, 0);
	const __m128i eta_4 = _mm_setr_epi8(4, 3, 2, 1, 0, -1, -2, -3, -4, 0, 0, 0, 0, 0, 0, 0);
	const __m512i values = _mm512_broadcast_i32x4(eta == 2 ? eta_2 : eta_4);
	const __m512i limit = _mm512_set1_epi8(eta == 2 ? 15 : 9);

	for (size_t i = 0; i < len; i += 32) {
		size_t n_bytes = len - i < 32 ? len - i : 32;
		__mmask32 given = (__mmask32)((UINT64_C(1) << n_bytes) - 1);
		__mmask64 halves = n_bytes < 32 ? (UINT64_C(1) << 2 * n_bytes) - 1 : ~UINT64_C(0);
		__m512i v = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(given, from + i));
		__mmask64 kept;

		v = _mm512_and_si512(_mm512_or_si512(v, _mm512_slli_epi16(v, 4)),
				     _mm512_set1_epi8(15));
		kept = _mm512_mask_cmplt_epi8_mask(halves, v, limit);
		ct_declassify(&kept, sizeof(kept));
		store(ret + n, _mm512_maskz_compress_epi8(kept, _mm512_shuffle_epi8(values, v)));
		n += (unsigned)__builtin_popcountll(kept);
	}
	return n;
}

MLDSA_FIELDS(MLDSA_FIELD_FUNCTIONS)

const struct mldsa_kernels mldsa_kernels_avx512 = {
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

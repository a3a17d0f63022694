/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling, compression and encodings of ML-KEM in AVX2. The portable code of mlkem_poly.c says
 * what is computed; here it is said how. */
#include <string.h>

#include "pqc/mlkem_avx2.h"

#define Q MLKEM_Q

/* ---- sampling ---- */

/* For each mask of eight lanes the numbers of the lanes kept, in order, a byte each. */
#define KEEP_LANE(mask, i) ((mask) >> (i)&1 ? UINT64_C(i) << 8 * BITS_BELOW(mask, i) : UINT64_C(0))
#define BITS_BELOW(mask, i) BITS_SET((mask) & ((1 << (i)) - 1))
#define BITS_SET(m)                                                                    \
	(((m)&1) + ((m) >> 1 & 1) + ((m) >> 2 & 1) + ((m) >> 3 & 1) + ((m) >> 4 & 1) + \
	 ((m) >> 5 & 1) + ((m) >> 6 & 1))
#define KEEP(m)                                                                                   \
	KEEP_LANE(m, 0) | KEEP_LANE(m, 1) | KEEP_LANE(m, 2) | KEEP_LANE(m, 3) | KEEP_LANE(m, 4) | \
		KEEP_LANE(m, 5) | KEEP_LANE(m, 6) | KEEP_LANE(m, 7)
#define KEEP4(m) KEEP(m), KEEP((m) + 1), KEEP((m) + 2), KEEP((m) + 3)
#define KEEP16(m) KEEP4(m), KEEP4((m) + 4), KEEP4((m) + 8), KEEP4((m) + 12)
#define KEEP64(m) KEEP16(m), KEEP16((m) + 16), KEEP16((m) + 32), KEEP16((m) + 48)

static const uint64_t lanes_kept[256] = { KEEP64(0), KEEP64(64), KEEP64(128), KEEP64(192) };

/* Moves the lanes of the mask to the front and stores all eight. */
static inline unsigned keep(int16_t *ret, __m128i v, unsigned mask)
{
	__m128i lanes = _mm_cvtsi64_si128((long long)lanes_kept[mask]);
	__m128i low = _mm_add_epi8(lanes, lanes); /* the two bytes of each */
	__m128i bytes = _mm_unpacklo_epi8(low, _mm_add_epi8(low, _mm_set1_epi8(1)));

	_mm_storeu_si128((__m128i *)(void *)ret, _mm_shuffle_epi8(v, bytes));
	return (unsigned)__builtin_popcount(mask);
}

/* 16 numbers of 12 bits from 24 bytes. Each becomes the two bytes it lies in, and the odd ones
 * are shifted down. */
static inline __m256i unpack12(const uint8_t *from)
{
	const __m256i places =
		_mm256_setr_epi8(0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11, 4, 5, 5, 6, 7,
				 8, 8, 9, 10, 11, 11, 12, 13, 14, 14, 15);
	__m256i v = _mm256_shuffle_epi8(load_bytes_twice(from, from + 8), places);

	return _mm256_blend_epi16(_mm256_and_si256(v, _mm256_set1_epi16(0xfff)),
				  _mm256_srli_epi16(v, 4), 0xaa);
}

/* The numbers below q of 16, in order and then undefined ones: eight after the last. */
static inline unsigned keep_below_q(int16_t *ret, __m256i v)
{
	__m256i fits = _mm256_cmpgt_epi16(_mm256_set1_epi16(Q), v);
	__m256i packed = _mm256_packs_epi16(fits, _mm256_setzero_si256());
	unsigned mask = (unsigned)_mm256_movemask_epi8(packed);
	unsigned n = keep(ret, _mm256_castsi256_si128(v), mask & 0xff);

	return n + keep(ret + n, _mm256_extracti128_si256(v, 1), mask >> 16);
}

unsigned mlkem_sample_uniform_avx2(struct mlkem_poly *ret, unsigned n,
				   const uint8_t block[SHAKE128_RATE])
{
	unsigned at = 0;

	for (; at < SHAKE128_RATE && n <= MLKEM_N - 16; at += 24) /* 7 times */
		n += keep_below_q(ret->c + n, unpack12(block + at));
	for (; at < SHAKE128_RATE && n < MLKEM_N; at += 24) { /* not beyond the end */
		int16_t kept[16];
		unsigned n_kept = keep_below_q(kept, unpack12(block + at));

		for (unsigned i = 0; i < n_kept && n < MLKEM_N; i++)
			ret->c[n++] = kept[i];
	}
	return n;
}

static inline void store_signed_bytes(int16_t *ret, __m128i bytes)
{
	store(ret, _mm256_cvtepi8_epi16(bytes));
}

/* Four bits to a coefficient, the sum of two less the sum of two: 64 of them in parallel. 3 is
 * added, so that nothing is borrowed, and taken away at the end. */
static void noise_eta2(struct mlkem_poly *ret, const uint8_t *bytes)
{
	const __m256i mask55 = _mm256_set1_epi8(0x55), mask33 = _mm256_set1_epi8(0x33);
	const __m256i mask0f = _mm256_set1_epi8(0x0f), three = _mm256_set1_epi8(3);

	for (size_t i = 0; i < MLKEM_N; i += 64) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + i / 2));
		__m256i sums = _mm256_add_epi8(_mm256_and_si256(v, mask55),
					       _mm256_and_si256(_mm256_srli_epi16(v, 1), mask55));
		__m256i first = _mm256_and_si256(sums, mask33);
		__m256i second = _mm256_and_si256(_mm256_srli_epi16(sums, 2), mask33);
		__m256i both = _mm256_sub_epi8(_mm256_add_epi8(first, mask33), second);
		__m256i even = _mm256_sub_epi8(_mm256_and_si256(both, mask0f), three);
		__m256i odd = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(both, 4), mask0f),
					      three);
		__m256i low = _mm256_unpacklo_epi8(even, odd); /* 0 to 15 and 32 to 47 */
		__m256i high = _mm256_unpackhi_epi8(even, odd);

		store_signed_bytes(ret->c + i, _mm256_castsi256_si128(low));
		store_signed_bytes(ret->c + i + 16, _mm256_castsi256_si128(high));
		store_signed_bytes(ret->c + i + 32, _mm256_extracti128_si256(low, 1));
		store_signed_bytes(ret->c + i + 48, _mm256_extracti128_si256(high, 1));
	}
}

/* Six bits to a coefficient: four in 3 bytes, which are spread to 32 bits each. 192 bytes are
 * eight times 24; loads are at 0 and 8 of these, so that none goes beyond. */
static void noise_eta3(struct mlkem_poly *ret, const uint8_t *bytes)
{
	const __m256i places =
		_mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 4, 5, 6, -1,
				 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1);
	const __m256i ones = _mm256_set1_epi32(0x249249), sevens = _mm256_set1_epi32(0x1c71c7);
	const __m256i threes = _mm256_set1_epi32(0x0c30c3); /* one to each coefficient */
	const __m256i low = _mm256_set1_epi32(7), high = _mm256_set1_epi32(7 << 16);

	for (size_t i = 0; i < MLKEM_N; i += 32) {
		const uint8_t *from = bytes + i / 4 * 3;
		__m256i v = _mm256_shuffle_epi8(load_bytes_twice(from, from + 8), places);
		__m256i sums = _mm256_add_epi32(
			_mm256_add_epi32(_mm256_and_si256(v, ones),
					 _mm256_and_si256(_mm256_srli_epi32(v, 1), ones)),
			_mm256_and_si256(_mm256_srli_epi32(v, 2), ones));
		__m256i first = _mm256_and_si256(sums, sevens);
		__m256i second = _mm256_and_si256(_mm256_srli_epi32(sums, 3), sevens);
		__m256i d = _mm256_sub_epi32(_mm256_add_epi32(first, threes), second);
		__m256i d01, d23, a, b;

		/* coefficients at bits 0, 6, 12 and 18 to halves of 32 bits */
		d01 = _mm256_or_si256(_mm256_and_si256(d, low),
				      _mm256_and_si256(_mm256_slli_epi32(d, 10), high));
		d23 = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(d, 12), low),
				      _mm256_and_si256(_mm256_srli_epi32(d, 2), high));
		d01 = _mm256_sub_epi16(d01, _mm256_set1_epi16(3));
		d23 = _mm256_sub_epi16(d23, _mm256_set1_epi16(3));
		a = _mm256_unpacklo_epi32(d01, d23); /* 0 to 7 and 16 to 23 */
		b = _mm256_unpackhi_epi32(d01, d23);
		swap_halves(&a, &b);
		store(ret->c + i, a);
		store(ret->c + i + 16, b);
	}
}

void mlkem_sample_noise_avx2(struct mlkem_poly *ret, unsigned eta, const uint8_t *bytes)
{
	if (eta == 2)
		noise_eta2(ret, bytes);
	else
		noise_eta3(ret, bytes);
}

/* ---- bytes ---- */

/* 16 numbers of 12 bits to 24 bytes: neighbours are joined to 24 bits by a multiplication,
 * these are pushed together within each half, and then the halves. */
void mlkem_encode_avx2(const struct mlkem_poly *p, uint8_t ret[MLKEM_POLY_LEN])
{
	const __m256i join = _mm256_set1_epi32(1 | 1 << 28);
	const __m256i places =
		_mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4,
				 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
	const __m256i halves = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);

	for (size_t i = 0; i < MLKEM_N; i += 16) {
		__m256i v = to_unsigned(load(p->c + i));

		v = _mm256_shuffle_epi8(_mm256_madd_epi16(v, join), places);
		v = _mm256_permutevar8x32_epi32(v, halves);
		store_bytes(ret + i / 2 * 3, _mm256_castsi256_si128(v));
		_mm_storeu_si64(ret + i / 2 * 3 + 16, _mm256_extracti128_si256(v, 1));
	}
}

void mlkem_decode_avx2(struct mlkem_poly *ret, const uint8_t from[MLKEM_POLY_LEN])
{
	for (size_t i = 0; i < MLKEM_N; i += 16)
		store(ret->c + i, unpack12(from + i / 2 * 3));
}

/* round(2^d x / q) modulo 2^d for x in [0, q): floor(8 x floor(2^(13+d) / q) / 2^16) is that or
 * one less, which the rest tells, 2^d x + q / 2 less the multiple of q. It is below 2 q, so 16 bits
 * suffice for it, whatever they suffice for on the way. */
static inline __m256i compress_vector(__m256i x, unsigned d)
{
	const __m256i factor = _mm256_set1_epi16((int16_t)((1 << (13 + d)) / Q));
	__m256i y = _mm256_mulhi_epi16(_mm256_slli_epi16(x, 3), factor);
	__m256i numerator =
		_mm256_add_epi16(_mm256_slli_epi16(x, (int)d), _mm256_set1_epi16(Q / 2));
	__m256i rest = _mm256_sub_epi16(numerator, _mm256_mullo_epi16(y, _mm256_set1_epi16(Q)));
	__m256i too_small = _mm256_cmpgt_epi16(rest, _mm256_set1_epi16(Q - 1)); /* -1 */

	return _mm256_and_si256(_mm256_sub_epi16(y, too_small),
				_mm256_set1_epi16((int16_t)((1 << d) - 1)));
}

static inline __m256i compress_at(const struct mlkem_poly *p, size_t i, unsigned d)
{
	return compress_vector(to_unsigned(load(p->c + i)), d);
}

/* (y q + 2^(d-1)) / 2^d, for y 2^(15-d): a rounding multiplication divides by 2^15. */
static inline __m256i decompress_vector(__m256i shifted)
{
	return _mm256_mulhrs_epi16(shifted, _mm256_set1_epi16(Q));
}

/* The places of the bytes of 32 coefficients after two saturating packs, by quarters. */
static inline __m256i pack_to_bytes(__m256i a, __m256i b)
{
	return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}

static void compress1(const struct mlkem_poly *p, uint8_t *ret)
{
	for (size_t i = 0; i < MLKEM_N; i += 32) {
		__m256i v = pack_to_bytes(compress_at(p, i, 1), compress_at(p, i + 16, 1));
		uint32_t bits = (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(v, 7));

		memcpy(ret + i / 8, &bits, sizeof(bits));
	}
}

/* Each of 16 bits against its own mask; the lanes are all ones where it is set. */
static void decompress1(struct mlkem_poly *ret, const uint8_t *from)
{
	const __m256i bits = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048,
					       4096, 8192, 16384, -32768);

	for (size_t i = 0; i < MLKEM_N; i += 16) {
		int16_t word;
		__m256i set;

		memcpy(&word, from + i / 8, sizeof(word));
		set = _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16(word), bits), bits);
		store(ret->c + i, _mm256_and_si256(set, _mm256_set1_epi16((Q + 1) / 2)));
	}
}

/* Two nibbles to a byte: the second one times 16. */
static void compress4(const struct mlkem_poly *p, uint8_t *ret)
{
	for (size_t i = 0; i < MLKEM_N; i += 32) {
		__m256i v = pack_to_bytes(compress_at(p, i, 4), compress_at(p, i + 16, 4));

		v = _mm256_maddubs_epi16(v, _mm256_set1_epi16(1 | 16 << 8));
		v = pack_to_bytes(v, v);
		store_bytes(ret + i / 2, _mm256_castsi256_si128(v));
	}
}

static void decompress4(struct mlkem_poly *ret, const uint8_t *from)
{
	for (size_t i = 0; i < MLKEM_N; i += 32) {
		__m256i v = _mm256_cvtepu8_epi16(load_bytes(from + i / 2));
		__m256i even = _mm256_slli_epi16(_mm256_and_si256(v, _mm256_set1_epi16(15)), 11);
		__m256i odd = _mm256_slli_epi16(_mm256_srli_epi16(v, 4), 11);
		__m256i a = decompress_vector(_mm256_unpacklo_epi16(even, odd));
		__m256i b = decompress_vector(_mm256_unpackhi_epi16(even, odd));

		swap_halves(&a, &b);
		store(ret->c + i, a);
		store(ret->c + i + 16, b);
	}
}

/* Numbers of 20 bits in pairs of 32 to 40 bits in 64. */
static inline __m256i join20(__m256i v)
{
	return _mm256_srli_epi64(_mm256_sllv_epi32(v, _mm256_set1_epi64x(12)), 12);
}

/* Each half has two times 40 bits in 64: 20 bytes. */
static inline void store20(uint8_t *ret, __m256i v)
{
	const __m256i places =
		_mm256_setr_epi8(0, 1, 2, 3, 4, 8, 9, 10, 11, 12, -1, -1, -1, -1, -1, -1, 9, 10, 11,
				 12, -1, -1, -1, -1, -1, -1, 0, 1, 2, 3, 4, 8);
	__m128i last;
	int32_t four;

	v = _mm256_shuffle_epi8(v, places);
	last = _mm256_extracti128_si256(v, 1);
	store_bytes(ret, _mm_blend_epi16(_mm256_castsi256_si128(v), last, 0xe0));
	four = _mm_cvtsi128_si32(last);
	memcpy(ret + 16, &four, sizeof(four));
}

/* Bytes are joined to 10 bits, these to 20, and to 40. */
static void compress5(const struct mlkem_poly *p, uint8_t *ret)
{
	for (size_t i = 0; i < MLKEM_N; i += 32) {
		__m256i v = pack_to_bytes(compress_at(p, i, 5), compress_at(p, i + 16, 5));

		v = _mm256_maddubs_epi16(v, _mm256_set1_epi16(1 | 32 << 8));
		v = _mm256_madd_epi16(v, _mm256_set1_epi32(1 | 1 << 26));
		store20(ret + i / 8 * 5, join20(v));
	}
}

/* Each number is within the two bytes it begins in, moved by a multiplication to where
 * decompress_vector() wants it. */
static void decompress5(struct mlkem_poly *ret, const uint8_t *from)
{
	const __m256i places = _mm256_setr_epi8(0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 3, 4, 3, 4, 4, -1, 5,
						6, 5, 6, 6, 7, 6, 7, 7, 8, 8, 9, 8, 9, 9, -1);
	const __m256i other_places = _mm256_add_epi8(places, _mm256_set1_epi8(6));
	const __m256i shifts = _mm256_setr_epi16(1024, 32, 256, 8, 64, 512, 16, 128, 1024, 32, 256,
						 8, 64, 512, 16, 128);
	const __m256i mask = _mm256_set1_epi16(31 << 10);

	for (size_t i = 0; i < MLKEM_N; i += 32) { /* bytes 0 to 9, and 10 to 19 as 4 + 6 */
		__m256i a = load_bytes_twice(from + i / 8 * 5, from + i / 8 * 5);
		__m256i b = load_bytes_twice(from + i / 8 * 5 + 4, from + i / 8 * 5 + 4);

		a = _mm256_mullo_epi16(_mm256_shuffle_epi8(a, places), shifts);
		b = _mm256_mullo_epi16(_mm256_shuffle_epi8(b, other_places), shifts);
		store(ret->c + i, decompress_vector(_mm256_and_si256(a, mask)));
		store(ret->c + i + 16, decompress_vector(_mm256_and_si256(b, mask)));
	}
}

static void compress10(const struct mlkem_poly *p, uint8_t *ret)
{
	for (size_t i = 0; i < MLKEM_N; i += 16) {
		__m256i v = compress_at(p, i, 10);

		v = _mm256_madd_epi16(v, _mm256_set1_epi32(1 | 1 << 26));
		store20(ret + i / 4 * 5, join20(v));
	}
}

static void decompress10(struct mlkem_poly *ret, const uint8_t *from)
{
	const __m256i places =
		_mm256_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 7, 8, 8, 9, 6, 7, 7, 8, 8, 9,
				 9, 10, 11, 12, 12, 13, 13, 14, 14, 15);
	const __m256i shifts =
		_mm256_setr_epi16(64, 16, 4, 1, 64, 16, 4, 1, 64, 16, 4, 1, 64, 16, 4, 1);

	for (size_t i = 0; i < MLKEM_N; i += 16) { /* bytes 0 to 9, and 10 to 19 as 4 + 6 */
		__m256i v = load_bytes_twice(from + i / 4 * 5, from + i / 4 * 5 + 4);

		v = _mm256_mullo_epi16(_mm256_shuffle_epi8(v, places), shifts);
		v = _mm256_and_si256(_mm256_srli_epi16(v, 1), _mm256_set1_epi16(1023 << 5));
		store(ret->c + i, decompress_vector(v));
	}
}

/* 16 numbers to 22 bytes: joined to 22 bits, to 44, to 88 in each half. */
static void compress11(const struct mlkem_poly *p, uint8_t *ret)
{
	for (size_t i = 0; i < MLKEM_N; i += 16) {
		uint8_t *to = ret + i / 8 * 11;
		__m256i v = compress_at(p, i, 11);
		__m128i high;

		v = _mm256_madd_epi16(v, _mm256_set1_epi32(1 | 1 << 27));
		v = _mm256_srli_epi64(_mm256_sllv_epi32(v, _mm256_set1_epi64x(10)), 10);
		v = _mm256_or_si256(_mm256_srlv_epi64(v, _mm256_setr_epi64x(0, 20, 0, 20)),
				    _mm256_slli_epi64(_mm256_bsrli_epi128(v, 8), 44));
		high = _mm256_extracti128_si256(v, 1);
		store_bytes(to, _mm256_castsi256_si128(v)); /* 11 bytes and zeros */
		_mm_storeu_si64(to + 11, high);
		_mm_storeu_si64(to + 14, _mm_bsrli_si128(high, 3));
	}
}

/* A number may lie in three bytes, so each is taken from 32 bits. */
static inline __m256i unpack11(const uint8_t *from, __m256i places)
{
	__m256i v = _mm256_shuffle_epi8(load_bytes_twice(from, from), places);

	v = _mm256_srlv_epi32(v, _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5));
	return _mm256_slli_epi32(_mm256_and_si256(v, _mm256_set1_epi32(2047)), 4);
}

static void decompress11(struct mlkem_poly *ret, const uint8_t *from)
{
	const __m256i places = _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 4, 5, 6, 7, 5,
						6, 7, 8, 6, 7, 8, 9, 8, 9, 10, -1, 9, 10, -1, -1);
	const __m256i other_places = _mm256_add_epi8(places, _mm256_set1_epi8(5));

	for (size_t i = 0; i < MLKEM_N; i += 16) { /* bytes 0 to 10, and 11 to 21 as 6 + 5 */
		__m256i a = unpack11(from + i / 8 * 11, places);
		__m256i b = unpack11(from + i / 8 * 11 + 6, other_places);
		__m256i v = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);

		store(ret->c + i, decompress_vector(v));
	}
}

void mlkem_compress_avx2(const struct mlkem_poly *p, unsigned d, uint8_t *ret)
{
	switch (d) {
	case 1:
		compress1(p, ret);
		break;
	case 4:
		compress4(p, ret);
		break;
	case 5:
		compress5(p, ret);
		break;
	case 10:
		compress10(p, ret);
		break;
	case 11:
		compress11(p, ret);
		break;
	}
}

void mlkem_decompress_avx2(struct mlkem_poly *ret, unsigned d, const uint8_t *from)
{
	switch (d) {
	case 1:
		decompress1(ret, from);
		break;
	case 4:
		decompress4(ret, from);
		break;
	case 5:
		decompress5(ret, from);
		break;
	case 10:
		decompress10(ret, from);
		break;
	case 11:
		decompress11(ret, from);
		break;
	}
}

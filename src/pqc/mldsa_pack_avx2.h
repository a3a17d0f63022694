/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa_pack_avx2.h - packing of eight coefficients at a time, which fill as many bytes as each
 * has bits (AVX2). For the kernels of AVX-512 too, where wider registers gain nothing. */
#pragma once

#include <immintrin.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/mldsa_poly.h"

#define N_VECTORS (MLDSA_N / 8)

/* For a shuffle of bytes: byte i of the result is byte from + i - at, if that is in [from, from
 * + 8), and otherwise zero. */
static inline char moved(int i, int from, int at)
{
	return (char)(i >= at && i < at + 8 ? from + i - at : -1);
}

static inline __attribute__((always_inline)) __m256i moves(int from, int at)
{
	__m128i half = _mm_setr_epi8(
		moved(0, from, at), moved(1, from, at), moved(2, from, at), moved(3, from, at),
		moved(4, from, at), moved(5, from, at), moved(6, from, at), moved(7, from, at),
		moved(8, from, at), moved(9, from, at), moved(10, from, at), moved(11, from, at),
		moved(12, from, at), moved(13, from, at), moved(14, from, at), moved(15, from, at));

	return _mm256_broadcastsi128_si256(half);
}

/* The n lowest bytes, n at most 16 and a constant. (Sanitized, gcc takes memcpy() here for one
 * to a null pointer.) */
static inline __attribute__((always_inline)) void store_low(uint8_t *ret, __m128i v, const int n)
{
	uint64_t words[2] = { (uint64_t)_mm_cvtsi128_si64(v), (uint64_t)_mm_extract_epi64(v, 1) };

	for (int i = 0; i < n; i++)
		ret[i] = (uint8_t)(words[i / 8] >> 8 * (i % 8));
}

/* Pairs are put together within 64 bits, then pairs of pairs within 128 bits or, where those are
 * no whole bytes, in general registers: they are 12 or 52 bits there. */
static inline __attribute__((always_inline)) void pack_8(__m256i v, const int n, uint8_t *ret)
{
	const __m256i up = _mm256_set1_epi64x(32 - n);
	const int beyond = 2 * n % 8; /* bits of the first pair in a last, broken byte */
	__m256i pairs = _mm256_srli_epi64(_mm256_sllv_epi32(v, up), 32 - n);
	__m128i low, high;

	if (n % 2 == 1) {
		uint64_t first = (uint64_t)_mm256_extract_epi64(pairs, 0) |
				 (uint64_t)_mm256_extract_epi64(pairs, 1) << 2 * n;
		uint64_t second = (uint64_t)_mm256_extract_epi64(pairs, 2) |
				  (uint64_t)_mm256_extract_epi64(pairs, 3) << 2 * n;
		uint64_t word = first | second << 4 * n;

		second >>= n < 8 ? 0 : 64 - 4 * n;
		store_low(ret, _mm_set_epi64x((int64_t)second, (int64_t)word), n);
		return;
	}
	pairs = _mm256_sllv_epi64(pairs, _mm256_set_epi64x(beyond, 0, beyond, 0));
	pairs = _mm256_or_si256(_mm256_shuffle_epi8(pairs, moves(0, 0)),
				_mm256_shuffle_epi8(pairs, moves(8, 2 * n / 8)));
	low = _mm256_castsi256_si128(pairs);
	high = _mm256_extracti128_si256(pairs, 1);
	store_low(ret, low, n / 2);
	store_low(ret + n / 2, high, n / 2);
}

static inline __attribute__((always_inline)) void
pack_field(const struct mldsa_poly *p, const int n_bits, int32_t top, uint8_t *ret)
{
	for (size_t i = 0; i < N_VECTORS; i++) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p->c + 8 * i));

		if (top)
			v = _mm256_sub_epi32(_mm256_set1_epi32(top), v);
		pack_8(v, n_bits, ret + (size_t)n_bits * i);
	}
}

/* For a shuffle of bytes: the four bytes that hold coefficient i of n bits, if the coefficients
 * begin at a bit; byte j of those. */
static inline char holder(int bit, int n, int i, int j)
{
	return (char)((bit + n * i) / 8 + j);
}

#define HOLDERS(bit, n, i) \
	holder(bit, n, i, 0), holder(bit, n, i, 1), holder(bit, n, i, 2), holder(bit, n, i, 3)
#define FOUR_HOLDERS(bit, n) \
	HOLDERS(bit, n, 0), HOLDERS(bit, n, 1), HOLDERS(bit, n, 2), HOLDERS(bit, n, 3)

/* Eight coefficients of n bits. The second four are taken from the last 16 bytes of the n if
 * there are so many, so that nothing beyond them is read; otherwise 16 bytes from n / 2 on are. */
static inline __attribute__((always_inline)) __m256i unpack_8(const uint8_t *from, const int n)
{
	const int at = n >= 16 ? n - 16 : n / 2;
	const int bit = 4 * n - 8 * at;
	__m128i first = _mm_loadu_si128((const __m128i *)(const void *)from);
	__m128i second = _mm_loadu_si128((const __m128i *)(const void *)(from + at));
	__m256i v = _mm256_set_m128i(second, first);

	v = _mm256_shuffle_epi8(v, _mm256_setr_epi8(FOUR_HOLDERS(0, n), FOUR_HOLDERS(bit, n)));
	v = _mm256_srlv_epi32(v, _mm256_setr_epi32(0, n % 8, 2 * n % 8, 3 * n % 8, bit % 8,
						   (bit + n) % 8, (bit + 2 * n) % 8,
						   (bit + 3 * n) % 8));
	return _mm256_and_si256(v, _mm256_set1_epi32((1 << n) - 1));
}

static inline __attribute__((always_inline)) void
unpack_some(const uint8_t *from, size_t n_vectors, const int n_bits, int32_t top, int32_t *ret)
{
	for (size_t i = 0; i < n_vectors; i++) {
		__m256i v = unpack_8(from + (size_t)n_bits * i, n_bits);

		if (top)
			v = _mm256_sub_epi32(_mm256_set1_epi32(top), v);
		_mm256_storeu_si256((__m256i *)(void *)(ret + 8 * i), v);
	}
}

/* What few bits would have read beyond the end is copied before it is unpacked. */
static inline __attribute__((always_inline)) void
unpack_field(const uint8_t *from, const int n_bits, int32_t top, struct mldsa_poly *ret)
{
	const size_t n = (size_t)n_bits; /* bytes eight coefficients take */
	const size_t n_last = n >= 16 ? 0 : (16 + n / 2 + n - 1) / n;
	const size_t n_first = N_VECTORS - n_last;
	uint8_t last[64];

	unpack_some(from, n_first, n_bits, top, ret->c);
	if (n_last > 0) {
		memcpy(last, from + n_first * n, n_last * n);
		unpack_some(last, n_last, n_bits, top, ret->c + 8 * n_first);
		bytes_wipe(last, sizeof(last));
	}
}

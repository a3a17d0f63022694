/* SPDX-License-Identifier: Apache-2.0 */
/* Keccak-f[1600] of four states at once: a register holds the same lane of each (AVX2); and of
 * one state in general registers, with the rotations and and-not of BMI1 and BMI2.
 *
 * AVX2 has no rotation: it is two shifts and an or, but for whole bytes, which one shuffle of
 * bytes moves. The 25 lanes do not fit into 16 registers; those over live in the first-level
 * cache, which the loads of the exclusive ors hide. */
#include <immintrin.h>

#include "pqc/keccak_kernels.h"

/* The portable rounds; the compiler finds RORX and ANDN in them, which save a copy each. */
static inline uint64_t rotate_one(uint64_t a, unsigned n)
{
	return a << n | a >> (64 - n);
}

#define LANE uint64_t
#define ROUNDS_NAME rounds_x1
#define XOR(a, b) ((a) ^ (b))
#define XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define CHI(a, b, c) ((a) ^ (~(b) & (c)))
#define ROTATE(a, n) rotate_one(a, n)
#define CONSTANT(i) keccak_round_constants[i]
#include "pqc/keccak_rounds.h"

void keccak_permute_bmi2(uint64_t lanes[KECCAK_LANES])
{
	rounds_x1(lanes);
}

static inline __attribute__((always_inline)) __m256i rotate(__m256i a, int n)
{
	if (n == 8)
		return _mm256_shuffle_epi8(a, _mm256_set_epi8(14, 13, 12, 11, 10, 9, 8, 15, 6, 5, 4,
							      3, 2, 1, 0, 7, 14, 13, 12, 11, 10, 9,
							      8, 15, 6, 5, 4, 3, 2, 1, 0, 7));
	if (n == 56)
		return _mm256_shuffle_epi8(a, _mm256_set_epi8(8, 15, 14, 13, 12, 11, 10, 9, 0, 7, 6,
							      5, 4, 3, 2, 1, 8, 15, 14, 13, 12, 11,
							      10, 9, 0, 7, 6, 5, 4, 3, 2, 1));
	return _mm256_or_si256(_mm256_slli_epi64(a, n), _mm256_srli_epi64(a, 64 - n));
}

#define LANE __m256i
#define ROUNDS_NAME rounds
#define XOR(a, b) _mm256_xor_si256(a, b)
#define XOR3(a, b, c) _mm256_xor_si256(_mm256_xor_si256(a, b), c)
#define CHI(a, b, c) _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
#define ROTATE(a, n) rotate(a, n)
#define CONSTANT(i) _mm256_set1_epi64x((long long)keccak_round_constants[i])
#include "pqc/keccak_rounds.h"

void keccak_permute_x4_avx2(uint64_t *lanes)
{
	__m256i a[KECCAK_LANES];

	for (unsigned i = 0; i < KECCAK_LANES; i++)
		a[i] = _mm256_loadu_si256((const __m256i *)(const void *)(lanes + (size_t)8 * i));
	rounds(a);
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		_mm256_storeu_si256((__m256i *)(void *)(lanes + (size_t)8 * i), a[i]);
}

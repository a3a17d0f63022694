/* SPDX-License-Identifier: Apache-2.0 */
/* Keccak-f[1600] of eight, four or one state, a register to each lane (AVX-512F and VL).
 *
 * Two instructions make this shorter than AVX2: VPROLQ rotates, and VPTERNLOGQ computes any
 * function of three bits, by a table of eight: 0x96 is a ^ b ^ c, and 0xd2 is a ^ (~b & c).
 * 32 registers hold a state nearly whole, for which reason even a single state, with one lane
 * to a register and the rest of it idle, is faster than in general registers. */
#include <immintrin.h>

#include "pqc/keccak_kernels.h"

#define LANE __m512i
#define ROUNDS_NAME rounds_x8
#define XOR(a, b) _mm512_xor_si512(a, b)
#define XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define CHI(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xd2)
#define ROTATE(a, n) _mm512_rol_epi64(a, n)
#define CONSTANT(i) _mm512_set1_epi64((long long)keccak_round_constants[i])
#include "pqc/keccak_rounds.h"

#define LANE __m256i
#define ROUNDS_NAME rounds_x4
#define XOR(a, b) _mm256_xor_si256(a, b)
#define XOR3(a, b, c) _mm256_ternarylogic_epi64(a, b, c, 0x96)
#define CHI(a, b, c) _mm256_ternarylogic_epi64(a, b, c, 0xd2)
#define ROTATE(a, n) _mm256_rol_epi64(a, n)
#define CONSTANT(i) _mm256_set1_epi64x((long long)keccak_round_constants[i])
#include "pqc/keccak_rounds.h"

#define LANE __m128i
#define ROUNDS_NAME rounds_x1
#define XOR(a, b) _mm_xor_si128(a, b)
#define XOR3(a, b, c) _mm_ternarylogic_epi64(a, b, c, 0x96)
#define CHI(a, b, c) _mm_ternarylogic_epi64(a, b, c, 0xd2)
#define ROTATE(a, n) _mm_rol_epi64(a, n)
#define CONSTANT(i) _mm_loadl_epi64((const __m128i *)(const void *)&keccak_round_constants[i])
#include "pqc/keccak_rounds.h"

void keccak_permute_x8_avx512(uint64_t *lanes)
{
	__m512i a[KECCAK_LANES];

	for (unsigned i = 0; i < KECCAK_LANES; i++)
		a[i] = _mm512_loadu_si512(lanes + (size_t)8 * i);
	rounds_x8(a);
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		_mm512_storeu_si512(lanes + (size_t)8 * i, a[i]);
}

void keccak_permute_x4_avx512(uint64_t *lanes)
{
	__m256i a[KECCAK_LANES];

	for (unsigned i = 0; i < KECCAK_LANES; i++)
		a[i] = _mm256_loadu_si256((const __m256i *)(const void *)(lanes + (size_t)8 * i));
	rounds_x4(a);
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		_mm256_storeu_si256((__m256i *)(void *)(lanes + (size_t)8 * i), a[i]);
}

static inline __attribute__((always_inline)) void permute_one(uint64_t *lanes, size_t stride)
{
	__m128i a[KECCAK_LANES];

	for (unsigned i = 0; i < KECCAK_LANES; i++)
		a[i] = _mm_loadl_epi64((const __m128i *)(const void *)(lanes + stride * i));
	rounds_x1(a);
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		_mm_storel_epi64((__m128i *)(void *)(lanes + stride * i), a[i]);
}

void keccak_permute_x1_avx512(uint64_t *lanes)
{
	permute_one(lanes, 8);
}

void keccak_permute_avx512(uint64_t lanes[KECCAK_LANES])
{
	permute_one(lanes, 1);
}

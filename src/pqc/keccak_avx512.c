/* SPDX-License-Identifier: Apache-2.0 */
/* Keccak-f[1600] of eight or four states at once (AVX-512F and VL).
 *
 * Two instructions make this shorter than AVX2: VPROLQ rotates, and VPTERNLOGQ computes any
 * function of three bits, by a table of eight: 0x96 is a ^ b ^ c, and 0xd2 is a ^ (~b & c).
 * 32 registers hold the lanes nearly without help of memory. A single state would gain nothing
 * over general registers. */
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

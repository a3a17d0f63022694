/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum, 32 bytes a step where the processor can. */
#include "shell/tun/checksum.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define STEP 32
/* A lane takes 32 bits a step: it cannot overflow before 2^32 steps, and a packet is 2^11. */
__attribute__((target("avx2"))) static uint64_t add_steps_avx2(const uint8_t *at, size_t n)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i even = _mm256_setzero_si256();
	__m256i odd = _mm256_setzero_si256();
	uint64_t lanes[4];

	for (size_t i = 0; i < n; i++) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(at + i * STEP));

		even = _mm256_add_epi64(even, _mm256_and_si256(v, low));
		odd = _mm256_add_epi64(odd, _mm256_srli_epi64(v, 32));
	}
	_mm256_storeu_si256((__m256i *)(void *)lanes, _mm256_add_epi64(even, odd));
	return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

static uint64_t add_steps(const uint8_t **at, size_t *len)
{
	size_t n = *len / STEP;
	uint64_t sum;

	if (n == 0 || !__builtin_cpu_supports("avx2"))
		return 0;
	sum = add_steps_avx2(*at, n);
	*at += n * STEP;
	*len -= n * STEP;
	return sum;
}
#else
static uint64_t add_steps(const uint8_t **at, size_t *len)
{
	(void)at;
	(void)len;
	return 0;
}
#endif

uint64_t checksum_add(uint64_t sum, struct span bytes)
{
	const uint8_t *at = bytes.at;
	size_t len = bytes.len;
	uint32_t word;
	uint16_t half;

	sum += add_steps(&at, &len);
	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, at, sizeof(half));
		sum += half;
		at += sizeof(half);
		len -= sizeof(half);
	}
	if (len > 0) {
		uint8_t padded[2] = { *at, 0 };

		memcpy(&half, padded, sizeof(half));
		sum += half;
	}
	return sum;
}

uint64_t checksum_add_u16(uint64_t sum, uint16_t value)
{
	uint8_t wire[2];
	uint16_t half;

	store_u16(wire, value);
	memcpy(&half, wire, sizeof(half));
	return sum + half;
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

void checksum_store(uint8_t *at, uint16_t folded)
{
	memcpy(at, &folded, sizeof(folded));
}

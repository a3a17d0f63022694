/* SPDX-License-Identifier: Apache-2.0 */
/* keccak_kernels.h - the permutation in each of the levels of cpu.h. Internal to keccak*.c. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pqc/keccak.h"

struct keccak_kernels {
	unsigned best; /* slots a permutation of several is made for */

	/* Where lane i of slot s is: at [8 i + s] for wide registers, otherwise at [25 s + i]. */
	bool interleaved;

	void (*permute)(uint64_t lanes[KECCAK_LANES]);
	/* The first n of KECCAK_WIDE_MAX slots; may spoil the others. */
	void (*permute_wide)(uint64_t *lanes, unsigned n);
};

/* Those of the level in use. */
const struct keccak_kernels *keccak_kernels(void);

extern const uint64_t keccak_round_constants[KECCAK_ROUNDS];

void keccak_permute_portable(uint64_t lanes[KECCAK_LANES]);

void keccak_permute_bmi2(uint64_t lanes[KECCAK_LANES]);

/* Lane i of the slots is at lanes + 8 i; four slots at a time, or eight. */
void keccak_permute_x4_avx2(uint64_t *lanes);
void keccak_permute_x4_avx512(uint64_t *lanes);
void keccak_permute_x8_avx512(uint64_t *lanes);

/* The lanes are little-endian on every machine (FIPS 202 B.1). */
static inline uint64_t keccak_load_lane(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void keccak_store_lane(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sponges side by side, and the choice of the permutation by the level in use. */
#include "pqc/keccak_wide.h"

#include <assert.h>

#include "base/bytes.h"
#include "pqc/cpu.h"
#include "pqc/keccak_kernels.h"

static void permute_wide_portable(uint64_t *lanes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		keccak_permute_portable(lanes + (size_t)KECCAK_LANES * i);
}

#if defined(__x86_64__)
/* One state alone is faster in general registers than four in AVX2's. */
static void permute_strided(uint64_t *lanes)
{
	uint64_t together[KECCAK_LANES];

	for (unsigned i = 0; i < KECCAK_LANES; i++)
		together[i] = lanes[(size_t)8 * i];
	keccak_permute_portable(together);
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		lanes[(size_t)8 * i] = together[i];
	bytes_wipe(together, sizeof(together));
}

static void permute_wide_avx2(uint64_t *lanes, unsigned n)
{
	for (unsigned i = 0; i < n; i += 4) {
		if (n - i > 1)
			keccak_permute_x4_avx2(lanes + i);
		else
			permute_strided(lanes + i);
	}
}

static void permute_wide_avx512(uint64_t *lanes, unsigned n)
{
	if (n > 4)
		keccak_permute_x8_avx512(lanes);
	else if (n > 1)
		keccak_permute_x4_avx512(lanes);
	else
		keccak_permute_x1_avx512(lanes);
}
#endif

static const struct keccak_kernels kernels[PQC_N_LEVELS] = {
	[PQC_PORTABLE] = { 1, 1, KECCAK_LANES, keccak_permute_portable, permute_wide_portable },
#if defined(__x86_64__)
	[PQC_AVX2] = { 4, 8, 1, keccak_permute_portable, permute_wide_avx2 },
	[PQC_AVX512] = { 8, 8, 1, keccak_permute_avx512, permute_wide_avx512 },
#endif
};

const struct keccak_kernels *keccak_kernels(void)
{
	return &kernels[pqc_level()];
}

unsigned keccak_wide_best(void)
{
	return keccak_kernels()->best;
}

static inline uint64_t *lane(struct keccak_wide *w, unsigned slot, size_t i)
{
	return &w->lanes[i * w->kernels->lane_stride + (size_t)slot * w->kernels->slot_stride];
}

void keccak_wide_init(struct keccak_wide *w, unsigned n)
{
	assert(n > 0 && n <= KECCAK_WIDE_MAX);
	memset(w->lanes, 0, sizeof(w->lanes));
	w->kernels = keccak_kernels();
	w->n = n;
	w->rate = 0;
}

void keccak_wide_clear(struct keccak_wide *w, unsigned slot)
{
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		*lane(w, slot, i) = 0;
}

void keccak_wide_add_block(struct keccak_wide *w, unsigned slot, const uint8_t *from, unsigned rate)
{
	for (unsigned i = 0; i < rate / 8; i++)
		*lane(w, slot, i) ^= keccak_load_lane(from + (size_t)8 * i);
}

void keccak_wide_add_last(struct keccak_wide *w, unsigned slot, const uint8_t *from, size_t len,
			  unsigned rate, uint8_t suffix)
{
	size_t i;
	uint64_t last = 0;

	assert(len < rate);
	for (i = 0; i < len / 8; i++)
		*lane(w, slot, i) ^= keccak_load_lane(from + 8 * i);
	for (size_t j = 0; j < len % 8; j++)
		last |= (uint64_t)from[8 * i + j] << 8 * j;
	*lane(w, slot, i) ^= last | (uint64_t)suffix << 8 * (len % 8);
	*lane(w, slot, rate / 8 - 1) ^= UINT64_C(1) << 63;
}

void keccak_wide_permute(struct keccak_wide *w, unsigned n_slots)
{
	w->kernels->permute_wide(w->lanes, n_slots);
}

void keccak_wide_extract(const struct keccak_wide *w, unsigned slot, uint8_t *ret, size_t len)
{
	const uint64_t *from = w->lanes + (size_t)slot * w->kernels->slot_stride;
	size_t stride = w->kernels->lane_stride;

	for (size_t i = 0; i < len / 8; i++)
		keccak_store_lane(ret + 8 * i, from[i * stride]);
}

static void absorb(struct keccak_wide *w, unsigned n, const uint8_t *const from[], size_t len,
		   unsigned rate)
{
	size_t at = 0;

	keccak_wide_init(w, n);
	w->rate = rate;
	for (; len - at >= rate; at += rate) {
		for (unsigned i = 0; i < n; i++)
			keccak_wide_add_block(w, i, from[i] + at, rate);
		keccak_wide_permute(w, n);
	}
	for (unsigned i = 0; i < n; i++)
		keccak_wide_add_last(w, i, from[i] + at, len - at, rate, KECCAK_SUFFIX_SHAKE);
}

void shake128_wide(struct keccak_wide *w, unsigned n, const uint8_t *const from[], size_t len)
{
	absorb(w, n, from, len, SHAKE128_RATE);
}

void shake256_wide(struct keccak_wide *w, unsigned n, const uint8_t *const from[], size_t len)
{
	absorb(w, n, from, len, SHAKE256_RATE);
}

void keccak_wide_squeeze(struct keccak_wide *w, uint8_t *const ret[], size_t n_blocks)
{
	for (size_t block = 0; block < n_blocks; block++) {
		keccak_wide_permute(w, w->n);
		for (unsigned i = 0; i < w->n; i++)
			keccak_wide_extract(w, i, ret[i] + block * w->rate, w->rate);
	}
}

void keccak_wide_wipe(struct keccak_wide *w)
{
	bytes_wipe(w, sizeof(*w));
}

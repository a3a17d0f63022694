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
	keccak_permute_bmi2(together);
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
		permute_strided(lanes);
}
#endif

static const struct keccak_kernels kernels[PQC_N_LEVELS] = {
	[PQC_PORTABLE] = { 1, false, keccak_permute_portable, permute_wide_portable },
#if defined(__x86_64__)
	[PQC_AVX2] = { 4, true, keccak_permute_bmi2, permute_wide_avx2 },
	[PQC_AVX512] = { 8, true, keccak_permute_bmi2, permute_wide_avx512 },
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

void keccak_wide_init(struct keccak_wide *w, unsigned n)
{
	assert(n > 0 && n <= KECCAK_WIDE_MAX);
	memset(w->lanes, 0, sizeof(w->lanes));
	w->kernels = keccak_kernels();
	w->n = n;
	w->rate = 0;
}

/* What follows is written once and compiled for both layouts, so that the strides are constants
 * and the loops unroll. */
#define FOR_LAYOUT(w, slot, function, ...)                                                    \
	do {                                                                                  \
		if ((w)->kernels->interleaved)                                                \
			function((w)->lanes + (slot), KECCAK_WIDE_MAX, __VA_ARGS__);          \
		else                                                                          \
			function((w)->lanes + (size_t)KECCAK_LANES * (slot), 1, __VA_ARGS__); \
	} while (0)
#define LAYOUT static inline __attribute__((always_inline))

/* Up to seven bytes, and the suffix after them. */
static inline uint64_t last_lane(const uint8_t *from, size_t len, uint8_t suffix)
{
	uint64_t v = (uint64_t)suffix << 8 * len;

	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)from[i] << 8 * i;
	return v;
}

LAYOUT void add_block(uint64_t *lanes, size_t stride, const uint8_t *from, unsigned rate)
{
	for (size_t i = 0; i < rate / 8; i++)
		lanes[i * stride] ^= keccak_load_lane(from + 8 * i);
}

LAYOUT void add_last(uint64_t *lanes, size_t stride, const uint8_t *from, size_t len, unsigned rate,
		     uint8_t suffix)
{
	size_t n = len / 8;

	for (size_t i = 0; i < n; i++)
		lanes[i * stride] ^= keccak_load_lane(from + 8 * i);
	lanes[n * stride] ^= last_lane(from + 8 * n, len % 8, suffix);
	lanes[(rate / 8 - 1) * stride] ^= UINT64_C(1) << 63;
}

LAYOUT void clear(uint64_t *lanes, size_t stride, size_t from)
{
	for (size_t i = from; i < KECCAK_LANES; i++)
		lanes[i * stride] = 0;
}

LAYOUT void extract(const uint64_t *lanes, size_t stride, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len / 8; i++)
		keccak_store_lane(ret + 8 * i, lanes[i * stride]);
}

void keccak_wide_clear(struct keccak_wide *w, unsigned slot)
{
	FOR_LAYOUT(w, slot, clear, 0);
}

void keccak_wide_add_block(struct keccak_wide *w, unsigned slot, const uint8_t *from, unsigned rate)
{
	FOR_LAYOUT(w, slot, add_block, from, rate);
}

void keccak_wide_add_last(struct keccak_wide *w, unsigned slot, const uint8_t *from, size_t len,
			  unsigned rate, uint8_t suffix)
{
	assert(len < rate);
	FOR_LAYOUT(w, slot, add_last, from, len, rate, suffix);
}

void keccak_wide_permute(struct keccak_wide *w, unsigned n_slots)
{
	w->kernels->permute_wide(w->lanes, n_slots);
}

void keccak_wide_extract(const struct keccak_wide *w, unsigned slot, uint8_t *ret, size_t len)
{
	if (len == SHAKE128_RATE)
		FOR_LAYOUT(w, slot, extract, ret, SHAKE128_RATE);
	else if (len == SHAKE256_RATE)
		FOR_LAYOUT(w, slot, extract, ret, SHAKE256_RATE);
	else
		FOR_LAYOUT(w, slot, extract, ret, len);
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

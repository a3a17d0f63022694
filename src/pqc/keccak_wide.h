/* SPDX-License-Identifier: Apache-2.0 */
/* keccak_wide.h - several sponges side by side, which wide registers permute at once.
 *
 * Up to KECCAK_WIDE_MAX inputs of one length, absorbed whole and squeezed block by block:
 *
 *	struct keccak_wide w;
 *	shake128_wide(&w, n, inputs, len);
 *	keccak_wide_squeeze(&w, outputs, n_blocks);	as often as needed
 *	keccak_wide_wipe(&w);				where an input was secret
 *
 * The slots may also be driven one by one, each with a hash and a progress of its own; then only
 * keccak_wide_permute() is common to all of them.
 *
 * Four inputs (AVX2) or eight (AVX-512) cost little more than one; in portable C each costs the
 * same. Owns no memory; internal to this room. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pqc/keccak.h"

#define KECCAK_WIDE_MAX 8

struct keccak_wide {
	_Alignas(64) uint64_t lanes[KECCAK_LANES * KECCAK_WIDE_MAX];
	const struct keccak_kernels *kernels; /* of the level found at the beginning */
	unsigned n;
	unsigned rate;
};

/* How many slots the level in use permutes at the best price: 1, 4 or 8. */
unsigned keccak_wide_best(void);

/* n is from 1 to KECCAK_WIDE_MAX; len is that of every input. */
void shake128_wide(struct keccak_wide *w, unsigned n, const uint8_t *const from[], size_t len);
void shake256_wide(struct keccak_wide *w, unsigned n, const uint8_t *const from[], size_t len);

/* The next n_blocks blocks of SHAKE128_RATE or SHAKE256_RATE bytes to each output. */
void keccak_wide_squeeze(struct keccak_wide *w, uint8_t *const ret[], size_t n_blocks);

void keccak_wide_wipe(struct keccak_wide *w);

/* ---- slot by slot ---- */

/* n slots of zeros. */
void keccak_wide_init(struct keccak_wide *w, unsigned n);
/* Zeros in one slot, for another input. */
void keccak_wide_clear(struct keccak_wide *w, unsigned slot);
/* Adds rate bytes, a multiple of 8. */
void keccak_wide_add_block(struct keccak_wide *w, unsigned slot, const uint8_t *from,
			   unsigned rate);
/* Adds the last len bytes of an input, fewer than rate, and the padding. */
void keccak_wide_add_last(struct keccak_wide *w, unsigned slot, const uint8_t *from, size_t len,
			  unsigned rate, uint8_t suffix);
/* Permutes the first n_slots slots; the others are undefined afterwards. */
void keccak_wide_permute(struct keccak_wide *w, unsigned n_slots);
/* The first len bytes of a slot, a multiple of 8. */
void keccak_wide_extract(const struct keccak_wide *w, unsigned slot, uint8_t *ret, size_t len);

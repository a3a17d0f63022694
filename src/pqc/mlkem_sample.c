/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the sponges of an operation side by side: each slot takes the next of the list when it
 * is done with one. */
#include "pqc/mlkem_sample.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/keccak_wide.h"

#define HASH_LEN 32
#define UNIFORM_BLOCKS 3 /* 273 coefficients on the average, 256 are needed */

/* What a slot is at. */
struct slot {
	struct mlkem_draw *draw;	  /* NULL: idle */
	unsigned n;			  /* coefficients, or bytes of noise, there are */
	uint8_t noise[2 * SHAKE256_RATE]; /* 64 eta bytes: one block or two */
};

static struct mlkem_draw *add(struct mlkem_draws *d, enum mlkem_draw_kind kind, void *ret)
{
	struct mlkem_draw *draw = &d->list[d->n++];

	assert(d->n <= MLKEM_DRAWS_MAX);
	draw->kind = kind;
	draw->suffix = KECCAK_SUFFIX_SHAKE;
	draw->rate = kind == MLKEM_DRAW_UNIFORM ? SHAKE128_RATE : SHAKE256_RATE;
	draw->from = draw->seed;
	draw->ret = ret;
	return draw;
}

void mlkem_draw_uniform(struct mlkem_draws *d, struct mlkem_poly *ret, const uint8_t rho[32],
			uint8_t x, uint8_t y)
{
	struct mlkem_draw *draw = add(d, MLKEM_DRAW_UNIFORM, ret);

	memcpy(draw->seed, rho, 32);
	draw->seed[32] = x;
	draw->seed[33] = y;
	draw->left = 34;
}

void mlkem_draw_noise(struct mlkem_draws *d, struct mlkem_poly *ret, unsigned eta,
		      const uint8_t seed[32], uint8_t nonce)
{
	struct mlkem_draw *draw = add(d, MLKEM_DRAW_NOISE, ret);

	draw->eta = (uint8_t)eta;
	memcpy(draw->seed, seed, 32);
	draw->seed[32] = nonce;
	draw->left = 33;
}

static struct mlkem_draw *add_hash(struct mlkem_draws *d, uint8_t *ret, const uint8_t *from,
				   size_t len)
{
	struct mlkem_draw *draw = add(d, MLKEM_DRAW_HASH, ret);

	draw->from = from;
	draw->left = len;
	return draw;
}

void mlkem_draw_h(struct mlkem_draws *d, uint8_t ret[32], const uint8_t *from, size_t len)
{
	add_hash(d, ret, from, len)->suffix = KECCAK_SUFFIX_SHA3; /* its rate is SHAKE256's */
}

void mlkem_draw_j(struct mlkem_draws *d, uint8_t ret[32], const uint8_t *from, size_t len)
{
	(void)add_hash(d, ret, from, len);
}

/* The next block of the input; the padding may need one of its own. */
static void absorb(struct keccak_wide *w, unsigned i, struct mlkem_draw *draw)
{
	if (draw->left >= draw->rate) {
		keccak_wide_add_block(w, i, draw->from, draw->rate);
		draw->from += draw->rate;
		draw->left -= draw->rate;
		return;
	}
	keccak_wide_add_last(w, i, draw->from, draw->left, draw->rate, draw->suffix);
	draw->from = NULL;
}

static bool take_uniform(struct slot *s, const struct keccak_wide *w, unsigned i,
			 const struct mlkem_kernels *kernels)
{
	uint8_t block[SHAKE128_RATE];

	keccak_wide_extract(w, i, block, sizeof(block));
	s->n = kernels->sample_uniform(s->draw->ret, s->n, block);
	return s->n == MLKEM_N;
}

static bool take_noise(struct slot *s, const struct keccak_wide *w, unsigned i,
		       const struct mlkem_kernels *kernels)
{
	keccak_wide_extract(w, i, s->noise + s->n, SHAKE256_RATE);
	s->n += SHAKE256_RATE;
	if (s->n < 64U * s->draw->eta)
		return false;
	kernels->sample_noise(s->draw->ret, s->draw->eta, s->noise);
	return true;
}

/* After a permutation; true when the slot has all it needs. */
static bool proceed(struct slot *s, struct keccak_wide *w, unsigned i,
		    const struct mlkem_kernels *kernels)
{
	if (s->draw->from) {
		absorb(w, i, s->draw);
		return false;
	}
	switch (s->draw->kind) {
	case MLKEM_DRAW_UNIFORM:
		return take_uniform(s, w, i, kernels);
	case MLKEM_DRAW_NOISE:
		return take_noise(s, w, i, kernels);
	case MLKEM_DRAW_HASH:
		keccak_wide_extract(w, i, s->draw->ret, HASH_LEN);
		return true;
	}
	return true;
}

/* Without a division, so that none is in the objects (tests/ct). */
static unsigned n_blocks(size_t len, size_t rate)
{
	unsigned n = 1;

	for (; len >= rate; len -= rate)
		n++;
	return n;
}

static unsigned n_permutations(const struct mlkem_draw *draw)
{
	switch (draw->kind) {
	case MLKEM_DRAW_UNIFORM:
		return UNIFORM_BLOCKS;
	case MLKEM_DRAW_NOISE:
		return draw->eta == 2 ? 1 : 2;
	case MLKEM_DRAW_HASH:
		return n_blocks(draw->left, draw->rate);
	}
	return 0;
}

/* The longest hash takes its time, however many slots there are: where half of them do all the
 * rest meanwhile, half of them are the cheaper ones. */
static unsigned choose_width(const struct mlkem_draws *d)
{
	unsigned width = keccak_wide_best();
	unsigned sum = 0, longest = 0;

	for (unsigned i = 0; i < d->n; i++) {
		unsigned n = n_permutations(&d->list[i]);

		sum += n;
		longest = n > longest ? n : longest;
	}
	return width > 4 && sum <= longest * 4 ? 4 : width;
}

void mlkem_draws_run(struct mlkem_draws *d, const struct mlkem_kernels *kernels)
{
	unsigned width = choose_width(d);
	struct slot slots[KECCAK_WIDE_MAX];
	struct keccak_wide w;
	unsigned next = 0;

	keccak_wide_init(&w, width);
	for (unsigned i = 0; i < width; i++)
		slots[i].draw = NULL;
	for (;;) {
		unsigned n_active = 0;

		for (unsigned i = 0; i < width; i++) {
			if (!slots[i].draw && next < d->n) {
				slots[i].draw = &d->list[next++];
				slots[i].n = 0;
				keccak_wide_clear(&w, i);
				absorb(&w, i, slots[i].draw);
			}
			if (slots[i].draw)
				n_active = i + 1;
		}
		if (n_active == 0)
			break;
		keccak_wide_permute(&w, n_active);
		for (unsigned i = 0; i < n_active; i++)
			if (slots[i].draw && proceed(&slots[i], &w, i, kernels))
				slots[i].draw = NULL;
	}
	keccak_wide_wipe(&w);
	bytes_wipe(slots, width * sizeof(slots[0]));
	bytes_wipe(d->list, d->n * sizeof(d->list[0]));
}

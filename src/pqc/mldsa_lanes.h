/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa_lanes.h - the kernels of mldsa_poly.h that treat every coefficient alike.
 *
 * Plain loops without branches, included once by the kernels of each level: the compiler makes
 * vectors of them, as wide as that level has. 32 bits are enough throughout, since wider products
 * would halve what a vector holds; and masks come from arithmetic shifts, since what ct.h does
 * to hide them would keep the loops scalar. Internal to mldsa_*.c. */
#pragma once

#include <string.h>

#include "pqc/mldsa_poly.h"

/* For gamma2 = (q - 1) / 32 and (q - 1) / 88: 2 gamma2 = odd 2^shift, and odd times the factor is
 * 2^20 - 1. */
struct mldsa_rounding {
	int32_t gamma2, shift, factor;
	int32_t m; /* how many values the high bits have: (q - 1) / (2 gamma2) */
};

#define MLDSA_ROUNDING_16 ((struct mldsa_rounding){ (MLDSA_Q - 1) / 32, 9, 1025, 16 })
#define MLDSA_ROUNDING_44 ((struct mldsa_rounding){ (MLDSA_Q - 1) / 88, 11, 11275, 44 })

/* From (-q, q) to about [-q/2, q/2]; q is close to 2^23. */
static inline int32_t mldsa_centre(int32_t a)
{
	return a - ((a + (1 << 22)) >> 23) * MLDSA_Q;
}

/* All ones where a is negative, otherwise zero. */
static inline int32_t mldsa_sign(int32_t a)
{
	return a >> 31;
}

static inline int32_t mldsa_to_unsigned(int32_t a)
{
	return a + (mldsa_sign(a) & MLDSA_Q);
}

/* v is (a + gamma2 - 1) / 2^shift rounded down, less than 2^14. Then (v + 1) factor / 2^20 is
 * (v + 1) / odd, less a little: rounded down, that is v / odd rounded down, as wanted. */
static inline __attribute__((always_inline)) void
mldsa_decompose_one(int32_t a, struct mldsa_rounding by, int32_t *ret_high, int32_t *ret_low)
{
	int32_t v = (a + by.gamma2 - 1) >> by.shift;
	int32_t high = ((v + 1) * by.factor) >> 20;
	int32_t low = a - high * 2 * by.gamma2;
	/* r - r0 = q - 1 belongs to high 0, with low one less (lines 3 to 5) */
	int32_t wraps = mldsa_sign(by.m - 1 - high);

	*ret_low = low + wraps;
	*ret_high = high & ~wraps;
}

static inline __attribute__((always_inline)) void mldsa_decompose_by(const struct mldsa_poly *w,
								     struct mldsa_rounding by,
								     struct mldsa_poly *high,
								     struct mldsa_poly *low)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		mldsa_decompose_one(mldsa_to_unsigned(w->c[i]), by, &high->c[i], &low->c[i]);
}

static void lanes_decompose(const struct mldsa_poly *restrict w, int32_t gamma2,
			    struct mldsa_poly *restrict ret_high,
			    struct mldsa_poly *restrict ret_low)
{
	if (gamma2 == MLDSA_ROUNDING_16.gamma2)
		mldsa_decompose_by(w, MLDSA_ROUNDING_16, ret_high, ret_low);
	else
		mldsa_decompose_by(w, MLDSA_ROUNDING_44, ret_high, ret_low);
}

/* Algorithm 40: one up or down where there is a hint, modulo m. */
static inline __attribute__((always_inline)) void mldsa_use_hint_by(const struct mldsa_poly *w,
								    const struct mldsa_poly *hint,
								    struct mldsa_rounding by,
								    struct mldsa_poly *ret)
{
	for (unsigned i = 0; i < MLDSA_N; i++) {
		int32_t high, low, up;

		mldsa_decompose_one(mldsa_to_unsigned(w->c[i]), by, &high, &low);
		up = mldsa_sign(low - 1) | 1; /* 1 for low > 0, otherwise -1 */
		high += up & -hint->c[i];
		high += mldsa_sign(high) & by.m;
		high -= mldsa_sign(by.m - 1 - high) & by.m;
		ret->c[i] = high;
	}
}

static void lanes_use_hint(const struct mldsa_poly *restrict w,
			   const struct mldsa_poly *restrict hint, int32_t gamma2,
			   struct mldsa_poly *restrict ret)
{
	if (gamma2 == MLDSA_ROUNDING_16.gamma2)
		mldsa_use_hint_by(w, hint, MLDSA_ROUNDING_16, ret);
	else
		mldsa_use_hint_by(w, hint, MLDSA_ROUNDING_44, ret);
}

/* Adding c t0 changes the high bits exactly where the low bits then leave (-gamma2, gamma2],
 * and -gamma2 itself does so unless w1 is 0 (there q - 1 wraps to high bits 0). */
static unsigned lanes_make_hint(const struct mldsa_poly *restrict w1,
				const struct mldsa_poly *restrict low,
				const struct mldsa_poly *restrict product, int32_t gamma2,
				struct mldsa_poly *restrict ret)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < MLDSA_N; i++) {
		int32_t sum = low->c[i] + product->c[i];
		int32_t above = mldsa_sign(gamma2 - sum);
		int32_t below = mldsa_sign(sum + gamma2);
		int32_t at_or_below = mldsa_sign(sum + gamma2 - 1);
		int32_t w1_not_zero = mldsa_sign(-w1->c[i]);
		int32_t bit = (above | below | (at_or_below & w1_not_zero)) & 1;

		ret->c[i] = bit;
		n += (uint32_t)bit;
	}
	return n;
}

static void lanes_power2round(const struct mldsa_poly *restrict t,
			      const struct mldsa_poly *restrict s,
			      struct mldsa_poly *restrict ret_high,
			      struct mldsa_poly *restrict ret_low)
{
	for (unsigned i = 0; i < MLDSA_N; i++) {
		int32_t v = mldsa_to_unsigned(mldsa_centre(t->c[i] + s->c[i]));
		int32_t high = (v + (1 << (MLDSA_D - 1)) - 1) >> MLDSA_D;

		ret_low->c[i] = v - (high << MLDSA_D);
		ret_high->c[i] = high;
	}
}

/* Negative where a is at or beyond ± bound; the absolute value is a, or ~a + 1. */
static inline int32_t mldsa_inside(int32_t a, int32_t bound)
{
	int32_t sign = mldsa_sign(a);

	return bound - 1 - ((a ^ sign) - sign);
}

/* From (-q, q) of ML-KEM to within half of that. */
static inline int32_t mldsa_centre_small(int32_t a)
{
	a -= mldsa_sign(MLKEM_Q / 2 - a) & MLKEM_Q;
	return a + (mldsa_sign(a + MLKEM_Q / 2) & MLKEM_Q);
}

static bool lanes_add_exceeds(struct mldsa_poly *restrict p,
			      const struct mlkem_poly *restrict product, int32_t bound)
{
	int32_t any = 0;

	for (unsigned i = 0; i < MLDSA_N; i++) {
		p->c[i] += mldsa_centre_small(product->c[i]);
		any |= mldsa_inside(p->c[i], bound);
	}
	return any < 0;
}

static bool lanes_subtract_exceeds(struct mldsa_poly *restrict p,
				   const struct mlkem_poly *restrict product, int32_t bound)
{
	int32_t any = 0;

	for (unsigned i = 0; i < MLDSA_N; i++) {
		p->c[i] -= mldsa_centre_small(product->c[i]);
		any |= mldsa_inside(p->c[i], bound);
	}
	return any < 0;
}

static void lanes_narrow(const struct mldsa_poly *restrict p, struct mlkem_poly *restrict ret)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		ret->c[i] = (int16_t)p->c[i];
}

static void lanes_centre(struct mldsa_poly *p)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] = mldsa_centre(p->c[i]);
}

static bool lanes_exceeds(const struct mldsa_poly *p, int32_t bound)
{
	int32_t any = 0;

	for (unsigned i = 0; i < MLDSA_N; i++)
		any |= mldsa_inside(p->c[i], bound);
	return any < 0;
}

static void lanes_widen(const int8_t *restrict from, struct mldsa_poly *restrict ret)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		/* NOLINTNEXTLINE(cert-str34-c,bugprone-signed-char-misuse): numbers, no text */
		ret->c[i] = from[i];
}

/* Into a table of kernels. */
#define MLDSA_LANES_KERNELS                                                             \
	.power2round = lanes_power2round, .decompose = lanes_decompose,                 \
	.add_exceeds = lanes_add_exceeds, .subtract_exceeds = lanes_subtract_exceeds,   \
	.centre = lanes_centre, .exceeds = lanes_exceeds, .make_hint = lanes_make_hint, \
	.use_hint = lanes_use_hint, .widen = lanes_widen, .narrow = lanes_narrow

/* Defines pack and unpack functions of every field by pack_field() and
 * unpack_field() of the including file, and puts them into a table. */
#define MLDSA_FIELD_FUNCTIONS(name, n_bits, top)                               \
	static void pack_##name(const struct mldsa_poly *p, uint8_t *ret)      \
	{                                                                      \
		pack_field(p, n_bits, top, ret);                               \
	}                                                                      \
	static void unpack_##name(const uint8_t *from, struct mldsa_poly *ret) \
	{                                                                      \
		unpack_field(from, n_bits, top, ret);                          \
	}
#define MLDSA_FIELD_PACK(name, n_bits, top) [MLDSA_##name] = pack_##name,
#define MLDSA_FIELD_UNPACK(name, n_bits, top) [MLDSA_##name] = unpack_##name,

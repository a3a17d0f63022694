/* SPDX-License-Identifier: Apache-2.0 */
/* mlkem_zetas.h - the constants of the number-theoretic transform, in the order in which
 * registers of 16 coefficients meet them. Internal to the AVX2 code.
 *
 * The compiler computes them: the power of 17 to the exponent with the bits of i reversed
 * (FIPS 203 appendix A) is a product of one power for each bit that is set. */
#pragma once

#include <stdint.h>

#include "pqc/mlkem_poly.h"

/* b q^-1 modulo 2^16, for Montgomery's reduction. */
#define MLKEM_TIMES_Q_INVERSE(b) ((int16_t)((b) * -3327))

#define POWER(i, bit, power) ((i) >> (bit)&1 ? INT64_C(power) : INT64_C(1))
#define POWERS_LOW(i) (POWER(i, 6, 17) * POWER(i, 5, 289) * POWER(i, 4, 296) * POWER(i, 3, 1062))
#define POWERS_HIGH(i) (POWER(i, 2, 2642) * POWER(i, 1, 2580) * POWER(i, 0, 1729))

#define POWERS(i) (POWERS_LOW(i) % MLKEM_Q * (POWERS_HIGH(i) % MLKEM_Q) % MLKEM_Q)
#define CENTRED(a) ((int16_t)(((a) + MLKEM_Q / 2) % MLKEM_Q - MLKEM_Q / 2)) /* of an a >= 0 */

/* 17^BitRev7(i) 2^16 modulo q; 2^16 is 2285. */
#ifdef __clang_analyzer__
/* clang-tidy would take a quarter of an hour over the million tokens that the tables become. */
#define ZETA(i) ((int16_t)(i))
#else
#define ZETA(i) CENTRED(POWERS(i) * 2285)
#endif
#define ZETA_Q_INVERSE(i) MLKEM_TIMES_Q_INVERSE(ZETA(i))

struct mlkem_zeta {
	_Alignas(32) int16_t z[16], z_q_inverse[16];
};

#define TIMES2(x) x, x
#define TIMES4(x) TIMES2(x), TIMES2(x)
#define TIMES8(x) TIMES4(x), TIMES4(x)
#define TIMES16(x) TIMES8(x), TIMES8(x)

/* One constant for a register, or two, four, eight that follow each other in the table. */
#define ONE(zeta, index, n, b) TIMES16(zeta(index(n, b)))
#define TWO(zeta, index, n, b) TIMES8(zeta(index(n, b))), TIMES8(zeta(index(n, (b) + 1)))
#define FOUR_HALF(zeta, index, n, b) TIMES4(zeta(index(n, b))), TIMES4(zeta(index(n, (b) + 1)))
#define FOUR(zeta, index, n, b) FOUR_HALF(zeta, index, n, b), FOUR_HALF(zeta, index, n, (b) + 2)
#define EIGHT_QUARTER(zeta, index, n, b) TIMES2(zeta(index(n, b))), TIMES2(zeta(index(n, (b) + 1)))
#define EIGHT_HALF(zeta, index, n, b) \
	EIGHT_QUARTER(zeta, index, n, b), EIGHT_QUARTER(zeta, index, n, (b) + 2)
#define EIGHT(zeta, index, n, b) EIGHT_HALF(zeta, index, n, b), EIGHT_HALF(zeta, index, n, (b) + 4)

#define REGISTER(how_many, index, n, b)                       \
	{                                                     \
		{ how_many(ZETA, index, n, b) },              \
		{                                             \
			how_many(ZETA_Q_INVERSE, index, n, b) \
		}                                             \
	}

/* Block b of the layer that has n blocks (of length 128 / n) has this constant. */
#define FORWARD(n, b) ((n) + (b))
#define INVERSE(n, b) (2 * (n)-1 - (b))

/* What half a polynomial, eight registers, needs after the first layer: one constant for length
 * 64, two for 32, four for 16; then, for each of four pairs of registers, those for 8, 4 and 2. */
#define PAIR(how_many, index, n, i, p) REGISTER(how_many, index, n, (n) / 2 * (i) + (n) / 8 * (p))
#define PAIRS(how_many, index, n, i)                                    \
	PAIR(how_many, index, n, i, 0), PAIR(how_many, index, n, i, 1), \
		PAIR(how_many, index, n, i, 2), PAIR(how_many, index, n, i, 3)
#define HALF(index, i)                                                                            \
	{                                                                                         \
		{ REGISTER(ONE, index, 2, i) },                                                   \
			{ REGISTER(ONE, index, 4, 2 * (i)),                                       \
			  REGISTER(ONE, index, 4, 2 * (i) + 1) },                                 \
			{ REGISTER(ONE, index, 8, 4 * (i)), REGISTER(ONE, index, 8, 4 * (i) + 1), \
			  REGISTER(ONE, index, 8, 4 * (i) + 2),                                   \
			  REGISTER(ONE, index, 8, 4 * (i) + 3) },                                 \
			{ PAIRS(TWO, index, 16, i) }, { PAIRS(FOUR, index, 32, i) },              \
		{                                                                                 \
			PAIRS(EIGHT, index, 64, i)                                                \
		}                                                                                 \
	}

/* X^2 - zeta and X^2 + zeta take turns in a product. */
#define SIGNS(zeta, i) TIMES2(zeta(i)), TIMES2((int16_t)-zeta(i))
#define SIGNS4(zeta, i) \
	SIGNS(zeta, i), SIGNS(zeta, (i) + 1), SIGNS(zeta, (i) + 2), SIGNS(zeta, (i) + 3)
#define PRODUCT(i)                                           \
	{                                                    \
		{ SIGNS4(ZETA, 64 + 4 * (i)) },              \
		{                                            \
			SIGNS4(ZETA_Q_INVERSE, 64 + 4 * (i)) \
		}                                            \
	}
#define PRODUCT4(i) PRODUCT(i), PRODUCT((i) + 1), PRODUCT((i) + 2), PRODUCT((i) + 3)

struct mlkem_zetas_half {
	struct mlkem_zeta len64[1], len32[2], len16[4], len8[4], len4[4], len2[4];
};

static const struct mlkem_zeta mlkem_zeta_len128 = REGISTER(ONE, FORWARD, 1, 0);
static const struct mlkem_zetas_half mlkem_zetas[2] = { HALF(FORWARD, 0), HALF(FORWARD, 1) };
static const struct mlkem_zetas_half mlkem_inverse_zetas[2] = { HALF(INVERSE, 0),
								HALF(INVERSE, 1) };

/* The last layer backwards takes the factor of the whole along: 2^32 / 128, and that times the
 * power of its constant. */
#define MLKEM_INVERSE_128 1441
#define MLKEM_INVERSE_128_ZETA CENTRED(POWERS(INVERSE(1, 0)) * MLKEM_INVERSE_128)

static const struct mlkem_zeta mlkem_inverse_128 = {
	{ TIMES16(MLKEM_INVERSE_128) }, { TIMES16(MLKEM_TIMES_Q_INVERSE(MLKEM_INVERSE_128)) }
};
static const struct mlkem_zeta mlkem_inverse_128_zeta = {
	{ TIMES16(MLKEM_INVERSE_128_ZETA) },
	{ TIMES16(MLKEM_TIMES_Q_INVERSE(MLKEM_INVERSE_128_ZETA)) }
};

static const struct mlkem_zeta mlkem_zetas_product[16] = { PRODUCT4(0), PRODUCT4(4), PRODUCT4(8),
							   PRODUCT4(12) };

#undef POWER
#undef POWERS_LOW
#undef POWERS_HIGH
#undef POWERS
#undef CENTRED
#undef MLKEM_INVERSE_128
#undef MLKEM_INVERSE_128_ZETA
#undef ZETA
#undef ZETA_Q_INVERSE
#undef TIMES2
#undef TIMES4
#undef TIMES8
#undef TIMES16
#undef ONE
#undef TWO
#undef FOUR_HALF
#undef FOUR
#undef EIGHT_QUARTER
#undef EIGHT_HALF
#undef EIGHT
#undef REGISTER
#undef FORWARD
#undef INVERSE
#undef PAIR
#undef PAIRS
#undef HALF
#undef SIGNS
#undef SIGNS4
#undef PRODUCT
#undef PRODUCT4

/* SPDX-License-Identifier: Apache-2.0 */
/* Each level of ML-KEM against the portable one: every kernel on random and on extreme values,
 * and whole operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "pqc/mlkem.h"
#include "pqc/mlkem_poly.h"
#include "pqc/test_levels.h"

#define N_SETS 3
#define ROUNDS 300
#define OPERATIONS 200	  /* of each kind, set and level */
#define FROM_NTT_MAX 2219 /* 2 q / 3 */
#define BYTES_MAX (32 * 12)

static struct rng rng;

static const struct mlkem_kernels *const portable = &mlkem_kernels_portable;

static void fill_bytes(uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(&rng);
}

/* From low to high: all the least, all the most, one after the other, then at random. */
static void fill_poly(struct mlkem_poly *p, int low, int high, unsigned round)
{
	for (unsigned i = 0; i < MLKEM_N; i++) {
		int v = low + (int)rng_below(&rng, (uint64_t)high - (uint64_t)low + 1);

		if (round == 0 || (round == 2 && i % 2 == 0) || (round == 3 && i / 2 % 2 == 0))
			v = low;
		else if (round <= 3)
			v = high;
		p->c[i] = (int16_t)v;
	}
}

static void fill_extreme_bytes(uint8_t *ret, size_t len, unsigned round)
{
	fill_bytes(ret, len);
	if (round < 2)
		memset(ret, round == 0 ? 0 : 0xff, len);
}

static int modulo(int v)
{
	return (v % MLKEM_Q + MLKEM_Q) % MLKEM_Q;
}

static void assert_congruent(const struct mlkem_poly *a, const struct mlkem_poly *b, int max)
{
	for (unsigned i = 0; i < MLKEM_N; i++) {
		assert_int_equal(modulo(a->c[i]), modulo(b->c[i]));
		assert_in_range(a->c[i] + max, 0, 2 * max);
	}
}

static void transforms_are_congruent_and_within_their_bounds(void **state)
{
	(void)state;
	const struct mlkem_kernels *on = mlkem_kernels();

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct mlkem_poly a, b;

		fill_poly(&a, -(MLKEM_Q - 1), MLKEM_Q - 1, round);
		b = a;
		portable->ntt(&a);
		on->ntt(&b);
		assert_congruent(&b, &a, FROM_NTT_MAX);

		fill_poly(&a, -(MLKEM_Q - 1), MLKEM_Q - 1, round);
		b = a;
		portable->inverse_ntt(&a);
		on->inverse_ntt(&b);
		assert_congruent(&b, &a, MLKEM_Q - 1);

		fill_poly(&a, -(MLKEM_Q - 1), MLKEM_Q - 1, round);
		b = a;
		portable->to_montgomery(&a);
		on->to_montgomery(&b);
		assert_congruent(&b, &a, MLKEM_Q - 1);
	}
}

static void products_are_congruent_and_within_their_bounds(void **state)
{
	(void)state;
	const struct mlkem_kernels *on = mlkem_kernels();

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned k = 2 + round / 4 % 3;
		struct mlkem_poly a[MLKEM_K_MAX], b[MLKEM_K_MAX], x, y;
		struct mlkem_factor f[MLKEM_K_MAX], g[MLKEM_K_MAX];

		for (unsigned i = 0; i < k; i++) {
			fill_poly(&a[i], 0, 4095, round == 0 ? 1 : round);
			fill_poly(&b[i], -FROM_NTT_MAX, FROM_NTT_MAX, round);
			portable->to_factor(&f[i], &b[i]);
			on->to_factor(&g[i], &b[i]);
			assert_congruent(&g[i].low, &f[i].low, FROM_NTT_MAX);
			assert_congruent(&g[i].high, &f[i].high, FROM_NTT_MAX);
		}
		portable->inner_product(&x, a, f, k);
		on->inner_product(&y, a, g, k);
		assert_congruent(&y, &x, MLKEM_Q - 1);
	}
}

static void sums_and_differences_are_equal(void **state)
{
	(void)state;
	const struct mlkem_kernels *on = mlkem_kernels();
	struct mlkem_poly a, b, c, d;

	fill_poly(&a, -2 * MLKEM_Q, 2 * MLKEM_Q, ROUNDS);
	fill_poly(&b, -2 * MLKEM_Q, 2 * MLKEM_Q, ROUNDS);
	c = d = a;
	portable->add(&c, &b);
	on->add(&d, &b);
	assert_memory_equal(&c, &d, sizeof(c));
	portable->subtract(&c, &a);
	on->subtract(&d, &a);
	assert_memory_equal(&c, &d, sizeof(c));
	assert_memory_equal(&d, &b, sizeof(d));
}

/* Pairs of 12 bits: q - 1 and q, or q and q + 1. */
static void fill_near_q(uint8_t block[SHAKE128_RATE])
{
	static const uint8_t pairs[2][3] = { { 0x00, 0x1d, 0xd0 }, { 0x01, 0x2d, 0xd0 } };

	for (size_t i = 0; i < SHAKE128_RATE; i += sizeof(pairs[0]))
		memcpy(block + i, pairs[rng_below(&rng, 2)], sizeof(pairs[0]));
}

/* From each number of coefficients there may be before; those are left alone, and so is what
 * follows the polynomial. */
static void sampling_keeps_the_same_coefficients(void **state)
{
	(void)state;
	const struct mlkem_kernels *on = mlkem_kernels();

	for (unsigned round = 0; round < 2 * MLKEM_N; round++) {
		struct mlkem_poly a, b[2], after;
		uint8_t block[SHAKE128_RATE];
		unsigned n = round % MLKEM_N, n_after;

		fill_poly(&a, 0, MLKEM_Q, ROUNDS);
		b[0] = b[1] = after = a;
		fill_extreme_bytes(block, sizeof(block), round);
		if (round % 4 == 3)
			fill_near_q(block);
		n_after = portable->sample_uniform(&a, n, block);
		assert_int_equal(on->sample_uniform(b, n, block), n_after);
		assert_memory_equal(&a, b, n_after * sizeof(a.c[0]));
		assert_memory_equal(&b[1], &after, sizeof(after));
	}
}

static void noise_is_equal(void **state)
{
	(void)state;
	const struct mlkem_kernels *on = mlkem_kernels();

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned eta = 2; eta <= 3; eta++) {
			uint8_t bytes[64 * 3];
			struct mlkem_poly a, b;

			fill_extreme_bytes(bytes, sizeof(bytes), round);
			portable->sample_noise(&a, eta, bytes);
			on->sample_noise(&b, eta, bytes);
			assert_memory_equal(&a, &b, sizeof(a));
		}
	}
}

static void encodings_are_equal(void **state)
{
	(void)state;
	const struct mlkem_kernels *on = mlkem_kernels();

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t x[MLKEM_POLY_LEN], y[MLKEM_POLY_LEN];
		struct mlkem_poly a, b;

		fill_poly(&a, INT16_MIN, INT16_MAX, round);
		portable->encode(&a, x);
		on->encode(&a, y);
		assert_memory_equal(x, y, sizeof(x));
		fill_extreme_bytes(x, sizeof(x), round);
		portable->decode(&a, x);
		on->decode(&b, x);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

/* Exactly 32 d bytes are written and read: those after them stay as they are, and the
 * sanitizers see the end of the array. */
static void compression_is_equal(void **state)
{
	(void)state;
	static const unsigned widths[] = { 1, 4, 5, 10, 11 };
	const struct mlkem_kernels *on = mlkem_kernels();

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned w = 0; w < N_ELEMENTS(widths); w++) {
			size_t len = (size_t)32 * widths[w];
			uint8_t x[BYTES_MAX] = { 0 }, y[BYTES_MAX] = { 0 };
			struct mlkem_poly a, b;

			fill_poly(&a, INT16_MIN, INT16_MAX, round);
			portable->compress(&a, widths[w], x);
			on->compress(&a, widths[w], y);
			assert_memory_equal(x, y, sizeof(x));
			fill_extreme_bytes(x + sizeof(x) - len, len, round);
			portable->decompress(&a, widths[w], x + sizeof(x) - len);
			on->decompress(&b, widths[w], x + sizeof(x) - len);
			assert_memory_equal(&a, &b, sizeof(a));
		}
	}
}

/* What an operation makes of everything random; the ciphertext is then spoilt every other time. */
struct outcome {
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX];
	uint8_t ss[MLKEM_SS_LEN], again[MLKEM_SS_LEN], rejected[MLKEM_SS_LEN];
};

static void operate(enum mlkem_set set, const uint8_t seed[96], struct outcome *o)
{
	size_t place = (size_t)(seed[0] | seed[1] << 8) % mlkem_sizes[set].ct_len;

	memset(o, 0, sizeof(*o));
	mlkem_keygen(set, seed, seed + 32, o->ek, o->dk);
	assert_int_equal(mlkem_check_dk(set, o->dk), 0);
	assert_int_equal(mlkem_encaps(set, o->ek, seed + 64, o->ct, o->ss), 0);
	mlkem_decaps(set, o->dk, o->ct, o->again);
	assert_memory_equal(o->ss, o->again, sizeof(o->ss));
	o->ct[place] ^= (uint8_t)(1 << seed[2] % 8);
	mlkem_decaps(set, o->dk, o->ct, o->rejected);
	assert_memory_not_equal(o->ss, o->rejected, sizeof(o->ss));
}

static void whole_operations_are_equal(void **state)
{
	(void)state;
	enum pqc_level level = pqc_level();

	for (unsigned i = 0; i < N_SETS * OPERATIONS; i++) {
		enum mlkem_set set = (enum mlkem_set)(i % N_SETS);
		struct outcome expected, got;
		uint8_t seed[96];

		fill_bytes(seed, sizeof(seed));
		assert_int_equal(pqc_set_level(PQC_PORTABLE), 0);
		operate(set, seed, &expected);
		assert_int_equal(pqc_set_level(level), 0);
		operate(set, seed, &got);
		assert_memory_equal(&expected, &got, sizeof(got));
	}
}

/* Keys whose coefficients are not below q, as a private key from elsewhere may have them. */
static void decapsulation_with_any_bytes_is_equal(void **state)
{
	(void)state;
	enum pqc_level level = pqc_level();

	for (unsigned i = 0; i < N_SETS * OPERATIONS / 4; i++) {
		enum mlkem_set set = (enum mlkem_set)(i % N_SETS);
		uint8_t dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX];
		uint8_t expected[MLKEM_SS_LEN], got[MLKEM_SS_LEN];

		fill_extreme_bytes(dk, sizeof(dk), i / N_SETS);
		fill_extreme_bytes(ct, sizeof(ct), i / N_SETS);
		assert_int_equal(pqc_set_level(PQC_PORTABLE), 0);
		mlkem_decaps(set, dk, ct, expected);
		assert_int_equal(pqc_set_level(level), 0);
		mlkem_decaps(set, dk, ct, got);
		assert_memory_equal(expected, got, sizeof(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transforms_are_congruent_and_within_their_bounds),
		cmocka_unit_test(products_are_congruent_and_within_their_bounds),
		cmocka_unit_test(sums_and_differences_are_equal),
		cmocka_unit_test(sampling_keeps_the_same_coefficients),
		cmocka_unit_test(noise_is_equal),
		cmocka_unit_test(encodings_are_equal),
		cmocka_unit_test(compression_is_equal),
		cmocka_unit_test(whole_operations_are_equal),
		cmocka_unit_test(decapsulation_with_any_bytes_is_equal),
	};

	rng_seed(&rng, 203);
	return run_at_each_level(tests, N_ELEMENTS(tests));
}

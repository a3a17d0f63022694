/* SPDX-License-Identifier: Apache-2.0 */
/* Each kernel of ML-DSA of each level this machine has, against the portable one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pqc/keccak.h"
#include "pqc/mldsa_encode.h"
#include "pqc/mldsa_poly.h"

#define ROUNDS 64
#define OPERATIONS 600
#define Q MLDSA_Q

static const struct mldsa_kernels *const reference = &mldsa_kernels_portable;

/* Runs a test's body for each level beyond the portable one that this machine has. */
#define FOR_EACH_LEVEL(f)                                                    \
	for (enum pqc_level level = PQC_AVX2; level < PQC_N_LEVELS; level++) \
		for (const struct mldsa_kernels *f = kernels_or_say_why(level); f; f = NULL)

static const struct mldsa_kernels *kernels_or_say_why(enum pqc_level level)
{
	if (level <= pqc_level_max())
		return mldsa_kernels(level);
	print_message("skipped: this machine has no %s\n", pqc_level_name(level));
	return NULL;
}

static struct keccak source;

static int restart(void **state)
{
	(void)state;
	shake128_init(&source);
	return 0;
}

static uint32_t random_u32(void)
{
	uint8_t bytes[4];

	keccak_squeeze(&source, bytes, sizeof(bytes));
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* Within [low, high]; in every eighth polynomial only the two ends. */
static void random_poly(int32_t low, int32_t high, unsigned round, struct mldsa_poly *ret)
{
	uint32_t range = (uint32_t)high - (uint32_t)low + 1;

	for (unsigned i = 0; i < MLDSA_N; i++) {
		uint32_t v = random_u32();

		if (round % 8 == 7)
			ret->c[i] = v & 1 ? high : low;
		else
			ret->c[i] = low + (int32_t)(v % range);
	}
}

static void assert_same(const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i++) {
		if (a->c[i] != b->c[i])
			print_message("coefficient %u\n", i);
		assert_int_equal(a->c[i], b->c[i]);
	}
}

static void each_level_has_the_same_ntt(void **state)
{
	(void)state;
	FOR_EACH_LEVEL(f)
	{
		for (unsigned i = 0; i < ROUNDS; i++) {
			struct mldsa_poly a, b;

			random_poly(1 - Q, Q - 1, i, &a);
			b = a;
			reference->ntt(&a);
			f->ntt(&b);
			assert_same(&a, &b);
		}
	}
}

static void each_level_has_the_same_inverse_ntt(void **state)
{
	(void)state;
	FOR_EACH_LEVEL(f)
	{
		for (unsigned i = 0; i < ROUNDS; i++) {
			struct mldsa_poly a, b;

			random_poly(1 - Q, Q - 1, i, &a);
			b = a;
			reference->inverse_ntt(&a);
			f->inverse_ntt(&b);
			assert_same(&a, &b);
		}
	}
}

/* All ones too, whose sums grow furthest. */
static void the_inverse_undoes_the_ntt(void **state)
{
	(void)state;
	for (enum pqc_level level = PQC_PORTABLE; level <= pqc_level_max(); level++) {
		const struct mldsa_kernels *f = mldsa_kernels(level);

		for (unsigned i = 0; i < ROUNDS; i++) {
			struct mldsa_poly a, b, one = { { 0 } };

			random_poly(1 - Q, Q - 1, i, &a);
			for (unsigned j = 0; i == 0 && j < MLDSA_N; j++)
				a.c[j] = Q - 1;
			b = a;
			one.c[0] = 1;
			f->ntt(&one);
			f->ntt(&b);
			f->multiply(&b, &b, &one);
			f->inverse_ntt(&b);
			for (unsigned j = 0; j < MLDSA_N; j++)
				assert_int_equal((a.c[j] - b.c[j]) % Q, 0);
		}
	}
}

static void each_level_has_the_same_products(void **state)
{
	(void)state;
	static struct mldsa_poly a[8], b[8];

	FOR_EACH_LEVEL(f)
	{
		for (unsigned i = 0; i < ROUNDS; i++) {
			struct mldsa_poly expected, got;

			for (unsigned j = 0; j < 8; j++) {
				int32_t most = j == 7 ? 9 * (Q - 1) : Q - 1;

				random_poly(-most, most, i, &a[j]);
				random_poly(-9 * (Q - 1), 9 * (Q - 1), i, &b[j]);
			}
			for (unsigned n = 1; n <= 8; n++) {
				reference->inner_product(&expected, a, b, n);
				f->inner_product(&got, a, b, n);
				assert_same(&expected, &got);
			}
			reference->multiply(&expected, &a[7], &b[7]);
			f->multiply(&got, &a[7], &b[7]);
			assert_same(&expected, &got);
		}
	}
}

static void each_level_rounds_alike(void **state)
{
	(void)state;
	FOR_EACH_LEVEL(f)
	{
		for (unsigned i = 0; i < ROUNDS; i++) {
			int32_t gamma2 = (Q - 1) / (i % 2 ? 88 : 32);
			struct mldsa_poly w, s, hint, high, low, high2, low2;

			random_poly(1 - Q, Q - 1, i, &w);
			random_poly(-4, 4, i, &s);
			random_poly(0, 1, 0, &hint);
			reference->decompose(&w, gamma2, &high, &low);
			f->decompose(&w, gamma2, &high2, &low2);
			assert_same(&high, &high2);
			assert_same(&low, &low2);
			reference->use_hint(&w, &hint, gamma2, &high);
			f->use_hint(&w, &hint, gamma2, &high2);
			assert_same(&high, &high2);
			reference->power2round(&w, &s, &high, &low);
			f->power2round(&w, &s, &high2, &low2);
			assert_same(&high, &high2);
			assert_same(&low, &low2);
		}
	}
}

static void each_level_makes_the_same_hints(void **state)
{
	(void)state;
	FOR_EACH_LEVEL(f)
	{
		for (unsigned i = 0; i < ROUNDS; i++) {
			int32_t gamma2 = (Q - 1) / (i % 2 ? 88 : 32);
			struct mldsa_poly w1, low, product, expected, got;
			unsigned n;

			random_poly(0, 15, i, &w1);
			random_poly(-gamma2, gamma2, i, &low);
			random_poly(-2, 2, i, &product);
			n = reference->make_hint(&w1, &low, &product, gamma2, &expected);
			assert_int_equal(f->make_hint(&w1, &low, &product, gamma2, &got), n);
			assert_same(&expected, &got);
		}
	}
}

/* One coefficient at a time is put at the bound, on either side. */
static void each_level_finds_any_coefficient_out_of_range(void **state)
{
	(void)state;
	for (enum pqc_level level = PQC_PORTABLE; level <= pqc_level_max(); level++) {
		const struct mldsa_kernels *f = mldsa_kernels(level);

		for (unsigned i = 0; i < MLDSA_N; i++) {
			const int32_t bound = 1000;
			struct mldsa_poly inside, sum;
			struct mlkem_poly product;

			random_poly(1 - bound, bound - 1, i, &inside);
			assert_false(f->exceeds(&inside, bound));
			for (unsigned j = 0; j < MLDSA_N; j++)
				product.c[j] = j % 2 ? MLKEM_Q - 7 : 7 - MLKEM_Q; /* -7, 7 */
			sum = inside;
			assert_false(f->add_exceeds(&sum, &product, bound + 7));
			assert_false(f->subtract_exceeds(&sum, &product, bound));
			assert_same(&sum, &inside);
			inside.c[i] = i % 2 ? bound : -bound;
			assert_true(f->exceeds(&inside, bound));
			sum = inside;
			sum.c[i] += product.c[i] > 0 ? -7 : 7;
			assert_true(f->subtract_exceeds(&sum, &product, bound));
			sum = inside;
			sum.c[i] -= product.c[i] > 0 ? -7 : 7;
			assert_true(f->add_exceeds(&sum, &product, bound));
		}
	}
}

/* Too large candidates are as many here as good ones, and at any place. */
static void each_level_rejects_the_same_candidates(void **state)
{
	(void)state;
	FOR_EACH_LEVEL(f)
	{
		for (unsigned i = 0; i < 4 * ROUNDS; i++) {
			uint8_t bytes[5 * SHAKE128_RATE + MLDSA_SLACK];
			int32_t expected[MLDSA_N + 1] = { 0 }, got[MLDSA_N + 1] = { 0 };
			int8_t small[2 * sizeof(bytes)] = { 0 }, small2[2 * sizeof(bytes)] = { 0 };
			unsigned eta = i % 2 ? 2 : 4;
			unsigned n;

			keccak_squeeze(&source, bytes, sizeof(bytes));
			for (unsigned j = 2; j < sizeof(bytes); j += 3)
				if (random_u32() % 8 < i % 8)
					bytes[j - 1] = bytes[j] = 0xff;
			n = reference->reject_uniform(expected, i % 16, bytes, 5 * SHAKE128_RATE);
			assert_int_equal(f->reject_uniform(got, i % 16, bytes, 5 * SHAKE128_RATE),
					 n);
			assert_memory_equal(got, expected, n * sizeof(got[0]));
			assert_int_equal(got[MLDSA_N], 0);
			n = reference->reject_bounded(small, 3, eta, bytes, 2 * SHAKE256_RATE);
			assert_int_equal(
				f->reject_bounded(small2, 3, eta, bytes, 2 * SHAKE256_RATE), n);
			assert_memory_equal(small, small2, n);
		}
	}
}

/* What is packed has the size it should, and nothing is touched or needed beyond. */
static void each_level_packs_alike(void **state)
{
	(void)state;
	static const struct {
		unsigned n_bits;
		int32_t top;
	} fields[] = {
#define FIELD(name, n_bits, top) [MLDSA_##name] = { n_bits, top },
		MLDSA_FIELDS(FIELD)
#undef FIELD
	};

	FOR_EACH_LEVEL(f)
	{
		for (unsigned i = 0; i < MLDSA_N_FIELDS * ROUNDS; i++) {
			unsigned at = i % MLDSA_N_FIELDS;
			size_t len = 32 * (size_t)fields[at].n_bits;
			int32_t top = fields[at].top;
			int32_t most = (1 << fields[at].n_bits) - 1;
			uint8_t expected[32 * 20], got[32 * 20 + 1];
			struct mldsa_poly a, b, c;

			random_poly(top ? top - most : 0, top ? top : most, i / MLDSA_N_FIELDS, &a);
			memset(got, 0x5a, sizeof(got));
			reference->pack[at](&a, expected);
			f->pack[at](&a, got);
			assert_memory_equal(got, expected, len);
			assert_int_equal(got[len], 0x5a);
			reference->unpack[at](expected, &b);
			f->unpack[at](expected, &c);
			assert_same(&b, &a);
			assert_same(&c, &a);
		}
	}
}

/* A key, a signature and its verification of one seed at one level, with all lengths and bytes of
 * the message's and the context's that follow from it. */
struct outcome {
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];
	int verified, refused;
};

static void run_all(enum mldsa_set set, const uint8_t seed[32], struct outcome *ret)
{
	size_t len = seed[0];
	uint8_t message[256], rnd[32], bad[MLDSA_SIG_MAX];

	memset(ret, 0, sizeof(*ret));
	shake256(seed, 31, message, sizeof(message));
	shake256(seed, 30, rnd, sizeof(rnd));
	mldsa_keygen(set, seed, ret->pk, ret->sk);
	assert_int_equal(mldsa_sign(set, ret->sk, message, len, seed, len % 33, rnd, ret->sig), 0);
	ret->verified = mldsa_verify(set, ret->pk, message, len, seed, len % 33, ret->sig);
	memcpy(bad, ret->sig, sizeof(bad));
	bad[seed[1] * (size_t)seed[2] % mldsa_sizes[set].sig_len] ^= (uint8_t)(1 << seed[3] % 8);
	ret->refused = mldsa_verify(set, ret->pk, message, len, seed, len % 33, bad);
}

static void each_level_makes_the_same_keys_and_signatures(void **state)
{
	(void)state;
	static struct outcome expected, got;

	for (unsigned i = 0; i < OPERATIONS; i++) {
		enum mldsa_set set = i % 3;
		uint8_t seed[32];

		keccak_squeeze(&source, seed, sizeof(seed));
		assert_int_equal(pqc_set_level(PQC_PORTABLE), 0);
		run_all(set, seed, &expected);
		assert_int_equal(expected.verified, 0);
		assert_int_equal(expected.refused, -EKEYREJECTED);
		for (enum pqc_level level = PQC_AVX2; level <= pqc_level_max(); level++) {
			assert_int_equal(pqc_set_level(level), 0);
			run_all(set, seed, &got);
			assert_memory_equal(&got, &expected, sizeof(got));
		}
	}
	assert_int_equal(pqc_set_level(pqc_level_max()), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_level_has_the_same_ntt, restart),
		cmocka_unit_test_setup(each_level_has_the_same_inverse_ntt, restart),
		cmocka_unit_test_setup(the_inverse_undoes_the_ntt, restart),
		cmocka_unit_test_setup(each_level_has_the_same_products, restart),
		cmocka_unit_test_setup(each_level_rounds_alike, restart),
		cmocka_unit_test_setup(each_level_makes_the_same_hints, restart),
		cmocka_unit_test_setup(each_level_finds_any_coefficient_out_of_range, restart),
		cmocka_unit_test_setup(each_level_rejects_the_same_candidates, restart),
		cmocka_unit_test_setup(each_level_packs_alike, restart),
		cmocka_unit_test_setup(each_level_makes_the_same_keys_and_signatures, restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

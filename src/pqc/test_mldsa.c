/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "pqc/keccak.h"
#include "pqc/mldsa.h"
#include "pqc/mldsa_encode.h"
#include "pqc/mldsa_poly.h"
#include "pqc/test_levels.h"

#define N_SETS 3

static const uint8_t message[] = "message 0"; /* signed without its NUL */
#define MESSAGE_LEN (sizeof(message) - 1)

/* A key pair from the seed 0, 1, 2, ... and a deterministic signature. */
struct fixture {
	uint8_t seed[32], rnd[32];
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];
};

static void setup(enum mldsa_set set, struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	for (unsigned i = 0; i < sizeof(f->seed); i++)
		f->seed[i] = (uint8_t)i;
	mldsa_keygen(set, f->seed, f->pk, f->sk);
	assert_int_equal(mldsa_sign(set, f->sk, message, MESSAGE_LEN, NULL, 0, f->rnd, f->sig), 0);
}

static int verify(enum mldsa_set set, const struct fixture *f)
{
	return mldsa_verify(set, f->pk, message, MESSAGE_LEN, NULL, 0, f->sig);
}

/* The digests were written down once OpenSSL 3.5 had derived the same public keys from the
 * seeds, verified these signatures and had its own verified here. */
static void each_set_gives_the_known_keys_and_signature(void **state)
{
	(void)state;
	static const char *const digests[N_SETS] = {
		"2cba3cc020983c962ce617c9331712ff7fa024cf03ee8da6b120b2a8216e9e03",
		"847cd7b1db1a3cb4917b5d2321eb135561f413e235fc9365056592f34bd926b7",
		"bba44ea81140e3d0d80dae653ca41d5e77ce3a15de3468118c9be2ed4fef4a11",
	};

	for (enum mldsa_set set = 0; set < N_SETS; set++) {
		uint8_t digest[SHA3_256_LEN], expected[SHA3_256_LEN];
		struct fixture f;
		struct keccak k;

		setup(set, &f);
		sha3_256_init(&k);
		keccak_absorb(&k, f.pk, mldsa_sizes[set].pk_len);
		keccak_absorb(&k, f.sk, mldsa_sizes[set].sk_len);
		keccak_absorb(&k, f.sig, mldsa_sizes[set].sig_len);
		keccak_squeeze(&k, digest, sizeof(digest));
		assert_int_equal(bytes_from_hex(digests[set], expected, sizeof(expected)), 0);
		assert_memory_equal(digest, expected, sizeof(digest));
	}
}

static void what_is_signed_verifies_and_other_messages_do_not(void **state)
{
	(void)state;
	for (enum mldsa_set set = 0; set < N_SETS; set++) {
		struct fixture f;

		setup(set, &f);
		assert_int_equal(verify(set, &f), 0);
		assert_int_equal(mldsa_verify(set, f.pk, message, MESSAGE_LEN - 1, NULL, 0, f.sig),
				 -EKEYREJECTED);
		assert_int_equal(mldsa_verify(set, f.pk, NULL, 0, NULL, 0, f.sig), -EKEYREJECTED);
	}
}

static void hedged_signatures_differ_and_verify(void **state)
{
	(void)state;
	uint8_t deterministic[MLDSA_SIG_MAX];
	struct fixture f;

	setup(MLDSA_65, &f);
	memcpy(deterministic, f.sig, sizeof(deterministic));
	for (uint8_t i = 1; i < 20; i++) {
		f.rnd[0] = i;
		assert_int_equal(
			mldsa_sign(MLDSA_65, f.sk, message, MESSAGE_LEN, NULL, 0, f.rnd, f.sig), 0);
		assert_memory_not_equal(f.sig, deterministic, 48);
		assert_int_equal(verify(MLDSA_65, &f), 0);
	}
}

static void contexts_separate_and_have_a_limit(void **state)
{
	(void)state;
	static const uint8_t ctx[MLDSA_CTX_MAX + 1];
	struct fixture f;

	setup(MLDSA_65, &f);
	assert_int_equal(
		mldsa_sign(MLDSA_65, f.sk, message, MESSAGE_LEN, ctx, MLDSA_CTX_MAX, f.rnd, f.sig),
		0);
	assert_int_equal(
		mldsa_verify(MLDSA_65, f.pk, message, MESSAGE_LEN, ctx, MLDSA_CTX_MAX, f.sig), 0);
	assert_int_equal(verify(MLDSA_65, &f), -EKEYREJECTED);
	assert_int_equal(
		mldsa_verify(MLDSA_65, f.pk, message, MESSAGE_LEN, ctx, MLDSA_CTX_MAX - 1, f.sig),
		-EKEYREJECTED);
	assert_int_equal(
		mldsa_sign(MLDSA_65, f.sk, message, MESSAGE_LEN, ctx, sizeof(ctx), f.rnd, f.sig),
		-EINVAL);
	assert_int_equal(
		mldsa_verify(MLDSA_65, f.pk, message, MESSAGE_LEN, ctx, sizeof(ctx), f.sig),
		-EKEYREJECTED);
}

/* Section 5.2: M' is 0, the context's length, the context, the message. */
static void the_internal_functions_sign_the_same_message(void **state)
{
	(void)state;
	uint8_t m_prime[2 + sizeof(message)] = { 0, 0 };
	uint8_t tr_m[64 + 2 + sizeof(message)], mu[MLDSA_MU_LEN], sig[MLDSA_SIG_MAX];
	struct fixture f;

	setup(MLDSA_65, &f);
	memcpy(m_prime + 2, message, MESSAGE_LEN);
	memcpy(tr_m, f.sk + 64, 64);
	memcpy(tr_m + 64, m_prime, 2 + MESSAGE_LEN);
	shake256(tr_m, 64 + 2 + MESSAGE_LEN, mu, sizeof(mu));
	assert_int_equal(
		mldsa_sign_internal(MLDSA_65, f.sk, m_prime, 2 + MESSAGE_LEN, NULL, f.rnd, sig), 0);
	assert_memory_equal(sig, f.sig, mldsa_sizes[MLDSA_65].sig_len);
	assert_int_equal(mldsa_sign_internal(MLDSA_65, f.sk, NULL, 0, mu, f.rnd, sig), 0);
	assert_memory_equal(sig, f.sig, mldsa_sizes[MLDSA_65].sig_len);
	assert_int_equal(
		mldsa_verify_internal(MLDSA_65, f.pk, m_prime, 2 + MESSAGE_LEN, NULL, f.sig), 0);
	assert_int_equal(mldsa_verify_internal(MLDSA_65, f.pk, NULL, 0, mu, f.sig), 0);
}

static void a_changed_bit_in_any_part_of_a_signature_is_refused(void **state)
{
	(void)state;
	for (enum mldsa_set set = 0; set < N_SETS; set++) {
		const struct mldsa_params *par = &mldsa_params[set];
		size_t z = par->c_tilde_len;
		size_t hint = z + par->l * 32U * par->mask_bits;
		size_t places[] = { 0,
				    z - 1,
				    z,
				    hint - 1,
				    hint,
				    hint + par->omega - 1U,
				    hint + par->omega,
				    mldsa_sizes[set].sig_len - 1 };
		struct fixture f;

		setup(set, &f);
		for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			f.sig[places[i]] ^= 1;
			assert_int_equal(verify(set, &f), -EKEYREJECTED);
			f.sig[places[i]] ^= 1;
		}
		f.pk[40] ^= 1;
		assert_int_equal(verify(set, &f), -EKEYREJECTED);
		f.pk[40] ^= 1;
		f.pk[0] ^= 1;
		assert_int_equal(verify(set, &f), -EKEYREJECTED);
	}
}

/* The largest z that the encoding has room for: gamma1, at or beyond gamma1 - beta. */
static void a_response_out_of_range_is_refused(void **state)
{
	(void)state;
	struct fixture f;

	setup(MLDSA_65, &f);
	memset(f.sig + mldsa_params[MLDSA_65].c_tilde_len, 0, 5);
	assert_int_equal(verify(MLDSA_65, &f), -EKEYREJECTED);
}

static void a_hint_has_one_encoding(void **state)
{
	(void)state;
	const struct mldsa_params *par = &mldsa_params[MLDSA_65];
	const size_t len = (size_t)par->omega + par->k;
	static struct mldsa_poly h[MLDSA_K_MAX], back[MLDSA_K_MAX];
	uint8_t good[MLDSA_HINT_MAX], bad[MLDSA_HINT_MAX];

	memset(h, 0, sizeof(h));
	h[0].c[3] = h[0].c[200] = h[2].c[0] = h[5].c[255] = 1;
	mldsa_encode_hint(par, h, good);
	assert_int_equal(mldsa_decode_hint(par, good, back), 0);
	assert_memory_equal(h, back, par->k * sizeof(h[0]));

	memcpy(bad, good, len);
	bad[0] = 200; /* a place twice */
	assert_int_equal(mldsa_decode_hint(par, bad, back), -EBADMSG);
	bad[0] = 201; /* out of order */
	assert_int_equal(mldsa_decode_hint(par, bad, back), -EBADMSG);
	memcpy(bad, good, len);
	bad[4] = 1; /* padding that is not zero */
	assert_int_equal(mldsa_decode_hint(par, bad, back), -EBADMSG);
	memcpy(bad, good, len);
	bad[par->omega + 1] = 1; /* a count that goes down */
	assert_int_equal(mldsa_decode_hint(par, bad, back), -EBADMSG);
	memcpy(bad, good, len);
	bad[par->omega + 5] = (uint8_t)(par->omega + 1); /* more than omega */
	assert_int_equal(mldsa_decode_hint(par, bad, back), -EBADMSG);
	memset(bad, 0xff, len);
	assert_int_equal(mldsa_decode_hint(par, bad, back), -EBADMSG);
}

static void a_hint_may_be_full(void **state)
{
	(void)state;
	const struct mldsa_params *par = &mldsa_params[MLDSA_65];
	static struct mldsa_poly h[MLDSA_K_MAX], back[MLDSA_K_MAX];
	uint8_t bytes[MLDSA_HINT_MAX];

	memset(h, 0, sizeof(h));
	for (unsigned i = 0; i < par->omega; i++)
		h[1].c[i] = 1;
	mldsa_encode_hint(par, h, bytes);
	assert_int_equal(mldsa_decode_hint(par, bytes, back), 0);
	assert_memory_equal(h, back, par->k * sizeof(h[0]));
}

static void a_public_key_follows_from_its_private_key(void **state)
{
	(void)state;
	for (enum mldsa_set set = 0; set < N_SETS; set++) {
		uint8_t pk[MLDSA_PK_MAX];
		struct fixture f;

		setup(set, &f);
		assert_int_equal(mldsa_public_from_secret(set, f.sk, pk), 0);
		assert_memory_equal(pk, f.pk, mldsa_sizes[set].pk_len);
	}
}

static void a_malformed_private_key_is_refused(void **state)
{
	(void)state;
	for (enum mldsa_set set = 0; set < N_SETS; set++) {
		const struct mldsa_params *par = &mldsa_params[set];
		size_t s2 = 128 + par->l * 32U * par->secret_bits;
		size_t t0 = s2 + par->k * 32U * par->secret_bits;
		size_t out_of_range[] = { 128, s2, t0 - 1 };
		size_t not_matching[] = { 0, 64, 127, t0, mldsa_sizes[set].sk_len - 1 };
		uint8_t pk[MLDSA_PK_MAX] = { 0 }, sig[MLDSA_SIG_MAX];
		struct fixture f;

		setup(set, &f);
		for (unsigned i = 0; i < 3; i++) {
			uint8_t kept = f.sk[out_of_range[i]];

			f.sk[out_of_range[i]] = 0xff;
			assert_int_equal(
				mldsa_sign(set, f.sk, message, MESSAGE_LEN, NULL, 0, f.rnd, sig),
				-EINVAL);
			assert_int_equal(mldsa_public_from_secret(set, f.sk, pk), -EKEYREJECTED);
			f.sk[out_of_range[i]] = kept;
		}
		for (unsigned i = 0; i < 5; i++) {
			f.sk[not_matching[i]] ^= 1;
			assert_int_equal(mldsa_public_from_secret(set, f.sk, pk), -EKEYREJECTED);
			f.sk[not_matching[i]] ^= 1;
		}
		assert_int_equal(pk[0], 0); /* untouched */
	}
}

/* Algorithm 36 by division, on the edges of every interval. */
static void decomposition_is_that_of_the_standard(void **state)
{
	(void)state;
	static const int32_t gammas[] = { (MLDSA_Q - 1) / 88, (MLDSA_Q - 1) / 32 };

	for (unsigned g = 0; g < 2; g++) {
		int32_t alpha = 2 * gammas[g];

		for (int32_t edge = 0; edge < MLDSA_Q; edge += alpha / 2) {
			static struct mldsa_poly r, high, low;

			for (int32_t i = 0; i < MLDSA_N; i++)
				r.c[i] = (edge + i - 128 + MLDSA_Q) % MLDSA_Q;
			mldsa_kernels(pqc_level())->decompose(&r, gammas[g], &high, &low);
			for (int32_t i = 0; i < MLDSA_N; i++) {
				int32_t r0 = r.c[i] % alpha;
				int32_t r1;

				r0 -= r0 > alpha / 2 ? alpha : 0;
				r1 = (r.c[i] - r0) / alpha;
				if (r.c[i] - r0 == MLDSA_Q - 1) {
					r1 = 0;
					r0--;
				}
				assert_int_equal(high.c[i], r1);
				assert_int_equal(low.c[i], r0);
			}
		}
	}
}

/* HighBits (algorithm 37) by division. */
static int32_t high_bits(int32_t r, int32_t gamma2)
{
	int32_t r0;

	r = (r % MLDSA_Q + MLDSA_Q) % MLDSA_Q;
	r0 = r % (2 * gamma2);
	r0 -= r0 > gamma2 ? 2 * gamma2 : 0;
	return r - r0 == MLDSA_Q - 1 ? 0 : (r - r0) / (2 * gamma2);
}

/* Algorithms 39 and 40 on the edges of every interval: a hint is one where adding z changes the
 * high bits of r, and with it they are found again from r + z. */
static void hints_are_those_of_the_standard(void **state)
{
	(void)state;
	static const int32_t gammas[] = { (MLDSA_Q - 1) / 88, (MLDSA_Q - 1) / 32 };
	const struct mldsa_kernels *f = mldsa_kernels(pqc_level());
	static struct mldsa_poly r, high, low, z, sum, hint, found;

	for (unsigned g = 0; g < 2; g++) {
		int32_t gamma2 = gammas[g];

		for (int32_t edge = 0; edge < MLDSA_Q; edge += gamma2) {
			for (int32_t i = 0; i < MLDSA_N; i++) {
				r.c[i] = (edge + i / 16 - 8 + MLDSA_Q) % MLDSA_Q;
				z.c[i] = i % 16 - 8;
				sum.c[i] = (r.c[i] + z.c[i] + MLDSA_Q) % MLDSA_Q;
			}
			f->decompose(&r, gamma2, &high, &low);
			(void)f->make_hint(&high, &low, &z, gamma2, &hint);
			f->use_hint(&sum, &hint, gamma2, &found);
			for (int32_t i = 0; i < MLDSA_N; i++) {
				int32_t before = high_bits(r.c[i], gamma2);

				assert_int_equal(hint.c[i], before != high_bits(sum.c[i], gamma2));
				assert_int_equal(found.c[i], before);
			}
		}
	}
}

/* Algorithm 35 by division, on the edges of every interval. */
static void halves_of_t_are_those_of_the_standard(void **state)
{
	(void)state;
	const struct mldsa_kernels *f = mldsa_kernels(pqc_level());
	static struct mldsa_poly t, s, high, low;

	for (int32_t edge = 0; edge < MLDSA_Q; edge += 1 << (MLDSA_D - 1)) {
		for (int32_t i = 0; i < MLDSA_N; i++) {
			t.c[i] = (edge + i - 128) % MLDSA_Q; /* may be negative */
			s.c[i] = i % 9 - 4;
		}
		f->power2round(&t, &s, &high, &low);
		for (int32_t i = 0; i < MLDSA_N; i++) {
			int32_t r = (t.c[i] + s.c[i] + MLDSA_Q) % MLDSA_Q;
			int32_t r0 = r % (1 << MLDSA_D);

			r0 -= r0 > 1 << (MLDSA_D - 1) ? 1 << MLDSA_D : 0;
			assert_int_equal(low.c[i], r0);
			assert_int_equal(high.c[i], (r - r0) >> MLDSA_D);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_set_gives_the_known_keys_and_signature),
		cmocka_unit_test(what_is_signed_verifies_and_other_messages_do_not),
		cmocka_unit_test(hedged_signatures_differ_and_verify),
		cmocka_unit_test(contexts_separate_and_have_a_limit),
		cmocka_unit_test(the_internal_functions_sign_the_same_message),
		cmocka_unit_test(a_changed_bit_in_any_part_of_a_signature_is_refused),
		cmocka_unit_test(a_response_out_of_range_is_refused),
		cmocka_unit_test(a_hint_has_one_encoding),
		cmocka_unit_test(a_hint_may_be_full),
		cmocka_unit_test(a_public_key_follows_from_its_private_key),
		cmocka_unit_test(a_malformed_private_key_is_refused),
		cmocka_unit_test(decomposition_is_that_of_the_standard),
		cmocka_unit_test(hints_are_those_of_the_standard),
		cmocka_unit_test(halves_of_t_are_those_of_the_standard),
	};

	return run_at_each_level(tests, sizeof(tests) / sizeof(tests[0]));
}

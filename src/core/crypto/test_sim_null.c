/* SPDX-License-Identifier: Apache-2.0 */
/* sim-null keeps the promises that crypto.h makes, but for the one that matters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/crypto/sim_null.h"

static const uint8_t seed_a[32] = { 1 }, seed_b[32] = { 2 }, seed_c[32] = { 3 };

static void both_ends_of_an_exchange_agree(void **state)
{
	(void)state;
	const struct crypto_ops *ops = sim_null_ops();
	const uint8_t zero[32] = { 0 };
	uint8_t a[32], b[32], ab[32], ba[32], ca[32];

	assert_int_equal(ops->x25519_public(seed_a, a), 0);
	assert_int_equal(ops->x25519_public(seed_b, b), 0);
	assert_int_equal(ops->x25519(seed_a, b, ab), 0);
	assert_int_equal(ops->x25519(seed_b, a, ba), 0);
	assert_int_equal(ops->x25519(seed_c, a, ca), 0);
	assert_memory_equal(ab, ba, 32);
	assert_memory_not_equal(ab, ca, 32);
	assert_int_equal(ops->x25519(seed_a, zero, ab), -EKEYREJECTED);
}

static void a_secret_is_decapsulated_and_a_changed_one_implicitly_rejected(void **state)
{
	(void)state;
	const struct crypto_ops *ops = sim_null_ops();
	static uint8_t ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN];
	uint8_t ss[32], again[32];

	assert_int_equal(ops->mlkem768_keygen(seed_a, seed_b, ek, dk), 0);
	assert_int_equal(ops->mlkem768_encaps(ek, seed_c, ct, ss), 0);
	assert_int_equal(ops->mlkem768_decaps(dk, ct, again), 0);
	assert_memory_equal(ss, again, 32);
	ct[500] ^= 1;
	assert_int_equal(ops->mlkem768_decaps(dk, ct, again), 0);
	assert_memory_not_equal(ss, again, 32);
	ek[0] = 0xff;
	ek[1] |= 0x0f;
	assert_int_equal(ops->mlkem768_encaps(ek, seed_c, ct, ss), -EKEYREJECTED);
}

static void a_signature_is_for_one_message_context_and_key(void **state)
{
	(void)state;
	const struct crypto_ops *ops = sim_null_ops();
	struct signing_key *key = sim_null_key_new(seed_a);
	static uint8_t sig[MLDSA65_SIG_LEN], pk[MLDSA65_PK_LEN];
	const struct span m = SPAN_STR("message"), c = SPAN_STR("context");

	ops->signing_key_public(key, pk);
	assert_int_equal(ops->mldsa65_sign(key, m, c, seed_c, sig), 0);
	assert_int_equal(ops->mldsa65_verify(pk, m, c, sig), 0);
	assert_int_equal(ops->mldsa65_verify(pk, c, c, sig), -EKEYREJECTED);
	assert_int_equal(ops->mldsa65_verify(pk, m, m, sig), -EKEYREJECTED);
	sig[3000] ^= 1;
	assert_int_equal(ops->mldsa65_verify(pk, m, c, sig), -EKEYREJECTED);
	sig[3000] ^= 1;
	pk[0] ^= 1;
	assert_int_equal(ops->mldsa65_verify(pk, m, c, sig), -EKEYREJECTED);
	sim_null_key_free(key);
}

static void a_seal_opens_with_the_same_key_nonce_and_data_only(void **state)
{
	(void)state;
	const struct crypto_ops *ops = sim_null_ops();
	struct aead *one = ops->aead_new(AEAD_AES_256_GCM, seed_a);
	struct aead *other = ops->aead_new(AEAD_CHACHA20_POLY1305, seed_a);
	const uint8_t nonce[12] = { 1 }, nonce2[12] = { 2 };
	const struct span ad = SPAN_STR("data"), text = SPAN_STR("a text of some length");
	uint8_t sealed[64], opened[64];
	const struct span s = SPAN(sealed, text.len + AEAD_TAG_LEN);

	assert_int_equal(ops->aead_seal(one, nonce, ad, text, sealed), 0);
	assert_memory_not_equal(sealed, text.at, text.len);
	assert_int_equal(ops->aead_open(one, nonce, ad, s, opened), 0);
	assert_memory_equal(opened, text.at, text.len);
	assert_int_equal(ops->aead_open(other, nonce, ad, s, opened), -EKEYREJECTED);
	assert_int_equal(ops->aead_open(one, nonce2, ad, s, opened), -EKEYREJECTED);
	assert_int_equal(ops->aead_open(one, nonce, text, s, opened), -EKEYREJECTED);
	assert_int_equal(ops->aead_open(one, nonce, ad, SPAN(sealed, 5), opened), -EKEYREJECTED);
	assert_int_equal(ops->aead_open(one, nonce, ad, s, sealed), 0); /* in place */
	assert_memory_equal(sealed, text.at, text.len);
	ops->aead_free(one);
	ops->aead_free(other);
	ops->aead_free(NULL);
}

static void a_certificate_leads_to_the_root_that_issued_it(void **state)
{
	(void)state;
	const struct crypto_ops *ops = sim_null_ops();
	struct signing_key *root_key = sim_null_key_new(seed_a), *key = sim_null_key_new(seed_b);
	static uint8_t root[SIM_NULL_CERT_LEN], other[SIM_NULL_CERT_LEN], leaf[SIM_NULL_CERT_LEN];
	static uint8_t csr[SIM_NULL_CSR_LEN], pk[MLDSA65_PK_LEN], wanted[MLDSA65_PK_LEN];
	struct sim_null_subject s = { .uri = "", .key = root_key, .is_ca = true, .not_after_s = 9 };
	const struct span chain = SPAN_OF(leaf), roots[] = { SPAN_OF(root), SPAN_OF(other) };
	struct cert cert;
	const char *why;

	sim_null_cert(&s, root_key, root);
	s.key = key;
	sim_null_cert(&s, key, other);
	s = (struct sim_null_subject){ .uri = "spiffe://d/node/a", .key = key, .not_after_s = 5 };
	sim_null_cert(&s, root_key, leaf);
	assert_int_equal(ops->cert_read(SPAN_OF(leaf), &cert), 0);
	assert_string_equal(cert.uri, "spiffe://d/node/a");
	assert_false(cert.is_ca);
	assert_true(cert.not_after_s == 5);
	assert_int_equal(ops->path_verify(&chain, 1, roots, 1, 4, &why), 0);
	assert_int_equal(ops->path_verify(&chain, 1, roots + 1, 1, 4, &why), -EKEYREJECTED);
	assert_int_equal(ops->path_verify(&chain, 1, roots, 1, 10, &why), -EKEYREJECTED);
	leaf[20] ^= 1;
	assert_int_equal(ops->path_verify(&chain, 1, roots, 1, 4, &why), -EKEYREJECTED);
	assert_int_equal(ops->cert_read(SPAN(leaf, 100), &cert), -EBADMSG);

	sim_null_csr(key, csr);
	ops->signing_key_public(key, wanted);
	assert_int_equal(ops->csr_read(SPAN_OF(csr), pk), 0);
	assert_memory_equal(pk, wanted, sizeof(pk));
	csr[3000] ^= 1;
	assert_int_equal(ops->csr_read(SPAN_OF(csr), pk), -EKEYREJECTED);
	sim_null_key_free(root_key);
	sim_null_key_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_of_an_exchange_agree),
		cmocka_unit_test(a_secret_is_decapsulated_and_a_changed_one_implicitly_rejected),
		cmocka_unit_test(a_signature_is_for_one_message_context_and_key),
		cmocka_unit_test(a_seal_opens_with_the_same_key_nonce_and_data_only),
		cmocka_unit_test(a_certificate_leads_to_the_root_that_issued_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The provider through plain EVP calls, as any user of OpenSSL would make them. It is loaded
 * by hand into contexts of its own here, whatever the library at hand has itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/provider.h>

#include "shell/openssl/library.h"
#include "shell/openssl/x0pq.h"

#define OURS "provider=" X0PQ_NAME

static const char *const kems[] = { "ML-KEM-512", "ML-KEM-768", "ML-KEM-1024" };
static const char *const signatures[] = { "ML-DSA-44", "ML-DSA-65", "ML-DSA-87" };
static OSSL_LIB_CTX *lib;
static OSSL_PROVIDER *providers[2];

static int load(void **state)
{
	(void)state;
	lib = OSSL_LIB_CTX_new();
	if (!lib || !OSSL_PROVIDER_add_builtin(lib, X0PQ_NAME, x0pq_provider_init))
		return -1;
	providers[0] = OSSL_PROVIDER_load(lib, "default");
	providers[1] = OSSL_PROVIDER_load(lib, X0PQ_NAME);
	return providers[0] && providers[1] ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	(void)OSSL_PROVIDER_unload(providers[1]);
	(void)OSSL_PROVIDER_unload(providers[0]);
	OSSL_LIB_CTX_free(lib); /* the sanitizer sees what is left */
	return 0;
}

static EVP_PKEY *generate_with(const char *name, const uint8_t *seed, size_t seed_len)
{
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, name, OURS);
	EVP_PKEY *key = NULL;

	assert_non_null(ctx);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	if (seed)
		params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED,
							      (void *)(uintptr_t)seed, seed_len);
	if (EVP_PKEY_CTX_set_params(ctx, params) == 1)
		(void)EVP_PKEY_generate(ctx, &key);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *generate(const char *name)
{
	EVP_PKEY *key = generate_with(name, NULL, 0);

	assert_non_null(key);
	return key;
}

static int validate(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, key, OURS);
	int r = EVP_PKEY_pairwise_check(ctx);

	EVP_PKEY_CTX_free(ctx);
	return r;
}

static void the_seed_decides_the_key_and_a_wrong_length_is_refused(void **state)
{
	(void)state;
	const uint8_t seed[64] = { 1, 2, 3 };
	EVP_PKEY *a = generate_with("ML-KEM-768", seed, 64);
	EVP_PKEY *b = generate_with("ML-KEM-768", seed, 64);
	EVP_PKEY *c = generate("ML-KEM-768");
	uint8_t back[64];
	size_t len = 0;

	assert_non_null(a);
	assert_int_equal(EVP_PKEY_eq(a, b), 1);
	assert_int_equal(EVP_PKEY_eq(a, c), 0);
	assert_int_equal(EVP_PKEY_get_octet_string_param(a, OSSL_PKEY_PARAM_ML_KEM_SEED, back,
							 sizeof(back), &len),
			 1);
	assert_memory_equal(back, seed, sizeof(seed));
	assert_null(generate_with("ML-KEM-768", seed, 63));
	assert_null(generate_with("ML-DSA-65", seed, 33));
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	EVP_PKEY_free(c);
}

static size_t encapsulate(EVP_PKEY *key, const uint8_t *ikme, uint8_t *ct, uint8_t ss[32])
{
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, key, OURS);
	size_t ct_len = 0;
	size_t ss_len = 0;

	if (ikme)
		params[0] = OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME,
							      (void *)(uintptr_t)ikme, 32);
	assert_int_equal(EVP_PKEY_encapsulate_init(ctx, params), 1);
	assert_int_equal(EVP_PKEY_encapsulate(ctx, NULL, &ct_len, NULL, &ss_len), 1);
	assert_int_equal(ss_len, 32);
	assert_int_equal(EVP_PKEY_encapsulate(ctx, ct, &ct_len, ss, &ss_len), 1);
	EVP_PKEY_CTX_free(ctx);
	return ct_len;
}

static int decapsulate(EVP_PKEY *key, const uint8_t *ct, size_t ct_len, uint8_t ss[32])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, key, OURS);
	size_t ss_len = 32;
	int r;

	assert_int_equal(EVP_PKEY_decapsulate_init(ctx, NULL), 1);
	r = EVP_PKEY_decapsulate(ctx, ss, &ss_len, ct, ct_len);
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static void both_sides_of_each_kem_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(kems); i++) {
		EVP_PKEY *key = generate(kems[i]);
		uint8_t ct[1568];
		uint8_t ours[32];
		uint8_t theirs[32];
		size_t len = encapsulate(key, NULL, ct, ours);

		assert_int_equal(len, EVP_PKEY_get_size(key));
		assert_int_equal(decapsulate(key, ct, len, theirs), 1);
		assert_memory_equal(ours, theirs, 32);
		ct[7] ^= 1; /* implicit rejection: a secret, but another one */
		assert_int_equal(decapsulate(key, ct, len, theirs), 1);
		assert_memory_not_equal(ours, theirs, 32);
		assert_int_not_equal(decapsulate(key, ct, len - 1, theirs), 1);
		assert_int_equal(validate(key), 1);
		EVP_PKEY_free(key);
	}
}

static void ikme_makes_encapsulation_deterministic(void **state)
{
	(void)state;
	const uint8_t ikme[32] = { 5 };
	EVP_PKEY *key = generate("ML-KEM-768");
	uint8_t one[1088];
	uint8_t other[1088];
	uint8_t ss[32];

	(void)encapsulate(key, ikme, one, ss);
	(void)encapsulate(key, ikme, other, ss);
	assert_memory_equal(one, other, sizeof(one));
	(void)encapsulate(key, NULL, other, ss);
	assert_memory_not_equal(one, other, sizeof(one));
	EVP_PKEY_free(key);
}

struct options {
	const char *context;
	int is_deterministic;
	int is_mu;
};

static EVP_MD_CTX *signing(EVP_PKEY *key, const struct options *o, bool verifies)
{
	OSSL_PARAM params[4];
	unsigned n = 0;
	int is_deterministic = o->is_deterministic;
	int is_mu = o->is_mu;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (o->context)
		params[n++] = OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING,
								(void *)(uintptr_t)o->context,
								strlen(o->context));
	params[n++] =
		OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_DETERMINISTIC, &is_deterministic);
	params[n++] = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_MU, &is_mu);
	params[n] = OSSL_PARAM_construct_end();
	if ((verifies ? EVP_DigestVerifyInit_ex : EVP_DigestSignInit_ex)(ctx, NULL, NULL, lib, OURS,
									 key, params) == 1)
		return ctx;
	EVP_MD_CTX_free(ctx);
	return NULL;
}

static void sign(EVP_PKEY *key, const struct options *o, struct span m, uint8_t *sig, size_t *len)
{
	EVP_MD_CTX *ctx = signing(key, o, false);

	assert_non_null(ctx);
	assert_int_equal(EVP_DigestSign(ctx, NULL, len, m.at, m.len), 1);
	assert_int_equal(*len, EVP_PKEY_get_size(key));
	assert_int_equal(EVP_DigestSign(ctx, sig, len, m.at, m.len), 1);
	EVP_MD_CTX_free(ctx);
}

static int verify(EVP_PKEY *key, const struct options *o, struct span m, const uint8_t *sig,
		  size_t len)
{
	EVP_MD_CTX *ctx = signing(key, o, true);
	int r;

	assert_non_null(ctx);
	r = EVP_DigestVerify(ctx, sig, len, m.at, m.len);
	EVP_MD_CTX_free(ctx);
	return r;
}

static void each_signature_verifies_and_no_changed_one(void **state)
{
	(void)state;
	const struct options plain = { 0 };
	const struct span m = SPAN_STR("a message");

	for (size_t i = 0; i < N_ELEMENTS(signatures); i++) {
		EVP_PKEY *key = generate(signatures[i]);
		uint8_t sig[4627];
		size_t len = 0;

		sign(key, &plain, m, sig, &len);
		assert_int_equal(verify(key, &plain, m, sig, len), 1);
		assert_int_not_equal(verify(key, &plain, SPAN_STR("a massage"), sig, len), 1);
		assert_int_not_equal(verify(key, &plain, m, sig, len - 1), 1);
		sig[len / 2] ^= 4;
		assert_int_not_equal(verify(key, &plain, m, sig, len), 1);
		assert_int_equal(validate(key), 1);
		EVP_PKEY_free(key);
	}
}

static void signatures_are_hedged_unless_asked_otherwise(void **state)
{
	(void)state;
	const struct options hedged = { 0 };
	const struct options fixed = { .is_deterministic = 1 };
	EVP_PKEY *key = generate("ML-DSA-44");
	uint8_t one[4627];
	uint8_t other[4627];
	size_t len = 0;

	sign(key, &hedged, SPAN_STR("m"), one, &len);
	sign(key, &hedged, SPAN_STR("m"), other, &len);
	assert_memory_not_equal(one, other, len);
	sign(key, &fixed, SPAN_STR("m"), one, &len);
	sign(key, &fixed, SPAN_STR("m"), other, &len);
	assert_memory_equal(one, other, len);
	EVP_PKEY_free(key);
}

static void a_signature_holds_in_its_context_alone(void **state)
{
	(void)state;
	const struct options mine = { .context = "mine" };
	const struct options yours = { .context = "yours" };
	const struct options none = { 0 };
	EVP_PKEY *key = generate("ML-DSA-65");
	char text[257];
	const struct options longest = { .context = text };
	uint8_t sig[4627];
	size_t len = 0;

	sign(key, &mine, SPAN_STR("m"), sig, &len);
	assert_int_equal(verify(key, &mine, SPAN_STR("m"), sig, len), 1);
	assert_int_not_equal(verify(key, &yours, SPAN_STR("m"), sig, len), 1);
	assert_int_not_equal(verify(key, &none, SPAN_STR("m"), sig, len), 1);
	memset(text, 'c', sizeof(text));
	text[255] = '\0';
	sign(key, &longest, SPAN_STR("m"), sig, &len);
	text[255] = 'c';
	text[256] = '\0';
	assert_null(signing(key, &longest, false)); /* 256 bytes */
	EVP_PKEY_free(key);
}

static void mu_has_64_bytes(void **state)
{
	(void)state;
	const uint8_t mu[64] = { 7 };
	const struct options by_mu = { .is_mu = 1 };
	EVP_PKEY *key = generate("ML-DSA-65");
	uint8_t sig[4627];
	size_t len = 0;

	sign(key, &by_mu, SPAN_OF(mu), sig, &len);
	assert_int_equal(verify(key, &by_mu, SPAN_OF(mu), sig, len), 1);
	assert_int_not_equal(verify(key, &by_mu, SPAN(mu, 63), sig, len), 1);
	EVP_PKEY_free(key);
}

static void a_digest_is_refused(void **state)
{
	(void)state;
	EVP_PKEY *key = generate("ML-DSA-65");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_int_not_equal(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", lib, OURS, key, NULL), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

/* ---- encodings ---- */

static EVP_PKEY *decode(const char *format, const char *structure, struct span in)
{
	EVP_PKEY *key = NULL;
	OSSL_DECODER_CTX *ctx =
		OSSL_DECODER_CTX_new_for_pkey(&key, format, structure, NULL, 0, lib, OURS);
	const unsigned char *at = in.at;
	size_t len = in.len;

	assert_non_null(ctx);
	(void)OSSL_DECODER_from_data(ctx, &at, &len);
	OSSL_DECODER_CTX_free(ctx);
	return key;
}

static struct span encode(EVP_PKEY *key, const char *format, const char *structure)
{
	int selection =
		strcmp(structure, "PrivateKeyInfo") == 0 ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
	OSSL_ENCODER_CTX *ctx =
		OSSL_ENCODER_CTX_new_for_pkey(key, selection, format, structure, OURS);
	unsigned char *at = NULL;
	size_t len = 0;

	assert_non_null(ctx);
	assert_int_equal(OSSL_ENCODER_to_data(ctx, &at, &len), 1);
	OSSL_ENCODER_CTX_free(ctx);
	return SPAN(at, len);
}

static void round_trip(EVP_PKEY *key, const char *format, const char *structure)
{
	/* PEM is taken apart by the default provider, so only DER can be asked of ours alone. */
	struct span file = encode(key, format, structure);
	const unsigned char *at = file.at;
	size_t len = file.len;
	EVP_PKEY *back = NULL;
	OSSL_DECODER_CTX *ctx =
		OSSL_DECODER_CTX_new_for_pkey(&back, NULL, NULL, NULL, 0, lib, NULL);

	assert_int_equal(OSSL_DECODER_from_data(ctx, &at, &len), 1);
	assert_non_null(back);
	assert_int_equal(EVP_PKEY_eq(key, back), 1);
	OSSL_DECODER_CTX_free(ctx);
	EVP_PKEY_free(back);
	OPENSSL_free((void *)(uintptr_t)file.at);
}

static void every_key_comes_back_from_der_and_pem(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		EVP_PKEY *key = generate(i < 3 ? kems[i] : signatures[i - 3]);

		round_trip(key, "DER", "PrivateKeyInfo");
		round_trip(key, "PEM", "PrivateKeyInfo");
		round_trip(key, "DER", "SubjectPublicKeyInfo");
		round_trip(key, "PEM", "SubjectPublicKeyInfo");
		EVP_PKEY_free(key);
	}
}

static void a_damaged_key_is_refused_at_every_byte_cut(void **state)
{
	(void)state;
	EVP_PKEY *key = generate("ML-DSA-44");
	struct span file = encode(key, "DER", "PrivateKeyInfo");
	EVP_PKEY *back;

	for (size_t len = 0; len < file.len; len += len < 64 ? 1 : 97)
		assert_null(decode("DER", "PrivateKeyInfo", SPAN(file.at, len)));
	/* both forms, disagreeing: the last byte of the expanded key changed */
	((uint8_t *)(uintptr_t)file.at)[file.len - 1] ^= 1;
	assert_null(decode("DER", "PrivateKeyInfo", file));
	((uint8_t *)(uintptr_t)file.at)[file.len - 1] ^= 1;
	back = decode("DER", "PrivateKeyInfo", file);
	assert_non_null(back);
	EVP_PKEY_free(back);
	EVP_PKEY_free(key);
	OPENSSL_free((void *)(uintptr_t)file.at);
}

static EVP_PKEY *import(const char *name, const char *part, struct span value)
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(part, (void *)(uintptr_t)value.at,
								  value.len),
				OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, name, OURS);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void raw_keys_are_checked_on_import(void **state)
{
	(void)state;
	EVP_PKEY *key = generate("ML-KEM-768");
	EVP_PKEY *back;
	uint8_t ek[1184];
	uint8_t dk[2400];
	size_t len = 0;

	assert_int_equal(EVP_PKEY_get_octet_string_param(key, "pub", ek, sizeof(ek), &len), 1);
	assert_int_equal(EVP_PKEY_get_octet_string_param(key, "priv", dk, sizeof(dk), &len), 1);
	back = import("ML-KEM-768", "priv", SPAN_OF(dk));
	assert_int_equal(EVP_PKEY_eq(key, back), 1); /* the public half is inside */
	EVP_PKEY_free(back);
	assert_null(import("ML-KEM-768", "priv", SPAN(dk, 2399)));
	dk[2400 - 40] ^= 1; /* H(ek) */
	assert_null(import("ML-KEM-768", "priv", SPAN_OF(dk)));
	ek[0] = 0xff; /* with the next nibble, 4095: not below q = 3329 */
	ek[1] |= 0x0f;
	assert_null(import("ML-KEM-768", "pub", SPAN_OF(ek)));
	assert_null(import("ML-KEM-768", "pub", SPAN(ek, 1183)));
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seed_decides_the_key_and_a_wrong_length_is_refused),
		cmocka_unit_test(both_sides_of_each_kem_agree),
		cmocka_unit_test(ikme_makes_encapsulation_deterministic),
		cmocka_unit_test(each_signature_verifies_and_no_changed_one),
		cmocka_unit_test(signatures_are_hedged_unless_asked_otherwise),
		cmocka_unit_test(a_signature_holds_in_its_context_alone),
		cmocka_unit_test(mu_has_64_bytes),
		cmocka_unit_test(a_digest_is_refused),
		cmocka_unit_test(every_key_comes_back_from_der_and_pem),
		cmocka_unit_test(a_damaged_key_is_refused_at_every_byte_cut),
		cmocka_unit_test(raw_keys_are_checked_on_import),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/pem.h>

#include "shell/openssl/library.h"

#define EXPANDED_LEN 4032

static const struct crypto_ops *ops;
static const uint8_t seed[32] = { 0, 1, 2, 3, 4, 5 };
static uint8_t expanded[EXPANDED_LEN];
static uint8_t public[MLDSA65_PK_LEN];

static int make_key(void **state)
{
	const char *error = NULL;
	struct signing_key *key = NULL;
	size_t len = 0;
	int r;

	(void)state;
	ops = openssl_crypto_ops(&error);
	if (!ops) {
		(void)fprintf(stderr, "%s\n", error);
		return -1;
	}
	if (signing_key_from_seed(seed, &key) < 0)
		return -1;
	ops->signing_key_public(key, public);
	r = EVP_PKEY_get_octet_string_param(key->pkey, "priv", expanded, sizeof(expanded), &len);
	signing_key_free(key);
	return r == 1 && len == sizeof(expanded) ? 0 : -1;
}

/* The DER of RFC 9881 section 6 by hand, so that no encoder of ours is trusted for it. */
static void tlv(struct writer *w, uint8_t tag, size_t len)
{
	write_u8(w, tag);
	if (len >= 256) {
		write_u8(w, 0x82);
		write_u16(w, (uint16_t)len);
	} else {
		assert_true(len < 128);
		write_u8(w, (uint8_t)len);
	}
}

static void head(struct writer *w, size_t inner_len)
{
	static const uint8_t version_and_algorithm[] = {
		2, 1, 0, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 0x12,
	};
	size_t tag_len = inner_len >= 256 ? 4 : 2;

	tlv(w, 0x30, sizeof(version_and_algorithm) + tag_len + inner_len);
	write_bytes(w, version_and_algorithm, sizeof(version_and_algorithm));
	tlv(w, 0x04, inner_len);
}

static void write_seed_only(struct writer *w)
{
	head(w, 34);
	tlv(w, 0x80, 32);
	write_bytes(w, seed, 32);
}

static void write_expanded(struct writer *w)
{
	head(w, 4 + EXPANDED_LEN);
	tlv(w, 0x04, EXPANDED_LEN);
	write_bytes(w, expanded, EXPANDED_LEN);
}

static void write_both(struct writer *w)
{
	head(w, 4 + 34 + 4 + EXPANDED_LEN);
	tlv(w, 0x30, 34 + 4 + EXPANDED_LEN);
	tlv(w, 0x04, 32);
	write_bytes(w, seed, 32);
	tlv(w, 0x04, EXPANDED_LEN);
	write_bytes(w, expanded, EXPANDED_LEN);
}

static void assert_loads(struct span file)
{
	struct signing_key *key = NULL;
	uint8_t pk[MLDSA65_PK_LEN];

	assert_int_equal(signing_key_load(file, KEY_MLDSA65, &key), 0);
	assert_int_equal(signing_key_kind(key), KEY_MLDSA65);
	ops->signing_key_public(key, pk);
	assert_memory_equal(pk, public, sizeof(pk));
	signing_key_free(key);
}

static void assert_refused(struct span file, int want)
{
	struct signing_key *key = NULL;

	assert_int_equal(signing_key_load(file, KEY_MLDSA65, &key), want);
	assert_null(key);
}

static void all_three_forms_load(void **state)
{
	(void)state;
	void (*const forms[])(struct writer *) = { write_seed_only, write_expanded, write_both };

	for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
		uint8_t der[8192];
		struct writer w = writer_of(der, sizeof(der));

		forms[i](&w);
		assert_false(w.overrun);
		assert_loads(SPAN(der, w.len));
		der[w.len] = 0; /* a byte behind it */
		assert_refused(SPAN(der, w.len + 1), -EBADMSG);
		for (size_t len = 0; len < w.len; len += 37)
			assert_refused(SPAN(der, len), -EBADMSG);
	}
}

static void forms_that_disagree_are_refused(void **state)
{
	(void)state;
	uint8_t der[8192];
	struct writer w = writer_of(der, sizeof(der));

	write_both(&w);
	der[w.len - 1] ^= 1;
	assert_refused(SPAN(der, w.len), -EBADMSG);
	der[w.len - 1] ^= 1;
	der[w.len - EXPANDED_LEN - 5] ^= 1; /* the seed's last byte */
	assert_refused(SPAN(der, w.len), -EBADMSG);
}

static void a_malformed_expanded_key_is_refused(void **state)
{
	(void)state;
	uint8_t der[8192];
	struct writer w = writer_of(der, sizeof(der));

	write_expanded(&w);
	uint8_t *sk = der + w.len - EXPANDED_LEN;

	sk[64] ^= 1; /* tr, the hash of the public key */
	assert_refused(SPAN(der, w.len), -EBADMSG);
	sk[64] ^= 1;
	sk[128] = 0xff; /* s1: a nibble over 2 eta */
	assert_refused(SPAN(der, w.len), -EBADMSG);
}

static void what_is_written_loads_and_signs(void **state)
{
	(void)state;
	struct signing_key *key = NULL;
	struct signing_key *back = NULL;
	struct buffer pem = { 0 };
	const uint8_t rnd[32] = { 0 };
	uint8_t one[MLDSA65_SIG_LEN];
	uint8_t other[MLDSA65_SIG_LEN];

	assert_int_equal(signing_key_from_seed(seed, &key), 0);
	assert_int_equal(signing_key_to_pem(key, &pem), 0);
	assert_true(pem.len > 5400); /* both forms */
	assert_memory_equal(pem.at, "-----BEGIN PRIVATE KEY-----\n", 28);
	assert_int_equal(signing_key_load(SPAN(pem.at, pem.len), KEY_MLDSA65, &back), 0);
	assert_int_equal(ops->mldsa65_sign(key, SPAN_STR("m"), SPAN_STR("c"), rnd, one), 0);
	assert_int_equal(ops->mldsa65_sign(back, SPAN_STR("m"), SPAN_STR("c"), rnd, other), 0);
	assert_memory_equal(one, other, sizeof(one));
	signing_key_free(key);
	signing_key_free(back);
	buffer_done(&pem);
	assert_null(pem.at);
}

static struct span der_of(const struct signing_key *key, uint8_t ret[8192])
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
	uint8_t *at = ret;
	int len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);

	assert_in_range(len, 1, 8192);
	assert_int_equal(i2d_PKCS8_PRIV_KEY_INFO(info, &at), len);
	PKCS8_PRIV_KEY_INFO_free(info);
	return SPAN(ret, (size_t)len);
}

/* Where no byte may be another: all but the numbers at these two places. */
static void assert_read_as_written(const struct signing_key *key, size_t first, size_t first_len,
				   size_t second, size_t second_len)
{
	static uint8_t bytes[8192], again[8192];
	struct span der = der_of(key, bytes);
	EVP_PKEY *read = written_key_read(der);

	assert_non_null(read);
	assert_int_equal(EVP_PKEY_eq(read, key->pkey), 1);
	assert_int_equal(der_of(&(struct signing_key){ .pkey = read }, again).len, der.len);
	assert_memory_equal(again, bytes, der.len);
	EVP_PKEY_free(read);
	assert_null(written_key_read(SPAN(der.at, der.len - 1)));
	assert_null(written_key_read(SPAN(der.at, der.len + 1)));
	for (size_t i = 0; i < der.len; i++) {
		bool is_number = i - first < first_len || (i >= second && i - second < second_len);

		if (i >= first && is_number)
			continue;
		bytes[i] ^= 1;
		assert_null(written_key_read(der));
		bytes[i] ^= 1;
	}
}

static void what_is_written_is_read_without_decoders(void **state)
{
	(void)state;
	struct signing_key *key;

	assert_int_equal(signing_key_new_p256(&key), 0);
	assert_read_as_written(key, 36, 32, 36 + 32 + 5, 65);
	signing_key_free(key);
	assert_int_equal(signing_key_from_seed(seed, &key), 0);
	/* the expanded key is not only skipped: it has to be that of the seed */
	assert_read_as_written(key, 30, 32, 30 + 32 + 4, EXPANDED_LEN);
	static uint8_t bytes[8192];
	struct span der = der_of(key, bytes);

	bytes[30] ^= 1;
	assert_null(written_key_read(der));
	bytes[30] ^= 1;
	bytes[der.len - 1] ^= 1;
	assert_null(written_key_read(der));
	signing_key_free(key);
}

static void a_p256_key_is_no_handshake_key(void **state)
{
	(void)state;
	struct signing_key *key = NULL;
	struct signing_key *back = NULL;
	struct buffer pem = { 0 };
	const uint8_t rnd[32] = { 0 };
	uint8_t sig[MLDSA65_SIG_LEN];

	assert_int_equal(signing_key_new_p256(&key), 0);
	assert_int_equal(signing_key_kind(key), KEY_P256);
	assert_int_equal(ops->mldsa65_sign(key, SPAN_STR("m"), SPAN_STR(""), rnd, sig), -EINVAL);
	assert_int_equal(signing_key_to_pem(key, &pem), 0);
	assert_refused(SPAN(pem.at, pem.len), -EPROTO);
	assert_int_equal(signing_key_load(SPAN(pem.at, pem.len), KEY_P256, &back), 0);
	signing_key_free(key);
	signing_key_free(back);
	buffer_done(&pem);
}

static void other_curves_and_other_pem_are_refused(void **state)
{
	(void)state;
	EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	struct signing_key *key = NULL;
	char *at = NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, p384, NULL, NULL, 0, NULL, NULL), 1);
	size_t len = (size_t)BIO_get_mem_data(bio, &at);

	assert_int_equal(signing_key_load(SPAN(at, len), KEY_P256, &key), -EPROTO);
	assert_refused(SPAN_STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		       -EBADMSG);
	assert_refused(SPAN_STR("-----BEGIN PRIVATE KEY-----\n"), -EBADMSG);
	assert_refused(SPAN_STR("no key at all"), -EBADMSG);
	assert_refused(SPAN(NULL, 0), -EBADMSG);
	BIO_free(bio);
	EVP_PKEY_free(p384);
	signing_key_free(NULL);
}

#define PASSPHRASE SPAN_STR("correct horse")

static struct signing_key *key_of(enum key_kind kind)
{
	struct signing_key *key = NULL;

	assert_int_equal(kind == KEY_P256 ? signing_key_new_p256(&key)
					  : signing_key_from_seed(seed, &key),
			 0);
	return key;
}

static void a_key_comes_back_with_its_passphrase_only(void **state)
{
	(void)state;
	for (unsigned kind = KEY_MLDSA65; kind <= KEY_P256; kind++) {
		struct signing_key *key = key_of((enum key_kind)kind);
		struct signing_key *back = NULL;
		struct buffer pem = { 0 };
		struct span file;

		assert_int_equal(signing_key_to_encrypted_pem(key, PASSPHRASE, &pem), 0);
		file = SPAN(pem.at, pem.len);
		assert_true(signing_key_is_encrypted(file));
		assert_null(memmem(pem.at, pem.len, "BEGIN PRIVATE", 13));
		assert_int_equal(signing_key_load(file, (enum key_kind)kind, &back), -ENOKEY);
		assert_int_equal(signing_key_open(file, (enum key_kind)kind,
						  SPAN_STR("correct horsf"), &back),
				 -EKEYREJECTED);
		assert_null(back);
		assert_int_equal(signing_key_open(file, (enum key_kind)kind, PASSPHRASE, &back), 0);
		assert_int_equal(EVP_PKEY_eq(key->pkey, back->pkey), 1);
		signing_key_free(back);
		back = NULL;
		pem.at[pem.len / 2] ^= 1; /* base64 of another letter, or none */
		assert_true(signing_key_open(file, (enum key_kind)kind, PASSPHRASE, &back) < 0);
		signing_key_free(key);
		buffer_done(&pem);
	}
}

static void one_key_in_the_clear_needs_no_passphrase(void **state)
{
	struct signing_key *key = key_of(KEY_MLDSA65);
	struct signing_key *back = NULL;
	struct buffer pem = { 0 };

	(void)state;
	assert_int_equal(signing_key_to_pem(key, &pem), 0);
	assert_false(signing_key_is_encrypted(SPAN(pem.at, pem.len)));
	assert_int_equal(signing_key_open(SPAN(pem.at, pem.len), KEY_MLDSA65, PASSPHRASE, &back),
			 0);
	signing_key_free(back);
	signing_key_free(key);
	buffer_done(&pem);
}

static void passphrases_that_are_none_are_refused(void **state)
{
	static const uint8_t long_one[SIGNING_KEY_PASSPHRASE_MAX + 1] = { 'a' };
	struct signing_key *key = key_of(KEY_P256);
	struct buffer pem = { 0 };

	(void)state;
	assert_int_equal(signing_key_to_encrypted_pem(key, SPAN(NULL, 0), &pem), -EINVAL);
	assert_int_equal(signing_key_to_encrypted_pem(key, SPAN_OF(long_one), &pem), -EINVAL);
	assert_null(pem.at);
	signing_key_free(key);
}

/* scrypt with what crypto_openssl.h says, readable by OpenSSL as it comes. */
static void the_encrypted_file_is_what_others_read(void **state)
{
	struct signing_key *key = key_of(KEY_P256);
	struct buffer pem = { 0 };
	const X509_ALGOR *how = NULL;
	const ASN1_OBJECT *oid = NULL;
	EVP_PKEY *theirs;
	X509_SIG *box;
	BIO *bio;

	(void)state;
	assert_int_equal(signing_key_to_encrypted_pem(key, PASSPHRASE, &pem), 0);
	bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	box = PEM_read_bio_PKCS8(bio, NULL, NULL, NULL);
	assert_non_null(box);
	X509_SIG_get0(box, &how, NULL);
	X509_ALGOR_get0(&oid, NULL, NULL, how);
	assert_int_equal(OBJ_obj2nid(oid), NID_pbes2);
	X509_SIG_free(box);
	BIO_free(bio);
	bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	theirs = PEM_read_bio_PrivateKey(bio, NULL, NULL,
					 (void *)(uintptr_t) "correct horse"); /* default context */
	assert_non_null(theirs);
	EVP_PKEY_free(theirs);
	BIO_free(bio);
	signing_key_free(key);
	buffer_done(&pem);
}

/* Only where the library keeps ML-DSA keys itself are they in its secure heap: that it is full is
 * counted, and the keys work all the same. */
static void keys_beyond_the_secure_heap_are_counted(void **state)
{
	enum {
		KEYS = 64
	};
	struct signing_key *keys[KEYS] = { NULL };
	struct crypto_description before, after;

	(void)state;
	assert_int_equal(crypto_openssl_describe(&before), 0);
	if (!before.is_own_pq || crypto_openssl_secure_heap() == -EOPNOTSUPP) {
		print_message("SKIPPED: the library keeps no ML-DSA keys in a secure heap here\n");
		skip();
	}
	assert_int_equal(signing_key_from_seed(seed, &keys[0]), 0);
	assert_int_equal(crypto_openssl_describe(&after), 0);
	assert_int_equal(after.unlocked_key_bytes, 0);
	for (unsigned i = 1; i < KEYS; i++)
		assert_int_equal(signing_key_from_seed(seed, &keys[i]), 0);
	assert_int_equal(crypto_openssl_describe(&after), 0);
	assert_true(after.unlocked_key_bytes > 0);
	for (unsigned i = 0; i < KEYS; i++)
		signing_key_free(keys[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_three_forms_load),
		cmocka_unit_test(forms_that_disagree_are_refused),
		cmocka_unit_test(a_malformed_expanded_key_is_refused),
		cmocka_unit_test(what_is_written_loads_and_signs),
		cmocka_unit_test(what_is_written_is_read_without_decoders),
		cmocka_unit_test(a_p256_key_is_no_handshake_key),
		cmocka_unit_test(other_curves_and_other_pem_are_refused),
		cmocka_unit_test(a_key_comes_back_with_its_passphrase_only),
		cmocka_unit_test(one_key_in_the_clear_needs_no_passphrase),
		cmocka_unit_test(passphrases_that_are_none_are_refused),
		cmocka_unit_test(the_encrypted_file_is_what_others_read),
		cmocka_unit_test(keys_beyond_the_secure_heap_are_counted),
	};

	return cmocka_run_group_tests(tests, make_key, NULL);
}

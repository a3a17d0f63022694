/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/cleanup.h"
#include "shell/openssl/crypto_openssl.h"

static const struct crypto_ops *ops;

static int open_ops(void **state)
{
	const char *error = NULL;

	(void)state;
	ops = openssl_crypto_ops(&error);
	if (!ops)
		(void)fprintf(stderr, "%s\n", error);
	return ops ? 0 : -1;
}

static void assert_hex(const uint8_t *got, const char *want)
{
	char hex[257];

	assert_true(strlen(want) < sizeof(hex));
	bytes_to_hex(got, strlen(want) / 2, hex);
	assert_string_equal(hex, want);
}

static void from_hex(const char *hex, uint8_t *ret)
{
	assert_int_equal(bytes_from_hex(hex, ret, strlen(hex) / 2), 0);
}

static void sha256_of_parts_is_that_of_the_whole(void **state)
{
	(void)state;
	/* FIPS 180-2, appendix B.2 */
	const struct span parts[] = { SPAN_STR("abcdbcdecdefdefgefgh"), SPAN(NULL, 0),
				      SPAN_STR("fghighijhijkijkljklmklmnlmnomnopnopq") };
	uint8_t hash[SHA256_LEN];

	ops->sha256(parts, 3, hash);
	assert_hex(hash, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	ops->sha256(NULL, 0, hash);
	assert_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_matches_rfc_4231_with_any_key(void **state)
{
	(void)state;
	uint8_t long_key[131]; /* longer than a block, section 4.7 */
	uint8_t mac[SHA256_LEN];
	const struct span parts[] = { SPAN_STR("what do ya want "), SPAN_STR("for nothing?") };
	const struct span larger =
		SPAN_STR("Test Using Larger Than Block-Size Key - Hash Key First");

	ops->hmac_sha256(SPAN_STR("Jefe"), parts, 2, mac);
	assert_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(long_key, 0xaa, sizeof(long_key));
	ops->hmac_sha256(SPAN_OF(long_key), &larger, 1, mac);
	assert_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	ops->hmac_sha256(SPAN(NULL, 0), NULL, 0, mac);
	assert_hex(mac, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hkdf_matches_rfc_5869(void **state)
{
	(void)state;
	uint8_t ikm[22];
	uint8_t salt[13];
	uint8_t info[10];
	uint8_t prk[SHA256_LEN];
	uint8_t okm[42];

	memset(ikm, 0x0b, sizeof(ikm));
	from_hex("000102030405060708090a0b0c", salt);
	from_hex("f0f1f2f3f4f5f6f7f8f9", info);
	hkdf_extract(ops, SPAN_OF(salt), SPAN_OF(ikm), prk);
	assert_hex(prk, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
	hkdf_expand(ops, prk, SPAN_OF(info), okm, sizeof(okm));
	assert_hex(okm, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
			"34007208d5b887185865");
}

/* RFC 7748, section 6.1 */
#define ALICE "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define ALICE_PUBLIC "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define BOB_PUBLIC "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"

static void x25519_matches_rfc_7748(void **state)
{
	(void)state;
	uint8_t secret[32];
	uint8_t public[32];
	uint8_t shared[32];

	from_hex(ALICE, secret);
	assert_int_equal(ops->x25519_public(secret, public), 0);
	assert_hex(public, ALICE_PUBLIC);
	from_hex(BOB_PUBLIC, public);
	public[31] |= 0x80; /* the top bit is ignored (section 5) */
	assert_int_equal(ops->x25519(secret, public, shared), 0);
	assert_hex(shared, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

static void points_of_small_order_are_refused(void **state)
{
	(void)state;
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	const uint8_t secret[32] = { 0x55, 1, 2, 3 };
	uint8_t shared[32] = { 0x77 };

	for (size_t i = 0; i < N_ELEMENTS(points); i++) {
		uint8_t peer[32];

		from_hex(points[i], peer);
		assert_int_equal(ops->x25519(secret, peer, shared), -EKEYREJECTED);
		assert_int_equal(shared[0], 0x77); /* untouched */
	}
}

static void aes_gcm_matches_its_published_case(void **state)
{
	(void)state;
	/* The GCM specification (McGrew, Viega), test case 16. */
	uint8_t key[32];
	uint8_t nonce[12];
	uint8_t ad[20];
	uint8_t text[60 + AEAD_TAG_LEN];

	from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key);
	from_hex("cafebabefacedbaddecaf888", nonce);
	from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", ad);
	from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		 text);

	struct aead *a = ops->aead_new(AEAD_AES_256_GCM, key);

	assert_non_null(a);
	assert_int_equal(ops->aead_seal(a, nonce, SPAN_OF(ad), SPAN(text, 60), text), 0);
	assert_hex(text, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
			 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
			 "76fc6ece0f4e1768cddf8853bb2d551b");
	ops->aead_free(a);
}

static void chacha20_poly1305_matches_rfc_8439(void **state)
{
	(void)state;
	static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could "
					"offer you only one tip for the future, sunscreen would "
					"be it.";
	uint8_t key[32];
	uint8_t nonce[12];
	uint8_t ad[12];
	uint8_t sealed[114 + AEAD_TAG_LEN];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0x80 + i);
	from_hex("070000004041424344454647", nonce);
	from_hex("50515253c0c1c2c3c4c5c6c7", ad);

	struct aead *a = ops->aead_new(AEAD_CHACHA20_POLY1305, key);

	assert_non_null(a);
	assert_int_equal(ops->aead_seal(a, nonce, SPAN_OF(ad), SPAN_STR(sunscreen), sealed), 0);
	assert_hex(sealed, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6");
	assert_hex(sealed + 114, "1ae10b594f09e26a7e902ecbd0600691");
	ops->aead_free(a);
}

static void one_key_seals_and_opens_many_packets(enum aead_algorithm alg)
{
	const uint8_t key[32] = { 9 };
	uint8_t text[200];
	uint8_t packet[200 + AEAD_TAG_LEN];
	struct aead *a = ops->aead_new(alg, key);

	assert_non_null(a);
	for (size_t len = 0; len <= sizeof(text); len += 25) {
		const uint8_t nonce[12] = { (uint8_t)len };
		const struct span ad = SPAN(key, len % 3);

		memset(text, (int)len, sizeof(text));
		assert_int_equal(ops->aead_seal(a, nonce, ad, SPAN(text, len), packet), 0);
		assert_int_equal(
			ops->aead_open(a, nonce, ad, SPAN(packet, len + AEAD_TAG_LEN), packet), 0);
		assert_memory_equal(packet, text, len);
	}
	ops->aead_free(a);
}

static void packets_open_in_place_at_every_length(void **state)
{
	(void)state;
	one_key_seals_and_opens_many_packets(AEAD_AES_256_GCM);
	one_key_seals_and_opens_many_packets(AEAD_CHACHA20_POLY1305);
}

static void a_changed_packet_leaves_no_plaintext(enum aead_algorithm alg)
{
	const uint8_t key[32] = { 9 };
	const uint8_t nonce[12] = { 1 };
	const uint8_t zeros[16] = { 0 };
	uint8_t packet[32];
	uint8_t opened[16];
	struct aead *a = ops->aead_new(alg, key);

	assert_non_null(a);
	assert_int_equal(
		ops->aead_seal(a, nonce, SPAN_STR("ad"), SPAN_STR("sixteen bytes!!!"), packet), 0);
	for (unsigned bit = 0; bit < 8 * sizeof(packet); bit++) {
		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memset(opened, 0xee, sizeof(opened));
		assert_int_equal(ops->aead_open(a, nonce, SPAN_STR("ad"), SPAN_OF(packet), opened),
				 -EKEYREJECTED);
		assert_memory_equal(opened, zeros, sizeof(zeros));
		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(ops->aead_open(a, nonce, SPAN_STR("aD"), SPAN_OF(packet), opened),
			 -EKEYREJECTED);
	assert_int_equal(ops->aead_open(a, nonce, SPAN_STR("ad"), SPAN(packet, 15), opened),
			 -EINVAL);
	assert_int_equal(ops->aead_open(a, nonce, SPAN_STR("ad"), SPAN_OF(packet), opened), 0);
	ops->aead_free(a);
}

static void each_changed_bit_is_refused_and_leaves_no_plaintext(void **state)
{
	(void)state;
	a_changed_packet_leaves_no_plaintext(AEAD_AES_256_GCM);
	a_changed_packet_leaves_no_plaintext(AEAD_CHACHA20_POLY1305);
}

static void an_unknown_aead_is_refused(void **state)
{
	(void)state;
	const uint8_t key[32] = { 0 };

	assert_null(ops->aead_new((enum aead_algorithm)3, key));
	ops->aead_free(NULL);
}

/* ---- ML-KEM-768 and ML-DSA-65; long values are compared by their SHA-256 ---- */

static void assert_hash(const uint8_t *at, size_t len, const char *want)
{
	const struct span part = SPAN(at, len);
	uint8_t hash[SHA256_LEN];

	ops->sha256(&part, 1, hash);
	assert_hex(hash, want);
}

static uint8_t ek[MLKEM768_EK_LEN];
static uint8_t dk[MLKEM768_DK_LEN];

static void make_kem_key(void)
{
	uint8_t d[32];
	uint8_t z[32];

	from_hex("e582b7d75e6c80b05ae392a1fc9f7153b12390fd99930368cc67a768baebc8a0", d);
	from_hex("1cdacb8740c0b87c4a379575f187b367cbfa3b300bf591b109f79816e9cbe8f0", z);
	assert_int_equal(ops->mlkem768_keygen(d, z, ek, dk), 0);
}

static void mlkem_keys_match_the_acvp_file(void **state)
{
	(void)state;
	make_kem_key(); /* ML-KEM-keyGen-FIPS203, case 26 */
	assert_hash(ek, sizeof(ek),
		    "4158f6afb5e516c99f1da07da8c651348422b17c1f4e9a08ad73fb1f91249b3e");
	assert_hash(dk, sizeof(dk),
		    "7aab35839207f72b310abe36e2daa1cc7ff6f7fa8941e439967cd47d9b437079");
}

static void encapsulation_is_that_of_openssl_3_5(void **state)
{
	(void)state;
	uint8_t m[32];
	uint8_t ct[MLKEM768_CT_LEN];
	uint8_t ss[MLKEM768_SS_LEN];
	uint8_t back[MLKEM768_SS_LEN];

	memset(m, 0x42, sizeof(m));
	make_kem_key();
	assert_int_equal(ops->mlkem768_encaps(ek, m, ct, ss), 0);
	/* Recorded from OpenSSL 3.5.7's own implementation. */
	assert_hash(ct, sizeof(ct),
		    "9b42e0c65f288aeacfb46c20c7b2e3310a37f92e0424140247ae316087bdd275");
	assert_hex(ss, "a35ce1e0118fefd3e62f07198db9ce1f79bed87b4b32c861f09aa35ba965c1fb");
	assert_int_equal(ops->mlkem768_decaps(dk, ct, back), 0);
	assert_memory_equal(ss, back, sizeof(ss));
	ct[1000] ^= 1; /* implicit rejection (FIPS 203 algorithm 18): J(z | c) */
	assert_int_equal(ops->mlkem768_decaps(dk, ct, back), 0);
	assert_hex(back, "b0835edf589dfa8ff5330a7a4b39b858c26cd1793fe9629d3bc4736d893dda92");
}

static void a_key_that_fails_its_check_is_refused(void **state)
{
	(void)state;
	const uint8_t m[32] = { 1 };
	uint8_t ct[MLKEM768_CT_LEN];
	uint8_t ss[MLKEM768_SS_LEN];

	make_kem_key();
	ek[0] = 0x01; /* the first coefficient becomes q = 3329 = 0xd01 (section 7.2) */
	ek[1] = (uint8_t)((ek[1] & 0xf0) | 0x0d);
	assert_int_equal(ops->mlkem768_encaps(ek, m, ct, ss), -EKEYREJECTED);
	dk[MLKEM768_DK_LEN - 33] ^= 1; /* H(ek) (section 7.3) */
	memset(ct, 0, sizeof(ct));
	assert_int_equal(ops->mlkem768_decaps(dk, ct, ss), -EKEYREJECTED);
}

static struct signing_key *wycheproof_key(void)
{
	uint8_t seed[32];
	uint8_t pk[MLDSA65_PK_LEN];
	struct signing_key *key = NULL;

	memset(seed, 0x2a, sizeof(seed));
	assert_int_equal(signing_key_from_seed(seed, &key), 0);
	ops->signing_key_public(key, pk);
	assert_hash(pk, sizeof(pk),
		    "b7acce2ddb11f8cc1aa46e2bafac6eacfa2b732ef192bd636ad8d3a56d649c66");
	return key;
}

static void mldsa_signatures_match_wycheproof(void **state)
{
	(void)state;
	/* mldsa_65_sign_seed_test.json, cases 1 and 11 (six rounds of rejection) */
	const uint8_t rnd[MLDSA65_RND_LEN] = { 0 };
	const uint8_t six[32] = { 0x2c };
	struct signing_key *key = wycheproof_key();
	uint8_t sig[MLDSA65_SIG_LEN];

	assert_int_equal(ops->mldsa65_sign(key, SPAN_STR("Hello world"), SPAN(NULL, 0), rnd, sig),
			 0);
	assert_hash(sig, sizeof(sig),
		    "39fbbb0d97a52c79844213b325af823a7f16a174e00a5b3daeb3e6e6d1c89681");
	assert_int_equal(ops->mldsa65_sign(key, SPAN_OF(six), SPAN(NULL, 0), rnd, sig), 0);
	assert_hash(sig, sizeof(sig),
		    "2551eb35723254b4aea274ec377211b04e4d39ebc3f021fa8cd6ed599e6e0cc6");
	signing_key_free(key);
}

static void rnd_and_context_reach_the_signature(void **state)
{
	(void)state;
	const uint8_t rnd[MLDSA65_RND_LEN] = { 3 };
	const uint8_t longest[MLDSA_CONTEXT_MAX + 1] = { 'c' };
	const struct span m = SPAN_STR("Hello world");
	struct signing_key *key = wycheproof_key();
	uint8_t pk[MLDSA65_PK_LEN];
	uint8_t sig[MLDSA65_SIG_LEN];

	ops->signing_key_public(key, pk);
	assert_int_equal(ops->mldsa65_sign(key, m, SPAN_STR("x0 context"), rnd, sig), 0);
	/* Recorded from OpenSSL 3.5.7's own implementation. */
	assert_hash(sig, sizeof(sig),
		    "26985b25dbab3bf1afa82702644427f37043b88bfa82a12f7f31468b6dba8ddd");
	assert_int_equal(ops->mldsa65_verify(pk, m, SPAN_STR("x0 context"), sig), 0);
	assert_int_equal(ops->mldsa65_verify(pk, m, SPAN_STR("x0 contexT"), sig), -EKEYREJECTED);
	assert_int_equal(ops->mldsa65_verify(pk, m, SPAN(NULL, 0), sig), -EKEYREJECTED);
	sig[0] ^= 1;
	assert_int_equal(ops->mldsa65_verify(pk, m, SPAN_STR("x0 context"), sig), -EKEYREJECTED);
	assert_int_equal(ops->mldsa65_sign(key, SPAN(NULL, 0), SPAN(NULL, 0), rnd, sig), 0);
	assert_int_equal(ops->mldsa65_verify(pk, SPAN(NULL, 0), SPAN(NULL, 0), sig), 0);
	assert_int_equal(ops->mldsa65_sign(key, m, SPAN(longest, 255), rnd, sig), 0);
	assert_int_equal(ops->mldsa65_verify(pk, m, SPAN(longest, 255), sig), 0);
	assert_int_equal(ops->mldsa65_sign(key, m, SPAN_OF(longest), rnd, sig), -EINVAL);
	assert_int_equal(ops->mldsa65_verify(pk, m, SPAN_OF(longest), sig), -EINVAL);
	signing_key_free(key);
}

static void what_is_refused_leaves_no_error_in_the_library(void **state)
{
	ERR_clear_error();
	points_of_small_order_are_refused(state);
	each_changed_bit_is_refused_and_leaves_no_plaintext(state);
	a_key_that_fails_its_check_is_refused(state);
	rnd_and_context_reach_the_signature(state);
	assert_int_equal(ERR_peek_error(), 0);
}

static void the_library_s_own_is_used_where_it_has_one(void **state)
{
	(void)state;
	struct crypto_description d;
	bool has_own = OPENSSL_version_major() > 3 ||
		       (OPENSSL_version_major() == 3 && OPENSSL_version_minor() >= 5);

	assert_int_equal(crypto_openssl_describe(&d), 0);
	print_message("%s\n", d.library);
	for (unsigned i = 0; i < d.n_rows; i++)
		print_message("  %-18s %s\n", d.rows[i].algorithm, d.rows[i].provider);
	assert_int_equal(d.is_own_pq, has_own);
	assert_string_equal(d.rows[0].algorithm, "ML-KEM-768");
	assert_string_equal(d.rows[0].provider, has_own ? "default" : "x0pq");
	assert_string_equal(d.rows[1].algorithm, "ML-DSA-65");
	assert_string_equal(d.rows[1].provider, has_own ? "default" : "x0pq");
}

static void *hash_in_a_thread(void *arg)
{
	hmac_matches_rfc_4231_with_any_key(arg);
	return NULL;
}

static void each_thread_has_contexts_of_its_own(void **state)
{
	pthread_t threads[4];

	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_in_a_thread, state), 0);
	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_parts_is_that_of_the_whole),
		cmocka_unit_test(hmac_matches_rfc_4231_with_any_key),
		cmocka_unit_test(hkdf_matches_rfc_5869),
		cmocka_unit_test(x25519_matches_rfc_7748),
		cmocka_unit_test(points_of_small_order_are_refused),
		cmocka_unit_test(aes_gcm_matches_its_published_case),
		cmocka_unit_test(chacha20_poly1305_matches_rfc_8439),
		cmocka_unit_test(packets_open_in_place_at_every_length),
		cmocka_unit_test(each_changed_bit_is_refused_and_leaves_no_plaintext),
		cmocka_unit_test(an_unknown_aead_is_refused),
		cmocka_unit_test(mlkem_keys_match_the_acvp_file),
		cmocka_unit_test(encapsulation_is_that_of_openssl_3_5),
		cmocka_unit_test(a_key_that_fails_its_check_is_refused),
		cmocka_unit_test(mldsa_signatures_match_wycheproof),
		cmocka_unit_test(rnd_and_context_reach_the_signature),
		cmocka_unit_test(what_is_refused_leaves_no_error_in_the_library),
		cmocka_unit_test(the_library_s_own_is_used_where_it_has_one),
		cmocka_unit_test(each_thread_has_contexts_of_its_own),
	};

	return cmocka_run_group_tests(tests, open_ops, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ML-KEM-768 and ML-DSA-65 for the cores: the same EVP calls whichever provider serves. */
#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "shell/openssl/library.h"

static OSSL_PARAM octets(const char *name, const uint8_t *at, size_t len)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)at, len);
}

/* A key from the one part given; NULL where the part is refused, which is no error to keep
 * in OpenSSL's queue for whoever looks there next. */
static EVP_PKEY *key_from(const char *algorithm, int selection, const char *part, const uint8_t *at,
			  size_t len)
{
	OSSL_PARAM params[] = { octets(part, at, len), OSSL_PARAM_construct_end() };
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(library()->ctx, algorithm, NULL);
	EVP_PKEY *key = NULL;

	(void)ERR_set_mark();
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, selection, params);
	(void)ERR_pop_to_mark();
	return key;
}

static bool get_part(const EVP_PKEY *key, const char *name, uint8_t *ret, size_t len)
{
	size_t got = 0;

	return EVP_PKEY_get_octet_string_param(key, name, ret, len, &got) == 1 && got == len;
}

/* ---- ML-KEM-768 ---- */

int kem_keygen(const uint8_t d[32], const uint8_t z[32], uint8_t ret_ek[MLKEM768_EK_LEN],
	       uint8_t ret_dk[MLKEM768_DK_LEN])
{
	uint8_t seed[2 * MLKEM768_SEED_LEN];
	EVP_PKEY *key;
	bool is_made;

	memcpy(seed, d, MLKEM768_SEED_LEN);
	memcpy(seed + MLKEM768_SEED_LEN, z, MLKEM768_SEED_LEN);
	key = key_from("ML-KEM-768", EVP_PKEY_KEYPAIR, OSSL_PKEY_PARAM_ML_KEM_SEED, seed,
		       sizeof(seed));
	bytes_wipe(seed, sizeof(seed));
	is_made = key && get_part(key, OSSL_PKEY_PARAM_PUB_KEY, ret_ek, MLKEM768_EK_LEN) &&
		  get_part(key, OSSL_PKEY_PARAM_PRIV_KEY, ret_dk, MLKEM768_DK_LEN);
	EVP_PKEY_free(key);
	return is_made ? 0 : -EIO;
}

int kem_encaps(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[32],
	       uint8_t ret_ct[MLKEM768_CT_LEN], uint8_t ret_ss[MLKEM768_SS_LEN])
{
	OSSL_PARAM params[] = { octets(OSSL_KEM_PARAM_IKME, m, MLKEM768_SEED_LEN),
				OSSL_PARAM_construct_end() };
	size_t ct_len = MLKEM768_CT_LEN;
	size_t ss_len = MLKEM768_SS_LEN;
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key = key_from("ML-KEM-768", EVP_PKEY_PUBLIC_KEY, OSSL_PKEY_PARAM_PUB_KEY, ek,
				 MLKEM768_EK_LEN);
	CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;

	if (!key) /* the modulus check; the length is right */
		return -EKEYREJECTED;
	ctx = EVP_PKEY_CTX_new_from_pkey(library()->ctx, key, NULL);
	if (!ctx || EVP_PKEY_encapsulate_init(ctx, params) != 1 ||
	    EVP_PKEY_encapsulate(ctx, ret_ct, &ct_len, ret_ss, &ss_len) != 1)
		return -EIO;
	return ct_len == MLKEM768_CT_LEN && ss_len == MLKEM768_SS_LEN ? 0 : -EIO;
}

int kem_decaps(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN],
	       uint8_t ret_ss[MLKEM768_SS_LEN])
{
	size_t ss_len = MLKEM768_SS_LEN;
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key = key_from("ML-KEM-768", EVP_PKEY_KEYPAIR, OSSL_PKEY_PARAM_PRIV_KEY, dk,
				 MLKEM768_DK_LEN);
	CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;

	if (!key) /* the hash check of FIPS 203 section 7.3 */
		return -EKEYREJECTED;
	ctx = EVP_PKEY_CTX_new_from_pkey(library()->ctx, key, NULL);
	if (!ctx || EVP_PKEY_decapsulate_init(ctx, NULL) != 1 ||
	    EVP_PKEY_decapsulate(ctx, ret_ss, &ss_len, ct, MLKEM768_CT_LEN) != 1)
		return -EIO;
	return ss_len == MLKEM768_SS_LEN ? 0 : -EIO;
}

/* ---- ML-DSA-65 ---- */

/* An empty context is the default, and an empty string no valid parameter in OpenSSL 3.0. */
static unsigned put_context(OSSL_PARAM *params, struct span context)
{
	if (context.len == 0)
		return 0;
	params[0] = octets(OSSL_SIGNATURE_PARAM_CONTEXT_STRING, context.at, context.len);
	return 1;
}

int mldsa65_sign(const struct signing_key *key, struct span message, struct span context,
		 const uint8_t rnd[MLDSA65_RND_LEN], uint8_t ret[MLDSA65_SIG_LEN])
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = MLDSA65_SIG_LEN;
	OSSL_PARAM params[3];
	unsigned n;

	if (key->kind != KEY_MLDSA65 || context.len > MLDSA_CONTEXT_MAX)
		return -EINVAL;
	n = put_context(params, context);
	params[n++] = octets(OSSL_SIGNATURE_PARAM_TEST_ENTROPY, rnd, MLDSA65_RND_LEN);
	params[n] = OSSL_PARAM_construct_end();
	if (!ctx ||
	    EVP_DigestSignInit_ex(ctx, NULL, NULL, library()->ctx, NULL, key->pkey, params) != 1)
		return -EIO;
	if (EVP_DigestSign(ctx, ret, &len, message.at, message.len) != 1)
		return -EIO;
	return len == MLDSA65_SIG_LEN ? 0 : -EIO;
}

int mldsa65_verify(const uint8_t pk[MLDSA65_PK_LEN], struct span message, struct span context,
		   const uint8_t sig[MLDSA65_SIG_LEN])
{
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	OSSL_PARAM params[2];
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	int r;

	if (context.len > MLDSA_CONTEXT_MAX)
		return -EINVAL;
	params[put_context(params, context)] = OSSL_PARAM_construct_end();
	key = key_from("ML-DSA-65", EVP_PKEY_PUBLIC_KEY, OSSL_PKEY_PARAM_PUB_KEY, pk,
		       MLDSA65_PK_LEN);
	if (!ctx || !key ||
	    EVP_DigestVerifyInit_ex(ctx, NULL, NULL, library()->ctx, NULL, key, params) != 1)
		return -EIO;
	(void)ERR_set_mark();
	r = EVP_DigestVerify(ctx, sig, MLDSA65_SIG_LEN, message.at, message.len);
	(void)ERR_pop_to_mark();
	return r == 1 ? 0 : -EKEYREJECTED;
}

int signing_key_from_seed(const uint8_t seed[32], struct signing_key **ret)
{
	EVP_PKEY *pkey;

	key_scope_begin();
	pkey = key_from("ML-DSA-65", EVP_PKEY_KEYPAIR, OSSL_PKEY_PARAM_ML_DSA_SEED, seed, 32);
	key_scope_end();
	return pkey ? signing_key_wrap(pkey, ret) : -EIO;
}

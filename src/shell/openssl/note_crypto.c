/* SPDX-License-Identifier: Apache-2.0 */
/* The signatures of the ledger's notes: Ed25519 by OpenSSL, ML-DSA-44 by pqc. */
#include <errno.h>

#include "core/ledger/note.h"
#include "pqc/mldsa.h"
#include "shell/openssl/library.h"

static int ed25519_public(const uint8_t seed[ED25519_SEED_LEN], uint8_t ret[ED25519_PK_LEN])
{
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(library()->ctx, "ED25519", NULL, seed,
							ED25519_SEED_LEN);
	size_t len = ED25519_PK_LEN;

	return key && EVP_PKEY_get_raw_public_key(key, ret, &len) == 1 && len == ED25519_PK_LEN
		       ? 0
		       : -EIO;
}

static int ed25519_sign(const uint8_t seed[ED25519_SEED_LEN], struct span message,
			uint8_t ret[ED25519_SIG_LEN])
{
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(library()->ctx, "ED25519", NULL, seed,
							ED25519_SEED_LEN);
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = ED25519_SIG_LEN;

	if (!key || !ctx ||
	    EVP_DigestSignInit_ex(ctx, NULL, NULL, library()->ctx, NULL, key, NULL) != 1 ||
	    EVP_DigestSign(ctx, ret, &len, message.at, message.len) != 1 || len != ED25519_SIG_LEN)
		return -EIO;
	return 0;
}

static int ed25519_verify(const uint8_t pk[ED25519_PK_LEN], struct span message,
			  const uint8_t sig[ED25519_SIG_LEN])
{
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key =
		EVP_PKEY_new_raw_public_key_ex(library()->ctx, "ED25519", NULL, pk, ED25519_PK_LEN);
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!key || !ctx ||
	    EVP_DigestVerifyInit_ex(ctx, NULL, NULL, library()->ctx, NULL, key, NULL) != 1)
		return -EIO;
	return EVP_DigestVerify(ctx, sig, ED25519_SIG_LEN, message.at, message.len) == 1
		       ? 0
		       : -EKEYREJECTED;
}

static int mldsa44_public(const uint8_t seed[MLDSA44_SEED_LEN], uint8_t ret[MLDSA44_PK_LEN])
{
	uint8_t sk[MLDSA_SK_MAX];

	mldsa_keygen(MLDSA_44, seed, ret, sk);
	bytes_wipe(sk, sizeof(sk));
	return 0;
}

static int mldsa44_sign(const uint8_t seed[MLDSA44_SEED_LEN], struct span message,
			const uint8_t rnd[32], uint8_t ret[MLDSA44_SIG_LEN])
{
	uint8_t pk[MLDSA44_PK_LEN], sk[MLDSA_SK_MAX];
	int r;

	mldsa_keygen(MLDSA_44, seed, pk, sk);
	r = mldsa_sign(MLDSA_44, sk, message.at, message.len, NULL, 0, rnd, ret);
	bytes_wipe(sk, sizeof(sk));
	return r;
}

static int mldsa44_verify(const uint8_t pk[MLDSA44_PK_LEN], struct span message,
			  const uint8_t sig[MLDSA44_SIG_LEN])
{
	return mldsa_verify(MLDSA_44, pk, message.at, message.len, NULL, 0, sig);
}

const struct note_crypto *openssl_note_crypto(void)
{
	static const struct note_crypto crypto = {
		.name = "openssl",
		.ed25519_public = ed25519_public,
		.ed25519_sign = ed25519_sign,
		.ed25519_verify = ed25519_verify,
		.mldsa44_public = mldsa44_public,
		.mldsa44_sign = mldsa44_sign,
		.mldsa44_verify = mldsa44_verify,
	};

	return &crypto;
}

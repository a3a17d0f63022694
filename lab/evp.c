/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's EVP interface, one call an operation. */
#include "evp.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/cleanup.h"

DEFINE_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_FREEP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_FREEP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_FREEP(EVP_CIPHER, EVP_CIPHER_free)
DEFINE_FREEP(EVP_MD, EVP_MD_free)
DEFINE_FREEP(EVP_MAC, EVP_MAC_free)
DEFINE_FREEP(EVP_MAC_CTX, EVP_MAC_CTX_free)
DEFINE_FREEP(EVP_KDF, EVP_KDF_free)
DEFINE_FREEP(EVP_KDF_CTX, EVP_KDF_CTX_free)

int evp_dh(const char *curve, struct span secret, struct span peer, uint8_t *ret)
{
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key_ex(NULL, curve, NULL, secret.at, secret.len);
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key_ex(NULL, curve, NULL, peer.at, peer.len);
	CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
	size_t len = peer.len;

	if (!own || !other)
		return -EKEYREJECTED;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	if (!ctx || EVP_PKEY_derive_init(ctx) != 1)
		return -EIO;
	if (EVP_PKEY_derive_set_peer(ctx, other) != 1 || EVP_PKEY_derive(ctx, ret, &len) != 1)
		return -EKEYREJECTED; /* among others, a result of zeros */
	return 0;
}

int evp_dh_public(const char *curve, struct span secret, uint8_t *ret)
{
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key_ex(NULL, curve, NULL, secret.at, secret.len);
	size_t len = secret.len;

	return own && EVP_PKEY_get_raw_public_key(own, ret, &len) == 1 ? 0 : -EKEYREJECTED;
}

int evp_ed25519_verify(struct span pk, struct span message, struct span sig)
{
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, pk.at, pk.len);
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!key)
		return -EKEYREJECTED;
	if (!ctx || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) != 1)
		return -EIO;
	return EVP_DigestVerify(ctx, sig.at, sig.len, message.at, message.len) == 1 ? 0
										    : -EKEYREJECTED;
}

/* A context with key, IV and additional data in it. */
static int aead_start(const char *name, bool seal, struct span key, struct span iv, struct span aad,
		      EVP_CIPHER_CTX **ret)
{
	CLEANUP(EVP_CIPHER_freep) EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (!ctx || !cipher || iv.len > INT_MAX || aad.len > INT_MAX ||
	    key.len != (size_t)EVP_CIPHER_get_key_length(cipher))
		return -EIO;
	if (EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, seal, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) != 1 ||
	    EVP_CipherInit_ex2(ctx, NULL, key.at, iv.at, seal, NULL) != 1)
		return -EIO;
	if (aad.len > 0 && EVP_CipherUpdate(ctx, NULL, &n, aad.at, (int)aad.len) != 1)
		return -EIO;
	*ret = TAKE(ctx);
	return 0;
}

int evp_aead_seal(const char *cipher, struct span key, struct span iv, struct span aad,
		  struct span from, uint8_t *ret, uint8_t *ret_tag, size_t tag_len)
{
	CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = NULL;
	uint8_t nothing[16];
	int n;
	int r = aead_start(cipher, true, key, iv, aad, &ctx);

	if (r < 0)
		return r;
	if (from.len > INT_MAX || tag_len > 16 ||
	    (from.len > 0 && EVP_CipherUpdate(ctx, ret, &n, from.at, (int)from.len) != 1) ||
	    EVP_CipherFinal_ex(ctx, nothing, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, ret_tag) != 1)
		return -EIO;
	return 0;
}

int evp_aead_open(const char *cipher, struct span key, struct span iv, struct span aad,
		  struct span from, struct span tag, uint8_t *ret)
{
	CLEANUP(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = NULL;
	uint8_t tag_copy[16]; /* the interface wants it writable */
	uint8_t nothing[16];
	int n;
	int r = aead_start(cipher, false, key, iv, aad, &ctx);

	if (r < 0)
		return r;
	if (from.len > INT_MAX || tag.len == 0 || tag.len > sizeof(tag_copy))
		return -EKEYREJECTED;
	memcpy(tag_copy, tag.at, tag.len);
	if ((from.len > 0 && EVP_CipherUpdate(ctx, ret, &n, from.at, (int)from.len) != 1) ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag.len, tag_copy) != 1 ||
	    EVP_CipherFinal_ex(ctx, nothing, &n) != 1)
		return -EKEYREJECTED;
	return 0;
}

int evp_hash(const char *hash, struct span a, struct span b, uint8_t *ret, size_t *ret_len)
{
	CLEANUP(EVP_MD_freep) EVP_MD *md = EVP_MD_fetch(NULL, hash, NULL);
	CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned len = 0;

	if (!md || !ctx || EVP_DigestInit_ex2(ctx, md, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, a.at, a.len) != 1 || EVP_DigestUpdate(ctx, b.at, b.len) != 1 ||
	    EVP_DigestFinal_ex(ctx, ret, &len) != 1)
		return -EIO;
	*ret_len = len;
	return 0;
}

int evp_hmac(const char *hash, struct span key, struct span a, struct span b, uint8_t *ret)
{
	CLEANUP(EVP_MAC_freep) EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	CLEANUP(EVP_MAC_CTX_freep) EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)hash, 0),
		OSSL_PARAM_construct_end(),
	};
	size_t len = 0;

	if (!ctx || EVP_MAC_init(ctx, key.at, key.len, params) != 1 ||
	    EVP_MAC_update(ctx, a.at, a.len) != 1 || EVP_MAC_update(ctx, b.at, b.len) != 1 ||
	    EVP_MAC_final(ctx, ret, &len, EVP_HASH_MAX) != 1)
		return -EIO;
	return 0;
}

int evp_hkdf(const char *hash, struct span ikm, struct span salt, struct span info, uint8_t *ret,
	     size_t ret_len)
{
	CLEANUP(EVP_KDF_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	CLEANUP(EVP_KDF_CTX_freep) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[5] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)hash, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)ikm.at,
						  ikm.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.at,
						  salt.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.at,
						  info.len),
		OSSL_PARAM_construct_end(),
	};

	if (!ctx)
		return -EIO;
	return EVP_KDF_derive(ctx, ret, ret_len, params) == 1 ? 0 : -EKEYREJECTED;
}

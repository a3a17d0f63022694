/* SPDX-License-Identifier: Apache-2.0 */
/* X25519 (RFC 7748) on raw keys. */
#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "shell/openssl/library.h"

int x25519_public(const uint8_t secret[X25519_LEN], uint8_t ret[X25519_LEN])
{
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key_ex(library()->ctx, "X25519", NULL, secret, X25519_LEN);
	uint8_t public[X25519_LEN];
	size_t len = sizeof(public);

	if (!key || EVP_PKEY_get_raw_public_key(key, public, &len) != 1 || len != sizeof(public))
		return -EIO;
	memcpy(ret, public, sizeof(public));
	return 0;
}

/* A private key whose public half nobody will ask for: zeros are put in its place, because the
 * library would compute it otherwise, which takes as long as the agreement itself. */
static EVP_PKEY *secret_alone(const uint8_t secret[X25519_LEN])
{
	uint8_t unused[X25519_LEN] = { 0 };
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY,
						  (void *)(uintptr_t)secret, X25519_LEN),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, unused, sizeof(unused)),
		OSSL_PARAM_construct_end(),
	};
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(library()->ctx, "X25519", NULL);
	EVP_PKEY *key = NULL;

	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	return key;
}

int x25519_agree(const uint8_t secret[X25519_LEN], const uint8_t peer[X25519_LEN],
		 uint8_t ret[X25519_LEN])
{
	static const uint8_t zeros[X25519_LEN];
	OSSL_LIB_CTX *lib = library()->ctx;
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *key = secret_alone(secret);
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key_ex(lib, "X25519", NULL, peer, X25519_LEN);
	CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
	uint8_t shared[X25519_LEN] = { 0 };
	size_t len = sizeof(shared);
	int r = 0;

	if (key && other)
		ctx = EVP_PKEY_CTX_new_from_pkey(lib, key, NULL);
	if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, other) != 1)
		return -EIO;
	(void)ERR_set_mark();
	/* OpenSSL refuses the all-zero result itself; it is checked again, because the promise
	 * is ours (RFC 7748 section 6.1). */
	if (EVP_PKEY_derive(ctx, shared, &len) != 1 || len != sizeof(shared) ||
	    bytes_equal_ct(shared, zeros, sizeof(zeros)))
		r = -EKEYREJECTED;
	else
		memcpy(ret, shared, sizeof(shared));
	(void)ERR_pop_to_mark(); /* a refusal is no error of the library */
	bytes_wipe(shared, sizeof(shared));
	return r;
}

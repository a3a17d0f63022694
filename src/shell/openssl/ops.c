/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself. */
#include "shell/openssl/library.h"

static const struct crypto_ops ops = {
	.name = "openssl",
	.sha256 = hash_sha256,
	.hmac_sha256 = hash_hmac_sha256,
	.x25519_public = x25519_public,
	.x25519 = x25519_agree,
	.aead_new = aead_new,
	.aead_free = aead_free,
	.aead_seal = aead_seal,
	.aead_open = aead_open,
};

const struct crypto_ops *openssl_crypto_ops(const char **ret_error)
{
	const char *error = library()->error;

	if (error) {
		*ret_error = error;
		return NULL;
	}
	return &ops;
}

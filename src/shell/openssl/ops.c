/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself. */
#include "shell/openssl/library.h"

static const struct crypto_ops ops = {
	.name = "openssl",
	.sha256 = hash_sha256,
	.hmac_sha256 = hash_hmac_sha256,
	.x25519_public = x25519_public,
	.x25519 = x25519_agree,
	.mlkem768_keygen = kem_keygen,
	.mlkem768_encaps = kem_encaps,
	.mlkem768_decaps = kem_decaps,
	.mldsa65_sign = mldsa65_sign,
	.mldsa65_verify = mldsa65_verify,
	.signing_key_public = signing_key_public,
	.aead_new = aead_new,
	.aead_free = aead_free,
	.aead_seal = aead_seal,
	.aead_open = aead_open,
	.csr_read = request_read,
	.cert_read = certificate_read,
	.path_verify = certificate_path_verify,
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

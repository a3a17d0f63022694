/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a certificate, and as a path to itself. */
#include <stdlib.h>

#include "shell/openssl/crypto_openssl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	const struct crypto_ops *ops = openssl_crypto_ops(&error);
	const struct span der = SPAN(data, size);
	const char *reason = NULL;
	struct cert cert = { .uri = "" };

	if (!ops)
		abort();
	if (ops->cert_read(der, &cert) == 0 && cert.uri[sizeof(cert.uri) - 1] != '\0')
		abort();
	if (ops->path_verify(&der, 1, &der, 1, cert.der.at ? cert.not_before_s : 0, &reason) == 0)
		abort(); /* a root is no leaf, and nothing else is its own anchor */
	return 0;
}

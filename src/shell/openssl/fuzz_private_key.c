/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a private key file; what loads can be written and loaded again. */
#include <stdlib.h>

#include "shell/openssl/crypto_openssl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(struct span file, enum key_kind kind)
{
	struct signing_key *key = NULL;
	struct signing_key *again = NULL;
	struct buffer pem = { 0 };

	if (signing_key_load(file, kind, &key) < 0)
		return;
	if (signing_key_to_pem(key, &pem) < 0 ||
	    signing_key_load(SPAN(pem.at, pem.len), kind, &again) < 0)
		abort();
	buffer_done(&pem);
	signing_key_free(key);
	signing_key_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load(SPAN(data, size), KEY_MLDSA65);
	load(SPAN(data, size), KEY_P256);
	return 0;
}

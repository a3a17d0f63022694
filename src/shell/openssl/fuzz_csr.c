/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a certificate request. */
#include <stdlib.h>

#include "shell/openssl/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct csr csr;

	if (pki_csr_read(SPAN(data, size), &csr) == 0 && strlen(csr.name) > PKI_NAME_MAX)
		abort();
	return 0;
}

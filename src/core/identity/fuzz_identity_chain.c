/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a chain: what decodes encodes to the same bytes. */
#include <stdlib.h>

#include "core/identity/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[CHAIN_LEN_MAX + 1 + 2 * CHAIN_CERTS_MAX];
	struct span chain[CHAIN_CERTS_MAX];
	size_t n;

	if (chain_decode(SPAN(data, size), chain, &n) == 0 &&
	    (chain_encode(chain, n, again, sizeof(again)) != (int)size ||
	     memcmp(again, data, size) != 0))
		abort();
	return 0;
}

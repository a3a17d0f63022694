/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what a peer says it offers. */
#include <stdlib.h>

#include "core/node/node_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prefix list[NODE_OFFERS_MAX];
	uint8_t again[OFFERS_LEN_MAX];
	char text[PREFIX_TEXT_SIZE];
	size_t n;

	if (offers_decode(SPAN(data, size), list, &n) < 0)
		return 0;
	if (offers_encode(list, n, again) != size || memcmp(again, data, size) != 0)
		abort();
	for (size_t i = 0; i < n; i++) {
		prefix_format(&list[i], text);
		(void)prefix_fault(&list[i]);
	}
	return 0;
}

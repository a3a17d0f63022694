/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: an inner packet from a peer. */
#include "core/forward/forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[16];
	struct inner i;
	char resource[FLOW_RESOURCE_SIZE];

	if (inner_parse(SPAN(data, size), &i) == 0) {
		(void)inner_flow_hash(&i, key);
		inner_resource(&i, resource);
	}
	return 0;
}

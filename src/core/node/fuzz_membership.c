/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the authority's answer; what decodes encodes to the same bytes. */
#include <assert.h>

#include "core/node/membership.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[MEMBERSHIP_LEN_MAX];
	struct membership m;

	if (membership_decode(SPAN(data, size), &m) < 0)
		return 0;
	int len = membership_encode(&m, again, sizeof(again));

	assert(len < 0 || ((size_t)len == size && memcmp(again, data, size) == 0));
	return 0;
}

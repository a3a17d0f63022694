/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the file in which a keeper left how the host was. */
#include <assert.h>

#include "shell/keeper/before.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char of[BEFORE_OF_SIZE] = "this boot and this network";
	uint8_t again[BEFORE_SIZE_MAX];
	struct before b;

	if (before_decode(SPAN(data, size), of, &b) < 0)
		return 0;
	for (unsigned i = 0; i < BEFORE_N_FAMILIES; i++)
		for (unsigned j = 0; j < b.n_interfaces[i]; j++)
			assert(b.interfaces[i][j][0] && !strchr(b.interfaces[i][j], '/'));
	assert(before_encode(&b, of, again) == size && memcmp(again, data, 5) == 0);
	return 0;
}

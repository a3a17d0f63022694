/* SPDX-License-Identifier: Apache-2.0 */
/* The join block: what decodes must encode to the same bytes. */
#include <assert.h>

#include "core/handshake/handshake.h"
#include "core/handshake/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t back[HS_JOIN_LEN_MAX];
	struct join_block j;

	if (join_block_decode(SPAN(data, size), &j) < 0)
		return 0;
	assert(join_block_encode(&j, back, sizeof(back)) == (int)size);
	assert(memcmp(back, data, size) == 0);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any opened seal: a hop header that decodes encodes to the same bytes. */
#include <stdlib.h>

#include "core/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[HOP_LEN + HOP_OPTIONS_LEN];
	struct wire_hop hop;
	struct span inner;

	if (wire_hop_decode(SPAN(data, size), &hop) == 0 &&
	    (wire_hop_encode(&hop, again) != size || memcmp(again, data, size) != 0))
		abort();
	if (wire_hop_decode_short(SPAN(data, size), &hop, &inner) == 0) {
		wire_hop_encode_short(&hop, again);
		if (memcmp(again, data, HOP_SHORT_LEN) != 0 || inner.len != size - HOP_SHORT_LEN)
			abort();
	}
	return 0;
}

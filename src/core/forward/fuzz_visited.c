/* SPDX-License-Identifier: Apache-2.0 */
/* Any hop header: what passes the check still does after more nodes, and none of them is lost. */
#include <stdlib.h>

#include "core/forward/visited.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_hop hop;

	if (wire_hop_decode(SPAN(data, size), &hop) < 0 || visited_check(&hop) < 0)
		return 0;
	for (uint64_t node = 1; node <= 20; node++) {
		visited_add(&hop, node);
		if (visited_check(&hop) < 0 || !visited_has(&hop, node) ||
		    visited_place(&hop, node) >= VISITED_TAGS_MAX)
			abort();
	}
	return 0;
}

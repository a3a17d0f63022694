/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an entry: what decodes encodes to the same bytes. */
#include <stdlib.h>

#include "core/ledger/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[LEDGER_ENTRY_MAX];
	struct ledger_entry_texts texts;
	struct ledger_entry e;
	size_t len;

	if (ledger_entry_decode(SPAN(data, size), &texts, &e) == 0 &&
	    (ledger_entry_encode(&e, again, sizeof(again), &len) < 0 || len != size ||
	     memcmp(again, data, size) != 0))
		abort();
	return 0;
}

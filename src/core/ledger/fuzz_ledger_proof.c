/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a proof: what decodes encodes to the same bytes. */
#include <stdlib.h>

#include "core/ledger/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t room[LEDGER_ENTRY_MAX];
	struct ledger_proof p;
	struct writer w;
	uint8_t *again;

	if (ledger_proof_decode(SPAN(data, size), room, &p) < 0)
		return 0;
	again = malloc(size);
	w = writer_of(again, size);
	if (again)
		ledger_proof_write(&w, &p);
	if (again && (w.overrun || w.len != size || memcmp(again, data, size) != 0))
		abort();
	free(again);
	return 0;
}

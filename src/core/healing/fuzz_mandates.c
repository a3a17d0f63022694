/* SPDX-License-Identifier: Apache-2.0 */
/* Any file of mandates: what is taken allows no more than its bounds, what is refused says why. */
#include <stdlib.h>

#include "core/healing/mandates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[MANDATES_WHY_SIZE] = "";
	const char *why_not;
	struct mandates m;

	if (mandates_parse(SPAN(data, size), &m, why) < 0) {
		if (!why[0])
			abort();
		return 0;
	}
	for (unsigned r = 0; r < MANDATE_N_REMEDIES; r++)
		if (mandates_allow(&m, (enum mandate_remedy)r, 0, MANDATE_RATE_MAX, &why_not))
			abort();
	return 0;
}

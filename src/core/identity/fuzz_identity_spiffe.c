/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a SPIFFE ID: what parses is formatted to the same text. */
#include <stdlib.h>

#include "core/identity/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1); /* exact, so that a read past the NUL is seen */
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];
	char again[SPIFFE_ID_SIZE];

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	if (spiffe_id_parse(text, domain, name) == 0 &&
	    (spiffe_id_format(domain, name, again) < 0 || strcmp(again, text) != 0))
		abort();
	free(text);
	return 0;
}

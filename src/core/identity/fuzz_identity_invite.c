/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an invitation: what parses is formatted to a text that parses to the same. */
#include <stdlib.h>

#include "core/identity/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	char again[INVITE_TEXT_MAX];
	struct invite first;
	struct invite second;
	const char *reason = NULL;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	if (invite_parse(text, &first, &reason) == 0) {
		if (invite_format(&first, again, sizeof(again)) < 0 ||
		    invite_parse(again, &second, &reason) < 0 ||
		    memcmp(&first, &second, sizeof(first)) != 0)
			abort();
	} else if (!reason) {
		abort();
	}
	free(text);
	return 0;
}

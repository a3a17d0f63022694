/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an invitation: what parses is formatted to a text that parses to the same. */
#include <stdlib.h>

#include "core/identity/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct invite *a, const struct invite *b)
{
	if (strcmp(a->domain, b->domain) != 0 || a->n_endpoints != b->n_endpoints ||
	    memcmp(a->ca, b->ca, sizeof(a->ca)) != 0 ||
	    memcmp(a->network_key, b->network_key, sizeof(a->network_key)) != 0)
		return false;
	for (size_t i = 0; i < a->n_endpoints; i++)
		if (strcmp(a->endpoints[i], b->endpoints[i]) != 0)
			return false;
	return memcmp(a->token.id, b->token.id, sizeof(a->token.id)) == 0 &&
	       memcmp(a->token.secret, b->token.secret, sizeof(a->token.secret)) == 0;
}

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
		    invite_parse(again, &second, &reason) < 0 || !is_same(&first, &second))
			abort();
	} else if (!reason) {
		abort();
	}
	free(text);
	return 0;
}

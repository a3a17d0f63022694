/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a title and a text are, the JSON is JSON, and the mail is short lines of ASCII with no
 * head line that is not ours. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "shell/notify/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(char *text)
{
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	assert(json_is_object(j));
	json_decref(j);
	free(text);
}

static void check_mail(char *text)
{
	const char *body = text ? strstr(text, "\r\n\r\n") : NULL;
	unsigned n_heads = 0;

	assert(body);
	for (const char *at = text; at <= body; n_heads++)
		at = strstr(at, "\r\n") + 2;
	assert(n_heads == 9);
	for (const char *line = text; *line;) {
		const char *end = strstr(line, "\r\n");

		assert(end && end - line <= 78);
		for (; line < end; line++)
			assert(*line >= 0x20 && *line < 0x7f);
		line = end + 2;
	}
	assert(!strstr(text, "\r\n."));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[8192];
	struct notify_message m = { .title = text, .text = text, .severity = NOTIFY_SERIOUS };
	struct note n;
	size_t len = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	format_note(&m, 7, &n);
	check_json(format_webhook(&n, "spiffe://x/node/a"));
	check_json(format_telegram(&n, "spiffe://x/node/a", "-100"));
	check_mail(format_mail(&n, "spiffe://x/node/a", "a@example.org", "b@example.org"));
	return 0;
}

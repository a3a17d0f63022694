/* SPDX-License-Identifier: Apache-2.0 */
/* What guard.c reads of a request's head: a Host, an Origin and a length, a line each. */
#include <string.h>

#include "shell/http/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct guard_hosts hosts = { .n = 2, .names = { "fd00::1", "roof" } };
	char text[1024], name[HTTP_HOST_MAX];
	char *origin, *length, *rest;
	size_t n;

	(void)guard_text_is_plain(SPAN(data, size));
	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	rest = text;
	(void)strsep(&rest, "\n");
	origin = rest ? rest : text;
	(void)strsep(&rest, "\n");
	length = rest ? rest : text;
	(void)guard_host_name(text, name);
	(void)guard_host_is_ours(text, &hosts);
	(void)guard_origin_is_ours(origin, text);
	(void)guard_content_length(length, HTTP_BODY_MAX, &n);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A request from outside: its method, path, query and body, a line each. */
#include <string.h>

#include "api/api.h"
#include "api/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line as a text, without NULs. */
static void line(struct span *rest, char *ret, size_t ret_size)
{
	const uint8_t *end = memchr(rest->at, '\n', rest->len);
	size_t len = end ? (size_t)(end - rest->at) : rest->len;
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < ret_size; i++)
		if (rest->at[i])
			ret[n++] = (char)rest->at[i];
	ret[n] = '\0';
	len += end != NULL;
	*rest = SPAN(rest->at + len, rest->len - len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char method[16], path[256], query[256], type[64], allow[64], text[1024];
	struct span rest = SPAN(data, size);
	const char *queries[] = { query };
	const struct api_operation *o;
	struct api_problem p = { .status = 0 };
	unsigned topics;
	json_t *args;

	line(&rest, method, sizeof(method));
	line(&rest, path, sizeof(path));
	line(&rest, query, sizeof(query));
	line(&rest, type, sizeof(type));
	(void)journal_topics_parse(query, &topics);
	o = api_match(method, path, allow, &p);
	if (o) {
		args = api_arguments(o, path, queries, query[0] ? 1 : 0, type, rest, &p);
		json_decref(args);
	}
	if (p.status)
		(void)api_problem_json(&p, text, sizeof(text));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests behind each other: where each head ends, whole or in two pieces, and what is in it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "shell/http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct head *h)
{
	static const char *const names[] = { "host", "connection", "content-length", "X" };
	char text[HTTP_PATH_MAX + 1];
	struct head_target target;
	struct http_refusal why;
	size_t len;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = head_copy(h, names[i], text, sizeof(text));

		assert(r < 0 || head_find(h, names[i], NULL) > 0 || text[0] == '\0');
		(void)head_has_member(h, names[i], "close");
	}
	if (head_body_len(h, true, &len, &why) == 0)
		assert(len <= HTTP_BODY_MAX && head_find(h, "content-length", NULL) == 1 &&
		       head_find(h, "transfer-encoding", NULL) == 0);
	head_target(h, "http", &target);
	assert(target.authority.len + target.path.len + target.query.len <= h->target.len + 1);
	if (head_decode(h->target, false, text, sizeof(text)) == 0)
		(void)head_path_climbs(text);
	(void)head_decode(h->target, true, text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_refusal why, again;
	struct head head;
	int r = 0;

	while (r == 0 && size > 0) {
		struct head_scan whole = { 0 };
		struct head_scan cut = { 0 };
		size_t len = 0, same = 0;

		r = head_scan(&whole, SPAN(data, size), &len, &why);
		if (head_scan(&cut, SPAN(data, size / 2), &same, &again) == -EAGAIN)
			assert(head_scan(&cut, SPAN(data, size), &same, &again) == r);
		assert(r != 0 || (len == same && len <= size && whole.begin == cut.begin &&
				  len - whole.begin <= HTTP_HEADERS_MAX));
		if (r == 0 &&
		    head_parse(SPAN(data + whole.begin, len - whole.begin), &head, &why) == 0)
			look_at(&head);
		data += len;
		size -= len;
	}
	return 0;
}

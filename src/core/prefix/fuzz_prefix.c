/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: prefixes as text, one a line, against a plain walk for the longest. */
#include <stdlib.h>
#include <string.h>

#include "core/prefix/prefix.h"

#define LINES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct prefix *plain(const struct prefix *list, size_t n, const uint8_t address[16])
{
	const struct prefix *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (prefix_covers(&list[i], address) && (!best || list[i].len > best->len))
			best = &list[i];
	return best;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prefix list[LINES_MAX];
	struct prefix_table *t;
	char *text = malloc(size + 1), *save = NULL;
	size_t n = 0;

	if (!text || prefix_table_new(&t) < 0)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line && n < LINES_MAX;
	     line = strtok_r(NULL, "\n", &save)) {
		char again[PREFIX_TEXT_SIZE];
		struct prefix back;

		if (prefix_parse(line, &list[n]) < 0)
			continue;
		prefix_format(&list[n], again);
		if (prefix_parse(again, &back) < 0 || !prefix_equal(&back, &list[n]))
			abort();
		(void)prefix_fault(&back);
		(void)prefix_table_add(t, &list[n], n + 1);
		n++;
	}
	prefix_table_sort(t);
	for (size_t i = 0; i < n; i++) {
		const struct prefix *expected = plain(list, n, list[i].ip);
		const struct prefix_entry *e = prefix_table_find(t, list[i].ip);

		if (!e || !expected || !prefix_equal(&e->prefix, expected))
			abort();
	}
	prefix_table_free(t);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody searches for, as an expression of FTS5: words in quotes, each the beginning of one,
 * so that none of its operators, columns or errors can be reached from outside. */
#include <stdbool.h>
#include <string.h>

#include "shell/knowledge/internal.h"

static bool is_of_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (unsigned char)c >= 0x80;
}

void query_match(const char *text, char ret[MATCH_SIZE])
{
	size_t len = strnlen(text, KNOWLEDGE_QUERY_MAX);
	char *to = ret;
	unsigned n = 0;

	for (size_t i = 0; i < len && n < KNOWLEDGE_WORDS_MAX; i++) {
		if (!is_of_word(text[i]))
			continue;
		if (n++ > 0)
			*to++ = ' ';
		*to++ = '"';
		for (; i < len && is_of_word(text[i]); i++)
			*to++ = text[i];
		*to++ = '"';
		*to++ = '*';
	}
	*to = '\0';
}

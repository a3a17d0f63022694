/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns in which "*" is any run of characters.
 *
 * A pattern is pieces between stars. The first piece is a prefix of the text, the last a
 * suffix, and each of those between is taken at its earliest place behind the one before:
 * where any match exists, this one does. Each piece is found by Knuth, Morris and Pratt's
 * method, so that no text makes it slow. */
#include "core/policy/pattern.h"

#include <string.h>

/* A piece has at most POLICY_PATTERN_SIZE - 1 bytes, so a border of one fits a byte. */
_Static_assert(POLICY_PATTERN_SIZE <= 256, "borders are kept in bytes");

/* borders[i]: length of the longest proper prefix of piece that ends at piece[i]. */
static void find_borders(const char *piece, size_t len, uint8_t *borders)
{
	size_t border = 0;

	borders[0] = 0;
	for (size_t i = 1; i < len; i++) {
		while (border > 0 && piece[i] != piece[border])
			border = borders[border - 1];
		if (piece[i] == piece[border])
			border++;
		borders[i] = (uint8_t)border;
	}
}

/* What follows the first occurrence of the piece in [text, end), or NULL. */
static const char *find_piece(const char *piece, size_t len, const char *text, const char *end)
{
	uint8_t borders[POLICY_PATTERN_SIZE];
	size_t matched = 0;

	if (len == 0)
		return text;
	find_borders(piece, len, borders);
	while (text < end) {
		while (matched > 0 && *text != piece[matched])
			matched = borders[matched - 1];
		if (*text == piece[matched])
			matched++;
		text++;
		if (matched == len)
			return text;
	}
	return NULL;
}

void pattern_init(struct pattern *p, const char *text, size_t len)
{
	const char *first = memchr(text, '*', len);
	const char *last = first ? memrchr(text, '*', len) : NULL;

	*p = (struct pattern){
		.text = text,
		.len = len,
		.has_star = first,
		.prefix_len = first ? (size_t)(first - text) : len,
		.suffix_len = last ? (size_t)(text + len - last) - 1 : 0,
	};
}

/* text lies between prefix and suffix; the pieces are those between the first and last star. */
static bool pieces_match(const struct pattern *p, const char *text, const char *end)
{
	const char *star = p->text + p->prefix_len;
	const char *last = p->text + p->len - p->suffix_len - 1;

	while (text && star < last) {
		const char *piece = star + 1;

		star = memchr(piece, '*', (size_t)(last - piece) + 1);
		text = find_piece(piece, (size_t)(star - piece), text, end);
	}
	return text != NULL;
}

bool pattern_matches(const struct pattern *p, const char *text, size_t len)
{
	const char *suffix = p->text + p->len - p->suffix_len;

	if (len < p->prefix_len + p->suffix_len || (!p->has_star && len != p->len))
		return false;
	if (memcmp(text, p->text, p->prefix_len) != 0 ||
	    memcmp(text + len - p->suffix_len, suffix, p->suffix_len) != 0)
		return false;
	return !p->has_star || pieces_match(p, text + p->prefix_len, text + len - p->suffix_len);
}

bool policy_pattern_matches(const char *pattern, const char *text)
{
	size_t len = strnlen(pattern, POLICY_PATTERN_SIZE);
	struct pattern p;

	if (len == POLICY_PATTERN_SIZE)
		return false;
	pattern_init(&p, pattern, len);
	return pattern_matches(&p, text, strlen(text));
}

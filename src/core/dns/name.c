/* SPDX-License-Identifier: Apache-2.0 */
/* Names: labels, their compression (RFC 1035 4.1.4) and their comparison without case (RFC 4343).
 */
#include <errno.h>

#include "core/dns/dns.h"

#define LABEL_MAX 63
#define POINTER 0xc0

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* A pointer leads before all that was read by now, so that each byte is read once at most and the
 * walk ends. */
int dns_name_read(struct span message, size_t *at, struct dns_name *ret)
{
	struct dns_name n = { 0 };
	size_t cursor = *at;
	size_t lowest = *at;
	size_t end = 0; /* behind the first pointer; 0: none yet */

	for (;;) {
		uint8_t len;

		if (cursor >= message.len)
			return -EBADMSG;
		len = message.at[cursor];
		if ((len & POINTER) == POINTER) {
			if (cursor + 2 > message.len)
				return -EBADMSG;
			if (end == 0)
				end = cursor + 2;
			cursor = load_u16(message.at + cursor) & 0x3fffU;
			if (cursor >= lowest || cursor < DNS_HEADER_LEN)
				return -EBADMSG;
			lowest = cursor;
			continue;
		}
		if (len > LABEL_MAX || cursor + 1 + len > message.len ||
		    n.len + 1 + len > DNS_NAME_MAX)
			return -EBADMSG;
		memcpy(n.wire + n.len, message.at + cursor, 1U + len);
		n.len += 1U + len;
		cursor += 1U + len;
		if (len == 0)
			break;
	}
	*at = end ? end : cursor;
	*ret = n;
	return 0;
}

int dns_name_parse(const char *text, struct dns_name *ret)
{
	struct dns_name n = { 0 };

	if (strcmp(text, ".") == 0)
		text++;
	while (*text) {
		size_t len = strcspn(text, ".");

		if (len == 0 || len > LABEL_MAX || n.len + 1 + len + 1 > DNS_NAME_MAX)
			return -EINVAL;
		n.wire[n.len] = (uint8_t)len;
		memcpy(n.wire + n.len + 1, text, len);
		n.len += 1 + len;
		text += len + (text[len] == '.');
	}
	n.wire[n.len++] = 0;
	*ret = n;
	return 0;
}

int dns_name_format(const struct dns_name *n, char ret[DNS_TEXT_SIZE])
{
	size_t out = 0;

	for (size_t at = 0; n->wire[at] != 0; at += 1U + n->wire[at]) {
		if (at > 0)
			ret[out++] = '.';
		for (size_t i = 1; i <= n->wire[at]; i++) {
			uint8_t c = n->wire[at + i];

			if (c == '.' || c <= ' ' || c > '~')
				return -EINVAL;
			ret[out++] = (char)lower(c);
		}
	}
	ret[out] = '\0';
	return 0;
}

/* A label's length is at most 63 and so no letter: it may be compared as one. */
static bool is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && is_same(a->wire, b->wire, a->len);
}

bool dns_name_is_under(const struct dns_name *n, const struct dns_name *parent, size_t *ret_before)
{
	size_t at = 0;

	if (n->len < parent->len)
		return false;
	while (n->len - at > parent->len)
		at += 1U + n->wire[at];
	if (n->len - at != parent->len || !is_same(n->wire + at, parent->wire, parent->len))
		return false;
	*ret_before = at;
	return true;
}

unsigned dns_name_labels(const struct dns_name *n)
{
	unsigned count = 0;

	for (size_t at = 0; n->wire[at] != 0; at += 1U + n->wire[at])
		count++;
	return count;
}

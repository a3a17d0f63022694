/* SPDX-License-Identifier: Apache-2.0 */
/* Host, Origin and Content-Length, judged strictly: whoever needs more than this is refused. */
#include "shell/http/guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

static bool is_port(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n >= 1 && n <= 5 && text[n] == '\0';
}

static bool copy_lower(const char *from, size_t len, char ret[HTTP_HOST_MAX])
{
	if (len == 0 || len >= HTTP_HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)from[i];

		if (!isalnum(c) && !strchr("-._:", c))
			return false;
		ret[i] = (char)tolower(c);
	}
	ret[len] = '\0';
	return true;
}

int guard_host_name(const char *text, char ret[HTTP_HOST_MAX])
{
	const char *rest;
	size_t len;

	if (text[0] == '[') {
		rest = strchr(text, ']');
		if (!rest || !copy_lower(text + 1, (size_t)(rest - text) - 1, ret))
			return -EBADMSG;
		rest++;
	} else {
		rest = text + strcspn(text, ":");
		len = (size_t)(rest - text);
		if (len > 1 && text[len - 1] == '.')
			len--;
		if (!copy_lower(text, len, ret))
			return -EBADMSG;
	}
	return rest[0] == '\0' || (rest[0] == ':' && is_port(rest + 1)) ? 0 : -EBADMSG;
}

static bool is_loopback_address(const char *name)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, name, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, name, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* The same address may be written in more ways than one. */
static bool is_same(const char *name, const char *other)
{
	struct in6_addr a, b;

	if (strcmp(name, other) == 0)
		return true;
	return inet_pton(AF_INET6, name, &a) == 1 && inet_pton(AF_INET6, other, &b) == 1 &&
	       memcmp(&a, &b, sizeof(a)) == 0;
}

bool guard_host_is_ours(const char *host, const struct guard_hosts *hosts)
{
	char name[HTTP_HOST_MAX];

	if (guard_host_name(host, name) < 0)
		return false;
	if (strcmp(name, "localhost") == 0 || is_loopback_address(name))
		return true;
	for (size_t i = 0; i < hosts->n; i++)
		if (is_same(name, hosts->names[i]))
			return true;
	return false;
}

bool guard_origin_is_ours(const char *origin, const char *host)
{
	const char *authority;

	if (origin[0] == '\0')
		return true;
	if (strncasecmp(origin, "http://", 7) == 0)
		authority = origin + 7;
	else if (strncasecmp(origin, "https://", 8) == 0)
		authority = origin + 8;
	else
		return false; /* "null" too: a page from a file or a sandbox */
	return strcasecmp(authority, host) == 0;
}

int guard_content_length(const char *text, size_t max, size_t *ret)
{
	size_t n = strspn(text, "0123456789");
	size_t value = 0;

	if (n == 0 || text[n] != '\0')
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		value = value * 10 + (size_t)(text[i] - '0');
		if (value > max)
			return -EMSGSIZE;
	}
	*ret = value;
	return 0;
}

/* "gzip;q=0" and "gzip; q=0.00" refuse it. */
static bool is_refused(const char *weight, size_t len)
{
	size_t i = 0;

	while (i < len && strchr("; \tq=Q", weight[i]))
		i++;
	return i > 0 && i < len && strspn(weight + i, "0.") >= len - i;
}

bool guard_accepts_gzip(const char *text)
{
	while (*text) {
		size_t len;

		text += strspn(text, ", \t");
		len = strcspn(text, ",");
		while (len > 0 && strchr(" \t", text[len - 1]))
			len--;
		if (len >= 4 && strncasecmp(text, "gzip", 4) == 0 &&
		    (len == 4 || strchr("; \t", text[4])))
			return !is_refused(text + 4, len - 4);
		text += strcspn(text, ",");
	}
	return false;
}

/* Length of the sequence that begins here; 0 for none that is allowed. */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
	uint8_t c = at[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f ? 1 : 0;
	if (c < 0xc2 || c > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) ||
	    (c == 0xf0 && at[1] < 0x90) || (c == 0xf4 && at[1] > 0x8f))
		return 0;
	return n;
}

bool guard_text_is_plain(struct span text)
{
	for (size_t i = 0; i < text.len;) {
		size_t n = utf8_sequence(text.at + i, text.len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

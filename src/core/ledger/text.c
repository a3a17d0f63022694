/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, decimals and base64. */
#include <errno.h>

#include "core/ledger/text.h"

size_t text_utf8_len(const uint8_t *s, size_t left)
{
	static const struct {
		uint8_t from, to, second_from, second_to;
		size_t len;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].from || s[0] > forms[i].to)
			continue;
		if (forms[i].len > left)
			return 0;
		if (forms[i].len > 1 && (s[1] < forms[i].second_from || s[1] > forms[i].second_to))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

void text_write(struct writer *w, const char *text)
{
	write_bytes(w, (const uint8_t *)text, strlen(text));
}

void text_write_decimal(struct writer *w, uint64_t v)
{
	uint8_t digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	write_bytes(w, digits + n, sizeof(digits) - n);
}

bool text_read_decimal(struct reader *r, uint64_t *ret)
{
	uint64_t v = 0;
	const uint8_t *start = r->at;
	size_t n = 0;

	for (; r->left > 0 && r->at[0] >= '0' && r->at[0] <= '9'; n++) {
		uint64_t digit = (uint64_t)(read_u8(r) - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return n == 1 || (n > 1 && start[0] != '0');
}

bool text_skip(struct reader *r, const char *literal)
{
	size_t len = strlen(literal);

	if (r->left < len || memcmp(r->at, literal, len) != 0)
		return false;
	(void)read_bytes(r, len);
	return true;
}

bool text_read_line(struct reader *r, struct span *ret)
{
	const uint8_t *end = r->left > 0 ? memchr(r->at, '\n', r->left) : NULL;

	if (!end)
		return false;
	*ret = read_span(r, (size_t)(end - r->at));
	(void)read_u8(r);
	return true;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_write_base64(struct writer *w, struct span from)
{
	for (size_t i = 0; i < from.len; i += 3) {
		size_t n = from.len - i < 3 ? from.len - i : 3;
		uint32_t bits = (uint32_t)from.at[i] << 16;

		if (n > 1)
			bits |= (uint32_t)from.at[i + 1] << 8;
		if (n > 2)
			bits |= from.at[i + 2];
		for (size_t k = 0; k < 4; k++)
			write_u8(w, k <= n ? (uint8_t)digits[bits >> (18 - 6 * k) & 63] : '=');
	}
}

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int text_base64_decode(struct span text, uint8_t *ret, size_t size, size_t *ret_len)
{
	struct writer w = writer_of(ret, size);

	if (text.len % 4 != 0)
		return -EBADMSG;
	for (size_t i = 0; i < text.len; i += 4) {
		bool is_last = i + 4 == text.len;
		size_t n = is_last && text.at[i + 3] == '=' ? 2 : 3; /* bytes of this group */
		uint32_t bits = 0;

		if (n == 2 && text.at[i + 2] == '=')
			n = 1;
		for (size_t k = 0; k <= n; k++) {
			int value = value_of(text.at[i + k]);

			if (value < 0)
				return -EBADMSG;
			bits |= (uint32_t)value << (18 - 6 * k);
		}
		if (bits & ((UINT32_C(1) << (24 - 8 * n)) - 1))
			return -EBADMSG; /* bits that no byte has: another text of the same bytes */
		for (size_t k = 0; k < n; k++)
			write_u8(&w, (uint8_t)(bits >> (16 - 8 * k)));
	}
	if (w.overrun)
		return -ENOBUFS;
	*ret_len = w.len;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Big-endian readers and writers, constant-time comparison, wiping, hex and base64url. */
#include "base/bytes.h"

#include <errno.h>
#include <string.h>

const uint8_t *read_bytes(struct reader *r, size_t n)
{
	static const uint8_t nothing[1];
	const uint8_t *at = r->at ? r->at : nothing;

	if (r->overrun || n > r->left) {
		r->overrun = true;
		r->left = 0;
		return NULL;
	}
	r->at = at + n;
	r->left -= n;
	return at;
}

void read_copy(struct reader *r, uint8_t *ret, size_t n)
{
	const uint8_t *p = read_bytes(r, n);

	if (p)
		memcpy(ret, p, n);
	else
		memset(ret, 0, n);
}

struct span read_span(struct reader *r, size_t n)
{
	const uint8_t *p = read_bytes(r, n);

	return p ? SPAN(p, n) : (struct span){ 0 };
}

static uint64_t read_be(struct reader *r, size_t n)
{
	const uint8_t *p = read_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t read_u8(struct reader *r)
{
	return (uint8_t)read_be(r, 1);
}

uint16_t read_u16(struct reader *r)
{
	return (uint16_t)read_be(r, 2);
}

uint32_t read_u24(struct reader *r)
{
	return (uint32_t)read_be(r, 3);
}

uint32_t read_u32(struct reader *r)
{
	return (uint32_t)read_be(r, 4);
}

uint64_t read_u56(struct reader *r)
{
	return read_be(r, 7);
}

uint64_t read_u64(struct reader *r)
{
	return read_be(r, 8);
}

uint8_t *write_room(struct writer *w, size_t n)
{
	if (w->overrun || n > w->size - w->len) {
		w->overrun = true;
		return NULL;
	}
	w->len += n;
	return w->start + w->len - n;
}

void write_bytes(struct writer *w, const uint8_t *from, size_t n)
{
	uint8_t *to = write_room(w, n);

	if (to && n > 0)
		memcpy(to, from, n);
}

void write_span(struct writer *w, struct span s)
{
	write_bytes(w, s.at, s.len);
}

static void write_be(struct writer *w, uint64_t v, size_t n)
{
	uint8_t *to = write_room(w, n);

	for (size_t i = n; to && i > 0; i--, v >>= 8)
		to[i - 1] = (uint8_t)v;
}

void write_u8(struct writer *w, uint8_t v)
{
	write_be(w, v, 1);
}

void write_u16(struct writer *w, uint16_t v)
{
	write_be(w, v, 2);
}

void write_u24(struct writer *w, uint32_t v)
{
	write_be(w, v, 3);
}

void write_u32(struct writer *w, uint32_t v)
{
	write_be(w, v, 4);
}

void write_u64(struct writer *w, uint64_t v)
{
	write_be(w, v, 8);
}

bool bytes_equal_ct(const uint8_t *a, const uint8_t *b, size_t n)
{
	volatile uint64_t difference = 0;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t x, y;

		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		difference = difference | (x ^ y);
	}
	for (; i < n; i++)
		difference = difference | (uint64_t)(a[i] ^ b[i]);
	return difference == 0;
}

void bytes_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

void bytes_to_hex(const uint8_t *from, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = digits[from[i] >> 4];
		ret[2 * i + 1] = digits[from[i] & 15];
	}
	ret[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int bytes_from_hex(const char *hex, uint8_t *ret, size_t n)
{
	if (strlen(hex) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_digit(hex[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
	return 0;
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int bytes_to_base64url(struct span from, char *ret, size_t ret_size)
{
	size_t n = from.len / 3 * 4 + (from.len % 3 ? from.len % 3 + 1 : 0);
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t used = 0;

	if (ret_size < n + 1)
		return -ENOBUFS;
	for (size_t i = 0; i < from.len; i++) {
		bits = bits << 8 | from.at[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			ret[used++] = base64url[bits >> (n_bits - 6) & 63];
	}
	if (n_bits > 0)
		ret[used++] = base64url[bits << (6 - n_bits) & 63];
	ret[used] = '\0';
	return 0;
}

int bytes_from_base64url(const char *text, uint8_t *ret, size_t ret_size, size_t *ret_len)
{
	size_t n = strlen(text);
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t used = 0;

	if (n % 4 == 1)
		return -EINVAL;
	if (n / 4 * 3 + n % 4 * 3 / 4 > ret_size)
		return -ENOBUFS;
	for (size_t i = 0; i < n; i++) {
		const char *digit = strchr(base64url, text[i]);

		if (!digit)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)(digit - base64url);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			ret[used++] = (uint8_t)(bits >> n_bits);
		}
	}
	if (bits & ((1U << n_bits) - 1))
		return -EINVAL; /* one text for one value */
	*ret_len = used;
	return 0;
}

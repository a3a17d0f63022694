/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - reading and writing big-endian bytes without ever leaving the buffer.
 *
 * A reader or writer that would overrun sets .overrun, returns zeros or writes nothing,
 * and stays that way; check it once, at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. A span owns nothing. */
struct span {
	const uint8_t *at;
	size_t len;
};

#define SPAN(p, n) ((struct span){ .at = (const uint8_t *)(p), .len = (n) })
#define SPAN_OF(array) SPAN((array), sizeof(array))
#define SPAN_STR(literal) SPAN((literal), sizeof(literal) - 1) /* without the NUL */
#define SPAN_STR0(literal) SPAN((literal), sizeof(literal))    /* with it */

struct reader {
	const uint8_t *at;
	size_t left;
	bool overrun;
};

static inline struct reader reader_of(struct span s)
{
	return (struct reader){ .at = s.at, .left = s.len };
}

/* n bytes at the cursor, which moves past them; NULL on overrun (never for n == 0). */
const uint8_t *read_bytes(struct reader *r, size_t n);
void read_copy(struct reader *r, uint8_t *ret, size_t n); /* zeros on overrun */
struct span read_span(struct reader *r, size_t n);	  /* empty on overrun */
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u24(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u56(struct reader *r);
uint64_t read_u64(struct reader *r);

struct writer {
	uint8_t *start;
	size_t len;  /* bytes written */
	size_t size; /* room */
	bool overrun;
};

static inline struct writer writer_of(uint8_t *buffer, size_t size)
{
	return (struct writer){ .start = buffer, .size = size };
}

/* Room for n bytes at the cursor, which moves past them; NULL on overrun. */
uint8_t *write_room(struct writer *w, size_t n);
void write_bytes(struct writer *w, const uint8_t *from, size_t n);
void write_span(struct writer *w, struct span s);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u24(struct writer *w, uint32_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);

static inline uint16_t load_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_u32(const uint8_t *p)
{
	return (uint32_t)load_u16(p) << 16 | load_u16(p + 2);
}

static inline uint64_t load_u64(const uint8_t *p)
{
	return (uint64_t)load_u32(p) << 32 | load_u32(p + 4);
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void store_u32(uint8_t *p, uint32_t v)
{
	store_u16(p, (uint16_t)(v >> 16));
	store_u16(p + 2, (uint16_t)v);
}

static inline void store_u64(uint8_t *p, uint64_t v)
{
	store_u32(p, (uint32_t)(v >> 32));
	store_u32(p + 4, (uint32_t)v);
}

/* Compares in time that depends on n alone. */
bool bytes_equal_ct(const uint8_t *a, const uint8_t *b, size_t n);

/* Overwrites with zeros; the compiler may not leave it out. */
void bytes_wipe(void *p, size_t n);

/* Lower-case hexadecimal: 2 n characters and a NUL into ret. */
void bytes_to_hex(const uint8_t *from, size_t n, char *ret);
/* Exactly 2 n hexadecimal digits, either case. -EINVAL otherwise, and ret is untouched. */
int bytes_from_hex(const char *hex, uint8_t *ret, size_t n);

/* URL-safe base64 without padding (RFC 4648 section 5). ret_size counts the NUL;
 * -ENOBUFS where the room is short, -EINVAL for a character or length that is none. */
int bytes_to_base64url(struct span from, char *ret, size_t ret_size);
int bytes_from_base64url(const char *text, uint8_t *ret, size_t ret_size, size_t *ret_len);

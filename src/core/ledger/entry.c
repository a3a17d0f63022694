/* SPDX-License-Identifier: Apache-2.0 */
/* An entry as canonical JSON (RFC 8785), both ways. */
#include <errno.h>

#include "core/ledger/entry.h"
#include "core/ledger/text.h"

static const char *const kind_names[] = {
	[LEDGER_INTENT] = "intent",
	[LEDGER_RESULT] = "result",
	[LEDGER_NOTICE] = "notice",
};
#define N_KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

/* The characters with an escape of two letters (RFC 8785 section 3.2.2.2). */
static const char short_escapes[] = "\b\t\n\f\r\"\\";
static const char short_letters[] = "btnfr\"\\";

const char *ledger_kind_name(enum ledger_kind kind)
{
	return (size_t)kind < N_KINDS ? kind_names[kind] : NULL;
}

static bool is_text(const char *text, size_t len_max)
{
	size_t len = strnlen(text, len_max + 1);
	size_t n;

	if (len == 0 || len > len_max)
		return false;
	for (size_t i = 0; i < len; i += n) {
		n = text_utf8_len((const uint8_t *)text + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

static bool is_sound(const struct ledger_entry *e)
{
	return ledger_kind_name(e->kind) && e->unix_ms <= LEDGER_UNIX_MS_MAX && e->who &&
	       is_text(e->who, LEDGER_NAME_MAX) && e->what && is_text(e->what, LEDGER_NAME_MAX) &&
	       (!e->where || is_text(e->where, LEDGER_NAME_MAX)) &&
	       (!e->why || is_text(e->why, LEDGER_TEXT_MAX)) &&
	       (!e->result || is_text(e->result, LEDGER_TEXT_MAX));
}

/* The key and a colon, with a comma before it but for the first one. */
static void write_key(struct writer *w, const char *key)
{
	text_write(w, w->len == 1 ? "\"" : ",\"");
	text_write(w, key);
	text_write(w, "\":");
}

static bool is_plain(uint8_t c)
{
	return c >= ' ' && c != '"' && c != '\\';
}

static void write_escaped(struct writer *w, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	const char *at = strchr(short_escapes, c);

	if (at) {
		write_u8(w, '\\');
		write_u8(w, (uint8_t)short_letters[at - short_escapes]);
	} else {
		text_write(w, "\\u00");
		write_u8(w, (uint8_t)hex[c >> 4]);
		write_u8(w, (uint8_t)hex[c & 15]);
	}
}

static void write_member(struct writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	write_key(w, key);
	write_u8(w, '"');
	while (*text) {
		const char *start = text;

		while (is_plain((uint8_t)*text)) /* the usual: in one piece */
			text++;
		write_bytes(w, (const uint8_t *)start, (size_t)(text - start));
		if (*text)
			write_escaped(w, (uint8_t)*text++);
	}
	write_u8(w, '"');
}

static void write_id(struct writer *w, const char *key, uint64_t id)
{
	if (id == 0)
		return;
	write_key(w, key);
	write_u8(w, '"');
	text_write_decimal(w, id);
	write_u8(w, '"');
}

int ledger_entry_encode(const struct ledger_entry *e, uint8_t *to, size_t size, size_t *ret_len)
{
	struct writer w = writer_of(to, size);

	if (!is_sound(e))
		return -EINVAL;
	write_u8(&w, '{'); /* and the members in the order of their keys */
	write_id(&w, "action", e->action);
	if (e->is_disk) {
		write_key(&w, "disk");
		text_write(&w, "true");
	}
	write_id(&w, "incident", e->incident);
	write_member(&w, "kind", ledger_kind_name(e->kind));
	write_member(&w, "result", e->result);
	write_key(&w, "v");
	write_u8(&w, '1');
	write_member(&w, "what", e->what);
	write_key(&w, "when");
	text_write_decimal(&w, e->unix_ms);
	write_member(&w, "where", e->where);
	write_member(&w, "who", e->who);
	write_member(&w, "why", e->why);
	write_u8(&w, '}');
	if (w.overrun)
		return -ENOBUFS;
	*ret_len = w.len;
	return 0;
}

static bool skip_key(struct reader *r, const char *key, bool is_first)
{
	struct reader ahead = *r;

	if (!text_skip(&ahead, is_first ? "\"" : ",\"") || !text_skip(&ahead, key) ||
	    !text_skip(&ahead, "\":"))
		return false;
	*r = ahead;
	return true;
}

/* The character behind a backslash; 0 for none that we write. */
static uint8_t read_escape(struct reader *r)
{
	uint8_t letter = read_u8(r);
	const char *at = letter ? strchr(short_letters, letter) : NULL;
	char hex[3] = { 0 };
	uint8_t c = 0;

	if (at)
		return (uint8_t)short_escapes[at - short_letters];
	if (letter != 'u' || !text_skip(r, "00"))
		return 0;
	hex[0] = (char)read_u8(r);
	hex[1] = (char)read_u8(r);
	return bytes_from_hex(hex, &c, 1) == 0 ? c : 0;
}

/* A string into the next free bytes of texts, with a NUL. NULL: no such string. */
static const char *read_string(struct reader *r, struct writer *texts)
{
	const char *start = (const char *)texts->start + texts->len;

	if (read_u8(r) != '"')
		return NULL;
	for (;;) {
		uint8_t c = read_u8(r);

		if (c == '"')
			break;
		if (c == '\\')
			c = read_escape(r);
		if (c == 0 || texts->overrun)
			return NULL; /* the end of the bytes reads as 0 too */
		write_u8(texts, c);
	}
	write_u8(texts, 0);
	return texts->overrun ? NULL : start;
}

static bool read_id(struct reader *r, uint64_t *ret)
{
	return text_skip(r, "\"") && text_read_decimal(r, ret) && text_skip(r, "\"");
}

/* A member that must be there. */
static bool read_member(struct reader *r, const char *key, struct writer *texts, const char **ret)
{
	if (!skip_key(r, key, false))
		return false;
	*ret = read_string(r, texts);
	return *ret != NULL;
}

static bool read_optional(struct reader *r, const char *key, struct writer *texts, const char **ret)
{
	struct reader ahead = *r;

	return !skip_key(&ahead, key, false) || read_member(r, key, texts, ret);
}

static bool read_kind(struct reader *r, bool is_first, enum ledger_kind *ret)
{
	char text[16];
	struct writer w = writer_of((uint8_t *)text, sizeof(text));

	if (!skip_key(r, "kind", is_first) || !read_string(r, &w))
		return false;
	for (size_t i = 1; i < N_KINDS; i++)
		if (strcmp(text, kind_names[i]) == 0) {
			*ret = (enum ledger_kind)i;
			return true;
		}
	return false;
}

/* The members up to "kind": which of them is first is open. */
static bool read_head(struct reader *r, struct ledger_entry *e)
{
	bool is_first = true;

	if (!text_skip(r, "{"))
		return false;
	if (skip_key(r, "action", is_first)) {
		if (!read_id(r, &e->action))
			return false;
		is_first = false;
	}
	if (skip_key(r, "disk", is_first)) {
		if (!text_skip(r, "true"))
			return false;
		e->is_disk = true;
		is_first = false;
	}
	if (skip_key(r, "incident", is_first)) {
		if (!read_id(r, &e->incident))
			return false;
		is_first = false;
	}
	return read_kind(r, is_first, &e->kind);
}

static bool read_rest(struct reader *r, struct writer *texts, struct ledger_entry *e)
{
	return read_optional(r, "result", texts, &e->result) && text_skip(r, ",\"v\":1") &&
	       read_member(r, "what", texts, &e->what) && skip_key(r, "when", false) &&
	       text_read_decimal(r, &e->unix_ms) && read_optional(r, "where", texts, &e->where) &&
	       read_member(r, "who", texts, &e->who) && read_optional(r, "why", texts, &e->why) &&
	       text_skip(r, "}") && r->left == 0;
}

int ledger_entry_decode(struct span bytes, struct ledger_entry_texts *texts,
			struct ledger_entry *ret)
{
	struct writer w = writer_of((uint8_t *)texts->bytes, sizeof(texts->bytes));
	struct reader r = reader_of(bytes);
	struct ledger_entry e = { 0 };
	uint8_t again[LEDGER_ENTRY_MAX];
	size_t len;

	if (!read_head(&r, &e) || !read_rest(&r, &w, &e))
		return -EBADMSG;
	/* One encoding for one entry: what would be written otherwise is refused. */
	if (ledger_entry_encode(&e, again, sizeof(again), &len) < 0 || len != bytes.len ||
	    memcmp(again, bytes.at, len) != 0)
		return -EBADMSG;
	*ret = e;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One event as one line: text for people and journald, JSON for machines. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "shell/log/line.h"

/* Room kept for what ends every line: the remark that it was cut, the brace, the newline. */
#define TAIL_SIZE 32

struct text {
	char *at;
	size_t len, size;
	bool is_full; /* nothing more is taken */
};

static void put(struct text *t, const char *s, size_t n)
{
	if (t->is_full || n > t->size - t->len) {
		t->is_full = true;
		return;
	}
	memcpy(t->at + t->len, s, n);
	t->len += n;
}

__attribute__((format(printf, 2, 3))) static void put_format(struct text *t, const char *format,
							     ...)
{
	char s[128];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(s, sizeof(s), format, args);
	va_end(args);
	if (n > 0)
		put(t, s, (size_t)n < sizeof(s) ? (size_t)n : sizeof(s) - 1);
}

static void put_str(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

size_t utf8_length(const uint8_t *s, size_t left)
{
	uint8_t low = 0x80, high = 0xbf; /* bounds of the second byte */
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong */
	if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	if (s[0] == 0xf0)
		low = 0x90; /* overlong */
	if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

/* C1 controls are U+0080 to U+009F; U+2028, U+2029 end a line for some readers; U+202A to
 * U+202E and U+2066 to U+2069 turn the direction of what a person reads. */
static bool is_printable(const uint8_t *s, size_t n)
{
	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (n == 2)
		return s[0] != 0xc2 || s[1] >= 0xa0;
	if (n == 3 && s[0] == 0xe2 && s[1] == 0x80)
		return s[2] < 0xa8 || s[2] > 0xae;
	if (n == 3 && s[0] == 0xe2 && s[1] == 0x81)
		return s[2] < 0xa6 || s[2] > 0xa9;
	return true;
}

/* \u00XX for each byte of what may not appear; in JSON that is the way to write it, in text a
 * mark that looks the same. */
static void put_escaped(struct text *t, const uint8_t *s, size_t len, bool is_json)
{
	size_t max = len < LOG_VALUE_MAX ? len : LOG_VALUE_MAX;
	size_t i = 0;

	while (i < max) {
		size_t n = utf8_length(s + i, len - i);

		if (n > 0 && i + n > max)
			break; /* a character across the cut */
		if (n == 1 && (s[i] == '"' || s[i] == '\\')) {
			put_format(t, "\\%c", s[i]);
		} else if (n > 0 && is_printable(s + i, n)) {
			put(t, (const char *)s + i, n);
		} else {
			size_t end = i + (n > 0 ? n : 1);

			for (; i < end; i++)
				put_format(t, is_json ? "\\u%04x" : "\\x%02x", s[i]);
			continue;
		}
		i += n;
	}
	if (i < len)
		put_str(t, "...");
}

/* In text a value of plain characters stands without quotes. */
static bool needs_quotes(const char *s)
{
	if (*s == '\0')
		return true;
	for (; *s; s++) {
		if ((uint8_t)*s <= ' ' || (uint8_t)*s >= 0x7f || strchr("\"\\=", *s))
			return true;
	}
	return false;
}

static void put_string(struct text *t, const char *s, bool is_json)
{
	bool is_quoted = is_json || needs_quotes(s);

	if (is_quoted)
		put_str(t, "\"");
	put_escaped(t, (const uint8_t *)s, strlen(s), is_json);
	if (is_quoted)
		put_str(t, "\"");
}

static void put_hex(struct text *t, struct span s, bool is_json)
{
	size_t n = s.len < LOG_VALUE_MAX / 2 ? s.len : LOG_VALUE_MAX / 2;

	if (is_json)
		put_str(t, "\"");
	for (size_t i = 0; i < n; i++)
		put_format(t, "%02x", s.at[i]);
	if (n < s.len)
		put_str(t, "...");
	if (is_json)
		put_str(t, "\"");
}

static void put_errno(struct text *t, int64_t r, bool is_json)
{
	const char *name = r < 0 && r > -4096 ? strerrordesc_np((int)-r) : NULL;

	if (name)
		put_string(t, name, is_json);
	else
		put_format(t, "%" PRId64, r);
}

static void put_value(struct text *t, const struct log_field *f, bool is_json)
{
	switch (f->type) {
	case LOG_FIELD_STR:
		put_string(t, f->str ? f->str : "", is_json);
		break;
	case LOG_FIELD_U64:
		put_format(t, "%" PRIu64, f->u64);
		break;
	case LOG_FIELD_I64:
		put_format(t, "%" PRId64, f->i64);
		break;
	case LOG_FIELD_BOOL:
		put_str(t, f->boolean ? "true" : "false");
		break;
	case LOG_FIELD_HEX:
		put_hex(t, f->bytes, is_json);
		break;
	case LOG_FIELD_ERRNO:
		put_errno(t, f->i64, is_json);
		break;
	}
}

/* A text that is empty says nothing: a peer without a name yet, a message without a reason. */
static bool is_empty(const struct log_field *f)
{
	if (f->type == LOG_FIELD_STR)
		return !f->str || !*f->str;
	return f->type == LOG_FIELD_HEX && f->bytes.len == 0;
}

/* All of the field or none of it; false when it did not fit. */
static bool put_field(struct text *t, const struct log_field *f, bool is_json)
{
	size_t before = t->len;

	if (is_empty(f))
		return true;
	put_str(t, is_json ? ",\"" : " ");
	put_str(t, f->name);
	put_str(t, is_json ? "\":" : "=");
	put_value(t, f, is_json);
	if (!t->is_full)
		return true;
	t->len = before;
	t->is_full = false;
	return false;
}

static void put_fields(struct text *t, const struct log_line *l, bool is_json)
{
	struct log_field source = log_str("source", l->source);
	struct log_field dropped = log_u64("dropped", l->dropped);
	bool is_cut = l->n_fields > LOG_FIELDS_MAX + 1;

	if (l->source)
		is_cut |= !put_field(t, &source, is_json);
	if (l->dropped > 0)
		is_cut |= !put_field(t, &dropped, is_json);
	for (size_t i = 1; i < l->n_fields && i <= LOG_FIELDS_MAX; i++)
		is_cut |= !put_field(t, &l->fields[i], is_json);
	t->size += TAIL_SIZE;
	if (is_cut)
		put_str(t, is_json ? ",\"truncated\":true" : " truncated=true");
}

static void put_time(struct text *t, const struct log_line *l)
{
	struct tm tm = { 0 };
	time_t s = (time_t)l->unix_s;
	char date[32];

	if (l->format == LOG_FORMAT_JSON) {
		(void)gmtime_r(&s, &tm);
		put(t, date, strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm));
		put_format(t, ".%03uZ", l->ms);
	} else {
		(void)localtime_r(&s, &tm);
		put(t, date, strftime(date, sizeof(date), "%H:%M:%S", &tm));
		put_format(t, ".%03u", l->ms);
	}
}

static const char *colour(enum log_level level)
{
	if (level <= LOG_LEVEL_ERROR)
		return "\033[31m"; /* red */
	if (level == LOG_LEVEL_WARNING)
		return "\033[33m";				 /* yellow */
	return level == LOG_LEVEL_DEBUG ? "\033[2m" : "\033[1m"; /* faint, bold */
}

static void put_text_head(struct text *t, const struct log_line *l)
{
	if (l->format == LOG_FORMAT_JOURNAL) {
		put_format(t, "<%u>%s", (unsigned)l->level, l->event);
		return;
	}
	put_time(t, l);
	if (l->is_coloured)
		put_str(t, colour(l->level));
	put_format(t, " %-7s %s", log_level_name(l->level), l->event);
	if (l->is_coloured)
		put_str(t, "\033[0m");
}

size_t log_line_format(const struct log_line *l, char ret[LOG_LINE_MAX])
{
	struct text t = { .at = ret, .size = LOG_LINE_MAX - TAIL_SIZE };
	bool is_json = l->format == LOG_FORMAT_JSON;

	if (is_json) {
		put_str(&t, "{\"time\":\"");
		put_time(&t, l);
		put_format(&t, "\",\"level\":\"%s\",\"event\":\"%s\"", log_level_name(l->level),
			   l->event);
	} else {
		put_text_head(&t, l);
	}
	put_fields(&t, l, is_json);
	put_str(&t, is_json ? "}\n" : "\n");
	return t.len;
}

/* ---- journald ---- */

/* Without quotes, since the field ends with the line; what is escaped has no line end in it. */
static void put_journal_value(struct text *t, const struct log_field *f)
{
	const char *name;

	if (f->type == LOG_FIELD_STR) {
		put_escaped(t, (const uint8_t *)f->str, strlen(f->str), false);
		return;
	}
	name = f->type == LOG_FIELD_ERRNO && f->i64 < 0 && f->i64 > -4096
		       ? strerrordesc_np((int)-f->i64)
		       : NULL;
	if (name)
		put_str(t, name);
	else
		put_value(t, f, false);
}

/* All of it or nothing, as on a line. */
static void put_journal_field(struct text *t, const struct log_field *f)
{
	size_t before = t->len;

	if (is_empty(f))
		return;
	put_str(t, "X0_");
	for (const char *c = f->name; *c; c++) {
		char upper = (char)toupper((unsigned char)*c);

		put(t, &upper, 1);
	}
	put_str(t, "=");
	put_journal_value(t, f);
	put_str(t, "\n");
	if (t->is_full)
		t->len = before;
	t->is_full = false;
}

size_t log_journal_format(const struct log_line *l, char ret[LOG_JOURNAL_MAX])
{
	static const char head[] = "MESSAGE=";
	struct text t = { .at = ret, .size = sizeof(head) - 1 + LOG_LINE_MAX - TAIL_SIZE };
	struct log_field source = log_str("source", l->source);
	struct log_field dropped = log_u64("dropped", l->dropped);

	put_str(&t, head);
	put_str(&t, l->event);
	put_fields(&t, l, false);
	put_str(&t, "\n");
	t.size = LOG_JOURNAL_MAX;
	t.is_full = false;
	put_format(&t, "PRIORITY=%u\nSYSLOG_IDENTIFIER=x0\nX0_EVENT=%s\n", (unsigned)l->level,
		   l->event);
	put_journal_field(&t, &source);
	if (l->dropped > 0)
		put_journal_field(&t, &dropped);
	for (size_t i = 1; i < l->n_fields && i <= LOG_FIELDS_MAX; i++)
		put_journal_field(&t, &l->fields[i]);
	return t.len;
}

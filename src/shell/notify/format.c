/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON and as mail. */
#include "shell/notify/format.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

#define LINE_MAX_CHARS 75 /* of quoted-printable, before "=" (RFC 2045, 6.7) */

/* ---- text ---- */

/* Bytes of the character at text, of left; 0: none (RFC 3629: no surrogates, none too long). */
static size_t character(const unsigned char *text, size_t left)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max;
		size_t len;
	} kinds[] = {
		{ 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		if (text[0] < kinds[i].first_min || text[0] > kinds[i].first_max)
			continue;
		if (kinds[i].len > left || (kinds[i].len > 1 && (text[1] < kinds[i].second_min ||
								 text[1] > kinds[i].second_max)))
			return 0;
		for (size_t n = 2; n < kinds[i].len; n++)
			if ((text[n] & 0xc0) != 0x80)
				return 0;
		return kinds[i].len;
	}
	return 0;
}

static void copy_clean(const char *from, bool has_lines, char *ret, size_t size)
{
	const unsigned char *at = (const unsigned char *)(from ? from : "");
	size_t left = strnlen((const char *)at, 2 * size);
	size_t len = 0;

	while (left > 0) {
		size_t n = character(at, left);
		bool is_line_end = has_lines && *at == '\n';

		if (len + (n ? n : 1) >= size)
			break;
		if (n > 0)
			memcpy(ret + len, at, n);
		else
			ret[len] = is_line_end ? '\n' : '?';
		n = n ? n : 1;
		len += n;
		at += n;
		left -= n;
	}
	ret[len] = '\0';
}

void format_note(const struct notify_message *m, uint64_t number, struct note *ret)
{
	ret->severity = m->severity < NOTIFY_N_SEVERITIES ? m->severity : NOTIFY_SERIOUS;
	ret->incident = m->incident;
	ret->number = number;
	ret->unix_ms = m->unix_ms;
	copy_clean(m->title, false, ret->title, sizeof(ret->title));
	copy_clean(m->text, true, ret->text, sizeof(ret->text));
}

/* ---- JSON ---- */

static char *dump(json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

char *format_webhook(const struct note *n, const char *node)
{
	char id[24];

	/* for who receives one twice */
	(void)snprintf(id, sizeof(id), "%016" PRIx64, n->number);
	return dump(json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "version", 1, "id", id,
			      "node", node, "severity", notify_severity_name(n->severity),
			      "incident", (json_int_t)n->incident, "unix_ms",
			      (json_int_t)n->unix_ms, "title", n->title, "text", n->text));
}

char *format_telegram(const struct note *n, const char *node, const char *chat)
{
	char text[NOTIFY_TITLE_SIZE + NOTIFY_TEXT_SIZE + 512];

	(void)snprintf(text, sizeof(text), "%s: %s\n%.300s\n\n%s",
		       notify_severity_name(n->severity), n->title, node, n->text);
	return dump(json_pack("{s:s, s:s, s:b}", "chat_id", chat, "text", text,
			      "disable_web_page_preview", 1));
}

/* ---- mail ---- */

/* Quoted-printable (RFC 2045, 6.7): whatever the text, lines stay short and hold ASCII alone, and
 * none begins with a dot of its own. */
static void put_quoted(FILE *out, const char *text)
{
	size_t column = 0;

	for (const char *at = text; *at; at++) {
		unsigned char c = (unsigned char)*at;
		bool is_last = at[1] == '\0' || at[1] == '\n';
		bool is_plain = c > 0x20 && c < 0x7f && c != '=' && (c != '.' || column > 0);

		if (c == '\n') {
			(void)fputs("\r\n", out);
			column = 0;
			continue;
		}
		if (column + 3 > LINE_MAX_CHARS) {
			(void)fputs("=\r\n", out);
			column = 0;
			is_plain = is_plain && c != '.';
		}
		if (is_plain || (c == ' ' && !is_last)) {
			(void)fputc(c, out);
			column++;
		} else {
			(void)fprintf(out, "=%02X", c);
			column += 3;
		}
	}
	(void)fputs("\r\n", out);
}

/* A subject of ASCII in one line. */
static void put_subject(FILE *out, const struct note *n)
{
	char title[64];
	size_t len;

	(void)snprintf(title, sizeof(title), "%.52s", n->title);
	len = strlen(title);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)title[i] >= 0x7f)
			title[i] = '?';
	(void)fprintf(out, "Subject: [x0] %s: %s\r\n", notify_severity_name(n->severity), title);
}

static void put_date(FILE *out, int64_t unix_ms)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = (time_t)(unix_ms / 1000);
	struct tm t = { 0 };

	if (!gmtime_r(&now, &t))
		return;
	(void)fprintf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[t.tm_wday],
		      t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

char *format_mail(const struct note *n, const char *node, const char *from, const char *to)
{
	const char *domain = strchr(from, '@');
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool is_good;

	if (!out)
		return NULL;
	(void)fprintf(out, "From: <%s>\r\nTo: <%s>\r\n", from, to);
	put_subject(out, n);
	put_date(out, n->unix_ms);
	(void)fprintf(out, "Message-ID: <x0.%016" PRIx64 "%s>\r\n", n->number,
		      domain ? domain : "@x0.invalid");
	(void)fputs("Auto-Submitted: auto-generated\r\n" /* nobody's holiday answers it, RFC 3834 */
		    "MIME-Version: 1.0\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		    out);
	put_quoted(out, n->title);
	put_quoted(out, node);
	put_quoted(out, "");
	put_quoted(out, n->text);
	is_good = !ferror(out);
	if (fclose(out) != 0 || !is_good) {
		free(text);
		return NULL;
	}
	return text;
}

bool format_is_address(const char *text)
{
	static const char of_local[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789.!#$%&'*+/=?^_`{|}~-";
	static const char of_domain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789.-";
	size_t local = strspn(text, of_local);
	size_t domain;

	if (local == 0 || text[local] != '@' || text[0] == '-')
		return false;
	domain = strspn(text + local + 1, of_domain);
	return domain > 0 && text[local + 1 + domain] == '\0' &&
	       local + 1 + domain <= FORMAT_ADDRESS_MAX;
}

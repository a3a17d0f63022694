/* SPDX-License-Identifier: Apache-2.0 */
/* format.h - a message as each way takes it. Inside the room only; pure. */
#pragma once

#include "shell/notify/notify.h"

#define FORMAT_ADDRESS_MAX 254 /* of mail (RFC 5321, 4.5.3.1.3) */

/* One message, as it waits. */
struct note {
	enum notify_severity severity;
	uint64_t incident, number; /* number: its own; the same at each try */
	int64_t unix_ms;
	char title[NOTIFY_TITLE_SIZE], text[NOTIFY_TEXT_SIZE];
};

/* Copies, cuts where a character begins, and makes what is no UTF-8 or no printable character, but
 * line ends in text, a question mark. */
void format_note(const struct notify_message *m, uint64_t number, struct note *ret);

/* To free(); NULL: out of memory. */
char *format_webhook(const struct note *n, const char *node);
char *format_telegram(const struct note *n, const char *node, const char *chat);
/* A message of RFC 5322, 7 bits, lines of at most 78 characters that end in CRLF. */
char *format_mail(const struct note *n, const char *node, const char *from, const char *to);

/* One address of mail: local@domain, of letters, digits and .!#$%&'*+/=?^_`{|}~- alone. */
bool format_is_address(const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
/* line.h - one event as one line of text or JSON. Inside the room only. */
#pragma once

#include "shell/log/log.h"

#define LOG_JOURNAL_MAX (3 * LOG_LINE_MAX) /* the line, and its fields once more */

struct log_line {
	enum log_format format; /* not AUTO */
	bool is_coloured;
	enum log_level level;
	int64_t unix_s;
	unsigned ms;
	const char *source; /* or NULL */
	const char *event;
	const struct log_field *fields; /* the first is skipped */
	size_t n_fields;
	uint64_t dropped; /* events before this one that were lost */
};

/* Returns the length, newline included; never beyond LOG_LINE_MAX. Fields that do not fit are
 * left out, and the line ends in truncated=true. */
size_t log_line_format(const struct log_line *l, char ret[LOG_LINE_MAX]);

/* The same as fields for journald's own protocol (systemd.journal-fields(7), "Native Journal
 * Protocol"): MESSAGE is what the text would say, each field is X0_ and its name in capitals.
 * Returns the length; never beyond LOG_JOURNAL_MAX. */
size_t log_journal_format(const struct log_line *l, char ret[LOG_JOURNAL_MAX]);

/* Length of the UTF-8 character at s (RFC 3629 section 4), 0 if the bytes are none. */
size_t utf8_length(const uint8_t *s, size_t left);

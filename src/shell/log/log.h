/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - events with a fixed name and typed fields, as text, JSON lines or for journald.
 *
 *	log_info(log, "peer_up", log_str("peer", name), log_u64("rtt_us", rtt_us));
 *
 * One event is one line and one write. Strings from outside are escaped: no control character
 * and no broken UTF-8 reaches a terminal or a file. A reader that is slow does not stop us: an
 * event that cannot be written within LOG_WAIT_MS is dropped, and the next one says how many
 * were. Any thread may log. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define LOG_LINE_MAX 4096  /* bytes with the newline: what a pipe takes at once (PIPE_BUF) */
#define LOG_VALUE_MAX 1024 /* bytes of one string value; more is cut and ends in "..." */
#define LOG_FIELDS_MAX 32  /* more are left out, and the line says so */
#define LOG_WAIT_MS 20
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* syslog's (RFC 5424 6.2.1), in the order of the choices of the key log.level. */
enum log_level {
	LOG_LEVEL_EMERGENCY,
	LOG_LEVEL_ALERT,
	LOG_LEVEL_CRITICAL,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* In the order of the choices of the key log.format. */
enum log_format {
	LOG_FORMAT_AUTO,    /* journald when the descriptor leads there, else text */
	LOG_FORMAT_TEXT,    /* for people; coloured on a terminal only */
	LOG_FORMAT_JSON,    /* one object a line */
	LOG_FORMAT_JOURNAL, /* text behind "<priority>", which journald reads from stderr; its own
			     * protocol with log_use_journal() */
};

enum log_field_type {
	LOG_FIELD_STR,
	LOG_FIELD_U64,
	LOG_FIELD_I64,
	LOG_FIELD_BOOL,
	LOG_FIELD_HEX,
	LOG_FIELD_ERRNO,
};

/* Names are our own literals: lower case, digits, underscore; the unit comes last. */
struct log_field {
	const char *name;
	enum log_field_type type;
	union {
		const char *str; /* NULL is written as "" */
		uint64_t u64;
		int64_t i64;
		bool boolean;
		struct span bytes;
	};
};

static inline struct log_field log_str(const char *name, const char *value)
{
	return (struct log_field){ .name = name, .type = LOG_FIELD_STR, .str = value };
}

static inline struct log_field log_u64(const char *name, uint64_t value)
{
	return (struct log_field){ .name = name, .type = LOG_FIELD_U64, .u64 = value };
}

static inline struct log_field log_i64(const char *name, int64_t value)
{
	return (struct log_field){ .name = name, .type = LOG_FIELD_I64, .i64 = value };
}

static inline struct log_field log_bool(const char *name, bool value)
{
	return (struct log_field){ .name = name, .type = LOG_FIELD_BOOL, .boolean = value };
}

static inline struct log_field log_hex(const char *name, struct span value)
{
	return (struct log_field){ .name = name, .type = LOG_FIELD_HEX, .bytes = value };
}

/* r is a negative errno; written as its sentence. */
static inline struct log_field log_errno(const char *name, int r)
{
	return (struct log_field){ .name = name, .type = LOG_FIELD_ERRNO, .i64 = r };
}

struct log;

/* Writes to fd, which stays the caller's. source, if not NULL, is written with each event as
 * "source" (a literal; the keeper and the daemon share one terminal). -ENOMEM. */
int log_new(int fd, enum log_format format, enum log_level level, const char *source,
	    struct log **ret);
void log_free(struct log *l);

/* Where the format is JOURNAL: events go to journald's own socket from now on, each field a field
 * there (X0_EVENT, X0_PEER and so on), and to fd only where nobody takes them at that path. Before
 * others log. -EINVAL in another format, -ENAMETOOLONG, -errno of socket(). */
int log_use_journal(struct log *l, const char *path);

/* Events above this level are not written; may be called while others log. */
void log_set_level(struct log *l, enum log_level level);
enum log_format log_format_in_use(const struct log *l); /* never AUTO */
uint64_t log_dropped(const struct log *l);		/* events lost to a slow reader, in all */

const char *log_level_name(enum log_level level);

/* l may be NULL: nothing is written. fields[0] is skipped: the macros put it there so that an
 * event may have none. */
void log_event(struct log *l, enum log_level level, const char *event,
	       const struct log_field *fields, size_t n);

#define LOG_EVENT(l, level, event, ...)                                                    \
	log_event((l), (level), (event),                                                   \
		  (const struct log_field[]){ log_str("", NULL), ##__VA_ARGS__ },          \
		  sizeof((const struct log_field[]){ log_str("", NULL), ##__VA_ARGS__ }) / \
			  sizeof(struct log_field))

#define log_critical(l, event, ...) LOG_EVENT(l, LOG_LEVEL_CRITICAL, event, ##__VA_ARGS__)
#define log_error(l, event, ...) LOG_EVENT(l, LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
#define log_warning(l, event, ...) LOG_EVENT(l, LOG_LEVEL_WARNING, event, ##__VA_ARGS__)
#define log_notice(l, event, ...) LOG_EVENT(l, LOG_LEVEL_NOTICE, event, ##__VA_ARGS__)
#define log_info(l, event, ...) LOG_EVENT(l, LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_debug(l, event, ...) LOG_EVENT(l, LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)

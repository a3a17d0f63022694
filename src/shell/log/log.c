/* SPDX-License-Identifier: Apache-2.0 */
/* Levels, descriptors and the one write of an event; line.c makes the text. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shell/log/line.h"
#include "shell/log/log.h"

struct log {
	int fd;
	enum log_format format;
	const char *source;
	bool is_terminal;
	bool is_socket;
	int journal_fd; /* -1: none */
	struct sockaddr_un journal;
	_Atomic unsigned level;
	_Atomic uint64_t dropped;
	_Atomic uint64_t dropped_untold; /* since the last event that was written */
};

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = { "emergency", "alert",  "critical", "error",
					     "warning",	  "notice", "info",	"debug" };

	return level <= LOG_LEVEL_DEBUG ? names[level] : "unknown";
}

/* systemd sets JOURNAL_STREAM to "device:inode" of the stream it made for stdout and stderr
 * (systemd.exec(5)); a descriptor that was redirected since does not match. */
static bool leads_to_journald(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char *end;

	if (!stream)
		return false;
	device = strtoull(stream, &end, 10);
	if (end == stream || *end != ':')
		return false;
	stream = end + 1;
	inode = strtoull(stream, &end, 10);
	if (end == stream || *end)
		return false;
	return fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

int log_new(int fd, enum log_format format, enum log_level level, const char *source,
	    struct log **ret)
{
	struct log *l = calloc(1, sizeof(*l));
	struct stat st;

	if (!l)
		return -ENOMEM;
	l->fd = fd;
	l->journal_fd = -1;
	l->source = source;
	l->is_terminal = isatty(fd) == 1;
	l->is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	l->format = format;
	if (format == LOG_FORMAT_AUTO)
		l->format = leads_to_journald(fd) ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
	log_set_level(l, level);
	*ret = l;
	return 0;
}

void log_free(struct log *l)
{
	if (l && l->journal_fd >= 0)
		(void)close(l->journal_fd);
	free(l);
}

/* Not connected: journald may be started again, with another socket at the same path. */
int log_use_journal(struct log *l, const char *path)
{
	const struct timeval wait = { .tv_usec = LOG_WAIT_MS * 1000 };
	int fd;

	if (l->format != LOG_FORMAT_JOURNAL)
		return -EINVAL;
	if (strlen(path) >= sizeof(l->journal.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	l->journal.sun_family = AF_UNIX;
	memcpy(l->journal.sun_path, path, strlen(path) + 1);
	l->journal_fd = fd;
	return 0;
}

void log_set_level(struct log *l, enum log_level level)
{
	atomic_store_explicit(&l->level, level, memory_order_relaxed);
}

enum log_format log_format_in_use(const struct log *l)
{
	return l->format;
}

uint64_t log_dropped(const struct log *l)
{
	return atomic_load_explicit(&l->dropped, memory_order_relaxed);
}

/* A pipe that polls writable takes PIPE_BUF bytes without blocking, and a line is no longer
 * than that. The descriptor is not set non-blocking: it is shared with the shell we came from. */
static bool write_line(const struct log *l, const char *line, size_t len)
{
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };
	ssize_t n;

	if (poll(&p, 1, LOG_WAIT_MS) != 1 || !(p.revents & POLLOUT))
		return false;
	do {
		n = l->is_socket ? send(l->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(l->fd, line, len);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

enum outcome {
	OUTCOME_TOLD,
	OUTCOME_SLOW,	/* journald has not taken it in time */
	OUTCOME_NOBODY, /* there is none */
};

static enum outcome tell_journal(const struct log *l, const struct log_line *what)
{
	char text[LOG_JOURNAL_MAX];
	size_t len = log_journal_format(what, text);
	ssize_t n;

	do {
		n = sendto(l->journal_fd, text, len, MSG_NOSIGNAL,
			   (const struct sockaddr *)&l->journal, sizeof(l->journal));
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return OUTCOME_TOLD;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? OUTCOME_SLOW : OUTCOME_NOBODY;
}

void log_event(struct log *l, enum log_level level, const char *event,
	       const struct log_field *fields, size_t n)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	struct timespec now;

	if (!l || level > atomic_load_explicit(&l->level, memory_order_relaxed))
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);

	uint64_t untold = atomic_exchange_explicit(&l->dropped_untold, 0, memory_order_relaxed);
	struct log_line what = {
		.format = l->format,
		.is_coloured = l->is_terminal && l->format == LOG_FORMAT_TEXT,
		.level = level,
		.unix_s = now.tv_sec,
		.ms = (unsigned)(now.tv_nsec / 1000000),
		.source = l->source,
		.event = event,
		.fields = fields,
		.n_fields = n,
		.dropped = untold,
	};

	enum outcome told = l->journal_fd >= 0 ? tell_journal(l, &what) : OUTCOME_NOBODY;

	if (told == OUTCOME_NOBODY && write_line(l, line, log_line_format(&what, line)))
		told = OUTCOME_TOLD;
	if (told != OUTCOME_TOLD) {
		atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&l->dropped_untold, untold + 1, memory_order_relaxed);
	}
	errno = saved;
}

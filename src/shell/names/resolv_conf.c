/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/resolv.conf: read (resolv.conf(5)), taken over, given back. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/names/resolver.h"

#define DNS_PORT 53
#define MARK "# x0 of "
#define BELOW "# What was here:\n"
#define LOCAL "nameserver 127.0.0.1\nnameserver ::1\n"
#define PATH_SIZE 256

/* ---- reading ---- */

static size_t line_len(struct span text)
{
	const uint8_t *end = memchr(text.at, '\n', text.len);

	return end ? (size_t)(end - text.at) + 1 : text.len;
}

static void parse_mark(const char *line, struct resolv_conf *ret)
{
	size_t len = strcspn(line, "\n");

	if (strncmp(line, MARK, strlen(MARK)) != 0 || len <= strlen(MARK) ||
	    len - strlen(MARK) >= sizeof(ret->owner))
		return;
	memcpy(ret->owner, line + strlen(MARK), len - strlen(MARK));
	ret->is_ours = true;
}

/* An address as the C library takes it: of a link-local one the interface may be a name.
 * *ret_is_away: there is no such interface now. */
static bool parse_address(char *address, struct endpoint *ret, bool *ret_is_away)
{
	char text[ENDPOINT_TEXT_SIZE];
	char *scope = strchr(address, '%');
	bool is_name = scope && strspn(scope + 1, "0123456789") != strlen(scope + 1);
	struct endpoint e;

	if (is_name)
		*scope = '\0';
	/* endpoint_parse() takes a bare IPv6 address in brackets only */
	if (snprintf(text, sizeof(text), strchr(address, ':') ? "[%s]" : "%s", address) >=
		    (int)sizeof(text) ||
	    endpoint_parse(text, DNS_PORT, &e) < 0 || e.port != DNS_PORT)
		return false;
	if (is_name) {
		e.scope = endpoint_is_link_local(&e) ? if_nametoindex(scope + 1) : 0;
		*ret_is_away |= e.scope == 0 && endpoint_is_link_local(&e);
	}
	*ret = e;
	return !is_name || e.scope != 0;
}

static bool parse_server(char *line, struct endpoint *ret, bool *ret_is_away)
{
	static const char key[] = "nameserver";
	size_t len;

	if (strncmp(line, key, strlen(key)) != 0)
		return false;
	line += strlen(key);
	if (*line != ' ' && *line != '\t')
		return false;
	line += strspn(line, " \t");
	len = strcspn(line, " \t\r\n");
	line[len] = '\0';
	return len > 0 && parse_address(line, ret, ret_is_away);
}

void resolv_conf_parse(struct span text, struct resolv_conf *ret)
{
	bool is_first = true;

	memset(ret, 0, sizeof(*ret));
	while (text.len > 0) {
		size_t len = line_len(text);
		char line[256];

		(void)snprintf(line, sizeof(line), "%.*s", (int)(len < 255 ? len : 255),
			       (const char *)text.at);
		if (is_first)
			parse_mark(line, ret);
		is_first = false;
		if (ret->n < RESOLV_CONF_SERVERS_MAX &&
		    parse_server(line, &ret->servers[ret->n], &ret->is_one_away))
			ret->n++;
		text = SPAN(text.at + len, text.len - len);
	}
}

/* Links are followed. -EFBIG beyond RESOLV_CONF_MAX. */
static int read_file(const char *path, uint8_t *ret, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 0;
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len <= RESOLV_CONF_MAX && (n = read(fd, ret + len, RESOLV_CONF_MAX + 1 - len)) > 0)
		len += (size_t)n;
	n = n < 0 ? -errno : len > RESOLV_CONF_MAX ? -EFBIG : 0;
	(void)close(fd);
	*ret_len = len;
	return (int)n;
}

static uint8_t *room(void)
{
	return malloc(RESOLV_CONF_MAX + 1);
}

int resolv_conf_read(const char *path, struct resolv_conf *ret)
{
	CLEANUP_FREE uint8_t *text = room();
	size_t len = 0;
	int r = text ? read_file(path, text, &len) : -ENOMEM;

	if (r == 0)
		resolv_conf_parse(SPAN(text, len), ret);
	return r;
}

static int before_path(const char *path, char ret[PATH_SIZE])
{
	return snprintf(ret, PATH_SIZE, "%s.before-x0", path) < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* What stands below our lines in a text of ours. Without the line that ends them (*ret_is_whole) it
 * was cut, or is of an earlier version, whose lines end with our server. */
static struct span below_ours(struct span text, bool *ret_is_whole)
{
	static const char server[] = "nameserver ";
	const uint8_t *end = memmem(text.at, text.len, BELOW, strlen(BELOW));
	bool is_server = false;

	*ret_is_whole = end != NULL;
	if (end)
		return SPAN(end + strlen(BELOW),
			    (size_t)(text.at + text.len - end) - strlen(BELOW));
	while (text.len > 0 && !is_server) {
		size_t len = line_len(text);

		is_server = len >= strlen(server) && memcmp(text.at, server, strlen(server)) == 0;
		text = SPAN(text.at + len, text.len - len);
	}
	return text;
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* The name server on this machine, which is meant where none is named (resolv.conf(5)). */
static const char *const local[] = { "127.0.0.1", "[::1]" };

static void take_local(struct resolv_conf *ret)
{
	for (ret->n = 0; ret->n < N_ELEMENTS(local); ret->n++)
		(void)endpoint_parse(local[ret->n], DNS_PORT, &ret->servers[ret->n]);
}

/* Below our lines somebody may have changed something since; what a link leads to changes by
 * itself. */
int resolv_conf_read_before(const char *path, struct resolv_conf *ret)
{
	CLEANUP_FREE uint8_t *text = room();
	char before[PATH_SIZE];
	size_t len = 0;
	bool is_whole = false;
	int r = text ? before_path(path, before) : -ENOMEM;

	if (r < 0)
		return r;
	if (read_file(path, text, &len) == 0) {
		resolv_conf_parse(SPAN(text, len), ret);
		if (ret->is_ours && !is_link(before))
			resolv_conf_parse(below_ours(SPAN(text, len), &is_whole), ret);
	}
	if (!is_whole)
		r = resolv_conf_read(before, ret);
	if (r == -ENOENT && is_link(before)) {
		*ret = (struct resolv_conf){ 0 };
		r = 0; /* it leads to nothing */
	}
	if (r == 0 && ret->n == 0 && !ret->is_one_away)
		take_local(ret);
	return r;
}

/* ---- writing ---- */

static int write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.at, bytes.len);

		if (n < 0)
			return -errno;
		bytes = SPAN(bytes.at + n, bytes.len - (size_t)n);
	}
	return 0;
}

static int finish(int fd, int r)
{
	if (r == 0 && fsync(fd) < 0 && errno != EINVAL && errno != EROFS)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int write_in_place(const char *path, struct span text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	if (r == 0 && ftruncate(fd, (off_t)text.len) < 0)
		r = -errno;
	return finish(fd, r);
}

/* New or old, never half; in place only where nothing may be put over it. */
static int replace(const char *path, struct span text)
{
	char fresh[PATH_SIZE];
	int fd, r;

	if (snprintf(fresh, sizeof(fresh), "%s.x0-new", path) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	(void)unlink(fresh); /* of a crash */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = fchmod(fd, 0644) < 0 ? -errno : write_all(fd, text); /* whatever the umask is */
	r = finish(fd, r);
	if (r == 0 && rename(fresh, path) < 0)
		r = errno == EBUSY || errno == EXDEV ? write_in_place(path, text) : -errno;
	(void)unlink(fresh);
	return r;
}

/* What is there, as it is: the same file or link by a second name. Where that cannot be, a copy. */
static int keep(const char *path, const char *before, struct span text)
{
	if (unlink(before) < 0 && errno != ENOENT)
		return -errno;
	if (linkat(AT_FDCWD, path, AT_FDCWD, before, 0) == 0)
		return 0;
	return replace(before, text);
}

static int say(char why[RESOLVER_WHY_SIZE], const char *path, int r)
{
	if (r == -EROFS)
		(void)snprintf(
			why, RESOLVER_WHY_SIZE,
			"%.60s lies where x0 may not write; with systemd: systemctl edit x0, "
			"[Service] ReadWritePaths=/etc",
			path);
	else if (r < 0)
		(void)snprintf(why, RESOLVER_WHY_SIZE, "%.60s cannot be changed: %s", path,
			       strerror(-r));
	return r;
}

/* Our lines, then those that were there: of the servers the C library asks the first, and the
 * others where that does not answer. Where there was none it would have asked this machine's own:
 * now that one is named, that has to be said. */
static size_t compose(const char *owner, const uint8_t server[16], struct span was, char *ret,
		      size_t size)
{
	char address[INET6_ADDRSTRLEN] = "";
	struct resolv_conf before;
	int n;

	resolv_conf_parse(was, &before);
	(void)inet_ntop(AF_INET6, server, address, sizeof(address));
	n = snprintf(ret, size,
		     MARK
		     "%s\n# This file is x0's while it runs (names.resolv_conf: manage). What was "
		     "here lies\n# beside it as resolv.conf.before-x0, and comes back when x0 "
		     "ends.\nnameserver %s\n%s" BELOW,
		     owner, address, before.n == 0 && !before.is_one_away ? LOCAL : "");
	if ((size_t)n + was.len > size)
		return 0;
	memcpy(ret + n, was.at, was.len);
	return (size_t)n + was.len;
}

/* ---- what was there ---- */

/* Beside a file of ours lies the copy of what was there. A program that put our file back from a
 * copy of its own (vpnc-script), or a person, may have made what is below our lines the newer: then
 * that is what was there. A copy that is a link is right in any case. */
static int settle(const char *path, const char *before, struct span now,
		  char why[RESOLVER_WHY_SIZE])
{
	CLEANUP_FREE uint8_t *copy = room();
	bool is_whole;
	struct span below = below_ours(now, &is_whole);
	size_t len = 0;
	int r = copy ? 0 : -ENOMEM;

	if (r < 0 || is_link(before))
		return r;
	r = read_file(before, copy, &len);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT) {
		(void)snprintf(why, RESOLVER_WHY_SIZE,
			       "there was no copy of what %.60s had been: what is below x0's lines "
			       "was taken for it",
			       path);
		return replace(before, below);
	}
	/* The same, or what is there was cut while it was written in place. */
	if (!is_whole || (below.len <= len && memcmp(below.at, copy, below.len) == 0 &&
			  (below.len == len || below.len == 0 || below.at[below.len - 1] != '\n')))
		return 0;
	(void)snprintf(why, RESOLVER_WHY_SIZE,
		       "what is below x0's lines in %.60s was changed by somebody: that stays, "
		       "instead of what had been there",
		       path);
	return replace(before, below);
}

static bool ends_with(struct span text, struct span end)
{
	return text.len >= end.len && memcmp(text.at + text.len - end.len, end.at, end.len) == 0;
}

/* What was there, put back in place, with the end of ours behind it: a crash came in between. Every
 * text of ours ends with the line BELOW and the copy; what was written over is at its beginning. */
static int look_unfinished(const char *before, struct span now, bool *ret)
{
	CLEANUP_FREE uint8_t *bytes = malloc(RESOLV_CONF_MAX + sizeof(BELOW));
	struct span end, tail, was;
	size_t len = 0;
	int r;

	*ret = false;
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, BELOW, sizeof(BELOW)); /* the copy goes over its NUL */
	r = is_link(before) ? -ENOENT : read_file(before, bytes + strlen(BELOW), &len);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	was = SPAN(bytes + strlen(BELOW), len);
	end = SPAN(bytes, strlen(BELOW) + len);
	*ret = ends_with(now, end);
	if (*ret || now.len <= was.len || memcmp(now.at, was.at, was.len) != 0)
		return 0;
	tail = SPAN(now.at + was.len, now.len - was.len);
	*ret = ends_with(end, tail);
	return 0;
}

static int apply(const char *path, const char *before, const char *owner, const uint8_t server[16],
		 char why[RESOLVER_WHY_SIZE])
{
	CLEANUP_FREE uint8_t *was = room();
	CLEANUP_FREE char *text = malloc(RESOLV_CONF_MAX); /* it has to be read again */
	bool is_unfinished = false;
	struct resolv_conf now;
	size_t was_len = 0, len;
	int r = was && text ? read_file(path, was, &was_len) : -ENOMEM;

	if (r == -ENOENT)
		was_len = 0; /* none, or a link to nothing: then that is kept */
	else if (r < 0)
		return r;
	resolv_conf_parse(SPAN(was, was_len), &now);
	if (now.is_ours && strcmp(now.owner, owner) != 0)
		return -EBUSY;
	r = now.is_ours ? settle(path, before, SPAN(was, was_len), why)
			: look_unfinished(before, SPAN(was, was_len), &is_unfinished);
	if (r == 0 && !now.is_ours && !is_unfinished)
		r = keep(path, before, SPAN(was, was_len));
	else if (r == 0)
		r = read_file(before, was, &was_len);
	if (r == -ENOENT) {
		was_len = 0; /* a link to nothing */
		r = 0;
	}
	if (r < 0)
		return r;
	len = compose(owner, server, SPAN(was, was_len), text, RESOLV_CONF_MAX);
	return len > 0 ? replace(path, SPAN(text, len)) : -EFBIG;
}

int resolv_conf_apply(const char *path, const char *owner, const uint8_t server[16],
		      char why[RESOLVER_WHY_SIZE])
{
	char before[PATH_SIZE];
	int r = before_path(path, before);

	why[0] = '\0';
	if (r == 0)
		r = apply(path, before, owner, server, why);
	if (r == -EBUSY) {
		(void)snprintf(why, RESOLVER_WHY_SIZE, "%.60s is managed by another x0 already",
			       path);
		return r;
	}
	return say(why, path, r);
}

static int put_back(const char *path, const char *before)
{
	CLEANUP_FREE uint8_t *text = room();
	size_t len = 0;
	int r;

	if (rename(before, path) == 0)
		return 0;
	if (errno != EBUSY && errno != EXDEV)
		return -errno;
	r = text ? read_file(before, text, &len) : -ENOMEM;
	if (r == 0)
		r = write_in_place(path, SPAN(text, len));
	if (r == 0)
		(void)unlink(before);
	return r;
}

static int restore(const char *path, const char *before, const char *owner,
		   char why[RESOLVER_WHY_SIZE])
{
	CLEANUP_FREE uint8_t *text = room();
	bool is_unfinished = false;
	struct resolv_conf now;
	size_t len = 0;
	int r = text ? read_file(path, text, &len) : -ENOMEM;

	if (r < 0 && r != -ENOENT)
		return r;
	resolv_conf_parse(SPAN(text, len), &now);
	if (now.is_ours && strcmp(now.owner, owner) != 0)
		return 0;
	r = now.is_ours ? settle(path, before, SPAN(text, len), why)
			: look_unfinished(before, SPAN(text, len), &is_unfinished);
	if (now.is_ours && r < 0)
		return r;
	if (now.is_ours || is_unfinished)
		return put_back(path, before);
	(void)unlink(before); /* somebody wrote another: theirs is the newer */
	return 0;
}

int resolv_conf_restore(const char *path, const char *owner, char why[RESOLVER_WHY_SIZE])
{
	char before[PATH_SIZE];
	int r = before_path(path, before);

	why[0] = '\0';
	if (r == 0)
		r = restore(path, before, owner, why);
	return say(why, path, r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and replacing whole files, and the system calls that make bytes durable. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shell/ledger/internal.h"

#define TEMPORARY ".new"

int ledger_fail(struct ledger_error *ret, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(ret->text, sizeof(ret->text), format, arguments);
	va_end(arguments);
	return error;
}

static int system_write(void *user, int fd, const void *from, size_t len, uint64_t at)
{
	const uint8_t *bytes = from;

	(void)user;
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

static int system_sync(void *user, int fd)
{
	(void)user;
	return fsync(fd) < 0 ? -errno : 0;
}

static int system_sync_all(void *user, int fd)
{
	(void)user;
	return syncfs(fd) < 0 ? -errno : 0;
}

static int system_rename(void *user, int directory, const char *from, const char *to)
{
	(void)user;
	return renameat(directory, from, directory, to) < 0 ? -errno : 0;
}

const struct ledger_files ledger_system_files = {
	.write = system_write,
	.sync = system_sync,
	.sync_all = system_sync_all,
	.rename = system_rename,
};

void bytes_done(struct bytes *b)
{
	free(b->at);
	*b = (struct bytes){ 0 };
}

int bytes_add(struct bytes *b, const void *from, size_t len)
{
	if (b->size - b->len < len) {
		size_t size = 2 * (b->len + len);
		uint8_t *at = realloc(b->at, size);

		if (!at)
			return -ENOMEM;
		b->at = at;
		b->size = size;
	}
	if (len > 0)
		memcpy(b->at + b->len, from, len);
	b->len += len;
	return 0;
}

static int read_all(int fd, size_t len_max, struct bytes *b)
{
	uint8_t block[65536];

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (b->len + (size_t)n > len_max)
			return -EFBIG;
		if (bytes_add(b, block, (size_t)n) < 0)
			return -ENOMEM;
		bytes_wipe(block, (size_t)n); /* one of the files is the private key */
	}
}

/* A directory that an auditor was given may hold anything: nothing that keeps waiting is opened. */
int file_read(int directory, const char *path, size_t len_max, struct bytes *ret)
{
	CLEANUP_FD int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	CLEANUP(bytes_done) struct bytes b = { 0 };
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, len_max, &b);
	if (r < 0)
		return r;
	*ret = b;
	b = (struct bytes){ 0 };
	return 0;
}

int file_replace(const struct ledger_files *f, int directory, const char *name, mode_t mode,
		 struct span content)
{
	char temporary[64];
	CLEANUP_FD int fd = -1;
	int r;

	(void)snprintf(temporary, sizeof(temporary), "%s" TEMPORARY, name);
	(void)unlinkat(directory, temporary, 0);
	fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    mode);
	if (fd < 0)
		return -errno;
	r = f->write(f->user, fd, content.at, content.len, 0);
	if (r == 0)
		r = f->sync(f->user, fd);
	if (r == 0)
		r = f->rename(f->user, directory, temporary, name);
	if (r < 0)
		(void)unlinkat(directory, temporary, 0);
	return r < 0 ? r : f->sync(f->user, directory);
}

#define DEPTH_MAX 8 /* tile/entries/x000/x000/x000/000.p/1: no ledger of ours is deeper */

/* As root in a directory of somebody else's: a name is never followed elsewhere. */
static int empty(int parent, const char *name, unsigned depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	const struct dirent *e;
	DIR *directory;
	int r = 0;

	if (fd < 0)
		return -errno;
	directory = fdopendir(fd);
	if (!directory) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	(void)unlinkat(fd, LEDGER_KEY, 0);
	while (r == 0 && (e = readdir(directory))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    unlinkat(fd, e->d_name, 0) == 0)
			continue;
		r = -errno;
		if (r == -ENOENT)
			r = 0; /* the key */
		else if (r == -EISDIR && depth < DEPTH_MAX)
			r = empty(fd, e->d_name, depth + 1);
	}
	(void)closedir(directory);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

int ledger_remove(const char *directory)
{
	int r = empty(AT_FDCWD, directory, 0);

	return r == -ENOENT ? 0 : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The passphrase of a private key, from a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/secret/secret.h"

void passphrase_done(struct passphrase *p)
{
	secret_free(p->at);
	*p = (struct passphrase){ 0 };
}

static int fail(int r, const char *path, const char *what, char why[SECRET_WHY_SIZE])
{
	(void)snprintf(why, SECRET_WHY_SIZE, "the passphrase file %.300s %s", path, what);
	return r;
}

/* A pipe is whose it is; a file is closed to others. */
static int check(int fd, const char *path, char why[SECRET_WHY_SIZE])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(-errno, path, "cannot be read", why);
	if (S_ISDIR(st.st_mode))
		return fail(-EISDIR, path, "is a directory", why);
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
		return fail(-EPERM, path, "is open to others; close it: chmod 600 FILE", why);
	return 0;
}

/* One byte after the other, as what is behind the line may be for somebody else. */
static ssize_t read_line(int fd, char *ret, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, ret + len, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || ret[len] == '\n')
			break;
		len++;
	}
	if (len > 0 && len < size && ret[len - 1] == '\r')
		len--;
	return (ssize_t)len;
}

static int read_from(int fd, const char *path, struct passphrase *ret, char why[SECRET_WHY_SIZE])
{
	struct passphrase p = { .at = secret_alloc(PASSPHRASE_MAX + 2) };
	ssize_t n = p.at ? read_line(fd, p.at, PASSPHRASE_MAX + 1) : -ENOMEM;

	if (n > 0 && n <= PASSPHRASE_MAX && !memchr(p.at, 0, (size_t)n)) {
		memset(p.at + n, 0, PASSPHRASE_MAX + 2 - (size_t)n); /* the line's end */
		p.len = (size_t)n;
		*ret = p;
		return 0;
	}
	passphrase_done(&p);
	if (n < 0)
		return fail((int)n, path, strerror((int)-n), why);
	return fail(-EINVAL, path, "holds no passphrase: one line of at most 1,024 bytes", why);
}

int passphrase_read(const char *path, struct passphrase *ret, char ret_why[SECRET_WHY_SIZE])
{
	int fd;
	int r;

	if (strcmp(path, "-") == 0)
		return read_from(STDIN_FILENO, "on standard input", ret, ret_why);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fail(-errno, path, strerror(errno), ret_why);
	r = check(fd, path, ret_why);
	if (r == 0)
		r = read_from(fd, path, ret, ret_why);
	(void)close(fd);
	return r;
}

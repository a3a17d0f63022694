/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 32768
#define COPIED_MAX (2 * LOG_FILE_FULL) /* who logs faster than that for ever? */
#define FRESH_SUFFIX ".new"	       /* of the copy, until it is whole */

/* A standard error that somebody led elsewhere is theirs. */
static bool leads_to(int fd, const char *path, off_t *ret_len)
{
	struct stat ours, its;

	if (fstat(fd, &ours) < 0 || !S_ISREG(ours.st_mode) || lstat(path, &its) < 0)
		return false;
	*ret_len = ours.st_size;
	return ours.st_dev == its.st_dev && ours.st_ino == its.st_ino;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* To its end, which moves while others log. */
static int copy(int from, int to)
{
	char bytes[CHUNK];
	off_t at = 0;
	ssize_t n;

	while (at < COPIED_MAX && (n = pread(from, bytes, sizeof(bytes), at)) != 0) {
		int r = n > 0 ? write_all(to, bytes, (size_t)n) : -errno;

		if (r < 0 && r != -EINTR)
			return r;
		if (n > 0)
			at += n;
	}
	return 0;
}

static int keep(int fd, const char *path)
{
	char old[PATH_MAX], fresh[PATH_MAX];
	int copied, r;

	if (snprintf(old, sizeof(old), "%s" LOG_FILE_OLD_SUFFIX, path) >= (int)sizeof(old) ||
	    snprintf(fresh, sizeof(fresh), "%s" FRESH_SUFFIX, old) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	copied = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (copied < 0)
		return -errno;
	r = copy(fd, copied);
	(void)close(copied);
	if (r == 0 && rename(fresh, old) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(fresh);
	return r;
}

int log_file_turn(int fd, const char *path, bool *ret_is_cut)
{
	off_t len;
	int r;

	*ret_is_cut = false;
	if (!leads_to(fd, path, &len) || len <= LOG_FILE_MAX)
		return 0;
	r = keep(fd, path);
	if (r < 0 && len <= LOG_FILE_FULL)
		return r;
	if (ftruncate(fd, 0) < 0)
		return -errno;
	*ret_is_cut = true;
	return r < 0 ? r : 1;
}

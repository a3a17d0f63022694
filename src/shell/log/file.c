/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FRESH_SUFFIX ".new" /* of the copy, until it is whole */

/* A standard error that somebody led elsewhere is theirs. */
static bool leads_to(int fd, const char *path, off_t *ret_len)
{
	struct stat ours, its;

	if (fstat(fd, &ours) < 0 || !S_ISREG(ours.st_mode) || lstat(path, &its) < 0)
		return false;
	*ret_len = ours.st_size;
	return ours.st_dev == its.st_dev && ours.st_ino == its.st_ino;
}

/* Others need what is left of the disk more than old lines. */
static bool has_room(int fd, off_t len)
{
	struct statvfs v;

	return fstatvfs(fd, &v) == 0 && v.f_bavail / 2 >= (uint64_t)len / v.f_frsize;
}

/* To its end, which moves while others log: not for ever where they are as fast. */
static int copy(int from, int to, off_t len)
{
	off_t at = 0;
	ssize_t n;

	while (at < len + LOG_FILE_MAX && (n = sendfile(to, from, &at, LOG_FILE_MAX)) != 0)
		if (n < 0 && errno != EINTR)
			return -errno;
	return 0;
}

static int keep(int fd, const char *path, off_t len)
{
	char old[PATH_MAX], fresh[PATH_MAX];
	int copied, r;

	if (snprintf(old, sizeof(old), "%s" LOG_FILE_OLD_SUFFIX, path) >= (int)sizeof(old) ||
	    snprintf(fresh, sizeof(fresh), "%s" FRESH_SUFFIX, old) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	if (!has_room(fd, len))
		return -ENOSPC;
	copied = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (copied < 0)
		return -errno;
	r = copy(fd, copied, len);
	if (r == 0 && fdatasync(copied) < 0) /* before the first of the two is cut */
		r = -errno;
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
	r = keep(fd, path, len);
	if (r < 0 && len <= LOG_FILE_FULL)
		return r;
	if (ftruncate(fd, 0) < 0)
		return -errno;
	*ret_is_cut = true;
	return r < 0 ? r : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_netns.h - puts a test into a network namespace of its own, so that it never touches the
 * machine's. For tests of shells only. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return is_written;
}

/* As root a plain namespace; else within a user namespace where we are its root. False, with
 * the reason printed, where neither is allowed: skip then (exit 77). */
static inline bool enter_own_netns(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (uid == 0 && unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		(void)printf("skipped: no network namespace of our own: %s\n", strerror(errno));
		return false;
	}
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	bool is_mapped =
		write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", map);

	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	is_mapped = is_mapped && write_text("/proc/self/gid_map", map);
	if (!is_mapped)
		(void)printf("skipped: cannot map ourselves into a user namespace\n");
	return is_mapped;
}

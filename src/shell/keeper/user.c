/* SPDX-License-Identifier: Apache-2.0 */
/* Who the daemon will be, and the directories that shall be his. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/keeper/keeper.h"

#define TREE_DEPTH_MAX 4 /* of a state directory */

/* Whether this user namespace knows the number: /proc/self/uid_map or gid_map has lines
 * "inside outside count" (user_namespaces(7)). */
static bool is_mapped(const char *map, unsigned id)
{
	FILE *f = fopen(map, "re");
	char line[80];
	bool is_found = false;

	if (!f)
		return true; /* no such file: no user namespaces in this kernel */
	while (!is_found && fgets(line, sizeof(line), f)) {
		char *rest;
		unsigned long inside = strtoul(line, &rest, 10);

		(void)strtoul(rest, &rest, 10); /* outside */
		is_found = id >= inside && id - inside < strtoul(rest, NULL, 10);
	}
	(void)fclose(f);
	return is_found;
}

static void stay(struct keeper_user *ret)
{
	const struct passwd *p = getpwuid(geteuid());

	ret->uid = geteuid();
	ret->gid = getegid();
	ret->is_other = false;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", p ? p->pw_name : "?");
}

void keeper_user_find(const char *name, struct keeper_user *ret)
{
	const struct passwd *p;

	*ret = (struct keeper_user){ 0 };
	if (geteuid() != 0) {
		stay(ret);
		return;
	}
	p = getpwnam(name);
	if (!p) {
		(void)snprintf(ret->why, sizeof(ret->why), "there is no user %.63s", name);
		p = getpwnam("nobody");
	}
	if (!p || p->pw_uid == 0) {
		(void)snprintf(ret->why, sizeof(ret->why), "there is no user %.63s and no nobody",
			       name);
		stay(ret);
		return;
	}
	if (!is_mapped("/proc/self/uid_map", p->pw_uid) ||
	    !is_mapped("/proc/self/gid_map", p->pw_gid)) {
		(void)snprintf(ret->why, sizeof(ret->why),
			       "this user namespace has no user %.63s (uid %u)", p->pw_name,
			       (unsigned)p->pw_uid);
		stay(ret);
		return;
	}
	(void)snprintf(ret->name, sizeof(ret->name), "%s", p->pw_name);
	ret->uid = p->pw_uid;
	ret->gid = p->pw_gid;
	ret->is_other = true;
}

/* ---- directories ---- */

static int fail(int r, const char *path, const char *what, char why[KEEPER_WHY_SIZE])
{
	(void)snprintf(why, KEEPER_WHY_SIZE, "%s %.120s: %s", what, path, strerror(-r));
	return r;
}

static int make_parents(const char *path)
{
	char copy[256];

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

/* Gives one thing that root made to the user. A file with a second name may be one of root's
 * own, linked into here by whoever owns the directory: it stays as it is. */
static int give(int fd, const struct stat *st, const struct keeper_user *user)
{
	bool is_plain = S_ISDIR(st->st_mode) || (S_ISREG(st->st_mode) && st->st_nlink == 1);

	if (!user->is_other || !is_plain || st->st_uid == user->uid)
		return 0;
	return fchown(fd, user->uid, user->gid) < 0 ? -errno : 0;
}

static int give_tree(int dir_fd, const struct keeper_user *user, unsigned depth)
{
	DIR *dir = fdopendir(dir_fd); /* takes it */
	const struct dirent *entry;
	int r = 0;

	if (!dir) {
		(void)close(dir_fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir))) {
		struct stat st;
		int fd;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		fd = openat(dirfd(dir), entry->d_name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			continue; /* a link, a socket, or gone */
		r = fstat(fd, &st) < 0 ? -errno : give(fd, &st, user);
		if (r == 0 && S_ISDIR(st.st_mode) && depth < TREE_DEPTH_MAX)
			r = give_tree(fd, user, depth + 1);
		else
			(void)close(fd);
	}
	(void)closedir(dir);
	return r;
}

int keeper_directory(const char *path, mode_t mode, const struct keeper_user *user,
		     bool is_recursive, char why[KEEPER_WHY_SIZE])
{
	struct stat st;
	int fd, r = make_parents(path);

	why[0] = '\0';
	if (r < 0 || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return fail(r < 0 ? r : -errno, path, "cannot make the directory", why);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, path, "cannot open the directory", why);
	r = fstat(fd, &st) < 0 ? -errno : give(fd, &st, user);
	if (r == 0 && (st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && is_recursive && user->is_other)
		r = give_tree(fd, user, 1);
	else
		(void)close(fd);
	return r < 0 ? fail(r, path, "cannot give to the daemon's user the directory", why) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The socket file: made, given to the group, and taken over from a daemon that is gone. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shell/control/frame.h"

#define LISTEN_BACKLOG 16

int socket_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
	return 0;
}

static int explain(int r, const char *path, char why[CONTROL_WHY_SIZE])
{
	const char *text = strerror(-r);

	if (r == -EADDRINUSE)
		text = "another daemon listens there; `x0 down` stops it";
	else if (r == -ENAMETOOLONG)
		text = "the path is too long for a socket; set run_dir";
	else if (r == -EEXIST)
		text = "there is a file that is no socket";
	else if (r == -EAGAIN)
		text = "another daemon is just starting there";
	(void)snprintf(why, CONTROL_WHY_SIZE, "control socket %.150s: %s", path, text);
	return r;
}

/* Removes a socket that nobody listens on. */
static int remove_stale(const struct sockaddr_un *a)
{
	struct stat st;
	int fd, r;

	if (lstat(a->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ? -errno : 0;
	(void)close(fd);
	if (r == 0 || r == -EAGAIN) /* a full backlog: somebody listens */
		return -EADDRINUSE;
	if (r != -ECONNREFUSED)
		return r;
	return unlink(a->sun_path) < 0 ? -errno : 0;
}

/* Before listen() nobody gets in, so there is no moment with a wrong mode. */
static int set_mode(const char *path)
{
	const struct group *group = getgrnam(CONTROL_GROUP);
	mode_t mode = 0600;

	if (group && chown(path, (uid_t)-1, group->gr_gid) == 0)
		mode = 0660;
	return chmod(path, mode) < 0 ? -errno : 0;
}

static int bind_and_listen(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ? -errno : 0;
	if (r == 0)
		r = set_mode(a->sun_path);
	if (r == 0 && listen(fd, LISTEN_BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

/* One daemon at a time may find the socket stale and do something about it. The descriptor of the
 * lock, or a negative errno. */
static int lock_socket(const char *path, int flags)
{
	char lock_path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8];
	int lock;

	(void)snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	lock = open(lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (lock < 0)
		return -errno;
	if (flock(lock, LOCK_EX | LOCK_NB) == 0)
		return lock;
	(void)close(lock);
	return -EAGAIN;
}

int control_unlisten(const char *path)
{
	struct sockaddr_un a;
	int r = socket_address(path, &a);
	int lock;

	if (r < 0)
		return r;
	lock = lock_socket(path, 0);
	if (lock == -ENOENT)
		return 0; /* nobody has ever listened there */
	if (lock < 0)
		return lock;
	r = remove_stale(&a);
	(void)close(lock);
	return r;
}

int control_listen(const char *path, char why[CONTROL_WHY_SIZE])
{
	struct sockaddr_un a;
	int lock;
	int r = socket_address(path, &a);

	if (r < 0)
		return explain(r, path, why);
	lock = lock_socket(path, O_CREAT);
	if (lock < 0)
		return explain(lock, path, why);
	r = remove_stale(&a);
	if (r == 0)
		r = bind_and_listen(&a);
	(void)close(lock);
	if (r < 0)
		return explain(r, path, why);
	why[0] = '\0';
	return r;
}

void control_options_fill(uid_t owner, struct control_options *ret)
{
	const struct group *group = getgrnam(CONTROL_GROUP);

	ret->owner = owner;
	ret->has_group = group != NULL;
	ret->group = group ? group->gr_gid : 0;
}

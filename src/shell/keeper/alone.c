/* SPDX-License-Identifier: Apache-2.0 */
/* That no other keeper in this network namespace holds the same routing rules and tables. They go
 * by a number made of the tunnel's name (ways.h), and the next keeper removes what it takes for the
 * leavings of one that was killed. An abstract Unix socket is of the network namespace, and ends
 * with its process. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shell/keeper/ways.h"

#define WAIT_MS 500 /* for one that was killed just now: its last process may not be gone yet */
#define STEP_MS 20
#define BACKLOG 4096

static socklen_t name_of(const char *tun_name, struct sockaddr_un *ret)
{
	int len;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	len = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "x0 keeper %u",
		       ways_number(tun_name));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* Without the privilege there are neither rules nor tables. */
static bool may_administer(void)
{
	cap_t now = cap_get_proc();
	cap_flag_value_t is_set = CAP_CLEAR;

	if (now)
		(void)cap_get_flag(now, CAP_NET_ADMIN, CAP_EFFECTIVE, &is_set);
	(void)cap_free(now);
	return is_set == CAP_SET;
}

/* Anybody may take a name that is free; only one of the same user is believed to be a keeper. Its
 * process may be one that cannot be seen from here: 0. */
static bool is_held(const struct sockaddr_un *name, socklen_t len, pid_t *ret)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t who_len = sizeof(who);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_ours = fd >= 0 && connect(fd, (const struct sockaddr *)name, len) == 0 &&
		       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_len) == 0 &&
		       who.uid == geteuid();

	if (fd >= 0)
		(void)close(fd);
	*ret = who.pid;
	return is_ours;
}

static int take(int fd, const struct sockaddr_un *name, socklen_t len, pid_t *ret_holder)
{
	static const struct timespec step = { .tv_nsec = STEP_MS * 1000000 };

	for (unsigned waited_ms = 0;; waited_ms += STEP_MS) {
		if (bind(fd, (const struct sockaddr *)name, len) == 0)
			return listen(fd, BACKLOG) < 0 ? -errno : 0;
		if (errno != EADDRINUSE)
			return -errno;
		if (waited_ms >= WAIT_MS)
			return is_held(name, len, ret_holder) ? -EADDRINUSE : 0;
		(void)nanosleep(&step, NULL);
	}
}

int alone_begin(const char *tun_name, int *ret_fd, char why[KEEPER_WHY_SIZE])
{
	struct sockaddr_un name;
	socklen_t len = name_of(tun_name, &name);
	pid_t other = 0;
	int r;

	*ret_fd = -1;
	if (!may_administer())
		return 0;
	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*ret_fd < 0)
		return 0; /* nothing can be told */
	r = take(*ret_fd, &name, len, &other);
	if (r != -EADDRINUSE)
		return 0;
	(void)close(*ret_fd);
	*ret_fd = -1;
	(void)snprintf(why, KEEPER_WHY_SIZE,
		       "x0 is already running on tunnel %s, or on one with the same routing table, "
		       "in this network namespace, as process %d; stop it, or set another tun.name",
		       tun_name, (int)other);
	return r;
}

bool alone_is_held(const char *tun_name)
{
	struct sockaddr_un name;
	socklen_t len = name_of(tun_name, &name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_held_now = fd >= 0 && connect(fd, (const struct sockaddr *)&name, len) == 0;

	if (fd >= 0)
		(void)close(fd);
	return is_held_now;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket that whoever started us has opened for the API, by the protocol of
 * sd_listen_fds(3): LISTEN_PID says that it is meant for us, LISTEN_FDS how many there are, the
 * first of them is descriptor 3. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/daemon_internal.h"

#define FIRST_FD 3

static bool reads_as(const char *text, long wanted)
{
	char expected[24];

	(void)snprintf(expected, sizeof(expected), "%ld", wanted);
	return text && strcmp(text, expected) == 0;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >>
			       24 ==
		       127;
	return a->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static int option(int fd, int which)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, which, &value, &len) < 0 ? -1 : value;
}

/* Whatever it is, it would be open to whoever can connect to it. */
static const char *fault_of(int fd)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);

	if (fcntl(fd, F_GETFD) < 0)
		return "is not open";
	if (option(fd, SO_TYPE) != SOCK_STREAM || option(fd, SO_PROTOCOL) != IPPROTO_TCP)
		return "is no TCP socket";
	if (option(fd, SO_ACCEPTCONN) != 1)
		return "does not listen";
	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0 || !is_loopback(&at))
		return "listens on another address than the loopback's";
	return NULL;
}

int inherited_listener(int *ret, char why[DAEMON_WHY_SIZE])
{
	const char *pid = getenv("LISTEN_PID");
	const char *n = getenv("LISTEN_FDS");
	const char *fault;
	bool is_ours = reads_as(pid, getpid());
	bool is_one = reads_as(n, 1);

	*ret = -1;
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (!is_ours)
		return 0; /* for another process, or none */
	if (!is_one) {
		(void)snprintf(why, DAEMON_WHY_SIZE,
			       "LISTEN_FDS: one listening socket is taken, for the API");
		return -EINVAL;
	}
	fault = fault_of(FIRST_FD);
	if (fault) {
		(void)snprintf(why, DAEMON_WHY_SIZE, "LISTEN_FDS: descriptor %d %s", FIRST_FD,
			       fault);
		return -EINVAL;
	}
	if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(FIRST_FD, F_SETFL, fcntl(FIRST_FD, F_GETFL) | O_NONBLOCK) < 0) {
		(void)snprintf(why, DAEMON_WHY_SIZE, "LISTEN_FDS: %s", strerror(errno));
		return -errno;
	}
	*ret = FIRST_FD;
	return 0;
}

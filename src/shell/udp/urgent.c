/* SPDX-License-Identifier: Apache-2.0 */
/* The second socket: at the same port, for what must not queue behind bulk. The kernel tells them
 * apart by the type byte and the lane, which are not sealed (SO_REUSEPORT with a classic BPF
 * program, Linux 4.5). */
#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/wire/wire.h"
#include "shell/udp/internal.h"

#define MAIN_SOCKET 0 /* in the order they joined the port */
#define URGENT_SOCKET 1

/* Offsets are those of the UDP payload. A load beyond the end returns 0: the main socket. */
static int steer(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_PROBE, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_TRANSPORT, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_LINK_FRAGMENT, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, WIRE_LANE_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_LANE_URGENT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, URGENT_SOCKET),
		BPF_STMT(BPF_RET | BPF_K, MAIN_SOCKET),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

/* Rules of routing that know the main socket's mark are for this one too. */
static int copy_mark(int main_fd, int fd)
{
	unsigned mark = 0;
	socklen_t len = sizeof(mark);

	if (getsockopt(main_fd, SOL_SOCKET, SO_MARK, &mark, &len) < 0 || mark == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
}

/* The main socket was bound alone, so another program's is noticed; only now may a second one
 * join it, and the kernel lets none of another user do so. */
static int join(int main_fd, int fd, const struct endpoint *local)
{
	struct sockaddr_in6 a = udp_sockaddr(local);
	int on = 1, r = udp_set_options(fd);

	if (r == 0)
		r = copy_mark(main_fd, fd);
	if (r < 0)
		return r;
	if (setsockopt(main_fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return steer(main_fd);
}

int udp_open_urgent(struct udp *u)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = join(u->main.fd, fd, &u->local);
	if (r < 0) {
		(void)close(fd); /* and the main socket has its port alone again */
		return r;
	}
	u->urgent.fd = fd;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Further sockets at the same port: one for what must not queue behind bulk, and one for each
 * packet thread. The kernel tells datagrams apart by type and lane, which are not sealed
 * (SO_REUSEPORT with a classic BPF program, Linux 4.5). */
#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/wire/wire.h"
#include "shell/udp/internal.h"

#define MAIN_SOCKET 0 /* in the order they joined the port: then the urgent one, then threads' */
#define RETURN(socket) BPF_STMT(BPF_RET | BPF_K, socket)

/* Offsets are those of the UDP payload. A load beyond the end returns 0: the main socket. Without
 * threads no lane is as high as the one asked for, as a byte.
 *
 * By the lane alone: what the first thread of a peer sends, the first of ours receives. It writes
 * to its queue of the tunnel, from which the kernel then hands it the answers: so a flow stays on
 * one thread at both ends. */
int udp_steer(struct udp *u, unsigned n_threads)
{
	unsigned urgent = u->urgent.fd >= 0 ? 1 : MAIN_SOCKET;
	unsigned lane = n_threads > 0 ? WIRE_LANE_THREADS : UINT8_MAX + 1;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_PROBE, 9, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_TRANSPORT, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_LINK_FRAGMENT, 0, 8),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, WIRE_LANE_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WIRE_LANE_URGENT, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, lane, 0, 5),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, WIRE_LANE_THREADS),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n_threads > 0 ? n_threads : 1),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, urgent + 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
		RETURN(urgent),
		RETURN(MAIN_SOCKET),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (setsockopt(u->main.fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
		       sizeof(program)) < 0)
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

/* The main socket was bound alone, so another program's is noticed; only now may others join it,
 * and the kernel lets none of another user do so. */
static int join_group(const struct udp *u, int fd)
{
	struct sockaddr_in6 a = udp_sockaddr(&u->local);
	int on = 1, r = udp_set_options(fd);

	if (r == 0)
		r = copy_mark(u->main.fd, fd);
	if (r < 0)
		return r;
	if (setsockopt(u->main.fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return 0;
}

int udp_open_urgent(struct udp *u)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = join_group(u, fd);
	if (r == 0) {
		u->urgent.fd = fd;
		r = udp_steer(u, 0);
		(void)udp_hear_errors(fd); /* the kernel hands each to any socket of the port */
	}
	if (r < 0) {
		u->urgent.fd = -1;
		(void)close(fd); /* and the main socket has its port alone again */
	}
	return r;
}

static int open_thread(const struct udp *u, unsigned offloads, struct udp **ret)
{
	struct udp *t;
	int r = udp_new(&t);

	if (r < 0)
		return r;
	r = join_group(u, t->main.fd);
	if (r < 0) {
		udp_free(t);
		return r;
	}
	udp_local(t, &t->local);
	udp_offload(t, offloads & ~(1U << UDP_OFFLOAD_URGENT));
	*ret = t;
	return 0;
}

int udp_open_threads(struct udp *u, unsigned n, unsigned offloads, struct udp *ret[])
{
	int r = n <= UDP_THREADS_MAX ? 0 : -EINVAL;
	unsigned made = 0;

	while (r == 0 && made < n) {
		r = open_thread(u, offloads, &ret[made]);
		made += r == 0;
	}
	if (r == 0)
		r = udp_steer(u, 0); /* at the latest now: a socket alone takes no program */
	while (r < 0 && made > 0)
		udp_free(ret[--made]);
	return r;
}

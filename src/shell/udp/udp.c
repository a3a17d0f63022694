/* SPDX-License-Identifier: Apache-2.0 */
/* A mesh socket: bound once, read in batches, written without waiting. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/udp/udp.h"

struct udp {
	int fd;
	struct udp_counters counters;
	uint32_t overflow; /* SO_RXQ_OVFL as last told */
	uint8_t buffers[UDP_BATCH][UDP_DATAGRAM_MAX];
};

DEFINE_FREEP(struct udp, udp_free)

static struct sockaddr_in6 to_sockaddr(const struct endpoint *e)
{
	struct sockaddr_in6 a = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(e->port),
		.sin6_scope_id = e->scope,
	};

	memcpy(&a.sin6_addr, e->ip, 16);
	return a;
}

static struct endpoint to_endpoint(const struct sockaddr_in6 *a)
{
	struct endpoint e = { .port = ntohs(a->sin6_port) };

	memcpy(e.ip, &a->sin6_addr, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&a->sin6_addr))
		e.scope = a->sin6_scope_id;
	return e;
}

static int explain_bind(int error, const struct endpoint *local, char why[UDP_WHY_SIZE])
{
	char where[ENDPOINT_TEXT_SIZE];
	const char *text = strerror(error);

	endpoint_format(local, where);
	if (error == EADDRINUSE)
		text = "the port is in use by another program; stop it or set `listen` to another";
	else if (error == EADDRNOTAVAIL)
		text = "this host has no such address; see `listen`";
	else if (error == EACCES)
		text = "ports below 1024 need root; set `listen` to a higher one";
	(void)snprintf(why, UDP_WHY_SIZE, "cannot listen on UDP %s: %s", where, text);
	return -error;
}

/* Best effort: FORCE passes net.core.rmem_max where we are root. */
static void ask_for_buffers(int fd)
{
	int size = UDP_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int set_options(int fd)
{
	int off = 0, on = 1, omit = IP_PMTUDISC_OMIT;

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)) < 0)
		return -errno;
	/* IPv4 without DF and without heeding (forgeable) ICMP: routers may cut our datagrams.
	 * IPv6 routers cannot, so there the kernel's default stays, which heeds Packet Too Big. */
	if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof(omit)) < 0)
		return -errno;
	ask_for_buffers(fd);
	return 0;
}

int udp_open(const struct endpoint *local, struct udp **ret, char why[UDP_WHY_SIZE])
{
	CLEANUP(udp_freep) struct udp *u = calloc(1, sizeof(*u));
	struct sockaddr_in6 a = to_sockaddr(local);
	int r;

	(void)snprintf(why, UDP_WHY_SIZE, "cannot open a UDP socket: %s", strerror(ENOMEM));
	if (!u)
		return -ENOMEM;
	u->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->fd < 0) {
		r = -errno;
		(void)snprintf(why, UDP_WHY_SIZE, "cannot open a UDP socket: %s",
			       r == -EAFNOSUPPORT ? "this kernel has no IPv6, which the mesh needs"
						  : strerror(-r));
		return r;
	}
	r = set_options(u->fd);
	if (r < 0) {
		(void)snprintf(why, UDP_WHY_SIZE, "cannot set up a UDP socket: %s", strerror(-r));
		return r;
	}
	if (bind(u->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return explain_bind(errno, local, why);
	why[0] = '\0';
	*ret = TAKE(u);
	return 0;
}

void udp_free(struct udp *u)
{
	if (!u)
		return;
	if (u->fd >= 0)
		(void)close(u->fd);
	free(u);
}

int udp_fd(const struct udp *u)
{
	return u->fd;
}

void udp_local(const struct udp *u, struct endpoint *ret)
{
	struct sockaddr_in6 a = { 0 };
	socklen_t len = sizeof(a);

	(void)getsockname(u->fd, (struct sockaddr *)&a, &len);
	*ret = to_endpoint(&a);
}

void udp_buffers(const struct udp *u, unsigned *ret_receive_bytes, unsigned *ret_send_bytes)
{
	int size = 0;
	socklen_t len = sizeof(size);

	(void)getsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &size, &len);
	*ret_receive_bytes = (unsigned)size / 2; /* the kernel tells twice what it gives */
	(void)getsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &size, &len);
	*ret_send_bytes = (unsigned)size / 2;
}

const struct udp_counters *udp_counters(const struct udp *u)
{
	return &u->counters;
}

/* ---- receiving ---- */

#define OVERFLOW_SIZE CMSG_SPACE(sizeof(uint32_t))

struct batch {
	struct mmsghdr messages[UDP_BATCH];
	struct iovec pieces[UDP_BATCH];
	struct sockaddr_in6 from[UDP_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[UDP_BATCH][OVERFLOW_SIZE];
};

static void batch_prepare(struct batch *b, struct udp *u)
{
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		b->pieces[i] = (struct iovec){ u->buffers[i], UDP_DATAGRAM_MAX };
		b->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &b->from[i],
			.msg_namelen = sizeof(b->from[i]),
			.msg_iov = &b->pieces[i],
			.msg_iovlen = 1,
			.msg_control = b->control[i],
			.msg_controllen = OVERFLOW_SIZE,
		};
	}
}

/* The kernel counts what it dropped since the socket was made, in 32 bits that wrap. */
static void count_overflow(struct udp *u, struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		uint32_t total;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&total, CMSG_DATA(c), sizeof(total));
		u->counters.kernel_dropped += (uint32_t)(total - u->overflow);
		u->overflow = total;
	}
}

static void take(struct udp *u, struct mmsghdr *m, udp_handler *handler, void *arg)
{
	struct endpoint from = to_endpoint(m->msg_hdr.msg_name);

	count_overflow(u, &m->msg_hdr);
	if (m->msg_hdr.msg_flags & MSG_TRUNC) {
		u->counters.too_long++;
		return;
	}
	u->counters.received++;
	u->counters.received_bytes += m->msg_len;
	handler(arg, &from, SPAN(m->msg_hdr.msg_iov->iov_base, m->msg_len));
}

int udp_receive(struct udp *u, udp_handler *handler, void *arg)
{
	struct batch b;
	int n = 0;

	while (n < UDP_RECEIVE_MAX) {
		batch_prepare(&b, u);
		int got = recvmmsg(u->fd, b.messages, UDP_BATCH, MSG_DONTWAIT, NULL);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		if (got < 0)
			return -errno;
		for (int i = 0; i < got; i++)
			take(u, &b.messages[i], handler, arg);
		n += got;
		if (got < UDP_BATCH)
			break;
	}
	return n;
}

/* ---- sending ---- */

static void count_failure(struct udp_counters *c, int error)
{
	switch (error) {
	case EAGAIN:
		c->would_block++;
		break;
	case ENOBUFS:
	case ENOMEM:
		c->no_buffers++;
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case ENETDOWN:
		c->unreachable++;
		break;
	case EPERM:
	case EACCES:
		c->refused++;
		break;
	default:
		c->failed++;
		break;
	}
}

int udp_send(struct udp *u, const struct endpoint *to, struct span datagram)
{
	struct sockaddr_in6 a = to_sockaddr(to);
	ssize_t n;

	do {
		n = sendto(u->fd, datagram.at, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (struct sockaddr *)&a, sizeof(a));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		int error = errno;

		count_failure(&u->counters, error);
		return -error;
	}
	u->counters.sent++;
	u->counters.sent_bytes += datagram.len;
	return 0;
}

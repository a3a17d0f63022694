/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets: one a family, members of the group on each interface. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/lan/internal.h"

#define IPV4_AT 12 /* in an address of 16 bytes, IPv4-mapped */
#define ONLY_SIZE 256
#define FAMILIES 2
#define IPV6 0
#define IPV4 1

struct lan {
	int fd[FAMILIES]; /* -1: not there */
	int watch_fd;
	uint16_t port;
	struct lan_options options;
	char skip[LAN_NAME_SIZE];
	char only[ONLY_SIZE];
	struct in6_addr group6;
	struct in_addr group4;
	struct lan_interface interfaces[LAN_INTERFACES_MAX];
	size_t n;
	size_t n_left_out;
};

DEFINE_FREEP(struct lan, lan_free)

/* Several daemons may be on one machine: all hear what is sent to the group. */
static int share_port(int fd)
{
	int on = 1, size = LAN_RECEIVE_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

/* What leaves is for this network alone, and what others of this machine joined is not for us. */
static int open_ipv6(struct lan *l)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(l->port) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, one = 1, off = 0;

	l->fd[IPV6] = fd;
	if (fd < 0 || share_port(fd) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof(off)); /* Linux 4.20 */
	return 0;
}

static int open_ipv4(struct lan *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(l->port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, one = 1, off = 0;

	l->fd[IPV4] = fd;
	if (fd < 0 || share_port(fd) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

int lan_open(const struct lan_options *options, struct lan **ret, char why[LAN_WHY_SIZE])
{
	CLEANUP(lan_freep) struct lan *l = calloc(1, sizeof(*l));
	int r6, r4;

	(void)snprintf(why, LAN_WHY_SIZE, "%s", strerror(ENOMEM));
	if (!l)
		return -ENOMEM;
	l->fd[IPV6] = l->fd[IPV4] = l->watch_fd = -1;
	l->port = options->port;
	(void)snprintf(l->skip, sizeof(l->skip), "%s", options->skip ? options->skip : "");
	(void)snprintf(l->only, sizeof(l->only), "%s", options->only);
	l->options = (struct lan_options){ .skip = l->skip, .only = l->only };
	(void)inet_pton(AF_INET6, LAN_GROUP_IPV6, &l->group6);
	(void)inet_pton(AF_INET, LAN_GROUP_IPV4, &l->group4);
	r6 = open_ipv6(l);
	r4 = open_ipv4(l);
	if (r6 < 0)
		close_fd(&l->fd[IPV6]);
	if (r4 < 0)
		close_fd(&l->fd[IPV4]);
	if (r6 < 0 && r4 < 0) {
		(void)snprintf(why, LAN_WHY_SIZE, "cannot listen on UDP port %u: %s", l->port,
			       strerror(-r6));
		return r6;
	}
	l->watch_fd = interfaces_watch();
	if (l->watch_fd < 0) {
		(void)snprintf(why, LAN_WHY_SIZE, "the kernel does not tell of interfaces: %s",
			       strerror(-l->watch_fd));
		return l->watch_fd;
	}
	why[0] = '\0';
	*ret = TAKE(l);
	return 0;
}

void lan_free(struct lan *l)
{
	if (!l)
		return;
	close_fd(&l->fd[IPV6]);
	close_fd(&l->fd[IPV4]);
	close_fd(&l->watch_fd);
	free(l);
}

void lan_fds(const struct lan *l, int ret[LAN_FDS])
{
	ret[0] = l->fd[IPV6];
	ret[1] = l->fd[IPV4];
	ret[2] = l->watch_fd;
}

int lan_socket(const struct lan *l, bool is_ipv4)
{
	return l->fd[is_ipv4 ? IPV4 : IPV6];
}

size_t lan_interfaces(const struct lan *l, const struct lan_interface **ret)
{
	*ret = l->interfaces;
	return l->n;
}

size_t lan_left_out(const struct lan *l)
{
	return l->n_left_out;
}

/* ---- interfaces ---- */

/* What is said does not matter: all is listed anew. Lost words (ENOBUFS) are words, too. */
bool lan_has_changed(struct lan *l)
{
	uint8_t ignored[8192];
	bool has_changed = false;

	for (unsigned i = 0; i < LAN_RECEIVE_MAX; i++) {
		ssize_t n = recv(l->watch_fd, ignored, sizeof(ignored), 0);

		if (n < 0 && errno != ENOBUFS)
			break;
		has_changed = true;
	}
	return has_changed;
}

static void join(struct lan *l, struct lan_interface *i, bool is_joining)
{
	struct ipv6_mreq six = { .ipv6mr_multiaddr = l->group6, .ipv6mr_interface = i->index };
	struct ip_mreqn four = { .imr_multiaddr = l->group4, .imr_ifindex = (int)i->index };

	if (l->fd[IPV6] < 0 ||
	    (setsockopt(l->fd[IPV6], IPPROTO_IPV6, is_joining ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP,
			&six, sizeof(six)) < 0 &&
	     errno != EADDRINUSE))
		i->has_ipv6 = false;
	if (l->fd[IPV4] < 0 || (setsockopt(l->fd[IPV4], IPPROTO_IP,
					   is_joining ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
					   &four, sizeof(four)) < 0 &&
				errno != EADDRINUSE))
		i->has_ipv4 = false;
}

static const struct lan_interface *find(const struct lan_interface *list, size_t n, uint32_t index)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].index == index)
			return &list[i];
	return NULL;
}

/* Joining once more is refused and changes nothing; one whose kernel lost it is joined again. */
int lan_refresh(struct lan *l)
{
	struct lan_interface now[LAN_INTERFACES_MAX];
	size_t n;
	int r = interfaces_list(&l->options, now, LAN_INTERFACES_MAX, &n, &l->n_left_out);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l->n; i++)
		if (!find(now, n, l->interfaces[i].index))
			join(l, &l->interfaces[i], false);
	for (size_t i = 0; i < n; i++)
		join(l, &now[i], true);
	memcpy(l->interfaces, now, n * sizeof(now[0]));
	l->n = n;
	return 0;
}

/* ---- datagrams ---- */

union control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
		      CMSG_SPACE(sizeof(struct in_pktinfo))];
};

union address {
	struct sockaddr any;
	struct sockaddr_in6 six;
	struct sockaddr_in four;
};

/* 0 where the kernel does not say. */
static uint32_t interface_of(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct in6_pktinfo six;
		struct in_pktinfo four;

		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&six, CMSG_DATA(c), sizeof(six));
			return six.ipi6_ifindex;
		}
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&four, CMSG_DATA(c), sizeof(four));
			return (uint32_t)four.ipi_ifindex;
		}
	}
	return 0;
}

static struct endpoint endpoint_of(const union address *a)
{
	struct endpoint e = { 0 };

	if (a->any.sa_family == AF_INET) {
		e.ip[10] = e.ip[11] = 0xff;
		memcpy(e.ip + IPV4_AT, &a->four.sin_addr, 4);
		e.port = ntohs(a->four.sin_port);
		return e;
	}
	memcpy(e.ip, &a->six.sin6_addr, sizeof(e.ip));
	e.port = ntohs(a->six.sin6_port);
	if (IN6_IS_ADDR_LINKLOCAL(&a->six.sin6_addr))
		e.scope = a->six.sin6_scope_id;
	return e;
}

static bool is_of_network(const struct lan_interface *i, const struct endpoint *from)
{
	uint32_t ip = load_u32(from->ip + IPV4_AT);

	if (!endpoint_is_ipv4(from))
		return endpoint_is_link_local(from) && from->scope == i->index;
	for (size_t k = 0; k < i->n_ipv4; k++) {
		unsigned bits = i->ipv4[k].bits;

		if (bits == 0 || (ip ^ i->ipv4[k].ip) >> (32 - bits) == 0)
			return true;
	}
	return false;
}

static unsigned receive(struct lan *l, int fd, lan_handler *handler, void *arg)
{
	unsigned n = 0;

	for (; fd >= 0 && n < LAN_RECEIVE_MAX; n++) {
		uint8_t bytes[LAN_DATAGRAM_MAX];
		struct iovec piece = { bytes, sizeof(bytes) };
		union control control;
		union address from;
		struct msghdr h = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &piece,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		ssize_t len = recvmsg(fd, &h, 0);
		const struct lan_interface *i;
		struct endpoint e;

		if (len < 0)
			break;
		i = find(l->interfaces, l->n, interface_of(&h));
		e = endpoint_of(&from);
		if (i && is_of_network(i, &e))
			handler(arg, i->index, &e, SPAN(bytes, (size_t)len));
	}
	return n;
}

unsigned lan_receive(struct lan *l, lan_handler *handler, void *arg)
{
	return receive(l, l->fd[IPV6], handler, arg) + receive(l, l->fd[IPV4], handler, arg);
}

static int send_to(int fd, uint32_t interface, union address *to, struct span datagram)
{
	bool is_ipv4 = to->any.sa_family == AF_INET;
	union {
		const uint8_t *in;
		void *out;
	} bytes = { .in = datagram.at };
	struct iovec piece = { bytes.out, datagram.len };
	union control control = { 0 };
	struct in6_pktinfo six = { .ipi6_ifindex = interface };
	struct in_pktinfo four = { .ipi_ifindex = (int)interface };
	struct msghdr h = {
		.msg_name = to,
		.msg_namelen = is_ipv4 ? sizeof(to->four) : sizeof(to->six),
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = is_ipv4 ? CMSG_SPACE(sizeof(four)) : CMSG_SPACE(sizeof(six)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	if (fd < 0)
		return -EAFNOSUPPORT;
	c->cmsg_level = is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = is_ipv4 ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = is_ipv4 ? CMSG_LEN(sizeof(four)) : CMSG_LEN(sizeof(six));
	if (is_ipv4)
		memcpy(CMSG_DATA(c), &four, sizeof(four));
	else
		memcpy(CMSG_DATA(c), &six, sizeof(six));
	return sendmsg(fd, &h, 0) < 0 ? -errno : 0;
}

int lan_send_all(struct lan *l, uint32_t interface, bool is_ipv4, struct span datagram)
{
	union address to = { 0 };

	if (is_ipv4) {
		to.four.sin_family = AF_INET;
		to.four.sin_port = htons(l->port);
		to.four.sin_addr = l->group4;
	} else {
		to.six.sin6_family = AF_INET6;
		to.six.sin6_port = htons(l->port);
		to.six.sin6_addr = l->group6;
		to.six.sin6_scope_id = interface;
	}
	return send_to(lan_socket(l, is_ipv4), interface, &to, datagram);
}

int lan_send(struct lan *l, uint32_t interface, const struct endpoint *e, struct span datagram)
{
	bool is_ipv4 = endpoint_is_ipv4(e);
	union address to = { 0 };

	if (is_ipv4) {
		to.four.sin_family = AF_INET;
		to.four.sin_port = htons(e->port);
		memcpy(&to.four.sin_addr, e->ip + IPV4_AT, 4);
	} else {
		to.six.sin6_family = AF_INET6;
		to.six.sin6_port = htons(e->port);
		memcpy(&to.six.sin6_addr, e->ip, sizeof(e->ip));
		to.six.sin6_scope_id = e->scope;
	}
	return send_to(lan_socket(l, is_ipv4), interface, &to, datagram);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A mesh socket: bound once, read in batches, written without waiting. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/udp/internal.h"

DEFINE_FREEP(struct udp, udp_free)

struct sockaddr_in6 udp_sockaddr(const struct endpoint *e)
{
	struct sockaddr_in6 a = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(e->port),
		.sin6_scope_id = e->scope,
	};

	memcpy(&a.sin6_addr, e->ip, 16);
	return a;
}

struct endpoint udp_endpoint(const struct sockaddr_in6 *a)
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
	int in = UDP_RECEIVE_BUFFER_BYTES, out = UDP_SEND_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &in, sizeof(in)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof(in));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof(out)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof(out));
}

int udp_set_options(int fd)
{
	int off = 0, on = 1, ipv4 = UDP_DISCOVER_IPV4, ipv6 = UDP_DISCOVER_IPV6;

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)) < 0)
		return -errno;
	/* Without DF and without heeding ICMP, which whoever knows two addresses can forge: the
	 * kernel would cut all our datagrams, or refuse runs of them, for ten minutes. */
	if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &ipv4, sizeof(ipv4)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &ipv6, sizeof(ipv6)) < 0)
		return -errno;
	/* DSCP and ECN of what comes, of both families. */
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) < 0)
		return -errno;
	ask_for_buffers(fd);
	return 0;
}

static int make_room(struct udp *u)
{
	u->buffer_size = UDP_DATAGRAM_MAX;
	u->main.buffers = malloc((size_t)UDP_BATCH * UDP_DATAGRAM_MAX);
	if (!u->main.buffers || backlog_init(&u->backlog) < 0)
		return -ENOMEM;
	for (unsigned o = 0; o < UDP_N_OFFLOADS; o++)
		u->why_off[o] = "not asked for";
	return 0;
}

int udp_new(struct udp **ret)
{
	CLEANUP(udp_freep) struct udp *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->urgent.fd = -1;
	u->main.fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->main.fd < 0)
		return -errno;
	r = make_room(u);
	if (r == 0)
		*ret = TAKE(u);
	return r;
}

int udp_open(const struct endpoint *local, struct udp **ret, char why[UDP_WHY_SIZE])
{
	CLEANUP(udp_freep) struct udp *u = calloc(1, sizeof(*u));
	struct sockaddr_in6 a = udp_sockaddr(local);
	int r;

	(void)snprintf(why, UDP_WHY_SIZE, "cannot open a UDP socket: %s", strerror(ENOMEM));
	if (!u)
		return -ENOMEM;
	u->urgent.fd = -1;
	u->main.fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->main.fd < 0) {
		r = -errno;
		(void)snprintf(why, UDP_WHY_SIZE, "cannot open a UDP socket: %s",
			       r == -EAFNOSUPPORT ? "this kernel has no IPv6, which the mesh needs"
						  : strerror(-r));
		return r;
	}
	r = udp_set_options(u->main.fd);
	if (r < 0) {
		(void)snprintf(why, UDP_WHY_SIZE, "cannot set up a UDP socket: %s", strerror(-r));
		return r;
	}
	if (bind(u->main.fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return explain_bind(errno, local, why);
	if (make_room(u) < 0)
		return -ENOMEM;
	(void)udp_hear_errors(u->main.fd); /* else an unreachable peer shows as silence */
	udp_local(u, &u->local);
	why[0] = '\0';
	*ret = TAKE(u);
	return 0;
}

void udp_free(struct udp *u)
{
	if (!u)
		return;
	if (u->main.fd >= 0)
		(void)close(u->main.fd);
	if (u->urgent.fd >= 0)
		(void)close(u->urgent.fd);
	free(u->main.buffers);
	free(u->urgent.buffers);
	backlog_done(&u->backlog);
	free(u);
}

int udp_fd(const struct udp *u)
{
	return u->main.fd;
}

int udp_urgent_fd(const struct udp *u)
{
	return u->urgent.fd;
}

void udp_local(const struct udp *u, struct endpoint *ret)
{
	struct sockaddr_in6 a = { 0 };
	socklen_t len = sizeof(a);

	(void)getsockname(u->main.fd, (struct sockaddr *)&a, &len);
	*ret = udp_endpoint(&a);
}

void udp_buffers(const struct udp *u, unsigned *ret_receive_bytes, unsigned *ret_send_bytes)
{
	int size = 0;
	socklen_t len = sizeof(size);

	(void)getsockopt(u->main.fd, SOL_SOCKET, SO_RCVBUF, &size, &len);
	*ret_receive_bytes = (unsigned)size / 2; /* the kernel tells twice what it gives */
	(void)getsockopt(u->main.fd, SOL_SOCKET, SO_SNDBUF, &size, &len);
	*ret_send_bytes = (unsigned)size / 2;
}

const struct udp_counters *udp_counters(const struct udp *u)
{
	return &u->counters;
}

const struct endpoint *udp_bound(const struct udp *u)
{
	return &u->local;
}

/* ---- offloads ---- */

static void offload_gro(struct udp *u)
{
	uint8_t *buffers = malloc((size_t)UDP_GRO_BATCH * UDP_MESSAGE_MAX);
	int on = 1;

	if (!buffers) {
		u->why_off[UDP_OFFLOAD_GRO] = "out of memory";
		return;
	}
	if (setsockopt(u->main.fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0) {
		free(buffers);
		u->why_off[UDP_OFFLOAD_GRO] = "this kernel does not have UDP_GRO (Linux 5.0)";
		return;
	}
	free(u->main.buffers);
	u->main.buffers = buffers;
	u->buffer_size = UDP_MESSAGE_MAX;
	u->why_off[UDP_OFFLOAD_GRO] = NULL;
}

/* Once it is known how much is received at once. */
static void offload_urgent(struct udp *u)
{
	bool is_gro_on = !u->why_off[UDP_OFFLOAD_GRO];
	int on = 1;

	u->urgent.buffers = malloc((is_gro_on ? UDP_GRO_BATCH : UDP_BATCH) * u->buffer_size);
	if (!u->urgent.buffers) {
		u->why_off[UDP_OFFLOAD_URGENT] = "out of memory";
	} else if (udp_open_urgent(u) < 0) {
		u->why_off[UDP_OFFLOAD_URGENT] =
			"this kernel cannot share a port between sockets (Linux 4.5)";
	} else {
		if (is_gro_on)
			(void)setsockopt(u->urgent.fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
		u->why_off[UDP_OFFLOAD_URGENT] = NULL;
	}
}

void udp_offload(struct udp *u, unsigned wanted)
{
	int size = 0;
	socklen_t len = sizeof(size);

	for (unsigned o = 0; o < UDP_N_OFFLOADS; o++)
		u->why_off[o] = "switched off in the configuration";
	if (wanted & 1U << UDP_OFFLOAD_BATCH)
		u->why_off[UDP_OFFLOAD_BATCH] = NULL;
	if (wanted & 1U << UDP_OFFLOAD_GSO)
		u->why_off[UDP_OFFLOAD_GSO] =
			getsockopt(u->main.fd, SOL_UDP, UDP_SEGMENT, &size, &len) < 0
				? "this kernel does not have UDP_SEGMENT (Linux 4.18)"
				: NULL;
	if (wanted & 1U << UDP_OFFLOAD_GRO)
		offload_gro(u);
	if (wanted & 1U << UDP_OFFLOAD_URGENT)
		offload_urgent(u);
}

const char *udp_offload_why_off(const struct udp *u, enum udp_offload o)
{
	return u->why_off[o];
}

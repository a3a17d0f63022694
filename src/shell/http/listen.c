/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: we accept ourselves, so that limits hold before the library knows of anybody,
 * and so that a socket may be one that was handed to us. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/http/internal.h"

#define BACKLOG 1024
#define ACCEPTS_MAX 64 /* a wake-up */
/* Most answers go to the kernel whole; of others we keep what it does not take. */
#define SEND_BUFFER (2 * 65536)

static socklen_t to_sockaddr(const struct endpoint *e, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){ 0 };
	if (endpoint_is_ipv4(e)) {
		struct sockaddr_in *four = (struct sockaddr_in *)(void *)ret;

		four->sin_family = AF_INET;
		four->sin_port = htons(e->port);
		memcpy(&four->sin_addr, e->ip + 12, 4);
		return sizeof(*four);
	}
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ret;

	six->sin6_family = AF_INET6;
	six->sin6_port = htons(e->port);
	six->sin6_scope_id = e->scope;
	memcpy(&six->sin6_addr, e->ip, 16);
	return sizeof(*six);
}

static void to_endpoint(const struct sockaddr_storage *from, struct endpoint *ret)
{
	*ret = (struct endpoint){ 0 };
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)from;

		ret->ip[10] = ret->ip[11] = 0xff;
		memcpy(ret->ip + 12, &four->sin_addr, 4);
		ret->port = ntohs(four->sin_port);
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)from;

		memcpy(ret->ip, &six->sin6_addr, 16);
		ret->port = ntohs(six->sin6_port);
	}
}

int http_bind(const struct endpoint *at, bool may_be_absent, int *ret, char why[HTTP_WHY_SIZE])
{
	struct sockaddr_storage address;
	socklen_t len = to_sockaddr(at, &address);
	char text[ENDPOINT_TEXT_SIZE];
	int one = 1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -errno : 0;

	endpoint_format(at, text);
	if (r == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (r == 0 && address.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* An overlay address whose device comes later. */
	if (r == 0 && may_be_absent)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one));
	if (r == 0 && bind(fd, (struct sockaddr *)&address, len) < 0)
		r = -errno;
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		(void)snprintf(why, HTTP_WHY_SIZE, "%s (TCP): %s", text,
			       r == -EADDRINUSE ? "another program listens there" : strerror(-r));
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

void http_local(int fd, struct endpoint *ret)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);

	(void)getsockname(fd, (struct sockaddr *)&at, &len);
	to_endpoint(&at, ret);
}

/* Requests are limited when they are read, which is after a handshake. */
static bool may_begin(const struct listener *l, const struct endpoint *from)
{
	uint64_t wait_us = 0;

	return !l->is_tls || (l->server->tls && rate_take(l->server->handshakes, SPAN(from->ip, 16),
							  loop_now_us(), &wait_us));
}

static void take(struct listener *l, int fd, const struct endpoint *from)
{
	struct http_server *s = l->server;
	struct connection *c = NULL;
	int room = SEND_BUFFER;
	int one = 1;

	s->counters.accepted++;
	if (may_begin(l, from))
		c = connection_new(s, from, l->number);
	if (!c) {
		s->counters.refused_connections++;
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (connection_open(c, fd, l->is_tls ? s->tls : NULL) < 0) {
		s->counters.refused_connections++;
		connection_free(c);
	}
}

static void on_listener(void *arg, unsigned events, uint64_t now_us)
{
	struct listener *l = arg;

	(void)events;
	(void)now_us;
	for (unsigned i = 0; i < ACCEPTS_MAX && l->fd >= 0; i++) {
		struct sockaddr_storage address = { 0 };
		socklen_t len = sizeof(address);
		struct endpoint from;
		int fd = accept4(l->fd, (struct sockaddr *)&address, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		/* Without descriptors the kernel keeps them waiting, and we look again a little
		 * later: the socket would stay readable all the while. */
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
			(void)loop_fd_set_events(l->watch, 0);
			server_look_later(l->server);
		}
		if (fd < 0)
			return;
		to_endpoint(&address, &from);
		take(l, fd, &from);
	}
}

static int add(struct http_server *s, int fd, bool is_tls)
{
	for (unsigned i = 0; i < HTTP_LISTENERS_MAX; i++) {
		struct listener *l = &s->listeners[i];
		int r;

		if (l->fd >= 0)
			continue;
		r = loop_fd_new(s->loop, fd, LOOP_READABLE, on_listener, l, &l->watch);
		if (r < 0) {
			(void)close(fd);
			return r;
		}
		l->fd = fd;
		l->is_tls = is_tls;
		return (int)i;
	}
	(void)close(fd);
	return -ENOBUFS;
}

int http_listen(struct http_server *s, int fd)
{
	return add(s, fd, false);
}

int http_listen_tls(struct http_server *s, int fd)
{
	return add(s, fd, true);
}

void http_set_tls(struct http_server *s, struct ssl_ctx_st *tls)
{
	s->tls = tls;
}

void listen_again(struct listener *l)
{
	if (l->fd >= 0)
		(void)loop_fd_set_events(l->watch, LOOP_READABLE);
}

void listen_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	loop_fd_free(l->watch);
	(void)close(l->fd);
	l->fd = -1;
}

void http_unlisten(struct http_server *s, unsigned listener)
{
	listen_close(&s->listeners[listener]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of `x0 tls`. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/tls.h"
#include "core/identity/identity.h"
#include "shell/loop/loop.h"

#define BACKLOG 16

int tls_split_address(const char *text, char *ret_host, size_t host_size, char ret_port[6])
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (!invite_endpoint_is_valid(text))
		return -EINVAL;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= host_size || strlen(colon + 1) > 5)
		return -EINVAL;
	memcpy(ret_host, text, len);
	ret_host[len] = '\0';
	memcpy(ret_port, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

/* 0 once the connection stands. */
static int wait_connected(int fd, uint64_t deadline_us)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;
	int n;

	do {
		uint64_t now_us = loop_now_us();

		if (now_us >= deadline_us)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)((deadline_us - now_us) / 1000) + 1);
	} while (n == 0 || (n < 0 && errno == EINTR));
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int dial_one(const struct addrinfo *a, uint64_t deadline_us)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		r = errno == EINPROGRESS ? wait_connected(fd, deadline_us) : -errno;
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

/* Of the time that is left each address may take as much as those after it, so that one from which
 * nothing comes back does not take all of it. */
static int dial_each(const struct addrinfo *found, uint64_t deadline_us)
{
	unsigned n_left = 0;
	int r = -EHOSTUNREACH;

	for (const struct addrinfo *a = found; a; a = a->ai_next)
		n_left++;
	for (const struct addrinfo *a = found; a && r < 0; a = a->ai_next, n_left--) {
		uint64_t now_us = loop_now_us();
		uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;

		r = dial_one(a, now_us + left_us / n_left);
	}
	return r;
}

int tls_dial(const char *host, const char *port, uint64_t deadline_us, char ret_why[CLI_TEXT_SIZE])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	int r = getaddrinfo(host, port, &hints, &found);

	if (r != 0) {
		(void)snprintf(ret_why, CLI_TEXT_SIZE, "%s", gai_strerror(r));
		return -EHOSTUNREACH;
	}
	r = dial_each(found, deadline_us);
	freeaddrinfo(found);
	if (r < 0)
		(void)snprintf(ret_why, CLI_TEXT_SIZE, "%s", strerror(-r));
	return r;
}

static void address_text(const struct sockaddr_in6 *a, char ret[ENDPOINT_TEXT_SIZE])
{
	struct endpoint e = { .port = ntohs(a->sin6_port), .scope = a->sin6_scope_id };

	memcpy(e.ip, &a->sin6_addr, sizeof(e.ip));
	endpoint_format(&e, ret);
}

int tls_listen(const struct endpoint *at, char ret_address[ENDPOINT_TEXT_SIZE])
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_port = htons(at->port),
				  .sin6_scope_id = at->scope };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int off = 0;
	int on = 1;

	if (fd < 0)
		return -errno;
	memcpy(&a.sin6_addr, at->ip, sizeof(at->ip));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	address_text(&a, ret_address);
	return fd;
}

int tls_accept(int listener, char ret_address[ENDPOINT_TEXT_SIZE])
{
	struct sockaddr_in6 a = { 0 };
	socklen_t len = sizeof(a);
	int fd = accept4(listener, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	address_text(&a, ret_address);
	return fd;
}

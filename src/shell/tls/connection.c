/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS connection on a non-blocking socket, waited for with a deadline. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>

#include "base/cleanup.h"
#include "shell/tls/internal.h"

#define SERVER_NAME_MAX 253 /* RFC 6066 section 3, RFC 1035 section 2.3.4 */

struct tls_connection {
	SSL *ssl;
	int fd;
};

DEFINE_FREEP(struct tls_connection, tls_connection_free)

static bool is_dns_name(const char *host)
{
	struct in6_addr address;

	return strlen(host) <= SERVER_NAME_MAX && inet_pton(AF_INET, host, &address) != 1 &&
	       inet_pton(AF_INET6, host, &address) != 1;
}

int tls_connection_new(struct ssl_ctx_st *ctx, int fd, const char *host,
		       struct tls_connection **ret)
{
	CLEANUP(tls_connection_freep) struct tls_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fd = fd;
	c->ssl = SSL_new(ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1)
		return -EIO;
	if (host && is_dns_name(host) && SSL_set_tlsext_host_name(c->ssl, host) != 1)
		return -EIO;
	*ret = TAKE(c);
	return 0;
}

void tls_connection_free(struct tls_connection *c)
{
	if (!c)
		return;
	SSL_free(c->ssl);
	free(c);
}

const struct ssl_st *tls_connection_ssl(const struct tls_connection *c)
{
	return c->ssl;
}

/* ---- waiting ---- */

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int wait_for(const struct tls_connection *c, short events, uint64_t deadline_us)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = events };
		uint64_t now = now_us();
		uint64_t left_ms = deadline_us > now ? (deadline_us - now) / 1000 + 1 : 0;
		int r;

		if (left_ms == 0)
			return -ETIMEDOUT;
		r = poll(&p, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

/* What to do after a call that returned r: 0 call it again, 1 the peer has closed, -errno. */
static int after(const struct tls_connection *c, int r, uint64_t deadline_us)
{
	int saved = errno;

	switch (SSL_get_error(c->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return wait_for(c, POLLIN, deadline_us);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(c, POLLOUT, deadline_us);
	case SSL_ERROR_ZERO_RETURN:
		return 1;
	case SSL_ERROR_SYSCALL:
		return saved == EPIPE || saved == 0 ? -ECONNRESET : -saved;
	default: /* the first error: on top of it may lie that our alert could not be sent */
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
			       ? -ECONNRESET
			       : -EPROTO;
	}
}

int tls_connection_handshake(struct tls_connection *c, uint64_t deadline_us)
{
	for (;;) {
		int r;

		ERR_clear_error();
		errno = 0;
		r = SSL_is_server(c->ssl) ? SSL_accept(c->ssl) : SSL_connect(c->ssl);
		if (r == 1)
			return 0;
		r = after(c, r, deadline_us);
		if (r != 0)
			return r < 0 ? r : -ECONNRESET;
	}
}

int tls_connection_read(struct tls_connection *c, void *ret, size_t size, uint64_t deadline_us)
{
	for (;;) {
		int r;

		ERR_clear_error();
		errno = 0;
		r = SSL_read(c->ssl, ret, size > INT_MAX ? INT_MAX : (int)size);
		if (r > 0)
			return r;
		r = after(c, r, deadline_us);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

int tls_connection_write(struct tls_connection *c, const void *from, size_t len,
			 uint64_t deadline_us)
{
	const uint8_t *at = from;

	while (len > 0) {
		int r;

		ERR_clear_error();
		errno = 0;
		r = SSL_write(c->ssl, at, len > INT_MAX ? INT_MAX : (int)len);
		if (r > 0) {
			at += r;
			len -= (size_t)r;
			continue;
		}
		r = after(c, r, deadline_us);
		if (r != 0)
			return r < 0 ? r : -ECONNRESET;
	}
	return 0;
}

int tls_connection_close(struct tls_connection *c, uint64_t deadline_us)
{
	for (;;) {
		int r;

		ERR_clear_error();
		errno = 0;
		r = SSL_shutdown(c->ssl);
		if (r >= 0) /* 0: ours is sent, the peer's has not come yet */
			return 0;
		r = after(c, r, deadline_us);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/* ---- without waiting ---- */

/* The same as after(), but that it does not wait. */
static int try_after(const struct tls_connection *c, int r, bool *ret_wants_write)
{
	int saved = errno;
	int error = SSL_get_error(c->ssl, r);

	*ret_wants_write = error == SSL_ERROR_WANT_WRITE;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	errno = saved;
	return after(c, r, 0);
}

int tls_connection_try_handshake(struct tls_connection *c, bool *ret_wants_write)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_is_server(c->ssl) ? SSL_accept(c->ssl) : SSL_connect(c->ssl);
	if (r == 1)
		return 0;
	r = try_after(c, r, ret_wants_write);
	return r < 0 ? r : -ECONNRESET;
}

int tls_connection_try_read(struct tls_connection *c, void *ret, size_t size, bool *ret_wants_write)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_read(c->ssl, ret, size > INT_MAX ? INT_MAX : (int)size);
	if (r > 0)
		return r;
	r = try_after(c, r, ret_wants_write);
	return r < 0 ? r : 0;
}

int tls_connection_try_write(struct tls_connection *c, const void *from, size_t len,
			     bool *ret_wants_write)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write(c->ssl, from, len > INT_MAX ? INT_MAX : (int)len);
	if (r > 0)
		return r;
	r = try_after(c, r, ret_wants_write);
	return r < 0 ? r : -ECONNRESET;
}

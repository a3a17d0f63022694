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

static int wait_again(const struct tls_connection *c, bool wants_write, uint64_t deadline_us)
{
	return wait_for(c, wants_write ? POLLOUT : POLLIN, deadline_us);
}

/* ---- without waiting ---- */

static void begin_call(void)
{
	ERR_clear_error();
	errno = 0;
}

/* Of a call that returned r: -EAGAIN it has to wait, closed the peer has closed, else -errno. */
static int after(const struct tls_connection *c, int r, int closed, bool *ret_wants_write)
{
	int saved = errno;
	int error = SSL_get_error(c->ssl, r);

	*ret_wants_write = error == SSL_ERROR_WANT_WRITE;
	switch (error) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return closed;
	case SSL_ERROR_SYSCALL:
		return saved == EPIPE || saved == 0 ? -ECONNRESET : -saved;
	default: /* the first error: on top of it may lie that our alert could not be sent */
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
			       ? -ECONNRESET
			       : -EPROTO;
	}
}

int tls_connection_try_handshake(struct tls_connection *c, bool *ret_wants_write)
{
	int r;

	begin_call();
	r = SSL_is_server(c->ssl) ? SSL_accept(c->ssl) : SSL_connect(c->ssl);
	return r == 1 ? 0 : after(c, r, -ECONNRESET, ret_wants_write);
}

int tls_connection_try_read(struct tls_connection *c, void *ret, size_t size, bool *ret_wants_write)
{
	int r;

	begin_call();
	r = SSL_read(c->ssl, ret, size > INT_MAX ? INT_MAX : (int)size);
	return r > 0 ? r : after(c, r, 0, ret_wants_write);
}

int tls_connection_try_write(struct tls_connection *c, const void *from, size_t len,
			     bool *ret_wants_write)
{
	int r;

	begin_call();
	r = SSL_write(c->ssl, from, len > INT_MAX ? INT_MAX : (int)len);
	return r > 0 ? r : after(c, r, -ECONNRESET, ret_wants_write);
}

static int try_close(struct tls_connection *c, bool *ret_wants_write)
{
	int r;

	begin_call();
	r = SSL_shutdown(c->ssl);
	/* 0: ours is sent, the peer's has not come yet */
	return r >= 0 ? 0 : after(c, r, 0, ret_wants_write);
}

/* ---- until a deadline ---- */

int tls_connection_handshake(struct tls_connection *c, uint64_t deadline_us)
{
	bool wants_write;
	int r;

	while ((r = tls_connection_try_handshake(c, &wants_write)) == -EAGAIN) {
		r = wait_again(c, wants_write, deadline_us);
		if (r < 0)
			break;
	}
	return r;
}

int tls_connection_read(struct tls_connection *c, void *ret, size_t size, uint64_t deadline_us)
{
	bool wants_write;
	int r;

	while ((r = tls_connection_try_read(c, ret, size, &wants_write)) == -EAGAIN) {
		r = wait_again(c, wants_write, deadline_us);
		if (r < 0)
			break;
	}
	return r;
}

int tls_connection_write(struct tls_connection *c, const void *from, size_t len,
			 uint64_t deadline_us)
{
	const uint8_t *at = from;

	while (len > 0) {
		bool wants_write;
		int r = tls_connection_try_write(c, at, len, &wants_write);

		if (r > 0) {
			at += r;
			len -= (size_t)r;
			continue;
		}
		if (r == -EAGAIN)
			r = wait_again(c, wants_write, deadline_us);
		if (r < 0)
			return r;
	}
	return 0;
}

int tls_connection_close(struct tls_connection *c, uint64_t deadline_us)
{
	bool wants_write;
	int r;

	while ((r = try_close(c, &wants_write)) == -EAGAIN) {
		r = wait_again(c, wants_write, deadline_us);
		if (r < 0)
			break;
	}
	return r;
}

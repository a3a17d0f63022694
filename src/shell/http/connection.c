/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a connection, plain or TLS, until it is a WebSocket: one request after the other is
 * taken, and what is behind it waits until its answer is out. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/units.h"
#include "shell/http/internal.h"
#include "shell/tls/tls.h"

#define STEPS_MAX 32 /* heads and bodies of one connection a turn: others are there, too */
#define LINGER_S 2   /* a client may still be sending what we have refused */

/* ---- until when ---- */

static void arm(struct connection *c)
{
	c->armed_us = c->deadline_us;
	loop_timer_arm(c->timer, c->armed_us);
}

static void on_deadline(void *arg, uint64_t now_us)
{
	struct connection *c = arg;

	if (now_us < c->deadline_us)
		arm(c);
	else
		connection_free(c);
}

/* The timer is touched only where it would fire too late. */
void connection_deadline(struct connection *c, unsigned seconds)
{
	c->deadline_us = loop_now_us() + SECONDS(seconds);
	if (c->deadline_us < c->armed_us)
		arm(c);
}

/* ---- reading and writing ---- */

/* Bytes, at least one; 0 where the client has ended, -EAGAIN. */
static int read_some(struct connection *c, uint8_t *ret, size_t size)
{
	ssize_t n;

	if (c->tls) {
		int r = tls_connection_try_read(c->tls, ret, size, &c->reading_wants_write);

		if (r != -EAGAIN)
			c->reading_wants_write = false;
		return r;
	}
	n = recv(c->fd, ret, size, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (int)n;
}

static int write_some(struct connection *c, const uint8_t *from, size_t len)
{
	ssize_t n;

	if (c->tls) {
		bool wants_write = true;
		int r = tls_connection_try_write(c->tls, from, len, &wants_write);

		c->writing_wants_read = r == -EAGAIN && !wants_write;
		return r;
	}
	n = send(c->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (int)n;
}

/* The records of one answer leave together. */
static void cork(const struct connection *c, bool is_on)
{
	int value = is_on;

	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

static int write_answer(struct connection *c)
{
	bool is_corked = c->tls && c->answer_len - c->answer_sent > READ_SIZE;
	int r = 0;

	if (is_corked)
		cork(c, true);
	while (r >= 0 && c->answer_sent < c->answer_len) {
		r = write_some(c, c->answer + c->answer_sent, c->answer_len - c->answer_sent);
		if (r > 0)
			c->answer_sent += (size_t)r;
	}
	if (is_corked)
		cork(c, false);
	return r < 0 ? r : 0;
}

/* Closing with bytes unread would reset the connection, and the answer might be lost with it (RFC
 * 9112 9.6). */
static void linger(struct connection *c)
{
	c->state = CONNECTION_CLOSING;
	if (c->tls)
		(void)tls_connection_close(c->tls, 0);
	(void)shutdown(c->fd, SHUT_WR);
	connection_deadline(c, LINGER_S);
}

/* 0: it is out. -EAGAIN: the client has to read. */
static int finish_answer(struct connection *c)
{
	bool closes = c->closes;
	int r = write_answer(c);

	if (r < 0)
		return r;
	request_answered(c, c->status);
	c->state = CONNECTION_IDLE;
	connection_deadline(c, HTTP_IDLE_S);
	if (closes)
		linger(c);
	return 0;
}

/* ---- requests ---- */

/* These return how many bytes they took, -EAGAIN where more have to come first. */

static int refuse(struct connection *c, const struct http_refusal *why, size_t len)
{
	int r;

	c->is_handed_on = true; /* the answer goes out at the end of it, too */
	r = request_refuse(c, why);
	c->is_handed_on = false;
	return r < 0 ? r : (int)len;
}

static int begin_body(struct connection *c, size_t len)
{
	c->body = malloc(c->body_size);
	if (!c->body)
		return refuse(c, &(struct http_refusal){ 503, "", "out of memory", "" }, len);
	c->state = CONNECTION_BODY;
	connection_deadline(c, HTTP_BODY_S);
	return (int)len;
}

/* RFC 9110 7.8: Upgrade counts where Connection names it. A client waits for our answer before it
 * sends frames (RFC 6455 4.1), so that nothing is behind the head. */
static bool is_upgrade(const struct head *h)
{
	return head_find(h, "upgrade", NULL) > 0 && head_has_member(h, "connection", "upgrade");
}

static int judge(struct connection *c, const struct head *h, bool is_last, struct http_refusal *why)
{
	int r = request_begin(c, h, why);

	if (r < 0 || !is_upgrade(h))
		return r;
	*why = (struct http_refusal){ 400, "Upgrade", "something is behind this request", "" };
	return is_last && c->body_size == 0 ? socket_confirm(c, h, why) : -EPROTO;
}

static int take_head(struct connection *c, struct span in)
{
	struct http_refusal why;
	struct head head;
	size_t begin, len = 0;
	int r = head_scan(&c->scan, in, &len, &why);

	if (r == -EAGAIN) {
		if (!c->has_begun)
			connection_deadline(c, HTTP_HEAD_S);
		c->has_begun = true;
		return r;
	}
	begin = c->scan.begin;
	c->scan = (struct head_scan){ 0 };
	c->has_begun = false;
	connection_renumber(c);
	c->began_us = loop_now_us();
	c->method = HTTP_GET;
	if (r == 0)
		r = head_parse(SPAN(in.at + begin, len - begin), &head, &why);
	if (r == 0)
		r = judge(c, &head, len == in.len, &why);
	if (r < 0)
		return refuse(c, &why, len);
	if (c->state == CONNECTION_UPGRADING)
		return (int)len;
	if (c->body_size > 0)
		return begin_body(c, len);
	r = request_hand_on(c);
	return r < 0 ? r : (int)len;
}

static int take_body(struct connection *c, struct span in)
{
	size_t left = c->body_size - c->body_len;
	size_t n = in.len < left ? in.len : left;
	int r = 0;

	memcpy(c->body + c->body_len, in.at, n);
	c->body_len += n;
	if (n == left)
		r = request_hand_on(c);
	return r < 0 ? r : (int)n;
}

/* As many requests as there are, as long as each is answered at once. What is left stays in in. */
static int take(struct connection *c, struct span *in)
{
	c->has_more = false;
	for (unsigned n = 0; in->len > 0 && n < STEPS_MAX; n++) {
		int r;

		if (c->state == CONNECTION_IDLE)
			r = take_head(c, *in);
		else if (c->state == CONNECTION_BODY)
			r = take_body(c, *in);
		else
			return 0;
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		*in = SPAN(in->at + r, in->len - (size_t)r);
		if (c->state == CONNECTION_ANSWERING) {
			r = finish_answer(c);
			if (r < 0)
				return r == -EAGAIN ? 0 : r;
		}
	}
	c->has_more = in->len > 0;
	return 0;
}

/* ---- turns ---- */

static bool wants_bytes(const struct connection *c)
{
	return c->state == CONNECTION_CLOSING ||
	       ((c->state == CONNECTION_IDLE || c->state == CONNECTION_BODY ||
		 c->state == CONNECTION_WAITING) &&
		c->held_len <= HELD_MAX);
}

static int hold(struct connection *c, struct span rest)
{
	uint8_t *held = NULL;

	if (rest.at == c->held && rest.len == c->held_len)
		return 0;
	if (rest.len > 0) {
		held = malloc(rest.len);
		if (!held)
			return -ENOMEM;
		memcpy(held, rest.at, rest.len);
	}
	heap_free_wiped(c->held);
	c->held = held;
	c->held_len = rest.len;
	return 0;
}

/* What came, behind what is held. */
static int read_more(struct connection *c, struct span *ret)
{
	uint8_t *to = c->server->inbound;
	int r = read_some(c, to + c->held_len, READ_SIZE);

	if (r == 0)
		return -ECONNRESET; /* who sends no more is taken for gone */
	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	if (c->held_len > 0)
		memcpy(to, c->held, c->held_len);
	*ret = SPAN(to, c->held_len + (size_t)r);
	return 0;
}

/* What nobody wants to know any more; TLS or not. */
static int read_over(struct connection *c)
{
	ssize_t n = recv(c->fd, c->server->inbound, READ_SIZE, MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? 0 : -ECONNRESET;
}

static int turn(struct connection *c, bool is_readable)
{
	struct span in = SPAN(c->held, c->held_len);
	struct span read;
	int r = 0;

	if (c->state == CONNECTION_CLOSING)
		return is_readable ? read_over(c) : 0;
	if (c->state == CONNECTION_ANSWERING)
		r = finish_answer(c);
	if (r == 0 && is_readable && c->state != CONNECTION_CLOSING && wants_bytes(c))
		r = read_more(c, &in);
	read = in;
	if (r == 0)
		r = take(c, &in);
	if (r == 0)
		r = hold(c, c->state == CONNECTION_CLOSING ? SPAN(NULL, 0) : in);
	if (read.at == c->server->inbound)
		bytes_wipe(c->server->inbound, read.len); /* there may be a token in it */
	return r == -EAGAIN ? 0 : r;
}

static void watch(struct connection *c)
{
	unsigned events = 0;

	if (wants_bytes(c) || c->writing_wants_read)
		events |= LOOP_READABLE;
	if ((c->state == CONNECTION_ANSWERING && !c->writing_wants_read) || c->has_more ||
	    c->reading_wants_write)
		events |= LOOP_WRITABLE;
	if (c->state == CONNECTION_CLOSING)
		events = LOOP_READABLE; /* whatever else was wanted: it would be told for ever */
	(void)loop_fd_set_events(c->watch, events);
}

static void go_on(struct connection *c, bool is_readable)
{
	if (turn(c, is_readable) < 0)
		connection_free(c);
	else if (c->state == CONNECTION_UPGRADING)
		socket_hand_over(c);
	else
		watch(c);
}

/* ---- opening and closing ---- */

static int remember_identity(struct connection *c)
{
	const struct peer_identity *peer = tls_peer(tls_connection_ssl(c->tls));

	if (!peer)
		return 0;
	c->peer = malloc(sizeof(*c->peer));
	if (!c->peer)
		return -ENOMEM;
	*c->peer = *peer;
	(void)snprintf(c->identity, sizeof(c->identity), "%s", peer->spiffe_id);
	return 0;
}

static void shake(struct connection *c)
{
	bool wants_write = false;
	int r = tls_connection_try_handshake(c->tls, &wants_write);

	if (r == -EAGAIN) {
		(void)loop_fd_set_events(c->watch, wants_write ? LOOP_WRITABLE : LOOP_READABLE);
		return;
	}
	if (r == 0)
		r = remember_identity(c);
	if (r < 0) {
		connection_free(c);
		return;
	}
	c->state = CONNECTION_IDLE;
	connection_deadline(c, HTTP_HEAD_S);
	go_on(c, true);
}

static void on_ready(void *arg, unsigned events, uint64_t now_us)
{
	struct connection *c = arg;

	(void)now_us;
	if (events & LOOP_ERROR)
		connection_free(c);
	else if (c->state == CONNECTION_SHAKING)
		shake(c);
	else
		go_on(c, (events & LOOP_READABLE) || c->reading_wants_write);
}

int connection_open(struct connection *c, int fd, struct ssl_ctx_st *tls)
{
	struct loop *loop = c->server->loop;
	int r = 0;

	c->fd = fd;
	c->state = tls ? CONNECTION_SHAKING : CONNECTION_IDLE;
	c->armed_us = NEVER_US;
	if (tls)
		r = tls_connection_new(tls, fd, NULL, &c->tls);
	if (r == 0)
		r = loop_fd_new(loop, fd, LOOP_READABLE, on_ready, c, &c->watch);
	if (r == 0)
		r = loop_timer_new(loop, on_deadline, c, &c->timer);
	if (r == 0)
		connection_deadline(c, tls ? HTTP_HANDSHAKE_S : HTTP_HEAD_S);
	return r;
}

void connection_unwatch(struct connection *c)
{
	loop_fd_free(c->watch);
	loop_timer_free(c->timer);
	c->watch = NULL;
	c->timer = NULL;
}

void connection_close(struct connection *c)
{
	connection_unwatch(c);
	if (c->tls && c->state != CONNECTION_SHAKING)
		(void)tls_connection_close(c->tls, 0);
	tls_connection_free(c->tls);
	c->tls = NULL;
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	heap_free_wiped(c->held);
	c->held = NULL;
	c->held_len = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* TLS in front of the library: it makes its SSL_CTX itself, in the default library context, where
 * our groups and our judgement of peers are not. So the connection is opened here with the one of
 * the program, and the library gets one end of a socket pair. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/http/internal.h"
#include "shell/tls/tls.h"

#define GATE_BUFFER 16384 /* a TLS record */
#define DRAIN_S 5	  /* for the last bytes, once the library has closed */

struct pipe_end {
	size_t start, len;
	uint8_t bytes[GATE_BUFFER];
};

struct gate {
	struct http_server *server;
	struct gate *next, **previous;
	struct connection *connection; /* NULL: no more */
	struct tls_connection *tls;
	struct loop_timer *deadline;
	struct loop_fd *outer_watch, *inner_watch;
	int outer, inner; /* -1: none */
	bool is_open;	  /* shaken hands */
	bool outer_ended, inner_ended;
	bool reading_wants_write, writing_wants_read;
	struct pipe_end in, out; /* to the library, to the client */
};

void gate_free(struct gate *g)
{
	if (!g)
		return;
	if (g->connection)
		g->connection->gate = NULL;
	*g->previous = g->next;
	if (g->next)
		g->next->previous = g->previous;
	if (g->outer_watch)
		loop_fd_free(g->outer_watch);
	if (g->inner_watch)
		loop_fd_free(g->inner_watch);
	if (g->deadline)
		loop_timer_free(g->deadline);
	tls_connection_free(g->tls);
	if (g->outer >= 0)
		(void)close(g->outer);
	if (g->inner >= 0)
		(void)close(g->inner);
	bytes_wipe(&g->in, sizeof(g->in));
	bytes_wipe(&g->out, sizeof(g->out));
	free(g);
}

void gate_detach(struct gate *g)
{
	g->connection->gate = NULL;
	g->connection = NULL;
	if (!g->is_open)
		gate_free(g);
	else
		loop_timer_arm(g->deadline, loop_now_us() + SECONDS(DRAIN_S));
}

/* It fails before the library has the connection: the place is given back here. */
static void give_up(struct gate *g)
{
	struct connection *c = g->connection;
	bool is_known = g->is_open;

	gate_free(g);
	if (c && !is_known)
		connection_free(c);
}

/* ---- pumping ---- */

/* Each returns whether it went on; false also where it has to wait. */
static bool read_outer(struct gate *g)
{
	int r;

	if (g->in.len > 0 || g->outer_ended)
		return false;
	r = tls_connection_try_read(g->tls, g->in.bytes, sizeof(g->in.bytes),
				    &g->reading_wants_write);
	if (r == -EAGAIN)
		return false;
	g->reading_wants_write = false;
	if (r <= 0) {
		g->outer_ended = true;
		return false;
	}
	g->in.start = 0;
	g->in.len = (size_t)r;
	return true;
}

static bool write_inner(struct gate *g)
{
	ssize_t n;

	if (g->in.len == 0)
		return false;
	n = send(g->inner, g->in.bytes + g->in.start, g->in.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		g->inner_ended = g->inner_ended || (errno != EAGAIN && errno != EINTR);
		if (g->inner_ended)
			g->in.len = 0; /* nobody wants it any more */
		return false;
	}
	g->in.start += (size_t)n;
	g->in.len -= (size_t)n;
	return n > 0;
}

static bool read_inner(struct gate *g)
{
	ssize_t n;

	if (g->out.len > 0 || g->inner_ended)
		return false;
	n = recv(g->inner, g->out.bytes, sizeof(g->out.bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		g->inner_ended = true;
		return false;
	}
	g->out.start = 0;
	g->out.len = (size_t)n;
	return true;
}

static bool write_outer(struct gate *g)
{
	bool wants_write = false;
	int r;

	if (g->out.len == 0)
		return false;
	r = tls_connection_try_write(g->tls, g->out.bytes + g->out.start, g->out.len, &wants_write);
	if (r < 0) {
		g->writing_wants_read = r == -EAGAIN && !wants_write;
		if (r != -EAGAIN)
			g->inner_ended = g->outer_ended = true;
		if (r != -EAGAIN)
			g->out.len = 0;
		return false;
	}
	g->writing_wants_read = false;
	g->out.start += (size_t)r;
	g->out.len -= (size_t)r;
	return true;
}

static void watch(struct gate *g)
{
	unsigned outer = 0;
	unsigned inner = 0;

	if ((g->in.len == 0 && !g->outer_ended) || g->writing_wants_read)
		outer |= LOOP_READABLE;
	if ((g->out.len > 0 && !g->writing_wants_read) || g->reading_wants_write)
		outer |= LOOP_WRITABLE;
	if (g->out.len == 0 && !g->inner_ended)
		inner |= LOOP_READABLE;
	if (g->in.len > 0)
		inner |= LOOP_WRITABLE;
	(void)loop_fd_set_events(g->outer_watch, outer);
	(void)loop_fd_set_events(g->inner_watch, inner);
}

static void pump(struct gate *g)
{
	bool goes_on = true;

	while (goes_on) {
		goes_on = read_outer(g);
		goes_on |= write_inner(g);
		goes_on |= read_inner(g);
		goes_on |= write_outer(g);
	}
	if (g->inner_ended && g->out.len == 0) {
		(void)tls_connection_close(g->tls, 0);
		gate_free(g);
		return;
	}
	if (g->outer_ended && g->in.len == 0)
		(void)shutdown(g->inner, SHUT_WR); /* the library sees the end, and ends it */
	watch(g);
}

static void on_ready(void *arg, unsigned events, uint64_t now_us)
{
	(void)events;
	(void)now_us;
	pump(arg);
}

/* ---- opening ---- */

static void remember_identity(struct gate *g)
{
	struct connection *c = g->connection;
	struct tls_summary summary;

	tls_summarize(tls_connection_ssl(g->tls), &summary);
	if (summary.has_peer && summary.is_verified)
		(void)snprintf(c->identity, sizeof(c->identity), "%s", summary.peer);
}

static int open_inner(struct gate *g)
{
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	g->inner = pair[0];
	r = loop_fd_new(g->server->loop, g->inner, LOOP_READABLE, on_ready, g, &g->inner_watch);
	if (r < 0) {
		(void)close(pair[1]);
		return r;
	}
	loop_timer_arm(g->deadline, NEVER_US);
	remember_identity(g);
	r = connection_adopt(g->connection, pair[1]); /* which closes it where it fails */
	if (r < 0)
		return r;
	g->is_open = true;
	return 0;
}

static void shake(struct gate *g)
{
	bool wants_write = false;
	int r = tls_connection_try_handshake(g->tls, &wants_write);

	if (r == -EAGAIN) {
		(void)loop_fd_set_events(g->outer_watch,
					 wants_write ? LOOP_WRITABLE : LOOP_READABLE);
		return;
	}
	if (r == 0)
		r = open_inner(g);
	if (r < 0)
		give_up(g);
	else
		pump(g);
}

static void on_outer(void *arg, unsigned events, uint64_t now_us)
{
	struct gate *g = arg;

	(void)events;
	(void)now_us;
	if (g->is_open)
		pump(g);
	else
		shake(g);
}

static void on_deadline(void *arg, uint64_t now_us)
{
	(void)now_us;
	give_up(arg);
}

int gate_new(struct connection *c, int fd, struct ssl_ctx_st *tls)
{
	struct http_server *s = c->server;
	struct gate *g = calloc(1, sizeof(*g));
	int r;

	if (!g) {
		(void)close(fd);
		return -ENOMEM;
	}
	*g = (struct gate){ .server = s, .connection = c, .outer = fd, .inner = -1 };
	g->next = s->gates;
	g->previous = &s->gates;
	if (g->next)
		g->next->previous = &g->next;
	s->gates = g;
	c->gate = g;
	c->state = CONNECTION_SHAKING;
	r = tls_connection_new(tls, fd, NULL, &g->tls);
	if (r == 0)
		r = loop_fd_new(s->loop, fd, LOOP_READABLE, on_outer, g, &g->outer_watch);
	if (r == 0)
		r = loop_timer_new(s->loop, on_deadline, g, &g->deadline);
	if (r < 0) {
		gate_free(g);
		return r;
	}
	loop_timer_arm(g->deadline, loop_now_us() + SECONDS(HTTP_HANDSHAKE_S));
	return 0;
}

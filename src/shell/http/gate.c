/* SPDX-License-Identifier: Apache-2.0 */
/* TLS in front of the library, for WebSockets: it makes its SSL_CTX itself, in the default library
 * context, where our groups and our judgement of peers are not. So it gets one end of a socket
 * pair, and the bytes go to and fro here. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/http/internal.h"
#include "shell/tls/tls.h"

#define GATE_BUFFER READ_SIZE
#define DRAIN_S 5 /* for the last bytes, once the library has closed */

struct pipe_end {
	size_t start, len;
	uint8_t bytes[GATE_BUFFER];
};

struct gate {
	struct http_server *server;
	struct gate *next, **previous;
	struct connection *connection; /* NULL: no more; then this has its place: */
	struct address *address;
	uint16_t slot;
	struct tls_connection *tls;
	struct loop_timer *deadline;
	struct loop_fd *outer_watch, *inner_watch;
	int outer, inner; /* -1: none */
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
	else
		server_free_place(g->server, g->slot, g->address);
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

void gate_detach(struct gate *g, uint16_t slot, struct address *a)
{
	g->connection->gate = NULL;
	g->connection = NULL;
	g->slot = slot;
	g->address = a;
	loop_timer_arm(g->deadline, loop_now_us() + SECONDS(DRAIN_S));
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

/* Held back while there is more to come, so that the records of one answer leave together. */
static void cork(const struct gate *g, bool is_on)
{
	int value = is_on;

	(void)setsockopt(g->outer, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

/* What there is to read beyond this the loop tells again: a record at most fills the buffer, and
 * what was not full has been read to its end. */
static void move(struct gate *g, bool reads_outer, bool reads_inner)
{
	bool is_corked = false;
	bool goes_on = true;

	while (goes_on) {
		goes_on = reads_outer && read_outer(g);
		reads_outer = false;
		goes_on |= write_inner(g);
		if (reads_inner) {
			reads_inner = read_inner(g);
			goes_on |= reads_inner;
			reads_inner = reads_inner && g->out.len == sizeof(g->out.bytes);
			if (reads_inner && !is_corked)
				cork(g, true);
			is_corked |= reads_inner;
		}
		goes_on |= write_outer(g);
	}
	if (is_corked)
		cork(g, false);
}

static void pump(struct gate *g, bool reads_outer, bool reads_inner)
{
	move(g, reads_outer, reads_inner);
	if (g->inner_ended && g->out.len == 0) {
		(void)tls_connection_close(g->tls, 0);
		gate_free(g);
		return;
	}
	if (g->outer_ended && g->in.len == 0)
		(void)shutdown(g->inner, SHUT_WR); /* the library sees the end, and ends it */
	watch(g);
}

static void on_inner(void *arg, unsigned events, uint64_t now_us)
{
	(void)events;
	(void)now_us;
	pump(arg, false, true);
}

static void on_outer(void *arg, unsigned events, uint64_t now_us)
{
	(void)events;
	(void)now_us;
	pump(arg, true, false);
}

static void on_deadline(void *arg, uint64_t now_us)
{
	(void)now_us;
	gate_free(arg);
}

static void link_in(struct gate *g)
{
	struct http_server *s = g->server;

	g->next = s->gates;
	g->previous = &s->gates;
	if (g->next)
		g->next->previous = &g->next;
	s->gates = g;
	g->connection->gate = g;
}

int gate_new(struct connection *c, int *ret_fd)
{
	struct http_server *s = c->server;
	struct gate *g = calloc(1, sizeof(*g));
	int pair[2];
	int r;

	if (!g)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		r = -errno;
		free(g);
		return r;
	}
	*g = (struct gate){
		.server = s,
		.connection = c,
		.tls = TAKE(c->tls),
		.outer = c->fd,
		.inner = pair[0],
	};
	c->fd = -1;
	link_in(g);
	r = loop_timer_new(s->loop, on_deadline, g, &g->deadline);
	if (r == 0)
		r = loop_fd_new(s->loop, g->outer, LOOP_READABLE, on_outer, g, &g->outer_watch);
	if (r == 0)
		r = loop_fd_new(s->loop, g->inner, LOOP_READABLE, on_inner, g, &g->inner_watch);
	if (r < 0) {
		(void)close(pair[1]);
		gate_free(g);
		return r;
	}
	*ret_fd = pair[1];
	return 0;
}

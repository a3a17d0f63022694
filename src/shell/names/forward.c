/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about foreign names, passed on. Each goes from a socket and so a port of its own, with
 * an id and a case of letters by chance, and only a reply that repeats them counts (RFC 5452). */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"
#include "shell/names/internal.h"

#define TRIES_MAX 3
#define TRY_US MS(1500) /* three of them before the C library gives up (5 s) */

static void begin_try(struct forward *f);

/* ---- sockets ---- */

static socklen_t address_of(const struct endpoint *e, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(e->port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(e->port) };

	memset(ret, 0, sizeof(*ret));
	if (endpoint_is_ipv4(e)) {
		memcpy(&four.sin_addr, e->ip + 12, 4);
		memcpy(ret, &four, sizeof(four));
		return sizeof(four);
	}
	memcpy(&six.sin6_addr, e->ip, 16);
	six.sin6_scope_id = e->scope;
	memcpy(ret, &six, sizeof(six));
	return sizeof(six);
}

static int connect_to(const struct endpoint *e, int type)
{
	struct sockaddr_storage to;
	socklen_t len = address_of(e, &to);
	int fd = socket(to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

static void close_try(struct forward *f)
{
	if (f->watch)
		loop_fd_free(f->watch);
	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->reply);
	f->watch = NULL;
	f->fd = -1;
	f->reply = NULL;
	f->done = 0;
	f->is_written = false;
}

static void end(struct forward *f)
{
	close_try(f);
	free(f->asked);
	f->asked = NULL;
	f->is_used = false;
	f->server->n_forwards--;
}

/* ---- replies ---- */

static void succeed(struct forward *f, uint8_t *reply, size_t len)
{
	uint8_t cut[DNS_UDP_MIN];
	struct names_server *s = f->server;
	struct asker asker = f->asker;

	dns_relay_restore(SPAN(f->asked, f->len), reply, len);
	s->counters.forwarded++;
	if (len <= asker.limit)
		server_reply(s, &asker, SPAN(reply, len));
	else if (dns_relay_truncate(SPAN(reply, len), cut, sizeof(cut), &len) == 0)
		server_reply(s, &asker, SPAN(cut, len));
	end(f);
}

static void give_up(struct forward *f)
{
	uint8_t answer[DNS_ANSWER_MAX];
	struct names_server *s = f->server;
	struct asker asker = f->asker;
	size_t len;

	s->counters.forward_failed++;
	if (dns_failure(SPAN(f->asked, f->len), DNS_SERVFAIL, answer, sizeof(answer), &len) == 0)
		server_reply(s, &asker, SPAN(answer, len));
	end(f);
}

static void on_udp(void *arg, unsigned events, uint64_t now_us)
{
	struct forward *f = arg;
	struct names_server *s = f->server;
	ssize_t n = recv(f->fd, s->buffer, sizeof(s->buffer), 0);

	(void)events;
	(void)now_us;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) { /* nobody there: the next one, at once */
		begin_try(f);
		return;
	}
	if (!dns_relay_matches(SPAN(f->sent + 2, f->len), SPAN(s->buffer, (size_t)n))) {
		s->counters.forward_mismatched++;
		return; /* the real one may still come */
	}
	succeed(f, s->buffer, (size_t)n);
}

/* false: go on later. */
static bool write_query(struct forward *f)
{
	ssize_t n = send(f->fd, f->sent + f->done, 2 + f->len - f->done, MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n < 0)
		return false;
	f->done += (size_t)n;
	if (f->done < 2 + f->len)
		return true;
	f->is_written = true;
	f->done = 0;
	return loop_fd_set_events(f->watch, LOOP_READABLE) == 0;
}

static bool read_reply(struct forward *f, bool *ret_is_whole)
{
	size_t wanted = 2;
	ssize_t n;

	if (!f->reply) {
		f->reply = malloc(2 + DNS_MESSAGE_MAX);
		f->done = 0;
	}
	if (!f->reply)
		return false;
	if (f->done >= 2)
		wanted += load_u16(f->reply);
	n = recv(f->fd, f->reply + f->done, wanted - f->done, 0);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	f->done += (size_t)n;
	*ret_is_whole = f->done > 2 && f->done == 2U + load_u16(f->reply);
	return true;
}

static void on_tcp(void *arg, unsigned events, uint64_t now_us)
{
	struct forward *f = arg;
	bool is_whole = false;
	bool is_well;

	(void)events; /* an error shows in the call */
	(void)now_us;
	is_well = f->is_written ? read_reply(f, &is_whole) : write_query(f);
	if (is_well && is_whole)
		is_well = dns_relay_matches(SPAN(f->sent + 2, f->len),
					    SPAN(f->reply + 2, f->done - 2));
	if (!is_well)
		begin_try(f);
	else if (is_whole)
		succeed(f, f->reply + 2, f->done - 2);
}

/* ---- tries ---- */

/* After the first try the case of letters stays as it was asked: some servers fold it. */
static bool try_one(struct forward *f)
{
	struct names_server *s = f->server;
	const struct endpoint *to = &s->upstreams[(f->n_tries - 1) % s->n_upstreams];
	bool is_tcp = f->asker.connection != NULL;

	memcpy(f->sent + 2, f->asked, f->len);
	f->is_disguised = f->n_tries == 1;
	if (dns_relay_disguise(f->sent + 2, f->len, f->is_disguised, &s->options.entropy) < 0)
		return false;
	f->fd = connect_to(to, is_tcp ? SOCK_STREAM : SOCK_DGRAM);
	if (f->fd < 0)
		return false;
	if (!is_tcp && send(f->fd, f->sent + 2, f->len, MSG_NOSIGNAL) < 0)
		return false;
	return loop_fd_new(s->options.loop, f->fd, is_tcp ? LOOP_WRITABLE : LOOP_READABLE,
			   is_tcp ? on_tcp : on_udp, f, &f->watch) == 0;
}

static void begin_try(struct forward *f)
{
	struct names_server *s = f->server;

	close_try(f);
	while (s->n_upstreams > 0 && f->n_tries < TRIES_MAX) {
		f->n_tries++;
		f->try_until_us = loop_now_us() + TRY_US;
		if (try_one(f))
			return;
		close_try(f);
	}
	give_up(f);
}

/* A question that comes back to us with the very case that we gave it went in a circle: a server
 * that we ask asks us. */
static bool is_circle(const struct names_server *s, struct span query)
{
	for (size_t i = 0; i < NAMES_FORWARDS_MAX; i++) {
		const struct forward *f = &s->forwards[i];

		if (f->is_used && f->is_disguised && f->len == query.len &&
		    memcmp(f->sent + 2 + DNS_HEADER_LEN, query.at + DNS_HEADER_LEN,
			   query.len - DNS_HEADER_LEN) == 0 &&
		    memcmp(f->sent + 2 + DNS_HEADER_LEN, f->asked + DNS_HEADER_LEN,
			   query.len - DNS_HEADER_LEN) != 0)
			return true;
	}
	return false;
}

bool forward_begin(struct names_server *s, const struct asker *asker, struct span query)
{
	struct forward *f = s->forwards;

	if (is_circle(s, query))
		return false;
	while (f < s->forwards + NAMES_FORWARDS_MAX && f->is_used)
		f++;
	if (f == s->forwards + NAMES_FORWARDS_MAX) {
		s->counters.forward_busy++;
		return false;
	}
	*f = (struct forward){ .server = s, .asker = *asker, .fd = -1, .len = query.len };
	f->asked = malloc(2 * query.len + 2);
	if (!f->asked)
		return false;
	f->sent = f->asked + query.len;
	memcpy(f->asked, query.at, query.len);
	store_u16(f->sent, (uint16_t)query.len);
	f->is_used = true;
	s->n_forwards++;
	server_tick_soon(s);
	begin_try(f);
	return true;
}

void forward_tick(struct names_server *s, uint64_t now_us)
{
	for (size_t i = 0; i < NAMES_FORWARDS_MAX; i++)
		if (s->forwards[i].is_used && now_us >= s->forwards[i].try_until_us)
			begin_try(&s->forwards[i]);
}

void forward_end_all(struct names_server *s)
{
	for (size_t i = 0; i < NAMES_FORWARDS_MAX; i++)
		if (s->forwards[i].is_used)
			end(&s->forwards[i]);
}

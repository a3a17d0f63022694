/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets: who may ask, how often, how long. Nothing a client does or leaves undone makes the
 * loop wait: what does not go out at once is dropped (UDP) or kept within a bound (TCP). */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/names/internal.h"

#define MESSAGES_A_TURN 64
#define ACCEPTS_A_TURN 8
#define TICK_US MS(250)

/* ---- who ---- */

static bool is_inside(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	unsigned bytes = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(a, b, bytes) == 0 && (bits % 8 == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0);
}

/* This host's packets to its own overlay address have that address as source too, unless told
 * otherwise. From the tunnel no packet comes with it: the node drops what lies about its source. */
static bool may_ask(struct names_server *s, const struct sockaddr_in6 *from, uint64_t now_us,
		    bool *ret_is_own)
{
	const uint8_t *ip = from->sin6_addr.s6_addr;
	const struct names_options *o = &s->options;

	*ret_is_own = memcmp(ip, o->own, 16) == 0;
	if (!*ret_is_own && !(o->is_for_members && is_inside(ip, o->own, o->prefix_bits))) {
		s->counters.not_allowed++;
		return false;
	}
	if (!dns_rates_take(&s->rates, ip, *ret_is_own ? NAMES_RATE_OWN : NAMES_RATE_MEMBER,
			    now_us)) {
		s->counters.over_rate++;
		return false;
	}
	return true;
}

/* ---- one query ---- */

/* false: it was no query. */
static bool handle(struct names_server *s, struct asker *asker, bool is_own, struct span query)
{
	uint8_t answer[DNS_ANSWER_MAX];
	size_t len;

	s->counters.queries++;
	switch (dns_answer(s->options.zone, &s->options.directory, query,
			   asker->connection ? DNS_MESSAGE_MAX : DNS_UDP_MAX, answer,
			   sizeof(answer), &len)) {
	case DNS_DROP:
		s->counters.dropped++;
		return false;
	case DNS_FOREIGN:
		if (is_own && s->n_upstreams > 0 && forward_begin(s, asker, query))
			return true;
		s->counters.refused++;
		break;
	case DNS_ANSWER:
		s->counters.answered++;
		break;
	}
	server_reply(s, asker, SPAN(answer, len));
	return true;
}

static size_t udp_limit(struct span query)
{
	struct dns_query q;

	return dns_query_parse(query, &q) == -EBADMSG ? DNS_UDP_MIN : q.payload_bytes;
}

static void on_udp(void *arg, unsigned events, uint64_t now_us)
{
	struct names_server *s = arg;

	(void)events;
	for (unsigned i = 0; i < MESSAGES_A_TURN; i++) {
		struct asker asker = { 0 };
		socklen_t from_len = sizeof(asker.from);
		uint8_t query[NAMES_QUERY_MAX + 1];
		bool is_own;
		ssize_t n = recvfrom(s->udp_fd, query, sizeof(query), 0,
				     (struct sockaddr *)&asker.from, &from_len);

		if (n < 0)
			return;
		if (!may_ask(s, &asker.from, now_us, &is_own))
			continue;
		if (n > NAMES_QUERY_MAX) {
			s->counters.dropped++;
			continue;
		}
		asker.limit = udp_limit(SPAN(query, (size_t)n));
		(void)handle(s, &asker, is_own, SPAN(query, (size_t)n));
	}
}

/* ---- TCP (RFC 7766) ---- */

static void close_connection(struct connection *c)
{
	if (c->fd < 0)
		return;
	loop_fd_free(c->watch);
	(void)close(c->fd);
	free(c->out);
	c->watch = NULL;
	c->out = NULL;
	c->fd = -1;
}

static bool has_query(const struct connection *c)
{
	return c->in_len >= 2 && c->in_len >= 2U + load_u16(c->in);
}

/* A query that has come already makes the socket readable no more: there is a turn for it when
 * its answer may be written. */
static void watch_for(struct connection *c)
{
	unsigned events = LOOP_READABLE;

	if (c->is_waiting)
		events = 0;
	else if (c->out || has_query(c))
		events = LOOP_WRITABLE;
	if (loop_fd_set_events(c->watch, events) < 0)
		close_connection(c);
}

/* false: closed. */
static bool flush(struct connection *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			close_connection(c);
			return false;
		}
		c->out_at += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_at = c->out_len = 0;
	return true;
}

static void reply_tcp(struct connection *c, struct span message)
{
	c->is_waiting = false;
	c->out = malloc(2 + message.len);
	if (!c->out) {
		close_connection(c);
		return;
	}
	store_u16(c->out, (uint16_t)message.len);
	memcpy(c->out + 2, message.at, message.len);
	c->out_len = 2 + message.len;
	c->deadline_us = loop_now_us() + NAMES_IDLE_US;
	if (flush(c))
		watch_for(c);
}

void server_reply(struct names_server *s, const struct asker *asker, struct span message)
{
	struct connection *c = asker->connection;

	if (!c)
		(void)sendto(s->udp_fd, message.at, message.len, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (const struct sockaddr *)&asker->from, sizeof(asker->from));
	else if (c->fd >= 0 && c->serial == asker->serial)
		reply_tcp(c, message);
}

/* Whole queries that have come; one is worked on at a time. */
static void take_queries(struct connection *c, const struct sockaddr_in6 *from, uint64_t now_us)
{
	struct names_server *s = c->server;
	bool is_own;

	while (c->fd >= 0 && !c->out && !c->is_waiting && c->in_len >= 2) {
		struct asker asker = { .connection = c,
				       .serial = c->serial,
				       .limit = DNS_MESSAGE_MAX };
		uint8_t query[NAMES_QUERY_MAX];
		size_t len = load_u16(c->in);

		if (len < DNS_HEADER_LEN || len > NAMES_QUERY_MAX) {
			s->counters.dropped++;
			close_connection(c);
			return;
		}
		if (!has_query(c))
			return;
		if (!may_ask(s, from, now_us, &is_own)) {
			close_connection(c);
			return;
		}
		memcpy(query, c->in + 2, len);
		c->in_len -= 2 + len;
		memmove(c->in, c->in + 2 + len, c->in_len);
		c->is_waiting = true;
		if (!handle(s, &asker, is_own, SPAN(query, len)))
			close_connection(c);
	}
}

static void on_connection(void *arg, unsigned events, uint64_t now_us)
{
	struct connection *c = arg;
	struct sockaddr_in6 from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n;

	if (events & LOOP_ERROR) {
		close_connection(c);
		return;
	}
	if (events & LOOP_WRITABLE && c->out && !flush(c))
		return;
	if (events & LOOP_READABLE && !c->out && !c->is_waiting) {
		n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			close_connection(c);
			return;
		}
		c->in_len += n > 0 ? (size_t)n : 0;
	}
	if (c->in_len >= 2) {
		(void)getpeername(c->fd, (struct sockaddr *)&from, &from_len);
		take_queries(c, &from, now_us);
	}
	if (c->fd >= 0)
		watch_for(c);
}

/* NULL: all are taken, or as many as this one may have. */
static struct connection *place_for(struct names_server *s, const uint8_t from[16], bool is_own)
{
	size_t of_it = 0, of_members = 0;

	for (size_t i = 0; i < NAMES_CONNECTIONS_MAX; i++) {
		const struct connection *c = &s->connections[i];

		of_it += c->fd >= 0 && memcmp(c->from, from, sizeof(c->from)) == 0;
		of_members += c->fd >= 0 && memcmp(c->from, s->options.own, sizeof(c->from)) != 0;
	}
	if (!is_own &&
	    (of_it >= NAMES_CONNECTIONS_MEMBER || of_members >= NAMES_CONNECTIONS_MEMBERS))
		return NULL;
	for (size_t i = 0; i < NAMES_CONNECTIONS_MAX; i++)
		if (s->connections[i].fd < 0)
			return &s->connections[i];
	return NULL;
}

static void accept_one(struct names_server *s, int fd, const struct sockaddr_in6 *from,
		       uint64_t now_us)
{
	struct connection *c = NULL;
	bool is_own;

	if (may_ask(s, from, now_us, &is_own))
		c = place_for(s, from->sin6_addr.s6_addr, is_own);
	if (!c) {
		s->counters.connections_refused++;
		(void)close(fd);
		return;
	}
	c->fd = fd;
	c->server = s;
	memcpy(c->from, &from->sin6_addr, sizeof(c->from));
	c->serial = s->next_serial++;
	c->is_waiting = false;
	c->in_len = 0;
	c->deadline_us = now_us + NAMES_IDLE_US;
	if (loop_fd_new(s->options.loop, fd, LOOP_READABLE, on_connection, c, &c->watch) < 0) {
		c->watch = NULL;
		c->fd = -1;
		(void)close(fd);
		return;
	}
	s->counters.connections++;
	server_tick_soon(s);
}

static void on_tcp(void *arg, unsigned events, uint64_t now_us)
{
	struct names_server *s = arg;

	(void)events;
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_in6 from = { 0 };
		socklen_t from_len = sizeof(from);
		int fd = accept4(s->tcp_fd, (struct sockaddr *)&from, &from_len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		accept_one(s, fd, &from, now_us);
	}
}

/* ---- time ---- */

/* The timer runs only while something can run out. */
void server_tick_soon(struct names_server *s)
{
	if (s->is_ticking)
		return;
	s->is_ticking = true;
	loop_timer_arm(s->timer, loop_now_us() + TICK_US);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct names_server *s = arg;
	bool is_needed;

	s->is_ticking = false;
	forward_tick(s, now_us);
	is_needed = s->n_forwards > 0;
	for (size_t i = 0; i < NAMES_CONNECTIONS_MAX; i++) {
		struct connection *c = &s->connections[i];

		if (c->fd >= 0 && now_us >= c->deadline_us)
			close_connection(c);
		is_needed |= c->fd >= 0;
	}
	if (is_needed)
		server_tick_soon(s);
}

/* ---- life ---- */

DEFINE_FREEP(struct names_server, names_server_free)

int names_server_new(const struct names_options *options, int udp_fd, int tcp_fd,
		     struct names_server **ret)
{
	CLEANUP(names_server_freep) struct names_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		(void)close(udp_fd);
		(void)close(tcp_fd);
		return -ENOMEM;
	}
	s->options = *options;
	s->udp_fd = udp_fd;
	s->tcp_fd = tcp_fd;
	s->next_serial = 1;
	memcpy(s->rates.hash_key, options->hash_key, sizeof(s->rates.hash_key));
	for (size_t i = 0; i < NAMES_CONNECTIONS_MAX; i++)
		s->connections[i].fd = -1;
	r = loop_timer_new(options->loop, on_timer, s, &s->timer);
	if (r == 0)
		r = loop_fd_new(options->loop, udp_fd, LOOP_READABLE, on_udp, s, &s->udp_watch);
	if (r == 0)
		r = loop_fd_new(options->loop, tcp_fd, LOOP_READABLE, on_tcp, s, &s->tcp_watch);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

void names_server_free(struct names_server *s)
{
	if (!s)
		return;
	forward_end_all(s);
	for (size_t i = 0; i < NAMES_CONNECTIONS_MAX; i++)
		close_connection(&s->connections[i]);
	if (s->udp_watch)
		loop_fd_free(s->udp_watch);
	if (s->tcp_watch)
		loop_fd_free(s->tcp_watch);
	if (s->timer)
		loop_timer_free(s->timer);
	(void)close(s->udp_fd);
	(void)close(s->tcp_fd);
	free(s);
}

void names_server_set_upstreams(struct names_server *s, const struct endpoint *servers, size_t n)
{
	s->n_upstreams = 0;
	for (size_t i = 0; i < n && s->n_upstreams < NAMES_UPSTREAMS_MAX; i++)
		if (memcmp(servers[i].ip, s->options.own, 16) != 0) /* not to ourselves */
			s->upstreams[s->n_upstreams++] = servers[i];
}

void names_server_counters(const struct names_server *s, struct names_counters *ret)
{
	*ret = s->counters;
}

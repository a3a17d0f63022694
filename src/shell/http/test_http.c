/* SPDX-License-Identifier: Apache-2.0 */
/* A server in a thread of its own and clients on sockets: answers, bodies, clients that go, places
 * that are taken, and a WebSocket that is not read. Skipped aloud without libwebsockets. */
#include <stdarg.h>
#include <setjmp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/http/http.h"

#define PLACES 16
#define LARGE_LEN 65536		      /* the most that is written at once */
#define LARGE_SIZE (LARGE_LEN + 1024) /* with room for its head */
#define N_LARGE 9
#define ANSWERS 4 /* large ones that may wait to be read */

struct server {
	struct loop *loop;
	struct http_server *http;
	struct loop_wake *stop;
	pthread_t thread;
	uint16_t port, tls_port;
	SSL_CTX *tls;
	struct loop_timer *later;
	uint64_t waiting; /* a request */
	atomic_int n_requests, n_answered, n_gone, n_ready, n_closed, n_open, n_messages, n_full;
	atomic_size_t answer_bytes; /* at the last request */
	atomic_int n_connections;   /* the same */
	atomic_int n_dropped;	    /* WebSockets, as the server counts them */
	atomic_bool is_over;	    /* WebSockets are closed when there is something for them */
	atomic_bool is_quiet;	    /* WebSockets are told nothing */
};

/* ---- the server's side ---- */

static void on_request(void *arg, uint64_t request, const struct http_request *q)
{
	struct server *s = arg;
	char text[256];
	static char large[LARGE_LEN];
	struct http_counters c;
	struct http_response r = { .status = 200, .content_type = "text/plain" };

	http_counters(s->http, &c);
	atomic_store(&s->answer_bytes, c.answer_bytes);
	atomic_store(&s->n_connections, (int)c.connections);
	atomic_store(&s->n_full, (int)c.answers_refused);
	atomic_fetch_add(&s->n_requests, 1);
	if (strcmp(q->path, "/never") == 0)
		return;
	if (strcmp(q->path, "/later") == 0) {
		s->waiting = request;
		loop_timer_arm(s->later, loop_now_us() + MS(5));
		return;
	}
	r.body = SPAN(text, (size_t)snprintf(text, sizeof(text), "%s %s %zu %.*s",
					     http_method_name(q->method), q->path, q->n_args,
					     (int)q->body.len, (const char *)q->body.at));
	if (strncmp(q->path, "/large", 6) == 0) {
		memset(large, q->path[6], sizeof(large));
		r.body = SPAN(large, sizeof(large));
	}
	assert_int_equal(http_respond(s->http, request, &r), 0);
	assert_int_equal(http_respond(s->http, request, &r), -ENOENT); /* once */
}

static void on_gone(void *arg, uint64_t request)
{
	(void)request;
	atomic_fetch_add(&((struct server *)arg)->n_gone, 1);
}

static void on_answered(void *arg, uint64_t request, enum http_method m, const char *path,
			unsigned status, uint64_t took_us)
{
	(void)request;
	(void)m;
	(void)path;
	(void)status;
	(void)took_us;
	atomic_fetch_add(&((struct server *)arg)->n_answered, 1);
}

static size_t on_refused(void *arg, const struct http_refusal *r, char *ret, size_t size)
{
	(void)arg;
	return (size_t)snprintf(ret, size, "refused: %s%s", r->field, r->code);
}

static bool on_open(void *arg, uint64_t socket, const struct http_request *q,
		    struct http_refusal *ret_why)
{
	struct server *s = arg;

	assert_true(http_place_of(socket) < PLACES);
	*ret_why = (struct http_refusal){ 404, "", "not here", "" };
	if (strcmp(q->path, "/mine") == 0) {
		*ret_why = (struct http_refusal){ 401, "Mine", "not you", "!" };
		return false;
	}
	if (strcmp(q->path, "/ws") != 0 && strcmp(q->path, "/quiet") != 0)
		return false;
	atomic_store(&s->is_quiet, strcmp(q->path, "/quiet") == 0);
	atomic_fetch_add(&s->n_open, 1);
	return true;
}

static void on_closed(void *arg, uint64_t socket)
{
	struct server *s = arg;
	struct http_counters c;

	(void)socket;
	http_counters(s->http, &c);
	atomic_store(&s->n_dropped, (int)c.sockets_dropped);
	atomic_fetch_add(&s->n_closed, 1);
}

/* There is always more, but for who is quiet. */
static void on_ready(void *arg, uint64_t socket, struct http_message *ret)
{
	struct server *s = arg;

	(void)socket;
	if (atomic_load(&s->is_over)) {
		ret->close = 1013;
		ret->len = (size_t)snprintf(ret->text, sizeof(ret->text), "too slow");
	}
	if (atomic_load(&s->is_quiet))
		return;
	atomic_fetch_add(&s->n_ready, 1);
	memset(ret->text, 'm', 4096);
	ret->len = 4096;
}

static bool on_message(void *arg, uint64_t socket, struct span text, const char **ret_reason)
{
	struct server *s = arg;

	(void)socket;
	atomic_fetch_add(&s->n_messages, 1);
	*ret_reason = "no";
	return text.len == 2 && memcmp(text.at, "ok", 2) == 0;
}

static void on_later(void *arg, uint64_t now_us)
{
	struct server *s = arg;
	const struct http_response r = {
		.status = 200,
		.content_type = "text/plain",
		.body = SPAN_STR("GET /later 0 "),
	};

	(void)now_us;
	assert_int_equal(http_respond(s->http, s->waiting, &r), 0);
}

static void on_stop(void *arg)
{
	loop_stop(((struct server *)arg)->loop);
}

static void *run(void *arg)
{
	loop_run(((struct server *)arg)->loop);
	return NULL;
}

static void listen_on(const struct endpoint *at, int *ret_fd, uint16_t *ret_port)
{
	struct sockaddr_in name = { 0 };
	socklen_t len = sizeof(name);
	char why[HTTP_WHY_SIZE];

	assert_int_equal(http_bind(at, false, ret_fd, why), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&name, &len), 0);
	*ret_port = ntohs(name.sin_port);
}

/* Who it is nobody asks here: api.sh has members and strangers. */
static SSL_CTX *anybody(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	assert_true(ctx && key && cert);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	(void)SSL_CTX_set_mode(ctx,
			       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static int start(void **state)
{
	const struct http_limits limits = {
		.connections = PLACES,
		.per_address = 4,
		.address = { 10, 10 },
		.identity = { 10, 10 },
		.answer_bytes = ANSWERS * LARGE_SIZE,
	};
	const struct endpoint at = { .ip = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
	struct server *s = calloc(1, sizeof(*s));
	const struct http_handlers handlers = {
		.on_request = on_request,
		.on_gone = on_gone,
		.on_answered = on_answered,
		.on_refused = on_refused,
		.on_open = on_open,
		.on_closed = on_closed,
		.on_ready = on_ready,
		.on_message = on_message,
		.arg = s,
	};
	char why[HTTP_WHY_SIZE];
	int fd;

	assert_non_null(s);
	assert_int_equal(loop_new(&s->loop), 0);
	if (http_server_new(s->loop, &handlers, &limits, &s->http, why) < 0) {
		print_message("SKIPPED: the server was NOT tested: %s\n", why);
		exit(77);
	}
	listen_on(&at, &fd, &s->port);
	assert_true(http_listen(s->http, fd) >= 0);
	listen_on(&at, &fd, &s->tls_port);
	assert_true(http_listen_tls(s->http, fd) >= 0);
	s->tls = anybody();
	http_set_tls(s->http, s->tls);
	assert_int_equal(loop_timer_new(s->loop, on_later, s, &s->later), 0);
	assert_int_equal(loop_wake_new(s->loop, on_stop, s, &s->stop), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
	*state = s;
	return 0;
}

static int stop(void **state)
{
	struct server *s = *state;

	loop_wake_send(s->stop);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	http_server_free(s->http);
	loop_free(s->loop);
	SSL_CTX_free(s->tls);
	free(s);
	return 0;
}

/* ---- the client's side ---- */

/* room: of what it has not read; 0: as the kernel has it, which is more the more comes. */
static int client_of(uint16_t port, int room)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (room)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static int client(const struct server *s)
{
	return client_of(s->port, 0);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes, until this much is there or nothing more comes. */
static size_t hear(int fd, char *ret, size_t size, const char *until)
{
	size_t n = 0;

	ret[0] = '\0';
	while (n + 1 < size && !strstr(ret, until)) {
		ssize_t got = recv(fd, ret + n, size - 1 - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
		ret[n] = '\0';
	}
	return n;
}

static void ask(const struct server *s, const char *request, const char *expected)
{
	int fd = client(s);
	char answer[4096];

	say(fd, request);
	(void)hear(fd, answer, sizeof(answer), expected);
	if (!strstr(answer, expected))
		fail_msg("\"%s\" is not in: %s", expected, answer);
	(void)close(fd);
}

static bool becomes(atomic_int *n, int value)
{
	for (unsigned i = 0; i < 500 && atomic_load(n) != value; i++)
		(void)usleep(10000);
	return atomic_load(n) == value;
}

static bool begins(atomic_int *n)
{
	for (unsigned i = 0; i < 500 && atomic_load(n) == 0; i++)
		(void)usleep(10000);
	return atomic_load(n) > 0;
}

static const char upgrade[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
			      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/* Of the server's thread. */
static uint64_t cpu_us(const struct server *s)
{
	struct timespec t;
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(s->thread, &clock), 0);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return SECONDS(t.tv_sec) + (uint64_t)t.tv_nsec / 1000;
}

/* ---- tests ---- */

static void requests_are_answered(void **state)
{
	struct server *s = *state;

	ask(s, "GET /a?x=1&y=2 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /a 2 ");
	ask(s, "DELETE /b HTTP/1.1\r\nHost: localhost\r\n\r\n", "DELETE /b 0 ");
	ask(s, "PUT /c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
	    "PUT /c 0 hello");
	ask(s, "HEAD /d HTTP/1.1\r\nHost: localhost\r\n\r\n", "nosniff\r\n\r\n");
}

/* As a proxy is asked (RFC 9112 3.2.2). */
static void a_whole_url_names_the_host_itself(void **state)
{
	struct server *s = *state;

	ask(s, "GET http://localhost:1/e?x=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET /e 1 ");
	ask(s, "GET HTTP://127.0.0.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET / 0 ");
	ask(s, "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", " 421 ");
	ask(s, "GET http://localhost@evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", " 421 ");
	ask(s, "GET http://localhost:1@evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n", " 421 ");
	ask(s, "GET http://localhost/ HTTP/1.1\r\n\r\n", " 400 ");
	ask(s, "GET http:///e HTTP/1.1\r\nHost: localhost\r\n\r\n", " 400 ");
	ask(s, "GET https://localhost/e HTTP/1.1\r\nHost: localhost\r\n\r\n", " 400 ");
	ask(s,
	    "GET http://localhost/e HTTP/1.1\r\nHost: evil.example\r\n"
	    "Origin: http://evil.example\r\n\r\n",
	    " 403 ");
	assert_int_equal(atomic_load(&s->n_requests), 2);
}

/* More than the kernel takes: the rest of an answer waits, and the requests behind it too. */
static void answers_that_are_not_read_wait_and_come_whole_in_order(void **state)
{
	struct server *s = *state;
	static char answer[4096];
	const struct timespec nap = { .tv_nsec = 200000000 };
	int fd = client(s);

	for (int i = 0; i < N_LARGE; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text),
			       "GET /large%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", i);
		say(fd, text);
	}
	assert_true(begins(&s->n_requests));
	(void)nanosleep(&nap, NULL);
	assert_in_range(atomic_load(&s->n_requests), 1, N_LARGE - 1);
	for (int i = 0; i < N_LARGE; i++) {
		size_t n = 0, left = LARGE_LEN;

		for (; n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0; n++) {
			assert_true(n < sizeof(answer));
			assert_int_equal(recv(fd, answer + n, 1, 0), 1);
		}
		assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
		while (left > 0) {
			size_t most = left < sizeof(answer) ? left : sizeof(answer);
			ssize_t got = recv(fd, answer, most, 0);

			assert_true(got > 0);
			for (ssize_t k = 0; k < got; k++)
				assert_int_equal(answer[k], '0' + i);
			left -= (size_t)got;
		}
	}
	(void)close(fd);
}

/* A connection until it ends: its answers, in order, are these and no others. */
static void converse(const struct server *s, const char *requests, size_t piece,
		     const char *const *expected, size_t n)
{
	const struct timespec nap = { .tv_nsec = 2000000 };
	const size_t len = strlen(requests);
	static char answers[65536];
	const char *at = answers;
	int fd = client(s);

	for (size_t sent = 0; sent < len; sent += piece) {
		size_t left = len - sent;
		size_t now = left < piece ? left : piece;

		assert_int_equal(send(fd, requests + sent, now, MSG_NOSIGNAL), now);
		(void)nanosleep(&nap, NULL);
	}
	(void)hear(fd, answers, sizeof(answers), "nothing of it: until it ends");
	for (size_t i = 0; i < n; i++) {
		const char *found = strstr(at, expected[i]);

		if (!found) {
			fail_msg("in pieces of %zu no %s in: %s", piece, expected[i], at);
			return; /* for who does not know that this never returns */
		}
		at = found + strlen(expected[i]);
	}
	at = answers;
	while ((at = strstr(at, "HTTP/1.1 "))) {
		at++;
		n--;
	}
	assert_int_equal(n, 0);
	(void)close(fd);
}

static void what_is_behind_a_request_waits_for_its_turn(void **state)
{
	static const char requests[] =
		"POST /1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\none"
		"GET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
		"PUT /3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /"
		"GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"
		"PUT /5 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
		"GET /6 HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n"
		"GET /7 HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const char *const expected[] = {
		"POST /1 0 one", "GET /2 0 ", "PUT /3 0 GET /",
		"GET /later 0 ", "PUT /5 0 ", "400 Bad Request",
	};
	static const size_t pieces[] = { sizeof(requests), 100, 7 };
	struct server *s = *state;

	for (size_t i = 0; i < N_ELEMENTS(pieces); i++) {
		converse(s, requests, pieces[i], expected, N_ELEMENTS(expected));
		assert_int_equal(atomic_load(&s->n_requests), 5 * (i + 1));
	}
}

/* With as much as is held behind one that is never answered, nothing more is read. */
static void behind_an_unanswered_request_not_all_is_read(void **state)
{
	struct server *s = *state;
	static const char more[] = "GET /more HTTP/1.1\r\nHost: localhost\r\n\r\n";
	size_t sent = 0;
	int fd = client(s);
	ssize_t n;

	say(fd, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
	assert_true(becomes(&s->n_requests, 1));
	for (unsigned naps = 0; naps < 10 && sent < 64 << 20;) {
		n = send(fd, more, sizeof(more) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			(void)usleep(10000);
		naps = n < 0 ? naps + 1 : 0;
		sent += n < 0 ? 0 : (size_t)n;
	}
	assert_in_range(sent, 1, (64 << 20) - 1);
	assert_int_equal(atomic_load(&s->n_requests), 1);
	(void)close(fd);
	ask(s, "GET /beside HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /beside");
}

/* As many as one turn takes, the last of which ends the connection, and something behind it. */
static void a_connection_that_is_closing_only_waits(void **state)
{
	static const char one[] = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct server *s = *state;
	char text[2048] = "";
	char answers[32768];
	uint64_t before_us;
	size_t len = 0;
	int fd = client(s);

	for (unsigned i = 0; i < 31; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", one);
	(void)snprintf(text + len, sizeof(text) - len,
		       "GET /z HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n%s", one);
	say(fd, text);
	(void)hear(fd, answers, sizeof(answers), "GET /z");
	assert_true(becomes(&s->n_requests, 32));
	before_us = cpu_us(s);
	(void)usleep(500000);
	assert_in_range(cpu_us(s) - before_us, 0, MS(100));
	(void)close(fd);
}

static void refusals_name_the_header(void **state)
{
	struct server *s = *state;
	int before = atomic_load(&s->n_requests);

	ask(s, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "refused: Host");
	ask(s, "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
	    "refused: Origin");
	ask(s, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "refused: Transfer-Encoding");
	ask(s,
	    "GET /no HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	    "404 Not Found");
	ask(s,
	    "GET /mine HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	    "WWW-Authenticate: Bearer");
	ask(s,
	    "GET /mine HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	    "refused: Mine!");
	assert_int_equal(atomic_load(&s->n_requests), before); /* nobody was asked */
}

static void who_goes_before_the_answer_is_told(void **state)
{
	struct server *s = *state;
	int fd = client(s);

	say(fd, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
	assert_true(becomes(&s->n_requests, 1));
	(void)close(fd);
	assert_true(becomes(&s->n_gone, 1));
}

static void an_answer_that_is_not_read_to_its_end_is_counted_once(void **state)
{
	struct server *s = *state;
	const struct timespec nap = { .tv_nsec = 200000000 };
	int fd = client(s);

	for (int i = 0; i < N_LARGE; i++)
		say(fd, "GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	assert_true(begins(&s->n_requests));
	(void)nanosleep(&nap, NULL);
	/* the last of those that were begun waits to be read */
	assert_true(becomes(&s->n_answered, atomic_load(&s->n_requests) - 1));
	(void)close(fd);
	assert_true(becomes(&s->n_answered, atomic_load(&s->n_requests)));
	assert_int_equal(atomic_load(&s->n_gone), 0);
}

static void when_all_places_are_taken_others_are_closed(void **state)
{
	struct server *s = *state;
	char answer[64];
	int held[PLACES];
	int fd;

	for (unsigned i = 0; i < PLACES; i++) {
		held[i] = client(s);
		say(held[i], "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
	}
	assert_true(becomes(&s->n_requests, PLACES));
	fd = client(s);
	assert_int_equal(hear(fd, answer, sizeof(answer), "x"), 0);
	(void)close(fd);
	for (unsigned i = 0; i < PLACES; i++)
		(void)close(held[i]);
	assert_true(becomes(&s->n_gone, PLACES));
	ask(s, "GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /after");
}

static int follow(const struct server *s, const char *path)
{
	char request[256];
	char answer[512] = "";
	int fd = client(s);

	(void)snprintf(request, sizeof(request),
		       "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
		       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		       path);
	say(fd, request);
	/* not a byte more: what follows is its first frame */
	for (size_t n = 0; n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0; n++) {
		assert_true(n + 1 < sizeof(answer));
		assert_int_equal(recv(fd, answer + n, 1, 0), 1);
	}
	assert_non_null(strstr(answer, "101"));
	return fd;
}

/* The mask is zeros. */
static const char message[] = { (char)0x81, (char)0x82, 0, 0, 0, 0, 'o', 'k' };

static void hear_end(int fd, unsigned code, const char *why)
{
	unsigned char end[128];
	size_t n = 0;

	while (n < 2 || n < 2u + (end[1] & 0x7f)) {
		ssize_t got = recv(fd, end + n, sizeof(end) - n, 0);

		assert_true(got > 0);
		n += (size_t)got;
	}
	assert_int_equal(end[0], 0x88);
	assert_int_equal(end[2] << 8 | end[3], code);
	assert_memory_equal(end + 4, why, strlen(why));
}

static void a_websocket_that_is_closed_with_a_reason_is_told_it(void **state)
{
	struct server *s = *state;
	int fd;

	atomic_store(&s->is_over, true);
	fd = follow(s, "/quiet");
	hear_end(fd, 1013, "too slow");
	(void)close(fd);
	assert_true(becomes(&s->n_closed, 1));
	assert_int_equal(atomic_load(&s->n_dropped), 1);
}

/* One sends as fast as it can, another beside it one message. */
static void a_websocket_that_sends_too_much_is_closed_and_told_why(void **state)
{
	struct server *s = *state;
	char all[4 * HTTP_MESSAGES_BURST * sizeof(message)];
	int beside = follow(s, "/quiet");
	int fd = follow(s, "/quiet");
	size_t n;

	for (size_t i = 0; i < sizeof(all); i += sizeof(message))
		memcpy(all + i, message, sizeof(message));
	assert_int_equal(send(fd, all, sizeof(all), MSG_NOSIGNAL), sizeof(all));
	hear_end(fd, 1008, "too many messages");
	(void)close(fd);
	assert_true(becomes(&s->n_closed, 1));
	assert_int_equal(atomic_load(&s->n_dropped), 1);
	/* of what it sent no more than at once, and of the seconds that it took */
	n = (size_t)atomic_load(&s->n_messages);
	assert_in_range(n, HTTP_MESSAGES_BURST, 4 * HTTP_MESSAGES_BURST - 1);
	assert_int_equal(send(beside, message, sizeof(message), MSG_NOSIGNAL), sizeof(message));
	assert_true(becomes(&s->n_messages, (int)n + 1));
	(void)close(beside);
	assert_true(becomes(&s->n_closed, 2));
	assert_int_equal(atomic_load(&s->n_dropped), 1);
}

/* Each request tells the bytes of the answers before it. For a while: the kernel may take more. */
static bool answers_come_to(struct server *s, size_t bytes)
{
	unsigned n_equal = 0;

	for (unsigned i = 0; i < 500; i++) {
		ask(s, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /small 0 ");
		n_equal = atomic_load(&s->answer_bytes) == bytes ? n_equal + 1 : 0;
		if (n_equal == 10)
			return true;
		(void)usleep(10000);
	}
	return false;
}

static bool connections_come_to(struct server *s, int n)
{
	for (unsigned i = 0; i < 500; i++) {
		ask(s, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /small 0 ");
		if (atomic_load(&s->n_connections) == n)
			return true;
		(void)usleep(10000);
	}
	return false;
}

/* With TLS, and it reads nothing of what it is sent: the last of it waits for it yet. */
static void a_websocket_that_has_ended_has_its_place_until_all_is_out(void **state)
{
	struct server *s = *state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	int fd = client_of(s->tls_port, 4096);
	int n;

	assert_non_null(ssl);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	assert_int_equal(SSL_connect(ssl), 1);
	assert_int_equal(SSL_write(ssl, upgrade, sizeof(upgrade) - 1), sizeof(upgrade) - 1);
	assert_true(begins(&s->n_ready));
	do {
		n = atomic_load(&s->n_ready);
		(void)usleep(200000);
	} while (atomic_load(&s->n_ready) != n);
	assert_int_equal(SSL_shutdown(ssl), 0);
	assert_true(becomes(&s->n_closed, 1));
	ask(s, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /small 0 ");
	assert_int_equal(atomic_load(&s->n_connections), 2); /* this one, and what is left of it */
	(void)close(fd);
	assert_true(connections_come_to(s, 1));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* More than the kernel takes. */
static int ask_without_reading(const struct server *s)
{
	int fd = client_of(s->port, 4096);

	for (int i = 0; i < N_LARGE; i++)
		say(fd, "GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	return fd;
}

static void answers_that_are_not_read_take_so_much_memory_and_no_more(void **state)
{
	static const char large[] = "GET /large HTTP/1.1\r\nHost: localhost\r\n"
				    "Connection: close\r\n\r\n";
	static const char post[] = "POST /large HTTP/1.1\r\nHost: localhost\r\n"
				   "Content-Length: 0\r\n\r\n";
	struct server *s = *state;
	int held[ANSWERS];

	for (unsigned i = 0; i < ANSWERS; i++) {
		held[i] = ask_without_reading(s);
		assert_true(answers_come_to(s, (i + 1) * LARGE_SIZE));
	}
	ask(s, large, "503 Service Unavailable");
	ask(s, large, "Retry-After: 1");
	ask(s, large, "refused: busy");
	ask(s, post, "refused: busy");
	ask(s, "HEAD /large HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK");
	assert_true(answers_come_to(s, ANSWERS * LARGE_SIZE));
	assert_int_equal(atomic_load(&s->n_full), 4);
	for (unsigned i = 0; i < ANSWERS; i++)
		(void)close(held[i]);
	assert_true(answers_come_to(s, 0));
	ask(s, large, "200 OK");
}

/* 4 KiB a message without end: what is asked for stops when the sockets' buffers are full. */
static void a_websocket_that_is_not_read_is_not_sent_more(void **state)
{
	struct server *s = *state;
	int fd = follow(s, "/ws");
	int n;

	assert_true(begins(&s->n_ready));
	do {
		n = atomic_load(&s->n_ready);
		(void)usleep(200000);
	} while (atomic_load(&s->n_ready) != n && n < 100000);
	assert_true(n > 0 && n < 100000);
	ask(s, "GET /beside HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /beside");
	(void)close(fd);
	assert_true(becomes(&s->n_closed, 1));
	assert_int_equal(atomic_load(&s->n_open), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_are_answered, start, stop),
		cmocka_unit_test_setup_teardown(a_whole_url_names_the_host_itself, start, stop),
		cmocka_unit_test_setup_teardown(
			answers_that_are_not_read_wait_and_come_whole_in_order, start, stop),
		cmocka_unit_test_setup_teardown(what_is_behind_a_request_waits_for_its_turn, start,
						stop),
		cmocka_unit_test_setup_teardown(behind_an_unanswered_request_not_all_is_read, start,
						stop),
		cmocka_unit_test_setup_teardown(a_connection_that_is_closing_only_waits, start,
						stop),
		cmocka_unit_test_setup_teardown(refusals_name_the_header, start, stop),
		cmocka_unit_test_setup_teardown(who_goes_before_the_answer_is_told, start, stop),
		cmocka_unit_test_setup_teardown(
			an_answer_that_is_not_read_to_its_end_is_counted_once, start, stop),
		cmocka_unit_test_setup_teardown(when_all_places_are_taken_others_are_closed, start,
						stop),
		cmocka_unit_test_setup_teardown(a_websocket_that_is_not_read_is_not_sent_more,
						start, stop),
		cmocka_unit_test_setup_teardown(
			answers_that_are_not_read_take_so_much_memory_and_no_more, start, stop),
		cmocka_unit_test_setup_teardown(
			a_websocket_that_has_ended_has_its_place_until_all_is_out, start, stop),
		cmocka_unit_test_setup_teardown(a_websocket_that_is_closed_with_a_reason_is_told_it,
						start, stop),
		cmocka_unit_test_setup_teardown(
			a_websocket_that_sends_too_much_is_closed_and_told_why, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

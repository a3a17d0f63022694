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
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/http/http.h"

#define PLACES 16

struct server {
	struct loop *loop;
	struct http_server *http;
	struct loop_wake *stop;
	pthread_t thread;
	uint16_t port;
	atomic_int n_requests, n_gone, n_ready, n_closed, n_open;
};

/* ---- the server's side ---- */

static void on_request(void *arg, uint64_t request, const struct http_request *q)
{
	struct server *s = arg;
	char text[256];
	struct http_response r = { .status = 200, .content_type = "text/plain" };

	atomic_fetch_add(&s->n_requests, 1);
	if (strcmp(q->path, "/never") == 0)
		return;
	r.body = SPAN(text, (size_t)snprintf(text, sizeof(text), "%s %s %zu %.*s",
					     http_method_name(q->method), q->path, q->n_args,
					     (int)q->body.len, (const char *)q->body.at));
	assert_int_equal(http_respond(s->http, request, &r), 0);
	assert_int_equal(http_respond(s->http, request, &r), -ENOENT); /* once */
}

static void on_gone(void *arg, uint64_t request)
{
	(void)request;
	atomic_fetch_add(&((struct server *)arg)->n_gone, 1);
}

static void on_answered(void *arg, enum http_method m, const char *path, unsigned status,
			uint64_t took_us)
{
	(void)arg;
	(void)m;
	(void)path;
	(void)status;
	(void)took_us;
}

static size_t on_refused(void *arg, const struct http_refusal *r, char *ret, size_t size)
{
	(void)arg;
	return (size_t)snprintf(ret, size, "refused: %s", r->field);
}

static unsigned on_open(void *arg, uint64_t socket, const struct http_request *q,
			const char **ret_detail)
{
	struct server *s = arg;

	assert_true(http_place_of(socket) < PLACES);
	*ret_detail = "not here";
	if (strcmp(q->path, "/ws") != 0)
		return 404;
	atomic_fetch_add(&s->n_open, 1);
	return 0;
}

static void on_closed(void *arg, uint64_t socket)
{
	(void)socket;
	atomic_fetch_add(&((struct server *)arg)->n_closed, 1);
}

/* There is always more. */
static void on_ready(void *arg, uint64_t socket, struct http_message *ret)
{
	(void)socket;
	atomic_fetch_add(&((struct server *)arg)->n_ready, 1);
	memset(ret->text, 'm', 4096);
	ret->len = 4096;
}

static bool on_message(void *arg, uint64_t socket, struct span text, const char **ret_reason)
{
	(void)arg;
	(void)socket;
	(void)text;
	*ret_reason = "no";
	return false;
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

static int start(void **state)
{
	const struct http_limits limits = {
		.connections = PLACES,
		.per_address = 4,
		.address = { 10, 10 },
		.identity = { 10, 10 },
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
	struct sockaddr_in name = { 0 };
	socklen_t len = sizeof(name);
	char why[HTTP_WHY_SIZE];
	int fd;

	assert_non_null(s);
	assert_int_equal(loop_new(&s->loop), 0);
	if (http_server_new(s->loop, &handlers, &limits, &s->http, why) < 0) {
		print_message("SKIPPED: the server was NOT tested: %s\n", why);
		exit(77);
	}
	assert_int_equal(http_bind(&at, false, &fd, why), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	s->port = ntohs(name.sin_port);
	assert_true(http_listen(s->http, fd) >= 0);
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
	free(s);
	return 0;
}

/* ---- the client's side ---- */

static int client(const struct server *s)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(s->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
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

/* 4 KiB a message without end: what is asked for stops when the sockets' buffers are full. */
static void a_websocket_that_is_not_read_is_not_sent_more(void **state)
{
	struct server *s = *state;
	int fd = client(s);
	char answer[512];
	int n;

	say(fd, "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
	(void)hear(fd, answer, sizeof(answer), "101");
	assert_non_null(strstr(answer, "101"));
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
		cmocka_unit_test_setup_teardown(refusals_name_the_header, start, stop),
		cmocka_unit_test_setup_teardown(who_goes_before_the_answer_is_told, start, stop),
		cmocka_unit_test_setup_teardown(when_all_places_are_taken_others_are_closed, start,
						stop),
		cmocka_unit_test_setup_teardown(a_websocket_that_is_not_read_is_not_sent_more,
						start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

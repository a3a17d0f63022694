/* SPDX-License-Identifier: Apache-2.0 */
/* Answers, bodies, clients that go or do not read, places that are taken. */
#include "shell/http/test_server.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"

#define N_LARGE 9

/* Processor time of the server's thread. */
static uint64_t cpu_us(const struct server *s)
{
	struct timespec t;
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(s->thread, &clock), 0);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return SECONDS(t.tv_sec) + (uint64_t)t.tv_nsec / 1000;
}

static void requests_are_answered(void **state)
{
	struct server *s = *state;

	client_ask(s, "GET /a?x=1&y=2 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /a 2 ");
	client_ask(s, "DELETE /b HTTP/1.1\r\nHost: localhost\r\n\r\n", "DELETE /b 0 ");
	client_ask(s, "PUT /c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
		   "PUT /c 0 hello");
	client_ask(s, "HEAD /d HTTP/1.1\r\nHost: localhost\r\n\r\n", "nosniff\r\n\r\n");
}

/* As a proxy is asked (RFC 9112 3.2.2). */
static void a_whole_url_names_the_host_itself(void **state)
{
	struct server *s = *state;

	client_ask(s, "GET http://localhost:1/e?x=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		   "GET /e 1 ");
	client_ask(s, "GET HTTP://127.0.0.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET / 0 ");
	client_ask(s, "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", " 421 ");
	client_ask(s, "GET http://localhost@evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
		   " 421 ");
	client_ask(s, "GET http://localhost:1@evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n", " 421 ");
	client_ask(s, "GET http://localhost/ HTTP/1.1\r\n\r\n", " 400 ");
	client_ask(s, "GET http:///e HTTP/1.1\r\nHost: localhost\r\n\r\n", " 400 ");
	client_ask(s, "GET https://localhost/e HTTP/1.1\r\nHost: localhost\r\n\r\n", " 400 ");
	client_ask(s,
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
	int fd = client_open(s);

	for (int i = 0; i < N_LARGE; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text),
			       "GET /large%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", i);
		client_say(fd, text);
	}
	assert_true(count_begins(&s->n_requests));
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
	int fd = client_open(s);

	for (size_t sent = 0; sent < len; sent += piece) {
		size_t left = len - sent;
		size_t now = left < piece ? left : piece;

		assert_int_equal(send(fd, requests + sent, now, MSG_NOSIGNAL), now);
		(void)nanosleep(&nap, NULL);
	}
	(void)client_hear(fd, answers, sizeof(answers), "nothing of it: until it ends");
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
	int fd = client_open(s);
	ssize_t n;

	client_say(fd, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
	assert_true(count_becomes(&s->n_requests, 1));
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
	client_ask(s, "GET /beside HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /beside");
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
	int fd = client_open(s);

	for (unsigned i = 0; i < 31; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", one);
	(void)snprintf(text + len, sizeof(text) - len,
		       "GET /z HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n%s", one);
	client_say(fd, text);
	(void)client_hear(fd, answers, sizeof(answers), "GET /z");
	assert_true(count_becomes(&s->n_requests, 32));
	before_us = cpu_us(s);
	(void)usleep(500000);
	assert_in_range(cpu_us(s) - before_us, 0, MS(100));
	(void)close(fd);
}

static void refusals_name_the_header(void **state)
{
	struct server *s = *state;
	int before = atomic_load(&s->n_requests);

	client_ask(s, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "refused: Host");
	client_ask(s, "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
		   "refused: Origin");
	client_ask(s, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
		   "refused: Transfer-Encoding");
	client_ask(s,
		   "GET /no HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
		   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		   "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		   "404 Not Found");
	client_ask(s,
		   "GET /mine HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
		   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		   "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		   "WWW-Authenticate: Bearer");
	client_ask(s,
		   "GET /mine HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
		   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		   "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		   "refused: Mine!");
	assert_int_equal(atomic_load(&s->n_requests), before); /* nobody was asked */
}

static void who_goes_before_the_answer_is_told(void **state)
{
	struct server *s = *state;
	int fd = client_open(s);

	client_say(fd, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
	assert_true(count_becomes(&s->n_requests, 1));
	(void)close(fd);
	assert_true(count_becomes(&s->n_gone, 1));
}

static void an_answer_that_is_not_read_to_its_end_is_counted_once(void **state)
{
	struct server *s = *state;
	const struct timespec nap = { .tv_nsec = 200000000 };
	int fd = client_open(s);

	for (int i = 0; i < N_LARGE; i++)
		client_say(fd, "GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	assert_true(count_begins(&s->n_requests));
	(void)nanosleep(&nap, NULL);
	/* the last of those that were begun waits to be read */
	assert_true(count_becomes(&s->n_answered, atomic_load(&s->n_requests) - 1));
	(void)close(fd);
	assert_true(count_becomes(&s->n_answered, atomic_load(&s->n_requests)));
	assert_int_equal(atomic_load(&s->n_gone), 0);
}

static void when_all_places_are_taken_others_are_closed(void **state)
{
	struct server *s = *state;
	char answer[64];
	int held[PLACES];
	int fd;

	for (unsigned i = 0; i < PLACES; i++) {
		held[i] = client_open(s);
		client_say(held[i], "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
	}
	assert_true(count_becomes(&s->n_requests, PLACES));
	fd = client_open(s);
	assert_int_equal(client_hear(fd, answer, sizeof(answer), "x"), 0);
	(void)close(fd);
	for (unsigned i = 0; i < PLACES; i++)
		(void)close(held[i]);
	assert_true(count_becomes(&s->n_gone, PLACES));
	client_ask(s, "GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /after");
}

/* Each request tells the bytes of the answers before it. For a while: the kernel may take more. */
static bool answers_come_to(struct server *s, size_t bytes)
{
	unsigned n_equal = 0;

	for (unsigned i = 0; i < 500; i++) {
		client_ask(s, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /small 0 ");
		n_equal = atomic_load(&s->answer_bytes) == bytes ? n_equal + 1 : 0;
		if (n_equal == 10)
			return true;
		(void)usleep(10000);
	}
	return false;
}

/* More than the kernel takes. */
static int ask_without_reading(const struct server *s)
{
	int fd = client_open_at(s->port, 4096);

	for (int i = 0; i < N_LARGE; i++)
		client_say(fd, "GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
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
	client_ask(s, large, "503 Service Unavailable");
	client_ask(s, large, "Retry-After: 1");
	client_ask(s, large, "refused: busy");
	client_ask(s, post, "refused: busy");
	client_ask(s, "HEAD /large HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK");
	assert_true(answers_come_to(s, ANSWERS * LARGE_SIZE));
	assert_int_equal(atomic_load(&s->n_full), 4);
	for (unsigned i = 0; i < ANSWERS; i++)
		(void)close(held[i]);
	assert_true(answers_come_to(s, 0));
	client_ask(s, large, "200 OK");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_are_answered, server_start, server_stop),
		cmocka_unit_test_setup_teardown(a_whole_url_names_the_host_itself, server_start,
						server_stop),
		cmocka_unit_test_setup_teardown(
			answers_that_are_not_read_wait_and_come_whole_in_order, server_start,
			server_stop),
		cmocka_unit_test_setup_teardown(what_is_behind_a_request_waits_for_its_turn,
						server_start, server_stop),
		cmocka_unit_test_setup_teardown(behind_an_unanswered_request_not_all_is_read,
						server_start, server_stop),
		cmocka_unit_test_setup_teardown(a_connection_that_is_closing_only_waits,
						server_start, server_stop),
		cmocka_unit_test_setup_teardown(refusals_name_the_header, server_start,
						server_stop),
		cmocka_unit_test_setup_teardown(who_goes_before_the_answer_is_told, server_start,
						server_stop),
		cmocka_unit_test_setup_teardown(
			an_answer_that_is_not_read_to_its_end_is_counted_once, server_start,
			server_stop),
		cmocka_unit_test_setup_teardown(when_all_places_are_taken_others_are_closed,
						server_start, server_stop),
		cmocka_unit_test_setup_teardown(
			answers_that_are_not_read_take_so_much_memory_and_no_more, server_start,
			server_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

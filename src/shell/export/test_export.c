/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter against a collector that is well, down, slow, busy, or refuses. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/export/export.h"
#include "shell/export/internal.h"

/* ---- a collector ---- */

struct collector {
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *answers[4]; /* in turn, the last one for all that follow; NULL: none at all */
	size_t n_answers;
	bool is_endless; /* a body goes on until the other end hangs up */
	_Atomic unsigned n_requests;
	_Atomic uint64_t first_us, second_us;
	char head[512]; /* of the last request */
};

static void read_request(struct collector *c, int fd)
{
	char text[65536];
	size_t len = 0, wanted = SIZE_MAX;

	while (len < wanted && len < sizeof(text) - 1) {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		const char *end, *length;

		if (n <= 0)
			return;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = strcasestr(text, "content-length: ");
		if (end && length)
			wanted = (size_t)(end + 4 - text) + strtoul(length + 16, NULL, 10);
	}
	(void)snprintf(c->head, sizeof(c->head), "%.500s", text);
}

static void send_without_end(int fd, const char *head)
{
	static const char body[16384];
	ssize_t n = send(fd, head, strlen(head), MSG_NOSIGNAL);

	while (n > 0)
		n = send(fd, body, sizeof(body), MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	struct collector *c = arg;

	for (;;) {
		int fd = accept(c->fd, NULL, NULL);
		unsigned nth;
		const char *answer;

		if (fd < 0)
			return NULL;
		read_request(c, fd);
		nth = atomic_load(&c->n_requests);
		if (nth == 0)
			atomic_store(&c->first_us, export_now_us());
		if (nth == 1)
			atomic_store(&c->second_us, export_now_us());
		answer = c->answers[nth < c->n_answers ? nth : c->n_answers - 1];
		if (answer && c->is_endless)
			send_without_end(fd, answer);
		else if (answer)
			(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		else
			(void)usleep(300000);
		(void)close(fd);
		atomic_store(&c->n_requests, nth + 1);
	}
}

static void collector_start(struct collector *c)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(bind(c->fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(c->fd, (struct sockaddr *)&at, &len), 0);
	c->port = ntohs(at.sin_port);
	assert_int_equal(listen(c->fd, 8), 0);
	assert_int_equal(pthread_create(&c->thread, NULL, serve, c), 0);
}

static void collector_end(struct collector *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
	(void)pthread_join(c->thread, NULL);
	(void)close(c->fd);
}

#define ANSWER(status, more) \
	"HTTP/1.1 " status "\r\nContent-Length: 0\r\nConnection: close\r\n" more "\r\n"

/* ---- an exporter ---- */

static struct exporter *exporter_to(uint16_t port, enum export_format format)
{
	char endpoint[64];
	char why[EXPORT_WHY_SIZE];
	struct exporter *e = NULL;
	struct export_options options = {
		.endpoint = endpoint,
		.format = format,
		.resource = { .service = "x0", .version = "1", .instance = "i", .node = "a" },
	};
	int r;

	(void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", port);
	r = export_new(&options, &e, why);
	if (r == -ENOENT) {
		print_message("SKIPPED: %s\n", why);
		skip();
	}
	assert_int_equal(r, 0);
	return e;
}

static void put(struct exporter *e, unsigned n)
{
	static struct trace_span s;
	struct rng rng;

	rng_seed(&rng, 1);
	for (unsigned i = 0; i < n; i++) {
		trace_begin(&s, "test", TRACE_INTERNAL, NULL, TRACE_PPM, &rng, 1);
		export_span(e, &s);
	}
}

static uint64_t all_of(const struct export_counters *c)
{
	return c->sent + c->dropped + c->refused + c->given_up + c->waiting;
}

/* Until as many spans have met their end, or ten seconds. */
static struct export_counters wait_for(struct exporter *e, uint64_t n)
{
	struct export_counters c;

	for (unsigned i = 0; i < 1000; i++) {
		export_counters(e, &c);
		if (c.sent + c.refused + c.given_up >= n)
			break;
		(void)usleep(10000);
	}
	return c;
}

static void spans_arrive_in_batches(void **state)
{
	(void)state;
	struct collector c = { .answers = { ANSWER("200 OK", "") }, .n_answers = 1 };
	struct export_counters n;

	collector_start(&c);
	struct exporter *e = exporter_to(c.port, EXPORT_OTLP);

	put(e, 2 * EXPORT_BATCH_MAX + 1);
	n = wait_for(e, 2 * EXPORT_BATCH_MAX + 1);
	assert_int_equal(n.sent, 2 * EXPORT_BATCH_MAX + 1);
	assert_in_range(n.requests, 3, 4);
	assert_int_equal(n.retries, 0);
	export_free(e);
	collector_end(&c);
	assert_non_null(strstr(c.head, "POST /v1/traces HTTP/1.1\r\n"));
	assert_non_null(strstr(c.head, "Content-Type: application/x-protobuf\r\n"));
	assert_null(strstr(c.head, "Expect"));
}

static void what_is_not_sampled_is_not_sent(void **state)
{
	(void)state;
	struct collector c = { .answers = { ANSWER("200 OK", "") }, .n_answers = 1 };
	struct trace_span s;
	struct rng rng;

	rng_seed(&rng, 1);
	collector_start(&c);
	struct exporter *e = exporter_to(c.port, EXPORT_ZIPKIN);

	trace_begin(&s, "test", TRACE_INTERNAL, NULL, 0, &rng, 1);
	export_span(e, &s);
	put(e, 1);
	assert_int_equal(wait_for(e, 1).sent, 1);
	export_free(e);
	collector_end(&c);
	assert_non_null(strstr(c.head, "POST /api/v2/spans HTTP/1.1\r\n"));
	assert_non_null(strstr(c.head, "Content-Type: application/json\r\n"));
}

static void a_busy_collector_is_asked_again_when_it_says(void **state)
{
	(void)state;
	struct collector c = {
		.answers = { ANSWER("429 Too Many Requests", "Retry-After: 2\r\n"),
			     ANSWER("200 OK", "") },
		.n_answers = 2,
	};
	struct export_counters n;

	collector_start(&c);
	struct exporter *e = exporter_to(c.port, EXPORT_OTLP);

	put(e, 3);
	n = wait_for(e, 3);
	assert_int_equal(n.sent, 3);
	assert_int_equal(n.retries, 1);
	/* 1 s would be its own wait */
	assert_true(c.second_us - c.first_us >= MS(1900));
	export_free(e);
	collector_end(&c);
}

static void what_is_refused_is_not_sent_again(void **state)
{
	(void)state;
	struct collector c = {
		.answers = { ANSWER("400 Bad Request", "Retry-After: 1\r\n"),
			     ANSWER("500 Internal Server Error", ""), ANSWER("200 OK", "") },
		.n_answers = 3,
	};
	struct export_counters n;

	collector_start(&c);
	struct exporter *e = exporter_to(c.port, EXPORT_OTLP);

	put(e, 2);
	n = wait_for(e, 2);
	assert_int_equal(n.refused, 2);
	put(e, 3);
	n = wait_for(e, 5);
	assert_int_equal(n.refused, 5);
	put(e, 1);
	n = wait_for(e, 6);
	assert_int_equal(n.sent, 1);
	assert_int_equal(n.retries, 0);
	assert_int_equal(c.n_requests, 3);
	export_free(e);
	collector_end(&c);
}

static void an_answer_without_end_is_hung_up_on_and_its_status_counts(void **state)
{
	(void)state;
	struct collector c = { .answers = { "HTTP/1.1 200 OK\r\n\r\n",
					    "HTTP/1.1 400 Bad Request\r\n\r\n" },
			       .n_answers = 2,
			       .is_endless = true };
	uint64_t began_us = export_now_us();
	struct export_counters n;

	collector_start(&c);
	struct exporter *e = exporter_to(c.port, EXPORT_OTLP);

	put(e, EXPORT_BATCH_MAX);
	n = wait_for(e, EXPORT_BATCH_MAX);
	assert_int_equal(n.sent, EXPORT_BATCH_MAX);
	put(e, EXPORT_BATCH_MAX);
	n = wait_for(e, 2ULL * EXPORT_BATCH_MAX);
	assert_int_equal(n.refused, EXPORT_BATCH_MAX);
	assert_int_equal(n.retries, 0);
	assert_true(export_now_us() - began_us < MS(EXPORT_ANSWER_MS));
	export_free(e);
	collector_end(&c);
}

static void a_redirect_is_not_followed(void **state)
{
	(void)state;
	struct collector c = { .answers = { ANSWER("200 OK", "") }, .n_answers = 1 };
	struct collector other = { .n_answers = 1 };
	char answer[160];
	struct export_counters n;

	collector_start(&c);
	(void)snprintf(answer, sizeof(answer),
		       ANSWER("307 Temporary Redirect", "Location: http://127.0.0.1:%u/\r\n"),
		       c.port);
	other.answers[0] = answer;
	collector_start(&other);
	struct exporter *e = exporter_to(other.port, EXPORT_OTLP);

	put(e, EXPORT_BATCH_MAX);
	n = wait_for(e, EXPORT_BATCH_MAX);
	assert_int_equal(n.refused, EXPORT_BATCH_MAX);
	export_free(e);
	collector_end(&other);
	collector_end(&c);
	assert_int_equal(c.n_requests, 0);
}

static void each_status_that_may_pass_is_tried_again(void **state)
{
	(void)state;
	static const char *const answers[] = {
		ANSWER("502 Bad Gateway", ""), ANSWER("503 Service Unavailable", ""),
		ANSWER("504 Gateway Timeout", ""), NULL, /* closes without an answer */
	};

	struct collector c[N_ELEMENTS(answers)];
	struct exporter *e[N_ELEMENTS(answers)];

	for (size_t i = 0; i < N_ELEMENTS(answers); i++) { /* at once: each waits for a second */
		c[i] = (struct collector){ .answers = { answers[i], ANSWER("200 OK", "") },
					   .n_answers = 2 };
		collector_start(&c[i]);
		e[i] = exporter_to(c[i].port, EXPORT_OTLP);
		put(e[i], EXPORT_BATCH_MAX);
	}
	for (size_t i = 0; i < N_ELEMENTS(answers); i++) {
		struct export_counters n = wait_for(e[i], EXPORT_BATCH_MAX);

		assert_int_equal(n.sent, EXPORT_BATCH_MAX);
		assert_int_equal(n.retries, 1);
		export_free(e[i]);
		collector_end(&c[i]);
	}
}

static void without_a_collector_memory_is_bounded_and_nobody_waits(void **state)
{
	(void)state;
	struct export_counters n;
	struct exporter *e = exporter_to(1, EXPORT_OTLP); /* nobody listens there */
	uint64_t began_us = export_now_us();

	put(e, 20 * EXPORT_QUEUE_MAX);
	assert_true(export_now_us() - began_us < SECONDS(1));
	export_counters(e, &n);
	assert_true(n.waiting <= EXPORT_QUEUE_MAX);
	assert_true(n.dropped >= 18 * EXPORT_QUEUE_MAX);
	assert_in_range(all_of(&n), 20 * EXPORT_QUEUE_MAX - EXPORT_BATCH_MAX,
			20 * EXPORT_QUEUE_MAX); /* one batch may be under way */
	began_us = export_now_us();
	export_free(e);
	assert_true(export_now_us() - began_us < SECONDS(2));
}

static void a_slow_collector_does_not_hold_up_the_end(void **state)
{
	(void)state;
	struct collector c = { .answers = { NULL }, .n_answers = 1 };
	uint64_t began_us;

	collector_start(&c);
	struct exporter *e = exporter_to(c.port, EXPORT_OTLP);

	put(e, EXPORT_BATCH_MAX);
	(void)usleep(100000);
	began_us = export_now_us();
	export_free(e);
	assert_true(export_now_us() - began_us < SECONDS(2));
	collector_end(&c);
}

static void the_last_spans_are_sent_before_it_ends(void **state)
{
	(void)state;
	struct collector c = { .answers = { ANSWER("200 OK", "") }, .n_answers = 1 };

	collector_start(&c);
	struct exporter *e = exporter_to(c.port, EXPORT_OTLP);

	put(e, 1);
	export_free(e);
	assert_int_equal(c.n_requests, 1);
	collector_end(&c);
}

static void the_end_cuts_a_wait_short_but_none_that_was_asked_for(void **state)
{
	(void)state;
	struct collector c[] = {
		{ .answers = { ANSWER("503 Service Unavailable", ""), ANSWER("200 OK", "") } },
		{ .answers = { ANSWER("503 Service Unavailable", "Retry-After: 9\r\n"),
			       ANSWER("200 OK", "") } },
	};

	for (size_t i = 0; i < N_ELEMENTS(c); i++) {
		c[i].n_answers = 2;
		collector_start(&c[i]);
		struct exporter *e = exporter_to(c[i].port, EXPORT_OTLP);

		put(e, EXPORT_BATCH_MAX);
		for (unsigned n = 0; n < 500 && c[i].n_requests == 0; n++)
			(void)usleep(10000);
		(void)usleep(100000); /* it has the answer, and waits */
		uint64_t began_us = export_now_us();

		export_free(e);
		assert_true(export_now_us() - began_us < SECONDS(2));
		collector_end(&c[i]);
		assert_int_equal(c[i].n_requests, i == 0 ? 2 : 1);
	}
}

static void an_endpoint_without_a_path_gets_that_of_its_protocol(void **state)
{
	(void)state;
	static const char *const wrong[] = { "", "127.0.0.1:4318", "ftp://a", "http://",
					     "http:///v1/traces" };
	char url[URL_SIZE];
	char long_one[2 * URL_SIZE] = "http://";

	assert_int_equal(send_url("http://a:4318", EXPORT_OTLP, url), 0);
	assert_string_equal(url, "http://a:4318/v1/traces");
	assert_int_equal(send_url("https://a:9411/", EXPORT_ZIPKIN, url), 0);
	assert_string_equal(url, "https://a:9411/api/v2/spans");
	assert_int_equal(send_url("http://a/x", EXPORT_OTLP, url), 0);
	assert_string_equal(url, "http://a/x");
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		assert_int_equal(send_url(wrong[i], EXPORT_OTLP, url), -EINVAL);
	memset(long_one + 7, 'a', sizeof(long_one) - 8);
	assert_int_equal(send_url(long_one, EXPORT_OTLP, url), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_arrive_in_batches),
		cmocka_unit_test(what_is_not_sampled_is_not_sent),
		cmocka_unit_test(a_busy_collector_is_asked_again_when_it_says),
		cmocka_unit_test(what_is_refused_is_not_sent_again),
		cmocka_unit_test(an_answer_without_end_is_hung_up_on_and_its_status_counts),
		cmocka_unit_test(a_redirect_is_not_followed),
		cmocka_unit_test(each_status_that_may_pass_is_tried_again),
		cmocka_unit_test(without_a_collector_memory_is_bounded_and_nobody_waits),
		cmocka_unit_test(a_slow_collector_does_not_hold_up_the_end),
		cmocka_unit_test(the_last_spans_are_sent_before_it_ends),
		cmocka_unit_test(the_end_cuts_a_wait_short_but_none_that_was_asked_for),
		cmocka_unit_test(an_endpoint_without_a_path_gets_that_of_its_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

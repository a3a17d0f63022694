/* SPDX-License-Identifier: Apache-2.0 */
/* Services that answer, refuse, hang, or answer with an error. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/host/services.h"

/* ---- a service ---- */

struct server {
	int fd;
	unsigned port;
	pthread_t thread;
	const char *answer; /* NULL: none */
};

static void *serve(void *arg)
{
	const struct server *s = arg;
	char request[1024];
	int kept = -1; /* so that who gets no answer waits */

	for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
		if (s->answer && recv(fd, request, sizeof(request), 0) > 0)
			(void)send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
		if (kept >= 0)
			(void)close(kept);
		kept = fd;
		if (s->answer)
			(void)shutdown(fd, SHUT_RDWR);
	}
	if (kept >= 0)
		(void)close(kept);
	return NULL;
}

static void begin(struct server *s, const char *answer)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	s->answer = answer;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void end(struct server *s)
{
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd);
}

/* ---- */

static struct host_services *open_services(struct loop *l, const char *urls)
{
	char why[HOST_SERVICES_WHY_SIZE];
	struct host_services *s = NULL;
	int r = host_services_new(l, urls, &s, why);

	if (r == -ENOENT) {
		print_message("SKIPPED: %s\n", why);
		skip();
	}
	assert_int_equal(r, 0);
	return s;
}

/* Asks, and waits until the first n are known. */
static void ask(struct loop *l, struct host_services *s, uint64_t now_us, size_t n)
{
	struct host_service v;

	host_services_tick(s, now_us);
	for (unsigned i = 0; i < 6000 && n > 0; i++) {
		loop_run_once(l);
		host_services_get(s, n - 1, &v);
		if (v.taken_us == now_us)
			n--;
		else
			(void)usleep(10000);
	}
	assert_int_equal(n, 0);
}

static void each_service_is_up_or_down_with_a_reason(void **state)
{
	(void)state;
	struct server good, bad, silent;
	struct host_service v;
	struct loop *l = NULL;
	char urls[512];

	begin(&good, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
	begin(&bad, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
		    "Connection: close\r\n\r\n");
	begin(&silent, NULL);
	assert_int_equal(loop_new(&l), 0);
	(void)snprintf(urls, sizeof(urls),
		       "http://127.0.0.1:%u/health,http://127.0.0.1:%u/,tcp://127.0.0.1:%u,"
		       "tcp://127.0.0.1:1,http://127.0.0.1:%u/",
		       good.port, bad.port, silent.port, silent.port);
	struct host_services *s = open_services(l, urls);

	assert_int_equal(host_services_count(s), 5);
	host_services_get(s, 0, &v);
	assert_int_equal(v.state, HOST_SERVICE_UNKNOWN);
	assert_int_equal(v.taken_us, 0);
	ask(l, s, SECONDS(100), 5); /* the last one is silent: 3 s */
	host_services_get(s, 0, &v);
	assert_int_equal(v.state, HOST_SERVICE_UP);
	assert_int_equal(v.status, 204);
	assert_true(v.took_us > 0);
	assert_string_equal(v.why, "");
	host_services_get(s, 1, &v);
	assert_int_equal(v.state, HOST_SERVICE_DOWN);
	assert_int_equal(v.status, 503);
	assert_string_equal(v.why, "it answers with an error");
	host_services_get(s, 2, &v); /* whoever connects is content */
	assert_int_equal(v.state, HOST_SERVICE_UP);
	host_services_get(s, 3, &v);
	assert_int_equal(v.state, HOST_SERVICE_DOWN);
	assert_true(strlen(v.why) > 0);
	host_services_get(s, 4, &v);
	assert_int_equal(v.state, HOST_SERVICE_DOWN);
	assert_true(v.took_us >= MS(HOST_SERVICE_ANSWER_MS) - MS(100));
	host_services_free(s);
	loop_free(l);
	end(&good);
	end(&bad);
	end(&silent);
}

static void a_service_that_ends_is_seen_the_next_time(void **state)
{
	(void)state;
	struct server server;
	struct host_service v;
	struct loop *l = NULL;
	char url[64];

	begin(&server, NULL);
	assert_int_equal(loop_new(&l), 0);
	(void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", server.port);
	struct host_services *s = open_services(l, url);

	ask(l, s, SECONDS(100), 1);
	host_services_get(s, 0, &v);
	assert_int_equal(v.state, HOST_SERVICE_UP);
	end(&server);
	host_services_tick(s, SECONDS(101)); /* not due yet */
	ask(l, s, SECONDS(105), 1);
	host_services_get(s, 0, &v);
	assert_int_equal(v.state, HOST_SERVICE_DOWN);
	host_services_free(s);
	loop_free(l);
}

static void wrong_addresses_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"x",
		"tcp://a",
		"tcp://a:0",
		"tcp://a:65536",
		"tcp://a:1/x",
		"tcp://a b:1",
		"tcp://:1",
		"file:///etc",
		"tcp://[::1:1",
		"tcp://a@b:1",
		"http://a\r\nb:",
		"tcp://a:1,,",
		"tcp://[::1]",
		"http://user:password@a/",
	};
	char many[17 * 16] = "";
	char why[HOST_SERVICES_WHY_SIZE];
	struct host_services *s = NULL;
	struct loop *l = NULL;

	assert_int_equal(loop_new(&l), 0);
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		why[0] = '\0';
		assert_int_equal(host_services_new(l, wrong[i], &s, why), -EINVAL);
		assert_true(strlen(why) > 5);
	}
	for (unsigned i = 0; i < HOST_SERVICES_MAX + 1; i++)
		(void)strcat(many, "tcp://a:1,"); /* NOLINT: it fits */
	assert_int_equal(host_services_new(l, many, &s, why), -ENOBUFS);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_service_is_up_or_down_with_a_reason),
		cmocka_unit_test(a_service_that_ends_is_seen_the_next_time),
		cmocka_unit_test(wrong_addresses_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

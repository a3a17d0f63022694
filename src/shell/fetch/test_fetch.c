/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests may be under way, and what becomes of them at the end. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/units.h"
#include "shell/fetch/fetch.h"

static struct fetch *open_fetch(struct loop *l)
{
	char why[FETCH_WHY_SIZE];
	struct fetch *f = NULL;
	int r = fetch_new(l, &f, why);

	if (r == -ENOENT) {
		print_message("SKIPPED: %s\n", why);
		skip();
	}
	assert_int_equal(r, 0);
	return f;
}

static void count(void *arg, const struct fetch_outcome *o)
{
	unsigned *n = arg;

	assert_false(o->is_done);
	assert_true(strlen(o->why) > 0);
	(*n)++;
}

static void so_many_and_no_more_are_under_way_and_all_end(void **state)
{
	(void)state;
	const struct fetch_request r = {
		.kind = FETCH_GET,
		.url = "http://127.0.0.1:1/", /* nobody listens there */
		.connect_ms = 1000,
		.total_ms = 1000,
	};
	struct loop *l = NULL;
	unsigned n = 0;

	assert_int_equal(loop_new(&l), 0);
	struct fetch *f = open_fetch(l);

	for (unsigned i = 0; i < FETCH_AT_ONCE_MAX; i++)
		assert_int_equal(fetch_begin(f, &r, count, &n), 0);
	assert_int_equal(fetch_begin(f, &r, count, &n), -ENOBUFS);
	for (unsigned i = 0; i < 500 && n < FETCH_AT_ONCE_MAX; i++) {
		loop_run_once(l);
		(void)usleep(10000);
	}
	assert_int_equal(n, FETCH_AT_ONCE_MAX);
	assert_int_equal(fetch_begin(f, &r, count, &n), 0); /* there is a place again */
	fetch_free(f);
	loop_free(l);
}

static void the_end_waits_for_nobody_and_calls_nobody(void **state)
{
	(void)state;
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64];
	struct fetch_request r = {
		.kind = FETCH_GET, .url = url, .connect_ms = 60000, .total_ms = 60000
	};
	struct loop *l = NULL;
	uint64_t began_us = loop_now_us();
	unsigned n = 0;

	assert_true(fd >= 0); /* listens, and never answers */
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(fd, 8), 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(at.sin_port));
	assert_int_equal(loop_new(&l), 0);
	struct fetch *f = open_fetch(l);

	assert_int_equal(fetch_begin(f, &r, count, &n), 0);
	(void)usleep(100000);
	assert_int_equal(fetch_begin(f, &r, count, &n), 0);
	fetch_free(f);
	assert_true(loop_now_us() - began_us < SECONDS(30)); /* half of what they would take */
	assert_int_equal(n, 0);
	loop_free(l);
	(void)close(fd);
}

static void other_schemes_and_long_urls_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = { "file:///etc/passwd", "ftp://a", "", "smtp://a" };
	char long_one[FETCH_URL_MAX + 2] = "http://";
	struct fetch_request r = { .kind = FETCH_GET };
	struct loop *l = NULL;

	assert_int_equal(loop_new(&l), 0);
	struct fetch *f = open_fetch(l);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		r.url = wrong[i];
		assert_int_equal(fetch_begin(f, &r, count, NULL), -EINVAL);
	}
	memset(long_one + 7, 'a', sizeof(long_one) - 8);
	r.url = long_one;
	assert_int_equal(fetch_begin(f, &r, count, NULL), -EINVAL);
	r = (struct fetch_request){ .kind = FETCH_MAIL, .url = "http://a" };
	assert_int_equal(fetch_begin(f, &r, count, NULL), -EINVAL);
	fetch_free(f);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_and_no_more_are_under_way_and_all_end),
		cmocka_unit_test(the_end_waits_for_nobody_and_calls_nobody),
		cmocka_unit_test(other_schemes_and_long_urls_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/units.h"
#include "shell/loop/loop.h"

struct seen {
	struct loop *loop;
	struct loop_timer *timer;
	struct loop_fd *fd;
	unsigned n;
	unsigned stop_at;
	uint64_t at_us;
	int r;
	int number;
	struct endpoint endpoint;
	size_t n_endpoints;
	unsigned threads[2];
	pthread_t worker;
};

static void seen_one(struct seen *s)
{
	if (++s->n >= s->stop_at)
		loop_stop(s->loop);
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct seen *s = arg;

	s->at_us = now_us;
	seen_one(s);
}

static void a_timer_fires_once_and_never_early(void **state)
{
	(void)state;
	struct seen s = { .stop_at = 1 };
	struct loop_timer *t;
	uint64_t start = loop_now_us();

	assert_int_equal(loop_new(&s.loop), 0);
	assert_int_equal(loop_timer_new(s.loop, on_timer, &s, &t), 0);
	loop_timer_arm(t, start + SECONDS(100));
	loop_timer_arm(t, start + MS(5) + 1); /* replaces */
	loop_run(s.loop);
	assert_int_equal(s.n, 1);
	assert_true(s.at_us >= start + MS(5) + 1);

	loop_timer_arm(t, 0); /* long past: at once */
	loop_run(s.loop);
	assert_int_equal(s.n, 2);

	loop_timer_arm(t, loop_now_us() + MS(1));
	loop_timer_arm(t, NEVER_US); /* disarmed, so nothing is left to wait for */
	loop_run(s.loop);
	assert_int_equal(s.n, 2);
	loop_free(s.loop);
}

static void on_readable(void *arg, unsigned events, uint64_t now_us)
{
	struct seen *s = arg;

	(void)now_us;
	s->number = (int)events;
	loop_fd_free(s->fd); /* inside its own callback */
	seen_one(s);
}

static void a_descriptor_is_reported_when_it_can_be_read(void **state)
{
	(void)state;
	struct seen s = { .stop_at = 1 };
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_new(&s.loop), 0);
	assert_int_equal(loop_fd_new(s.loop, fds[0], LOOP_READABLE, on_readable, &s, &s.fd), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_run(s.loop);
	assert_int_equal(s.number, LOOP_READABLE);

	s.fd = NULL;
	assert_int_equal(loop_fd_new(s.loop, fds[1], LOOP_WRITABLE, on_readable, &s, &s.fd), 0);
	loop_run(s.loop);
	assert_int_equal(s.number, LOOP_WRITABLE);
	loop_free(s.loop);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void on_signal(void *arg, int number)
{
	struct seen *s = arg;

	s->number = number;
	seen_one(s);
}

static void a_signal_becomes_a_callback(void **state)
{
	(void)state;
	struct seen s = { .stop_at = 1 };
	struct loop_signal *signal_handle;

	assert_int_equal(loop_new(&s.loop), 0);
	assert_int_equal(loop_signal_new(s.loop, SIGHUP, on_signal, &s, &signal_handle), 0);
	(void)kill(getpid(), SIGHUP);
	loop_run(s.loop);
	assert_int_equal(s.number, SIGHUP);
	loop_free(s.loop);
}

static void on_wake(void *arg)
{
	seen_one(arg);
}

static void *wake_from_elsewhere(void *arg)
{
	loop_wake_send(arg);
	return NULL;
}

static void another_thread_can_wake_the_loop(void **state)
{
	(void)state;
	struct seen s = { .stop_at = 1 };
	struct loop_wake *w;
	pthread_t thread;

	assert_int_equal(loop_new(&s.loop), 0);
	assert_int_equal(loop_wake_new(s.loop, on_wake, &s, &w), 0);
	assert_int_equal(pthread_create(&thread, NULL, wake_from_elsewhere, w), 0);
	loop_run(s.loop);
	(void)pthread_join(thread, NULL);
	assert_int_equal(s.n, 1);
	loop_free(s.loop);
}

static void work(void *arg)
{
	struct seen *s = arg;

	s->worker = pthread_self();
}

static void done(void *arg)
{
	seen_one(arg);
}

static void work_runs_elsewhere_and_ends_on_the_loop(void **state)
{
	(void)state;
	struct seen s = { .stop_at = 1 };

	assert_int_equal(loop_new(&s.loop), 0);
	assert_int_equal(loop_work(s.loop, work, done, &s), 0);
	loop_run(s.loop);
	assert_int_equal(s.n, 1);
	assert_false(pthread_equal(s.worker, pthread_self()));

	assert_int_equal(loop_work(s.loop, work, done, &s), 0);
	loop_free(s.loop); /* waits for it */
	assert_int_equal(s.n, 2);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void the_work_queue_is_bounded(void **state)
{
	(void)state;
	struct seen s = { .stop_at = UINT32_MAX };

	assert_int_equal(loop_new(&s.loop), 0);
	for (unsigned i = 0; i < LOOP_WORK_MAX; i++)
		assert_int_equal(loop_work(s.loop, nothing, done, &s), 0);
	assert_int_equal(loop_work(s.loop, nothing, done, &s), -ENOBUFS);
	loop_run(s.loop);
	assert_int_equal(s.n, LOOP_WORK_MAX);
	assert_int_equal(loop_work(s.loop, nothing, done, &s), 0);
	loop_free(s.loop);
}

static void on_found(void *arg, int r, const struct endpoint *found, size_t n)
{
	struct seen *s = arg;

	s->r = r;
	s->n_endpoints = n;
	if (n > 0)
		s->endpoint = found[0];
	seen_one(s);
}

static void assert_resolves(struct seen *s, const char *text, const char *expected)
{
	char got[ENDPOINT_TEXT_SIZE];

	assert_int_equal(loop_resolve(s->loop, text, 26969, on_found, s), 0);
	loop_run(s->loop);
	assert_int_equal(s->r, 0);
	assert_int_equal(s->n_endpoints, 1);
	endpoint_format(&s->endpoint, got);
	assert_string_equal(got, expected);
}

static void names_and_addresses_are_looked_up(void **state)
{
	(void)state;
	struct seen s = { .stop_at = 1 };

	assert_int_equal(loop_new(&s.loop), 0);
	assert_resolves(&s, "192.0.2.1", "192.0.2.1:26969");
	assert_resolves(&s, "192.0.2.1:7", "192.0.2.1:7");
	assert_resolves(&s, "[2001:db8::1]:65535", "[2001:db8::1]:65535");
	assert_resolves(&s, "[2001:db8::1]:26969", "[2001:db8::1]:26969");
	loop_free(s.loop);
}

static void what_cannot_be_a_name_is_refused_at_once(void **state)
{
	(void)state;
	struct seen s = { .stop_at = 1 };
	static const char *const wrong[] = { "",	":1",	"a:",	"a:0",
					     "a:65536", "a:1x", "a:-1", "2001:db8::1",
					     "[::1",	"[]:1", "a: 1" };

	assert_int_equal(loop_new(&s.loop), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(loop_resolve(s.loop, wrong[i], 1, on_found, &s), -EINVAL);
	loop_free(s.loop);
	assert_int_equal(s.n, 0);
}

struct starving {
	struct loop *loop;
	struct loop_timer *timer;
	int fds[2];
	unsigned n_ticks;
	bool was_readable;
};

static void always_due(void *arg, uint64_t now_us)
{
	struct starving *s = arg;

	if (++s->n_ticks > 1000)
		loop_stop(s->loop);
	loop_timer_arm(s->timer, now_us - 1);
}

static void has_been_read(void *arg, unsigned events, uint64_t now_us)
{
	struct starving *s = arg;

	(void)events;
	(void)now_us;
	s->was_readable = true;
	loop_stop(s->loop);
}

static void a_timer_that_is_always_due_starves_nobody(void **state)
{
	(void)state;
	struct starving s = { 0 };
	struct loop_fd *fd;

	assert_int_equal(loop_new(&s.loop), 0);
	assert_int_equal(pipe(s.fds), 0);
	assert_int_equal(write(s.fds[1], "x", 1), 1);
	assert_int_equal(loop_timer_new(s.loop, always_due, &s, &s.timer), 0);
	assert_int_equal(loop_fd_new(s.loop, s.fds[0], LOOP_READABLE, has_been_read, &s, &fd), 0);
	loop_timer_arm(s.timer, 0);
	loop_run(s.loop);
	assert_true(s.was_readable);
	assert_true(s.n_ticks < 1000);
	loop_free(s.loop);
	(void)close(s.fds[0]);
	(void)close(s.fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_that_is_always_due_starves_nobody),
		cmocka_unit_test(a_timer_fires_once_and_never_early),
		cmocka_unit_test(a_descriptor_is_reported_when_it_can_be_read),
		cmocka_unit_test(a_signal_becomes_a_callback),
		cmocka_unit_test(another_thread_can_wake_the_loop),
		cmocka_unit_test(work_runs_elsewhere_and_ends_on_the_loop),
		cmocka_unit_test(the_work_queue_is_bounded),
		cmocka_unit_test(names_and_addresses_are_looked_up),
		cmocka_unit_test(what_cannot_be_a_name_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

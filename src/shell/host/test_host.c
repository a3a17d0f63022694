/* SPDX-License-Identifier: Apache-2.0 */
/* The signals of this machine, and of one made of files that are missing or absurd. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/host/host.h"

#define AT SECONDS(100)

/* A /proc and a control group of files. */
struct world {
	char dir[64];
	struct loop *loop;
	struct host *host;
};

static void put(const struct world *w, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void make_dir(const struct world *w, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void begin(struct world *w)
{
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/x0-test-host-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(loop_new(&w->loop), 0);
	make_dir(w, "self");
	make_dir(w, "pressure");
	make_dir(w, "group");
}

static void open_host(struct world *w)
{
	const struct host_options o = {
		.loop = w->loop,
		.state_dir = w->dir,
		.proc_dir = w->dir,
		.cgroup_dir = w->dir,
	};

	assert_int_equal(host_new(&o, &w->host), 0);
}

static void end(struct world *w)
{
	char command[128];

	host_free(w->host);
	loop_free(w->loop);
	(void)snprintf(command, sizeof(command), "rm -r %s", w->dir);
	assert_int_equal(system(command), 0); /* NOLINT: a path of our own making */
}

static void expect(const struct world *w, enum host_signal which, double value)
{
	const struct host_value *v = host_value(w->host, which);

	assert_int_equal(v->error, 0);
	assert_true(fabs(v->value - value) < 1e-9);
}

static void expect_missing(const struct world *w, enum host_signal which, int error)
{
	const struct host_value *v = host_value(w->host, which);

	assert_int_equal(v->error, error);
	assert_true(isnan(v->value));
	assert_true(strlen(host_missing_text(v->error)) > 0);
}

static void this_machine_says_most_of_it(void **state)
{
	(void)state;
	struct world w = { 0 };
	const struct host_options o = { .state_dir = "/tmp" };
	struct host_options with_loop = o;
	double total, free_bytes;

	assert_int_equal(loop_new(&w.loop), 0);
	with_loop.loop = w.loop;
	assert_int_equal(host_new(&with_loop, &w.host), 0);
	host_sample(w.host, AT, 0);
	loop_run(w.loop); /* the file system answers */
	host_sample(w.host, AT + SECONDS(1), 250);
	total = host_value(w.host, HOST_MEMORY_TOTAL)->value;
	free_bytes = host_value(w.host, HOST_MEMORY_FREE)->value;
	assert_true(total > 1e6 && free_bytes > 0 && free_bytes <= total);
	assert_true(host_value(w.host, HOST_MEMORY_PROCESS)->value > 1e5);
	assert_true(host_value(w.host, HOST_RUN_QUEUE)->value >= 1); /* this test */
	assert_true(host_value(w.host, HOST_PROCESSORS)->value >= 1);
	assert_true(host_value(w.host, HOST_CPU_PROCESS)->value >= 0);
	assert_true(host_value(w.host, HOST_DISK_TOTAL)->value >=
		    host_value(w.host, HOST_DISK_FREE)->value);
	assert_true(host_value(w.host, HOST_DESCRIPTORS)->value >= 3);
	expect(&w, HOST_LOOP_LATE, 250);
	host_free(w.host);
	loop_free(w.loop);
}

static void an_open_descriptor_is_counted(void **state)
{
	(void)state;
	struct world w = { 0 };
	double before;
	int fds[2];

	assert_int_equal(loop_new(&w.loop), 0);
	assert_int_equal(host_new(&(struct host_options){ .loop = w.loop }, &w.host), 0);
	host_sample(w.host, AT, 0);
	before = host_value(w.host, HOST_DESCRIPTORS)->value;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	host_sample(w.host, AT + SECONDS(1), 0);
	expect(&w, HOST_DESCRIPTORS, before + 2);
	(void)close(fds[0]);
	(void)close(fds[1]);
	host_free(w.host);
	loop_free(w.loop);
}

static void rates_need_two_samples(void **state)
{
	(void)state;
	struct world w = { 0 };

	begin(&w);
	put(&w, "stat", "cpu  100 0 0 100 0 0 0 0\n");
	put(&w, "self/cgroup", "0::/group\n");
	put(&w, "group/cpu.stat", "usage_usec 1000000\n");
	open_host(&w);
	host_sample(w.host, AT, 0);
	expect_missing(&w, HOST_CPU_MACHINE, -EAGAIN);
	expect_missing(&w, HOST_CPU_CGROUP, -EAGAIN);
	expect_missing(&w, HOST_CPU_PROCESS, -EAGAIN);
	put(&w, "stat", "cpu  130 0 0 110 0 0 0 0\n");
	put(&w, "group/cpu.stat", "usage_usec 4000000\n");
	host_sample(w.host, AT + SECONDS(2), 0);
	expect(&w, HOST_CPU_MACHINE, 0.75);
	expect(&w, HOST_CPU_CGROUP, 1.5);
	end(&w);
}

static void a_counter_that_goes_back_is_missing_and_not_negative(void **state)
{
	(void)state;
	struct world w = { 0 };

	begin(&w);
	put(&w, "stat", "cpu  100 0 0 100 0 0 0 0\n");
	put(&w, "self/cgroup", "0::/group\n");
	put(&w, "group/cpu.stat", "usage_usec 1000000\n");
	open_host(&w);
	host_sample(w.host, AT, 0);
	put(&w, "stat", "cpu  90 0 0 150 0 0 0 0\n");
	put(&w, "group/cpu.stat", "usage_usec 5\n");
	host_sample(w.host, AT + SECONDS(1), 0);
	expect_missing(&w, HOST_CPU_MACHINE, -EBADMSG);
	expect_missing(&w, HOST_CPU_CGROUP, -EBADMSG);
	put(&w, "stat", "cpu  95 0 0 155 0 0 0 0\n");
	put(&w, "group/cpu.stat", "usage_usec 500005\n");
	host_sample(w.host, AT + SECONDS(2), 0);
	expect(&w, HOST_CPU_MACHINE, 0.5);
	expect(&w, HOST_CPU_CGROUP, 0.5);
	end(&w);
}

static void what_a_kernel_does_not_have_is_missing_with_the_reason(void **state)
{
	(void)state;
	struct world w = { 0 };

	begin(&w);
	open_host(&w);
	host_sample(w.host, AT, 0);
	expect_missing(&w, HOST_PRESSURE_MEMORY, -ENOENT);
	expect_missing(&w, HOST_MEMORY_FREE, -ENOENT);
	expect_missing(&w, HOST_CPU_MACHINE, -ENOENT);
	expect_missing(&w, HOST_CPU_CGROUP, -ENOENT);
	expect_missing(&w, HOST_DESCRIPTORS, -ENOENT);
	end(&w);
}

static void absurd_texts_are_missing_and_recover(void **state)
{
	(void)state;
	struct world w = { 0 };

	begin(&w);
	put(&w, "meminfo", "MemTotal: 99999999999999999999 kB\nMemAvailable: -5 kB\n");
	put(&w, "pressure/io", "some avg10=1e9\nfull avg10=\n");
	put(&w, "loadavg", "");
	open_host(&w);
	host_sample(w.host, AT, 0);
	expect_missing(&w, HOST_MEMORY_TOTAL, -EBADMSG);
	expect_missing(&w, HOST_MEMORY_FREE, -EBADMSG);
	expect_missing(&w, HOST_PRESSURE_IO, -EBADMSG);
	expect_missing(&w, HOST_PRESSURE_IO_FULL, -EBADMSG);
	expect_missing(&w, HOST_LOAD, -EBADMSG);
	put(&w, "meminfo", "MemTotal: 2 kB\nMemAvailable: 1 kB\n");
	host_sample(w.host, AT + SECONDS(1), 0);
	expect(&w, HOST_MEMORY_FREE, 1024);
	end(&w);
}

static void a_value_is_known_for_as_long_as_its_age_allows(void **state)
{
	(void)state;
	struct world w = { 0 };
	const struct host_value *v;

	begin(&w);
	put(&w, "loadavg", "1.00 1.00 1.00 1/1 1\n");
	open_host(&w);
	v = host_value(w.host, HOST_LOAD);
	assert_false(host_is_known(v, AT, SECONDS(3)));
	host_sample(w.host, AT, 0);
	assert_true(host_is_known(v, AT + SECONDS(3), SECONDS(3)));
	assert_false(host_is_known(v, AT + SECONDS(3) + 1, SECONDS(3)));
	assert_string_equal(v->source, "/proc/loadavg");
	assert_false(host_is_known(host_value(w.host, HOST_MEMORY_FREE), AT, SECONDS(3)));
	end(&w);
}

static void a_file_system_that_does_not_answer_holds_nobody_up(void **state)
{
	(void)state;
	struct world w = { 0 };

	begin(&w);
	open_host(&w);
	host_sample(w.host, AT, 0); /* asks; nobody runs the loop, so no answer comes */
	expect_missing(&w, HOST_DISK_FREE, -EAGAIN);
	host_sample(w.host, AT + MS(HOST_DISK_PATIENCE_MS) + 1, 0);
	expect_missing(&w, HOST_DISK_FREE, -ETIMEDOUT);
	loop_run(w.loop);
	host_sample(w.host, AT + SECONDS(10), 0);
	assert_int_equal(host_value(w.host, HOST_DISK_FREE)->error, 0);
	/* of when it was asked */
	assert_int_equal(host_value(w.host, HOST_DISK_FREE)->taken_us, AT);
	end(&w); /* with a question out */
}

static void each_signal_has_a_name_and_a_source(void **state)
{
	(void)state;
	struct world w = { 0 };

	begin(&w);
	open_host(&w);
	for (unsigned i = 0; i < HOST_N_SIGNALS; i++) {
		assert_non_null(host_signal_name((enum host_signal)i));
		assert_non_null(host_signal_unit((enum host_signal)i));
		assert_non_null(host_value(w.host, (enum host_signal)i)->source);
	}
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_machine_says_most_of_it),
		cmocka_unit_test(an_open_descriptor_is_counted),
		cmocka_unit_test(rates_need_two_samples),
		cmocka_unit_test(a_counter_that_goes_back_is_missing_and_not_negative),
		cmocka_unit_test(what_a_kernel_does_not_have_is_missing_with_the_reason),
		cmocka_unit_test(absurd_texts_are_missing_and_recover),
		cmocka_unit_test(a_value_is_known_for_as_long_as_its_age_allows),
		cmocka_unit_test(a_file_system_that_does_not_answer_holds_nobody_up),
		cmocka_unit_test(each_signal_has_a_name_and_a_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of /proc as kernels write them, and as they never should be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "shell/host/parse.h"

#define TEXT(literal) SPAN_STR(literal)

static void processors_are_busy_but_for_idle_and_waiting(void **state)
{
	(void)state;
	struct parse_cpu c;

	assert_int_equal(parse_cpu(TEXT("cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 1 1 1\n"), &c), 0);
	assert_int_equal(c.total, 531);
	assert_int_equal(c.busy, 81);
	assert_int_equal(parse_cpu(TEXT("cpu  1 2 3 4\n"), &c), 0); /* the oldest kernels */
	assert_int_equal(c.busy, 6);
}

static void a_line_of_processors_that_cannot_be_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"cpu",
		"cpu  1 2 3 4", /* cut: the line has no end */
		"cpu  1 2 3\n",
		"cpu0 1 2 3 4\n",
		"cpu  -1 2 3 4 5 6 7 8\n",
		"cpu  1 2 3 4 x\n",
		"cpu  99999999999999999999 2 3 4 5 6 7 8\n",
		"cpu  9007199254740992 9007199254740992 3 4 5 6 7 8\n",
		"cpu  nan 2 3 4\n",
	};
	struct parse_cpu c = { .busy = 77 };

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		assert_int_equal(parse_cpu(SPAN(wrong[i], strlen(wrong[i])), &c), -EBADMSG);
	assert_int_equal(c.busy, 77);
}

static void load_and_run_queue_are_read(void **state)
{
	(void)state;
	double load = 0, running = 0;

	assert_int_equal(parse_loadavg(TEXT("0.52 0.58 1.59 3/1234 567\n"), &load, &running), 0);
	assert_true(load > 0.5199 && load < 0.5201);
	assert_true(running == 3);
	assert_int_equal(parse_loadavg(TEXT("0.52 0.58 1.59 -3/12 5\n"), &load, &running),
			 -EBADMSG);
	assert_int_equal(parse_loadavg(TEXT("0.52 0.58\n"), &load, &running), -EBADMSG);
	assert_int_equal(parse_loadavg(TEXT("inf 0.58 1.59 3/1234 567\n"), &load, &running),
			 -EBADMSG);
	assert_true(running == 3);
}

static void memory_comes_in_kibibytes_and_no_other_unit(void **state)
{
	(void)state;
	double bytes = 7;

	assert_int_equal(
		parse_meminfo(TEXT("MemTotal:   16 kB\nMemFree:  1 kB\n"), "MemFree", &bytes), 0);
	assert_true(bytes == 1024);
	assert_int_equal(parse_meminfo(TEXT("MemTotal: 16 kB\n"), "MemAvailable", &bytes),
			 -ENODATA);
	assert_int_equal(parse_meminfo(TEXT("MemTotal: 16 MB\n"), "MemTotal", &bytes), -EBADMSG);
	assert_int_equal(parse_meminfo(TEXT("MemTotal: -16 kB\n"), "MemTotal", &bytes), -EBADMSG);
	assert_int_equal(parse_meminfo(TEXT("MemTotal: 9007199254740990 kB\n"), "MemTotal", &bytes),
			 -EBADMSG);
	assert_true(bytes == 1024);
}

static void pages_of_a_process_are_the_first_two_numbers(void **state)
{
	(void)state;
	double all = 0, resident = 0;

	assert_int_equal(parse_statm(TEXT("500 123 9 1 0 2 0\n"), &all, &resident), 0);
	assert_true(all == 500 && resident == 123);
	assert_int_equal(parse_statm(TEXT("500\n"), &all, &resident), -EBADMSG);
	assert_int_equal(parse_statm(TEXT("500 900000000000000000 0\n"), &all, &resident),
			 -EBADMSG);
	assert_int_equal(parse_statm(TEXT("900000000000000000 5 0\n"), &all, &resident), -EBADMSG);
}

static void pressure_is_a_share_of_ten_seconds(void **state)
{
	(void)state;
	double share = 0;
	const char *text = "some avg10=12.50 avg60=0.00 avg300=0.00 total=5\n"
			   "full avg10=100.00 avg60=0.00 avg300=0.00 total=5\n";

	assert_int_equal(parse_pressure(SPAN(text, strlen(text)), "some", &share), 0);
	assert_true(share == 0.125);
	assert_int_equal(parse_pressure(SPAN(text, strlen(text)), "full", &share), 0);
	assert_true(share == 1);
	assert_int_equal(parse_pressure(TEXT("some avg10=1.00 x\n"), "full", &share), -ENODATA);
	assert_int_equal(parse_pressure(TEXT("some avg10=100.01 x\n"), "some", &share), -EBADMSG);
	assert_int_equal(parse_pressure(TEXT("some avg10=-1.00 x\n"), "some", &share), -EBADMSG);
	assert_int_equal(parse_pressure(TEXT("some avg10=nan\n"), "some", &share), -EBADMSG);
	assert_true(share == 1);
}

static void a_control_group_is_found_where_it_is_below_us(void **state)
{
	(void)state;
	char path[16] = "";

	assert_int_equal(parse_cgroup(TEXT("1:cpu:/\n0::/a/b\n"), path, sizeof(path)), 0);
	assert_string_equal(path, "/a/b");
	assert_int_equal(parse_cgroup(TEXT("1:cpu:/\n"), path, sizeof(path)), -ENODATA);
	assert_int_equal(parse_cgroup(TEXT("0::/../x\n"), path, sizeof(path)), -ENODATA);
	assert_int_equal(parse_cgroup(TEXT("0::x\n"), path, sizeof(path)), -EBADMSG);
	assert_int_equal(parse_cgroup(TEXT("0::/a234567890123456\n"), path, sizeof(path)),
			 -EBADMSG);
	assert_string_equal(path, "/a/b");
}

static void limits_are_numbers_or_none(void **state)
{
	(void)state;
	double n = 0;

	assert_int_equal(parse_limit(TEXT("4096\n"), &n), 0);
	assert_true(n == 4096);
	assert_int_equal(parse_limit(TEXT("max\n"), &n), -ENODATA);
	assert_int_equal(parse_limit(TEXT("4096x\n"), &n), -EBADMSG);
	assert_int_equal(parse_limit(TEXT(""), &n), -EBADMSG);
	assert_int_equal(parse_cpu_stat(TEXT("usage_usec 55\nuser_usec 5\n"), &n), 0);
	assert_true(n == 55);
	assert_int_equal(parse_cpu_stat(TEXT("user_usec 5\n"), &n), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processors_are_busy_but_for_idle_and_waiting),
		cmocka_unit_test(a_line_of_processors_that_cannot_be_is_refused),
		cmocka_unit_test(load_and_run_queue_are_read),
		cmocka_unit_test(memory_comes_in_kibibytes_and_no_other_unit),
		cmocka_unit_test(pages_of_a_process_are_the_first_two_numbers),
		cmocka_unit_test(pressure_is_a_share_of_ten_seconds),
		cmocka_unit_test(a_control_group_is_found_where_it_is_below_us),
		cmocka_unit_test(limits_are_numbers_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/multipath/report.h"

#define START_US SECONDS(1)

static void a_report_is_read_back(void **state)
{
	(void)state;
	uint8_t bytes[REPORT_LEN_MAX];
	struct report back;
	struct report r = { .at_us = 77,
			    .n = 1,
			    .ways = { { .name = 0xabcd,
					.has = { false, true },
					.newest = { 0, 0xffffffffffffff },
					.held_us = { 0xffffff, 3 },
					.bytes = 0x0102030405060708,
					.packets = 9 } } };
	static const uint8_t expected[] = { 0,	  0,	0,    77,   1,	  0xab, 0xcd, 2,
					    0,	  0,	0,    0,    0,	  0,	0,    0xff,
					    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					    0xff, 0,	0,    3,    1,	  2,	3,    4,
					    5,	  6,	7,    8,    0,	  0,	0,    9 };
	size_t len = report_encode(&r, bytes);

	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(bytes, expected, len);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(report_decode(SPAN(bytes, n), &back), -EBADMSG);
	assert_int_equal(report_decode(SPAN(bytes, len), &back), 0);
	assert_int_equal(back.ways[0].name, 0xabcd);
	assert_false(back.ways[0].has[REPORT_BULK]);
	assert_true(back.ways[0].has[REPORT_URGENT]);
	assert_true(back.ways[0].newest[REPORT_URGENT] == 0xffffffffffffff);
	assert_true(back.ways[0].bytes == 0x0102030405060708);
}

static void impossible_reports_are_refused(void **state)
{
	(void)state;
	uint8_t bytes[5 + (REPORT_WAYS_MAX + 1) * REPORT_WAY_LEN] = { 0 };
	struct report back;

	assert_int_equal(report_decode(SPAN(bytes, 5), &back), -EPROTO); /* of no way */
	bytes[4] = REPORT_WAYS_MAX + 1;
	assert_int_equal(report_decode(SPAN_OF(bytes), &back), -EPROTO);
	bytes[4] = 2; /* of the same way twice */
	assert_int_equal(report_decode(SPAN(bytes, 5 + 2 * REPORT_WAY_LEN), &back), -EPROTO);
	bytes[4] = 1;
	bytes[7] = 4; /* a third lane */
	assert_int_equal(report_decode(SPAN(bytes, 5 + REPORT_WAY_LEN), &back), -EPROTO);
	bytes[7] = 3;
	assert_int_equal(report_decode(SPAN(bytes, 5 + REPORT_WAY_LEN), &back), 0);
}

static void the_first_packet_is_reported_at_once_and_then_every_20_ms(void **state)
{
	(void)state;
	struct inlet in = { 0 };
	struct report r;

	assert_false(inlet_report(&in, START_US, &r));
	inlet_heard(&in, 5, REPORT_BULK, 10, 100, START_US);
	assert_true(inlet_report(&in, START_US, &r));
	assert_false(inlet_report(&in, START_US, &r));
	inlet_heard(&in, 5, REPORT_BULK, 12, 100, START_US + MS(1));
	inlet_heard(&in, 5, REPORT_BULK, 11, 100, START_US + MS(2));
	assert_false(inlet_report(&in, START_US + REPORT_EVERY_US - 1, &r));
	assert_int_equal(in.due_us, START_US + REPORT_EVERY_US);
	assert_true(inlet_report(&in, START_US + REPORT_EVERY_US, &r));
	assert_int_equal(r.n, 1);
	assert_int_equal(r.ways[0].newest[REPORT_BULK], 12);
	assert_int_equal(r.ways[0].bytes, 300);
	assert_int_equal(r.ways[0].packets, 3);
	assert_int_equal(r.ways[0].held_us[REPORT_BULK], REPORT_EVERY_US - MS(2));
	assert_false(inlet_report(&in, START_US + SECONDS(9), &r)); /* nothing came since */
}

static void of_more_ways_than_there_is_room_for_the_longest_silent_goes(void **state)
{
	(void)state;
	struct inlet in = { 0 };

	for (uint16_t name = 1; name <= REPORT_WAYS_MAX; name++)
		inlet_heard(&in, name, REPORT_URGENT, 1, 10, START_US + name);
	inlet_heard(&in, 1, REPORT_BULK, 1, 10, START_US + 100);
	inlet_heard(&in, 99, REPORT_BULK, 1, 10, START_US + 101);
	assert_int_equal(in.n, REPORT_WAYS_MAX);
	assert_int_equal(in.ways[0].way.name, 1);
	assert_int_equal(in.ways[1].way.name, 99);
	assert_int_equal(in.ways[1].way.packets, 1);
}

static void what_all_ways_in_use_have_passed_is_lost(void **state)
{
	(void)state;
	struct inlet in = { 0 };

	assert_int_equal(inlet_floor(&in, START_US), 0);
	inlet_heard(&in, 1, REPORT_BULK, 50, 10, START_US);
	inlet_heard(&in, 2, REPORT_BULK, 40, 10, START_US);
	inlet_heard(&in, 3, REPORT_URGENT, 7, 10, START_US); /* other numbers */
	assert_int_equal(inlet_floor(&in, START_US), 40);
	inlet_heard(&in, 1, REPORT_BULK, 60, 10, START_US + INLET_ACTIVE_US);
	assert_int_equal(inlet_floor(&in, START_US + INLET_ACTIVE_US), 60); /* 2 is used no more */
	inlet_new_keys(&in);
	assert_int_equal(inlet_floor(&in, START_US + INLET_ACTIVE_US), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_is_read_back),
		cmocka_unit_test(impossible_reports_are_refused),
		cmocka_unit_test(the_first_packet_is_reported_at_once_and_then_every_20_ms),
		cmocka_unit_test(of_more_ways_than_there_is_room_for_the_longest_silent_goes),
		cmocka_unit_test(what_all_ways_in_use_have_passed_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/forward/marks.h"

static const uint8_t key[16] = { 1, 2, 3 };

static struct inner flow(uint16_t port)
{
	return (struct inner){
		.source = { 0xfd, 1 },
		.destination = { 0xfd, 2 },
		.protocol = 17,
		.has_ports = true,
		.source_port = port,
		.destination_port = 80,
	};
}

static void a_mark_is_of_one_flow_and_direction(void **state)
{
	(void)state;
	struct inner i = flow(5), other = flow(6);
	struct marks *m;

	assert_int_equal(marks_new(key, &m), 0);
	assert_false(marks_has(m, MARK_IN, &i, SECONDS(1)));
	marks_put(m, MARK_IN, &i, SECONDS(1));
	assert_true(marks_has(m, MARK_IN, &i, SECONDS(1)));
	assert_false(marks_has(m, MARK_OUT, &i, SECONDS(1)));
	assert_false(marks_has(m, MARK_IN, &other, SECONDS(1)));
	marks_clear(m);
	assert_false(marks_has(m, MARK_IN, &i, SECONDS(1)));
	marks_free(m);
}

static void a_mark_ends_by_itself_and_is_renewed(void **state)
{
	(void)state;
	struct inner i = flow(5);
	struct marks *m;

	assert_int_equal(marks_new(key, &m), 0);
	marks_put(m, MARK_IN, &i, SECONDS(100));
	assert_true(marks_has(m, MARK_IN, &i, SECONDS(99))); /* clocks read one after the other */
	assert_true(marks_has(m, MARK_IN, &i, SECONDS(159)));
	assert_false(marks_has(m, MARK_IN, &i, SECONDS(160)));
	marks_put(m, MARK_IN, &i, SECONDS(160));
	assert_true(marks_has(m, MARK_IN, &i, SECONDS(219)));
	marks_free(m);
}

static void a_mark_tells_when_it_was_used_and_can_be_taken_away(void **state)
{
	(void)state;
	struct inner i = flow(5);
	struct marks *m;

	assert_int_equal(marks_new(key, &m), 0);
	assert_false(marks_used_since(m, MARK_IN, &i, 0));
	marks_put(m, MARK_IN, &i, SECONDS(100));
	assert_false(marks_used_since(m, MARK_IN, &i, SECONDS(100)));
	assert_true(marks_has(m, MARK_IN, &i, SECONDS(103)));
	assert_true(marks_used_since(m, MARK_IN, &i, SECONDS(102)));
	assert_false(marks_used_since(m, MARK_IN, &i, SECONDS(103)));
	marks_drop(m, MARK_OUT, &i);
	assert_true(marks_has(m, MARK_IN, &i, SECONDS(103)));
	marks_drop(m, MARK_IN, &i);
	assert_false(marks_has(m, MARK_IN, &i, SECONDS(103)));
	marks_free(m);
}

static void a_full_table_forgets_the_oldest(void **state)
{
	(void)state;
	struct inner i;
	struct marks *m;
	unsigned n = 0;

	assert_int_equal(marks_new(key, &m), 0);
	for (unsigned port = 0; port < 3 * MARKS_MAX; port++) {
		i = flow((uint16_t)port);
		marks_put(m, MARK_IN, &i, SECONDS(100) + MS(port));
		assert_true(marks_has(m, MARK_IN, &i, SECONDS(101)));
	}
	for (unsigned port = 0; port < 3 * MARKS_MAX; port++) {
		i = flow((uint16_t)port);
		n += marks_has(m, MARK_IN, &i, SECONDS(101));
	}
	assert_true(n > MARKS_MAX / 2 && n <= MARKS_MAX);
	marks_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_is_of_one_flow_and_direction),
		cmocka_unit_test(a_mark_ends_by_itself_and_is_renewed),
		cmocka_unit_test(a_mark_tells_when_it_was_used_and_can_be_taken_away),
		cmocka_unit_test(a_full_table_forgets_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

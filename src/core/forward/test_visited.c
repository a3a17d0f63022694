/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/forward/visited.h"

static struct wire_hop visiting(unsigned n)
{
	struct wire_hop h = { .flow_hash = 0x1234 };

	for (unsigned i = 0; i < n; i++)
		visited_add(&h, 1000 + i);
	return h;
}

static void a_packet_without_options_was_nowhere(void **state)
{
	(void)state;
	struct wire_hop h = { .flow_hash = 1 };

	assert_int_equal(visited_check(&h), 0);
	assert_false(visited_has(&h, 7));
	assert_int_equal(visited_place(&h, 7), -1);
}

static void twelve_nodes_are_a_list_in_order_and_each_is_in_it_once(void **state)
{
	(void)state;
	struct wire_hop h = visiting(VISITED_TAGS_MAX);

	visited_add(&h, 1003);
	assert_true(h.has_options);
	assert_false(h.is_filter);
	assert_int_equal(visited_check(&h), 0);
	for (int i = 0; i < VISITED_TAGS_MAX; i++)
		assert_int_equal(visited_place(&h, 1000 + (uint64_t)i), i);
	assert_false(visited_has(&h, 1012));
	assert_int_equal(visited_place(&h, 1012), -1);
}

static void the_thirteenth_makes_a_filter_that_forgets_nobody(void **state)
{
	(void)state;
	for (unsigned n = VISITED_TAGS_MAX + 1; n < 300; n++) {
		struct wire_hop h = visiting(n);

		assert_true(h.is_filter);
		assert_int_equal(visited_check(&h), 0);
		assert_int_equal(visited_place(&h, 1000), -1); /* it has no order */
		for (unsigned i = 0; i < n; i++)
			assert_true(visited_has(&h, 1000 + i));
	}
}

/* Expected are (1 - e^(-3 n / 192))^3: 0.6 % and 3.5 %. */
static void a_filter_takes_few_for_visited_that_were_not(void **state)
{
	(void)state;
	static const struct {
		unsigned nodes, wrong_max;
	} cases[] = { { 13, 120 }, { 26, 500 } };

	for (unsigned c = 0; c < 2; c++) {
		struct wire_hop h = visiting(cases[c].nodes);
		unsigned wrong = 0;

		for (uint64_t node = 1; node <= 10000; node++)
			wrong += visited_has(&h, node << 32);
		assert_in_range(wrong, 1, cases[c].wrong_max);
	}
}

static void tags_of_another_flow_are_others(void **state)
{
	(void)state;
	struct wire_hop h = visiting(3);

	h.flow_hash++;
	assert_false(visited_has(&h, 1000));
	assert_false(visited_has(&h, 1001));
}

/* So that another implementation writes the same; the page on packets has these. */
static void a_tag_is_what_the_page_says(void **state)
{
	(void)state;
	struct wire_hop h = { .flow_hash = 0xabcd };

	visited_add(&h, UINT64_C(0x0123456789abcdef));
	assert_int_equal(load_u16(h.options), 0x874c);
}

static void an_empty_list_a_hole_and_a_tag_twice_are_refused(void **state)
{
	(void)state;
	struct wire_hop h = { .has_options = true };

	assert_int_equal(visited_check(&h), -EBADMSG);
	h.is_filter = true;
	assert_int_equal(visited_check(&h), -EBADMSG);
	h.options[23] = 1;
	assert_int_equal(visited_check(&h), 0);
	h.is_filter = false;
	assert_int_equal(visited_check(&h), -EBADMSG); /* a hole before it */
	h = visiting(3);
	store_u16(h.options + 8, 9);
	assert_int_equal(visited_check(&h), -EBADMSG); /* and one between */
	h = visiting(3);
	memcpy(h.options + 6, h.options + 2, 2);
	assert_int_equal(visited_check(&h), -EBADMSG);
}

static void a_full_filter_takes_all_for_visited_and_stays_as_it_is(void **state)
{
	(void)state;
	struct wire_hop h = { .has_options = true, .is_filter = true };
	struct wire_hop before;

	memset(h.options, 0xff, sizeof(h.options));
	before = h;
	assert_int_equal(visited_check(&h), 0);
	assert_true(visited_has(&h, 5));
	visited_add(&h, 5);
	assert_memory_equal(&h, &before, sizeof(h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_without_options_was_nowhere),
		cmocka_unit_test(twelve_nodes_are_a_list_in_order_and_each_is_in_it_once),
		cmocka_unit_test(the_thirteenth_makes_a_filter_that_forgets_nobody),
		cmocka_unit_test(a_filter_takes_few_for_visited_that_were_not),
		cmocka_unit_test(tags_of_another_flow_are_others),
		cmocka_unit_test(a_tag_is_what_the_page_says),
		cmocka_unit_test(an_empty_list_a_hole_and_a_tag_twice_are_refused),
		cmocka_unit_test(a_full_filter_takes_all_for_visited_and_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

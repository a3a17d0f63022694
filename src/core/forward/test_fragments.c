/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/forward/fragments.h"

static struct inner fragment(uint32_t id)
{
	return (struct inner){
		.protocol = 17, .source = { 1 }, .destination = { 2 }, .fragment_id = id
	};
}

static void only_what_the_first_one_began_is_completed(void **state)
{
	(void)state;
	struct fragments f = { 0 };
	struct inner i = fragment(7), other;

	assert_false(fragments_follow(&f, 5, &i, 0));
	fragments_note(&f, 5, &i, 100);
	assert_true(fragments_follow(&f, 5, &i, 101));
	assert_true(fragments_follow(&f, 5, &i, 99 + FRAGMENTS_LIFE_US));
	assert_false(fragments_follow(&f, 5, &i, 100 + FRAGMENTS_LIFE_US));
	assert_false(fragments_follow(&f, 6, &i, 101));
	assert_false(fragments_follow(&f, 5 + FRAGMENTS_SETS, &i, 101));
	for (unsigned k = 0; k < 4; k++) {
		other = i;
		other.fragment_id += k == 0;
		other.protocol = k == 1 ? 6 : 17;
		other.source[15] ^= k == 2;
		other.destination[0] ^= k == 3;
		assert_false(fragments_follow(&f, 5, &other, 101));
	}
}

static void a_full_set_forgets_its_oldest_and_no_other_peers(void **state)
{
	(void)state;
	struct fragments f = { 0 };
	struct inner mine = fragment(1), i;

	fragments_note(&f, 1, &mine, 0);
	for (uint32_t id = 0; id <= FRAGMENTS_OF_SET; id++) {
		i = fragment(id);
		fragments_note(&f, 2, &i, id);
		fragments_note(&f, 2, &i, id); /* again: takes no second place */
	}
	for (uint32_t id = 0; id <= FRAGMENTS_OF_SET; id++) {
		i = fragment(id);
		assert_int_equal(fragments_follow(&f, 2, &i, 100), id > 0);
	}
	assert_true(fragments_follow(&f, 1, &mine, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_first_one_began_is_completed),
		cmocka_unit_test(a_full_set_forgets_its_oldest_and_no_other_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

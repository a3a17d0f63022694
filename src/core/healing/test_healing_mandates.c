/* SPDX-License-Identifier: Apache-2.0 */
/* What the file of mandates allows, and what of it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/healing/mandates.h"

#define HOUR(h) ((h)*INT64_C(3600))

static int parse(const char *text, struct mandates *ret)
{
	char why[MANDATES_WHY_SIZE];

	return mandates_parse(SPAN(text, strlen(text)), ret, why);
}

static bool allows(const struct mandates *m, enum mandate_remedy r, int64_t unix_s, unsigned n)
{
	const char *why;

	return mandates_allow(m, r, unix_s, n, &why);
}

static void an_empty_file_allows_nothing_and_none_the_default(void **state)
{
	struct mandates m;

	(void)state;
	assert_int_equal(parse("", &m), 0);
	assert_false(allows(&m, REMEDY_AVOID, 0, 0));
	assert_int_equal(parse("# only words\n\n \t\n", &m), 0);
	assert_false(allows(&m, REMEDY_REHANDSHAKE, 0, 0));
	assert_false(m.is_default);
	mandates_default(&m);
	assert_true(allows(&m, REMEDY_AVOID, 0, 0));
	assert_true(m.is_default);
}

static void what_a_line_allows_is_bounded_by_its_rate_and_hours(void **state)
{
	struct mandates m;

	(void)state;
	assert_int_equal(parse("allow avoid rate 2 hours 22-6 # by night\nallow rehandshake", &m),
			 0);
	assert_true(allows(&m, REMEDY_AVOID, HOUR(22), 1));
	assert_true(allows(&m, REMEDY_AVOID, HOUR(29), 0));
	assert_false(allows(&m, REMEDY_AVOID, HOUR(6), 0));
	assert_false(allows(&m, REMEDY_AVOID, HOUR(21), 0));
	assert_false(allows(&m, REMEDY_AVOID, HOUR(22), 2));
	assert_true(allows(&m, REMEDY_REHANDSHAKE, HOUR(12), MANDATE_RATE_DEFAULT - 1));
	assert_false(allows(&m, REMEDY_REHANDSHAKE, HOUR(12), MANDATE_RATE_DEFAULT));
	assert_true(allows(&m, REMEDY_AVOID, -HOUR(1), 0)); /* 23:00 in 1969 */
	assert_int_equal(parse("allow avoid hours 0-24", &m), 0);
	assert_true(allows(&m, REMEDY_AVOID, HOUR(0), 0));
	assert_true(allows(&m, REMEDY_AVOID, HOUR(23), 0));
}

static void what_is_not_understood_to_the_last_word_is_refused_whole(void **state)
{
	static const char *const bad[] = {
		"allow",
		"allow everything",
		"permit avoid",
		"Allow avoid",
		"allow avoid avoid",
		"allow avoid rate",
		"allow avoid rate 0",
		"allow avoid rate 61",
		"allow avoid rate -1",
		"allow avoid rate 1e1",
		"allow avoid rate 9999999999999999999999",
		"allow avoid rate 5 rate 5",
		"allow avoid hours 8",
		"allow avoid hours 8-8",
		"allow avoid hours 24-2",
		"allow avoid hours 0-25",
		"allow avoid hours -",
		"allow avoid hours 1-2-3",
		"allow avoid hours 1-2 hours 3-4",
		"allow avoid rate 5 hours 1-2 more",
		"allow avoid\nallow avoid",
		"allow avoid\r\n",
		"allow avoid\x01",
	};
	struct mandates m;

	(void)state;
	memset(&m, 0x55, sizeof(m));
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		struct mandates before = m;

		assert_int_equal(parse(bad[n], &m), -EBADMSG);
		assert_memory_equal(&m, &before, sizeof(m));
	}
}

static void too_long_a_file_is_refused_and_the_line_is_named(void **state)
{
	static char text[MANDATES_FILE_MAX + 2];
	char why[MANDATES_WHY_SIZE];
	struct mandates m;

	(void)state;
	memset(text, ' ', MANDATES_FILE_MAX);
	assert_int_equal(parse(text, &m), 0);
	text[MANDATES_FILE_MAX] = ' ';
	assert_int_equal(parse(text, &m), -EBADMSG);
	memset(text, '\n', MANDATES_LINES_MAX);
	text[MANDATES_LINES_MAX] = '\0';
	assert_int_equal(parse(text, &m), 0);
	text[MANDATES_LINES_MAX] = '\n';
	assert_int_equal(parse(text, &m), -EBADMSG);
	assert_int_equal(mandates_parse(SPAN_STR("\n\nallow x"), &m, why), -EBADMSG);
	assert_non_null(strstr(why, "line 3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_allows_nothing_and_none_the_default),
		cmocka_unit_test(what_a_line_allows_is_bounded_by_its_rate_and_hours),
		cmocka_unit_test(what_is_not_understood_to_the_last_word_is_refused_whole),
		cmocka_unit_test(too_long_a_file_is_refused_and_the_line_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

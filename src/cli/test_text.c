/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of durations, times, sizes, names, and QR codes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/qr.h"
#include "cli/text.h"

static int64_t duration(const char *text)
{
	int64_t s = -1;
	int r = text_duration(text, &s);

	return r < 0 ? r : s;
}

static void durations_have_units_and_may_be_put_together(void **state)
{
	(void)state;
	assert_int_equal(duration("90"), -EINVAL); /* of what? */
	assert_int_equal(duration("0"), -EINVAL);
	assert_int_equal(duration("90s"), 90);
	assert_int_equal(duration("30m"), 1800);
	assert_int_equal(duration("1h"), 3600);
	assert_int_equal(duration("7d"), 7 * 86400);
	assert_int_equal(duration("2w"), 14 * 86400);
	assert_int_equal(duration("1h30m"), 5400);
	assert_int_equal(duration("0s"), 0);
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const texts[] = { "",    "h",   "1x",  "1h30", "-1h",
					     " 1h", "1 h", "1h ", "1.5h", "1H" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(duration(texts[i]), -EINVAL);
	assert_int_equal(duration("99999999999999999999"), -ERANGE);
	assert_int_equal(duration("9999w"), -ERANGE);
	assert_int_equal(duration("5000w5000w"), -ERANGE);
}

static void seconds_may_have_a_fraction(void **state)
{
	uint64_t ms = 0;

	(void)state;
	assert_int_equal(text_seconds("0.2", 10, 60000, &ms), 0);
	assert_int_equal(ms, 200);
	assert_int_equal(text_seconds("1", 10, 60000, &ms), 0);
	assert_int_equal(ms, 1000);
	assert_int_equal(text_seconds(".0159", 10, 60000, &ms), 0);
	assert_int_equal(ms, 15);
	assert_int_equal(text_seconds("0.001", 10, 60000, &ms), -ERANGE);
	assert_int_equal(text_seconds("61", 10, 60000, &ms), -ERANGE);
	assert_int_equal(text_seconds("99999999999999", 10, 60000, &ms), -ERANGE);
	assert_int_equal(text_seconds("", 10, 60000, &ms), -EINVAL);
	assert_int_equal(text_seconds(".", 10, 60000, &ms), -EINVAL);
	assert_int_equal(text_seconds("1s", 10, 60000, &ms), -EINVAL);
	assert_int_equal(text_seconds("-1", 10, 60000, &ms), -EINVAL);
}

static void numbers_are_whole_and_in_range(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(text_number("16", 1, 16, &n), 0);
	assert_int_equal(n, 16);
	assert_int_equal(text_number("17", 1, 16, &n), -ERANGE);
	assert_int_equal(text_number("0", 1, 16, &n), -ERANGE);
	assert_int_equal(text_number("99999999999999999999999", 1, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(text_number("", 1, 16, &n), -EINVAL);
	assert_int_equal(text_number("-1", 1, 16, &n), -EINVAL);
	assert_int_equal(text_number("1e1", 1, 16, &n), -EINVAL);
	assert_int_equal(n, 16);
}

static void times_and_sizes_are_short(void **state)
{
	char text[TEXT_SIZE];

	(void)state;
	text_span(45, text);
	assert_string_equal(text, "45 s");
	text_span(12 * 60 + 5, text);
	assert_string_equal(text, "12 min");
	text_span(3 * 3600 + 20 * 60, text);
	assert_string_equal(text, "3 h 20 min");
	text_span(29 * 86400 + 4 * 3600, text);
	assert_string_equal(text, "29 d 4 h");
	text_span(30 * 86400, text);
	assert_string_equal(text, "30 d");
	text_span(-5, text);
	assert_string_equal(text, "0 s");
	text_rtt(812, text);
	assert_string_equal(text, "0.812 ms");
	text_rtt(12345, text);
	assert_string_equal(text, "12.3 ms");
	text_rtt(104000, text);
	assert_string_equal(text, "104 ms");
	text_bytes(812, text);
	assert_string_equal(text, "812 B");
	text_bytes(1229, text);
	assert_string_equal(text, "1.2 KiB");
	text_bytes(64 << 20, text);
	assert_string_equal(text, "64 MiB");
	text_bytes(UINT64_MAX, text);
	assert_string_equal(text, "16 EiB");
	text_loss(0, text);
	assert_string_equal(text, "0%");
	text_loss(1, text);
	assert_string_equal(text, "<0.1%");
	text_loss(15000, text);
	assert_string_equal(text, "1.5%");
	text_loss(1000000, text);
	assert_string_equal(text, "100%");
	text_date(1769864700, text);
	assert_string_equal(text, "2026-01-31 13:05 UTC");
}

static void the_distance_of_two_words_counts_edits(void **state)
{
	char longer[100];

	(void)state;
	assert_int_equal(text_distance("status", "status"), 0);
	assert_int_equal(text_distance("stauts", "status"), 1); /* two letters swapped */
	assert_int_equal(text_distance("peer", "peers"), 1);
	assert_int_equal(text_distance("", "down"), 4);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(text_distance(longer, "a"), sizeof(longer) - 1);
}

static void a_host_name_becomes_a_node_name(void **state)
{
	char name[64];
	char tiny[4];

	(void)state;
	text_node_name("Roof-1.example.org", name, sizeof(name));
	assert_string_equal(name, "roof-1");
	text_node_name("-my host!-", name, sizeof(name));
	assert_string_equal(name, "my-host");
	text_node_name("b\xc3\xbcro", name, sizeof(name));
	assert_string_equal(name, "b--ro");
	text_node_name("---", name, sizeof(name));
	assert_string_equal(name, "");
	text_node_name("abc-def", tiny, sizeof(tiny));
	assert_string_equal(tiny, "abc");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	char text[8];

	(void)state;
	text_plain("a\033[0mbcdef", text, sizeof(text));
	assert_string_equal(text, "a?[0mbc");
}

/* A code of version 1 has 21 modules a side; two of quiet zone on each: 25 columns, 13 lines. */
static void a_small_qr_code_has_the_size_of_its_version(void **state)
{
	unsigned lines = 0;
	unsigned characters = 0;
	char *code = NULL;

	(void)state;
	assert_int_equal(qr_width("x0://a"), 25);
	assert_int_equal(qr_render("x0://a", false, &code), 0);
	for (const char *at = code; *at; at++) {
		lines += *at == '\n';
		characters += *at != '\n' && ((unsigned char)*at & 0xc0) != 0x80;
	}
	assert_int_equal(lines, 13);
	assert_int_equal(characters, 13 * 25);
	/* The quiet zone is light: the first line is full blocks alone. */
	for (unsigned i = 0; i < 25; i++)
		assert_memory_equal(code + (size_t)3 * i, "\xe2\x96\x88", 3);
	assert_null(strstr(code, "\033"));
	free(code);
}

static void colours_of_a_qr_code_end_with_each_line(void **state)
{
	char *code = NULL;

	(void)state;
	assert_int_equal(qr_render("x0://a", true, &code), 0);
	assert_memory_equal(code, "\033[97;40m", 8);
	assert_string_equal(code + strlen(code) - 5, "\033[0m\n");
	free(code);
}

static void a_text_too_long_for_a_qr_code_is_refused(void **state)
{
	char text[4000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(qr_width(text) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_units_and_may_be_put_together),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(seconds_may_have_a_fraction),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(times_and_sizes_are_short),
		cmocka_unit_test(the_distance_of_two_words_counts_edits),
		cmocka_unit_test(a_host_name_becomes_a_node_name),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(a_small_qr_code_has_the_size_of_its_version),
		cmocka_unit_test(colours_of_a_qr_code_end_with_each_line),
		cmocka_unit_test(a_text_too_long_for_a_qr_code_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

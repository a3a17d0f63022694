/* SPDX-License-Identifier: Apache-2.0 */
/* The journal when it is empty, when it is full, and for who resumes. */
#include <stdarg.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/journal.h"

static struct journal *with(uint64_t first, unsigned n)
{
	struct journal *j;
	char text[32];

	assert_int_equal(journal_new(first, &j), 0);
	for (unsigned i = 0; i < n; i++) {
		int len = snprintf(text, sizeof(text), "%u", i);

		assert_int_equal(
			journal_add(j, i % 2 ? TOPIC_LINKS : TOPIC_PEERS, SPAN(text, (size_t)len)),
			0);
	}
	return j;
}

static void numbers_go_on_from_the_first(void **state)
{
	struct journal *j = with(1000, 3);
	uint64_t seq = 0;
	struct span text;

	(void)state;
	assert_int_equal(journal_oldest(j), 1000);
	assert_int_equal(journal_next(j), 1003);
	assert_true(journal_find(j, JOURNAL_ALL_TOPICS, &seq, &text));
	assert_int_equal(seq, 1000);
	assert_memory_equal(text.at, "0", 1);
	seq = 1003;
	assert_false(journal_find(j, JOURNAL_ALL_TOPICS, &seq, &text));
	journal_free(j);
}

static void the_oldest_goes_when_it_is_full(void **state)
{
	struct journal *j = with(0, JOURNAL_EVENTS_MAX + 5);
	uint64_t seq = 2; /* gone by now */
	struct span text;

	(void)state;
	assert_int_equal(journal_oldest(j), 5);
	assert_true(journal_find(j, JOURNAL_ALL_TOPICS, &seq, &text));
	assert_int_equal(seq, 5);
	assert_memory_equal(text.at, "5", 1);
	journal_free(j);
}

static void topics_are_skipped_that_nobody_wants(void **state)
{
	struct journal *j = with(0, 4);
	uint64_t seq = 0;
	struct span text;
	unsigned topics;

	(void)state;
	assert_int_equal(journal_topics_parse("links,routes", &topics), 0);
	assert_true(journal_find(j, topics, &seq, &text));
	assert_int_equal(seq, 1);
	seq++;
	assert_true(journal_find(j, topics, &seq, &text));
	assert_int_equal(seq, 3);
	seq++;
	assert_false(journal_find(j, topics, &seq, &text));
	assert_int_equal(seq, 4);
	journal_free(j);
}

static void unknown_topics_are_refused(void **state)
{
	unsigned topics = 77;

	(void)state;
	assert_int_equal(journal_topics_parse("", &topics), -EINVAL);
	assert_int_equal(journal_topics_parse("links,", &topics), -EINVAL);
	assert_int_equal(journal_topics_parse("link", &topics), -EINVAL);
	assert_int_equal(topics, 77);
}

static void a_text_that_is_too_long_is_refused(void **state)
{
	static const uint8_t text[JOURNAL_TEXT_MAX + 1];
	struct journal *j = with(0, 0);

	(void)state;
	assert_int_equal(journal_add(j, TOPIC_LINKS, SPAN(text, sizeof(text))), -EMSGSIZE);
	assert_int_equal(journal_next(j), 0);
	assert_int_equal(journal_add(j, TOPIC_LINKS, SPAN(text, sizeof(text) - 1)), 0);
	journal_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_go_on_from_the_first),
		cmocka_unit_test(the_oldest_goes_when_it_is_full),
		cmocka_unit_test(topics_are_skipped_that_nobody_wants),
		cmocka_unit_test(unknown_topics_are_refused),
		cmocka_unit_test(a_text_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

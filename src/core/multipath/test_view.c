/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/multipath/view.h"

#define START_US SECONDS(100)

static void an_answer_is_read_back(void **state)
{
	(void)state;
	uint8_t bytes[VIEW_ANSWER_MAX];
	struct view_answer a = { .nonce = 0x01020304,
				 .n = 2,
				 .links = { { 7, 1 }, { 9, 0xabcdef } } };
	struct view_answer back = { 0 };
	static const uint8_t expected[] = { 1, 2, 3, 4, 2, 0, 0, 0, 0, 0, 0,	0,    7,   0,
					    0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0xab, 0xcd, 0xef };
	size_t len = view_answer_encode(&a, bytes);

	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(bytes, expected, len);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(view_answer_decode(SPAN(bytes, n), &back), -EBADMSG);
	assert_int_equal(view_answer_decode(SPAN(bytes, len), &back), 0);
	assert_int_equal(back.n, 2);
	assert_int_equal(back.links[1].id, 9);
	assert_int_equal(back.links[1].cost, 0xabcdef);
}

static void impossible_links_are_refused(void **state)
{
	(void)state;
	static const struct view_link bad[][2] = { { { 0, 1 }, { 2, 1 } },
						   { { 1, 0 }, { 2, 1 } },
						   { { 1, 0xffffff }, { 2, 1 } },
						   { { 1, 1 }, { 1, 2 } } };
	uint8_t bytes[VIEW_ANSWER_MAX + 11];
	struct view_answer back;

	for (size_t i = 0; i < 4; i++) {
		struct view_answer a = { .n = 2, .links = { bad[i][0], bad[i][1] } };

		assert_int_equal(
			view_answer_decode(SPAN(bytes, view_answer_encode(&a, bytes)), &back),
			-EPROTO);
	}
	memset(bytes, 1, sizeof(bytes));
	bytes[4] = GRAPH_DEGREE_MAX + 1;
	assert_int_equal(view_answer_decode(SPAN_OF(bytes), &back), -EPROTO);
}

/* ---- a mesh that answers ---- */

/* A grid of 4 by 4, ids from 1 on; the view is of node 1. */
#define SIDE 4

static size_t links_of(uint64_t id, struct view_link ret[GRAPH_DEGREE_MAX])
{
	size_t at = (size_t)id - 1, row = at / SIDE, column = at % SIDE, n = 0;

	if (row > 0)
		ret[n++] = (struct view_link){ id - SIDE, 10 };
	if (row < SIDE - 1)
		ret[n++] = (struct view_link){ id + SIDE, 10 };
	if (column > 0)
		ret[n++] = (struct view_link){ id - 1, 10 };
	if (column < SIDE - 1)
		ret[n++] = (struct view_link){ id + 1, 10 };
	return n;
}

static struct view_self first_node(void)
{
	struct view_self self = { .id = 1 };

	self.n_links = links_of(1, self.links);
	return self;
}

static void answer(struct view *v, uint64_t id, uint32_t nonce, uint64_t now_us)
{
	struct view_answer a = { .nonce = nonce };

	a.n = links_of(id, a.links);
	assert_true(view_told(v, id, &a, now_us));
}

static void ways_are_found_and_the_ends_surroundings_asked_first(void **state)
{
	(void)state;
	struct view v = { 0 };
	struct view_self self = first_node();
	struct path paths[PATHS_MAX];
	struct graph g;
	uint64_t id, at_us;
	unsigned n_asked = 0;
	uint32_t nonce = 1;

	while (view_explore(&v, &self, 16, ++nonce, START_US, &id, &at_us) == VIEW_ASK) {
		assert_true(id != 1);
		if (n_asked == 0)
			assert_int_equal(id, 16);
		n_asked++;
		answer(&v, id, nonce, START_US);
	}
	assert_in_range(n_asked, 3, 14);
	view_graph(&v, &self, START_US, &g);
	assert_int_equal(disjoint_paths(&g, 1, 16, PATHS_MAX, paths), 2);
	assert_int_equal(paths[0].n, 7);
	/* what is known need not be asked again */
	assert_int_equal(view_explore(&v, &self, 16, 99, START_US + SECONDS(5), &id, &at_us),
			 VIEW_DONE);
	assert_int_equal(view_explore(&v, &self, 16, 99, START_US + VIEW_FRESH_US, &id, &at_us),
			 VIEW_ASK);
}

static void who_does_not_answer_is_asked_three_times_and_then_left_alone(void **state)
{
	(void)state;
	struct view v = { 0 };
	struct view_self self = { .id = 1, .n_links = 1, .links = { { 2, 10 } } };
	uint64_t now_us = START_US, id, at_us;
	unsigned asked[3] = { 0 };

	for (;;) {
		enum view_step step = view_explore(&v, &self, 2, 5, now_us, &id, &at_us);

		if (step == VIEW_DONE)
			break;
		if (step == VIEW_ASK) {
			assert_int_equal(id, 2);
			asked[2]++;
		} else {
			assert_true(at_us > now_us);
			now_us = at_us;
		}
	}
	assert_int_equal(asked[2], VIEW_TRIES);
	assert_int_equal(now_us, START_US + VIEW_TRIES * VIEW_RETRY_US);
	assert_int_equal(view_explore(&v, &self, 2, 5, now_us + VIEW_SILENT_US, &id, &at_us),
			 VIEW_ASK);
}

static void answers_nobody_asked_for_are_not_believed(void **state)
{
	(void)state;
	struct view v = { 0 };
	struct view_self self = first_node();
	struct view_answer a = { .nonce = 7, .n = 1, .links = { { 5, 1 } } };
	uint64_t id, at_us;

	assert_false(view_told(&v, 16, &a, START_US));
	assert_int_equal(view_explore(&v, &self, 16, 8, START_US, &id, &at_us), VIEW_ASK);
	assert_int_equal(id, 16);
	assert_false(view_told(&v, 16, &a, START_US)); /* another nonce */
	a.nonce = 8;
	assert_true(view_told(&v, 16, &a, START_US));
	assert_false(view_told(&v, 16, &a, START_US)); /* once */
}

/* 2 says that it is beside 4, at no cost; 4 was asked and knows nothing of it. */
static void a_link_that_its_other_end_does_not_know_is_none(void **state)
{
	(void)state;
	struct view v = {
		.n = 2,
		.nodes = { { .id = 2,
			     .told_us = START_US,
			     .n_links = 2,
			     .links = { { 1, 5 }, { 4, 1 } } },
			   { .id = 4, .told_us = START_US, .n_links = 1, .links = { { 3, 7 } } } }
	};
	struct view_self self = { .id = 1, .n_links = 2, .links = { { 2, 9 }, { 3, 5 } } };
	struct path paths[PATHS_MAX];
	struct graph g;

	view_graph(&v, &self, START_US, &g);
	assert_int_equal(disjoint_paths(&g, 1, 4, PATHS_MAX, paths), 1);
	assert_int_equal(paths[0].nodes[1],
			 3); /* which has not told, and is believed to be there */
	assert_int_equal(disjoint_paths(&g, 1, 2, 1, paths), 1);
	assert_int_equal(paths[0].cost, 9); /* what the dearer end says */
}

static void a_full_view_forgets_who_was_asked_long_ago_and_nobody_else(void **state)
{
	(void)state;
	static struct view v;
	struct view_self self = { .id = 1, .n_links = GRAPH_DEGREE_MAX };
	uint64_t id, at_us, first = 0;
	uint64_t now_us = START_US;

	for (size_t i = 0; i < GRAPH_DEGREE_MAX; i++)
		self.links[i] = (struct view_link){ 1000 + i, 1 };
	for (size_t i = 0; i < VIEW_NODES_MAX; i++)
		v.nodes[v.n++] =
			(struct view_node){ .id = 2000 + i, .asked_us = now_us - SECONDS(1) - i };
	assert_int_equal(view_explore(&v, &self, 1000, 1, now_us, &id, &at_us), VIEW_DONE);
	now_us += VIEW_FRESH_US - SECONDS(1) - 61; /* all but the last three are fresh yet */
	for (unsigned n = 0; view_explore(&v, &self, 1000, 1, now_us, &id, &at_us) == VIEW_ASK; n++)
		first = n == 0 ? id : first;
	assert_int_equal(first, 1000);
	assert_int_equal(v.n, VIEW_NODES_MAX);
	assert_int_equal(v.nodes[0].id, 2000);
	assert_int_equal(v.nodes[VIEW_NODES_MAX - 1].id, 1000);
}

static void questions_are_few_at_once_and_in_a_second(void **state)
{
	(void)state;
	static struct view v;
	struct view_self self = { .id = 1, .n_links = GRAPH_DEGREE_MAX };
	uint64_t id, at_us, now_us = START_US;
	unsigned n = 0;

	for (size_t i = 0; i < GRAPH_DEGREE_MAX; i++)
		self.links[i] = (struct view_link){ 1000 + i, 1 };
	while (view_explore(&v, &self, 5000, 1, now_us, &id, &at_us) == VIEW_ASK)
		n++;
	assert_int_equal(n, 8);
	assert_int_equal(at_us, now_us + VIEW_RETRY_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_read_back),
		cmocka_unit_test(impossible_links_are_refused),
		cmocka_unit_test(ways_are_found_and_the_ends_surroundings_asked_first),
		cmocka_unit_test(who_does_not_answer_is_asked_three_times_and_then_left_alone),
		cmocka_unit_test(answers_nobody_asked_for_are_not_believed),
		cmocka_unit_test(a_link_that_its_other_end_does_not_know_is_none),
		cmocka_unit_test(a_full_view_forgets_who_was_asked_long_ago_and_nobody_else),
		cmocka_unit_test(questions_are_few_at_once_and_in_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

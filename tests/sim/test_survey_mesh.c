/* SPDX-License-Identifier: Apache-2.0 */
/* A picture of the mesh from one node: whole nodes in two rows, of which one is looked at. */
#include "fixture.h"

#define N 6

enum link_number {
	L01,
	L12,
	L34,
	L45,
	L03,
	L14,
	L25
};

static const size_t ends[][2] = { { 0, 1 }, { 1, 2 }, { 3, 4 }, { 4, 5 },
				  { 0, 3 }, { 1, 4 }, { 2, 5 } };

/* 0 - 1 - 2
 * |   |   |
 * 3 - 4 - 5 */
static struct sim *two_rows(bool allow_all)
{
	struct sim *s = make_sim(N, allow_all);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		(void)sim_link(s, ends[i][0], ends[i][1], &lan, true);
	boot_all(s, N);
	run(s, SECONDS(5));
	return s;
}

static void look(struct sim *s, size_t node)
{
	assert_int_equal(node_survey_look(sim_node(s, node), sim_node_us(s, node)), 0);
	sim_poke(s, node);
}

static struct survey_view view_of(struct sim *s, size_t from, size_t of)
{
	const struct survey *survey = node_survey(sim_node(s, from));
	uint64_t now_us = sim_node_us(s, from);
	struct survey_view v;
	size_t cursor = 0;

	if (from == of) {
		survey_own(survey, now_us, &v);
		return v;
	}
	while (survey && survey_next(survey, &cursor, now_us, &v))
		if (v.id == sim_id(s, of))
			return v;
	return (struct survey_view){ 0 };
}

/* What one end says of a link, as another node has been told; -1: nothing. */
static int state_of(struct sim *s, size_t from, size_t end, size_t other)
{
	struct survey_view v = view_of(s, from, end);

	for (size_t i = 0; i < v.n_links; i++)
		if (v.links[i].id == sim_id(s, other))
			return v.links[i].state;
	return -1;
}

static bool sees_all_up(struct sim *s, size_t from)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (state_of(s, from, ends[i][0], ends[i][1]) != LINK_UP ||
		    state_of(s, from, ends[i][1], ends[i][0]) != LINK_UP)
			return false;
	return true;
}

static uint64_t datagrams(struct sim *s)
{
	struct sim_totals t;

	sim_totals(s, &t);
	return t.datagrams;
}

static void a_node_that_is_looked_at_knows_all_links_within_two_seconds(void **state)
{
	(void)state;
	struct sim *s = two_rows(true);
	uint64_t began = sim_now_us(s);

	look(s, 0);
	while (!sees_all_up(s, 0) && sim_now_us(s) < began + SECONDS(5))
		run(s, MS(10));
	print_message("all links of six nodes known after %u ms\n",
		      (unsigned)((sim_now_us(s) - began) / 1000));
	assert_in_range(sim_now_us(s) - began, 1, SECONDS(2));
	assert_true(n_events[0][EVENT_TOPOLOGY] >= 1);
	assert_int_equal(n_events[5][EVENT_TOPOLOGY], 0); /* nobody looks at that one */
	sim_free(s);
}

static void a_cut_far_away_is_known_within_a_second(void **state)
{
	(void)state;
	for (enum link_number cut = L01; cut <= L25; cut++) {
		struct sim *s = two_rows(true);
		size_t a = ends[cut][0], b = ends[cut][1];
		uint64_t began;

		look(s, 0);
		run(s, SECONDS(3));
		assert_true(sees_all_up(s, 0));
		sim_link_cut(s, cut, true);
		began = sim_now_us(s);
		while ((state_of(s, 0, a, b) == LINK_UP || state_of(s, 0, b, a) == LINK_UP) &&
		       sim_now_us(s) < began + SECONDS(3))
			run(s, MS(10));
		print_message("cut of %zu-%zu known by both ends after %u ms\n", a, b,
			      (unsigned)((sim_now_us(s) - began) / 1000));
		assert_in_range(sim_now_us(s) - began, 1, SECONDS(1));
		sim_free(s);
	}
}

static void a_crashed_node_is_silent_and_comes_back(void **state)
{
	(void)state;
	struct sim *s = two_rows(true);

	look(s, 0);
	run(s, SECONDS(3));
	sim_crash(s, 4);
	for (unsigned i = 0; i < 8; i++) {
		run(s, SECONDS(1));
		look(s, 0);
	}
	assert_int_not_equal(view_of(s, 0, 4).state, SURVEY_ANSWERS);
	assert_int_equal(view_of(s, 0, 5).state, SURVEY_ANSWERS);
	assert_int_equal(sim_boot(s, 4, 0, 0), 0);
	for (unsigned i = 0; i < 8; i++) {
		run(s, SECONDS(1));
		look(s, 0);
	}
	assert_int_equal(view_of(s, 0, 4).state, SURVEY_ANSWERS);
	sim_free(s);
}

static void nothing_is_asked_or_told_once_nobody_looks(void **state)
{
	(void)state;
	struct sim *s = two_rows(true);
	uint64_t before, looked_at;

	look(s, 0);
	run(s, SECONDS(10));
	before = datagrams(s);
	run(s, SURVEY_LOOK_US);
	looked_at = datagrams(s) - before;
	for (size_t i = 0; i < N; i++)
		if (node_survey(sim_node(s, i)))
			assert_false(
				survey_is_wanted(node_survey(sim_node(s, i)), sim_node_us(s, i)));
	assert_int_equal(view_of(s, 0, 4).id, 0);
	look(s, 0);
	run(s, SECONDS(5));
	before = datagrams(s);
	look(s, 0);
	run(s, SECONDS(5));
	look(s, 0);
	run(s, SECONDS(5));
	print_message("datagrams in 10 s: %u while nobody looks, %u while somebody does\n",
		      (unsigned)looked_at, (unsigned)(datagrams(s) - before));
	assert_true(datagrams(s) - before > looked_at);
	sim_free(s);
}

static void who_may_not_survey_is_told_so(void **state)
{
	(void)state;
	static const struct policy_rule some[] = {
		{ .effect = POLICY_ALLOW, .action = POLICY_SESSION, .from = "*", .resource = "*" },
		{ .effect = POLICY_ALLOW, .action = POLICY_RELAY, .from = "*", .resource = "*" },
	};
	struct sim *s;

	rules = some;
	n_rules = 2;
	s = two_rows(false);
	look(s, 0);
	run(s, SECONDS(3));
	assert_int_equal(view_of(s, 0, 5).state, SURVEY_REFUSES);
	assert_int_equal(view_of(s, 0, 5).status, SURVEY_DENIED);
	assert_int_equal(view_of(s, 0, 5).n_links, 0);
	sim_free(s);
	rules = NULL;
	n_rules = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_is_looked_at_knows_all_links_within_two_seconds),
		cmocka_unit_test(a_cut_far_away_is_known_within_a_second),
		cmocka_unit_test(a_crashed_node_is_silent_and_comes_back),
		cmocka_unit_test(nothing_is_asked_or_told_once_nobody_looks),
		cmocka_unit_test(who_may_not_survey_is_told_so),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "core/policy/policy.h"

#define ALICE "spiffe://example.mesh/node/alice"
#define BOB "spiffe://example.mesh/node/bob"
#define MEMBERS "spiffe://example.mesh/node/*"

static struct policy_rule rule(enum policy_effect effect, enum policy_action action,
			       const char *from, const char *resource, unsigned line)
{
	struct policy_rule r = { .effect = effect, .action = action, .line = line };

	(void)snprintf(r.from, sizeof(r.from), "%s", from);
	(void)snprintf(r.resource, sizeof(r.resource), "%s", resource);
	return r;
}

static void what_no_rule_allows_is_denied(void **state)
{
	(void)state;
	struct policy *p;
	struct policy_reason reason;

	assert_int_equal(policy_new(NULL, 0, &p), 0);
	assert_int_equal(policy_decide(p, ALICE, POLICY_PING, "", &reason), POLICY_DENY);
	assert_int_equal(reason.rule, 0);
	assert_int_equal(reason.line, 0);
	assert_string_equal(reason.text, "denied: no rule allows \"ping\" here");
	policy_free(p);
	policy_free(NULL);
}

static void a_rule_allows_its_action_principal_and_resource_and_no_other(void **state)
{
	(void)state;
	struct policy_rule rules[] = { rule(POLICY_ALLOW, POLICY_CONNECT, ALICE, "tcp:443", 14) };
	struct policy *p;
	struct policy_reason reason;

	assert_int_equal(policy_new(rules, 1, &p), 0);
	assert_int_equal(policy_decide(p, ALICE, POLICY_CONNECT, "tcp:443", &reason), POLICY_ALLOW);
	assert_string_equal(reason.text, "allowed by rule 1 (line 14)");
	assert_int_equal(policy_decide(p, BOB, POLICY_CONNECT, "tcp:443", NULL), POLICY_DENY);
	assert_int_equal(policy_decide(p, ALICE, POLICY_CONNECT, "tcp:22", NULL), POLICY_DENY);
	assert_int_equal(policy_decide(p, ALICE, POLICY_PING, "tcp:443", NULL), POLICY_DENY);
	policy_free(p);
}

static void forbid_wins_over_allow_whatever_the_order(void **state)
{
	(void)state;
	struct policy_rule allow = rule(POLICY_ALLOW, POLICY_CONNECT, MEMBERS, "*", 3);
	struct policy_rule forbid = rule(POLICY_DENY, POLICY_CONNECT, BOB, "tcp:22", 4);

	for (unsigned order = 0; order < 2; order++) {
		struct policy_rule rules[] = { order ? forbid : allow, order ? allow : forbid };
		struct policy_reason reason;
		struct policy *p;

		assert_int_equal(policy_new(rules, 2, &p), 0);
		assert_int_equal(policy_decide(p, BOB, POLICY_CONNECT, "tcp:22", &reason),
				 POLICY_DENY);
		assert_int_equal(reason.rule, order ? 1 : 2);
		assert_int_equal(reason.line, 4);
		assert_non_null(strstr(reason.text, "forbidden by rule"));
		assert_int_equal(policy_decide(p, BOB, POLICY_CONNECT, "tcp:80", NULL),
				 POLICY_ALLOW);
		policy_free(p);
	}
}

static void a_rule_for_any_action_holds_for_each(void **state)
{
	(void)state;
	struct policy_rule all = rule(POLICY_ALLOW, POLICY_SESSION, "uid:0", "*", 0);
	struct policy_reason reason;
	struct policy *p;

	all.any_action = true;
	assert_int_equal(policy_new(&all, 1, &p), 0);
	for (unsigned a = 0; a < POLICY_N_ACTIONS; a++) {
		assert_int_equal(policy_decide(p, "uid:0", (enum policy_action)a, "x", &reason),
				 POLICY_ALLOW);
		assert_string_equal(reason.text, "allowed by rule 1"); /* no line is known */
		assert_int_equal(policy_decide(p, "uid:1000", (enum policy_action)a, "x", NULL),
				 POLICY_DENY);
	}
	policy_free(p);
}

static void the_rules_are_copied(void **state)
{
	(void)state;
	struct policy_rule r = rule(POLICY_ALLOW, POLICY_PING, "*", "*", 1);
	struct policy *p;

	assert_int_equal(policy_new(&r, 1, &p), 0);
	memset(&r, 0, sizeof(r));
	assert_int_equal(policy_decide(p, ALICE, POLICY_PING, "", NULL), POLICY_ALLOW);
	policy_free(p);
}

static void a_full_policy_takes_no_more_rules(void **state)
{
	(void)state;
	struct policy_rule *rules = calloc(POLICY_RULES_MAX + 1, sizeof(*rules));
	struct policy_reason reason;
	struct policy *p = NULL;

	assert_non_null(rules);
	for (unsigned i = 0; i <= POLICY_RULES_MAX; i++) {
		rules[i] = rule(POLICY_ALLOW, POLICY_API, "nobody", "*", i + 1);
		rules[i].any_action = true;
	}
	assert_int_equal(policy_new(rules, POLICY_RULES_MAX + 1, &p), -ENOBUFS);
	assert_null(p);
	(void)strcpy(rules[POLICY_RULES_MAX - 1].from, "last");
	assert_int_equal(policy_new(rules, POLICY_RULES_MAX, &p), 0);
	assert_int_equal(policy_decide(p, "last", POLICY_RELAY, "", &reason), POLICY_ALLOW);
	assert_int_equal(reason.rule, POLICY_RULES_MAX);
	policy_free(p);
	free(rules);
}

static void a_rule_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	struct policy_rule r = rule(POLICY_ALLOW, POLICY_N_ACTIONS, "*", "*", 1);
	struct policy *p;

	assert_int_equal(policy_new(&r, 1, &p), -EINVAL);
	r = rule((enum policy_effect)7, POLICY_PING, "*", "*", 1);
	assert_int_equal(policy_new(&r, 1, &p), -EINVAL);
	r = rule(POLICY_ALLOW, POLICY_PING, "*", "*", 1);
	memset(r.from, 'a', sizeof(r.from)); /* without an end */
	assert_int_equal(policy_new(&r, 1, &p), -EINVAL);
}

static void actions_have_names_that_are_read_back(void **state)
{
	(void)state;
	enum policy_action action = POLICY_HEAL;

	for (unsigned a = 0; a < POLICY_N_ACTIONS; a++) {
		const char *name = policy_action_name((enum policy_action)a);

		assert_non_null(name);
		assert_int_equal(policy_action_parse(name, &action), 0);
		assert_int_equal(action, a);
	}
	assert_null(policy_action_name(POLICY_N_ACTIONS));
	assert_int_equal(policy_action_parse("Ping", &action), -EINVAL);
	assert_int_equal(policy_action_parse("", &action), -EINVAL);
}

static void a_star_matches_any_run_and_all_else_itself(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "a", "", false },
		{ "*", "", true },
		{ "*", "anything at all", true },
		{ "**", "", true },
		{ "a*", "a", true },
		{ "a*", "ba", false },
		{ "*a", "ba", true },
		{ "*a", "ab", false },
		{ "a*a", "a", false }, /* prefix and suffix may not share a character */
		{ "a*a", "aa", true },
		{ "a*b*c", "abc", true },
		{ "a*b*c", "axxbyyc", true },
		{ "a*b*c", "acb", false },
		{ "*ab*ab*", "abab", true },
		{ "*ab*ab*", "aba", false },
		{ "*aab*", "aaab", true }, /* the border of a piece is used */
		{ "a.c", "abc", false },
		{ "a?c", "abc", false },
		{ "[a]", "a", false },
		{ "tcp:*", "tcp:443", true },
		{ "tcp:*", "udp:443", false },
		{ MEMBERS, ALICE, true },
		{ MEMBERS, "spiffe://other.mesh/node/alice", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (policy_pattern_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
			fail_msg("\"%s\" against \"%s\"", cases[i].pattern, cases[i].text);
}

static void a_pattern_of_maximal_length_works(void **state)
{
	(void)state;
	char pattern[POLICY_PATTERN_SIZE + 1];
	char text[POLICY_PATTERN_SIZE + 1];

	memset(pattern, 'a', sizeof(pattern));
	memset(text, 'a', sizeof(text));
	pattern[255] = '\0';
	text[255] = '\0';
	assert_true(policy_pattern_matches(pattern, text));
	pattern[0] = '*';
	pattern[254] = '*';
	assert_true(policy_pattern_matches(pattern, text));
	text[252] = '\0';
	assert_false(policy_pattern_matches(pattern, text));
	memset(pattern, '*', 255);
	assert_true(policy_pattern_matches(pattern, text));
	pattern[255] = '*'; /* 256 characters: no pattern of ours */
	pattern[256] = '\0';
	assert_false(policy_pattern_matches(pattern, text));
}

static double seconds_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pathological_patterns_take_no_longer_than_their_length(void **state)
{
	(void)state;
	static char text[1 << 20];
	char pattern[POLICY_PATTERN_SIZE] = { 0 };

	/* Backtracking would compare 100 million times in the first and never end in the second. */
	memset(text, 'a', sizeof(text) - 1);
	memset(pattern, 'a', 254);
	pattern[0] = '*';
	pattern[252] = 'b';
	pattern[253] = '*';
	assert_false(policy_pattern_matches(pattern, text));
	for (size_t i = 0; i < 254; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[254] = 'b';
	assert_false(policy_pattern_matches(pattern, text));
	pattern[254] = 'a';
	assert_true(policy_pattern_matches(pattern, text));
}

static void many_decisions_among_1000_rules_are_timed(void **state)
{
	(void)state;
	enum {
		N_RULES = 1000,
		N_DECISIONS = 10000
	};
	struct policy_rule *rules = calloc(N_RULES, sizeof(*rules));
	unsigned n_allowed = 0;
	struct policy *p;
	double start;

	assert_non_null(rules);
	for (unsigned i = 0; i < N_RULES; i++) {
		char from[64];

		(void)snprintf(from, sizeof(from), "spiffe://example.mesh/node/*-%u", i);
		rules[i] = rule(POLICY_ALLOW, POLICY_CONNECT, from, "tcp:*", i + 1);
	}
	assert_int_equal(policy_new(rules, N_RULES, &p), 0);
	start = seconds_now();
	for (unsigned i = 0; i < N_DECISIONS; i++)
		n_allowed += policy_decide(p, "spiffe://example.mesh/node/web-999", POLICY_CONNECT,
					   "tcp:443", NULL) == POLICY_ALLOW;
	print_message("%d decisions, the last of %d rules matching: %.0f a second\n", N_DECISIONS,
		      N_RULES, (double)N_DECISIONS / (seconds_now() - start));
	assert_int_equal(n_allowed, N_DECISIONS);
	policy_free(p);
	free(rules);
}

static void a_question_about_what_is_never_asked_is_known_as_one(void **state)
{
	static const struct {
		enum policy_action action;
		const char *resource;
		bool is_asked;
	} cases[] = {
		{ POLICY_CONNECT, "tcp:22", true },
		{ POLICY_CONNECT, "udp:65535", true },
		{ POLICY_CONNECT, "icmpv6", true },
		{ POLICY_CONNECT, "proto:132", true },
		{ POLICY_CONNECT, "22", false },
		{ POLICY_CONNECT, "", false },
		{ POLICY_CONNECT, "tcp:65536", false },
		{ POLICY_CONNECT, "tcp:", false },
		{ POLICY_CONNECT, "tcp:022", false },
		{ POLICY_CONNECT, "tcp:22x", false },
		{ POLICY_CONNECT, "ssh", false },
		{ POLICY_CONNECT, "proto:256", false },
		{ POLICY_PREFIX, "2001:db8::/32", true },
		{ POLICY_PREFIX, "10.0.0.0/8", true },
		{ POLICY_PREFIX, "2001:db8::", false },
		{ POLICY_PREFIX, "::/129", false },
		{ POLICY_ISSUE, ALICE, true },
		{ POLICY_ISSUE, "alice", false },
		{ POLICY_API, "status", true },
		{ POLICY_API, "", false },
		{ POLICY_SESSION, "", true },
		{ POLICY_SESSION, "tcp:22", false },
		{ POLICY_PING, "", true },
		{ POLICY_INVITE, "", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (policy_resource_is_asked(cases[i].action, cases[i].resource) !=
		    cases[i].is_asked)
			fail_msg("%s %s", policy_action_name(cases[i].action), cases[i].resource);
		assert_non_null(policy_resource_text(cases[i].action));
	}
}

/* A clock that goes on by what it is told, each time that it is looked at. */
static uint64_t fake_ns, step_ns;

static uint64_t fake_now_ns(void)
{
	fake_ns += step_ns;
	return fake_ns;
}

static void decisions_are_timed_where_there_is_a_clock_and_are_the_same(void **state)
{
	const struct policy_rule rules[] = { rule(POLICY_ALLOW, POLICY_PING, ALICE, "*", 1) };
	struct policy_times times = { 0 }, both = { 0 };
	struct policy *p;

	(void)state;
	assert_int_equal(policy_new(rules, 1, &p), 0);
	assert_int_equal(policy_decide_timed(p, ALICE, POLICY_PING, "", NULL, NULL, &times),
			 POLICY_ALLOW);
	assert_int_equal(times.n[0], 0);
	step_ns = policy_bounds_ns[0]; /* a bound is inside */
	assert_int_equal(policy_decide_timed(p, ALICE, POLICY_PING, "", NULL, fake_now_ns, &times),
			 POLICY_ALLOW);
	step_ns = policy_bounds_ns[POLICY_N_BOUNDS - 1] + 1;
	assert_int_equal(policy_decide_timed(p, ALICE, POLICY_API, "x", NULL, fake_now_ns, &times),
			 POLICY_DENY);
	assert_int_equal(times.n[0], 1);
	assert_int_equal(times.n[POLICY_N_BOUNDS], 1);
	assert_int_equal(times.sum_ns,
			 policy_bounds_ns[0] + policy_bounds_ns[POLICY_N_BOUNDS - 1] + 1);
	policy_times_add(&both, &times);
	policy_times_add(&both, &times);
	assert_int_equal(both.n[0], 2);
	assert_int_equal(both.sum_ns, 2 * times.sum_ns);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_about_what_is_never_asked_is_known_as_one),
		cmocka_unit_test(what_no_rule_allows_is_denied),
		cmocka_unit_test(a_rule_allows_its_action_principal_and_resource_and_no_other),
		cmocka_unit_test(forbid_wins_over_allow_whatever_the_order),
		cmocka_unit_test(a_rule_for_any_action_holds_for_each),
		cmocka_unit_test(the_rules_are_copied),
		cmocka_unit_test(a_full_policy_takes_no_more_rules),
		cmocka_unit_test(a_rule_that_makes_no_sense_is_refused),
		cmocka_unit_test(actions_have_names_that_are_read_back),
		cmocka_unit_test(a_star_matches_any_run_and_all_else_itself),
		cmocka_unit_test(a_pattern_of_maximal_length_works),
		cmocka_unit_test(pathological_patterns_take_no_longer_than_their_length),
		cmocka_unit_test(decisions_are_timed_where_there_is_a_clock_and_are_the_same),
		cmocka_unit_test(many_decisions_among_1000_rules_are_timed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

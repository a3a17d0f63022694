/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about networks: what is compared are addresses and not characters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "core/policy/policy.h"

#define OFFICE "spiffe://example.mesh/node/office"

static struct policy_rule rule(enum policy_effect effect, enum policy_action action,
			       const char *resource)
{
	struct policy_rule r = { .effect = effect, .action = action };

	(void)snprintf(r.from, sizeof(r.from), "*");
	(void)snprintf(r.resource, sizeof(r.resource), "%s", resource);
	return r;
}

/* Of one rule that allows this, both ways to ask. */
static bool allows(const char *resource, const char *prefix)
{
	struct policy_rule r = rule(POLICY_ALLOW, POLICY_PREFIX, resource);
	struct policy *p;
	bool is_allowed;

	assert_int_equal(policy_new(&r, 1, &p), 0);
	is_allowed = policy_decide(p, OFFICE, POLICY_PREFIX, prefix, NULL) == POLICY_ALLOW;
	policy_free(p);
	assert_int_equal(policy_rule_concerns(&r, POLICY_PREFIX, prefix), is_allowed);
	return is_allowed;
}

/* Of a rule that forbids this after one that allows all. */
static bool forbids(const char *resource, const char *prefix)
{
	struct policy_rule rules[] = { rule(POLICY_ALLOW, POLICY_PREFIX, "*"),
				       rule(POLICY_DENY, POLICY_PREFIX, resource) };
	struct policy *p;
	bool is_allowed;

	assert_int_equal(policy_new(rules, 2, &p), 0);
	is_allowed = policy_decide(p, OFFICE, POLICY_PREFIX, prefix, NULL) == POLICY_ALLOW;
	policy_free(p);
	return !is_allowed;
}

static void what_lies_inside_is_allowed(void **state)
{
	(void)state;
	static const struct {
		const char *resource, *prefix;
		bool is_allowed;
	} cases[] = {
		{ "192.168.0.0/16", "192.168.0.0/16", true },
		{ "192.168.0.0/16", "192.168.7.0/24", true },
		{ "192.168.0.0/16", "192.168.0.0/15", false },
		{ "192.168.0.0/16", "192.169.0.0/24", false },
		{ "fd12::/32", "fd12:0:1::/48", true },
		{ "fd12::/32", "fd12::/31", false },
		/* whole parts are as long as they say, and no shorter */
		{ "192.168.*", "192.168.7.0/24", true },
		{ "192.168.*", "192.168.0.0/16", true },
		{ "192.168.*", "192.168.0.0/13", false },
		{ "192.168.*.*", "192.168.7.0/24", true },
		{ "192.168.*.*", "192.168.0.0/13", false },
		{ "192.168.7.*", "192.168.7.0/24", true },
		{ "192.168.7.*", "192.168.7.0/23", false },
		{ "10.*", "10.0.0.0/8", true },
		{ "10.*", "10.0.0.0/7", false },
		{ "2001:db8:*", "2001:db8::/32", true },
		{ "2001:db8:*", "2001:db8:0:2::/64", true },
		{ "2001:db8:*", "2001:db8::/29", false },
		{ "2001:db8:0:2:*", "2001:db8:0:2::/64", true },
		{ "2001:db8:0:2:*", "2001:db8:0:2::/63", false },
		{ "fd12:*", "fd12:3456::/32", true },
		/* exits are named by themselves */
		{ "*/0", "0.0.0.0/0", true },
		{ "*/0", "::/0", true },
		{ "*/0", "2000::/3", true },
		{ "*/0", "192.168.7.0/24", false },
		{ "0.0.0.0/0", "0.0.0.0/0", true },
		{ "0.0.0.0/0", "::/0", false },
		{ "0.0.0.0/0", "192.168.7.0/24", false },
		{ "::/0", "::/0", true },
		{ "::/0", "0.0.0.0/0", false },
		{ "::/0", "fd12::/48", false },
		{ "*", "0.0.0.0/0", true },
		{ "*", "192.168.7.0/24", true },
		{ "**", "fd12::/48", true },
		/* what is no prefix lies in none */
		{ "192.168.0.0/16", "192.168.7.1/24", false },
		{ "192.168.0.0/16", "", false },
		{ "*", "", true },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		if (allows(cases[i].resource, cases[i].prefix) != cases[i].is_allowed)
			fail_msg("allow %s: %s", cases[i].resource, cases[i].prefix);
}

static void what_has_an_address_in_common_is_forbidden(void **state)
{
	(void)state;
	static const struct {
		const char *resource, *prefix;
		bool is_forbidden;
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "10.0.0.0/9", true }, /* the halves */
		{ "10.0.0.0/8", "10.128.0.0/9", true },
		{ "10.0.0.0/8", "10.1.2.0/24", true },
		{ "10.0.0.0/8", "10.0.0.0/7", true },
		{ "10.0.0.0/8", "8.0.0.0/5", true },
		{ "10.0.0.0/8", "11.0.0.0/8", false },
		{ "10.*", "10.128.0.0/9", true },
		{ "10.*", "8.0.0.0/5", true },
		{ "192.168.7.*", "192.168.0.0/16", true },
		{ "fd12::/16", "fd00::/8", true },
		{ "fd12::/16", "10.0.0.0/8", false },
		/* an exit is forbidden as an exit; and so is the internet in pieces */
		{ "10.0.0.0/8", "0.0.0.0/0", false },
		{ "*/0", "0.0.0.0/0", true },
		{ "*/0", "::/0", true },
		{ "*/0", "2000::/3", true },
		{ "*/0", "64.0.0.0/3", true },
		{ "*/0", "10.0.0.0/8", false },
		{ "::/0", "2000::/3", true },
		{ "::/0", "64.0.0.0/3", false },
		{ "*", "10.0.0.0/8", true },
		{ "*", "0.0.0.0/0", true },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		if (forbids(cases[i].resource, cases[i].prefix) != cases[i].is_forbidden)
			fail_msg("forbid %s: %s", cases[i].resource, cases[i].prefix);
}

static void what_names_no_network_is_no_rule_about_one(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"fd*",
		"192.16*",
		"192.168*",
		"192.168.7.0",
		"fe80::*",
		"2001:db8::*",
		"*.168.*",
		"*/24",
		"192.168.*/24",
		"192.168.7.1/24",
		"tcp:443",
		"*.*",
		"*:*",
		".*",
		":*",
		"192.168.0.0/*",
		"10.*.0.*",
		"1.2.3.4.*",
		"300.*",
		"1:2:3:4:5:6:7:8:*",
		"1.2.3.*.*",
		"fffff:*",
		"1:2.*",
		"10.0.0.0/8*",
		"1111111111111111111111111111111111111111111111111111111111111111111111111111.*",
	};
	struct policy_rule r;
	struct policy *p;

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		if (policy_names_network(texts[i]))
			fail_msg("%s", texts[i]);
		r = rule(POLICY_ALLOW, POLICY_PREFIX, texts[i]);
		assert_int_equal(policy_new(&r, 1, &p), -EINVAL);
		r = rule(POLICY_DENY, POLICY_ROUTE, texts[i]);
		assert_int_equal(policy_new(&r, 1, &p), -EINVAL);
	}
}

static void a_rule_about_every_action_is_about_networks_where_it_names_one(void **state)
{
	(void)state;
	struct policy_rule rules[] = { rule(POLICY_ALLOW, POLICY_PREFIX, "tcp:443"),
				       rule(POLICY_ALLOW, POLICY_PREFIX, "10.*"),
				       rule(POLICY_ALLOW, POLICY_PREFIX, "192.16*"),
				       rule(POLICY_ALLOW, POLICY_PREFIX, "10.66*") };
	struct policy *p;

	for (size_t i = 0; i < N_ELEMENTS(rules); i++)
		rules[i].any_action = true;
	rules[3].effect = POLICY_DENY;
	assert_int_equal(policy_new(rules, N_ELEMENTS(rules), &p), 0);
	assert_int_equal(policy_decide(p, OFFICE, POLICY_CONNECT, "tcp:443", NULL), POLICY_ALLOW);
	assert_int_equal(policy_decide(p, OFFICE, POLICY_PREFIX, "10.1.0.0/16", NULL),
			 POLICY_ALLOW);
	assert_int_equal(policy_decide(p, OFFICE, POLICY_ROUTE, "10.1.0.0/16", NULL), POLICY_ALLOW);
	assert_int_equal(policy_decide(p, OFFICE, POLICY_PREFIX, "10.0.0.0/7", NULL), POLICY_DENY);
	/* letters still forbid, and no longer allow */
	assert_int_equal(policy_decide(p, OFFICE, POLICY_PREFIX, "10.66.0.0/16", NULL),
			 POLICY_DENY);
	assert_int_equal(policy_decide(p, OFFICE, POLICY_PREFIX, "192.168.0.0/16", NULL),
			 POLICY_DENY);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lies_inside_is_allowed),
		cmocka_unit_test(what_has_an_address_in_common_is_forbidden),
		cmocka_unit_test(what_names_no_network_is_no_rule_about_one),
		cmocka_unit_test(a_rule_about_every_action_is_about_networks_where_it_names_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

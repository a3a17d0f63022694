/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled form says what policy_decide() says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "core/policy/compiled.h"

static const char *const froms[] = {
	"*", "spiffe://m/node/*", "spiffe://m/node/a", "spiffe://*/node/guest-*", "uid:0",
};
static const char *const resources[] = {
	"*",	     "tcp:443", "tcp:*",   "t*",	"udp:53",  "udp:*",	"tcp:4*", "*:80",
	"tcp:*1",    "icmpv6",	"proto:*", "proto:47",	"tcp:080", "tcp:65535", "*3*",	  "tcp:0",
	"udp:6553*", "**",	"tcp:**",  "tcp:70000", "",	   "tcp:",	"i*",
};
static const char *const principals[] = {
	"spiffe://m/node/a",
	"spiffe://m/node/b",
	"spiffe://other/node/guest-1",
	"uid:0",
};

static void random_rules(struct rng *rng, struct policy_rule *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct policy_rule){
			.effect = rng_below(rng, 3) ? POLICY_ALLOW : POLICY_DENY,
			.any_action = rng_below(rng, 6) == 0,
			.action = rng_below(rng, 5) ? POLICY_CONNECT : POLICY_PING,
		};
		(void)snprintf(ret[i].from, sizeof(ret[i].from), "%s",
			       froms[rng_below(rng, N_ELEMENTS(froms))]);
		(void)snprintf(ret[i].resource, sizeof(ret[i].resource), "%s",
			       resources[rng_below(rng, N_ELEMENTS(resources))]);
	}
}

static bool decides(const struct policy *p, const char *who, enum policy_action action,
		    const char *resource)
{
	return policy_decide(p, who, action, resource, NULL) == POLICY_ALLOW;
}

static void compare(const struct policy *p, const char *who, const struct policy_ports *may,
		    unsigned step)
{
	char text[32];

	for (unsigned port = 0; port < 65536; port += port < 1024 || port > 65500 ? 1 : step) {
		(void)snprintf(text, sizeof(text), "tcp:%u", port);
		assert_int_equal(may->tcp[port >> 3] >> (port & 7) & 1,
				 decides(p, who, POLICY_CONNECT, text));
		(void)snprintf(text, sizeof(text), "udp:%u", port);
		assert_int_equal(may->udp[port >> 3] >> (port & 7) & 1,
				 decides(p, who, POLICY_CONNECT, text));
	}
	for (unsigned n = 0; n < 256; n++) {
		(void)snprintf(text, sizeof(text), "proto:%u", n);
		if (n != 6 && n != 17 && n != 58)
			assert_int_equal(may->protocols[n >> 3] >> (n & 7) & 1,
					 decides(p, who, POLICY_CONNECT, text));
	}
	assert_int_equal(may->icmp, decides(p, who, POLICY_CONNECT, "icmpv6"));
	assert_int_equal(may->ping, decides(p, who, POLICY_PING, "icmpv6"));
}

static void random_policies_compile_to_the_same_decisions(void **state)
{
	static struct policy_rule rules[12];
	static struct policy_ports may;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4711);
	for (unsigned round = 0; round < 12; round++) {
		struct policy_compiler *c;
		struct policy *p;
		size_t n = rng_below(&rng, N_ELEMENTS(rules) + 1);

		random_rules(&rng, rules, n);
		assert_int_equal(policy_new(rules, n, &p), 0);
		assert_int_equal(policy_compiler_new(p, &c), 0);
		for (unsigned i = 0; i < N_ELEMENTS(principals); i++) {
			policy_compile(c, principals[i], &may);
			compare(p, principals[i], &may, 61);
		}
		policy_free(p); /* the new policy is in force before the old one's bits go */
		policy_compiler_free(c);
	}
}

static void too_many_patterns_are_refused(void **state)
{
	static struct policy_rule rules[POLICY_COMPILED_PATTERNS_MAX + 1];
	struct policy_compiler *c = NULL;
	struct policy *p;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rules); i++) {
		rules[i] = (struct policy_rule){ .effect = POLICY_ALLOW, .action = POLICY_CONNECT };
		(void)snprintf(rules[i].from, sizeof(rules[i].from), "*");
		(void)snprintf(rules[i].resource, sizeof(rules[i].resource), "tcp:%zu*", i + 1);
	}
	assert_int_equal(policy_new(rules, N_ELEMENTS(rules), &p), 0);
	assert_int_equal(policy_compiler_new(p, &c), -ENOBUFS);
	assert_null(c);
	policy_free(p);
	assert_int_equal(policy_new(rules, N_ELEMENTS(rules) - 1, &p), 0);
	assert_int_equal(policy_compiler_new(p, &c), 0);
	policy_compiler_free(c);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies_compile_to_the_same_decisions),
		cmocka_unit_test(too_many_patterns_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

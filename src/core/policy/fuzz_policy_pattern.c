/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern, a line feed, a text: the matcher agrees with the plainest table of all
 * prefixes; taken as networks, what is allowed can be forbidden. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy/policy.h"

#define TEXT_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* reach[j]: the pattern so far matches the first j characters. */
static bool matches_by_table(const char *pattern, const char *text)
{
	bool reach[TEXT_MAX + 1] = { true };
	size_t n = strlen(text);

	for (; *pattern; pattern++) {
		for (size_t k = 0; k <= n; k++) {
			size_t j = *pattern == '*' ? k : n - k; /* each in the order it needs */

			if (*pattern == '*')
				reach[j] = reach[j] || (j > 0 && reach[j - 1]);
			else
				reach[j] = j > 0 && reach[j - 1] && text[j - 1] == *pattern;
		}
	}
	return reach[n];
}

/* What lies inside a network has an address in common with it: where it is allowed, the same words
 * forbid it. */
static void take_as_network(const char *pattern, const char *text)
{
	struct policy_rule rule = { .effect = POLICY_ALLOW, .action = POLICY_PREFIX };
	bool is_allowed;

	(void)snprintf(rule.resource, sizeof(rule.resource), "%s", pattern);
	is_allowed = policy_rule_concerns(&rule, POLICY_PREFIX, text);
	if (is_allowed && !policy_names_network(pattern))
		abort();
	rule.effect = POLICY_DENY;
	if (is_allowed && !policy_rule_concerns(&rule, POLICY_PREFIX, text))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX + 1] = { 0 };
	char *second;

	if (size > TEXT_MAX)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	second = strchr(text, '\n');
	if (!second)
		return 0;
	*second++ = '\0';
	if (strlen(text) >= POLICY_PATTERN_SIZE) {
		if (policy_pattern_matches(text, second))
			abort();
		return 0;
	}
	if (policy_pattern_matches(text, second) != matches_by_table(text, second))
		abort();
	take_as_network(text, second);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Decides by ordered rules: a forbid that matches, else an allow that matches, else no. */
#include "core/policy/policy.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/policy/internal.h"

DEFINE_FREEP(struct policy, policy_free)

static bool pattern_ends(const char *pattern)
{
	return memchr(pattern, '\0', POLICY_PATTERN_SIZE) != NULL;
}

static bool rule_is_valid(const struct policy_rule *rule)
{
	return (rule->effect == POLICY_DENY || rule->effect == POLICY_ALLOW) &&
	       (rule->any_action || (unsigned)rule->action < POLICY_N_ACTIONS) &&
	       pattern_ends(rule->from) && pattern_ends(rule->resource) &&
	       (rule->any_action || !policy_is_about_networks(rule->action) ||
		policy_names_network(rule->resource));
}

static void list_rules(struct policy *p, enum policy_action action, enum policy_effect effect)
{
	struct action_rules *list = &p->by_action[action];

	for (size_t i = 0; i < p->n; i++) {
		const struct policy_rule *rule = &p->rules[i].source;

		if (rule->effect == effect && (rule->any_action || rule->action == action))
			list->rules[list->n++] = (uint16_t)i;
	}
}

static void take_rule(struct rule *ret, const struct policy_rule *source)
{
	ret->source = *source;
	pattern_init(&ret->from, ret->source.from, strlen(source->from));
	pattern_init(&ret->resource, ret->source.resource, strlen(source->resource));
	network_pattern_init(&ret->network, source->resource);
}

int policy_new(const struct policy_rule *rules, size_t n, struct policy **ret)
{
	CLEANUP(policy_freep) struct policy *p = NULL;

	if (n > POLICY_RULES_MAX)
		return -ENOBUFS;
	for (size_t i = 0; i < n; i++)
		if (!rule_is_valid(&rules[i]))
			return -EINVAL;
	p = calloc(1, sizeof(*p) + n * sizeof(p->rules[0]));
	if (!p)
		return -ENOMEM;
	p->n = n;
	for (size_t i = 0; i < n; i++)
		take_rule(&p->rules[i], &rules[i]);
	for (unsigned action = 0; action < POLICY_N_ACTIONS; action++) {
		list_rules(p, (enum policy_action)action, POLICY_DENY);
		list_rules(p, (enum policy_action)action, POLICY_ALLOW);
	}
	*ret = TAKE(p);
	return 0;
}

void policy_free(struct policy *p)
{
	free(p);
}

static void explain_rule(const struct policy *p, size_t index, struct policy_reason *ret)
{
	const struct policy_rule *rule = &p->rules[index].source;
	const char *verb = rule->effect == POLICY_ALLOW ? "allowed" : "forbidden";

	ret->rule = (unsigned)index + 1;
	ret->line = rule->line;
	if (rule->line > 0)
		(void)snprintf(ret->text, sizeof(ret->text), "%s by rule %u (line %u)", verb,
			       ret->rule, rule->line);
	else
		(void)snprintf(ret->text, sizeof(ret->text), "%s by rule %u", verb, ret->rule);
}

static void explain_default(enum policy_action action, struct policy_reason *ret)
{
	ret->rule = 0;
	ret->line = 0;
	(void)snprintf(ret->text, sizeof(ret->text), "denied: no rule allows \"%s\" here",
		       policy_action_name(action));
}

/* What is asked about, read once for all rules. */
struct question {
	const char *text;
	size_t len;
	bool is_network, has_prefix;
	struct prefix prefix;
};

static struct question question_of(enum policy_action action, const char *resource)
{
	struct question q = { .text = resource,
			      .len = strlen(resource),
			      .is_network = policy_is_about_networks(action) };

	q.has_prefix = q.is_network && prefix_parse(resource, &q.prefix) == 0;
	return q;
}

/* A forbid also forbids what its letters match: rules about every action may have others. */
static bool resource_matches(const struct rule *rule, const struct question *q)
{
	const struct prefix *prefix = q->has_prefix ? &q->prefix : NULL;

	if (q->is_network && rule->source.effect == POLICY_ALLOW)
		return network_pattern_covers(&rule->network, prefix);
	if (q->is_network && network_pattern_meets(&rule->network, prefix))
		return true;
	return pattern_matches(&rule->resource, q->text, q->len);
}

bool policy_rule_concerns(const struct policy_rule *rule, enum policy_action action,
			  const char *resource)
{
	struct question q = question_of(action, resource);
	struct rule r;

	if (!rule->any_action && rule->action != action)
		return false;
	take_rule(&r, rule);
	return resource_matches(&r, &q);
}

enum policy_effect policy_decide(const struct policy *p, const char *principal,
				 enum policy_action action, const char *resource,
				 struct policy_reason *ret_reason)
{
	const struct action_rules *list;
	size_t principal_len = strlen(principal);
	struct question q = question_of(action, resource);

	assert((unsigned)action < POLICY_N_ACTIONS);
	list = &p->by_action[action];
	for (size_t i = 0; i < list->n; i++) {
		const struct rule *rule = &p->rules[list->rules[i]];

		if (!pattern_matches(&rule->from, principal, principal_len) ||
		    !resource_matches(rule, &q))
			continue;
		if (ret_reason)
			explain_rule(p, list->rules[i], ret_reason);
		return rule->source.effect;
	}
	if (ret_reason)
		explain_default(action, ret_reason);
	return POLICY_DENY;
}

/* A few rules take a microsecond, a thousand some thirty (test_policy prints it). */
const uint64_t policy_bounds_ns[POLICY_N_BOUNDS] = { 1000,  2000,   5000,   10000,
						     50000, 100000, 500000, 1000000 };

enum policy_effect policy_decide_timed(const struct policy *p, const char *principal,
				       enum policy_action action, const char *resource,
				       struct policy_reason *ret_reason, policy_stopwatch *now_ns,
				       struct policy_times *times)
{
	uint64_t began_ns = now_ns ? now_ns() : 0;
	enum policy_effect effect = policy_decide(p, principal, action, resource, ret_reason);
	uint64_t took_ns;
	size_t i = 0;

	if (!now_ns)
		return effect;
	took_ns = now_ns() - began_ns;
	while (i < POLICY_N_BOUNDS && took_ns > policy_bounds_ns[i])
		i++;
	times->n[i]++;
	times->sum_ns += took_ns;
	return effect;
}

void policy_times_add(struct policy_times *to, const struct policy_times *more)
{
	for (size_t i = 0; i <= POLICY_N_BOUNDS; i++)
		to->n[i] += more->n[i];
	to->sum_ns += more->sum_ns;
}

static const char *const action_names[POLICY_N_ACTIONS] = {
	[POLICY_SESSION] = "session", [POLICY_PREFIX] = "prefix", [POLICY_CONNECT] = "connect",
	[POLICY_PING] = "ping",	      [POLICY_API] = "api",	  [POLICY_INVITE] = "invite",
	[POLICY_ISSUE] = "issue",     [POLICY_HEAL] = "heal",	  [POLICY_RELAY] = "relay",
	[POLICY_ROUTE] = "route",     [POLICY_SURVEY] = "survey",
};

const char *policy_action_name(enum policy_action action)
{
	return (unsigned)action < POLICY_N_ACTIONS ? action_names[action] : NULL;
}

int policy_action_parse(const char *name, enum policy_action *ret)
{
	for (unsigned i = 0; i < POLICY_N_ACTIONS; i++) {
		if (strcmp(name, action_names[i]) == 0) {
			*ret = (enum policy_action)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* A decimal number without leading zeros, and nothing after it. */
static bool is_number(const char *text, unsigned max)
{
	unsigned n = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned)(*text - '0');
		if (n > max)
			return false;
	}
	return true;
}

static bool is_flow(const char *resource)
{
	if (strncmp(resource, "tcp:", 4) == 0 || strncmp(resource, "udp:", 4) == 0)
		return is_number(resource + 4, UINT16_MAX);
	if (strncmp(resource, "proto:", 6) == 0)
		return is_number(resource + 6, UINT8_MAX);
	return strcmp(resource, "icmpv6") == 0 || strcmp(resource, "icmp") == 0;
}

static bool is_prefix(const char *resource)
{
	size_t len = strspn(resource, "0123456789abcdefABCDEF:.");

	return len > 0 && resource[len] == '/' && is_number(resource + len + 1, 128);
}

bool policy_resource_is_asked(enum policy_action action, const char *resource)
{
	switch (action) {
	case POLICY_CONNECT:
		return is_flow(resource);
	case POLICY_PREFIX:
	case POLICY_ROUTE:
		return is_prefix(resource);
	case POLICY_ISSUE:
		return strncmp(resource, "spiffe://", 9) == 0;
	case POLICY_API:
	case POLICY_HEAL:
		return *resource != '\0';
	case POLICY_SESSION:
	case POLICY_PING:
	case POLICY_INVITE:
	case POLICY_RELAY:
	case POLICY_SURVEY:
	case POLICY_N_ACTIONS:
		break;
	}
	return *resource == '\0';
}

const char *policy_resource_text(enum policy_action action)
{
	static const char *const texts[POLICY_N_ACTIONS] = {
		[POLICY_SESSION] = "none",
		[POLICY_PREFIX] = "a prefix, such as 2001:db8::/32",
		[POLICY_CONNECT] =
			"tcp:PORT, udp:PORT, icmpv6, icmp or proto:NUMBER, such as tcp:22",
		[POLICY_PING] = "none",
		[POLICY_API] = "a command's name, such as status",
		[POLICY_INVITE] = "none",
		[POLICY_ISSUE] = "the SPIFFE ID, such as spiffe://example.mesh/node/web",
		[POLICY_HEAL] = "an action's name",
		[POLICY_RELAY] = "none",
		[POLICY_ROUTE] = "a prefix that this node offers, such as 192.168.7.0/24",
		[POLICY_SURVEY] = "none",
	};

	return (unsigned)action < POLICY_N_ACTIONS ? texts[action] : "none";
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rules to bits: each rule's resource is the set of ports that it matches; then the first rule that
 * has a port decides on it, as policy_decide() has it. */
#include "core/policy/compiled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/policy/internal.h"

#define PORTS 65536
#define WORDS (PORTS / 64)
#define RESOURCE_SIZE 32
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMPV6 58

enum transport {
	TCP,
	UDP,
	N_TRANSPORTS,
};

static const char *const prefixes[N_TRANSPORTS] = { "tcp:", "udp:" };

/* The ports that one pattern matches. */
struct ports {
	bool is_none, is_all;
	long only; /* this one; -1: see bits */
	uint64_t *bits;
};

struct policy_compiler {
	const struct policy *policy;
	size_t n;
	struct ports (*rules)[N_TRANSPORTS]; /* n, by rule; those of POLICY_CONNECT alone */
};

DEFINE_FREEP(struct policy_compiler, policy_compiler_free)

static int enumerate(const struct pattern *p, enum transport t, struct ports *ret)
{
	char text[RESOURCE_SIZE];

	ret->bits = calloc(WORDS, sizeof(*ret->bits));
	if (!ret->bits)
		return -ENOMEM;
	for (unsigned port = 0; port < PORTS; port++) {
		int len = snprintf(text, sizeof(text), "%s%u", prefixes[t], port);

		if (pattern_matches(p, text, (size_t)len))
			ret->bits[port / 64] |= UINT64_C(1) << port % 64;
	}
	return 0;
}

/* "tcp:443" and nothing else: what a resource looks like, without leading zeros. */
static void take_exact(const char *text, enum transport t, struct ports *ret)
{
	char again[RESOURCE_SIZE];
	unsigned long port =
		strncmp(text, prefixes[t], 4) == 0 ? strtoul(text + 4, NULL, 10) : PORTS;

	(void)snprintf(again, sizeof(again), "%s%lu", prefixes[t], port);
	ret->is_none = port >= PORTS || strcmp(again, text) != 0;
	ret->only = ret->is_none ? -1 : (long)port;
}

static int take_pattern(const struct pattern *p, enum transport t, unsigned *n_patterns,
			struct ports *ret)
{
	size_t shared = p->prefix_len < 4 ? p->prefix_len : 4;

	*ret = (struct ports){ .only = -1 };
	if (!p->has_star) {
		take_exact(p->text, t, ret);
		return 0;
	}
	ret->is_none = strncmp(p->text, prefixes[t], shared) != 0;
	/* nothing but stars behind "", "t", ... "tcp:" */
	ret->is_all = !ret->is_none && p->prefix_len <= 4 &&
		      strspn(p->text + p->prefix_len, "*") == p->len - p->prefix_len;
	if (ret->is_none || ret->is_all)
		return 0;
	if (++*n_patterns > POLICY_COMPILED_PATTERNS_MAX)
		return -ENOBUFS;
	return enumerate(p, t, ret);
}

int policy_compiler_new(const struct policy *p, struct policy_compiler **ret)
{
	CLEANUP(policy_compiler_freep) struct policy_compiler *c = calloc(1, sizeof(*c));
	const struct action_rules *list = &p->by_action[POLICY_CONNECT];
	unsigned n_patterns = 0;

	if (!c)
		return -ENOMEM;
	c->policy = p;
	c->n = p->n;
	c->rules = calloc(p->n ? p->n : 1, sizeof(*c->rules));
	if (!c->rules)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++) {
		const struct rule *rule = &p->rules[list->rules[i]];

		for (unsigned t = 0; t < N_TRANSPORTS; t++) {
			int r = take_pattern(&rule->resource, (enum transport)t, &n_patterns,
					     &c->rules[list->rules[i]][t]);

			if (r < 0)
				return r;
		}
	}
	*ret = TAKE(c);
	return 0;
}

void policy_compiler_free(struct policy_compiler *c)
{
	if (!c)
		return;
	for (size_t i = 0; c->rules && i < c->n; i++)
		for (unsigned t = 0; t < N_TRANSPORTS; t++)
			free(c->rules[i][t].bits);
	free(c->rules);
	free(c);
}

/* What this rule has and none before it had. */
static uint64_t fresh_bits(const struct ports *p, size_t word, uint64_t decided)
{
	uint64_t bits = 0;

	if (p->is_all)
		bits = UINT64_MAX;
	else if (p->only >= 0 && (size_t)p->only / 64 == word)
		bits = UINT64_C(1) << p->only % 64;
	else if (p->bits)
		bits = p->bits[word];
	return bits & ~decided;
}

static void decide_ports(const struct policy_compiler *c, const char *principal, enum transport t,
			 uint8_t ret[PORTS / 8])
{
	const struct action_rules *list = &c->policy->by_action[POLICY_CONNECT];
	uint64_t allowed[WORDS] = { 0 };
	uint64_t decided[WORDS] = { 0 };
	size_t len = strlen(principal);

	for (size_t i = 0; i < list->n; i++) {
		const struct rule *rule = &c->policy->rules[list->rules[i]];
		const struct ports *p = &c->rules[list->rules[i]][t];

		if (p->is_none || !pattern_matches(&rule->from, principal, len))
			continue;
		for (size_t w = 0; w < WORDS; w++) {
			uint64_t fresh = fresh_bits(p, w, decided[w]);

			decided[w] |= fresh;
			if (rule->source.effect == POLICY_ALLOW)
				allowed[w] |= fresh;
		}
	}
	for (size_t port = 0; port < PORTS; port += 8)
		ret[port / 8] = (uint8_t)(allowed[port / 64] >> port % 64);
}

static bool may(const struct policy_compiler *c, const char *principal, enum policy_action action,
		const char *resource)
{
	return policy_decide(c->policy, principal, action, resource, NULL) == POLICY_ALLOW;
}

void policy_compile(const struct policy_compiler *c, const char *principal,
		    struct policy_ports *ret)
{
	memset(ret, 0, sizeof(*ret));
	decide_ports(c, principal, TCP, ret->tcp);
	decide_ports(c, principal, UDP, ret->udp);
	for (unsigned n = 0; n < 256; n++) {
		char resource[RESOURCE_SIZE];

		if (n == PROTOCOL_TCP || n == PROTOCOL_UDP || n == PROTOCOL_ICMPV6)
			continue; /* they are never asked about by number */
		(void)snprintf(resource, sizeof(resource), "proto:%u", n);
		if (may(c, principal, POLICY_CONNECT, resource))
			ret->protocols[n / 8] |= (uint8_t)(1U << n % 8);
	}
	ret->icmp = may(c, principal, POLICY_CONNECT, "icmpv6");
	ret->ping = may(c, principal, POLICY_PING, "icmpv6");
}

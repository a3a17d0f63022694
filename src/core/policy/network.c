/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that a rule names: how they are written, and what lies in them. */
#include "core/policy/network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/policy/policy.h"

#define PARTS_IPV4 4
#define PARTS_IPV6 8
#define EXITS "*/0"

static unsigned count(const char *text, size_t len, char what)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == what;
	return n;
}

/* "192.168.*" is 192.168.0.0/16, and so is "192.168.*.*"; "2001:db8:*" is 2001:db8::/32. Where a
 * part is cut ("192.16*") or zeros are left out ("fe80::*") one cannot say how long it is. */
static int parse_parts(const char *text, struct prefix *ret)
{
	bool is_ipv6 = strchr(text, ':');
	char between = is_ipv6 ? ':' : '.';
	unsigned n_max = is_ipv6 ? PARTS_IPV6 : PARTS_IPV4, n_stars = 0, n;
	char whole[PREFIX_TEXT_SIZE + 2 * PARTS_IPV6];
	size_t len = strlen(text), at;

	while (len >= 2 && text[len - 1] == '*' && text[len - 2] == between) {
		len -= 2;
		n_stars++;
	}
	n = count(text, len, between) + 1;
	if (n_stars == 0 || len == 0 || len >= PREFIX_TEXT_SIZE || memchr(text, '*', len) ||
	    strstr(text, "::") || n + n_stars > n_max)
		return -EINVAL;
	at = (size_t)snprintf(whole, sizeof(whole), "%.*s", (int)len, text);
	for (unsigned i = n; i < n_max; i++) {
		whole[at++] = between;
		whole[at++] = '0';
	}
	(void)snprintf(whole + at, sizeof(whole) - at, "/%u", n * (is_ipv6 ? 16 : 8));
	return prefix_parse(whole, ret);
}

void network_pattern_init(struct network_pattern *ret, const char *text)
{
	*ret = (struct network_pattern){ .kind = NETWORK_NONE };
	if (*text && strspn(text, "*") == strlen(text)) {
		ret->kind = NETWORK_ALL;
	} else if (strcmp(text, EXITS) == 0) {
		ret->kind = NETWORK_EXITS;
		ret->is_either = true;
	} else if (strchr(text, '/') && prefix_parse(text, &ret->prefix) == 0) {
		ret->kind = prefix_is_default(&ret->prefix) ? NETWORK_EXITS : NETWORK_WITHIN;
	} else if (parse_parts(text, &ret->prefix) == 0) {
		ret->kind = NETWORK_WITHIN;
	}
}

bool policy_names_network(const char *resource)
{
	struct network_pattern p;

	network_pattern_init(&p, resource);
	return p.kind != NETWORK_NONE;
}

bool policy_is_about_networks(enum policy_action action)
{
	return action == POLICY_PREFIX || action == POLICY_ROUTE;
}

static bool is_exit_of(const struct network_pattern *p, const struct prefix *prefix)
{
	return prefix_is_exit(prefix) &&
	       (p->is_either || prefix_is_ipv4(&p->prefix) == prefix_is_ipv4(prefix));
}

bool network_pattern_covers(const struct network_pattern *p, const struct prefix *prefix)
{
	switch (p->kind) {
	case NETWORK_NONE:
		break;
	case NETWORK_ALL:
		return true;
	case NETWORK_EXITS:
		return prefix && is_exit_of(p, prefix);
	case NETWORK_WITHIN:
		return prefix && prefix_contains(&p->prefix, prefix);
	}
	return false;
}

/* An exit has every network inside, and is chosen by hand: who forbids a network does not forbid
 * that. */
bool network_pattern_meets(const struct network_pattern *p, const struct prefix *prefix)
{
	if (p->kind != NETWORK_WITHIN)
		return network_pattern_covers(p, prefix);
	return prefix && !prefix_is_default(prefix) && prefix_overlaps(&p->prefix, prefix);
}

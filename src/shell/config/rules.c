/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of sections: peers to connect to, and rules of the policy. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "shell/config/rules.h"

bool hostport_is_valid(const char *text)
{
	struct endpoint unused;
	const char *colon = strchr(text, ':');
	size_t host_len = colon ? (size_t)(colon - text) : strlen(text);

	if (endpoint_parse(text, CONFIG_PORT_DEFAULT, &unused) == 0)
		/* an IPv6 address without brackets could take the port for its last group */
		return text[0] == '[' || endpoint_is_ipv4(&unused);
	if (host_len == 0 || host_len > 253) /* RFC 1035 2.3.4 */
		return false;
	for (size_t i = 0; i < host_len; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("-._", text[i]))
			return false;
	}
	if (!colon)
		return true;
	char *end;
	unsigned long port = strtoul(colon + 1, &end, 10);

	return isdigit((unsigned char)colon[1]) && *end == '\0' && port >= 1 && port <= UINT16_MAX;
}

/* ---- peers ---- */

static int set_peer_member(struct config_peer *p, const struct tree *t,
			   struct config_report *report)
{
	if (t->kind != TREE_SCALAR)
		return report_error(report, t->line, "peers: %s must be a single value", t->key);
	if (strcmp(t->key, "endpoint") == 0) {
		if (!hostport_is_valid(t->text))
			return report_error(report, t->line, "peers: %.60s is no host:port",
					    t->text);
		(void)snprintf(p->endpoint, sizeof(p->endpoint), "%s", t->text);
		return 0;
	}
	if (strcmp(t->key, "name") == 0) {
		if (strncmp(t->text, "spiffe://", 9) != 0 || strlen(t->text) >= sizeof(p->name))
			return report_error(report, t->line,
					    "peers: name %.60s is no SPIFFE ID; allowed: "
					    "spiffe://<domain>/node/<name>",
					    t->text);
		(void)snprintf(p->name, sizeof(p->name), "%s", t->text);
		return 0;
	}
	return report_error(report, t->line, "peers: unknown key %.60s; allowed: endpoint, name",
			    t->key);
}

/* Whether an earlier entry of the same section has this key. */
static bool is_second(const struct tree *t)
{
	for (const struct tree *i = t->parent->first; i != t; i = i->next) {
		if (strcmp(i->key, t->key) == 0)
			return true;
	}
	return false;
}

static int set_peer(struct config_peer *p, const struct tree *t, struct config_report *report)
{
	int r = 0;

	*p = (struct config_peer){ .line = t->line };
	if (t->kind == TREE_SCALAR && hostport_is_valid(t->text)) {
		(void)snprintf(p->endpoint, sizeof(p->endpoint), "%s", t->text);
		return 0;
	}
	if (t->kind != TREE_MAP)
		return report_error(report, t->line,
				    "peers: %.60s is no peer; allowed: host:port, or "
				    "{ endpoint: host:port, name: spiffe://... }",
				    t->kind == TREE_SCALAR ? t->text : "this");
	for (const struct tree *i = t->first; i && r == 0; i = i->next)
		r = is_second(i)
			    ? report_error(report, i->line, "peers: %.60s is given twice", i->key)
			    : set_peer_member(p, i, report);
	if (r == 0 && p->endpoint[0] == '\0')
		return report_error(report, t->line, "peers: an entry without endpoint");
	return r;
}

static size_t count(const struct tree *t)
{
	size_t n = 0;

	for (const struct tree *i = t->first; i; i = i->next)
		n++;
	return n;
}

int peers_set(struct config *c, const struct tree *t, struct config_report *report)
{
	size_t n = count(t);
	CLEANUP_FREE struct config_peer *peers = calloc(n + 1, sizeof(*peers));
	int failed = 0;

	if (!peers)
		return -ENOMEM;
	n = 0;
	for (const struct tree *i = t->first; i; i = i->next) {
		int r = set_peer(&peers[n++], i, report);

		failed = r < 0 ? r : failed;
	}
	if (failed < 0)
		return failed;
	free(c->peers);
	c->peers = TAKE(peers);
	c->n_peers = n;
	return 0;
}

void peer_print(const struct config_peer *p, FILE *to)
{
	(void)fputs("{\"endpoint\": ", to);
	print_quoted(p->endpoint, to);
	if (p->name[0]) {
		(void)fputs(", \"name\": ", to);
		print_quoted(p->name, to);
	}
	(void)fputc('}', to);
}

/* ---- rules ---- */

struct rules {
	struct policy_rule *list;
	size_t n;
	struct config_report *report;
};

static int add_action(struct rules *rules, const struct policy_rule *template, const struct tree *t)
{
	struct policy_rule *rule;

	if (t->kind != TREE_SCALAR)
		return report_error(rules->report, t->line, "policy: an action must be a word");
	if (rules->n == POLICY_RULES_MAX)
		return report_error(rules->report, t->line,
				    "policy: more than %u rules; a list of actions counts as one "
				    "rule for each",
				    POLICY_RULES_MAX);
	rule = &rules->list[rules->n];
	*rule = *template;
	if (strcmp(t->text, "*") == 0) {
		rule->any_action = true;
	} else if (policy_action_parse(t->text, &rule->action) < 0) {
		char names[128] = "*";

		for (unsigned a = 0; a < POLICY_N_ACTIONS; a++) {
			size_t len = strlen(names);

			(void)snprintf(names + len, sizeof(names) - len, ", %s",
				       policy_action_name((enum policy_action)a));
		}
		return report_error(rules->report, t->line,
				    "policy: unknown action %.40s; allowed: %s", t->text, names);
	}
	if (!rule->any_action && policy_is_about_networks(rule->action) &&
	    !policy_names_network(rule->resource))
		return report_error(
			rules->report, t->line,
			"policy: \"%.60s\" names no network for %s; allowed: " POLICY_NETWORK_TEXT,
			rule->resource, policy_action_name(rule->action));
	rules->n++;
	return 0;
}

static int set_pattern(char ret[POLICY_PATTERN_SIZE], const struct tree *t,
		       struct config_report *report)
{
	if (t->kind != TREE_SCALAR)
		return report_error(report, t->line, "policy: %s must be a single value", t->key);
	if (ret[0] != '\0') /* to and resource are the same */
		return report_error(report, t->line, "policy: %s is given twice", t->key);
	if (t->text[0] == '\0')
		return report_error(report, t->line, "policy: %s is empty; \"*\" is for all",
				    t->key);
	if (strlen(t->text) >= POLICY_PATTERN_SIZE)
		return report_error(report, t->line,
				    "policy: %s is too long; allowed: at most %u characters",
				    t->key, POLICY_PATTERN_SIZE - 1);
	(void)snprintf(ret, POLICY_PATTERN_SIZE, "%s", t->text);
	return 0;
}

/* One member of a rule; what it allows or forbids goes to ret_actions. */
static int set_rule_member(struct policy_rule *rule, const struct tree *t,
			   const struct tree **ret_actions, struct config_report *report)
{
	bool is_effect = strcmp(t->key, "allow") == 0 || strcmp(t->key, "forbid") == 0;

	if (is_second(t))
		return report_error(report, t->line, "policy: %.60s is given twice", t->key);
	if (is_effect && *ret_actions)
		return report_error(report, t->line, "policy: one rule with both allow and forbid");
	if (is_effect) {
		rule->effect = t->key[0] == 'a' ? POLICY_ALLOW : POLICY_DENY;
		*ret_actions = t;
		return 0;
	}
	if (strcmp(t->key, "from") == 0)
		return set_pattern(rule->from, t, report);
	if (strcmp(t->key, "to") == 0 || strcmp(t->key, "resource") == 0)
		return set_pattern(rule->resource, t, report);
	return report_error(report, t->line,
			    "policy: unknown key %.60s; allowed: allow, forbid, from, to", t->key);
}

static int add_rule(struct rules *rules, const struct tree *t)
{
	struct policy_rule rule = { .line = t->line };
	const struct tree *actions = NULL;
	int r = 0;

	if (t->kind != TREE_MAP)
		return report_error(rules->report, t->line,
				    "policy: this is no rule; allowed: { allow|forbid: action or "
				    "list, from: pattern, to: pattern }");
	for (const struct tree *i = t->first; i && r == 0; i = i->next)
		r = set_rule_member(&rule, i, &actions, rules->report);
	if (r < 0)
		return r;
	if (!actions)
		return report_error(rules->report, t->line, "policy: a rule needs allow or forbid");
	if (rule.from[0] == '\0')
		return report_error(rules->report, t->line,
				    "policy: a rule needs from; \"*\" for everybody");
	if (rule.resource[0] == '\0')
		(void)snprintf(rule.resource, sizeof(rule.resource), "*");
	if (actions->kind != TREE_LIST)
		return add_action(rules, &rule, actions);
	if (!actions->first)
		return report_error(rules->report, actions->line, "policy: an empty list");
	for (const struct tree *i = actions->first; i && r == 0; i = i->next)
		r = add_action(rules, &rule, i);
	return r;
}

int rules_set(struct config *c, const struct tree *t, struct config_report *report)
{
	CLEANUP_FREE struct policy_rule *list = calloc(POLICY_RULES_MAX, sizeof(*list));
	struct rules rules = { .list = list, .report = report };
	int failed = 0;

	if (!list)
		return -ENOMEM;
	for (const struct tree *i = t->first; i; i = i->next) {
		int r = add_rule(&rules, i);

		failed = r < 0 ? r : failed;
	}
	if (failed < 0)
		return failed;
	free(c->rules);
	c->rules = calloc(rules.n + 1, sizeof(*list));
	c->n_rules = 0;
	if (!c->rules)
		return -ENOMEM;
	memcpy(c->rules, list, rules.n * sizeof(*list));
	c->n_rules = rules.n;
	return 0;
}

void rule_print(const struct policy_rule *r, FILE *to)
{
	(void)fprintf(to, "{\"%s\": ", r->effect == POLICY_ALLOW ? "allow" : "forbid");
	print_quoted(r->any_action ? "*" : policy_action_name(r->action), to);
	(void)fputs(", \"from\": ", to);
	print_quoted(r->from, to);
	(void)fputs(", \"to\": ", to);
	print_quoted(r->resource, to);
	(void)fputc('}', to);
}

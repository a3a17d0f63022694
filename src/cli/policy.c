/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 policy`: is a file's policy sound, and what would it decide? */
#include "core/policy/policy.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "core/identity/identity.h"

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct policy, policy_free)

static int load(struct cli *c, const char *path, struct config **ret_config, struct policy **ret)
{
	int r;

	if (path)
		c->config_path = path;
	r = cli_config_load(c, ret_config);
	if (r != 0)
		return r;
	r = policy_new((*ret_config)->rules, (*ret_config)->n_rules, ret);
	if (r < 0)
		return cli_fail(c, CLI_FAILED, "policy", "the rules cannot be used: %s",
				r == -ENOBUFS ? "there are too many" : strerror(-r));
	return 0;
}

static int check(struct cli *c)
{
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(policy_freep) struct policy *policy = NULL;
	size_t n_forbid = 0;
	int r;

	if (c->n_args > 2)
		return cli_usage(c, "one file: x0 policy check FILE");
	r = load(c, c->n_args == 2 ? c->args[1] : NULL, &config, &policy);
	if (r != 0)
		return r;
	for (size_t i = 0; i < config->n_rules; i++)
		n_forbid += config->rules[i].effect == POLICY_DENY;
	cli_say(c, "%zu rules%s: %zu allow, %zu forbid. What no rule allows is denied.%s",
		config->n_rules,
		config->n_rules > 0 && config->rules[0].line == 0 ? " of the default policy" : "",
		config->n_rules - n_forbid, n_forbid,
		config->n_rules == 0 ? " That is everything." : "");
	cli_json(c, json_pack("{s:b, s:I, s:I, s:I}", "is_valid", 1, "rules",
			      (json_int_t)config->n_rules, "allow",
			      (json_int_t)(config->n_rules - n_forbid), "forbid",
			      (json_int_t)n_forbid));
	return 0;
}

static int show(struct cli *c, json_t *answer)
{
	bool is_allowed = strcmp(json_text(answer, "effect"), "allow") == 0;

	bool is_default = json_number(answer, "rule") > 0 && json_number(answer, "line") == 0;

	cli_say(c, "%s%s%s: %s%s%s for %s (%s%s)", cli_colour(c, is_allowed ? CLI_GREEN : CLI_RED),
		json_text(answer, "effect"), cli_colour(c, CLI_PLAIN), json_text(answer, "action"),
		json_text(answer, "resource")[0] ? " " : "", json_text(answer, "resource"),
		json_text(answer, "from"), json_text(answer, "reason"),
		is_default ? " of the default policy" : "");
	cli_json(c, answer);
	return 0;
}

/* The same answer as the daemon's, from a file that is not in force. */
static int explain_file(struct cli *c, const char *path, const char *resource)
{
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(policy_freep) struct policy *policy = NULL;
	struct policy_reason reason;
	enum policy_action action;
	enum policy_effect effect;
	char principal[SPIFFE_ID_SIZE];
	int r;

	if (policy_action_parse(c->args[2], &action) < 0)
		return cli_usage(c, "there is no action \"%s\"", c->args[2]);
	if (!policy_resource_is_asked(action, resource))
		return cli_usage(c, "%s is never asked about \"%s\"; its resource is %s",
				 c->args[2], resource, policy_resource_text(action));
	r = load(c, path, &config, &policy);
	if (r != 0)
		return r;
	if (strchr(c->args[1], ':'))
		(void)snprintf(principal, sizeof(principal), "%.255s", c->args[1]);
	else if (spiffe_id_format(config->domain, c->args[1], principal) < 0)
		return cli_usage(c, "\"%s\" is no name of a node", c->args[1]);
	effect = policy_decide(policy, principal, action, resource, &reason);
	return show(c,
		    json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s}", "effect",
			      effect == POLICY_ALLOW ? "allow" : "deny", "from", principal,
			      "action", c->args[2], "resource", resource, "rule", (int)reason.rule,
			      "line", (int)reason.line, "reason", reason.text));
}

static int explain(struct cli *c)
{
	const char *resource = c->n_args > 3 ? c->args[3] : "";
	const char *file = cli_value(c, "file");
	json_t *answer = NULL;
	int r;

	if (c->n_args < 3)
		return cli_usage(c, "who and what: x0 policy explain NODE ACTION [RESOURCE]");
	if (file)
		return explain_file(c, file, resource);
	r = cli_call(c, "policy.explain",
		     json_pack("{s:s, s:s, s:s}", "from", c->args[1], "action", c->args[2],
			       "resource", resource),
		     &answer);
	return r == 0 ? show(c, answer) : r;
}

int verb_policy(struct cli *c)
{
	if (strcmp(c->args[0], "check") == 0)
		return check(c);
	if (strcmp(c->args[0], "explain") == 0)
		return explain(c);
	return cli_usage(c, "check or explain, not \"%s\"", c->args[0]);
}

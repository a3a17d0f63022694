/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that ask the daemon one question: status, peers, routes, exit, resolve, node, svid. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "shell/store/store.h"

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct control_client, control_client_free)
DEFINE_FREEP(struct store, store_close)

static int ask_and_show(struct cli *c, const char *verb,
			void (*view)(struct cli *c, const json_t *answer))
{
	json_t *answer = NULL;
	int r = cli_call(c, verb, NULL, &answer);

	if (r != 0)
		return r;
	if (!c->is_json)
		view(c, answer);
	cli_json(c, answer);
	return 0;
}

int verb_status(struct cli *c)
{
	return ask_and_show(c, "status", view_status);
}

int verb_peers(struct cli *c)
{
	return ask_and_show(c, "peers", view_peers);
}

int verb_routes(struct cli *c)
{
	if (c->n_args == 0)
		return ask_and_show(c, "routes", view_routes);
	if (strcmp(c->args[0], "offered") == 0)
		return ask_and_show(c, "routes.offered", view_offered);
	if (strcmp(c->args[0], "paths") == 0)
		return ask_and_show(c, "routes", view_paths);
	return cli_usage(c, "offered or paths, not \"%s\"", c->args[0]);
}

/* ---- exit ---- */

static int exit_change(struct cli *c, const char *verb, json_t *args)
{
	json_t *answer = NULL;
	int r = cli_call(c, verb, args, &answer);

	if (r != 0)
		return r;
	if (!c->is_json)
		view_exit(c, answer);
	cli_json(c, answer);
	return 0;
}

static bool is_running(const char *socket)
{
	CLEANUP(control_client_freep) struct control_client *client = NULL;
	char why[CONTROL_WHY_SIZE];
	int r = control_client_open(socket, &client, why);

	return r != -ENOENT && r != -ECONNREFUSED;
}

/* The choice, which the next daemon would follow. */
static int forget_exit(struct cli *c)
{
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(store_closep) struct store *s = NULL;
	struct store_error e;
	int r = cli_config_or_default(c, &config);

	if (r == 0)
		r = setup_store(c, config, &s);
	if (r != 0)
		return r;
	r = store_remove(s, STORE_EXIT, &e);
	return r < 0 ? cli_fail(c, CLI_FAILED, "state", "%s", e.text) : 0;
}

/* Whom the rules of a daemon that was killed keep from the internet cannot be asked to start it. */
static int exit_off(struct cli *c)
{
	json_auto_t *undone = NULL;
	char socket[CONFIG_TEXT_SIZE];
	bool has_left = false;
	int r = cli_socket(c, socket);

	if (r == 0 && geteuid() == 0 && !is_running(socket))
		r = cli_left(c, &has_left, &undone);
	if (r != 0)
		return r;
	if (!has_left)
		return exit_change(c, "exit.off", NULL);
	r = forget_exit(c);
	if (r != 0)
		return r;
	cli_say(c, "No exit is in use. The daemon does not run; to start it: x0 up.");
	cli_json(c, json_pack("{s:s, s:b, s:O}", "exit", "", "is_in_use", 0, "undone", undone));
	return 0;
}

int verb_exit(struct cli *c)
{
	if (c->n_args == 0)
		return ask_and_show(c, "exit", view_exit);
	if (strcmp(c->args[0], "use") == 0) {
		if (c->n_args != 2)
			return cli_usage(c, "name the node, or any: x0 exit use NAME");
		return exit_change(c, "exit.use", json_pack("{s:s}", "name", c->args[1]));
	}
	if (strcmp(c->args[0], "off") == 0 && c->n_args == 1)
		return exit_off(c);
	return cli_usage(c, "use NAME or off, not \"%s\"", c->args[0]);
}

/* ---- resolve ---- */

int verb_resolve(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "resolve", json_pack("{s:s}", "target", c->args[0]), &answer);
	const char *name;

	if (r != 0)
		return r;
	name = json_text(answer, "name");
	cli_say(c, "%s  %s%s", name[0] ? name : "(its name is not known here yet)",
		json_text(answer, "address"),
		json_flag(answer, "is_self")	    ? "  (this node)"
		: json_flag(answer, "is_reachable") ? ""
						    : "  (not reachable now)");
	cli_json(c, answer);
	return 0;
}

/* ---- node ---- */

static int node_list(struct cli *c)
{
	json_t *issued = NULL;
	json_t *status = NULL;
	int r = cli_call(c, "status", NULL, &status);

	if (r != 0)
		return r;
	if (!json_flag(status, "is_authority")) {
		r = cli_fail(c, CLI_FAILED, "not_authority",
			     "only the node that holds the authority knows whom it admitted; run "
			     "x0 node list on %s. What this node reaches: x0 routes",
			     json_text(status, "authority"));
		json_decref(status);
		return r;
	}
	json_decref(status);
	r = cli_call(c, "node.list", NULL, &issued);
	if (r != 0)
		return r;
	if (!c->is_json)
		view_issued(c, issued);
	cli_json(c, issued);
	return 0;
}

static int node_revoke(struct cli *c)
{
	json_t *answer = NULL;
	int r;

	if (c->n_args != 2)
		return cli_usage(c, "name the node: x0 node revoke NAME");
	r = cli_call(c, "node.revoke", json_pack("{s:s}", "name", c->args[1]), &answer);
	if (r != 0)
		return r;
	cli_say(c,
		"%s is revoked. Every node that is reached closes its sessions with it at once, "
		"and a new\nnetwork key is used; invitations made before no longer work.",
		c->args[1]);
	cli_json(c, answer);
	return 0;
}

static int node_rotate(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "node.rotate", NULL, &answer);

	if (r != 0)
		return r;
	cli_say(c, "A new network key is spread to all members; the old one stays valid for 7 "
		   "days.\nInvitations made before then are void; make new ones: x0 invite");
	cli_json(c, answer);
	return 0;
}

int verb_node(struct cli *c)
{
	const char *action = c->args[0];

	if (strcmp(action, "revoke") == 0)
		return node_revoke(c);
	if (c->n_args > 1)
		return cli_usage(c, "x0 node %s takes no name", action);
	if (strcmp(action, "list") == 0)
		return node_list(c);
	if (strcmp(action, "rotate-key") == 0)
		return node_rotate(c);
	return cli_usage(c, "list, revoke NAME or rotate-key, not \"%s\"", action);
}

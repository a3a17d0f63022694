/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 join`: makes this machine a member of a mesh. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/joining.h"
#include "cli/prompt.h"
#include "shell/loop/loop.h"

#ifndef X0_BUILD_UNIX_S
#define X0_BUILD_UNIX_S 0
#endif

#define CLOCK_SLOW_S 60 /* behind the floor by more than this is worth a word */

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct store, store_close)

/* ---- the invitation ---- */

/* It is a secret: not shown while it is typed. One that is too long is cut, and refused then. */
static int read_invitation(struct cli *c, char text[INVITE_TEXT_MAX])
{
	int r = prompt_line(c, "Invitation (x0://..., as x0 invite printed it): ", text,
			    INVITE_TEXT_MAX);

	if (r < 0 && r != -EMSGSIZE)
		return cli_usage(c, "there is no invitation on standard input; get one on a member "
				    "with the authority: x0 invite");
	return 0;
}

static int get_invite(struct cli *c, struct invite *ret)
{
	char text[INVITE_TEXT_MAX] = "";
	const char *reason = "";
	int r = 0;

	if (c->n_args > 0 && strcmp(c->args[0], "-") != 0) {
		(void)snprintf(text, sizeof(text), "%s", c->args[0]);
		bytes_wipe(c->args[0], strlen(c->args[0])); /* others see it in `ps` */
	} else {
		r = read_invitation(c, text);
	}
	if (r == 0) {
		text[strcspn(text, " \t\r\n")] = '\0';
		if (invite_parse(text, ret, &reason) < 0)
			r = cli_fail(c, CLI_USAGE, "invitation",
				     "this is no invitation. %s Copy it whole, or get a new one: "
				     "x0 invite",
				     reason);
	}
	bytes_wipe(text, sizeof(text));
	return r;
}

/* ---- the configuration ---- */

static int say_not_written(struct cli *c, int r, const char *path)
{
	return cli_fail(c, setup_exit_of(r), "config", "cannot write %s: %s%s", path, strerror(-r),
			geteuid() != 0 ? "; as root: sudo x0 join ..." : "");
}

/* The file as it will be: a default one, or the one that is there, with the authority as peer. */
static int compose_config(const char *old, const char *domain, const char *name,
			  const char *endpoint, const char *authority, char **ret, size_t *ret_len)
{
	FILE *memory = open_memstream(ret, ret_len);

	if (!memory)
		return -ENOMEM;
	if (old)
		(void)fputs(old, memory);
	else
		config_print_default_file(domain, name, memory);
	if (endpoint)
		(void)fprintf(memory,
			      "\n# Where this node joined: the node that holds the authority.\n"
			      "peers:\n  - endpoint: \"%s\"\n    name: \"%s\"\n",
			      endpoint, authority);
	return fclose(memory) == 0 ? 0 : -ENOMEM;
}

static int read_file(const char *path, char **ret)
{
	FILE *f = fopen(path, "re");
	size_t len = 0;
	char *text;

	if (!f)
		return -errno;
	text = calloc(1, CONFIG_FILE_MAX + 1);
	if (text)
		len = fread(text, 1, CONFIG_FILE_MAX, f);
	(void)fclose(f);
	if (!text)
		return -ENOMEM;
	text[len] = '\0';
	*ret = text;
	return 0;
}

static bool has_peer(const struct config *config, const char *endpoint)
{
	for (size_t i = 0; i < config->n_peers; i++)
		if (strcmp(config->peers[i].endpoint, endpoint) == 0)
			return true;
	return false;
}

struct membership_found {
	char name[NODE_NAME_MAX + 1];
	char domain[DOMAIN_MAX + 1];
	const char *endpoint;
};

/* Writes the configuration, or adds the peer to the one that is there. One that lists peers
 * already is its owner's: it is told what to add. */
static int write_config(struct cli *c, const struct config *config,
			const struct membership_found *m, const char *authority)
{
	CLEANUP(config_freep) struct config *check = NULL;
	CLEANUP_FREE char *old = NULL;
	CLEANUP_FREE char *text = NULL;
	struct config_environment env;
	struct config_report report;
	char path[CLI_PATH_SIZE];
	size_t len = 0;
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	if (has_peer(config, m->endpoint))
		return 0;
	r = read_file(path, &old);
	if (r < 0 && r != -ENOENT)
		return say_not_written(c, r, path);
	r = compose_config(old, m->domain, m->name, m->endpoint, authority, &text, &len);
	if (r < 0)
		return say_not_written(c, r, path);
	config_environment_read(&env);
	if (config->n_peers > 0 || config_parse(text, len, path, &env, &check, &report) < 0) {
		cli_note(c,
			 "Note: %s has its own list of peers; add to it:\n"
			 "  - endpoint: \"%s\"\n    name: \"%s\"",
			 path, m->endpoint, authority);
		return 0;
	}
	r = setup_write_file(path, text, len);
	return r < 0 ? say_not_written(c, r, path) : 0;
}

/* Before anything is asked of the authority: could we keep what it answers? */
static int check_config(struct cli *c, const struct config *config, const char *domain)
{
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	if (access(path, F_OK) == 0 && strcmp(config->domain, domain) != 0)
		return cli_fail(
			c, CLI_FAILED, "config",
			"%s is there already, for the domain \"%s\" (its key domain, or the "
			"default), and the invitation is for %s; leave the other one first "
			"(x0 leave), set its key domain, or move the file away",
			path, config->domain, domain);
	if (access(path, F_OK) == 0 && access(path, W_OK) < 0)
		return say_not_written(c, -errno, path);
	return 0;
}

/* ---- joining ---- */

static int open_state(struct cli *c, const struct config *config, struct store **ret,
		      int64_t *ret_unix_s)
{
	int64_t now_s = loop_unix_ms() / 1000;
	struct store_error e;
	int r = setup_not_member(c, config);

	if (r == 0)
		r = setup_state(c, config);
	if (r == 0)
		r = setup_store(c, config, ret);
	if (r != 0)
		return r;
	if (store_clock(*ret, now_s, X0_BUILD_UNIX_S, ret_unix_s, &e) < 0)
		return cli_fail(c, CLI_FAILED, "state", "%s", e.text);
	if (*ret_unix_s - now_s > CLOCK_SLOW_S)
		cli_note(c,
			 "Note: this machine's clock is at least %lld s slow; set it (date, or "
			 "timedatectl set-ntp true).",
			 (long long)(*ret_unix_s - now_s));
	return 0;
}

static json_t *outcomes_json(const struct joining *j)
{
	json_t *list = json_array();

	for (size_t i = 0; i < j->n_outcomes; i++) {
		const struct joining_outcome *o = &j->outcomes[i];
		char why[CLI_TEXT_SIZE];

		joining_explain(o, why);
		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "endpoint",
							    j->invite->endpoints[o->endpoint],
							    "address", o->address, "message", why));
	}
	return list;
}

static int say_no_answer(struct cli *c, const struct joining *j)
{
	const char *message = "no endpoint of the invitation let us in; check that the authority "
			      "runs (there: x0 status), or ask for a new invitation: x0 invite";

	if (c->is_json) {
		cli_json(c, json_pack("{s:{s:s, s:s, s:o}}", "error", "code", "no_answer",
				      "message", message, "endpoints", outcomes_json(j)));
		return CLI_FAILED;
	}
	for (size_t i = 0; i < j->n_outcomes; i++) {
		const struct joining_outcome *o = &j->outcomes[i];
		const char *endpoint = j->invite->endpoints[o->endpoint];
		char why[CLI_TEXT_SIZE];

		joining_explain(o, why);
		if (o->address[0] && strcmp(o->address, endpoint) != 0)
			cli_note(c, "  %s (%s): %s", endpoint, o->address, why);
		else
			cli_note(c, "  %s: %s", endpoint, why);
	}
	return cli_fail(c, CLI_FAILED, "no_answer", "%s", message);
}

static int keep_granted(struct cli *c, const struct config *config, struct store *store,
			const struct joining *j, const struct membership *is,
			struct membership_found *ret)
{
	struct store_error e;
	int r = member_check(j->ops, is, j->invite->domain, j->request->key, j->request->key_p256,
			     j->unix_s, &e);

	if (r < 0)
		return cli_fail(c, CLI_FAILED, "refused",
				"%s; nothing was kept; check this machine's clock (date), then ask "
				"for a new invitation: x0 invite",
				e.text);
	if (spiffe_id_parse(is->spiffe_id, ret->domain, ret->name) < 0)
		return cli_fail(c, CLI_FAILED, "failed", "the authority gave us no valid name");
	ret->endpoint = j->invite->endpoints[j->endpoint];
	/* The configuration first: a membership without it would be of no use. */
	r = write_config(c, config, ret, is->authority);
	if (r != 0)
		return r;
	r = member_save(store, is, j->request->key, j->request->key_p256, &e);
	return r < 0 ? cli_fail(c, setup_exit_of(r), "state", "%s", e.text) : 0;
}

static int keep(struct cli *c, const struct config *config, struct store *store,
		const struct joining *j, struct membership_found *ret)
{
	struct membership is;
	int r;

	if (membership_decode(SPAN(j->answer, j->answer_len), &is) < 0)
		return cli_fail(c, CLI_FAILED, "failed",
				"the authority's answer cannot be read; is it another version? x0 "
				"version");
	if (is.status != MEMBERSHIP_GRANTED)
		return cli_fail(c, CLI_FAILED, "refused", "%s", membership_status_text(is.status));
	r = keep_granted(c, config, store, j, &is, ret);
	bytes_wipe(is.keys, sizeof(is.keys));
	return r;
}

static int try_to_join(struct cli *c, const struct config *config, struct store *store,
		       const struct invite *invite, const char *name, int64_t unix_s,
		       struct membership_found *ret)
{
	const char *crypto_error = "";
	struct member_request request;
	struct joining j = { .c = c, .invite = invite, .request = &request, .unix_s = unix_s };
	int r;

	j.ops = openssl_crypto_ops(&crypto_error);
	if (!j.ops)
		return cli_fail(c, CLI_FAILED, "crypto", "%s; see: x0 doctor", crypto_error);
	if (member_request_new(name, &kernel_entropy, &request) < 0)
		return cli_fail(c, CLI_FAILED, "crypto", "keys could not be made; see: x0 doctor");
	r = joining_run(&j);
	if (r == 0)
		r = j.is_answered ? keep(c, config, store, &j, ret) : say_no_answer(c, &j);
	joining_done(&j);
	member_request_done(&request);
	return r;
}

/* ---- afterwards ---- */

static int start(struct cli *c, const struct membership_found *m)
{
	CLEANUP(config_freep) struct config *config = NULL;
	struct start_report report;
	json_t *object;
	int r = cli_config_load(c, &config);

	if (r == 0)
		r = setup_hand_over(c, config);
	if (r != 0)
		return r;
	object = json_pack("{s:s, s:s, s:s}", "domain", m->domain, "name", m->name, "peer",
			   m->endpoint);
	cli_say(c, "This node is now %s%s%s of %s.", cli_colour(c, CLI_BOLD), m->name,
		cli_colour(c, CLI_PLAIN), m->domain);
	if (cli_given(c, "no-start")) {
		cli_say(c, "It does not run yet. To start it: x0 up.");
		cli_json(c, object);
		return 0;
	}
	r = start_daemon(c, config, "joined; mend this, then run x0 up: ", &report);
	if (r != 0) {
		json_decref(object);
		return r;
	}
	start_tell(c, &report);
	start_json(object, &report);
	cli_json(c, object);
	start_report_done(&report);
	return 0;
}

/* The option, else the configuration's name, else the host's. */
static int choose_name(struct cli *c, const struct config *config, const char *host,
		       const char **ret)
{
	const char *name = cli_value(c, "name");

	if (!name)
		name = config->name[0] ? config->name : host;
	if (!node_name_is_valid(name))
		return cli_usage(c,
				 "\"%s\" is no name for a node: a-z, 0-9 and - . _ inside, at "
				 "most 63; choose one: --name NAME",
				 name);
	*ret = name;
	return 0;
}

static int join(struct cli *c, const struct invite *invite, struct membership_found *ret)
{
	char host[NODE_NAME_MAX + 1];
	const char *name = NULL;
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(store_closep) struct store *store = NULL;
	int64_t unix_s = 0;
	int r = cli_config_or_new(c, &config);

	setup_host_name(host, sizeof(host));
	if (r == 0)
		r = check_config(c, config, invite->domain);
	if (r == 0)
		r = choose_name(c, config, host, &name);
	if (r == 0)
		r = open_state(c, config, &store, &unix_s);
	if (r == 0)
		r = try_to_join(c, config, store, invite, name, unix_s, ret);
	return r; /* and the store is let go, for the daemon */
}

/* Of a token that was made for one name. */
static void say_other_name(struct cli *c, const char *given)
{
	const char *wanted = cli_value(c, "name");

	if (wanted && strcmp(wanted, given) != 0)
		cli_note(c, "Note: the invitation is for the name %s; --name %s was not taken.",
			 given, wanted);
}

int verb_join(struct cli *c)
{
	struct membership_found found = { 0 };
	const char *name = cli_value(c, "name");
	struct invite invite = { 0 };
	int r;

	if (name && !node_name_is_valid(name))
		return cli_usage(c,
				 "\"%s\" is no name for a node: a-z, 0-9 and - . _ inside, at "
				 "most 63; choose one: --name NAME",
				 name);
	r = get_invite(c, &invite);
	if (r == 0)
		r = join(c, &invite, &found);
	if (r == 0) {
		say_other_name(c, found.name);
		r = start(c, &found);
	}
	bytes_wipe(&invite, sizeof(invite));
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 down` and `x0 leave`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "shell/knowledge/knowledge.h"
#include "shell/ledger/ledger.h"
#include "shell/store/store.h"

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct store, store_close)

/* ---- down ---- */

static bool service_is_active(const char *config_path)
{
	char *argv[] = { "systemctl", "--quiet", "is-active", "x0.service", NULL };
	char why[CLI_TEXT_SIZE];

	return service_is_usable(config_path, why) && run_program(argv) == 0;
}

static int stop_service(struct cli *c, bool is_for_good)
{
	char *stop[] = { "systemctl", "--quiet", "stop", "x0.service", NULL };
	char *disable[] = { "systemctl", "--quiet", "disable", "--now", "x0.service", NULL };

	if (run_program(is_for_good ? disable : stop) != 0)
		return cli_fail(c, CLI_FAILED, "stop",
				"systemd could not stop it; see: systemctl status x0");
	return 0;
}

static int say_not_stopped(struct cli *c, int r)
{
	if (r == -EACCES || r == -EPERM)
		return cli_fail(c, CLI_DENIED, "denied",
				"you may not stop the daemon; as root: sudo x0 down");
	if (r == -ETIMEDOUT)
		return cli_fail(c, CLI_FAILED, "timeout",
				"the daemon was told to stop but still runs; see: x0 doctor");
	return cli_fail(c, CLI_FAILED, "stop", "the daemon could not be told to stop: %s",
			strerror(-r));
}

struct stopped {
	bool was_running, is_service;
	bool has_left;	/* it did not run, and one that was killed left something on this host */
	json_t *undone; /* what of that is removed */
};

static void stopped_done(struct stopped *s)
{
	json_decref(s->undone);
}

/* Stops whatever runs; where nothing does, nobody else removes what one that was killed left. */
static int stop(struct cli *c, const char *socket, bool is_for_good, struct stopped *ret)
{
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	ret->was_running = true;
	ret->is_service = service_is_active(path);
	if (ret->is_service)
		return stop_service(c, is_for_good);
	r = cli_stop_daemon(c, socket);
	ret->was_running = r != -ENOENT;
	if (!ret->was_running)
		return cli_left(c, &ret->has_left, &ret->undone);
	return r < 0 ? say_not_stopped(c, r) : 0;
}

int verb_down(struct cli *c)
{
	char socket[CONFIG_TEXT_SIZE];
	CLEANUP(stopped_done) struct stopped s = { 0 };
	int r = cli_socket(c, socket);

	if (r == 0)
		r = stop(c, socket, false, &s);
	if (r != 0)
		return r;
	if (!s.was_running)
		cli_say(c, "It did not run. To start it: x0 up.");
	else
		cli_say(c, "Stopped. To start it again: x0 up.%s",
			s.is_service ? " At the next boot it starts by itself; to prevent that: "
				       "systemctl disable x0"
				     : "");
	cli_json(c, json_pack("{s:b, s:b, s:b, s:O*}", "stopped", 1, "was_running", s.was_running,
			      "has_left", s.has_left, "undone", s.undone));
	return 0;
}

/* ---- leave ---- */

static const enum store_file member_files[] = {
	STORE_MEMBERSHIP, /* first: without it the rest means nothing */
	STORE_NODE_MLDSA_KEY, STORE_NODE_P256_KEY, STORE_PEERS, STORE_EXIT,
};

static const enum store_file authority_files[] = {
	STORE_AUTHORITY_MLDSA_KEY, STORE_AUTHORITY_P256_KEY, STORE_AUTHORITY_ISSUED,
	STORE_ROOT_MLDSA,	   STORE_ROOT_P256,	     STORE_TOKENS,
};

static bool is_confirmed(struct cli *c, bool is_authority)
{
	char answer[8] = "";

	if (cli_given(c, "yes"))
		return true;
	if (c->is_json || isatty(STDIN_FILENO) != 1)
		return false;
	(void)fprintf(c->err,
		      "%s\nThe ledger is deleted too; to keep it, copy its directory first "
		      "(docs/ledger.md).\nLeave? [y/N] ",
		      is_authority ? "This destroys the domain's authority: without a backup of "
				     "its files nobody can ever join again.\nThis machine's keys "
				     "are deleted too."
				   : "This machine's keys and certificates are deleted; to come "
				     "back it needs a new invitation.");
	(void)fflush(c->err);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int remove_files(struct cli *c, struct store *s, const enum store_file *files, size_t n)
{
	struct store_error e;

	for (size_t i = 0; i < n; i++) {
		int r = store_remove(s, files[i], &e);

		if (r < 0)
			return cli_fail(c, setup_exit_of(r), "state", "%s", e.text);
	}
	return 0;
}

/* What the file says belongs to the mesh that is left; the next init or join writes a new one. */
static int set_config_aside(struct cli *c, char ret_aside[CLI_PATH_SIZE + 8])
{
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	(void)snprintf(ret_aside, CLI_PATH_SIZE + 8, "%s.old", path);
	if (rename(path, ret_aside) < 0) {
		if (errno != ENOENT)
			return cli_fail(c, setup_exit_of(-errno), "config",
					"cannot rename %s: %s; remove it by hand", path,
					strerror(errno));
		ret_aside[0] = '\0';
	}
	return 0;
}

static int check(struct cli *c, const struct config *config, bool *ret_is_authority)
{
	CLEANUP(store_closep) struct store *s = NULL;
	struct store_error e;
	int r = access(config->state_dir, F_OK) < 0 ? -errno : 0;

	if (r == -ENOENT)
		return cli_fail(c, CLI_FAILED, "not_a_member",
				"this machine is not a member of a mesh (there is no %s); to join "
				"one: x0 join x0://...",
				config->state_dir);
	r = store_open(config->state_dir, STORE_LOOK, &s, &e);
	if (r < 0)
		return cli_fail(c, setup_exit_of(r), "state", "%s%s", e.text,
				geteuid() != 0 ? "; as root: sudo x0 leave" : "");
	*ret_is_authority = store_has(s, STORE_AUTHORITY_MLDSA_KEY);
	if (!*ret_is_authority && !store_has(s, STORE_MEMBERSHIP))
		return cli_fail(c, CLI_FAILED, "not_a_member",
				"this machine is not a member of a mesh; to join one: x0 join "
				"x0://...");
	if (*ret_is_authority && !cli_given(c, "destroy-authority"))
		return cli_fail(c, CLI_FAILED, "authority",
				"this node holds the domain's authority: without its files (%s) "
				"nobody can join or renew. Keep a copy, then: x0 leave "
				"--destroy-authority",
				config->state_dir);
	return 0;
}

/* With its keys: what they sign has the name of the mesh that is left. */
static int remove_ledger(struct cli *c, const struct config *config)
{
	char directory[CLI_PATH_SIZE];
	int r;

	(void)snprintf(directory, sizeof(directory), "%s/ledger", config->state_dir);
	r = ledger_remove(directory);
	return r == 0 ? 0
		      : cli_fail(c, setup_exit_of(r), "state",
				 "cannot remove %s: %s; remove it by hand", directory,
				 strerror(-r));
}

/* Its incidents are of the mesh that is left, and name its nodes. */
static int remove_knowledge(struct cli *c, const struct config *config)
{
	int r = knowledge_remove(config->state_dir);

	return r == 0 ? 0
		      : cli_fail(c, setup_exit_of(r), "state",
				 "cannot remove %s/" KNOWLEDGE_FILE ": %s; remove it by hand",
				 config->state_dir, strerror(-r));
}

static int remove_all(struct cli *c, const struct config *config, bool is_authority)
{
	CLEANUP(store_closep) struct store *s = NULL;
	int r = setup_store(c, config, &s);

	if (r == 0)
		r = remove_files(c, s, member_files, N_ELEMENTS(member_files));
	if (r == 0 && is_authority)
		r = remove_files(c, s, authority_files, N_ELEMENTS(authority_files));
	if (r == 0)
		r = remove_knowledge(c, config);
	return r == 0 ? remove_ledger(c, config) : r;
}

int verb_leave(struct cli *c)
{
	CLEANUP(config_freep) struct config *config = NULL;
	char aside[CLI_PATH_SIZE + 8] = "";
	CLEANUP(stopped_done) struct stopped s = { 0 };
	bool is_authority = false;
	int r = cli_config_or_default(c, &config);

	if (r == 0)
		r = check(c, config, &is_authority);
	if (r == 0 && !is_confirmed(c, is_authority))
		r = cli_fail(c, CLI_FAILED, "unconfirmed",
			     "nothing was changed; to leave without "
			     "being asked: x0 leave --yes");
	if (r == 0)
		r = stop(c, config->socket, true, &s);
	if (r == 0)
		r = remove_all(c, config, is_authority);
	if (r == 0)
		r = set_config_aside(c, aside);
	if (r != 0)
		return r;
	cli_say(c,
		"Left %s. Keys, certificates, what is known of incidents and the ledger are "
		"deleted.",
		config->domain);
	if (aside[0])
		cli_say(c, "The configuration was kept as %s.", aside);
	cli_json(c, json_pack("{s:b, s:s, s:s, s:O*}", "left", 1, "domain", config->domain,
			      "config", aside, "undone", s.undone));
	return 0;
}

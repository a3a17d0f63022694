/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 config` and `x0 version`. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "shell/openssl/crypto_openssl.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

DEFINE_FREEP(struct config, config_free)

static int config_show(struct cli *c)
{
	CLEANUP(config_freep) struct config *config = NULL;
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r == 0)
		r = cli_config_or_default(c, &config);
	if (r != 0)
		return r;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		cli_note(c, "Note: there is no %s; these are the defaults.", path);
	if (c->is_json)
		config_print_json(config, c->out);
	else
		config_print(config, c->out);
	return 0;
}

static int config_check(struct cli *c)
{
	CLEANUP(config_freep) struct config *config = NULL;
	char path[CLI_PATH_SIZE];
	int r;

	if (c->n_args > 1)
		c->config_path = c->args[1];
	r = cli_config_path(c, path);
	if (r == 0)
		r = cli_config_load(c, &config);
	if (r != 0)
		return r;
	cli_say(c, "%s is valid. To apply it: x0 config reload", path);
	cli_json(c, json_pack("{s:b, s:s}", "is_valid", 1, "file", path));
	return 0;
}

static void say_keys(struct cli *c, const char *what, const json_t *keys)
{
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key) cli_say(c, "  %s: %s", json_string_value(key), what);
}

static int config_reload(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "config.reload", NULL, &answer);

	if (r != 0)
		return r;
	cli_say(c, "The configuration was read again.");
	say_keys(c, "applied", json_object_get(answer, "applied"));
	say_keys(c, "needs a restart (x0 down, then x0 up)",
		 json_object_get(answer, "needs_restart"));
	cli_json(c, answer);
	return 0;
}

int verb_config(struct cli *c)
{
	const char *action = c->args[0];

	if (strcmp(action, "check") == 0)
		return config_check(c);
	if (c->n_args > 1)
		return cli_usage(c, "x0 config %s takes nothing more", action);
	if (strcmp(action, "show") == 0)
		return config_show(c);
	if (strcmp(action, "reload") == 0)
		return config_reload(c);
	if (c->is_json)
		return cli_usage(c, "x0 config %s has no --json", action);
	if (strcmp(action, "help") == 0)
		config_print_help(c->out);
	else if (strcmp(action, "markdown") == 0)
		config_print_markdown(c->out);
	else if (strcmp(action, "default") == 0)
		config_print_default_file(NULL, NULL, c->out);
	else
		return cli_usage(c, "show, check, help, default, markdown or reload, not \"%s\"",
				 action);
	return 0;
}

/* ---- version ---- */

int verb_version(struct cli *c)
{
	struct crypto_description crypto;
	bool has_crypto = crypto_openssl_describe(&crypto) == 0;

	cli_say(c, "x0 %s", X0_VERSION);
	if (has_crypto)
		cli_say(c, "%s; ML-KEM and ML-DSA: %s", crypto.library,
			crypto.is_own_pq ? "the library's own" : "x0pq, ours");
	cli_json(c, json_pack("{s:s, s:s?, s:s?}", "version", X0_VERSION, "library",
			      has_crypto ? crypto.library : NULL, "post_quantum",
			      !has_crypto	 ? NULL
			      : crypto.is_own_pq ? "library"
						 : "x0pq"));
	return 0;
}

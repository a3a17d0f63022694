/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in force, and the way to the daemon. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "shell/loop/loop.h"

#define SYSTEM_CONFIG "/etc/x0/x0.yaml"
#define POLL_MS 50
#define STOP_MS 10000
#define LEFT_MS 2000 /* a socket nobody listens on for this long has been left behind */

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct control_client, control_client_free)

int cli_config_path(struct cli *c, char ret[CLI_PATH_SIZE])
{
	struct config_environment env;
	char *absolute;

	config_environment_read(&env);
	if (!c->config_path) {
		if (config_default_path(&env, ret, CLI_PATH_SIZE) < 0)
			return cli_fail(c, CLI_FAILED, "failed",
					"the path of the configuration is too long; give another: "
					"--config FILE");
		return 0;
	}
	/* The daemon reads it again at a reload, from another working directory. */
	absolute = c->config_path[0] == '/' ? strdup(c->config_path) : NULL;
	if (!absolute) {
		char here[CLI_PATH_SIZE];

		if (!getcwd(here, sizeof(here)) ||
		    asprintf(&absolute, "%s/%s", here, c->config_path) < 0)
			return cli_fail(c, CLI_FAILED, "failed",
					"the working directory has no name; give an absolute path: "
					"--config FILE");
	}
	size_t len = strlen(absolute);

	if (len < CLI_PATH_SIZE)
		memcpy(ret, absolute, len + 1);
	free(absolute);
	return len < CLI_PATH_SIZE
		       ? 0
		       : cli_fail(c, CLI_FAILED, "failed", "the path --config is too long");
}

/* The first one is the message; all of them, with their lines, are beside it. */
static json_t *problems_json(const struct config_report *report)
{
	const struct config_problem *first = &report->problems[0];
	json_t *problems = json_array();
	char at[16] = "";
	json_t *message;

	for (size_t i = 0; i < report->n; i++) {
		const struct config_problem *p = &report->problems[i];

		if (p->is_error)
			(void)json_array_append_new(
				problems,
				json_pack("{s:i, s:s}", "line", (int)p->line, "message", p->text));
	}
	if (first->line > 0)
		(void)snprintf(at, sizeof(at), "%u:", first->line);
	message = json_sprintf("%s:%s %s", report->file, at, first->text);
	return json_pack("{s:{s:s, s:o, s:o}}", "error", "code", "config", "message", message,
			 "problems", problems);
}

static int say_problems(struct cli *c, int r, const struct config_report *report)
{
	int status = r == -EACCES || r == -EPERM ? CLI_DENIED : CLI_FAILED;

	if (!c->is_json)
		config_report_print(report, c->err);
	else if (report->n == 0)
		return cli_fail(c, status, "config", "%s: %s", report->file, strerror(-r));
	else
		cli_json(c, problems_json(report));
	return status;
}

int cli_config_load(struct cli *c, struct config **ret)
{
	struct config_environment env;
	struct config_report report;
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	config_environment_read(&env);
	r = config_load(path, &env, ret, &report);
	if (r < 0)
		return say_problems(c, r, &report);
	if (report.n > 0 && !c->is_json)
		config_report_print(&report, c->err); /* warnings */
	return 0;
}

int cli_config_or_new(struct cli *c, struct config **ret)
{
	struct config_environment env;
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return cli_config_load(c, ret);
	config_environment_read(&env);
	if (config_new(&env, ret) < 0)
		return cli_fail(c, CLI_FAILED, "failed", "out of memory");
	return 0;
}

int cli_config_or_default(struct cli *c, struct config **ret)
{
	return c->config_path ? cli_config_load(c, ret) : cli_config_or_new(c, ret);
}

/* ---- where the socket is ---- */

/* Of a file that may not be readable, or not be there. */
static bool socket_of_file(const char *path, const struct config_environment *env,
			   char ret[CONFIG_TEXT_SIZE])
{
	CLEANUP(config_freep) struct config *config = NULL;
	struct config_report report;

	if (config_load(path, env, &config, &report) < 0)
		return false;
	memcpy(ret, config->socket, CONFIG_TEXT_SIZE);
	return true;
}

static bool socket_of_system(char ret[CONFIG_TEXT_SIZE])
{
	const struct config_environment root = { .is_root = true };
	CLEANUP(config_freep) struct config *config = NULL;

	if (socket_of_file(SYSTEM_CONFIG, &root, ret))
		return true;
	if (config_new(&root, &config) < 0)
		return false;
	memcpy(ret, config->socket, CONFIG_TEXT_SIZE);
	return true;
}

/* A typo in the file does not get between a running daemon and who wants to look at it or stop it:
 * of all that is in there only run_dir matters for that. */
int cli_socket(struct cli *c, char ret[CONFIG_TEXT_SIZE])
{
	struct config_environment env;
	struct config_report report;
	CLEANUP(config_freep) struct config *config = NULL;
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	config_environment_read(&env);
	r = config_load(path, &env, &config, &report);
	if (r == -ENOENT && !c->config_path)
		r = config_new(&env, &config);
	if (r == 0) {
		memcpy(ret, config->socket, CONFIG_TEXT_SIZE);
		return 0;
	}
	if (r != -EINVAL || config_load_socket(path, &env, ret) < 0)
		return say_problems(c, r, &report);
	cli_note(
		c,
		"warning: %s has mistakes, which the running daemon has not read; this goes to the "
		"socket %s all the same. To see them: x0 config check",
		path, ret);
	return 0;
}

/* --config says it; else our own; else, without root, that of the machine's daemon, which
 * members of the group x0 may operate. */
static int find_socket(struct cli *c, char ret[CONFIG_TEXT_SIZE])
{
	if (!c->config_path && geteuid() != 0) {
		struct config_environment env;
		char path[CLI_PATH_SIZE];

		config_environment_read(&env);
		if (config_default_path(&env, path, sizeof(path)) < 0 || access(path, F_OK) != 0)
			return socket_of_system(ret)
				       ? 0
				       : cli_fail(c, CLI_FAILED, "failed", "out of memory");
	}
	return cli_socket(c, ret);
}

/* Neither our own configuration nor the machine's is there. */
static bool is_no_node_yet(const struct cli *c)
{
	struct config_environment env;
	char path[CLI_PATH_SIZE];

	if (c->config_path)
		return false;
	config_environment_read(&env);
	return config_default_path(&env, path, sizeof(path)) == 0 && access(path, F_OK) < 0 &&
	       access(SYSTEM_CONFIG, F_OK) < 0;
}

/* ---- requests ---- */

int cli_connect(struct cli *c, struct control_client **ret)
{
	char socket[CONFIG_TEXT_SIZE];
	char why[CONTROL_WHY_SIZE] = "";
	int r = find_socket(c, socket);

	if (r != 0)
		return r;
	r = control_client_open(socket, ret, why);
	if (r == -ENOENT && is_no_node_yet(c))
		return cli_fail(c, CLI_NO_DAEMON, "no_daemon",
				"the daemon is not running: this machine is no node yet; found a "
				"mesh: x0 init --domain NAME, or join one: x0 join x0://...");
	if (r == -ENOENT || r == -ECONNREFUSED)
		return cli_fail(c, CLI_NO_DAEMON, "no_daemon", "%s", why);
	if (r == -EACCES || r == -EPERM)
		return cli_fail(c, CLI_DENIED, "denied", "%s", why);
	if (r < 0)
		return cli_fail(c, CLI_FAILED, "failed", "%s", why);
	return 0;
}

int cli_exit_of_code(const char *code)
{
	if (strcmp(code, "denied") == 0)
		return CLI_DENIED;
	if (strcmp(code, "usage") == 0)
		return CLI_USAGE;
	return CLI_FAILED;
}

static int say_silence(struct cli *c, int r)
{
	if (r == -ETIMEDOUT)
		return cli_fail(c, CLI_FAILED, "timeout",
				"the daemon did not answer within %d s; see: x0 doctor",
				CLI_ANSWER_MS / 1000);
	if (r == -ECONNRESET || r == -EPIPE)
		return cli_fail(c, CLI_NO_DAEMON, "no_daemon",
				"the daemon went away; start it: x0 up");
	return cli_fail(c, CLI_FAILED, "failed",
			"the daemon does not speak our language (%s); is it another version? x0 "
			"version",
			strerror(-r));
}

static int next_patiently(struct cli *c, struct control_client *client,
			  struct control_response *ret)
{
	int r = control_client_next(client, CLI_PROGRESS_MS, ret);

	if (r == -ETIMEDOUT) {
		cli_note(c, "waiting for the daemon's answer ...");
		r = control_client_next(client, CLI_ANSWER_MS - CLI_PROGRESS_MS, ret);
	}
	return r;
}

int cli_call(struct cli *c, const char *verb, json_t *args, json_t **ret)
{
	CLEANUP(control_client_freep) struct control_client *client = NULL;
	struct control_response response = { 0 };
	int r = cli_connect(c, &client);

	if (r != 0) {
		json_decref(args);
		return r;
	}
	r = control_client_request(client, verb, args);
	if (r == 0)
		r = next_patiently(c, client, &response);
	if (r < 0)
		return say_silence(c, r);
	if (response.kind == CONTROL_ERROR)
		r = cli_fail(c, cli_exit_of_code(response.code), response.code, "%s",
			     response.message);
	else
		*ret = json_incref(response.value);
	control_response_done(&response);
	return r;
}

int cli_probe(const char *socket, int timeout_ms, bool is_brief, json_t **ret)
{
	CLEANUP(control_client_freep) struct control_client *client = NULL;
	struct control_response response = { 0 };
	char why[CONTROL_WHY_SIZE];
	int r = control_client_open(socket, &client, why);

	if (r == 0)
		r = control_client_request(client, "status",
					   json_pack("{s:b}", "is_brief", (int)is_brief));
	if (r == 0)
		r = control_client_next(client, timeout_ms, &response);
	if (r < 0)
		return r;
	if (response.kind == CONTROL_RESULT)
		*ret = json_incref(response.value);
	else
		r = -EACCES;
	control_response_done(&response);
	return r;
}

/* ---- stopping ---- */

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

static int ask_to_stop(const char *socket)
{
	CLEANUP(control_client_freep) struct control_client *client = NULL;
	struct control_response response = { 0 };
	char why[CONTROL_WHY_SIZE];
	int r = control_client_open(socket, &client, why);

	if (r == -ECONNREFUSED)
		return -ENOENT;
	if (r == 0)
		r = control_client_request(client, "stop", NULL);
	if (r == 0)
		r = control_client_next(client, CLI_ANSWER_MS, &response);
	if (r == -ECONNRESET)
		return 0; /* it left without a word */
	if (r < 0)
		return r;
	if (response.kind == CONTROL_ERROR)
		r = -EACCES;
	control_response_done(&response);
	return r;
}

int cli_stop_daemon(struct cli *c, const char *socket)
{
	struct cli_patience patience = { 0 };
	uint64_t end_us = loop_now_us() + STOP_MS * UINT64_C(1000);
	uint64_t left_us = loop_now_us() + LEFT_MS * UINT64_C(1000);
	int r = ask_to_stop(socket);

	if (r < 0)
		return r;
	while (loop_now_us() < end_us) {
		CLEANUP(control_client_freep) struct control_client *client = NULL;
		char why[CONTROL_WHY_SIZE];

		r = control_client_open(socket, &client, why);
		/* The keeper removes the socket last of all: not before that may another start. */
		if (r == -ENOENT || (r == -ECONNREFUSED && loop_now_us() > left_us))
			return 0;
		cli_patience(c, &patience, "waiting for the daemon to end ...");
		pause_ms(POLL_MS);
	}
	return -ETIMEDOUT;
}

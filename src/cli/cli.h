/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the files of this room share: verbs as rows of one table, how a verb says what it
 * has to say, and how it reaches the daemon. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shell/config/config.h"
#include "shell/control/control.h"

/* Exit statuses of every verb. */
enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_DAEMON = 3,
	CLI_DENIED = 4,
};

#define CLI_OPTIONS_MAX 16   /* of one verb, the common ones included */
#define CLI_VALUES_MAX 16    /* of one option that may be repeated: an invitation's endpoints */
#define CLI_TEXT_SIZE 1024   /* one message */
#define CLI_PROGRESS_MS 2000 /* what takes longer says so */
#define CLI_ANSWER_MS 10000  /* the daemon is waited for this long */
#define CLI_PATH_SIZE 4096

/* ---- the table ---- */

struct cli;

struct cli_option {
	const char *name;  /* without the dashes; NULL ends a list */
	char letter;	   /* 0 for none */
	const char *value; /* what the help calls its value; NULL: it takes none */
	bool is_repeated;
	const char *help;
};

struct cli_verb {
	const char *name;
	int (*run)(struct cli *c); /* exit status */
	/* instead, where it reads its own options */
	int (*run_raw)(int argc, char **argv, FILE *out, FILE *err);
	const char *line;      /* what it does, in one line */
	const char *arguments; /* as in "x0 VERB [options] ARGUMENTS"; "" for none */
	int args_min, args_max;
	const char *actions; /* words that the first argument may be, for completion; or NULL */
	const struct cli_option *options; /* or NULL */
	const char *text;		  /* what one has to know, a few sentences */
	const char *examples;		  /* a line each */
};

/* All verbs, in the order of the help; the last row's name is NULL. */
extern const struct cli_verb cli_verbs[];
/* --json, --config, --help: every verb has them. */
extern const struct cli_option cli_common_options[];

const struct cli_verb *cli_verb_find(const char *name);
/* The name nearest to a mistyped one; NULL where none is near. */
const char *cli_verb_nearest(const char *name);

/* ---- one call of the program ---- */

struct cli {
	const struct cli_verb *verb;
	FILE *out; /* results */
	FILE *err; /* messages and progress */
	bool is_json;
	bool is_tty; /* out is a terminal */
	bool is_coloured;
	unsigned columns;	 /* of the terminal; 0: no limit */
	const char *config_path; /* --config, or NULL */
	int n_args;
	char **args;
	struct {
		unsigned n;
		const char *values[CLI_VALUES_MAX];
	} options[CLI_OPTIONS_MAX]; /* in the order of the verb's, then the common ones */
};

/* Finds out what out and err are, and takes no arguments. */
void cli_init(struct cli *c, FILE *out, FILE *err);
/* argv[0] is the verb. 0, or an exit status with everything said. With --help c->verb is NULL
 * afterwards and the help was printed. */
int cli_parse(struct cli *c, const struct cli_verb *verb, int argc, char **argv);
/* Whether --json is among the arguments: known before they are read, so that what is wrong with
 * them is said in JSON too. */
bool cli_asks_for_json(int argc, char **argv);
/* The whole program. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);

/* How often an option was given, and its last value (NULL: not given). The name is one of the
 * verb's or the common ones. */
unsigned cli_given(const struct cli *c, const char *option);
const char *cli_value(const struct cli *c, const char *option);
const char *cli_value_at(const struct cli *c, const char *option, unsigned i);

/* ---- saying ---- */

/* What to say, with the user's --config in every command that it names: the text itself, or a copy
 * in *ret_copy, which the caller frees. */
const char *cli_hint(const struct cli *c, const char *text, char **ret_copy);
/* Says what failed, as text on err or as {"error": {"code", "message"}} on out; returns status. */
int cli_fail(struct cli *c, int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* A wrong use of the verb: adds where its help is. */
int cli_usage(struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line for people on out; nothing with --json. */
void cli_say(struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line on err: progress, and remarks beside a result; nothing with --json. */
void cli_note(struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints a value as JSON where --json was given; takes (steals) it either way. */
void cli_json(struct cli *c, json_t *value);
/* The same on one line, for streams of events. */
void cli_json_line(struct cli *c, const json_t *value);

enum cli_colour {
	CLI_PLAIN,
	CLI_BOLD,
	CLI_RED,
	CLI_GREEN,
	CLI_YELLOW,
	CLI_DIM,
	CLI_N_COLOURS,
};

/* The escape sequence, "" where there is no colour. CLI_PLAIN ends another. */
const char *cli_colour(const struct cli *c, enum cli_colour colour);

/* Says after CLI_PROGRESS_MS, once, that something still goes on. */
struct cli_patience {
	uint64_t start_us;
	bool is_said;
};

void cli_patience(struct cli *c, struct cli_patience *p, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- configuration and daemon ---- */

/* Where the configuration file lies: --config, or the default. */
int cli_config_path(struct cli *c, char ret[CLI_PATH_SIZE]);
/* Loads it; says what is wrong with it. 0 or an exit status. */
int cli_config_load(struct cli *c, struct config **ret);
/* The same, but every key at its default where there is no file at the default place. One that
 * --config names has to be there: with a typo in it another node would be operated. */
int cli_config_or_default(struct cli *c, struct config **ret);
/* The same for a verb that makes the file: it may be missing wherever it is. */
int cli_config_or_new(struct cli *c, struct config **ret);

/* The daemon's socket by the configuration, or by what can be told of one that has mistakes. 0 or
 * an exit status, said. */
int cli_socket(struct cli *c, char ret[CONFIG_TEXT_SIZE]);
/* Connects; says why it cannot. 0 or an exit status. */
int cli_connect(struct cli *c, struct control_client **ret);
/* One request and its result; says what goes wrong. Takes args. 0 or an exit status. */
int cli_call(struct cli *c, const char *verb, json_t *args, json_t **ret);
/* The exit status that belongs to the code of an error of the daemon. */
int cli_exit_of_code(const char *code);
/* The same without a word, for those who only want to know whether it runs: 0 and the answer to
 * `status`, or a negative errno. In brief it comes sooner, without what the guard has counted. */
int cli_probe(const char *socket, int timeout_ms, bool is_brief, json_t **ret);
/* Sends `stop` and waits until nobody listens any more. 0, -ETIMEDOUT, -EACCES, -ENOENT (it did
 * not run). */
int cli_stop_daemon(struct cli *c, const char *socket);
/* Where no daemon runs: removes what one that was killed with its keeper left on this host, says
 * so, and puts its codes into a list, the caller's also on failure. Who is not root is told how. 0,
 * or an exit status with everything said. */
int cli_left(struct cli *c, bool *ret_has_any, json_t **ret_undone);

/* Members of a JSON object, "" and 0 where they are not there. */
const char *json_text(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

/* ---- starting, in start.c ---- */

struct start_report {
	bool was_running;
	bool is_service;	  /* systemd's unit is in charge */
	bool is_at_boot;	  /* it comes back after a reboot */
	char boot[CLI_TEXT_SIZE]; /* else: why not, and what to do */
	json_t *status;		  /* what the daemon said; may be NULL */
};

void start_report_done(struct start_report *r);
/* Starts the daemon and waits until it answers. before is put in front of a failure ("" for
 * none). 0 or an exit status. */
int start_daemon(struct cli *c, const struct config *config, const char *before,
		 struct start_report *ret);
/* Says for people how it was started, how to stop it, and which features are off. */
void start_tell(struct cli *c, const struct start_report *r);
/* The same for JSON, as members of an object. */
void start_json(json_t *object, const struct start_report *r);
/* Whether systemd runs here, has our unit and would serve this configuration; else why not. */
bool service_is_usable(const char *config_path, char ret_why[CLI_TEXT_SIZE]);
/* Runs a program and waits; its exit status, or -1. Its output is ours. */
int run_program(char *const argv[]);

/* ---- setting up, in setup.c: what init and join have in common ---- */

struct store;
struct store_error;

/* The state directory, owned by the daemon's user. 0 or an exit status. */
int setup_state(struct cli *c, const struct config *config);
/* An exit status where this machine is a member already, which init and join refuse. */
int setup_not_member(struct cli *c, const struct config *config);
/* Opens the store of config for a command that changes it. 0 or an exit status. */
int setup_store(struct cli *c, const struct config *config, struct store **ret);
/* Gives what was written to the daemon's user. 0 or an exit status. */
int setup_hand_over(struct cli *c, const struct config *config);
/* Writes a file whole (old or new, never half), its directory made as needed. 0 or -errno. */
int setup_write_file(const char *path, const char *text, size_t len);
/* This host's name as a node's name; "node" where nothing of it can be used. */
void setup_host_name(char *ret, size_t size);
/* An exit status for a negative errno of the store. */
int setup_exit_of(int r);

/* ---- verbs ---- */

int verb_init(struct cli *c);
int verb_invite(struct cli *c);
int verb_join(struct cli *c);
int verb_leave(struct cli *c);
int verb_up(struct cli *c);
int verb_down(struct cli *c);
int verb_status(struct cli *c);
int verb_peers(struct cli *c);
int verb_top(struct cli *c);
int verb_routes(struct cli *c);
int verb_topology(struct cli *c);
int verb_heal(struct cli *c);
int verb_exit(struct cli *c);
int verb_ping(struct cli *c);
int verb_trace(struct cli *c);
int verb_resolve(struct cli *c);
int verb_node(struct cli *c);
int verb_key(struct cli *c);
int verb_svid(struct cli *c);
int verb_tls(struct cli *c);
int verb_bundle(struct cli *c);
int verb_policy(struct cli *c);
int verb_ledger(struct cli *c);
int verb_batman(struct cli *c);
int verb_config(struct cli *c);
int verb_ebpf(struct cli *c);
int verb_doctor(struct cli *c);
int verb_version(struct cli *c);
int verb_completion(struct cli *c);
int verb_help(struct cli *c);

/* ---- help.c, completion.c ---- */

void help_print(const struct cli_verb *verb, FILE *to); /* NULL: of the program */
void help_print_man(FILE *to);
/* "bash", "zsh" or "fish". -EINVAL for another. */
int completion_print(const char *shell, FILE *to);

/* ---- views.c: the daemon's answers for people ---- */

void view_status(struct cli *c, const json_t *status);
void view_peers(struct cli *c, const json_t *peers);
void view_routes(struct cli *c, const json_t *routes);
void view_paths(struct cli *c, const json_t *routes);
void view_offered(struct cli *c, const json_t *answer);
void view_exit(struct cli *c, const json_t *answer);
void view_issued(struct cli *c, const json_t *issued);
void view_svid(struct cli *c, const json_t *svid);
/* Features that are off, a line each. */
void view_features_off(struct cli *c, const json_t *status);

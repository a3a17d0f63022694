/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the whole program with its output in memory: options, errors, exit statuses, help. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/hint.h"
#include "cli/joining.h"
#include "shell/ledger/ledger.h"
#include "shell/openssl/crypto_openssl.h"

#define ARGS_MAX 16

/* What one call of the program said. */
struct call {
	int status;
	char *out;
	char *err;
};

static char directory[] = "/tmp/x0-test-cli-XXXXXX";
static char config_path[64];

static void call_done(struct call *c)
{
	free(c->out);
	free(c->err);
}

static struct call call(const char *first, ...)
{
	char *argv[ARGS_MAX + 2] = { "x0" };
	char copies[ARGS_MAX][256];
	struct call c = { 0 };
	size_t out_len, err_len;
	FILE *out = tmpfile();
	FILE *err = tmpfile();
	int argc = 1;
	va_list args;

	va_start(args, first);
	for (const char *a = first; a; a = va_arg(args, const char *)) {
		assert_true(argc <= ARGS_MAX);
		(void)snprintf(copies[argc - 1], sizeof(copies[0]), "%s", a);
		argv[argc] = copies[argc - 1];
		argc++;
	}
	va_end(args);
	c.status = cli_main(argc, argv, out, err);
	out_len = (size_t)ftell(out);
	err_len = (size_t)ftell(err);
	c.out = calloc(1, out_len + 1);
	c.err = calloc(1, err_len + 1);
	rewind(out);
	rewind(err);
	assert_int_equal(fread(c.out, 1, out_len, out), out_len);
	assert_int_equal(fread(c.err, 1, err_len, err), err_len);
	(void)fclose(out);
	(void)fclose(err);
	return c;
}

static int make_config(void **state)
{
	FILE *f;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(config_path, sizeof(config_path), "%s/x0.yaml", directory);
	f = fopen(config_path, "we");
	if (!f)
		return -1;
	(void)fprintf(f,
		      "domain: example.mesh\nstate_dir: %s/state\nrun_dir: %s/run\n"
		      "policy:\n  - allow: session\n    from: \"*\"\n"
		      "  - forbid: connect\n    from: \"*/node/guest\"\n    resource: \"tcp:22\"\n"
		      "  - allow: connect\n    from: \"*\"\n",
		      directory, directory);
	return fclose(f);
}

static int remove_config(void **state)
{
	(void)state;
	(void)unlink(config_path);
	return rmdir(directory);
}

/* ---- verbs and options ---- */

static void a_command_that_is_named_has_the_configuration_that_was_given(void **state)
{
	static const struct {
		const char *verb, *text, *expected;
	} cases[] = {
		{ "status", "start it with: x0 up", "start it with: x0 up --config my.yaml" },
		{ "down", "x0 up, or x0 leave --yes",
		  "x0 up --config my.yaml, or x0 leave --config my.yaml --yes" },
		{ "invite", "give one: x0 invite --endpoint H:P",
		  "give one: x0 invite --config my.yaml --endpoint H:P" },
		{ "init", "as root: sudo x0 init ...",
		  "as root: sudo x0 init --config my.yaml ..." },
		{ "up", "x0 up --config other.yaml", "x0 up --config other.yaml" },
		/* these take none */
		{ "up", "see: x0 help up, x0 version, x0 demo",
		  "see: x0 help up, x0 version, x0 demo" },
		{ "up", "(x0tta6bl4, x0 nothing, ox0 up)", "(x0tta6bl4, x0 nothing, ox0 up)" },
		/* these are for another machine */
		{ "join", "ask for a new one there: x0 invite",
		  "ask for a new one there: x0 invite" },
		{ "join", "an invitation: x0 invite", "an invitation: x0 invite" },
		{ "invite", "On the other machine: x0 join", "On the other machine: x0 join" },
		{ "invite", "run x0 invite on n1", "run x0 invite on n1" },
		{ "node", "run x0 node list on n1. Reached: x0 routes",
		  "run x0 node list on n1. Reached: x0 routes --config my.yaml" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		CLEANUP_FREE char *text = hint_with_config(cases[i].text, cases[i].verb, "my.yaml");

		assert_string_equal(text, cases[i].expected);
	}
	CLEANUP_FREE char *quoted = hint_with_config("x0 up", "down", "it's mine.yaml");

	assert_string_equal(quoted, "x0 up --config 'it'\\''s mine.yaml'");
}

static void a_typo_does_not_get_between_the_user_and_the_daemon(void **state)
{
	FILE *f = fopen(config_path, "ae");
	struct call status, down, up;

	(void)state;
	assert_non_null(f);
	(void)fputs("bogus: 1\n", f);
	(void)fclose(f);
	status = call("status", "--config", config_path, NULL);
	down = call("down", "--config", config_path, NULL);
	up = call("up", "--config", config_path, NULL);
	assert_int_equal(status.status, CLI_NO_DAEMON); /* it was looked for, at the right place */
	assert_non_null(strstr(status.err, directory));
	assert_non_null(strstr(status.err, "warning: "));
	assert_non_null(strstr(status.err, "x0 config --config"));
	assert_non_null(strstr(status.err, "x0 up --config"));
	assert_int_equal(down.status, CLI_DONE);
	assert_non_null(strstr(down.out, "It did not run"));
	assert_int_equal(up.status, CLI_FAILED); /* that one needs all of it */
	assert_non_null(strstr(up.err, "unknown key bogus"));
	call_done(&status);
	call_done(&down);
	call_done(&up);
	remove_config(NULL);
	(void)snprintf(directory, sizeof(directory), "/tmp/x0-test-cli-XXXXXX");
	assert_int_equal(make_config(NULL), 0);
}

static void what_is_wrong_with_a_demo_is_said_as_with_any_verb(void **state)
{
	static const struct {
		const char *option, *value, *said;
		int status;
	} wrong[] = {
		{ "--nodes", "5", "--nodes 5: an even number", CLI_USAGE },
		{ "--nodes", NULL, "--nodes needs a value", CLI_USAGE },
		{ "--scenario", "flood", "no scenario", CLI_USAGE },
		{ "--bogus", NULL, "there is no option --bogus", CLI_USAGE },
		{ "word", NULL, "it takes no argument", CLI_USAGE },
		{ "--file", "/nowhere/at/all", "No such file", CLI_FAILED },
		{ "--file", "/dev/null", "a regular file", CLI_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		struct call text = call("demo", wrong[i].option, wrong[i].value, NULL);
		struct call json = call("demo", "--json", wrong[i].option, wrong[i].value, NULL);

		assert_int_equal(text.status, wrong[i].status);
		assert_non_null(strstr(text.err, wrong[i].said));
		assert_string_equal(text.out, "");
		assert_int_equal(json.status, wrong[i].status);
		assert_non_null(strstr(json.out, "\"error\": {"));
		assert_non_null(strstr(json.out, wrong[i].said));
		assert_string_equal(json.err, "");
		call_done(&text);
		call_done(&json);
	}
}

static void without_a_verb_the_help_is_printed_and_it_is_a_wrong_use(void **state)
{
	struct call c = call(NULL);

	(void)state;
	assert_int_equal(c.status, CLI_USAGE);
	assert_non_null(strstr(c.err, "Usage: x0 VERB"));
	assert_string_equal(c.out, "");
	call_done(&c);
}

static void an_unknown_verb_suggests_the_nearest(void **state)
{
	struct call c = call("stauts", NULL);

	(void)state;
	assert_int_equal(c.status, CLI_USAGE);
	assert_non_null(strstr(c.err, "did you mean: x0 status"));
	call_done(&c);
	assert_string_equal(cli_verb_nearest("peer"), "peers");
	assert_string_equal(cli_verb_nearest("rotues"), "routes");
	assert_string_equal(cli_verb_nearest("invit"), "invite");
	assert_string_equal(cli_verb_nearest("stat"), "status");
	assert_null(cli_verb_nearest("zzzzzz"));
	assert_null(cli_verb_nearest("x"));
}

static void an_unknown_verb_far_from_all_points_to_the_help(void **state)
{
	struct call c = call("frobnicate", "--json", NULL);

	(void)state;
	assert_int_equal(c.status, CLI_USAGE);
	assert_string_equal(c.err, "");
	assert_non_null(strstr(c.out, "\"code\": \"usage\""));
	assert_non_null(strstr(c.out, "see: x0 help"));
	call_done(&c);
}

static void wrong_options_name_the_help_of_the_verb(void **state)
{
	struct call unknown = call("status", "--jsno", NULL);
	struct call no_value = call("ping", "roof", "-c", NULL);
	struct call too_many = call("status", "now", NULL);
	struct call too_few = call("ping", NULL);

	(void)state;
	assert_int_equal(unknown.status, CLI_USAGE);
	assert_non_null(strstr(unknown.err, "there is no option --jsno; see: x0 help status"));
	assert_int_equal(no_value.status, CLI_USAGE);
	assert_non_null(strstr(no_value.err, "-c needs a value"));
	assert_int_equal(too_many.status, CLI_USAGE);
	assert_non_null(strstr(too_many.err, "no arguments"));
	assert_int_equal(too_few.status, CLI_USAGE);
	assert_non_null(strstr(too_few.err, "x0 ping NAME"));
	call_done(&unknown);
	call_done(&no_value);
	call_done(&too_many);
	call_done(&too_few);
}

static void options_are_read_wherever_they_stand(void **state)
{
	char *argv[] = { "invite", "-u", "3", "--endpoint", "a:1", "--endpoint=b:2",
			 "--json", "-n", "x", "--name",	    "roof" };
	struct cli c;

	(void)state;
	cli_init(&c, stdout, stderr);
	assert_int_equal(cli_parse(&c, cli_verb_find("invite"), N_ELEMENTS(argv), argv), 0);
	assert_string_equal(cli_value(&c, "uses"), "3");
	assert_string_equal(cli_value(&c, "name"), "roof"); /* the last one counts */
	assert_int_equal(cli_given(&c, "endpoint"), 2);
	assert_string_equal(cli_value_at(&c, "endpoint", 0), "a:1");
	assert_string_equal(cli_value_at(&c, "endpoint", 1), "b:2");
	assert_null(cli_value_at(&c, "endpoint", 2));
	assert_null(cli_value(&c, "expires"));
	assert_true(c.is_json);
	assert_false(c.is_coloured);
}

static void common_options_may_stand_before_the_verb(void **state)
{
	struct call c = call("--config", config_path, "--json", "config", "check", NULL);
	struct call nothing = call("--config", config_path, NULL);
	struct call joined = call("--config=/nonexistent/x0.yaml", "status", NULL);

	(void)state;
	assert_int_equal(c.status, CLI_DONE);
	assert_non_null(strstr(c.out, "\"is_valid\": true"));
	assert_int_equal(nothing.status, CLI_USAGE);
	assert_int_equal(joined.status, CLI_FAILED);
	assert_non_null(strstr(joined.err, "there is no such file"));
	call_done(&c);
	call_done(&nothing);
	call_done(&joined);
}

static void init_takes_the_name_of_a_configuration_that_is_there(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/named.yaml", directory);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fprintf(f, "domain: example.mesh\nname: roof\nuser: %s\nstate_dir: %s/named\n",
		      "nobody", directory);
	assert_int_equal(fclose(f), 0);
	struct call c =
		call("init", "--domain", "example.mesh", "--no-start", "--config", path, NULL);

	assert_int_equal(c.status, CLI_DONE);
	assert_non_null(strstr(c.out, "spiffe://example.mesh/node/roof\n"));
	call_done(&c);
	(void)snprintf(path, sizeof(path), "rm -rf %s/named %s/named.yaml", directory, directory);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	assert_int_equal(system(path), 0);
}

static void an_option_is_repeated_only_so_often(void **state)
{
	char *argv[2 * CLI_VALUES_MAX + 3] = { "invite" };
	FILE *err = tmpfile();
	struct cli c;

	(void)state;
	for (unsigned i = 0; i <= CLI_VALUES_MAX; i++) {
		argv[1 + 2 * i] = "-e";
		argv[2 + 2 * i] = "a:1";
	}
	cli_init(&c, stdout, err);
	assert_int_equal(cli_parse(&c, cli_verb_find("invite"), 2 * CLI_VALUES_MAX + 3, argv),
			 CLI_USAGE);
	(void)fclose(err);
}

static void values_out_of_range_are_a_wrong_use(void **state)
{
	static const char *const wrong[][4] = {
		{ "ping", "roof", "-c", "x" },
		{ "ping", "roof", "-i", "0.001" },
		{ "ping", "roof", "-W", "61" },
		{ "trace", "roof", "-m", "0" },
		{ "invite", "--uses", "17", "" },
		{ "invite", "--expires", "soon", "" },
		{ "invite", "--endpoint", "x", "" },
		{ "invite", "--name", "-x", "" },
		{ "init", "--domain", "UPPER", "" },
		{ "join", "http://x", "", "" },
		{ "node", "frob", "", "" },
		{ "config", "frob", "", "" },
		{ "ledger", "frob", "", "" },
		{ "ledger", "prove", "", "" },
		{ "ledger", "prove", "x", "" },
		{ "ledger", "show", "3", "" },
		{ "ledger", "--since", "-1", "" },
		{ "policy", "frob", "", "" },
		{ "completion", "tcsh", "", "" },
		{ "invite", "--qr", "--no-qr", "" },
		{ "batman", "frob", "", "" },
		{ "batman", "set", "frob", "1" },
		{ "batman", "set", "hop_penalty", "256" },
		{ "batman", "set", "gw_mode", "x" },
		{ "batman", "set", "elp_interval", "100" },
		{ "batman", "add", "", "" },
		{ "batman", "show", "--interface", "x" },
		{ "batman", "show", "x", "" },
		{ "batman", "gateway", "x", "" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		const char *const *w = wrong[i];
		struct call c = call(w[0], w[1][0] ? w[1] : NULL, w[2][0] ? w[2] : NULL,
				     w[3][0] ? w[3] : NULL, NULL);

		assert_int_equal(c.status, CLI_USAGE);
		assert_non_null(strstr(c.err, "x0 "));
		call_done(&c);
	}
}

/* ---- the daemon ---- */

static void no_daemon_is_status_3_and_names_the_next_command(void **state)
{
	static const char *const verbs[] = { "status", "peers", "routes", "svid", "invite" };
	struct call ping = call("ping", "roof", "--config", config_path, NULL);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
		struct call c = call(verbs[i], "--config", config_path, NULL);

		assert_int_equal(c.status, CLI_NO_DAEMON);
		assert_non_null(strstr(c.err, "x0 up"));
		assert_string_equal(c.out, "");
		call_done(&c);
	}
	assert_int_equal(ping.status, CLI_NO_DAEMON);
	call_done(&ping);
}

static void a_configuration_that_is_named_has_to_be_there(void **state)
{
	static const char *const verbs[] = { "status", "down", "leave", "bundle" };
	struct call show = call("config", "show", "--config", "/nonexistent/x0.yaml", NULL);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
		struct call c = call(verbs[i], "--config", "/nonexistent/x0.yaml", NULL);

		assert_int_equal(c.status, CLI_FAILED);
		assert_non_null(strstr(c.err, "/nonexistent/x0.yaml: error: there is no such"));
		call_done(&c);
	}
	assert_int_equal(show.status, CLI_FAILED);
	assert_string_equal(show.out, "");
	call_done(&show);
}

static void an_address_is_no_name_to_ping(void **state)
{
	struct call c = call("ping", "fd00::1", "--config", config_path, NULL);

	(void)state;
	assert_int_equal(c.status, CLI_USAGE);
	assert_non_null(strstr(c.err, "x0 routes"));
	call_done(&c);
}

static void errors_are_json_on_standard_output_where_asked_for(void **state)
{
	struct call c = call("status", "--json", "--config", config_path, NULL);
	json_t *root = json_loads(c.out, 0, NULL);

	(void)state;
	assert_int_equal(c.status, CLI_NO_DAEMON);
	assert_string_equal(c.err, "");
	assert_string_equal(json_text(json_object_get(root, "error"), "code"), "no_daemon");
	assert_non_null(strstr(json_text(json_object_get(root, "error"), "message"), "x0 up"));
	json_decref(root);
	call_done(&c);
}

static void the_codes_of_the_daemon_have_exit_statuses(void **state)
{
	(void)state;
	assert_int_equal(cli_exit_of_code("denied"), CLI_DENIED);
	assert_int_equal(cli_exit_of_code("usage"), CLI_USAGE);
	assert_int_equal(cli_exit_of_code("not_authority"), CLI_FAILED);
	assert_int_equal(cli_exit_of_code(""), CLI_FAILED);
}

static void down_without_a_daemon_is_done(void **state)
{
	struct call c = call("down", "--json", "--config", config_path, NULL);

	(void)state;
	assert_int_equal(c.status, CLI_DONE);
	assert_non_null(strstr(c.out, "\"was_running\": false"));
	call_done(&c);
}

static void leave_without_a_membership_says_so(void **state)
{
	struct call c = call("leave", "--yes", "--config", config_path, NULL);

	(void)state;
	assert_int_equal(c.status, CLI_FAILED);
	assert_non_null(strstr(c.err, "x0 join"));
	call_done(&c);
}

/* ---- configuration and policy ---- */

static void a_faulty_configuration_is_told_with_its_line(void **state)
{
	char path[128];
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/bad.yaml", directory);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs("domain: example.mesh\nno_such_key: 1\n", f);
	assert_int_equal(fclose(f), 0);
	struct call c = call("config", "check", path, NULL);
	struct call json = call("config", "check", path, "--json", NULL);

	assert_int_equal(c.status, CLI_FAILED);
	assert_non_null(strstr(c.err, "bad.yaml:2"));
	assert_non_null(strstr(json.out, "\"line\": 2"));
	assert_int_equal(json.status, CLI_FAILED);
	assert_non_null(strstr(json.out, "bad.yaml:2"));
	call_done(&c);
	call_done(&json);
	assert_int_equal(unlink(path), 0);
}

static void what_a_policy_is_never_asked_about_is_refused_with_what_it_is(void **state)
{
	struct call port =
		call("policy", "explain", "guest", "connect", "22", "--file", config_path, NULL);
	struct call none =
		call("policy", "explain", "guest", "ping", "tcp:22", "--file", config_path, NULL);
	struct call expires = call("invite", "--expires", "5", NULL);

	(void)state;
	assert_int_equal(port.status, CLI_USAGE);
	assert_non_null(strstr(port.err, "tcp:PORT"));
	assert_int_equal(none.status, CLI_USAGE);
	assert_non_null(strstr(none.err, "its resource is none"));
	assert_int_equal(expires.status, CLI_USAGE);
	assert_non_null(strstr(expires.err, "30m"));
	assert_non_null(strstr(expires.err, "x0 help invite"));
	call_done(&port);
	call_done(&none);
	call_done(&expires);
}

static void a_policy_is_checked_and_explained_from_a_file(void **state)
{
	struct call check = call("policy", "check", config_path, "--json", NULL);
	struct call allow = call("policy", "explain", "guest", "connect", "tcp:80", "--file",
				 config_path, NULL);
	struct call deny = call("policy", "explain", "guest", "connect", "tcp:22", "--file",
				config_path, NULL);

	(void)state;
	assert_int_equal(check.status, CLI_DONE);
	assert_non_null(strstr(check.out, "\"forbid\": 1"));
	assert_int_equal(allow.status, CLI_DONE);
	assert_memory_equal(allow.out, "allow:", 6);
	assert_int_equal(deny.status, CLI_DONE);
	assert_memory_equal(deny.out, "deny:", 5);
	call_done(&check);
	call_done(&allow);
	call_done(&deny);
}

static void fill_sevens(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 7, len);
}

static void make_ledger(const char *path)
{
	struct entropy entropy = { .fill = fill_sevens };
	struct ledger_config config = { .origin = "example.mesh/ledger/roof",
					.ops = openssl_crypto_ops(NULL),
					.crypto = openssl_note_crypto(),
					.entropy = &entropy };
	struct ledger_entry e = { .kind = LEDGER_NOTICE, .who = "roof", .what = "join" };
	struct ledger_error error;
	struct ledger *l;

	assert_int_equal(ledger_open(path, &config, &l, &error), 0);
	assert_int_equal(ledger_append(l, &e, NULL), 0);
	e.what = "revoke";
	e.why = "a\033[2J\nb\xc2\x9b"
		"c\xc3\xa4";
	assert_int_equal(ledger_append(l, &e, NULL), 0);
	ledger_close(l);
}

static void expect_ledger(const char *path, const char *action, const char *argument, int status,
			  const char *text)
{
	struct call c = argument ? call("ledger", action, argument, "--directory", path, NULL)
				 : call("ledger", action, "--directory", path, NULL);

	assert_int_equal(c.status, status);
	if (!strstr(c.out, text) && !strstr(c.err, text))
		fail_msg("%s: \"%s\" is not in: %s%s", action, text, c.out, c.err);
	call_done(&c);
}

static void a_ledger_is_read_proved_and_verified_without_a_daemon(void **state)
{
	char path[128], file[192], command[192];
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/ledger", directory);
	expect_ledger(path, "show", NULL, CLI_FAILED, "no ledger");
	make_ledger(path);
	expect_ledger(path, "show", NULL, CLI_DONE, "notice  roof  join");
	expect_ledger(path, "show", NULL, CLI_DONE, "revoke: a?[2J?b??c\xc3\xa4");
	expect_ledger(path, "show", "--json", CLI_DONE, "\"what\": \"revoke\"");
	expect_ledger(path, "prove", "1", CLI_DONE, "c2sp.org/tlog-proof@v1\nextra ");
	expect_ledger(path, "prove", "2", CLI_FAILED, "no checkpoint has entry 2");
	expect_ledger(path, "verify", NULL, CLI_DONE, "as it was written");
	expect_ledger(path, "checkpoint", NULL, CLI_DONE, "example.mesh/ledger/roof\n2\n");
	expect_ledger(path, "keys", NULL, CLI_DONE, "example.mesh/ledger/roof+");
	(void)snprintf(file, sizeof(file), "%s/tile/0/000.p/2", path);
	f = fopen(file, "r+e");
	assert_non_null(f);
	assert_int_equal(fputc('x', f), 'x');
	assert_int_equal(fclose(f), 0);
	expect_ledger(path, "verify", NULL, CLI_FAILED, "tile/0/000.p/2: byte 0");
	(void)snprintf(command, sizeof(command), "rm -rf %s", path);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	(void)!system(command);
}

/* ---- help, completions ---- */

static void every_verb_has_help_with_an_example_and_is_in_the_man_page(void **state)
{
	struct call man = call("help", "--man", NULL);
	struct call all = call("help", NULL);

	(void)state;
	assert_int_equal(man.status, CLI_DONE);
	assert_memory_equal(man.out, ".TH X0 1", 8);
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		struct call by_verb = call("help", v->name, NULL);
		char heading[64];

		assert_int_equal(by_verb.status, CLI_DONE);
		assert_non_null(strstr(by_verb.out, "Examples:\n  "));
		if (!v->run_raw) {
			struct call by_option = call(v->name, "--help", NULL);

			assert_int_equal(by_option.status, CLI_DONE);
			assert_string_equal(by_option.out, by_verb.out);
			call_done(&by_option);
		}
		(void)snprintf(heading, sizeof(heading), ".SS x0 %s", v->name);
		assert_non_null(strstr(man.out, heading));
		(void)snprintf(heading, sizeof(heading), "\n  %s ", v->name);
		assert_non_null(strstr(all.out, heading));
		call_done(&by_verb);
	}
	call_done(&man);
	call_done(&all);
}

static void completions_know_every_verb_and_option(void **state)
{
	static const char *const shells[] = { "bash", "zsh", "fish" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(shells); i++) {
		struct call c = call("completion", shells[i], NULL);

		assert_int_equal(c.status, CLI_DONE);
		for (const struct cli_verb *v = cli_verbs; v->name; v++) {
			assert_non_null(strstr(c.out, v->name));
			for (const struct cli_option *o = v->options; o && o->name; o++)
				assert_non_null(strstr(c.out, o->name));
		}
		call_done(&c);
	}
}

static void every_row_of_the_table_is_whole(void **state)
{
	(void)state;
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		unsigned n = 0;

		assert_true((v->run != NULL) != (v->run_raw != NULL));
		assert_true(strlen(v->line) > 0 && strlen(v->line) <= 64);
		assert_true(v->args_min <= v->args_max);
		assert_ptr_equal(cli_verb_find(v->name), v);
		for (const struct cli_option *o = v->options; o && o->name; o++, n++)
			assert_non_null(o->help);
		assert_true(v->run_raw || n + 3 <= CLI_OPTIONS_MAX);
	}
}

/* ---- joining ---- */

static void each_way_of_not_joining_names_what_to_do(void **state)
{
	struct joining_outcome o = { .resolve_error = -ENOENT };
	char why[CLI_TEXT_SIZE];

	(void)state;
	joining_explain(&o, why);
	assert_non_null(strstr(why, "x0 invite --endpoint"));
	o = (struct joining_outcome){ .trial = { .is_over = true, .failure = HS_FAIL_TIMEOUT } };
	joining_explain(&o, why);
	assert_non_null(strstr(why, "x0 status"));
	o.trial.failure = HS_FAIL_NO_COMPLETION;
	joining_explain(&o, why);
	assert_non_null(strstr(why, "x0 invite"));
	o.trial.failure = HS_FAIL_IDENTITY;
	o.trial.fault = IDENTITY_NOT_YET_VALID;
	joining_explain(&o, why);
	assert_non_null(strstr(why, "clock"));
	o.trial.fault = IDENTITY_EXPIRED;
	joining_explain(&o, why);
	assert_non_null(strstr(why, "clock"));
	o.trial.fault = IDENTITY_NO_PATH;
	joining_explain(&o, why);
	assert_non_null(strstr(why, "x0 invite"));
	o.trial.has_handshake = true;
	o.trial.failure = HS_FAIL_TIMEOUT;
	joining_explain(&o, why);
	assert_non_null(strstr(why, "x0 invite"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_is_named_has_the_configuration_that_was_given),
		cmocka_unit_test(a_typo_does_not_get_between_the_user_and_the_daemon),
		cmocka_unit_test(what_is_wrong_with_a_demo_is_said_as_with_any_verb),
		cmocka_unit_test(without_a_verb_the_help_is_printed_and_it_is_a_wrong_use),
		cmocka_unit_test(an_unknown_verb_suggests_the_nearest),
		cmocka_unit_test(an_unknown_verb_far_from_all_points_to_the_help),
		cmocka_unit_test(wrong_options_name_the_help_of_the_verb),
		cmocka_unit_test(options_are_read_wherever_they_stand),
		cmocka_unit_test(common_options_may_stand_before_the_verb),
		cmocka_unit_test(init_takes_the_name_of_a_configuration_that_is_there),
		cmocka_unit_test(an_option_is_repeated_only_so_often),
		cmocka_unit_test(values_out_of_range_are_a_wrong_use),
		cmocka_unit_test(no_daemon_is_status_3_and_names_the_next_command),
		cmocka_unit_test(a_configuration_that_is_named_has_to_be_there),
		cmocka_unit_test(an_address_is_no_name_to_ping),
		cmocka_unit_test(errors_are_json_on_standard_output_where_asked_for),
		cmocka_unit_test(the_codes_of_the_daemon_have_exit_statuses),
		cmocka_unit_test(down_without_a_daemon_is_done),
		cmocka_unit_test(leave_without_a_membership_says_so),
		cmocka_unit_test(a_faulty_configuration_is_told_with_its_line),
		cmocka_unit_test(what_a_policy_is_never_asked_about_is_refused_with_what_it_is),
		cmocka_unit_test(a_policy_is_checked_and_explained_from_a_file),
		cmocka_unit_test(a_ledger_is_read_proved_and_verified_without_a_daemon),
		cmocka_unit_test(every_verb_has_help_with_an_example_and_is_in_the_man_page),
		cmocka_unit_test(completions_know_every_verb_and_option),
		cmocka_unit_test(every_row_of_the_table_is_whole),
		cmocka_unit_test(each_way_of_not_joining_names_what_to_do),
	};

	return cmocka_run_group_tests(tests, make_config, remove_config);
}

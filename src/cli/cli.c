/* SPDX-License-Identifier: Apache-2.0 */
/* One call of the program: options read, a verb chosen, messages said. */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/hint.h"
#include "cli/text.h"
#include "shell/loop/loop.h"

#define NEAR_ENOUGH 2 /* edits: "stauts", "peer", "rotue" */

/* ---- options ---- */

/* The verb's options and then the common ones, as one list. */
static const struct cli_option *option_at(const struct cli_verb *verb, unsigned i)
{
	unsigned n = 0;

	for (; verb->options && verb->options[n].name; n++)
		if (n == i)
			return &verb->options[n];
	for (unsigned k = 0; cli_common_options[k].name; k++, n++)
		if (n == i)
			return &cli_common_options[k];
	return NULL;
}

static unsigned index_of(const struct cli *c, const char *name)
{
	const struct cli_option *o;
	unsigned i = 0;

	for (; (o = option_at(c->verb, i)) != NULL; i++)
		if (strcmp(o->name, name) == 0)
			return i;
	assert(false); /* the verb's row does not have it */
	return 0;
}

unsigned cli_given(const struct cli *c, const char *option)
{
	return c->options[index_of(c, option)].n;
}

const char *cli_value_at(const struct cli *c, const char *option, unsigned i)
{
	unsigned at = index_of(c, option);

	return i < c->options[at].n ? c->options[at].values[i] : NULL;
}

const char *cli_value(const struct cli *c, const char *option)
{
	unsigned n = cli_given(c, option);

	return n > 0 ? cli_value_at(c, option, n - 1) : NULL;
}

struct getopt_tables {
	struct option long_options[CLI_OPTIONS_MAX + 1];
	char short_options[2 * CLI_OPTIONS_MAX + 2];
	int chosen;
};

static void fill_tables(const struct cli_verb *verb, struct getopt_tables *t)
{
	const struct cli_option *o;
	size_t len = 0;

	memset(t, 0, sizeof(*t));
	t->short_options[len++] = ':'; /* a missing value is told apart, and nothing printed */
	for (unsigned i = 0; (o = option_at(verb, i)) != NULL; i++) {
		assert(i < CLI_OPTIONS_MAX);
		t->long_options[i] = (struct option){
			.name = o->name,
			.has_arg = o->value ? required_argument : no_argument,
			.flag = &t->chosen,
			.val = (int)i,
		};
		if (o->letter) {
			t->short_options[len++] = o->letter;
			if (o->value)
				t->short_options[len++] = ':';
		}
	}
}

static unsigned index_of_letter(const struct cli *c, int letter)
{
	const struct cli_option *o;
	unsigned i = 0;

	for (; (o = option_at(c->verb, i)) != NULL; i++)
		if (o->letter == letter)
			break;
	return i;
}

static int keep(struct cli *c, unsigned i, const char *value)
{
	const struct cli_option *o = option_at(c->verb, i);

	if (!o->value) {
		c->options[i].n = 1;
		return 0;
	}
	if (!o->is_repeated)
		c->options[i].n = 0; /* the last one counts */
	if (c->options[i].n == CLI_VALUES_MAX)
		return cli_usage(c, "--%s: at most %d times", o->name, CLI_VALUES_MAX);
	c->options[i].values[c->options[i].n++] = value;
	return 0;
}

static int read_options(struct cli *c, int argc, char **argv)
{
	struct getopt_tables t;
	int chosen;
	int r = 0;

	fill_tables(c->verb, &t);
	optind = 0; /* GNU: start anew */
	opterr = 0;
	while (r == 0 &&
	       (chosen = getopt_long(argc, argv, t.short_options, t.long_options, NULL)) != -1) {
		if (chosen == ':')
			r = cli_usage(c, "%s needs a value", argv[optind - 1]);
		else if (chosen == '?')
			r = cli_usage(c, "there is no option %s", argv[optind - 1]);
		else
			r = keep(c, chosen == 0 ? (unsigned)t.chosen : index_of_letter(c, chosen),
				 optarg);
	}
	c->n_args = argc - optind;
	c->args = argv + optind;
	return r;
}

bool cli_asks_for_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

int cli_parse(struct cli *c, const struct cli_verb *verb, int argc, char **argv)
{
	int r;

	c->verb = verb;
	memset(c->options, 0, sizeof(c->options));
	c->is_json = cli_asks_for_json(argc, argv);
	r = read_options(c, argc, argv);
	if (r != 0)
		return r;
	c->is_json = cli_given(c, "json") > 0;
	c->config_path = cli_value(c, "config");
	if (c->is_json)
		c->is_coloured = false;
	if (cli_given(c, "help")) {
		help_print(verb, c->out);
		c->verb = NULL;
		return 0;
	}
	if (c->n_args < verb->args_min)
		return cli_usage(c, "something is missing: x0 %s %s", verb->name, verb->arguments);
	if (c->n_args > verb->args_max)
		return cli_usage(c, "what is \"%s\"? It takes %s", c->args[verb->args_max],
				 verb->arguments[0] ? verb->arguments : "no arguments");
	return 0;
}

/* ---- saying ---- */

static bool wants_colour(FILE *to)
{
	const char *terminal = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR"); /* no-color.org */

	return isatty(fileno(to)) && !(no_colour && no_colour[0]) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

static unsigned width_of_terminal(FILE *to)
{
	struct winsize w;

	if (isatty(fileno(to)) && ioctl(fileno(to), TIOCGWINSZ, &w) == 0)
		return w.ws_col;
	return 0;
}

void cli_init(struct cli *c, FILE *out, FILE *err)
{
	*c = (struct cli){ .out = out, .err = err };
	c->is_tty = isatty(fileno(out)) == 1;
	c->is_coloured = wants_colour(out);
	c->columns = width_of_terminal(out);
}

const char *cli_colour(const struct cli *c, enum cli_colour colour)
{
	static const char *const sequences[CLI_N_COLOURS] = {
		[CLI_PLAIN] = "\033[0m",  [CLI_BOLD] = "\033[1m",    [CLI_RED] = "\033[31m",
		[CLI_GREEN] = "\033[32m", [CLI_YELLOW] = "\033[33m", [CLI_DIM] = "\033[2m",
	};

	return c->is_coloured ? sequences[colour] : "";
}

const char *cli_hint(const struct cli *c, const char *text, char **ret_copy)
{
	*ret_copy = NULL;
	if (c->config_path)
		*ret_copy = hint_with_config(text, c->verb ? c->verb->name : "", c->config_path);
	return *ret_copy ? *ret_copy : text;
}

static void print_failure(struct cli *c, const char *code, const char *text)
{
	CLEANUP_FREE char *copy = NULL;
	const char *message = cli_hint(c, text, &copy);
	char plain[2 * CLI_TEXT_SIZE];

	if (c->is_json) {
		cli_json(c, json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
		return;
	}
	text_plain(message, plain, sizeof(plain));
	(void)fflush(c->out);
	(void)fprintf(c->err, "x0%s%s: %s\n", c->verb ? " " : "", c->verb ? c->verb->name : "",
		      plain);
}

int cli_fail(struct cli *c, int status, const char *code, const char *format, ...)
{
	char message[CLI_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	print_failure(c, code, message);
	return status;
}

int cli_usage(struct cli *c, const char *format, ...)
{
	char message[CLI_TEXT_SIZE];
	char whole[CLI_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	(void)snprintf(whole, sizeof(whole), "%.900s; see: x0 help %s", message,
		       c->verb ? c->verb->name : "");
	print_failure(c, "usage", whole);
	return CLI_USAGE;
}

static void put_line(struct cli *c, FILE *to, const char *format, va_list args)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE char *copy = NULL;

	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return;
	}
	(void)fprintf(to, "%s\n", cli_hint(c, text, &copy));
}

void cli_say(struct cli *c, const char *format, ...)
{
	va_list args;

	if (c->is_json)
		return;
	va_start(args, format);
	put_line(c, c->out, format, args);
	va_end(args);
}

static void note(struct cli *c, const char *format, va_list args)
{
	if (c->is_json)
		return;
	(void)fflush(c->out);
	put_line(c, c->err, format, args);
}

void cli_note(struct cli *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(c, format, args);
	va_end(args);
}

void cli_patience(struct cli *c, struct cli_patience *p, const char *format, ...)
{
	uint64_t now_us = loop_now_us();
	va_list args;

	if (p->start_us == 0)
		p->start_us = now_us;
	if (p->is_said || now_us - p->start_us < CLI_PROGRESS_MS * UINT64_C(1000))
		return;
	p->is_said = true;
	va_start(args, format);
	note(c, format, args);
	va_end(args);
}

void cli_json(struct cli *c, json_t *value)
{
	if (c->is_json) {
		(void)json_dumpf(value, c->out, JSON_INDENT(2) | JSON_ENCODE_ANY);
		(void)fputc('\n', c->out);
	}
	json_decref(value);
}

void cli_json_line(struct cli *c, const json_t *value)
{
	if (!c->is_json)
		return;
	(void)json_dumpf(value, c->out, JSON_COMPACT | JSON_ENCODE_ANY);
	(void)fputc('\n', c->out);
	(void)fflush(c->out);
}

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t json_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* ---- verbs ---- */

const struct cli_verb *cli_verb_find(const char *name)
{
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

const char *cli_verb_nearest(const char *name)
{
	const char *nearest = NULL;
	unsigned best = NEAR_ENOUGH + 1;

	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		size_t len = strlen(name);
		unsigned distance = text_distance(name, v->name);

		if (len >= 2 && strncmp(name, v->name, len) == 0)
			distance = 0; /* "stat": begun rightly */

		if (distance < best && distance < len) {
			best = distance;
			nearest = v->name;
		}
	}
	return nearest;
}

static int unknown_verb(struct cli *c, const char *name)
{
	const char *nearest = cli_verb_nearest(name);
	char plain[64];

	text_plain(name, plain, sizeof(plain));
	if (nearest)
		return cli_fail(c, CLI_USAGE, "usage",
				"there is no verb \"%s\"; did you mean: x0 %s", plain, nearest);
	return cli_fail(c, CLI_USAGE, "usage", "there is no verb \"%s\"; see: x0 help", plain);
}

/* "x0 --config FILE status" is "x0 status --config FILE": the verb goes to the front. */
static void verb_to_front(int argc, char **argv)
{
	char *verb;
	int at = 1;

	while (at < argc && (strcmp(argv[at], "--json") == 0 ||
			     strncmp(argv[at], "--config", strlen("--config")) == 0))
		at += strcmp(argv[at], "--config") == 0 ? 2 : 1;
	if (at >= argc)
		return;
	verb = argv[at];
	memmove(&argv[2], &argv[1], (size_t)(at - 1) * sizeof(argv[0]));
	argv[1] = verb;
}

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
	const struct cli_verb *verb;
	struct cli c;
	int r;

	cli_init(&c, out, err);
	if (argc < 2) {
		help_print(NULL, err);
		return CLI_USAGE;
	}
	verb_to_front(argc, argv);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		argv[1] = "help";
	else if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		argv[1] = "version";
	verb = cli_verb_find(argv[1]);
	if (!verb) {
		c.is_json = cli_asks_for_json(argc, argv);
		return unknown_verb(&c, argv[1]);
	}
	if (verb->run_raw)
		return verb->run_raw(argc - 1, argv + 1, out, err);
	r = cli_parse(&c, verb, argc - 1, argv + 1);
	if (r == 0 && c.verb)
		r = verb->run(&c);
	if (fflush(out) != 0 || ferror(out)) {
		(void)fprintf(err, "x0: the output could not be written: %s\n", strerror(errno));
		return r ? r : CLI_FAILED;
	}
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Help and the manual page, from the table of verbs. */
#include <ctype.h>
#include <string.h>

#include "cli/cli.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

#define WIDTH 78
#define COLUMN 26 /* where the explanation of an option begins */

static const char *const exits =
	"0 done, 1 failed, 2 wrong use, 3 the daemon does not run, 4 not permitted";

/* ---- text ---- */

static void wrap(FILE *to, const char *text, unsigned indent)
{
	unsigned column = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column > 0 && column + 1 + len > WIDTH) {
			(void)fputc('\n', to);
			column = 0;
		}
		if (column == 0)
			column = (unsigned)fprintf(to, "%*s%.*s", (int)indent, "", (int)len, text);
		else
			column += (unsigned)fprintf(to, " %.*s", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	(void)fputc('\n', to);
}

static void print_option(const struct cli_option *o, FILE *to)
{
	char letter[8] = "    ";
	char name[64];

	if (o->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	(void)snprintf(name, sizeof(name), "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
		       o->value ? o->value : "");
	if (strlen(name) > COLUMN)
		(void)fprintf(to, "%s\n%-*s  %s\n", name, COLUMN, "", o->help);
	else
		(void)fprintf(to, "%-*s  %s\n", COLUMN, name, o->help);
}

static void print_options(const struct cli_option *o, FILE *to)
{
	for (; o && o->name; o++)
		print_option(o, to);
}

static void print_lines(const char *lines, const char *before, FILE *to)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		(void)fprintf(to, "%s%.*s\n", before, (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

static void print_verb(const struct cli_verb *v, FILE *to)
{
	(void)fprintf(to, "x0 %s - %s\n\nUsage: x0 %s [options]%s%s\n", v->name, v->line, v->name,
		      v->arguments[0] ? " " : "", v->arguments);
	if (v->text[0]) {
		(void)fputc('\n', to);
		wrap(to, v->text, 0);
	}
	(void)fprintf(to, "\nOptions:\n");
	print_options(v->options, to);
	if (!v->run_raw)
		print_options(cli_common_options, to);
	(void)fprintf(to, "\nExamples:\n");
	print_lines(v->examples, "  ", to);
}

static void print_program(FILE *to)
{
	(void)fprintf(to, "x0 - an encrypted, post-quantum mesh network\n\n"
			  "Usage: x0 VERB [options]\n\nThree commands connect two machines:\n"
			  "  x0 init --domain example.mesh   on the first\n"
			  "  x0 invite                       there: prints an invitation\n"
			  "  x0 join                         on the second: paste it\n\nVerbs:\n");
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		(void)fprintf(to, "  %-11s %s\n", v->name, v->line);
	(void)fprintf(to, "\nOptions of the verbs (demo has its own):\n");
	print_options(cli_common_options, to);
	(void)fprintf(to, "\nExit status: %s.\nMore: x0 help VERB, man x0\n", exits);
}

void help_print(const struct cli_verb *verb, FILE *to)
{
	if (verb)
		print_verb(verb, to);
	else
		print_program(to);
}

/* ---- roff (man(7)) ---- */

/* A line may not begin with a dot or quote; a dash is a minus to be copied from. */
static void roff(FILE *to, const char *text)
{
	if (*text == '.' || *text == '\'')
		(void)fputs("\\&", to);
	for (; *text; text++) {
		if (*text == '\\')
			(void)fputs("\\e", to);
		else if (*text == '-')
			(void)fputs("\\-", to);
		else
			(void)fputc(*text, to);
	}
}

static void roff_options(const struct cli_option *o, FILE *to)
{
	for (; o && o->name; o++) {
		(void)fprintf(to, ".TP\n");
		if (o->letter)
			(void)fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
		(void)fprintf(to, "\\fB\\-\\-");
		roff(to, o->name);
		(void)fprintf(to, "\\fR%s%s%s\n", o->value ? " \\fI" : "", o->value ? o->value : "",
			      o->value ? "\\fR" : "");
		roff(to, o->help);
		(void)fputc('\n', to);
	}
}

static void roff_verb(const struct cli_verb *v, FILE *to)
{
	(void)fprintf(to, ".SS x0 %s%s", v->name, v->arguments[0] ? " " : "");
	roff(to, v->arguments);
	(void)fputc('\n', to);
	for (const char *at = v->line; *at; at++)
		(void)fputc(at == v->line ? toupper((unsigned char)*at) : *at, to);
	(void)fputs(".\n", to);
	if (v->text[0]) {
		(void)fputs(".PP\n", to);
		roff(to, v->text);
		(void)fputc('\n', to);
	}
	roff_options(v->options, to);
	(void)fputs(".PP\n.nf\n", to);
	for (const char *at = v->examples; *at;) {
		char example[256];
		size_t len = strcspn(at, "\n");

		(void)snprintf(example, sizeof(example), "%.*s", (int)len, at);
		(void)fputs("    ", to);
		roff(to, example);
		(void)fputc('\n', to);
		at += len + (at[len] == '\n');
	}
	(void)fputs(".fi\n", to);
}

void help_print_man(FILE *to)
{
	(void)fprintf(to,
		      ".TH X0 1 \"\" \"x0 %s\" \"x0tta6bl4\"\n"
		      ".SH NAME\nx0 \\- an encrypted, post\\-quantum mesh network\n"
		      ".SH SYNOPSIS\n\\fBx0\\fR \\fIVERB\\fR [\\fIoptions\\fR]\n"
		      ".SH DESCRIPTION\n"
		      "Machines form one encrypted IPv6 network without a central server. Three "
		      "commands connect two of them: \\fBx0 init\\fR and \\fBx0 invite\\fR on the "
		      "first, \\fBx0 join\\fR on the second.\n"
		      ".SH OPTIONS\nThe verbs have these; \\fBdemo\\fR has its own.\n",
		      X0_VERSION);
	roff_options(cli_common_options, to);
	(void)fputs(".SH VERBS\n", to);
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		roff_verb(v, to);
	(void)fprintf(to,
		      ".SH EXIT STATUS\n%s.\n"
		      ".SH JSON\nWith \\-\\-json a result is one value on standard output, an "
		      "error {\"error\": {\"code\", \"message\"}} there too; \\fBping\\fR and "
		      "\\fBtrace\\fR print one object a line.\n"
		      ".SH FILES\n.TP\n/etc/x0/x0.yaml\nThe configuration; without root "
		      "$XDG_CONFIG_HOME/x0/x0.yaml. Its keys: \\fBx0 config help\\fR.\n"
		      ".TP\n/var/lib/x0\nKeys, certificates and what has to survive a restart; "
		      "without root $XDG_STATE_HOME/x0.\n"
		      ".TP\n/run/x0/x0.sock\nThe control socket, open to root and the group x0.\n"
		      ".SH ENVIRONMENT\n.TP\nNO_COLOR\nIf set and not empty, no colours.\n",
		      exits);
}

int verb_help(struct cli *c)
{
	const struct cli_verb *verb = NULL;

	if (c->is_json)
		return cli_usage(c, "help has no --json");
	if (cli_given(c, "man")) {
		help_print_man(c->out);
		return 0;
	}
	if (c->n_args > 0) {
		const char *nearest = cli_verb_nearest(c->args[0]);

		verb = cli_verb_find(c->args[0]);
		if (!verb)
			return cli_fail(c, CLI_USAGE, "usage", "there is no verb \"%s\"; %s%s",
					c->args[0],
					nearest ? "did you mean: x0 help " : "see: x0 help",
					nearest ? nearest : "");
	}
	help_print(verb, c->out);
	return 0;
}

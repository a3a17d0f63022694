/* SPDX-License-Identifier: Apache-2.0 */
/* Completions for three shells, from the table of verbs. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

static void words(const struct cli_option *o, FILE *to)
{
	for (; o && o->name; o++) {
		(void)fprintf(to, " --%s", o->name);
		if (o->letter)
			(void)fprintf(to, " -%c", o->letter);
	}
}

/* Names of nodes, as far as the daemon tells them: for ping, trace and resolve. */
static bool takes_node(const struct cli_verb *v)
{
	return strcmp(v->name, "ping") == 0 || strcmp(v->name, "trace") == 0 ||
	       strcmp(v->name, "resolve") == 0;
}

#define NODE_NAMES "x0 routes 2>/dev/null | sed 1d | cut -d\" \" -f1"

static void verb_names(FILE *to)
{
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		(void)fprintf(to, "%s%s", v == cli_verbs ? "" : " ", v->name);
}

/* ---- bash ---- */

static void bash_verb(const struct cli_verb *v, FILE *to)
{
	(void)fprintf(to, "\t%s) words=\"%s", v->name, v->actions ? v->actions : "");
	if (strcmp(v->name, "help") == 0)
		verb_names(to);
	words(v->options, to);
	if (!v->run_raw)
		words(cli_common_options, to);
	(void)fprintf(to, "\"%s ;;\n", takes_node(v) ? "; words=\"$words $(" NODE_NAMES ")\"" : "");
}

static void bash(FILE *to)
{
	(void)fputs("# bash completion for x0\n_x0()\n{\n"
		    "\tlocal word=${COMP_WORDS[COMP_CWORD]} words\n"
		    "\tif [ \"${COMP_WORDS[COMP_CWORD-1]}\" = --config ] ||\n"
		    "\t\t[ \"${COMP_WORDS[COMP_CWORD-1]}\" = --file ]; then\n"
		    "\t\tCOMPREPLY=($(compgen -f -- \"$word\"))\n\t\treturn\n\tfi\n"
		    "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		    "\t\tCOMPREPLY=($(compgen -W \"",
		    to);
	verb_names(to);
	(void)fputs("\" -- \"$word\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n", to);
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		bash_verb(v, to);
	(void)fputs("\t*) words= ;;\n\tesac\n"
		    "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
		    "complete -o default -F _x0 x0\n",
		    to);
}

/* ---- zsh ---- */

/* Inside single quotes and the brackets of _arguments. */
static void zsh_text(const char *text, FILE *to)
{
	for (; *text; text++) {
		if (*text == '\'')
			(void)fputs("'\\''", to);
		else if (strchr("[]:\\", *text))
			(void)fprintf(to, "\\%c", *text);
		else
			(void)fputc(*text, to);
	}
}

static void zsh_options(const struct cli_option *o, FILE *to)
{
	for (; o && o->name; o++) {
		(void)fprintf(to, " \\\n\t\t\t'%s--%s[", o->is_repeated ? "*" : "", o->name);
		zsh_text(o->help, to);
		(void)fputc(']', to);
		if (o->value) {
			(void)fputc(':', to);
			zsh_text(o->value, to);
			(void)fputs(strcmp(o->value, "FILE") == 0 ? ":_files" : ":", to);
		}
		(void)fputc('\'', to);
	}
}

static void zsh_verb(const struct cli_verb *v, FILE *to)
{
	(void)fprintf(to, "\t\t%s) _arguments", v->name);
	zsh_options(v->options, to);
	if (!v->run_raw)
		zsh_options(cli_common_options, to);
	if (v->actions)
		(void)fprintf(to, " \\\n\t\t\t'1:what:(%s)'", v->actions);
	else if (takes_node(v))
		(void)fputs(" \\\n\t\t\t'1:node:($(" NODE_NAMES "))'", to);
	if (v->args_max > 1)
		(void)fputs(" \\\n\t\t\t'*:file:_files'", to);
	(void)fputs(" ;;\n", to);
}

static void zsh(FILE *to)
{
	(void)fputs("#compdef x0\n_x0()\n{\n\tlocal -a verbs\n\tverbs=(\n", to);
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		(void)fprintf(to, "\t\t'%s:", v->name);
		zsh_text(v->line, to);
		(void)fputs("'\n", to);
	}
	(void)fputs("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe verb verbs\n\t\treturn\n"
		    "\tfi\n\tlocal verb=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n"
		    "\tcase $verb in\n",
		    to);
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		zsh_verb(v, to);
	(void)fputs("\tesac\n}\nif [ \"$funcstack[1]\" = _x0 ]; then _x0 \"$@\"; else compdef _x0 "
		    "x0; fi\n",
		    to);
}

/* ---- fish ---- */

static void fish_text(const char *text, FILE *to)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			(void)fputc('\\', to);
		(void)fputc(*text, to);
	}
}

static void fish_options(const char *verb, const struct cli_option *o, FILE *to)
{
	for (; o && o->name; o++) {
		(void)fprintf(to, "complete -c x0 -n '__fish_seen_subcommand_from %s' -l %s", verb,
			      o->name);
		if (o->letter)
			(void)fprintf(to, " -s %c", o->letter);
		if (o->value)
			(void)fputs(strcmp(o->value, "FILE") == 0 ? " -r -F" : " -x", to);
		(void)fputs(" -d '", to);
		fish_text(o->help, to);
		(void)fputs("'\n", to);
	}
}

static void fish(FILE *to)
{
	(void)fputs("# fish completion for x0\ncomplete -c x0 -f\n", to);
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		(void)fprintf(to, "complete -c x0 -n __fish_use_subcommand -a %s -d '", v->name);
		fish_text(v->line, to);
		(void)fputs("'\n", to);
		if (v->actions || takes_node(v))
			(void)fprintf(to,
				      "complete -c x0 -n '__fish_seen_subcommand_from %s' -a "
				      "'%s'\n",
				      v->name, v->actions ? v->actions : "(" NODE_NAMES ")");
		fish_options(v->name, v->options, to);
		if (!v->run_raw)
			fish_options(v->name, cli_common_options, to);
	}
}

int completion_print(const char *shell, FILE *to)
{
	if (strcmp(shell, "bash") == 0)
		bash(to);
	else if (strcmp(shell, "zsh") == 0)
		zsh(to);
	else if (strcmp(shell, "fish") == 0)
		fish(to);
	else
		return -EINVAL;
	return 0;
}

int verb_completion(struct cli *c)
{
	if (c->is_json)
		return cli_usage(c, "completion has no --json");
	if (completion_print(c->args[0], c->out) < 0)
		return cli_usage(c, "bash, zsh or fish, not \"%s\"", c->args[0]);
	return 0;
}

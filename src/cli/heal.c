/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 heal`: incidents, their causes, and what may be done about them. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/incident_page.h"
#include "cli/table.h"
#include "cli/text.h"

#define DOT_NAME_SIZE 192 /* of two names of nodes, and the words between */

DEFINE_FREEP(struct table, table_free)

static double real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static int percent(const json_t *object, const char *key)
{
	return (int)(100 * real(object, key) + 0.5);
}

static enum cli_colour colour_of(const json_t *incident)
{
	const char *state = json_text(incident, "state");

	if (strcmp(state, "healed") == 0 || strcmp(state, "closed") == 0)
		return CLI_GREEN;
	return strcmp(state, "escalated") == 0 ? CLI_RED : CLI_YELLOW;
}

/* ---- incidents ---- */

static void incidents_table(struct cli *c, const json_t *list)
{
	static const struct table_column columns[] = {
		{ "ID", false, 0 },   { "OPENED", false, 3 }, { "KIND", false, 0 },
		{ "AT", false, 0 },   { "STATE", false, 0 },  { "CAUSE", false, 1 },
		{ "DONE", false, 2 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *at;
	size_t i;

	if (json_array_size(list) == 0)
		cli_say(c, "No incidents.");
	if (json_array_size(list) == 0 || table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(list, i, at)
	{
		const json_t *cause = json_array_get(json_object_get(at, "causes"), 0);

		(void)table_cell(t, json_text(at, "id"), CLI_PLAIN);
		(void)table_cell(t, json_text(at, "opened"), CLI_DIM);
		(void)table_cell(t, json_text(at, "kind"), CLI_PLAIN);
		(void)table_cell(t, json_text(at, "subject"), CLI_PLAIN);
		(void)table_cell(t, json_text(at, "state"), colour_of(at));
		(void)table_cell(t, json_text(cause, "name"), CLI_PLAIN);
		(void)table_cell(t,
				 json_is_string(json_object_get(at, "action"))
					 ? json_text(at, "remedy")
					 : "nothing",
				 CLI_PLAIN);
	}
	table_print(t, c);
}

static int incidents_args(struct cli *c, json_t *args)
{
	static const char *const texts[] = { "text", "kind" };
	const char *since = cli_value(c, "since"), *limit = cli_value(c, "limit");
	int64_t back_s = 0;
	uint64_t n = 0;

	if (since && (text_duration(since, &back_s) < 0 || back_s > 31536000))
		return cli_usage(c, "--since takes a duration, such as 30m, 1h or 7d");
	if (limit && text_number(limit, 1, 200, &n) < 0)
		return cli_usage(c, "--limit takes a number, 1 to 200");
	if (since)
		(void)json_object_set_new(args, "since_s", json_integer(back_s));
	if (limit)
		(void)json_object_set_new(args, "limit", json_integer((json_int_t)n));
	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		json_t *text = cli_value(c, texts[i]) ? json_string(cli_value(c, texts[i])) : NULL;

		if (cli_given(c, texts[i]) && !text)
			return cli_usage(c, "--%s takes a text in UTF-8", texts[i]);
		if (text)
			(void)json_object_set_new(args, texts[i], text);
	}
	return 0;
}

static int incidents(struct cli *c)
{
	json_t *args = json_object(), *answer = NULL;
	int r = incidents_args(c, args);

	if (r != 0) {
		json_decref(args);
		return r;
	}
	r = cli_call(c, "incidents", args, &answer);
	if (r != 0)
		return r;
	if (!c->is_json)
		incidents_table(c, answer);
	cli_json(c, answer);
	return 0;
}

/* ---- what has helped ---- */

static void rates_table(struct cli *c, const json_t *list)
{
	static const struct table_column columns[] = {
		{ "CAUSE", false, 0 }, { "REMEDY", false, 0 }, { "TRIED", true, 0 },
		{ "WORKED", true, 0 }, { "95 %", false, 0 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *at;
	char text[48];
	size_t i;

	if (json_array_size(list) == 0)
		cli_say(c, "Nothing has been tried yet.");
	if (json_array_size(list) == 0 || table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(list, i, at)
	{
		(void)table_cell(t, json_text(at, "cause"), CLI_PLAIN);
		(void)table_cell(t, json_text(at, "remedy"), CLI_PLAIN);
		(void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
			       json_integer_value(json_object_get(at, "tried")));
		(void)table_cell(t, text, CLI_PLAIN);
		(void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
			       json_integer_value(json_object_get(at, "worked")));
		(void)table_cell(t, text, CLI_PLAIN);
		(void)snprintf(text, sizeof(text), "%d to %d %%", percent(at, "low"),
			       percent(at, "high"));
		(void)table_cell(t, text, CLI_PLAIN);
	}
	table_print(t, c);
}

static int rates(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "heal.rates", NULL, &answer);

	if (r != 0)
		return r;
	if (!c->is_json)
		rates_table(c, answer);
	cli_json(c, answer);
	return 0;
}

/* ---- one of them ---- */

static void say_causes(struct cli *c, const json_t *answer)
{
	const json_t *cause;
	size_t i;

	if (json_array_size(json_object_get(answer, "causes")) == 0)
		cli_say(c, "Cause: not known.");
	json_array_foreach(json_object_get(answer, "causes"), i, cause)
	{
		const char *rank = i == 0 ? "Cause:" : "    or";

		/* of one from before a restart less is kept */
		if (json_is_number(json_object_get(cause, "explained")))
			cli_say(c, "%s %s: explains %d %% of it, confidence %d %% (%s)", rank,
				json_text(cause, "name"), percent(cause, "explained"),
				percent(cause, "confidence"), json_text(cause, "source"));
		else
			cli_say(c, "%s %s: confidence %d %%", rank, json_text(cause, "name"),
				percent(cause, "confidence"));
	}
	if (json_integer_value(json_object_get(answer, "unknown")) > 0)
		cli_say(c, "Nothing is known of %d thing(s) that it depends on.",
			(int)json_integer_value(json_object_get(answer, "unknown")));
}

static void say_evidence(struct cli *c, const json_t *answer)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(answer, "evidence"), i, e)
	{
		const char *unit = json_text(e, "unit");
		bool is_share = strcmp(unit, "ratio") == 0;
		const json_t *samples = json_object_get(e, "samples");
		char n[40] = "", surprise[40] = "";

		if (json_is_integer(samples))
			(void)snprintf(n, sizeof(n), ", %" JSON_INTEGER_FORMAT " sample(s)",
				       json_integer_value(samples));
		/* of a hint it is the value itself */
		if (json_is_number(json_object_get(e, "surprise_bits")) &&
		    strcmp(unit, "bits") != 0)
			(void)snprintf(surprise, sizeof(surprise), "; %.1f bits unusual",
				       real(e, "surprise_bits"));
		unit = is_share ? "%" : strcmp(unit, "seconds") == 0 ? "s" : unit;
		cli_say(c, "Seen at %s: %.1f %s by %s%s; it opens at %.0f %s%s",
			json_text(e, "measured"), real(e, "value") * (is_share ? 100 : 1), unit,
			json_text(e, "source"), n, real(e, "opens_at") * (is_share ? 100 : 1), unit,
			surprise);
	}
}

static void say_done(struct cli *c, const json_t *answer)
{
	bool is_done = json_is_string(json_object_get(answer, "action"));

	if (is_done)
		cli_say(c, "Done: %s (%s), action %s, %s.", json_text(answer, "remedy"),
			json_text(answer, "effect"), json_text(answer, "action"),
			json_flag(answer, "is_confirmed") ? "confirmed by a probe" : "unproven");
	else if (strcmp(json_text(answer, "remedy"), "none") != 0)
		cli_say(c, "Not done: %s (%s).", json_text(answer, "remedy"),
			json_text(answer, "effect"));
	if (json_is_string(json_object_get(answer, "held_until")))
		cli_say(c, "It is taken back at %s.", json_text(answer, "held_until"));
}

static void explain_text(struct cli *c, const json_t *answer)
{
	const json_t *about = json_object_get(answer, "about");

	cli_say(c, "Incident %s: %s at %s%s%s, %s, %s: %s", json_text(answer, "id"),
		json_text(answer, "kind"), json_text(answer, "subject"),
		json_is_string(about) ? ", for packets to " : "",
		json_is_string(about) ? json_string_value(about) : "",
		json_text(answer, "severity"), json_text(answer, "state"),
		json_text(answer, "why"));
	cli_say(c, "Began %s, opened %s.", json_text(answer, "began"), json_text(answer, "opened"));
	say_evidence(c, answer);
	say_causes(c, answer);
	say_done(c, answer);
}

/* A name of a node needs none of this (identity.md), but the address of a service may. */
static void dot_name(const json_t *vertex, char ret[2 * DOT_NAME_SIZE])
{
	const char *name = json_text(vertex, "name");
	size_t len = 0;

	for (size_t i = 0; name[i] && i < DOT_NAME_SIZE - 1; i++) {
		if (name[i] == '"' || name[i] == '\\')
			ret[len++] = '\\';
		ret[len++] = (unsigned char)name[i] < ' ' ? '?' : name[i];
	}
	ret[len] = '\0';
}

static void explain_dot(struct cli *c, const json_t *answer)
{
	const json_t *graph = json_object_get(answer, "graph");
	const json_t *at;
	size_t i;

	cli_say(c, "digraph causes {\n\trankdir=LR;\n\tnode [shape=box];");
	json_array_foreach(json_object_get(graph, "vertices"), i, at)
	{
		const json_t *deviation = json_object_get(at, "deviation");
		char name[2 * DOT_NAME_SIZE];

		dot_name(at, name);
		if (json_is_number(deviation))
			cli_say(c, "\tv%zu [label=\"%s\\n%.1f %%\"%s];", i, name,
				100 * json_number_value(deviation), i == 0 ? ", style=bold" : "");
		else
			cli_say(c, "\tv%zu [label=\"%s\\nnot known\", style=dashed];", i, name);
	}
	json_array_foreach(json_object_get(graph, "edges"), i, at)
		cli_say(c, "\tv%d -> v%d [label=\"%.1f\"];",
			(int)json_integer_value(json_object_get(at, "from")),
			(int)json_integer_value(json_object_get(at, "to")), real(at, "weight"));
	cli_say(c, "}");
}

/* As a file for elsewhere. 0 or an exit status. */
static int explain_drawn(struct cli *c, const json_t *answer)
{
	const json_t *graph = json_object_get(answer, "graph");
	json_t *ledger = NULL;
	int r;

	if (cli_given(c, "html")) {
		r = cli_call(c, "incident.ledger", json_pack("{s:s}", "incident", c->args[1]),
			     &ledger);
		incident_html(c->out, answer, ledger); /* and that it could not be read */
		json_decref(ledger);
		return r;
	}
	if (!json_is_object(graph))
		return cli_fail(c, CLI_FAILED, "failed",
				"of an incident from before a restart the graph is not kept");
	if (cli_given(c, "dot"))
		explain_dot(c, answer);
	else if (incident_svg(c->out, graph, false) < 0)
		return cli_fail(c, CLI_FAILED, "failed",
				"nothing that this incident depends on was looked at, so there is "
				"no graph to draw");
	return 0;
}

static int explain(struct cli *c)
{
	unsigned n_forms =
		(unsigned)cli_given(c, "dot") + cli_given(c, "svg") + cli_given(c, "html");
	json_t *answer = NULL;
	int r;

	if (n_forms > 1)
		return cli_usage(c, "one of --dot, --svg and --html");

	if (c->n_args != 2)
		return cli_usage(c, "explain takes the id of an incident: see x0 heal incidents");
	r = cli_call(c, "incident", json_pack("{s:s}", "incident", c->args[1]), &answer);
	if (r != 0)
		return r;
	if (!c->is_json && n_forms > 0)
		r = explain_drawn(c, answer);
	else if (!c->is_json)
		explain_text(c, answer);
	cli_json(c, answer);
	return r;
}

/* ---- what may be done ---- */

static void mandates_text(struct cli *c, const json_t *answer)
{
	const json_t *m;
	size_t i;

	if (json_text(answer, "refused")[0])
		cli_say(c, "%s: %s. So nothing is allowed.", json_text(answer, "file"),
			json_text(answer, "refused"));
	else
		cli_say(c, "%s: %s", json_text(answer, "file"),
			json_flag(answer, "is_default") ? "there is no such file; the default holds"
							: "in force");
	if (!json_flag(answer, "can_act"))
		cli_say(c, "Nothing is done whatever it says: %s.", json_text(answer, "why_not"));
	json_array_foreach(json_object_get(answer, "mandates"), i, m)
	{
		if (json_flag(m, "is_allowed"))
			cli_say(c, "allow %s rate %d hours %d-%d\t# %s", json_text(m, "remedy"),
				(int)json_integer_value(json_object_get(m, "rate_per_hour")),
				(int)json_integer_value(json_object_get(m, "from_hour")),
				(int)json_integer_value(json_object_get(m, "to_hour")),
				json_text(m, "effect"));
		else
			cli_say(c, "# not allowed: %s", json_text(m, "remedy"));
	}
}

static int mandates(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "mandates", NULL, &answer);

	if (r != 0)
		return r;
	if (!c->is_json)
		mandates_text(c, answer);
	cli_json(c, answer);
	return 0;
}

/* ---- learned detectors ---- */

static int number(const json_t *object, const char *key)
{
	return (int)json_integer_value(json_object_get(object, key));
}

static void detectors_table(struct cli *c, const json_t *list)
{
	static const struct table_column columns[] = {
		{ "OF", false, 0 },	   { "SUBJECT", false, 0 },  { "DETECTOR", false, 0 },
		{ "SAMPLES", true, 0 },	   { "FEATURES", false, 0 }, { "BITS", true, 0 },
		{ "MOSTLY BY", false, 1 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *at;
	char text[48];
	size_t i;

	if (json_array_size(list) == 0 || table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(list, i, at)
	{
		bool is_judged = json_is_number(json_object_get(at, "bits"));

		(void)table_cell(t, json_text(at, "group"), CLI_PLAIN);
		(void)table_cell(t, json_text(at, "subject"), CLI_PLAIN);
		(void)table_cell(t, json_text(at, "mode"), CLI_PLAIN);
		(void)snprintf(text, sizeof(text), "%d", number(at, "samples"));
		(void)table_cell(t, text, CLI_PLAIN);
		(void)snprintf(text, sizeof(text), "%d of %d", number(at, "learned"),
			       number(at, "features"));
		(void)table_cell(t, text, CLI_PLAIN);
		(void)snprintf(text, sizeof(text), "%.1f", real(at, "bits"));
		(void)table_cell(t, is_judged ? text : "-", CLI_PLAIN);
		(void)table_cell(t, json_text(at, "mostly"), CLI_PLAIN);
	}
	table_print(t, c);
}

static void detectors_text(struct cli *c, const json_t *answer)
{
	bool is_learning = json_text(answer, "why")[0];

	cli_say(c, "In force: %s%s%s. They observe: from %.0f bits on they hint, and never act.",
		json_text(answer, "mode"), is_learning ? ", for " : "", json_text(answer, "why"),
		real(answer, "hint_at_bits"));
	cli_say(c, "Hints: %d, of which rules have confirmed %d. Rows: %d, odd ones %d.",
		number(answer, "hints"), number(answer, "hints_confirmed"), number(answer, "rows"),
		number(answer, "odd"));
	detectors_table(c, json_object_get(answer, "subjects"));
}

static int detectors(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "heal.detectors", NULL, &answer);

	if (r != 0)
		return r;
	if (!c->is_json)
		detectors_text(c, answer);
	cli_json(c, answer);
	return 0;
}

static int simulate(struct cli *c)
{
	json_t *answer = NULL;
	int r;

	if (c->n_args != 3)
		return cli_usage(c, "simulate takes a kind of incident and a node");
	r = cli_call(c, "heal.simulate",
		     json_pack("{s:s, s:s}", "kind", c->args[1], "subject", c->args[2]), &answer);
	if (r != 0)
		return r;
	if (!c->is_json) {
		cli_say(c, "%s at %s: %s, for %s. Nothing was done.", json_text(answer, "kind"),
			json_text(answer, "subject"), json_text(answer, "remedy"),
			json_text(answer, "why"));
		cli_say(c, "Effect: %s.", json_text(answer, "effect"));
		say_causes(c, answer);
	}
	cli_json(c, answer);
	return 0;
}

int verb_heal(struct cli *c)
{
	const char *action = c->n_args > 0 ? c->args[0] : "incidents";

	if (strcmp(action, "explain") == 0)
		return explain(c);
	if (strcmp(action, "simulate") == 0)
		return simulate(c);
	if (c->n_args > 1)
		return cli_usage(c, "%s takes no argument", action);
	if (strcmp(action, "mandates") == 0)
		return mandates(c);
	if (strcmp(action, "detectors") == 0)
		return detectors(c);
	if (strcmp(action, "incidents") == 0)
		return incidents(c);
	if (strcmp(action, "rates") == 0)
		return rates(c);
	return cli_usage(c,
			 "heal knows incidents, explain, rates, detectors, mandates and simulate, "
			 "not \"%s\"",
			 action);
}

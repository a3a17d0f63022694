/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 topology`: the nodes and links of the mesh. The first question makes the daemon ask the
 * others; what they say comes a moment later. */
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/text.h"

#define WAIT_MS 2000
#define POLL_MS 100

DEFINE_FREEP(struct table, table_free)

static const char *name_of(const json_t *answer, const char *id)
{
	const json_t *node;
	size_t i;

	json_array_foreach(json_object_get(answer, "nodes"), i, node)
	{
		if (strcmp(json_text(node, "id"), id) == 0)
			return json_text(node, "name");
	}
	return id;
}

static enum cli_colour colour_of(const char *state)
{
	if (strcmp(state, "up") == 0)
		return CLI_GREEN;
	return strcmp(state, "down") == 0 ? CLI_RED : CLI_YELLOW;
}

static void side_cell(struct table *t, const json_t *side)
{
	const char *state = json_text(side, "state");

	if (json_is_object(side))
		(void)table_cell(t, state, colour_of(state));
	else
		(void)table_cell(t, "not told", CLI_DIM);
}

static double real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void link_row(struct table *t, const json_t *answer, const json_t *link)
{
	const json_t *ab = json_object_get(link, "ab");
	const json_t *ba = json_object_get(link, "ba");
	const json_t *told = json_is_object(ab) ? ab : ba;
	double loss = real(ab, "loss");
	char text[TEXT_SIZE];

	(void)table_cell(t, name_of(answer, json_text(link, "a")), CLI_PLAIN);
	(void)table_cell(t, name_of(answer, json_text(link, "b")), CLI_PLAIN);
	side_cell(t, ab);
	side_cell(t, ba);
	(void)table_cell(t, json_text(told, "class"), CLI_PLAIN);
	text_rtt((uint64_t)(real(told, "rtt_ms") * 1000), text);
	(void)table_cell(t, text, CLI_PLAIN);
	if (real(ba, "loss") > loss)
		loss = real(ba, "loss");
	text_loss((uint64_t)(loss * 1e6), text);
	(void)table_cell(t, text, CLI_PLAIN);
}

static void view(struct cli *c, const json_t *answer)
{
	static const struct table_column columns[] = {
		{ "A", false, 0 },	{ "B", false, 0 },     { "A SAYS", false, 0 },
		{ "B SAYS", false, 0 }, { "CLASS", false, 1 }, { "RTT", true, 0 },
		{ "LOSS", true, 0 },
	};
	const json_t *nodes = json_object_get(answer, "nodes");
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *at;
	size_t i;

	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(json_object_get(answer, "links"), i, at) link_row(t, answer, at);
	table_print(t, c);
	json_array_foreach(nodes, i, at)
	{
		const char *state = json_text(at, "state");

		if (strcmp(state, "self") != 0 && strcmp(state, "answers") != 0)
			cli_say(c, "%s is %s.", json_text(at, "name"), state);
	}
	if (!json_flag(answer, "is_complete"))
		cli_say(c, "Not complete: %s.", json_text(answer, "why"));
}

int verb_topology(struct cli *c)
{
	const struct timespec nap = { .tv_nsec = POLL_MS * 1000000L };
	json_t *answer = NULL;
	int r = cli_call(c, "topology", NULL, &answer);

	for (unsigned ms = 0; r == 0 && ms < WAIT_MS && !json_flag(answer, "is_complete");
	     ms += POLL_MS) {
		(void)nanosleep(&nap, NULL);
		json_decref(answer);
		answer = NULL;
		r = cli_call(c, "topology", NULL, &answer);
	}
	if (r != 0)
		return r;
	if (!c->is_json)
		view(c, answer);
	cli_json(c, answer);
	return 0;
}

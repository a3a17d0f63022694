/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 batman gateway`: the daemon's own end of a batman-adv mesh, and who else is in it. */
#include "cli/gateway.h"

#include <inttypes.h>

#include "base/cleanup.h"
#include "cli/table.h"
#include "cli/text.h"

DEFINE_FREEP(struct table, table_free)

static const struct table_column columns[] = {
	{ .heading = "ORIGINATOR" },
	{ .heading = "NEXT HOP", .drop = 3 },
	{ .heading = "INTERFACE", .drop = 4 },
	{ .heading = "THROUGHPUT", .is_right = true, .drop = 2 },
	{ .heading = "METRIC", .is_right = true, .drop = 5 },
	{ .heading = "CLIENTS", .is_right = true },
	{ .heading = "LAST SEEN", .is_right = true, .drop = 1 },
};

static void plain_cell(struct table *t, const json_t *row, const char *key)
{
	char plain[TEXT_SIZE];

	text_plain(json_text(row, key), plain, sizeof(plain));
	(void)table_cell(t, plain, CLI_PLAIN);
}

static void put_row(struct table *t, const json_t *row)
{
	bool has_way = json_flag(row, "is_reachable");
	int64_t kbps = json_number(row, "throughput_kbps");
	int64_t ms = json_number(row, "heard_us_ago") / 1000;

	plain_cell(t, row, "originator");
	plain_cell(t, row, "next_hop");
	plain_cell(t, row, "interface");
	if (has_way)
		(void)table_cellf(t, "%" PRId64 ".%" PRId64 " Mbit/s", kbps / 1000,
				  kbps % 1000 / 100);
	else
		(void)table_cell(t, "no way", CLI_YELLOW);
	(void)table_cellf(t, "%" PRId64, json_number(row, "metric"));
	(void)table_cellf(t, "%" PRId64 "%s", json_number(row, "clients"),
			  json_flag(row, "is_table_known") ? "" : "?");
	(void)table_cellf(t, "%" PRId64 ".%03" PRId64 " s", ms / 1000, ms % 1000);
}

static void say_counters(struct cli *c, const json_t *counters)
{
	const json_t *value;
	const char *name;
	void *at;

	cli_say(c, "%s", "");
	for (at = json_object_iter((json_t *)counters); at;
	     at = json_object_iter_next((json_t *)counters, at)) {
		name = json_object_iter_key(at);
		value = json_object_iter_value(at);
		cli_say(c, "%-14s %" JSON_INTEGER_FORMAT, name, json_integer_value(value));
	}
}

static int print(struct cli *c, const json_t *answer)
{
	const json_t *gateway = json_object_get(answer, "gateway");
	const json_t *list = json_object_get(answer, "originators");
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *row;
	size_t i;

	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return cli_fail(c, CLI_FAILED, "memory", "out of memory");
	json_array_foreach(list, i, row)
	{
		put_row(t, row);
	}
	if (json_array_size(list) > 0)
		table_print(t, c);
	else
		cli_say(c, "Nobody of batman-adv is heard yet.");
	say_counters(c, json_object_get(gateway, "counters"));
	return 0;
}

int gateway_show(struct cli *c)
{
	json_t *answer = NULL;
	int r = cli_call(c, "batman", NULL, &answer);

	if (r != 0)
		return r;
	if (!json_is_object(json_object_get(answer, "gateway")) && !c->is_json) {
		json_decref(answer);
		return cli_fail(c, CLI_FAILED, "off",
				"this node is no gateway to batman-adv; to make it one name the "
				"interfaces in the configuration: batman: {interfaces: [eth1]}, "
				"then: x0 down, x0 up");
	}
	r = c->is_json ? 0 : print(c, answer);
	cli_json(c, answer);
	return r;
}

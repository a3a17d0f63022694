/* SPDX-License-Identifier: Apache-2.0 */
/* Two looks at the daemon as rates, and these as a table. */
#include "cli/top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/table.h"
#include "cli/text.h"

#define HEAD_ROWS 5 /* two lines, an empty one, the headings, the last line */

DEFINE_FREEP(struct table, table_free)

/* Packets that did not go on, for whatever reason: of `x0 status --json`. */
static const char *const drops[] = {
	"unknown_index", "forged",     "replayed",    "malformed",   "spoofed_inner", "spoofed_tun",
	"no_route",	 "queue_full", "flow_denied", "not_offered", "too_big",	      "tun_dropped",
};

void top_look_done(struct top_look *l)
{
	json_decref(l->status);
	json_decref(l->peers);
	*l = (struct top_look){ 0 };
}

/* ---- rates ---- */

/* What grew, a second; 0 where the daemon began anew. */
static json_int_t rate(int64_t before, int64_t now, uint64_t passed_us, unsigned factor)
{
	if (now <= before || passed_us == 0)
		return 0;
	return (json_int_t)((double)(now - before) * factor * 1e6 / (double)passed_us);
}

static int64_t counted(const struct top_look *l, const char *name)
{
	return json_number(json_object_get(l->status, "counters"), name);
}

static int64_t dropped(const struct top_look *l)
{
	int64_t n = 0;

	for (size_t i = 0; i < N_ELEMENTS(drops); i++)
		n += counted(l, drops[i]);
	return n;
}

static json_t *traffic(const struct top_look *before, const struct top_look *now,
		       uint64_t passed_us)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I}", "received_bps",
		rate(counted(before, "bytes_in"), counted(now, "bytes_in"), passed_us, 8),
		"sent_bps",
		rate(counted(before, "bytes_out"), counted(now, "bytes_out"), passed_us, 8),
		"received_bytes", (json_int_t)counted(now, "bytes_in"), "sent_bytes",
		(json_int_t)counted(now, "bytes_out"), "relayed_pps",
		rate(counted(before, "relayed"), counted(now, "relayed"), passed_us, 1),
		"dropped_pps", rate(dropped(before), dropped(now), passed_us, 1));
}

static const json_t *same_peer(const json_t *peers, const char *id)
{
	const json_t *peer;
	size_t i;

	json_array_foreach(peers, i, peer)
	{
		if (strcmp(json_text(peer, "node_id"), id) == 0)
			return peer;
	}
	return NULL;
}

static json_t *peer_json(const json_t *before, const json_t *now, uint64_t passed_us)
{
	static const char *const taken[] = { "node",  "node_id",	"is_neighbour", "state",
					     "class", "rtt_us",		"loss_ppm",	"cipher",
					     "life",  "received_bytes", "sent_bytes" };
	json_t *j = json_object();

	for (size_t i = 0; i < N_ELEMENTS(taken); i++) {
		json_t *value = json_object_get(now, taken[i]);

		if (value)
			(void)json_object_set(j, taken[i], value);
	}
	(void)json_object_set_new(
		j, "received_bps",
		json_integer(before ? rate(json_number(before, "received_bytes"),
					   json_number(now, "received_bytes"), passed_us, 8)
				    : 0));
	(void)json_object_set_new(
		j, "sent_bps",
		json_integer(before ? rate(json_number(before, "sent_bytes"),
					   json_number(now, "sent_bytes"), passed_us, 8)
				    : 0));
	return j;
}

static int64_t both_bps(const json_t *peer)
{
	return json_number(peer, "received_bps") + json_number(peer, "sent_bps");
}

/* Who sends and is sent most comes first, then neighbours, then by name: so that rows stay where
 * they are while nothing happens. */
static int by_traffic(const void *a, const void *b)
{
	const json_t *one = *(json_t *const *)a;
	const json_t *other = *(json_t *const *)b;

	if (both_bps(one) != both_bps(other))
		return both_bps(one) < both_bps(other) ? 1 : -1;
	if (json_flag(one, "is_neighbour") != json_flag(other, "is_neighbour"))
		return json_flag(one, "is_neighbour") ? -1 : 1;
	return strcmp(json_text(one, "node"), json_text(other, "node"));
}

static json_t *peers_json(const struct top_look *before, const struct top_look *now,
			  uint64_t passed_us)
{
	CLEANUP_FREE json_t **list = calloc(TOP_PEERS_MAX, sizeof(json_t *));
	json_t *ret = json_array();
	const json_t *peer;
	size_t i, n = 0;

	if (!list)
		return ret;
	json_array_foreach(now->peers, i, peer)
	{
		if (n == TOP_PEERS_MAX)
			break;
		list[n++] = peer_json(same_peer(before->peers, json_text(peer, "node_id")), peer,
				      passed_us);
	}
	qsort(list, n, sizeof(json_t *), by_traffic);
	for (i = 0; i < n; i++)
		(void)json_array_append_new(ret, list[i]);
	return ret;
}

json_t *top_json(const struct top_look *before, const struct top_look *now)
{
	uint64_t passed_us = now->at_us - min_u64(now->at_us, before->at_us);

	return json_pack(
		"{s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "unix_ms",
		(json_int_t)now->unix_ms, "interval_ms", (json_int_t)(passed_us / US_PER_MS),
		"name", json_text(now->status, "name"), "domain", json_text(now->status, "domain"),
		"uptime_s", (json_int_t)json_number(now->status, "uptime_s"), "reachable",
		(json_int_t)json_number(now->status, "reachable"), "neighbours",
		(json_int_t)json_number(now->status, "neighbours"), "sessions",
		(json_int_t)json_number(now->status, "sessions"), "traffic",
		traffic(before, now, passed_us), "peers", peers_json(before, now, passed_us));
}

/* ---- for people ---- */

static void rate_text(int64_t bps, char ret[TEXT_SIZE])
{
	static const char *const units[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s" };
	double value = (double)bps;
	size_t i = 0;

	while (value >= 999.5 && i + 1 < N_ELEMENTS(units)) {
		value /= 1000;
		i++;
	}
	(void)snprintf(ret, TEXT_SIZE, value < 9.95 && i > 0 ? "%.1f %s" : "%.0f %s", value,
		       units[i]);
}

/* No wider than the terminal: what is longer would push the last line out. */
static void line(struct cli *c, const char *text, enum cli_colour colour)
{
	int most = c->columns ? (int)c->columns - 1 : (int)strlen(text);

	(void)fprintf(c->out, "%s%.*s%s\n", cli_colour(c, colour), most, text,
		      cli_colour(c, CLI_PLAIN));
}

static void head(struct cli *c, const json_t *top, bool is_paused)
{
	const json_t *t = json_object_get(top, "traffic");
	char in[TEXT_SIZE], out[TEXT_SIZE], up[TEXT_SIZE], text[320], plain[160];

	text_span(json_number(top, "uptime_s"), up);
	(void)snprintf(text, sizeof(text), "%s of %s", json_text(top, "name"),
		       json_text(top, "domain"));
	text_plain(text, plain, sizeof(plain));
	(void)snprintf(text, sizeof(text), "x0 top: %s, up %s; %lld link%s, %lld reachable%s",
		       plain, up, (long long)json_number(top, "neighbours"),
		       json_number(top, "neighbours") == 1 ? "" : "s",
		       (long long)json_number(top, "reachable"), is_paused ? "; PAUSED" : "");
	line(c, text, CLI_BOLD);
	rate_text(json_number(t, "received_bps"), in);
	rate_text(json_number(t, "sent_bps"), out);
	(void)snprintf(text, sizeof(text), "in %s, out %s, relayed %lld/s, dropped %lld/s", in, out,
		       (long long)json_number(t, "relayed_pps"),
		       (long long)json_number(t, "dropped_pps"));
	line(c, text, json_number(t, "dropped_pps") > 0 ? CLI_YELLOW : CLI_PLAIN);
}

static enum cli_colour colour_of(const char *state)
{
	if (strcmp(state, "up") == 0)
		return CLI_GREEN;
	return strcmp(state, "down") == 0 ? CLI_RED : CLI_YELLOW;
}

static void row(struct table *t, const json_t *peer)
{
	bool is_neighbour = json_flag(peer, "is_neighbour");
	char in[TEXT_SIZE], out[TEXT_SIZE], rtt[TEXT_SIZE] = "", loss[TEXT_SIZE] = "";

	rate_text(json_number(peer, "received_bps"), in);
	rate_text(json_number(peer, "sent_bps"), out);
	if (is_neighbour) {
		text_rtt((uint64_t)json_number(peer, "rtt_us"), rtt);
		text_loss((uint64_t)json_number(peer, "loss_ppm"), loss);
	}
	(void)table_cell(t, json_text(peer, "node"), CLI_PLAIN);
	(void)table_cell(t, is_neighbour ? json_text(peer, "state") : "relayed",
			 is_neighbour ? colour_of(json_text(peer, "state")) : CLI_PLAIN);
	(void)table_cell(t, in, CLI_PLAIN);
	(void)table_cell(t, out, CLI_PLAIN);
	(void)table_cell(t, rtt, CLI_PLAIN);
	(void)table_cell(t, loss, CLI_PLAIN);
	(void)table_cell(t, json_text(peer, "class"), CLI_PLAIN);
	(void)table_cell(t, json_text(peer, "cipher"), CLI_PLAIN);
}

size_t top_view(struct cli *c, const json_t *top, size_t first, unsigned rows, bool is_paused)
{
	static const struct table_column columns[] = {
		{ "PEER", false, 0 },	 { "LINK", false, 0 },	 { "IN", true, 0 },
		{ "OUT", true, 0 },	 { "RTT", true, 1 },	 { "LOSS", true, 2 },
		{ "QUALITY", false, 3 }, { "CIPHER", false, 4 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *peers = json_object_get(top, "peers");
	size_t n = json_array_size(peers);
	size_t room = rows > HEAD_ROWS ? rows - HEAD_ROWS : 0;
	size_t end = rows == 0 || first + room > n ? n : first + room;

	head(c, top, is_paused);
	if (rows > 0 && rows < HEAD_ROWS)
		return n;
	(void)fputc('\n', c->out);
	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return n;
	for (size_t i = first; i < end; i++)
		row(t, json_array_get(peers, i));
	table_print(t, c);
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's answers as tables and lines for people. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/text.h"
#include "shell/loop/loop.h"

#define LIST_SIZE 512

DEFINE_FREEP(struct table, table_free)

/* What the counters of a healthy node do not show. */
static const struct {
	const char *name;
	const char *meaning;
} troubles[] = {
	{ "forged", "packets that failed authentication" },
	{ "replayed", "packets that came twice" },
	{ "malformed", "packets that could not be read" },
	{ "spoofed_inner", "packets whose inner source was not their sender's" },
	{ "spoofed_tun", "packets of this machine with a foreign source" },
	{ "flow_denied", "packets denied by the policy" },
	{ "not_offered", "packets for networks this node does not offer" },
	{ "no_route", "packets without a route" },
	{ "claims_refused", "routes that did not prove what they claimed" },
	{ "certificates_refused", "epoch certificates that were not good" },
	{ "neighbours_doubted", "times that a neighbour was doubted for losing packets or lying" },
	{ "too_big", "packets longer than their way carries" },
	{ "queue_full", "packets dropped before a full queue" },
	{ "tun_dropped", "packets the tunnel did not take" },
	{ "actions_dropped", "actions dropped for want of room" },
};

static void join_words(const json_t *list, char *ret, size_t size)
{
	const json_t *value;
	size_t len = 0;
	size_t i;

	ret[0] = '\0';
	json_array_foreach(list, i, value)
	{
		const char *text = json_string_value(value);
		int n = snprintf(ret + len, size - len, "%s%s", i ? ", " : "", text ? text : "");

		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

static void line(struct cli *c, const char *name, const char *text)
{
	char plain[LIST_SIZE];

	text_plain(text, plain, sizeof(plain));
	cli_say(c, "%s%-14s%s %s", cli_colour(c, CLI_BOLD), name, cli_colour(c, CLI_PLAIN), plain);
}

/* ---- status ---- */

void view_features_off(struct cli *c, const json_t *status)
{
	const json_t *feature;
	size_t i;

	json_array_foreach(json_object_get(status, "features"), i, feature)
	{
		char why[LIST_SIZE];

		if (json_flag(feature, "is_on"))
			continue;
		text_plain(json_text(feature, "why"), why, sizeof(why));
		cli_say(c, "%s%s is off%s: %s%s", cli_colour(c, CLI_YELLOW),
			json_text(feature, "name"), cli_colour(c, CLI_PLAIN), why,
			strstr(why, "x0 ") ? "" : " (see: x0 doctor)");
	}
}

static void certificate_line(struct cli *c, const json_t *status)
{
	const json_t *certificate = json_object_get(status, "certificate");
	int64_t left_s = json_number(certificate, "not_after_s") - loop_unix_ms() / 1000;
	char date[TEXT_SIZE];
	char left[TEXT_SIZE];
	char text[LIST_SIZE];

	text_date(json_number(certificate, "not_after_s"), date);
	text_span(left_s, left);
	if (left_s > 0)
		(void)snprintf(text, sizeof(text), "valid until %s (%s)", date, left);
	else
		(void)snprintf(text, sizeof(text),
			       "expired %s; the authority (%s) has to be reachable to renew it",
			       date, json_text(status, "authority"));
	line(c, "certificate", text);
}

static void crypto_line(struct cli *c, const json_t *status)
{
	const json_t *crypto = json_object_get(status, "crypto");
	char text[LIST_SIZE];

	if (!json_is_object(crypto))
		return;
	(void)snprintf(text, sizeof(text), "X25519MLKEM768, ML-DSA-65 (%s; post-quantum: %s)",
		       json_text(crypto, "library"),
		       strcmp(json_text(crypto, "post_quantum"), "library") == 0 ? "the library's"
										 : "x0pq");
	line(c, "cryptography", text);
}

static void traffic_line(struct cli *c, const json_t *counters)
{
	char in[TEXT_SIZE];
	char out[TEXT_SIZE];
	char text[LIST_SIZE];

	text_bytes((uint64_t)json_number(counters, "bytes_in"), in);
	text_bytes((uint64_t)json_number(counters, "bytes_out"), out);
	(void)snprintf(text, sizeof(text), "%s in, %s out; %lld packets relayed", in, out,
		       (long long)json_number(counters, "relayed"));
	line(c, "traffic", text);
}

static void trouble_lines(struct cli *c, const json_t *status)
{
	const json_t *counters = json_object_get(status, "counters");
	const json_t *guard = json_object_get(status, "guard");
	int64_t spoofed = json_number(guard, "source_packets");

	for (size_t i = 0; i < N_ELEMENTS(troubles); i++) {
		int64_t n = json_number(counters, troubles[i].name);

		if (n > 0)
			cli_say(c, "%sdropped%s        %lld %s", cli_colour(c, CLI_YELLOW),
				cli_colour(c, CLI_PLAIN), (long long)n, troubles[i].meaning);
	}
	if (spoofed > 0)
		cli_say(c,
			"%sdropped%s        %lld packets from outside the tunnel with a source "
			"inside the mesh",
			cli_colour(c, CLI_YELLOW), cli_colour(c, CLI_PLAIN), (long long)spoofed);
}

static void identity_lines(struct cli *c, const json_t *status)
{
	char text[LIST_SIZE];

	(void)snprintf(text, sizeof(text), "%s of %s%s", json_text(status, "name"),
		       json_text(status, "domain"),
		       json_flag(status, "is_authority") ? " (holds the authority)" : "");
	line(c, "node", text);
	line(c, "SPIFFE ID", json_text(status, "spiffe_id"));
	(void)snprintf(text, sizeof(text), "%s%s%s", json_text(status, "address"),
		       json_text(status, "tun")[0] ? " on " : "", json_text(status, "tun"));
	line(c, "address", text);
	if (json_text(status, "ipv4")[0])
		line(c, "IPv4 address", json_text(status, "ipv4"));
	certificate_line(c, status);
}

/* Under which name this node is known to programs, and how they come to ask. */
static void names_line(struct cli *c, const json_t *status)
{
	const json_t *names = json_object_get(status, "names");
	const char *resolver = json_text(names, "resolver");
	const char *why = json_text(names, "why");
	char plain[LIST_SIZE];
	char text[2 * LIST_SIZE];

	if (!names)
		return;
	text_plain(why, plain, sizeof(plain));
	if (!json_flag(names, "is_on"))
		(void)snprintf(text, sizeof(text), "off: %s", plain);
	else if (strcmp(resolver, "none") == 0)
		(void)snprintf(text, sizeof(text), "%s is served, but this host does not ask: %s",
			       json_text(names, "name"), plain);
	else
		(void)snprintf(text, sizeof(text), "%s, by %s%s", json_text(names, "name"),
			       strcmp(resolver, "resolv.conf") == 0 ? "/etc/" : "", resolver);
	line(c, "names", text);
}

/* Where others on the same Ethernet are looked for, and how many there are. */
static void discovery_line(struct cli *c, const json_t *status)
{
	const json_t *discovery = json_object_get(status, "discovery");
	size_t n_left_out = (size_t)json_number(discovery, "interfaces_left_out");
	size_t n = json_array_size(json_object_get(discovery, "nodes"));
	char names[LIST_SIZE];
	char text[2 * LIST_SIZE];

	if (!discovery)
		return;
	join_words(json_object_get(discovery, "interfaces"), names, sizeof(names));
	if (!json_flag(discovery, "is_on"))
		(void)snprintf(text, sizeof(text), "off: %s", json_text(discovery, "why"));
	else if (names[0] == '\0')
		(void)snprintf(text, sizeof(text), "on, but there is no Ethernet that is up");
	else
		(void)snprintf(text, sizeof(text), "%zu node%s heard on %s%s", n, n == 1 ? "" : "s",
			       names, n_left_out ? "; further interfaces are left out" : "");
	line(c, "discovery", text);
}

static bool nat_text(const json_t *nat, const char *family, const char *title, char *ret,
		     size_t size)
{
	static const struct {
		const char *mapping;
		const char *says;
	} rows[] = {
		{ "none", "no NAT" },
		{ "mapped", "behind a NAT, seen by one observer" },
		{ "endpoint-independent", "behind a NAT, the same port for everybody" },
		{ "endpoint-dependent", "behind a NAT, another port for each destination" },
	};
	const json_t *v = json_object_get(nat, family);

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (strcmp(json_text(v, "mapping"), rows[i].mapping) != 0)
			continue;
		(void)snprintf(ret, size, "%s: %s (%s)", title, rows[i].says, json_text(v, "seen"));
		return true;
	}
	return false;
}

/* Where others see this node; nothing where nobody has looked from outside. */
static void nat_line(struct cli *c, const json_t *status)
{
	const json_t *nat = json_object_get(status, "nat");
	char text[LIST_SIZE];

	if (nat_text(nat, "ipv4", "IPv4", text, sizeof(text)))
		line(c, "seen from", text);
	if (nat_text(nat, "ipv6", "IPv6", text, sizeof(text)))
		line(c, "seen from", text);
	if (json_number(nat, "calls_now") > 0)
		line(c, "seen from", "a way to another node is being sought");
}

/* The gateway to batman-adv, where there is one. */
static void batman_line(struct cli *c, const json_t *status)
{
	const json_t *b = json_object_get(status, "batman");
	const json_t *interface;
	char text[LIST_SIZE];
	size_t i;

	if (!json_is_object(b))
		return;
	(void)snprintf(text, sizeof(text),
		       "gateway on %s: %lld neighbours, %lld originators, %lld clients",
		       json_text(b, "device"), (long long)json_number(b, "neighbours"),
		       (long long)json_number(b, "originators"),
		       (long long)json_number(b, "clients"));
	if (json_flag(b, "is_on"))
		line(c, "batman-adv", text);
	json_array_foreach(json_object_get(b, "interfaces"), i, interface)
	{
		if (json_flag(b, "is_on") && !json_flag(interface, "is_open"))
			line(c, "batman-adv", json_text(interface, "why"));
	}
}

static bool is_feature_on(const json_t *status, const char *name)
{
	const json_t *feature;
	size_t i;

	json_array_foreach(json_object_get(status, "features"), i, feature)
	{
		if (strcmp(json_text(feature, "name"), name) == 0)
			return json_flag(feature, "is_on");
	}
	return false;
}

/* Where the API and the dashboard are on this machine, and the token that changing takes. */
static void api_line(struct cli *c, const json_t *status)
{
	const json_t *api = json_object_get(status, "api");
	const json_t *listener;
	const char *address = "";
	char text[LIST_SIZE];
	size_t i;

	json_array_foreach(json_object_get(api, "listeners"), i, listener)
	{
		const char *kind = json_text(listener, "kind");

		/* one that was handed over is meant for those who look */
		if (json_text(listener, "why")[0] == '\0' &&
		    (strcmp(kind, "inherited") == 0 ||
		     (strcmp(kind, "loopback") == 0 && !address[0])))
			address = json_text(listener, "address");
	}
	if (!json_flag(api, "is_on") || !address[0])
		return;
	(void)snprintf(text, sizeof(text), "http://%s/ (token for changes: %s)", address,
		       json_text(api, "token_file"));
	line(c, is_feature_on(status, "dashboard") ? "dashboard, API" : "API", text);
}

static void mesh_line(struct cli *c, const json_t *status)
{
	long long neighbours = json_number(status, "neighbours");
	long long sessions = json_number(status, "sessions");
	long long reachable = json_number(status, "reachable");
	char text[LIST_SIZE];

	(void)snprintf(text, sizeof(text),
		       "%lld neighbour%s, %lld session%s, %lld node%s reachable", neighbours,
		       neighbours == 1 ? "" : "s", sessions, sessions == 1 ? "" : "s", reachable,
		       reachable == 1 ? "" : "s");
	line(c, "mesh", text);
}

/* Nothing where all know the way to all. */
static void zone_line(struct cli *c, const json_t *status)
{
	const json_t *reach = json_object_get(status, "reach");
	char text[LIST_SIZE];

	if (!json_flag(reach, "is_zoned"))
		return;
	(void)snprintf(text, sizeof(text),
		       "%lld of %lld nodes; beyond it %lld in use, %lld looked for; tree: %s%s",
		       (long long)json_number(reach, "zone"),
		       (long long)json_number(reach, "nodes"),
		       (long long)json_number(reach, "wanted"),
		       (long long)json_number(reach, "looked_for"),
		       json_text(reach, "parent")[0] ? "parent " : "this node is the root",
		       json_text(reach, "parent"));
	line(c, "zone", text);
}

void view_status(struct cli *c, const json_t *status)
{
	char text[LIST_SIZE];
	char up[TEXT_SIZE];

	identity_lines(c, status);
	names_line(c, status);
	mesh_line(c, status);
	zone_line(c, status);
	discovery_line(c, status);
	nat_line(c, status);
	batman_line(c, status);
	traffic_line(c, json_object_get(status, "counters"));
	join_words(json_object_get(status, "listen"), text, sizeof(text));
	line(c, "listens on", text);
	api_line(c, status);
	text_span(json_number(status, "uptime_s"), up);
	(void)snprintf(text, sizeof(text), "%s, up for %s, process %lld, %lld restarts",
		       json_text(status, "version"), up, (long long)json_number(status, "pid"),
		       (long long)json_number(status, "restarts"));
	line(c, "daemon", text);
	crypto_line(c, status);
	trouble_lines(c, status);
	view_features_off(c, status);
	if (json_number(status, "neighbours") == 0)
		cli_say(c, json_flag(status, "is_authority")
				   ? "No neighbour yet. To let another machine join: x0 invite"
				   : "No neighbour yet. To see what is tried: x0 peers");
}

/* ---- peers ---- */

static enum cli_colour colour_of_state(const char *state)
{
	if (strcasecmp(state, "up") == 0)
		return CLI_GREEN;
	return strcasecmp(state, "down") == 0 ? CLI_RED : CLI_YELLOW;
}

static void byte_cell(struct table *t, const json_t *peer, const char *key)
{
	int64_t n = json_number(peer, key);
	char text[TEXT_SIZE] = "";

	if (n > 0 || json_flag(peer, "is_neighbour"))
		text_bytes((uint64_t)n, text);
	(void)table_cell(t, text, CLI_PLAIN);
}

/* Of one without a link. */
static const char *relayed_text(const json_t *peer)
{
	const char *life = json_text(peer, "life");

	if (strcmp(life, "left") == 0 || strcmp(life, "dead") == 0)
		return life;
	if (json_flag(peer, "has_session"))
		return strcmp(life, "degraded") == 0 ? "unreachable" : "over relays";
	return "no session";
}

/* Why packets to it go by relays, where a link was tried. */
static void relayed_line(struct cli *c, const json_t *peer)
{
	long long n = json_number(peer, "addresses_tried");
	int64_t again_s = json_number(peer, "tried_again_s");
	char tried[2 * TEXT_SIZE] = "";
	char again[2 * TEXT_SIZE] = "";
	char in[TEXT_SIZE];

	if (json_flag(peer, "is_neighbour") || (n == 0 && again_s == 0))
		return;
	if (n > 0)
		(void)snprintf(tried, sizeof(tried), " (%lld address%s tried)", n,
			       n == 1 ? "" : "es");
	if (again_s > 0) {
		text_span(again_s, in);
		(void)snprintf(again, sizeof(again), "; again in %s", in);
	}
	cli_say(c, "No direct link with %s: %s%s%s", json_text(peer, "node"),
		json_text(peer, "why_relayed"), tried, again);
}

static void peer_row(struct table *t, const json_t *peer)
{
	const char *state = json_text(peer, "state");
	char text[TEXT_SIZE];

	(void)table_cell(t, json_text(peer, "node"), CLI_PLAIN);
	if (json_flag(peer, "is_neighbour")) {
		(void)table_cell(t, state, colour_of_state(state));
		(void)table_cell(t, json_text(peer, "class"), CLI_PLAIN);
		text_rtt((uint64_t)json_number(peer, "rtt_us"), text);
		(void)table_cell(t, text, CLI_PLAIN);
		text_loss((uint64_t)json_number(peer, "loss_ppm"), text);
		(void)table_cell(t, text, CLI_PLAIN);
	} else {
		(void)table_cell(t, relayed_text(peer), CLI_DIM);
		for (unsigned i = 0; i < 3; i++)
			(void)table_cell(t, "", CLI_DIM);
	}
	(void)table_cell(t, json_text(peer, "key_exchange"), CLI_PLAIN);
	(void)table_cell(t, json_text(peer, "cipher"), CLI_PLAIN);
	(void)table_cell(t, json_text(peer, "endpoint"), CLI_PLAIN);
	/* Counted for each link: without one there was none to count. */
	byte_cell(t, peer, "received_bytes");
	byte_cell(t, peer, "sent_bytes");
	(void)table_cell(t, json_text(peer, "address"), CLI_PLAIN);
}

void view_peers(struct cli *c, const json_t *peers)
{
	static const struct table_column columns[] = {
		{ "NODE", false, 0 },	{ "LINK", false, 0 },	  { "CLASS", false, 3 },
		{ "RTT", true, 0 },	{ "LOSS", true, 0 },	  { "KEY EXCHANGE", false, 2 },
		{ "CIPHER", false, 1 }, { "ENDPOINT", false, 4 }, { "RECEIVED", true, 6 },
		{ "SENT", true, 5 },	{ "ADDRESS", false, 7 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *peer;
	size_t i;

	if (json_array_size(peers) == 0) {
		cli_say(c, "No peers. Another machine joins with: x0 invite (where the authority "
			   "is), then there: x0 join");
		return;
	}
	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	for (int pass = 1; pass >= 0; pass--) /* neighbours first */
		json_array_foreach(peers, i, peer) if (json_flag(peer, "is_neighbour") ==
						       (pass == 1)) peer_row(t, peer);
	table_print(t, c);
	json_array_foreach(peers, i, peer) relayed_line(c, peer);
}

/* ---- routes ---- */

static void route_row(struct table *t, const json_t *route)
{
	char text[LIST_SIZE];

	(void)table_cell(t, json_text(route, "node"), CLI_PLAIN);
	if (!json_flag(route, "is_reachable"))
		(void)table_cell(t, "unreachable", CLI_RED);
	else if (json_flag(route, "is_direct"))
		(void)table_cell(t, "direct", CLI_GREEN);
	else
		(void)table_cell(t, json_text(route, "via"), CLI_PLAIN);
	if (json_flag(route, "is_reachable")) {
		(void)table_cellf(t, "%lld", (long long)json_number(route, "hops"));
		(void)table_cellf(t, "%lld", (long long)json_number(route, "metric"));
	} else {
		(void)table_cell(t, "", CLI_PLAIN);
		(void)table_cell(t, "", CLI_PLAIN);
	}
	join_words(json_object_get(route, "alternates"), text, sizeof(text));
	(void)table_cell(t, text, CLI_PLAIN);
	text_span(json_number(route, "age_s"), text);
	(void)table_cell(t, text, CLI_PLAIN);
}

void view_routes(struct cli *c, const json_t *routes)
{
	static const struct table_column columns[] = {
		{ "NODE", false, 0 },  { "VIA", false, 0 },	   { "HOPS", true, 0 },
		{ "METRIC", true, 1 }, { "ALTERNATES", false, 2 }, { "SINCE", true, 3 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *route;
	size_t i;

	if (json_array_size(routes) == 0) {
		cli_say(c, "No routes yet. To see the neighbours: x0 peers");
		return;
	}
	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(routes, i, route) route_row(t, route);
	table_print(t, c);
}

static void path_row(struct table *t, const char *node, const json_t *path)
{
	bool is_used = json_flag(path, "is_used");
	char text[LIST_SIZE];

	(void)table_cell(t, node, CLI_PLAIN);
	join_words(json_object_get(path, "nodes"), text, sizeof(text));
	(void)table_cell(t, text, is_used ? CLI_PLAIN : CLI_RED);
	(void)table_cellf(t, "%lld %%", (long long)json_number(path, "share_percent"));
	(void)table_cellf(t, "%s%.1f Mbit/s", json_flag(path, "is_rate_known") ? "" : "? ",
			  (double)json_number(path, "rate_bps") / 1e6);
	text_rtt((uint64_t)json_number(path, "delay_us"), text);
	(void)table_cell(t, json_number(path, "delay_us") ? text : "", CLI_PLAIN);
	(void)table_cell(t, json_text(path, "reason"), CLI_PLAIN);
}

/* Where packets go by more than one way. */
void view_paths(struct cli *c, const json_t *routes)
{
	static const struct table_column columns[] = {
		{ "NODE", false, 0 }, { "BY", false, 0 },   { "SHARE", true, 0 },
		{ "RATE", true, 0 },  { "DELAY", true, 0 }, { "WHY", false, 1 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *route, *path;
	bool has_any = false;
	size_t i, k;

	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(routes, i, route)
	{
		json_array_foreach(json_object_get(route, "paths"), k, path)
		{
			path_row(t, json_text(route, "node"), path);
			has_any = true;
		}
	}
	if (has_any)
		table_print(t, c);
	else
		cli_say(c, "No node is sent to by more than one way now. It begins with something "
			   "critical or much bulk (multipath: auto).");
}

/* ---- networks behind nodes ---- */

static enum cli_colour colour_of_offer(const char *state)
{
	if (strcmp(state, "used") == 0)
		return CLI_GREEN;
	if (strcmp(state, "denied") == 0 || strcmp(state, "unreachable") == 0)
		return CLI_RED;
	return CLI_PLAIN;
}

static void offers_table(struct cli *c, const json_t *offers)
{
	static const struct table_column columns[] = {
		{ "NODE", false, 0 },
		{ "NETWORK", false, 0 },
		{ "STATE", false, 0 },
		{ "WHY", false, 1 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *offer;
	size_t i;

	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(offers, i, offer)
	{
		const char *state = json_text(offer, "state");

		(void)table_cell(t, json_text(offer, "node"), CLI_PLAIN);
		(void)table_cell(t, json_text(offer, "prefix"), CLI_PLAIN);
		(void)table_cell(t, strcmp(state, "not_chosen") == 0 ? "not chosen" : state,
				 colour_of_offer(state));
		(void)table_cell(t, json_text(offer, "why"), CLI_PLAIN);
	}
	table_print(t, c);
}

void view_offered(struct cli *c, const json_t *answer)
{
	const json_t *offers = json_object_get(answer, "offers");
	char text[LIST_SIZE];

	join_words(json_object_get(answer, "own"), text, sizeof(text));
	if (text[0])
		line(c, "this node offers", text);
	if (json_array_size(offers) > 0)
		offers_table(c, offers);
	else
		cli_say(c, "No other node offers a network. One does with routes.offer or "
			   "routes.exit in its configuration.");
	if (json_number(answer, "awaited") > 0)
		cli_say(c, "%lld more node%s offer something and have not said what yet.",
			(long long)json_number(answer, "awaited"),
			json_number(answer, "awaited") == 1 ? "" : "s");
}

void view_exit(struct cli *c, const json_t *answer)
{
	const char *name = json_text(answer, "exit");

	if (!name[0])
		cli_say(c, "No exit is in use: traffic to the internet goes by this machine's own "
			   "way.");
	else if (json_flag(answer, "is_reachable"))
		cli_say(c, "Traffic to the internet goes through %s.",
			strcmp(name, "any") == 0 ? "the nearest exit" : name);
	else
		cli_say(c, "The exit %s is not reachable; %s", name,
			json_flag(answer, "is_in_use")
				? "nothing goes to the internet (routes.exit_only). To end this: "
				  "x0 exit off"
				: "until it is, traffic goes by this machine's own way. To forbid "
				  "that: routes.exit_only: true");
	if (name[0] && !json_flag(answer, "has_ipv4"))
		cli_say(c,
			"IPv4 goes nowhere meanwhile: there is none inside. Set ipv4.prefix at all "
			"nodes, then restart.");
	if (json_text(answer, "why")[0])
		cli_say(c, "No exit can be used: %s", json_text(answer, "why"));
	if (json_array_size(json_object_get(answer, "exits")) > 0)
		offers_table(c, json_object_get(answer, "exits"));
}

/* ---- identity ---- */

void view_issued(struct cli *c, const json_t *issued)
{
	static const struct table_column columns[] = {
		{ "NODE", false, 0 },	 { "STATE", false, 0 },	 { "CERTIFICATE UNTIL", false, 1 },
		{ "NODE ID", false, 2 }, { "SERIAL", false, 3 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	const json_t *node;
	size_t i;

	if (table_new(columns, N_ELEMENTS(columns), &t) < 0)
		return;
	json_array_foreach(issued, i, node)
	{
		bool is_revoked = json_flag(node, "is_revoked");
		char date[TEXT_SIZE];

		text_date(json_number(node, "not_after_s"), date);
		(void)table_cell(t, json_text(node, "node"), CLI_PLAIN);
		(void)table_cell(t, is_revoked ? "revoked" : "member",
				 is_revoked ? CLI_RED : CLI_GREEN);
		(void)table_cell(t, date, CLI_PLAIN);
		(void)table_cell(t, json_text(node, "node_id"), CLI_PLAIN);
		(void)table_cell(t, json_text(node, "serial"), CLI_PLAIN);
	}
	table_print(t, c);
}

void view_svid(struct cli *c, const json_t *svid)
{
	char text[LIST_SIZE];
	char date[TEXT_SIZE];

	line(c, "SPIFFE ID", json_text(svid, "spiffe_id"));
	line(c, "node id", json_text(svid, "node_id"));
	join_words(json_object_get(svid, "algorithms"), text, sizeof(text));
	line(c, "certificates", text);
	certificate_line(c, svid);
	text_date(json_number(json_object_get(svid, "certificate"), "renewed_from_s"), date);
	line(c, "renewed from", date);
	line(c, "serial", json_text(svid, "serial"));
	line(c, "root SHA-256", json_text(svid, "root_sha256"));
}

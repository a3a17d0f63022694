/* SPDX-License-Identifier: Apache-2.0 */
/* Networks behind nodes, as far as the kernel has a part in them: the IPv4 address of the tunnel,
 * routes, the exit in use, and forwarding where something is offered. What is to be is the node's
 * and the configuration's; the keeper does it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/daemon_internal.h"

#define EXIT_ANY "any"

DEFINE_FREEP(struct config, config_free)

static struct netlink_prefix as_netlink(const struct prefix *p)
{
	struct netlink_prefix n = { .len = p->len };

	memcpy(n.ip, p->ip, sizeof(n.ip));
	return n;
}

/* ---- what the keeper asks, in its own process ---- */

static bool policy_may_accept(const struct config *c, const struct netlink_prefix *prefix)
{
	struct prefix p = { .len = (uint8_t)prefix->len };
	char text[PREFIX_TEXT_SIZE];
	bool may = false;

	memcpy(p.ip, prefix->ip, sizeof(p.ip));
	if (prefix_fault(&p))
		return false;
	prefix_format(&p, text);
	for (size_t i = 0; i < c->n_rules; i++) {
		const struct policy_rule *rule = &c->rules[i];

		if (!policy_rule_concerns(rule, POLICY_PREFIX, text))
			continue;
		if (rule->effect == POLICY_ALLOW)
			may = true;
		else if (strcmp(rule->from, "*") == 0)
			return false; /* whoever it is that offers it */
	}
	return may;
}

bool networks_permits(void *arg, enum keeper_permit what, const struct netlink_prefix *prefix)
{
	const struct daemon_options *options = arg;
	CLEANUP(config_freep) struct config *now = NULL;
	struct config_environment environment;
	struct config_report report;
	const struct config *c = options->config;

	config_environment_read(&environment);
	/* One with mistakes is not in force: that of the start may still be. */
	if (config_load(options->config_path, &environment, &now, &report) == 0)
		c = now;
	if (what == KEEPER_PERMIT_FORWARD)
		return c->n_offers > 0 || c->is_exit;
	return prefix && policy_may_accept(c, prefix);
}

/* ---- what the node is told ---- */

static size_t offers(const struct config *c, struct prefix ret[NODE_OFFERS_MAX])
{
	size_t n = c->n_offers;

	memcpy(ret, c->offers, n * sizeof(ret[0]));
	if (c->is_exit) {
		(void)prefix_parse("0.0.0.0/0", &ret[n++]);
		(void)prefix_parse("::/0", &ret[n++]);
	}
	return n;
}

_Static_assert(CONFIG_OFFERS_MAX + 2 <= NODE_OFFERS_MAX, "the configuration's offers fit");

void networks_fill(const struct daemon *d, struct node_networks *ret)
{
	ret->has_ipv4 = d->config->ipv4_prefix.len > 0;
	ret->ipv4 = d->config->ipv4_prefix;
	ret->n_offers = offers(d->config, ret->offers);
}

/* Before privileges go: the daemon's datagrams must not go into the tunnel that they carry. */
void networks_mark_socket(struct daemon *d, int fd)
{
	static const unsigned mark = KEEPER_MARK;

	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		(void)snprintf(d->networks.unmarked, sizeof(d->networks.unmarked),
			       "the daemon's own datagrams cannot be told from others: SO_MARK: %s",
			       strerror(errno));
}

/* ---- the tunnel's IPv4 address ---- */

static void sync_address(struct daemon *d)
{
	struct networks_installed *w = &d->networks;
	struct netlink_prefix p = { .len = d->options->config->ipv4_prefix.len };
	char why[KEEPER_WHY_SIZE] = "";
	uint8_t now[16] = { 0 };
	bool has_now;

	if (p.len == 0)
		return;
	has_now = node_ipv4(d->node, now);
	if (!d->tun || memcmp(now, w->ipv4, 16) == 0)
		return;
	if (w->has_ipv4) {
		memcpy(p.ip, w->ipv4, 16);
		(void)keeper_address_delete(d->keeper, &p, why);
		w->has_ipv4 = false;
		memset(w->ipv4, 0, 16);
	}
	memcpy(p.ip, now, 16);
	if (!has_now)
		(void)snprintf(why, sizeof(why),
			       "all addresses this node may take are taken; "
			       "use a larger ipv4.prefix");
	else if (keeper_address_add(d->keeper, &p, why) == 0)
		w->has_ipv4 = true;
	if (w->has_ipv4) {
		char text[PREFIX_TEXT_SIZE];

		memcpy(w->ipv4, now, 16);
		prefix_format_address(now, text);
		log_info(d->log, "ipv4_address", log_str("address", text));
	}
	daemon_feature(d, "ipv4", w->has_ipv4, w->has_ipv4 ? "" : why);
}

/* ---- routes ---- */

static bool is_wanted(const struct daemon *d, const struct prefix *p)
{
	struct prefix accepted;
	size_t cursor = 0;
	uint64_t via;

	while (node_next_network(d->node, &cursor, &accepted, &via))
		if (prefix_equal(&accepted, p))
			return true;
	return false;
}

static bool is_installed(const struct daemon *d, const struct prefix *p)
{
	for (size_t i = 0; i < d->networks.n; i++)
		if (prefix_equal(&d->networks.list[i], p))
			return true;
	return false;
}

static void remove_unwanted(struct daemon *d)
{
	struct networks_installed *w = &d->networks;
	char why[KEEPER_WHY_SIZE];
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct netlink_prefix p = as_netlink(&w->list[i]);

		if (is_wanted(d, &w->list[i]))
			w->list[kept++] = w->list[i];
		else
			(void)keeper_route_delete(d->keeper, &p, why);
	}
	w->n = kept;
}

static bool remember(struct networks_installed *w, const struct prefix *p)
{
	if (w->n == w->size) {
		size_t size = w->size ? 2 * w->size : 16;
		struct prefix *list = realloc(w->list, size * sizeof(*list));

		if (!list)
			return false;
		w->list = list;
		w->size = size;
	}
	w->list[w->n++] = *p;
	return true;
}

static void sync_routes(struct daemon *d)
{
	char why[KEEPER_WHY_SIZE] = "";
	bool has_any = false, has_failed = false;
	struct prefix p;
	size_t cursor = 0;
	uint64_t via;

	if (!d->tun)
		return;
	remove_unwanted(d);
	while (node_next_network(d->node, &cursor, &p, &via)) {
		struct netlink_prefix to = as_netlink(&p);

		if (prefix_is_default(&p))
			continue;
		has_any = true;
		if (is_installed(d, &p))
			continue;
		has_failed |=
			keeper_route_add(d->keeper, &to, why) < 0 || !remember(&d->networks, &p);
	}
	d->networks.is_retrying = has_failed;
	if (has_any)
		daemon_feature(d, "routes", !has_failed, has_failed ? why : "");
}

/* ---- the exit ---- */

static bool is_exit_reachable(const struct daemon *d)
{
	struct prefix p;
	size_t cursor = 0;
	uint64_t via;

	while (node_next_network(d->node, &cursor, &p, &via))
		if (prefix_is_default(&p) && via)
			return true;
	return false;
}

/* Where nothing may leave by another way the tunnel takes all of it from the beginning; else only
 * while an exit is there. */
static unsigned exit_bits(const struct daemon *d)
{
	const struct config *c = d->config;
	unsigned bits = 0;

	if (!d->networks.exit[0] || d->networks.unmarked[0])
		return 0;
	if (c->exit_only)
		bits |= KEEPER_EXIT_ONLY;
	if (d->tun && (c->exit_only || is_exit_reachable(d)))
		bits |= KEEPER_EXIT_ROUTES;
	if (bits && !c->exit_lan)
		bits |= KEEPER_EXIT_WITHOUT_LAN;
	return bits;
}

static void sync_exit(struct daemon *d)
{
	struct networks_installed *w = &d->networks;
	unsigned bits = exit_bits(d);
	char why[KEEPER_WHY_SIZE] = "";
	int r;

	if (w->is_exit_known && bits == w->exit_bits)
		return;
	r = keeper_exit_set(d->keeper, bits, why); /* also 0: an earlier keeper may have set it */
	w->is_exit_known = r == 0;
	if (r == 0 && bits == 0 && w->exit_bits == 0 && keeper_restarts(d->keeper) == 0)
		return;
	if (r == 0)
		w->exit_bits = bits;
	daemon_feature(d, "exit", r == 0, why);
	if (r == 0)
		log_notice(d->log, bits ? "exit_in_use" : "exit_not_in_use",
			   log_str("exit", w->exit), log_bool("is_only", bits & KEEPER_EXIT_ONLY));
}

/* ---- forwarding ---- */

static void sync_forwarding(struct daemon *d)
{
	struct networks_installed *w = &d->networks;
	bool is_wanted_now = d->config->n_offers > 0 || d->config->is_exit;
	char why[KEEPER_WHY_SIZE] = "";
	int r;

	if (w->is_forwarding_known && is_wanted_now == w->is_forwarding)
		return;
	/* also off: a daemon before this one may have had it switched on */
	r = keeper_forward(d->keeper, is_wanted_now, why);
	w->is_forwarding_known = r == 0 || is_wanted_now;
	if (r == 0)
		w->is_forwarding = is_wanted_now;
	if (is_wanted_now) {
		daemon_feature(d, "forwarding", r == 0, why);
		if (r == 0) /* a setting of the whole machine: told */
			log_notice(d->log, "forwarding_on", log_str("what", why));
	}
}

void networks_news(struct daemon *d, const struct keeper_news *news)
{
	struct networks_installed *w = &d->networks;
	unsigned bit = 1U << news->what;
	bool is_on = !news->is_lost;

	w->lost = is_on ? w->lost & ~bit : w->lost | bit;
	if (news->what == KEEPER_HELD_FORWARDING && w->is_forwarding)
		daemon_feature(d, "forwarding", is_on, news->why);
	if (news->what == KEEPER_HELD_RULES && w->exit_bits)
		daemon_feature(d, "exit", is_on, news->why);
	if (news->what == KEEPER_HELD_RULES && w->n > 0)
		daemon_feature(d, "routes", is_on, news->why);
}

void networks_sync(struct daemon *d)
{
	sync_address(d);
	sync_routes(d);
	sync_exit(d);
}

/* The device is new, or was down, for which the kernel took its routes: all are set again. */
void networks_tunnel_opened(struct daemon *d)
{
	struct networks_installed *w = &d->networks;

	w->n = 0;
	w->has_ipv4 = false;
	memset(w->ipv4, 0, sizeof(w->ipv4));
	w->is_exit_known = w->is_exit_known && w->exit_bits == 0;
	networks_sync(d);
}

void networks_retry(struct daemon *d)
{
	if (d->networks.is_retrying || !d->networks.is_exit_known)
		networks_sync(d);
}

void networks_reloaded(struct daemon *d)
{
	struct prefix list[NODE_OFFERS_MAX];

	node_set_offers(d->node, list, offers(d->config, list), loop_now_us());
	sync_forwarding(d);
	networks_sync(d);
}

void networks_end(struct daemon *d)
{
	free(d->networks.list);
}

/* ---- which exit ---- */

static uint64_t id_of(const struct daemon *d, const char *name)
{
	char spiffe_id[SPIFFE_ID_SIZE];

	if (name[0] == '\0')
		return NODE_EXIT_NONE;
	if (strcmp(name, EXIT_ANY) == 0)
		return NODE_EXIT_ANY;
	if (spiffe_id_format(d->member->domain, name, spiffe_id) < 0)
		return NODE_EXIT_NONE;
	return node_id_of(d->ops, spiffe_id);
}

static void choose_exit(struct daemon *d, const char *name)
{
	(void)snprintf(d->networks.exit, sizeof(d->networks.exit), "%s", name);
	node_set_exit(d->node, id_of(d, name), loop_now_us());
}

/* The choice outlives a restart, so that nothing leaks because of one. */
static void load_exit(struct daemon *d)
{
	char name[NODE_NAME_MAX + 1] = "";
	struct store_value v = { 0 };
	struct store_error e;

	if (!store_has(d->store, STORE_EXIT))
		return;
	if (store_read(d->store, STORE_EXIT, &v, &e) < 0) {
		log_error(d->log, "exit_not_read", log_str("why", e.text));
		return;
	}
	memcpy(name, v.at, min_u64(v.len, NODE_NAME_MAX));
	store_value_done(&v);
	if (id_of(d, name))
		choose_exit(d, name);
}

void networks_start(struct daemon *d)
{
	load_exit(d);
	sync_forwarding(d);
}

/* ---- answers ---- */

static const char *const state_names[] = {
	[NODE_OFFER_USED] = "used",
	[NODE_OFFER_STANDBY] = "standby",
	[NODE_OFFER_UNREACHABLE] = "unreachable",
	[NODE_OFFER_NOT_CHOSEN] = "not_chosen",
	[NODE_OFFER_DENIED] = "denied",
};

static json_t *prefix_json(const struct prefix *p)
{
	char text[PREFIX_TEXT_SIZE];

	prefix_format(p, text);
	return json_string(text);
}

static json_t *offer_json(const struct node_offer_view *v)
{
	char id[17];

	node_id_text(v->node_id, id);
	return json_pack("{s:s, s:s, s:o, s:b, s:s, s:s, s:I}", "node", v->name[0] ? v->name : id,
			 "node_id", id, "prefix", prefix_json(&v->prefix), "is_exit",
			 prefix_is_default(&v->prefix), "state", state_names[v->state], "why",
			 v->why, "metric", (json_int_t)v->metric);
}

static json_t *offers_json(const struct daemon *d, bool exits_alone)
{
	struct node_offer_view v;
	json_t *list = json_array();
	size_t cursor = 0;

	while (node_next_offer(d->node, &cursor, &v))
		if (!exits_alone || prefix_is_default(&v.prefix))
			(void)json_array_append_new(list, offer_json(&v));
	return list;
}

json_t *networks_offered(const struct daemon *d)
{
	struct prefix own[NODE_OFFERS_MAX];
	json_t *list = json_array();
	size_t n = offers(d->config, own);

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, prefix_json(&own[i]));
	return json_pack("{s:o, s:o, s:I, s:b}", "own", list, "offers", offers_json(d, false),
			 "awaited", (json_int_t)node_offers_awaited(d->node), "is_forwarding",
			 d->networks.is_forwarding &&
				 !(d->networks.lost & 1U << KEEPER_HELD_FORWARDING));
}

json_t *networks_exit(const struct daemon *d)
{
	const struct networks_installed *w = &d->networks;

	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:s, s:o}", "exit", w->exit, "has_ipv4",
			 d->options->config->ipv4_prefix.len > 0, "is_reachable",
			 is_exit_reachable(d), "is_in_use",
			 w->exit_bits & KEEPER_EXIT_ROUTES && !(w->lost & 1U << KEEPER_HELD_RULES),
			 "is_only", d->config->exit_only != 0, "is_lan", d->config->exit_lan != 0,
			 "why", w->unmarked, "exits", offers_json(d, true));
}

static void fail(struct daemon *d, uint64_t request, const char *code, const char *why)
{
	(void)answer_error(d, request, code, why);
}

/* Whether the node offers an exit that policy accepts; else why not, with what to do. */
static bool is_usable(const struct daemon *d, const char *name, char why[512])
{
	uint64_t id = id_of(d, name);
	struct node_offer_view v;
	size_t cursor = 0;
	char reason[POLICY_REASON_SIZE] = "";

	(void)snprintf(why, 512,
		       "%s offers no exit, or has not said so yet; what is offered: x0 routes "
		       "offered",
		       id == NODE_EXIT_ANY ? "no node" : name);
	while (node_next_offer(d->node, &cursor, &v)) {
		if (!prefix_is_default(&v.prefix) || (id != NODE_EXIT_ANY && v.node_id != id))
			continue;
		if (v.state != NODE_OFFER_DENIED)
			return true;
		memcpy(reason, v.why, sizeof(reason));
	}
	if (reason[0])
		(void)snprintf(
			why, 512,
			"policy does not accept the exit: %.150s. To accept it add to policy: "
			"- {allow: prefix, from: \"spiffe://%.128s/node/%s\", to: \"*/0\"}, "
			"then: x0 config reload",
			reason, d->member->domain, id == NODE_EXIT_ANY ? "*" : name);
	return false;
}

void networks_exit_use(struct daemon *d, uint64_t request, const json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "name"));
	struct store_error e;
	char why[512];

	if (!name || !id_of(d, name) || strlen(name) > NODE_NAME_MAX) {
		fail(d, request, "usage", "this is no name of a node");
		return;
	}
	if (d->networks.unmarked[0]) {
		fail(d, request, "not_permitted", d->networks.unmarked);
		return;
	}
	if (!is_usable(d, name, why)) {
		fail(d, request, "not_accepted", why);
		return;
	}
	if (store_write(d->store, STORE_EXIT, SPAN(name, strlen(name)), &e) < 0) {
		fail(d, request, "not_kept", e.text);
		return;
	}
	choose_exit(d, name);
	networks_sync(d);
	daemon_drain(d);
	if (!d->networks.is_exit_known) {
		fail(d, request, "not_permitted",
		     "the routes could not be set; the reason: x0 status");
		return;
	}
	(void)answer_result(d, request, networks_exit(d));
}

void networks_exit_off(struct daemon *d, uint64_t request)
{
	struct store_error e;

	if (store_remove(d->store, STORE_EXIT, &e) < 0) {
		fail(d, request, "not_kept", e.text);
		return;
	}
	choose_exit(d, "");
	networks_sync(d);
	daemon_drain(d);
	(void)answer_result(d, request, networks_exit(d));
}

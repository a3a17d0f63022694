/* SPDX-License-Identifier: Apache-2.0 */
/* Names of nodes for this host's programs. A node's address follows from its name, so there is
 * nothing to spread: what has to be known is only which nodes there are. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/dns/dns.h"
#include "daemon/daemon_internal.h"
#include "shell/names/names.h"
#include "shell/names/resolver.h"

#define IPV4_AT 12	 /* in an address of 16 bytes, IPv4-mapped */
#define HEARD_MAX 256	 /* names asked for, to tell an address's name before its session */
#define NEGATIVE_TTL_S 5 /* a node that has just joined is found soon */
#define LOOK_EVERY_US SECONDS(10) /* at /etc/resolv.conf: another program may write it */

struct names {
	struct dns_zone zone;
	struct names_server *server; /* NULL: port 53 could not be had */
	enum keeper_names resolver;
	char why[KEEPER_WHY_SIZE]; /* the resolver is not told */
	unsigned device;	   /* index of the tunnel when it was */
	uint64_t look_us;
	struct {
		uint64_t id;
		char name[NODE_NAME_MAX + 1];
	} heard[HEARD_MAX];
	size_t next_heard;
};

/* ---- who is there ---- */

static bool is_there(const struct daemon *d, uint64_t id, const char *name)
{
	const struct store_issued *issued;
	char known[NODE_NAME_MAX + 1];
	struct route r;

	if (id == d->member->node_id)
		return true;
	if (node_is_revoked(d->node, id))
		return false;
	if (routes_lookup(node_routes(d->node), id, &r) || node_name_of(d->node, id, known))
		return true;
	issued = d->authority && name ? authority_issued(d->authority, name) : NULL;
	return issued && !issued->is_revoked;
}

static void hear(struct names *n, uint64_t id, const char *name)
{
	for (size_t i = 0; i < HEARD_MAX; i++)
		if (n->heard[i].id == id)
			return;
	n->heard[n->next_heard].id = id;
	(void)snprintf(n->heard[n->next_heard].name, sizeof(n->heard[0].name), "%s", name);
	n->next_heard = (n->next_heard + 1) % HEARD_MAX;
}

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name);
	size_t end_len = strlen(end);

	return len > end_len + 1 && name[len - end_len - 1] == '.' &&
	       strcmp(name + len - end_len, end) == 0;
}

/* Whether there are nodes below this name: "a.b" below "b". */
static bool is_above_one(const struct daemon *d, const char *name)
{
	struct node_peer_view v;
	size_t cursor = 0;

	if (ends_in(d->member->name, name))
		return true;
	for (size_t i = 0; i < HEARD_MAX; i++)
		if (ends_in(d->names->heard[i].name, name))
			return true;
	while (node_next_peer(d->node, &cursor, loop_now_us(), &v))
		if (ends_in(v.name, name))
			return true;
	return false;
}

/* false: no node of this name is known. */
static bool find_name(struct daemon *d, const char *name, uint64_t *ret_id)
{
	char spiffe_id[SPIFFE_ID_SIZE];
	uint64_t id;

	if (strlen(name) > NODE_NAME_MAX ||
	    spiffe_id_format(d->member->domain, name, spiffe_id) < 0)
		return false;
	id = node_id_of(d->ops, spiffe_id);
	if (id == 0 || !is_there(d, id, name))
		return false;
	if (d->names)
		hear(d->names, id, name);
	*ret_id = id;
	return true;
}

static bool find_address(const struct daemon *d, const uint8_t address[16], uint64_t *ret_id,
			 char ret_name[NODE_NAME_MAX + 1])
{
	uint64_t id = address_is_ipv4(address) ? node_by_ipv4(d->node, address) : 0;

	if (id == 0 && !overlay_address_parse(d->ops, d->member->domain, address, &id))
		return false;
	if (!is_there(d, id, NULL))
		return false;
	*ret_id = id;
	if (node_name_of(d->node, id, ret_name))
		return true;
	for (size_t i = 0; d->names && i < HEARD_MAX; i++) {
		if (d->names->heard[i].id != id)
			continue;
		memcpy(ret_name, d->names->heard[i].name, NODE_NAME_MAX + 1);
		return true;
	}
	ret_name[0] = '\0';
	return true;
}

static enum dns_found on_host(void *arg, const char *name, struct dns_host *ret)
{
	struct daemon *d = arg;
	uint8_t ipv4[16];
	uint64_t id;

	if (!find_name(d, name, &id))
		return is_above_one(d, name) ? DNS_FOUND_ABOVE : DNS_FOUND_NOTHING;
	*ret = (struct dns_host){ .has_ipv6 = true };
	overlay_address_of(d->ops, d->member->domain, id, ret->ipv6);
	ret->has_ipv4 = node_ipv4_of(d->node, id, ipv4);
	if (ret->has_ipv4)
		memcpy(ret->ipv4, ipv4 + IPV4_AT, sizeof(ret->ipv4));
	return DNS_FOUND_HOST;
}

static bool on_name(void *arg, const uint8_t address[16], char ret[DNS_TEXT_SIZE])
{
	char name[NODE_NAME_MAX + 1];
	uint64_t id;

	if (!find_address(arg, address, &id, name) || name[0] == '\0')
		return false;
	(void)snprintf(ret, DNS_TEXT_SIZE, "%s", name);
	return true;
}

/* ---- this host's resolver ---- */

/* What was in /etc/resolv.conf answers other names. */
static void read_upstreams(struct daemon *d)
{
	struct resolv_conf before;

	if (d->names->resolver != KEEPER_NAMES_FILE)
		return;
	if (resolv_conf_read_before(RESOLV_CONF, &before) < 0)
		before.n = 0;
	names_server_set_upstreams(d->names->server, before.servers, before.n);
	d->names->zone.is_recursive = before.n > 0;
}

static void apply(struct daemon *d, bool is_again)
{
	struct names *n = d->names;
	enum keeper_names before = n->resolver;
	char why[KEEPER_WHY_SIZE] = "";

	if (keeper_names_apply(d->keeper, is_again, &n->resolver, why) < 0)
		n->resolver = KEEPER_NAMES_NONE;
	(void)snprintf(n->why, sizeof(n->why), "%s", why);
	if (is_again)
		n->device = if_nametoindex(d->options->config->tun_name);
	read_upstreams(d);
	if (is_again && n->resolver == KEEPER_NAMES_FILE && n->why[0])
		log_notice(d->log, "resolv_conf_changed", log_str("why", n->why));
	if (n->resolver == before || n->resolver == KEEPER_NAMES_PENDING)
		return;
	if (n->resolver == KEEPER_NAMES_NONE)
		log_notice(d->log, "names_not_resolved", log_str("why", n->why));
	else
		log_info(d->log, "names_resolved",
			 log_str("by", n->resolver == KEEPER_NAMES_FILE ? RESOLV_CONF
									: "systemd-resolved"));
}

static void look(struct daemon *d, uint64_t now_us)
{
	struct resolv_conf now;

	if (now_us < d->names->look_us)
		return;
	d->names->look_us = now_us + LOOK_EVERY_US;
	if (d->names->resolver != KEEPER_NAMES_FILE)
		return;
	if (resolv_conf_read(RESOLV_CONF, &now) == 0 && now.is_ours) {
		read_upstreams(d);
		return;
	}
	log_notice(d->log, "resolv_conf_taken_back",
		   log_str("why", "another program wrote /etc/resolv.conf"));
	apply(d, true);
}

void names_tick(struct daemon *d)
{
	struct names *n = d->names;
	unsigned device;

	if (!n || !n->server)
		return;
	device = if_nametoindex(d->options->config->tun_name);
	if (n->resolver == KEEPER_NAMES_PENDING)
		apply(d, false);
	else if (d->tun && device != 0 && device != n->device)
		apply(d, true); /* made again: what was said of the old one went with it */
	else
		look(d, loop_now_us());
}

/* ---- life ---- */

int names_options(const struct config *c, const struct crypto_ops *ops, char reverse_zone[254],
		  char why[DAEMON_WHY_SIZE])
{
	uint8_t prefix[OVERLAY_ADDRESS_LEN];
	char domain[DOMAIN_MAX + 1];
	struct dns_zone z;

	(void)snprintf(domain, sizeof(domain), "%.*s", DOMAIN_MAX, c->domain);
	overlay_address_of(ops, domain, 0, prefix);
	if (dns_zone_init(&z, c->names_zone, "node", prefix, OVERLAY_PREFIX_BITS) < 0) {
		(void)snprintf(why, DAEMON_WHY_SIZE,
			       "names.zone: \"%.180s\" cannot be the zone of a mesh: it has two "
			       "labels at least, and does not end in .local, .localhost, .arpa, "
			       ".onion, .test or .invalid",
			       c->names_zone);
		return -EINVAL;
	}
	return dns_name_format(&z.ipv6_zone, reverse_zone);
}

static int start_server(struct daemon *d, char why[KEEPER_WHY_SIZE])
{
	const struct config *c = d->options->config;
	struct names_options o = {
		.loop = d->loop,
		.zone = &d->names->zone,
		.directory = { .host = on_host, .name = on_name, .arg = d },
		.is_for_members = c->names_clients == CONFIG_NAMES_MEMBERS,
		.prefix_bits = OVERLAY_PREFIX_BITS,
	};
	int udp_fd, tcp_fd;
	int r;

	if (dns_zone_init(&d->names->zone, c->names_zone, d->member->name,
			  node_overlay_address(d->node), OVERLAY_PREFIX_BITS) < 0) {
		(void)snprintf(why, KEEPER_WHY_SIZE, "this node's name is no name in %.100s",
			       c->names_zone);
		return -EINVAL;
	}
	if (c->ipv4_prefix.len > 0)
		dns_zone_set_ipv4(&d->names->zone, c->ipv4_prefix.ip + IPV4_AT,
				  c->ipv4_prefix.len - PREFIX_IPV4_LEN);
	d->names->zone.ttl_s = (uint32_t)c->names_ttl_s;
	d->names->zone.negative_ttl_s = (uint32_t)min_u64(c->names_ttl_s, NEGATIVE_TTL_S);
	memcpy(o.own, node_overlay_address(d->node), sizeof(o.own));
	o.entropy = kernel_entropy;
	entropy_fill(&kernel_entropy, o.hash_key, sizeof(o.hash_key));
	r = keeper_names_listen(d->keeper, &udp_fd, &tcp_fd, why);
	if (r == 0)
		r = names_server_new(&o, udp_fd, tcp_fd, &d->names->server);
	if (r == -ENOMEM)
		(void)snprintf(why, KEEPER_WHY_SIZE, "out of memory or descriptors");
	return r;
}

int names_start(struct daemon *d)
{
	char why[KEEPER_WHY_SIZE] = "";

	if (!d->options->config->names_responder)
		return 0;
	d->names = calloc(1, sizeof(*d->names));
	if (!d->names)
		return -ENOMEM;
	if (!d->tun) {
		daemon_feature(d, "names", false, "there is no tunnel to serve them on");
		return 0;
	}
	if (start_server(d, why) < 0) {
		daemon_feature(d, "names", false, why);
		return 0;
	}
	daemon_feature(d, "names", true, "");
	apply(d, true);
	return 0;
}

void names_end(struct daemon *d)
{
	if (!d->names)
		return;
	names_server_free(d->names->server);
	free(d->names);
	d->names = NULL;
}

/* ---- the control socket ---- */

static json_t *full_name(const struct daemon *d, const char *name)
{
	char text[DNS_TEXT_SIZE + 1];

	(void)snprintf(text, sizeof(text), "%.63s.%.180s", name, d->options->config->names_zone);
	return json_string(text);
}

static json_t *counters(const struct names_server *s)
{
	struct names_counters c;

	names_server_counters(s, &c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "queries",
			 (json_int_t)c.queries, "answered", (json_int_t)c.answered, "refused",
			 (json_int_t)c.refused, "dropped", (json_int_t)c.dropped, "not_allowed",
			 (json_int_t)c.not_allowed, "over_rate", (json_int_t)c.over_rate,
			 "forwarded", (json_int_t)c.forwarded, "forward_failed",
			 (json_int_t)c.forward_failed, "forward_busy", (json_int_t)c.forward_busy,
			 "forward_mismatched", (json_int_t)c.forward_mismatched, "connections",
			 (json_int_t)c.connections, "connections_refused",
			 (json_int_t)c.connections_refused);
}

json_t *names_status(const struct daemon *d)
{
	static const char *const words[KEEPER_N_NAMES] = {
		[KEEPER_NAMES_NONE] = "none",
		[KEEPER_NAMES_PENDING] = "pending",
		[KEEPER_NAMES_RESOLVED] = "systemd-resolved",
		[KEEPER_NAMES_FILE] = "resolv.conf",
	};
	const struct names *n = d->names;

	if (!n)
		return json_pack("{s:b, s:s}", "is_on", 0, "why",
				 "switched off in the configuration (names.responder)");
	if (!n->server)
		return json_pack("{s:b, s:s, s:s}", "is_on", 0, "zone",
				 d->options->config->names_zone, "why",
				 "see the feature \"names\"");
	return json_pack("{s:b, s:s, s:o, s:s, s:s, s:b, s:o}", "is_on", 1, "zone",
			 d->options->config->names_zone, "name", full_name(d, d->member->name),
			 "resolver", words[n->resolver], "why", n->why, "is_forwarding",
			 n->zone.is_recursive, "counters", counters(n->server));
}

/* "roof", "roof.x0.internal", with or without the last dot, either case; false: too long. */
static bool bare_name(const struct daemon *d, const char *target, char ret[DNS_TEXT_SIZE])
{
	struct dns_name name, zone;
	size_t before;

	if (dns_name_parse(target, &name) < 0 || dns_name_format(&name, ret) < 0 ||
	    dns_name_parse(d->options->config->names_zone, &zone) < 0)
		return false;
	if (dns_name_is_under(&name, &zone, &before) && before > 0)
		ret[before - 1] = '\0';
	return true;
}

/* Of either family, IPv4-mapped. */
static bool read_address(const char *text, uint8_t ret[16])
{
	static const uint8_t mapped[IPV4_AT] = { [10] = 0xff, [11] = 0xff };

	memcpy(ret, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ret + IPV4_AT) == 1 || inet_pton(AF_INET6, text, ret) == 1;
}

void names_resolve(struct daemon *d, uint64_t request, const json_t *args)
{
	const char *target = json_string_value(json_object_get(args, "target"));
	char found_name[NODE_NAME_MAX + 1] = "";
	char name[DNS_TEXT_SIZE] = "";
	char id_text[17];
	uint8_t address[16];
	struct route route = { 0 };
	bool is_found;
	uint64_t id;
	json_t *j;

	if (target && read_address(target, address)) {
		is_found = find_address(d, address, &id, found_name);
	} else {
		is_found = target && bare_name(d, target, name) && find_name(d, name, &id);
		if (is_found)
			(void)snprintf(found_name, sizeof(found_name), "%.63s", name);
	}
	if (!is_found) {
		(void)answer_error(d, request, "not_found",
				   "no node with this name or address is known here; those that "
				   "are: x0 routes");
		return;
	}
	overlay_address_of(d->ops, d->member->domain, id, address);
	node_id_text(id, id_text);
	(void)routes_lookup(node_routes(d->node), id, &route);
	j = json_pack("{s:s, s:o, s:b, s:b}", "node_id", id_text, "address", address_json(address),
		      "is_self", id == d->member->node_id, "is_reachable",
		      id == d->member->node_id || route.next_hop != 0);
	if (node_ipv4_of(d->node, id, address))
		(void)json_object_set_new(j, "ipv4", ipv4_json(d, id));
	if (found_name[0]) {
		(void)json_object_set_new(j, "node", json_string(found_name));
		(void)json_object_set_new(j, "name", full_name(d, found_name));
	}
	(void)answer_result(d, request, j);
}

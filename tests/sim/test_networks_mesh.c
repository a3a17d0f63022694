/* SPDX-License-Identifier: Apache-2.0 */
/* Networks behind nodes, exits and IPv4 inside, among whole nodes. Node 0 uses, 1 and 2 offer,
 * 3 relays between them. */
#include "core/route/record.h"
#include "fixture.h"

#define SELF 0
#define NEAR 1
#define FAR 2
#define RELAY 3
#define N 4

static struct node_networks of[NODES_MAX];
static size_t delivered_at;
static unsigned n_delivered;
static uint8_t delivered[NODE_DATAGRAM_MAX];

static bool take(void *arg, size_t node, struct span packet)
{
	(void)arg;
	delivered_at = node;
	n_delivered++;
	memcpy(delivered, packet.at, packet.len);
	return true;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void offer(size_t node, const char *text)
{
	of[node].offers[of[node].n_offers++] = prefix(text);
}

static void allow(struct policy_rule *rule, enum policy_action action, const char *from,
		  const char *resource)
{
	*rule = (struct policy_rule){ .effect = POLICY_ALLOW, .action = action };
	(void)snprintf(rule->from, sizeof(rule->from), "%s", from);
	(void)snprintf(rule->resource, sizeof(rule->resource), "%s", resource);
}

/* What members may do to each other, and `prefix` as each test wants it. */
static struct policy_rule policy[16];

static void let(enum policy_action action, const char *from, const char *resource)
{
	allow(&policy[n_rules++], action, from, resource);
}

static int begin(void **state)
{
	(void)state;
	memset(of, 0, sizeof(of));
	for (size_t i = 0; i < N; i++) {
		of[i].has_ipv4 = true;
		of[i].ipv4 = prefix("10.86.0.0/16");
	}
	networks = of;
	rules = policy;
	n_rules = 0;
	let(POLICY_SESSION, "*", "*");
	let(POLICY_RELAY, "*", "*");
	let(POLICY_PING, "*", "*");
	let(POLICY_CONNECT, "*", "*");
	let(POLICY_ROUTE, "*", "*");
	deliver_tap = take;
	n_delivered = 0;
	return 0;
}

/* 0 - 1, and 0 - 3 - 2: node 1 is nearer. */
static struct sim *mesh(void)
{
	struct sim *s = make_sim(N, true);

	(void)sim_link(s, SELF, NEAR, &lan, true);
	(void)sim_link(s, SELF, RELAY, &lan, true);
	(void)sim_link(s, RELAY, FAR, &lan, true);
	boot_all(s, N);
	run(s, SECONDS(5));
	return s;
}

static size_t make_udp(const uint8_t from[16], const uint8_t to[16], uint8_t ret[100])
{
	memset(ret, 0, 100);
	if (address_is_ipv4(to)) {
		ret[0] = 0x45;
		store_u16(ret + 2, 28);
		ret[8] = 64;
		ret[9] = 17;
		memcpy(ret + 12, from + 12, 4);
		memcpy(ret + 16, to + 12, 4);
		store_u16(ret + 20, 1000);
		store_u16(ret + 22, 53);
		return 28;
	}
	ret[0] = 0x60;
	store_u16(ret + 4, 8);
	ret[6] = 17;
	ret[7] = 64;
	memcpy(ret + 8, from, 16);
	memcpy(ret + 24, to, 16);
	store_u16(ret + 40, 1000);
	store_u16(ret + 42, 53);
	return 48;
}

/* Gives a packet to a node as from its tunnel. True when somebody was given it; delivered_at. */
static bool send(struct sim *s, size_t node, const uint8_t from[16], const uint8_t to[16])
{
	uint8_t packet[100];
	size_t len = make_udp(from, to, packet);
	unsigned before = n_delivered;

	node_input_packet(sim_node(s, node), SPAN(packet, len), sim_node_us(s, node));
	sim_poke(s, node);
	run(s, SECONDS(2));
	assert_true(n_delivered - before <= 1);
	return n_delivered != before && memcmp(delivered, packet, len) == 0;
}

/* A member that lies: seals this packet for SELF, whatever it says. True when it was believed. */
static bool gets_in(struct sim *s, size_t node, struct span packet)
{
	struct peer *p = peer_get(sim_node(s, node), sim_id(s, SELF));
	unsigned before = n_delivered;

	assert_non_null(p);
	sim_node(s, node)->now_us = sim_node_us(s, node);
	assert_int_equal(path_send(sim_node(s, node), p, CLASS_BULK, packet), 0);
	sim_poke(s, node);
	run(s, SECONDS(1));
	return n_delivered != before;
}

/* The same with whatever source. */
static bool lies(struct sim *s, size_t node, const uint8_t from[16], const uint8_t to[16])
{
	uint8_t packet[100];
	size_t len = make_udp(from, to, packet);

	return gets_in(s, node, SPAN(packet, len));
}

static bool sends_to(struct sim *s, size_t node, const char *to)
{
	struct prefix p = prefix(to);
	uint8_t own[16];

	if (!address_is_ipv4(p.ip))
		return send(s, node, node_overlay_address(sim_node(s, node)), p.ip);
	assert_true(node_ipv4(sim_node(s, node), own));
	return send(s, node, own, p.ip);
}

static struct node_counters counters(struct sim *s, size_t node)
{
	struct node_counters c;

	node_counters(sim_node(s, node), &c);
	return c;
}

/* The only offer that this node knows of that prefix by that node. */
static struct node_offer_view view(struct sim *s, size_t by, const char *text)
{
	struct prefix p = prefix(text);
	struct node_offer_view v;
	size_t cursor = 0;

	while (node_next_offer(sim_node(s, SELF), &cursor, &v))
		if (v.node_id == sim_id(s, by) && prefix_equal(&v.prefix, &p))
			return v;
	fail_msg("node %zu does not offer %s", by, text);
	return v;
}

static void every_pair_reaches_each_other_by_ipv4(void **state)
{
	(void)state;
	struct sim *s = mesh();
	uint8_t own[16], other[16], as_seen[16];

	for (size_t a = 0; a < N; a++) {
		assert_true(node_ipv4(sim_node(s, a), own));
		for (size_t b = 0; b < N; b++) {
			assert_true(node_ipv4(sim_node(s, b), other));
			assert_true(node_ipv4_of(sim_node(s, a), sim_id(s, b), as_seen));
			assert_memory_equal(as_seen, other, 16);
			if (a == b)
				continue;
			assert_true(send(s, a, own, other));
			assert_int_equal(delivered_at, b);
		}
	}
	/* another's IPv4 address as source: from the tunnel, and of a session's peer */
	assert_true(node_ipv4(sim_node(s, NEAR), own));
	assert_true(node_ipv4(sim_node(s, FAR), other));
	assert_false(send(s, SELF, own, other));
	assert_int_equal(counters(s, SELF).spoofed_tun, 1);
	assert_true(node_ipv4(sim_node(s, SELF), other));
	assert_true(lies(s, NEAR, own, other)); /* no lie */
	assert_false(lies(s, FAR, own, other));
	assert_false(lies(s, FAR, other, other));
	assert_int_equal(counters(s, SELF).spoofed_inner, 2);
	sim_free(s);
}

static void a_network_is_reached_through_the_node_that_offers_it(void **state)
{
	(void)state;
	offer(FAR, "192.168.7.0/24");
	offer(FAR, "fd12:3456::/32");
	let(POLICY_PREFIX, "*", "192.168.*");
	let(POLICY_PREFIX, "*", "fd12:*");
	struct sim *s = mesh();

	assert_int_equal(view(s, FAR, "192.168.7.0/24").state, NODE_OFFER_USED);
	assert_true(sends_to(s, SELF, "192.168.7.9"));
	assert_int_equal(delivered_at, FAR);
	assert_true(sends_to(s, SELF, "fd12:3456::9"));
	assert_int_equal(delivered_at, FAR);
	assert_false(sends_to(s, SELF, "192.168.8.9"));
	assert_int_equal(counters(s, SELF).no_route, 1);
	/* and back: a host there speaks first */
	struct prefix host = prefix("192.168.7.9");
	uint8_t own[16];

	assert_true(node_ipv4(sim_node(s, SELF), own));
	assert_true(send(s, FAR, host.ip, own));
	assert_int_equal(delivered_at, SELF);
	sim_free(s);
}

/* The kernel drops IPv4 packets of the tunnel that have an address of its own as source. */
static void an_error_about_ipv4_does_not_come_from_our_own_address(void **state)
{
	(void)state;
	struct sim *s = mesh();
	struct prefix nowhere = prefix("192.168.8.9");
	uint8_t own[16];

	assert_true(node_ipv4(sim_node(s, SELF), own));
	assert_false(sends_to(s, SELF, "192.168.8.9"));
	assert_int_equal(counters(s, SELF).icmp_told, 1);
	assert_int_equal(delivered[9], 1);
	assert_memory_equal(delivered + 12, nowhere.ip + 12, 4);
	assert_memory_equal(delivered + 16, own + 12, 4);
	sim_free(s);
}

static void what_policy_does_not_accept_is_shown_and_not_used(void **state)
{
	(void)state;
	offer(NEAR, "192.168.7.0/24");
	offer(NEAR, "0.0.0.0/0");
	struct sim *s = mesh();
	struct node_offer_view v = view(s, NEAR, "192.168.7.0/24");
	struct prefix p;
	uint64_t via;
	size_t cursor = 0;

	assert_int_equal(v.state, NODE_OFFER_DENIED);
	assert_string_equal(v.why, "denied: no rule allows \"prefix\" here");
	node_set_exit(sim_node(s, SELF), sim_id(s, NEAR), sim_node_us(s, SELF));
	assert_int_equal(view(s, NEAR, "0.0.0.0/0").state, NODE_OFFER_DENIED);
	assert_false(node_next_network(sim_node(s, SELF), &cursor, &p, &via));
	assert_false(sends_to(s, SELF, "192.168.7.9"));
	assert_false(sends_to(s, SELF, "203.0.113.9"));
	sim_free(s);
}

/* A member that offers more than a rule names, or in halves what another forbids. */
static void what_a_rule_names_is_not_widened_by_the_offer(void **state)
{
	(void)state;
	offer(NEAR, "192.168.0.0/13"); /* 192.168 to 192.175 */
	offer(NEAR, "192.168.7.0/24");
	offer(NEAR, "172.16.0.0/13");
	offer(NEAR, "172.24.0.0/13");
	offer(NEAR, "172.32.0.0/16");
	let(POLICY_PREFIX, "*/n1", "192.168.*");
	let(POLICY_PREFIX, "*/n1", "172.*");
	let(POLICY_PREFIX, "*", "172.16.0.0/12");
	policy[n_rules - 1].effect = POLICY_DENY;
	struct sim *s = mesh();

	assert_int_equal(view(s, NEAR, "192.168.0.0/13").state, NODE_OFFER_DENIED);
	assert_int_equal(view(s, NEAR, "192.168.7.0/24").state, NODE_OFFER_USED);
	assert_int_equal(view(s, NEAR, "172.16.0.0/13").state, NODE_OFFER_DENIED);
	assert_int_equal(view(s, NEAR, "172.24.0.0/13").state, NODE_OFFER_DENIED);
	assert_int_equal(view(s, NEAR, "172.32.0.0/16").state, NODE_OFFER_USED);
	assert_false(sends_to(s, SELF, "192.169.0.9"));
	assert_false(sends_to(s, SELF, "172.17.0.9"));
	sim_free(s);
}

/* The internet in a few pieces is an exit too. */
static void what_is_as_short_as_an_exit_is_used_only_when_it_is_chosen(void **state)
{
	(void)state;
	offer(NEAR, "2000::/3");
	offer(NEAR, "32.0.0.0/3");
	offer(NEAR, "2001:db8::/32");
	let(POLICY_PREFIX, "*", "*");
	struct sim *s = mesh();

	assert_int_equal(view(s, NEAR, "2000::/3").state, NODE_OFFER_NOT_CHOSEN);
	assert_int_equal(view(s, NEAR, "32.0.0.0/3").state, NODE_OFFER_NOT_CHOSEN);
	assert_int_equal(view(s, NEAR, "2001:db8::/32").state, NODE_OFFER_USED);
	assert_non_null(strstr(view(s, NEAR, "2000::/3").why, "x0 exit use"));
	assert_false(sends_to(s, SELF, "2a00::9"));
	assert_true(sends_to(s, SELF, "2001:db8::9"));
	node_set_exit(sim_node(s, SELF), sim_id(s, NEAR), sim_node_us(s, SELF));
	assert_int_equal(view(s, NEAR, "2000::/3").state, NODE_OFFER_USED);
	assert_true(sends_to(s, SELF, "2a00::9"));
	/* as of any exit, connections begin here and not there */
	assert_false(lies(s, NEAR, prefix("2a00::9").ip, node_overlay_address(sim_node(s, SELF))));
	assert_int_equal(counters(s, SELF).flow_denied, 1);
	sim_free(s);
}

static void a_source_in_a_network_of_another_is_dropped_and_counted(void **state)
{
	(void)state;
	offer(NEAR, "192.168.7.0/24");
	offer(FAR, "192.168.8.0/24");
	let(POLICY_PREFIX, "*", "192.168.7.*"); /* of FAR nothing is accepted */
	struct sim *s = mesh();
	struct prefix of_near = prefix("192.168.7.9"), of_far = prefix("192.168.8.9");
	uint8_t own[16];

	assert_true(node_ipv4(sim_node(s, SELF), own));
	assert_true(send(s, NEAR, of_near.ip, own));
	assert_false(send(s, FAR, of_far.ip, own)); /* its own, but not accepted */
	assert_int_equal(counters(s, SELF).spoofed_inner, 1);
	assert_false(lies(s, FAR, of_near.ip, own)); /* accepted, but of another */
	assert_false(lies(s, FAR, prefix("203.0.113.9").ip, own));
	assert_false(lies(s, FAR, prefix("127.0.0.1").ip, own));
	assert_false(lies(s, NEAR, of_far.ip, own));
	assert_int_equal(counters(s, SELF).spoofed_inner, 5);
	sim_free(s);
}

static void a_source_in_a_network_of_ours_comes_from_nobody_else(void **state)
{
	(void)state;
	offer(SELF, "192.168.5.0/24");
	offer(FAR, "192.168.0.0/16");
	let(POLICY_PREFIX, "*", "192.168.*");
	struct sim *s = mesh();
	uint8_t own[16];

	assert_true(node_ipv4(sim_node(s, SELF), own));
	assert_true(lies(s, FAR, prefix("192.168.6.9").ip, own)); /* no lie */
	assert_false(lies(s, FAR, prefix("192.168.5.9").ip, own));
	assert_int_equal(counters(s, SELF).spoofed_inner, 1);
	sim_free(s);
}

/* Port unreachable from `by`, about a packet of ours to `to`. */
static bool reports(struct sim *s, size_t by, size_t to)
{
	const uint8_t *own = node_overlay_address(sim_node(s, SELF));
	const uint8_t *other = node_overlay_address(sim_node(s, to));
	uint8_t quoted[100], error[ICMP_ERROR_MAX];
	size_t len = make_udp(own, other, quoted);

	len = icmp_error(ICMP_NO_ADDRESS, node_overlay_address(sim_node(s, by)), 0,
			 SPAN(quoted, len), error);
	assert_true(len > 0);
	return gets_in(s, by, SPAN(error, len));
}

static void an_error_about_a_flow_comes_only_from_where_its_answers_come_from(void **state)
{
	(void)state;
	(void)snprintf(policy[3].resource, sizeof(policy[3].resource), "udp:*"); /* connect */
	struct sim *s = mesh();

	assert_true(send(s, SELF, node_overlay_address(sim_node(s, SELF)),
			 node_overlay_address(sim_node(s, FAR))));
	assert_true(send(s, NEAR, node_overlay_address(sim_node(s, NEAR)),
			 node_overlay_address(sim_node(s, SELF))));
	assert_false(reports(s, NEAR, FAR));
	assert_int_equal(counters(s, SELF).flow_denied, 1);
	assert_true(reports(s, FAR, FAR));
	sim_free(s);
}

static void the_nearer_of_two_is_used_and_the_other_when_it_is_gone(void **state)
{
	(void)state;
	offer(NEAR, "192.168.7.0/24");
	offer(FAR, "192.168.7.0/24");
	offer(FAR, "192.168.0.0/16");
	let(POLICY_PREFIX, "*", "192.168.*");
	struct sim *s = mesh();

	assert_int_equal(view(s, NEAR, "192.168.7.0/24").state, NODE_OFFER_USED);
	assert_int_equal(view(s, FAR, "192.168.7.0/24").state, NODE_OFFER_STANDBY);
	assert_true(sends_to(s, SELF, "192.168.7.9"));
	assert_int_equal(delivered_at, NEAR);
	assert_true(sends_to(s, SELF, "192.168.9.9")); /* the longest that covers it */
	assert_int_equal(delivered_at, FAR);
	sim_crash(s, NEAR);
	run(s, SECONDS(4));
	assert_int_equal(view(s, NEAR, "192.168.7.0/24").state, NODE_OFFER_UNREACHABLE);
	assert_true(sends_to(s, SELF, "192.168.7.9"));
	assert_int_equal(delivered_at, FAR);
	sim_free(s);
}

static void an_exit_is_used_only_when_chosen_and_passes_on_nothing_private(void **state)
{
	(void)state;
	offer(NEAR, "0.0.0.0/0");
	offer(NEAR, "::/0");
	let(POLICY_PREFIX, "*", "*");
	struct sim *s = mesh();

	assert_int_equal(view(s, NEAR, "0.0.0.0/0").state, NODE_OFFER_NOT_CHOSEN);
	assert_false(sends_to(s, SELF, "203.0.113.9"));
	node_set_exit(sim_node(s, SELF), NODE_EXIT_ANY, sim_node_us(s, SELF));
	assert_int_equal(view(s, NEAR, "0.0.0.0/0").state, NODE_OFFER_USED);
	assert_true(sends_to(s, SELF, "203.0.113.9"));
	assert_int_equal(delivered_at, NEAR);
	assert_true(sends_to(s, SELF, "2001:db8::9"));
	assert_int_equal(counters(s, NEAR).not_offered, 0);
	assert_false(sends_to(s, SELF, "192.168.1.1"));
	assert_false(sends_to(s, SELF, "fd99::1"));
	assert_int_equal(counters(s, NEAR).not_offered, 2);
	assert_false(sends_to(s, SELF, "127.0.0.1"));
	/* answers of the internet come in through it alone, and nothing but answers */
	struct prefix internet = prefix("203.0.113.9");
	uint8_t own[16], answer[100];
	size_t len;

	assert_true(node_ipv4(sim_node(s, SELF), own));
	len = make_udp(internet.ip, own, answer);
	store_u16(answer + 20, 53);
	store_u16(answer + 22, 1000);
	assert_true(gets_in(s, NEAR, SPAN(answer, len)));
	assert_false(gets_in(s, RELAY, SPAN(answer, len)));
	assert_int_equal(counters(s, SELF).flow_denied, 0);
	assert_false(lies(s, NEAR, internet.ip, own));
	assert_int_equal(counters(s, SELF).flow_denied, 1);
	store_u16(answer + 6, 1); /* a later fragment of one says nothing of its flow */
	assert_true(gets_in(s, NEAR, SPAN(answer, len)));
	store_u16(answer + 6, 0);
	/* and it speaks for nothing private, which may be our own network */
	assert_false(lies(s, NEAR, prefix("192.168.1.1").ip, own));
	assert_false(lies(s, NEAR, prefix("fd99::1").ip, node_overlay_address(sim_node(s, SELF))));
	node_set_exit(sim_node(s, SELF), NODE_EXIT_NONE, sim_node_us(s, SELF));
	assert_false(sends_to(s, SELF, "203.0.113.9"));
	assert_false(gets_in(s, NEAR, SPAN(answer, len)));
	sim_free(s);
}

static void who_may_use_a_network_is_asked_where_it_is_offered(void **state)
{
	(void)state;
	offer(NEAR, "192.168.7.0/24");
	let(POLICY_PREFIX, "*", "*");
	policy[4].effect = POLICY_DENY; /* route: for nobody */
	struct sim *s = mesh();

	assert_false(sends_to(s, SELF, "192.168.7.9"));
	assert_int_equal(counters(s, NEAR).flow_denied, 1);
	assert_int_equal(n_events[NEAR][EVENT_FLOW_DENIED], 1);
	sim_free(s);
}

static void what_is_offered_no_longer_goes_away(void **state)
{
	(void)state;
	offer(NEAR, "192.168.7.0/24");
	let(POLICY_PREFIX, "*", "*");
	struct sim *s = mesh();
	struct node_offer_view v;
	struct prefix now = prefix("192.168.9.0/24");
	size_t cursor = 0;

	node_set_offers(sim_node(s, NEAR), &now, 1, sim_node_us(s, NEAR));
	sim_poke(s, NEAR);
	run(s, SECONDS(3));
	assert_int_equal(view(s, NEAR, "192.168.9.0/24").state, NODE_OFFER_USED);
	assert_false(sends_to(s, SELF, "192.168.7.9"));
	assert_true(sends_to(s, SELF, "192.168.9.9"));
	node_set_offers(sim_node(s, NEAR), NULL, 0, sim_node_us(s, NEAR));
	sim_poke(s, NEAR);
	run(s, SECONDS(3));
	assert_false(node_next_offer(sim_node(s, SELF), &cursor, &v));
	assert_false(sends_to(s, SELF, "192.168.9.9"));
	sim_free(s);
}

static void the_meshs_own_addresses_cannot_be_offered_away(void **state)
{
	(void)state;
	offer(NEAR, "fd00::/8");
	offer(NEAR, "10.0.0.0/8");
	offer(NEAR, "10.86.0.0/24");
	let(POLICY_PREFIX, "*", "*");
	struct sim *s = mesh();

	assert_int_equal(view(s, NEAR, "fd00::/8").state, NODE_OFFER_DENIED);
	assert_int_equal(view(s, NEAR, "10.0.0.0/8").state, NODE_OFFER_DENIED);
	assert_int_equal(view(s, NEAR, "10.86.0.0/24").state, NODE_OFFER_DENIED);
	sim_free(s);
}

/* 14 addresses for 4 nodes: some take another than their first. */
static void nodes_that_collide_end_with_an_address_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < N; i++)
		of[i].ipv4 = prefix("10.86.0.0/28");
	struct sim *s = mesh();
	uint8_t all[N][16];

	for (size_t i = 0; i < N; i++) {
		assert_true(node_ipv4(sim_node(s, i), all[i]));
		for (size_t j = 0; j < i; j++) {
			assert_memory_not_equal(all[i], all[j], 16);
			assert_true(send(s, i, all[i], all[j]));
			assert_int_equal(delivered_at, j);
		}
	}
	sim_free(s);
}

/* A neighbour announces 300 nodes that offer something, of which there is none. */
static void announce_strangers(struct sim *s)
{
	struct node *n = sim_node(s, SELF);
	struct entry e = { .epoch = 1, .metric = 5, .relayed_len = 10 };

	memcpy(e.relayed, "\x07\x08 digest", 10);
	for (uint64_t id = 1; id <= 300; id += 30) {
		uint8_t body[RECORD_MAX];
		struct writer w = writer_of(body, sizeof(body));

		for (uint64_t i = id; i < id + 30; i++) {
			e.destination = i;
			assert_true(entry_encode(&w, &e));
		}
		assert_int_equal(routes_input(n->routes, sim_id(s, NEAR), RECORD_ROUTE_UPDATE,
					      SPAN(body, w.len), n->now_us),
				 0);
	}
	networks_dirty(n);
}

static void nodes_that_only_hint_get_half_the_table(void **state)
{
	(void)state;
	struct sim *s = mesh();
	struct node *n = sim_node(s, SELF);

	announce_strangers(s);
	n->now_us += SECONDS(1);
	networks_tick(n);
	assert_int_equal(node_offers_awaited(n), NODE_OFFERERS_MAX / 2);
	sim_free(s);
}

static void nodes_that_only_hint_keep_no_other_out(void **state)
{
	(void)state;
	struct sim *s = mesh();
	struct node *n = sim_node(s, SELF);
	struct prefix list = prefix("192.168.7.0/24");
	uint8_t body[OFFERS_LEN_MAX];
	size_t len = offers_encode(&list, 1, body);
	struct node_offer_view v;
	unsigned seconds = 0;
	size_t cursor = 0;

	announce_strangers(s); /* of which the last one is there after all */
	while (!node_next_offer(n, &cursor, &v) && ++seconds < 60) {
		n->now_us += SECONDS(1);
		networks_tick(n);
		networks_told(n, peer_make(n, 300), SPAN(body, len));
		cursor = 0;
	}
	assert_in_range(seconds, 7, 30);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_pair_reaches_each_other_by_ipv4, begin),
		cmocka_unit_test_setup(a_network_is_reached_through_the_node_that_offers_it, begin),
		cmocka_unit_test_setup(an_error_about_ipv4_does_not_come_from_our_own_address,
				       begin),
		cmocka_unit_test_setup(what_policy_does_not_accept_is_shown_and_not_used, begin),
		cmocka_unit_test_setup(what_a_rule_names_is_not_widened_by_the_offer, begin),
		cmocka_unit_test_setup(what_is_as_short_as_an_exit_is_used_only_when_it_is_chosen,
				       begin),
		cmocka_unit_test_setup(a_source_in_a_network_of_another_is_dropped_and_counted,
				       begin),
		cmocka_unit_test_setup(a_source_in_a_network_of_ours_comes_from_nobody_else, begin),
		cmocka_unit_test_setup(
			an_error_about_a_flow_comes_only_from_where_its_answers_come_from, begin),
		cmocka_unit_test_setup(the_nearer_of_two_is_used_and_the_other_when_it_is_gone,
				       begin),
		cmocka_unit_test_setup(
			an_exit_is_used_only_when_chosen_and_passes_on_nothing_private, begin),
		cmocka_unit_test_setup(who_may_use_a_network_is_asked_where_it_is_offered, begin),
		cmocka_unit_test_setup(what_is_offered_no_longer_goes_away, begin),
		cmocka_unit_test_setup(the_meshs_own_addresses_cannot_be_offered_away, begin),
		cmocka_unit_test_setup(nodes_that_collide_end_with_an_address_each, begin),
		cmocka_unit_test_setup(nodes_that_only_hint_get_half_the_table, begin),
		cmocka_unit_test_setup(nodes_that_only_hint_keep_no_other_out, begin),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

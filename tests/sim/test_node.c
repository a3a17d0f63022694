/* SPDX-License-Identifier: Apache-2.0 */
/* Whole nodes in small meshes: the walk-through of what a mesh is for. */
#include "fixture.h"

static void two_nodes_exchange_packets(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(1));
	assert_true(reaches(s, 0, 1, MS(50)));
	assert_true(reaches(s, 1, 0, MS(50)));
	assert_int_equal(sim_walk(s, 0, 1), 1);
	assert_true(n_events[0][EVENT_PEER_UP] >= 1);
	assert_string_equal(last_event[0][EVENT_PEER_UP].name, "n1");
	sim_free(s);
}

static void the_first_packet_waits_for_nobody_to_ask_again(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);

	(void)sim_link(s, 0, 1, &lan, false);
	boot_all(s, 2);
	assert_true(reaches(s, 0, 1, SECONDS(2))); /* sent before there was any session */
	sim_free(s);
}

static void a_packet_crosses_relays_that_cannot_read_it(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);
	struct node_counters c;

	for (size_t i = 0; i < 3; i++)
		(void)sim_link(s, i, i + 1, &lan, true);
	boot_all(s, 4);
	run(s, SECONDS(2));
	assert_int_equal(sim_walk(s, 0, 3), 3);
	assert_true(reaches(s, 0, 3, SECONDS(1)));
	node_counters(sim_node(s, 1), &c);
	assert_true(c.relayed > 0);
	assert_int_equal(c.packets_to_tun, 0);
	sim_free(s);
}

/* 0 - 1 - 3 and 0 - 2 - 3: the diamond. Returns the number of the link 0 - 1. */
static size_t diamond(struct sim *s)
{
	size_t first = sim_link(s, 0, 1, &lan, true);

	(void)sim_link(s, 1, 3, &lan, true);
	(void)sim_link(s, 0, 2, &(struct sim_link_quality){ .delay_us = 1500 }, true);
	(void)sim_link(s, 2, 3, &lan, true);
	boot_all(s, 4);
	run(s, SECONDS(3));
	assert_true(reaches(s, 0, 3, SECONDS(1)));
	return first;
}

static void a_silent_cut_is_repaired_in_less_than_a_second(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);
	size_t link = diamond(s);
	uint64_t silence;

	(void)longest_silence(s, 0, 3, SECONDS(1)); /* the link is active */
	sim_link_cut(s, link, true);
	silence = longest_silence(s, 0, 3, SECONDS(3));
	print_message("outage after a silent cut: %llu ms\n", (unsigned long long)silence / 1000);
	assert_true(silence < SECONDS(1));
	assert_true(n_events[0][EVENT_LINK_DOWN] == 1);
	sim_link_cut(s, link, false);
	run(s, SECONDS(5));
	assert_true(n_events[0][EVENT_LINK_UP] >= 3); /* two at the start, and it is back */
	sim_free(s);
}

static void a_killed_relay_is_passed_by_in_less_than_a_second(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);
	uint64_t silence;

	(void)diamond(s);
	(void)longest_silence(s, 0, 3, SECONDS(1));
	sim_crash(s, 1);
	silence = longest_silence(s, 0, 3, SECONDS(3));
	print_message("outage after a killed relay: %llu ms\n", (unsigned long long)silence / 1000);
	assert_true(silence < SECONDS(1));
	sim_free(s);
}

/* 0-1-2-3, or the longer way 0-4-5-3. Beside the cut nobody has an alternate: 2 sends back to 1, at
 * first copies of what it hands to a link in doubt, and 1 to 0, from where the packet came. */
static void before_routes_follow_packets_find_the_other_way_by_going_back(void **state)
{
	(void)state;
	static const size_t ends[][2] = {
		{ 0, 1 }, { 1, 2 }, { 2, 3 }, { 0, 4 }, { 4, 5 }, { 5, 3 }
	};
	struct sim_link_quality slow = lan;
	struct sim *s = make_sim(6, true);
	struct node_counters at[3];
	uint64_t silence;

	slow.delay_us *= 4;
	for (size_t i = 0; i < 6; i++)
		(void)sim_link(s, ends[i][0], ends[i][1], i < 3 ? &lan : &slow, false);
	boot_all(s, 6);
	run(s, SECONDS(3));
	(void)longest_silence(s, 0, 3, SECONDS(3));
	sim_link_cut(s, 2, true);
	silence = longest_silence(s, 0, 3, SECONDS(3));
	print_message("outage before routes follow: %llu ms\n", (unsigned long long)silence / 1000);
	assert_true(silence < SECONDS(1));
	for (size_t i = 0; i < 3; i++)
		node_counters(sim_node(s, i), &at[i]);
	assert_true(at[2].deflected + at[2].duplicates_sent > 0);
	assert_true(at[1].deflected > 0);
	assert_true(at[0].relayed > 0); /* what it sent itself, come back */
	sim_free(s);
}

static void a_restarted_node_is_met_again_with_nothing_of_the_old_sessions(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);

	(void)sim_link(s, 0, 1, &lan, false);
	(void)sim_link(s, 1, 2, &lan, false);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	for (unsigned i = 0; i < 3; i++) { /* each node once */
		sim_crash(s, i);
		run(s, SECONDS(1));
		assert_int_equal(sim_boot(s, i, 0, 0), 0);
		run(s, SECONDS(8));
		assert_true(reaches(s, 0, 2, SECONDS(3)));
		assert_true(reaches(s, 2, 0, SECONDS(3)));
	}
	sim_free(s);
}

static void sessions_are_rekeyed_and_nothing_is_lost(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	uint64_t first = 0;
	uint64_t last = 0;
	unsigned lost = 0;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(1));
	for (unsigned i = 0; i < 3000; i++) { /* five minutes, a packet each 100 ms */
		last = sim_send(s, 0, 1, 100);
		first = first ? first : last;
		run(s, MS(100));
	}
	for (uint64_t p = first; p <= last; p++)
		lost += !sim_is_delivered(s, p);
	assert_int_equal(lost, 0);
	assert_true(n_events[0][EVENT_REKEYED] >= 2);
	assert_int_equal(n_events[0][EVENT_PEER_UP], 1); /* and no handshake was needed */
	sim_free(s);
}

/* The ends of a relayed path and the neighbours on it alike: the successor comes before the end. */
static void a_session_of_age_is_replaced_and_nothing_is_lost(void **state)
{
	(void)state;
	struct session_limits before = limits;
	unsigned lost = 0;
	uint64_t first = 0;
	uint64_t last = 0;

	limits.session_max_us = SECONDS(200);
	struct sim *s = make_sim(3, true);

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	for (unsigned i = 0; i < 2500; i++) { /* more than eight minutes */
		last = sim_send(s, 0, 2, 100);
		first = first ? first : last;
		run(s, MS(200));
	}
	for (uint64_t p = first; p <= last; p++)
		lost += !sim_is_delivered(s, p);
	assert_int_equal(lost, 0);
	for (unsigned i = 0; i < 3; i++) {
		/* a first one and two successors, with each of two peers */
		assert_true(n_events[i][EVENT_PEER_UP] >= 6);
		assert_true(n_events[i][EVENT_REKEYED] >= 4);
		assert_int_equal(n_events[i][EVENT_LINK_DOWN], 0);
	}
	sim_free(s);
	limits = before;
}

static void a_session_that_is_not_used_ends_and_another_comes_when_needed(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	run(s, SECONDS(170));
	assert_int_equal(n_events[0][EVENT_PEER_DOWN], 0);
	run(s, SECONDS(15));
	assert_int_equal(n_events[0][EVENT_PEER_DOWN], 1);
	assert_int_equal(n_events[2][EVENT_PEER_DOWN], 1);
	assert_int_equal(n_events[1][EVENT_PEER_DOWN], 0); /* links are probed, and so in use */
	assert_string_equal(last_event[0][EVENT_PEER_DOWN].name, "n2");
	assert_true(reaches(s, 2, 0, SECONDS(1)));
	sim_free(s);
}

/* Five minutes with a packet each 200 ms; how many did not arrive. */
static unsigned lost_in_five_minutes(struct sim *s, size_t from, size_t to)
{
	uint64_t first = 0;
	uint64_t last = 0;
	unsigned lost = 0;

	for (unsigned i = 0; i < 1500; i++) {
		last = sim_send(s, from, to, 100);
		first = first ? first : last;
		run(s, MS(200));
	}
	for (uint64_t p = first; p <= last; p++)
		lost += !sim_is_delivered(s, p);
	return lost;
}

/* The relay's wall clock jumps: what is established does not notice, rekeys come as before. Who
 * comes new is judged by it, refused with the reason, and let in when it is right again. */
static void a_wall_clock_that_jumps_decides_on_newcomers_only(void **state)
{
	static const struct {
		int64_t off_s;
		const char *reason;
	} jumps[] = { { INT64_C(40) * 86400, "expired" },
		      { -INT64_C(400) * 86400, "not valid yet" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sim *s = make_sim(3, true);

		(void)sim_link(s, 0, 1, &lan, true);
		(void)sim_link(s, 1, 2, &lan, true);
		boot_all(s, 3);
		run(s, SECONDS(2));
		assert_true(reaches(s, 0, 2, SECONDS(1)));
		sim_set_wall_clock(s, 1, jumps[i].off_s);
		assert_int_equal(lost_in_five_minutes(s, 0, 2), 0);
		assert_true(n_events[1][EVENT_REKEYED] >= 4);
		assert_int_equal(n_events[1][EVENT_PEER_DOWN], 0);
		assert_int_equal(n_events[1][EVENT_LINK_DOWN], 0);
		assert_int_equal(n_events[1][EVENT_HANDSHAKE_FAILED], 0);

		sim_crash(s, 2);
		assert_int_equal(sim_boot(s, 2, 0, 0), 0);
		run(s, SECONDS(10));
		assert_false(reaches(s, 0, 2, SECONDS(1)));
		assert_true(n_events[1][EVENT_HANDSHAKE_FAILED] > 0);
		assert_non_null(
			strstr(last_event[1][EVENT_HANDSHAKE_FAILED].reason, jumps[i].reason));
		assert_true(reaches(s, 0, 1, SECONDS(1))); /* whom it knows it keeps */

		sim_set_wall_clock(s, 1, 0);
		run(s, SECONDS(15));
		assert_true(reaches(s, 0, 2, SECONDS(1)));
		assert_true(reaches(s, 2, 0, SECONDS(1)));
		sim_free(s);
	}
}

static void a_foreign_source_from_the_tunnel_is_dropped_counted_and_told(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	struct node *n;
	uint8_t packet[48] = { 0x60, [5] = 8, [6] = 59, [7] = 64 };
	struct node_counters c;
	struct node_action a;
	bool is_told = false;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(1));
	n = sim_node(s, 0);
	memcpy(packet + 8, node_overlay_address(sim_node(s, 1)), 16); /* not ours */
	memcpy(packet + 24, node_overlay_address(sim_node(s, 1)), 16);
	node_input_packet(n, SPAN_OF(packet), sim_now_us(s));
	while (node_next_action(n, &a)) {
		assert_int_not_equal(a.type, NODE_SEND);
		is_told |= a.type == NODE_EVENT && a.event.type == EVENT_SPOOFED_TUN;
	}
	node_counters(n, &c);
	assert_true(is_told);
	assert_int_equal(c.spoofed_tun, 1);
	sim_free(s);
}

static void a_packet_from_the_tunnel_without_hops_left_goes_nowhere(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	uint8_t packet[48] = { 0x60, [5] = 8, [6] = 59, [7] = 0 };
	struct node_counters c;
	struct node_action a;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(1));
	memcpy(packet + 8, node_overlay_address(sim_node(s, 0)), 16);
	memcpy(packet + 24, node_overlay_address(sim_node(s, 1)), 16);
	node_input_packet(sim_node(s, 0), SPAN_OF(packet), sim_now_us(s));
	assert_true(node_next_action(sim_node(s, 0), &a)); /* Time Exceeded, to who sent it */
	assert_int_equal(a.type, NODE_DELIVER);
	assert_int_equal(a.data.at[40], 3);
	assert_false(node_next_action(sim_node(s, 0), &a));
	packet[7] = 1;
	node_input_packet(sim_node(s, 0), SPAN_OF(packet), sim_now_us(s));
	assert_true(node_next_action(sim_node(s, 0), &a));
	assert_int_equal(a.type, NODE_SEND);
	assert_int_equal(a.class, CLASS_BULK);
	node_counters(sim_node(s, 0), &c);
	assert_int_equal(c.ttl_expired, 1);
	sim_free(s);
}

/* It is tried again while it waits, which is no drop. */
static void a_packet_without_a_way_is_counted_once_when_it_is_given_up(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);
	uint8_t packet[48] = { 0x60, [5] = 8, [6] = 59, [7] = 64 };
	struct node_counters c;
	struct node_action a;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	memcpy(packet + 8, node_overlay_address(sim_node(s, 0)), 16);
	overlay_address_of(sim_node(s, 0)->ops, sim_node(s, 0)->domain, 4711, packet + 24);
	node_input_packet(sim_node(s, 0), SPAN_OF(packet), sim_node_us(s, 0));
	sim_poke(s, 0);
	run(s, SECONDS(7));
	node_counters(sim_node(s, 0), &c);
	assert_int_equal(c.no_route, 0);
	node_tick(sim_node(s, 0), sim_node_us(s, 0) + SECONDS(2));
	while (node_next_action(sim_node(s, 0), &a)) /* an error for it, among others */
		;
	node_counters(sim_node(s, 0), &c);
	assert_int_equal(c.no_route, 1);
	sim_free(s);
}

/* A member whose own check has been taken out sends with another node's address. */
static void an_inner_source_that_is_not_the_peers_is_dropped_counted_and_told(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);
	struct node_counters c;
	uint8_t real[16];
	uint64_t packet;

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 1, MS(100)));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	memcpy(real, sim_node(s, 0)->address, 16);
	memcpy(sim_node(s, 0)->address, sim_node(s, 1)->address, 16);
	packet = sim_send(s, 0, 2, 64); /* relayed: end to end */
	(void)sim_run(s, sim_now_us(s) + MS(100));
	memcpy(sim_node(s, 0)->address, real, 16);
	assert_false(sim_is_delivered(s, packet));
	node_counters(sim_node(s, 2), &c);
	assert_int_equal(c.spoofed_inner, 1);
	assert_int_equal(n_events[2][EVENT_SPOOFED_INNER], 1);
	sim_free(s);
}

static void what_policy_does_not_allow_gets_no_session(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, false);

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(3));
	assert_int_equal(n_events[0][EVENT_PEER_UP], 0);
	assert_int_equal(n_events[1][EVENT_PEER_UP], 0);
	sim_free(s);
}

/* A fragment of UDP from 0 at 1: how many more were let in. */
static unsigned fragments_in(struct sim *s, uint16_t port, uint32_t id, bool is_first)
{
	uint8_t packet[64] = { 0x60, [5] = 24, [6] = 44, [7] = 64, [40] = 17 };
	struct node *n = sim_node(s, 1);
	struct node_counters before, after;
	struct node_action a;

	memcpy(packet + 8, node_overlay_address(sim_node(s, 0)), 16);
	memcpy(packet + 24, node_overlay_address(n), 16);
	store_u16(packet + 42, is_first ? 1 : 1 << 3);
	store_u32(packet + 44, id);
	store_u16(packet + 50, port);
	n->now_us = sim_node_us(s, 1);
	node_counters(n, &before);
	path_deliver(n, peer_get(n, sim_id(s, 0)), SPAN_OF(packet));
	node_counters(n, &after);
	while (node_next_action(n, &a))
		;
	return (unsigned)(after.packets_to_tun - before.packets_to_tun);
}

static void later_fragments_go_by_the_right_of_the_first(void **state)
{
	(void)state;
	static const struct policy_rule dns[] = {
		{ .effect = POLICY_ALLOW,
		  .action = POLICY_CONNECT,
		  .from = "*",
		  .resource = "udp:53" },
	};
	struct sim *s = make_sim(2, true);
	struct policy *policy;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	assert_int_equal(policy_new(dns, 1, &policy), 0);
	node_set_policy(sim_node(s, 1), policy);
	assert_int_equal(fragments_in(s, 53, 1, false), 0); /* before the first */
	assert_int_equal(fragments_in(s, 53, 1, true), 1);
	assert_int_equal(fragments_in(s, 99, 1, false), 1);
	assert_int_equal(fragments_in(s, 99, 1, false), 1);
	assert_int_equal(fragments_in(s, 53, 2, false), 0);
	assert_int_equal(fragments_in(s, 54, 3, true), 0);
	assert_int_equal(fragments_in(s, 54, 3, false), 0);
	node_set_policy(sim_node(s, 1), policy);
	assert_int_equal(fragments_in(s, 53, 1, false), 0);
	sim_free(s);
	policy_free(policy);
}

static void a_ping_is_answered_and_tells_the_hops(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_int_equal(node_ping(sim_node(s, 0), sim_id(s, 2), 5, 1, sim_now_us(s)), 0);
	sim_poke(s, 0);
	run(s, SECONDS(1));
	assert_int_equal(node_ping(sim_node(s, 0), sim_id(s, 2), 5, 2, sim_now_us(s)), 0);
	sim_poke(s, 0);
	run(s, SECONDS(1));
	assert_int_equal(n_events[0][EVENT_ECHO_REPLY], 2);
	assert_int_equal(last_event[0][EVENT_ECHO_REPLY].hops, 2);
	assert_int_equal(last_event[0][EVENT_ECHO_REPLY].sequence, 2);
	assert_in_range(last_event[0][EVENT_ECHO_REPLY].rtt_us, 4000, 10000);
	assert_int_equal(node_ping(sim_node(s, 0), 12345, 5, 1, sim_now_us(s)), -ENETUNREACH);
	sim_free(s);
}

static void a_trace_names_each_node_on_the_way(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_int_equal(node_trace(sim_node(s, 0), sim_id(s, 2), 9, 1, sim_now_us(s)), 0);
	sim_poke(s, 0);
	run(s, MS(100));
	assert_string_equal(last_event[0][EVENT_TRACE_REPLY].name, "n1");
	assert_int_equal(last_event[0][EVENT_TRACE_REPLY].hops, 1);
	assert_int_equal(node_trace(sim_node(s, 0), sim_id(s, 2), 9, 2, sim_now_us(s)), 0);
	sim_poke(s, 0);
	run(s, MS(100));
	assert_string_equal(last_event[0][EVENT_TRACE_REPLY].name, "n2");
	sim_free(s);
}

static void sessions_end_with_our_own_certificate_too(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	struct hs_identity identity;

	(void)sim_link(s, 0, 1, &lan, false);
	boot_all(s, 2);
	identity = sim_node(s, 0)->identity;
	identity.not_after_s = node_unix_s(sim_node(s, 0)) + 20;
	node_set_identity(sim_node(s, 0), &identity);
	run(s, SECONDS(18));
	assert_true(reaches(s, 0, 1, MS(50)));
	assert_int_equal(n_events[0][EVENT_PEER_DOWN], 0);
	run(s, SECONDS(3));
	assert_true(n_events[0][EVENT_PEER_DOWN] >= 1);
	assert_string_equal(last_event[0][EVENT_PEER_DOWN].reason, "the session ended");
	sim_free(s);
}

static void a_revoked_node_loses_its_sessions_within_a_second_and_the_key_changes(void **state)
{
	(void)state;
	static const uint8_t any[SERIAL_LEN];
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	struct network_key before[NODE_NETWORK_KEYS_MAX];
	struct sim *s = make_sim(3, true);

	(void)sim_link(s, 0, 1, &lan, true); /* 0 is the authority */
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	assert_int_equal(node_network_keys(sim_node(s, 1), before), 1);
	assert_int_equal(node_revoke(sim_node(s, 1), sim_id(s, 2), any, sim_now_us(s)), -EPERM);
	assert_int_equal(node_revoke(sim_node(s, 0), sim_id(s, 2), any, sim_now_us(s)), 0);
	sim_poke(s, 0);
	run(s, SECONDS(1));
	assert_int_equal(n_events[1][EVENT_PEER_REVOKED], 1);
	assert_int_equal(node_network_keys(sim_node(s, 1), keys), 1);
	assert_memory_not_equal(keys[0].key, before[0].key, NETWORK_KEY_LEN);
	assert_int_equal(node_network_keys(sim_node(s, 2), keys), 1); /* was not told */
	assert_memory_equal(keys[0].key, before[0].key, NETWORK_KEY_LEN);
	run(s, SECONDS(10)); /* it tries again, in vain */
	assert_false(reaches(s, 0, 2, SECONDS(2)));
	assert_true(reaches(s, 0, 1, SECONDS(1)));
	assert_int_equal(node_revoke(sim_node(s, 0), sim_id(s, 2), any, sim_now_us(s)), -EALREADY);
	sim_free(s);
}

static void a_new_network_key_reaches_everybody_and_the_old_one_still_opens(void **state)
{
	(void)state;
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	struct sim *s = make_sim(3, true);

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 2); /* 2 comes later, with the old key */
	run(s, SECONDS(2));
	assert_int_equal(node_rotate_network_key(sim_node(s, 0), true, sim_now_us(s)), 0);
	sim_poke(s, 0);
	run(s, SECONDS(1));
	assert_int_equal(node_network_keys(sim_node(s, 1), keys), 2);
	assert_int_equal(sim_boot(s, 2, 0, 0), 0);
	run(s, SECONDS(5));
	assert_true(reaches(s, 2, 0, SECONDS(1)));
	assert_int_equal(node_network_keys(sim_node(s, 2), keys), 2);
	assert_int_equal(keys[0].generation & 0xff, 1);
	sim_free(s);
}

static void garbage_and_replays_change_nothing(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	struct rng r;
	size_t link = sim_link(s, 0, 1, &lan, true);

	boot_all(s, 2);
	run(s, SECONDS(1));
	rng_seed(&r, 3);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t junk[NODE_DATAGRAM_MAX];
		size_t len = rng_below(&r, sizeof(junk));
		static const uint8_t types[] = { 1, 2, 3, 4, 5, 16, 17, 18 };

		for (size_t k = 0; k < len; k++)
			junk[k] = (uint8_t)rng_next(&r);
		if (len > 0)
			junk[0] = types[rng_below(&r, sizeof(types))];
		sim_inject(s, link, true, SPAN(junk, len), rng_below(&r, MS(500)));
	}
	run(s, SECONDS(1));
	assert_true(reaches(s, 0, 1, MS(50)));
	assert_int_equal(n_events[1][EVENT_PEER_DOWN], 0);
	sim_free(s);
}

static void a_node_whose_address_changes_is_followed(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	size_t link = sim_link(s, 0, 1, &lan, false); /* only 0 knows where 1 is */
	uint64_t silence;

	boot_all(s, 2);
	run(s, SECONDS(1));
	assert_true(reaches(s, 0, 1, MS(50)));
	sim_link_move(s, link, false); /* 0 speaks from elsewhere now */
	silence = longest_silence(s, 0, 1, SECONDS(2));
	assert_true(silence < MS(100));
	assert_true(reaches(s, 1, 0, MS(50)));
	assert_int_equal(n_events[1][EVENT_PEER_MOVED], 1);
	assert_int_equal(n_events[1][EVENT_PEER_UP], 1); /* by the same session */
	sim_free(s);
}

static void a_node_restored_from_a_backup_is_met_and_reported(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);

	(void)sim_link(s, 0, 1, &lan, true);
	assert_int_equal(sim_boot(s, 0, 0, 0), 0);
	assert_int_equal(sim_boot(s, 1, SECONDS(1000), 0), 0); /* its clock is ahead */
	run(s, SECONDS(1));
	sim_crash(s, 1);
	sim_forget(s, 1);
	assert_int_equal(sim_boot(s, 1, 0, 0), 0); /* and now right: a lower epoch */
	run(s, SECONDS(10));
	assert_int_equal(n_events[0][EVENT_PEER_CLONED], 1);
	assert_true(reaches(s, 0, 1, SECONDS(1)));
	assert_true(reaches(s, 1, 0, SECONDS(1)));
	sim_free(s);
}

static bool endpoint_of(struct sim *s, size_t node, size_t peer, struct endpoint *ret)
{
	struct node_peer_view v;
	size_t cursor = 0;

	while (node_next_peer(sim_node(s, node), &cursor, sim_node_us(s, node), &v)) {
		if (v.node_id != sim_id(s, peer) || !v.is_neighbour)
			continue;
		*ret = v.endpoint;
		return true;
	}
	return false;
}

static void a_node_is_met_where_somebody_says_that_it_is_and_proves_who_it_is(void **state)
{
	(void)state;
	static const uint8_t any[SERIAL_LEN];
	struct sim *s = make_sim(3, true);
	size_t link = sim_link(s, 0, 1, &lan, false); /* 0 is the authority */
	struct endpoint there = { 0 };
	unsigned n_up;
	struct node *n;

	boot_all(s, 3);
	run(s, SECONDS(2));
	n = sim_node(s, 0);
	assert_true(endpoint_of(s, 0, 1, &there));
	assert_true(node_is_linked(n, sim_id(s, 1), 0));
	assert_false(node_is_linked(n, sim_id(s, 1), UINT32_MAX)); /* a boot after this */
	assert_int_equal(node_meet(n, &there, sim_id(s, 1), sim_node_us(s, 0)), -EEXIST);
	assert_int_equal(node_meet(n, &there, sim_id(s, 0), sim_node_us(s, 0)), -EINVAL);
	node_remove_contact(n, &there);
	sim_link_cut(s, link, true);
	run(s, SECONDS(150));
	sim_link_cut(s, link, false);
	run(s, SECONDS(5)); /* nobody tries */
	assert_false(node_is_linked(n, sim_id(s, 1), 0));
	assert_false(reaches(s, 0, 1, SECONDS(2)));

	n_up = n_events[0][EVENT_PEER_UP];
	assert_int_equal(node_meet(n, &there, sim_id(s, 2), sim_node_us(s, 0)), 0);
	sim_poke(s, 0);
	run(s, SECONDS(20)); /* it is another than was said */
	assert_int_equal(n_events[0][EVENT_PEER_UP], n_up);
	assert_int_equal(node_meet(n, &there, sim_id(s, 1), sim_node_us(s, 0)), 0);
	assert_int_equal(node_meet(n, &there, sim_id(s, 1), sim_node_us(s, 0)), -EEXIST);
	sim_poke(s, 0);
	run(s, SECONDS(2));
	assert_true(node_is_linked(n, sim_id(s, 1), 0));
	assert_true(reaches(s, 0, 1, SECONDS(1)));
	assert_true(reaches(s, 1, 0, SECONDS(1)));

	assert_int_equal(node_revoke(n, sim_id(s, 1), any, sim_now_us(s)), 0);
	sim_poke(s, 0);
	run(s, SECONDS(5));
	assert_int_equal(node_meet(n, &there, sim_id(s, 1), sim_node_us(s, 0)), -EPERM);
	sim_free(s);
}

/* ---- renewal ---- */

static uint8_t renewal_answer[9000];
static unsigned n_asked, n_renewed;

static void answer_renewals(void *arg, struct node *node, size_t number,
			    const struct node_action *a)
{
	(void)arg;
	if (a->type == NODE_ISSUE) {
		assert_int_equal(number, 0);
		assert_false(a->issue.is_join);
		assert_string_equal(a->issue.spiffe_id, "spiffe://sim.test/node/n2");
		assert_int_equal(a->issue.csr_mldsa.len, 5000);
		assert_int_equal(a->issue.csr_p256.len, 300);
		n_asked++;
		node_issue_answer(node, a->issue.request, SPAN_OF(renewal_answer), SECONDS(4));
	} else if (a->type == NODE_RENEWED) {
		assert_int_equal(number, 2);
		assert_int_equal(a->data.len, sizeof(renewal_answer));
		assert_memory_equal(a->data.at, renewal_answer, sizeof(renewal_answer));
		n_renewed++;
	}
}

static void a_certificate_is_renewed_over_a_relay(void **state)
{
	(void)state;
	static const uint8_t mldsa[5000] = { 1 };
	static const uint8_t p256[300] = { 2 };
	struct sim *s;

	act = answer_renewals;
	s = make_sim(3, true);
	memset(renewal_answer, 0xa5, sizeof(renewal_answer));
	n_asked = n_renewed = 0;
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(sim_boot(s, i, 0, 0), 0);
	run(s, SECONDS(2));
	/* the first try begins the session, the next asks */
	assert_int_equal(node_renew(sim_node(s, 2), sim_id(s, 0), SPAN_OF(mldsa), SPAN_OF(p256),
				    sim_now_us(s)),
			 -ENETUNREACH);
	sim_poke(s, 2);
	run(s, SECONDS(2));
	assert_int_equal(node_renew(sim_node(s, 2), sim_id(s, 0), SPAN_OF(mldsa), SPAN_OF(p256),
				    sim_now_us(s)),
			 0);
	sim_poke(s, 2);
	run(s, SECONDS(2));
	assert_int_equal(n_asked, 1);
	assert_int_equal(n_renewed, 1);
	act = NULL;
	sim_free(s);
}

#define HELD 100

/* What one of them leads to may be queued between two, by a pump that was put off. */
static void bytes_of_actions_stay_until_there_are_none_left(void **state)
{
	(void)state;
	struct sim *s = make_sim(1, true);
	struct endpoint to = { .port = 1 };
	struct span held[HELD];
	uint8_t bytes[1000];
	struct node_action a;
	struct node *n;

	assert_int_equal(sim_boot(s, 0, 0, 0), 0);
	n = sim_node(s, 0);
	while (node_next_action(n, &a))
		;
	for (unsigned turn = 0; turn < 3; turn++) {
		memset(bytes, 0, sizeof(bytes));
		node_send_datagram(n, &to, SPAN_OF(bytes));
		for (unsigned i = 0; i < HELD; i++) {
			assert_true(node_next_action(n, &a));
			assert_int_equal(a.type, NODE_SEND);
			held[i] = a.data;
			memset(bytes, (int)i + 1, sizeof(bytes));
			for (unsigned k = 0; k < 1 + (i < 40); k++)
				node_send_datagram(n, &to, SPAN_OF(bytes));
		}
		while (node_next_action(n, &a))
			;
		/* And then, for who gathers them all before it sends. */
		for (unsigned i = 1; i < HELD; i++)
			for (size_t k = 0; k < sizeof(bytes); k++)
				assert_int_equal(held[i].at[k], held[i].at[0]);
		assert_int_equal(held[0].at[0], 0);
		assert_int_equal(held[1].at[0], 1);
		assert_int_equal(held[2].at[0], 1);
		assert_int_equal(held[HELD - 1].at[0], HELD - 41);
	}
	sim_free(s);
}

/* ---- somebody on the line ---- */

#define CAPTURED_MAX 64

static struct captured {
	uint8_t bytes[NODE_DATAGRAM_MAX];
	size_t len;
} captured[CAPTURED_MAX];
static size_t n_captured;
static bool is_capturing;
static bool saw_plaintext;
static unsigned n_seen;

/* Takes relayed packets with a payload off the link 0 -> 1. */
static bool take_relayed(void *arg, size_t link, bool to_b, struct span datagram)
{
	(void)arg;
	if (!is_capturing || link != 0 || !to_b || datagram.len < 600 ||
	    datagram.at[0] != WIRE_TRANSPORT || load_u16(datagram.at + 2) == 0 ||
	    n_captured == CAPTURED_MAX)
		return false;
	memcpy(captured[n_captured].bytes, datagram.at, datagram.len);
	captured[n_captured++].len = datagram.len;
	return true;
}

static void payloads_swapped_between_hop_headers_are_dropped(void **state)
{
	(void)state;
	struct node_counters before;
	struct node_counters after;
	struct sim *s;

	tap = take_relayed;
	s = make_sim(3, true);
	is_capturing = false;
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	n_captured = 0;
	is_capturing = true;
	uint64_t a = sim_send(s, 0, 2, 600);
	uint64_t b = sim_send(s, 0, 2, 600);

	assert_int_equal(n_captured, 2);
	assert_int_equal(captured[0].len, captured[1].len);
	size_t head = WIRE_HEADER_LEN + load_u16(captured[0].bytes + 2) + AEAD_TAG_LEN;
	uint8_t mixed[NODE_DATAGRAM_MAX];

	node_counters(sim_node(s, 2), &before);
	for (unsigned i = 0; i < 2; i++) {
		memcpy(mixed, captured[i].bytes, head);
		memcpy(mixed + head, captured[1 - i].bytes + head, captured[0].len - head);
		sim_inject(s, 0, true, SPAN(mixed, captured[0].len), 1000);
	}
	run(s, MS(100));
	assert_false(sim_is_delivered(s, a));
	assert_false(sim_is_delivered(s, b));
	node_counters(sim_node(s, 2), &after);
	assert_int_equal(after.forged - before.forged, 2);
	tap = NULL;
	sim_free(s);
}

static void a_packet_that_comes_twice_is_delivered_once(void **state)
{
	(void)state;
	struct sim *s;

	tap = take_relayed;
	s = make_sim(3, true);
	is_capturing = false;
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	n_captured = 0;
	is_capturing = true;
	uint64_t packet = sim_send(s, 0, 2, 600);

	assert_int_equal(n_captured, 1);
	for (unsigned i = 0; i < 1000; i++) /* a second delivery would fail the run */
		sim_inject(s, 0, true, SPAN(captured[0].bytes, captured[0].len), 1000 + i);
	run(s, MS(100));
	assert_true(sim_is_delivered(s, packet));
	tap = NULL;
	sim_free(s);
}

static bool look_for_plaintext(void *arg, size_t link, bool to_b, struct span datagram)
{
	(void)arg;
	(void)link;
	(void)to_b;
	n_seen++;
	/* sim_send() fills with zeros behind the packet's number */
	static const uint8_t zeros[32];

	for (size_t i = 0; i + sizeof(zeros) <= datagram.len; i++)
		saw_plaintext |= memcmp(datagram.at + i, zeros, sizeof(zeros)) == 0;
	for (size_t i = 0; i + 6 <= datagram.len; i++)
		saw_plaintext |= memcmp(datagram.at + i, "spiffe", 6) == 0;
	return false;
}

static void nothing_that_should_be_sealed_is_in_clear(void **state)
{
	(void)state;
	struct sim *s;

	tap = look_for_plaintext;
	s = make_sim(3, true);
	saw_plaintext = false;
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(1)));
	assert_true(reaches(s, 0, 1, SECONDS(1)));
	assert_true(n_seen > 100);
	assert_false(saw_plaintext);
	(void)look_for_plaintext(NULL, 0, true, SPAN_STR("x spiffe://d/node/a")); /* can fail */
	assert_true(saw_plaintext);
	tap = NULL;
	sim_free(s);
}

/* 0 - 1 - ... - 11, and a way round from 0 to 6; a zone is four nodes. */
static struct sim *long_way(size_t n)
{
	struct sim_config config = {
		.seed = 7, .pki = pki, .n_nodes = n, .allow_all = true, .watch = watch
	};
	struct sim *s;

	config.flat_max = 8;
	config.zone_max = 4;
	memset(n_events, 0, sizeof(n_events));
	assert_int_equal(sim_new(&config, &s), 0);
	for (size_t i = 0; i + 1 < n; i++)
		(void)sim_link(s, i, i + 1, &lan, true);
	return s;
}

static void a_packet_beyond_the_zone_waits_until_a_way_is_found(void **state)
{
	(void)state;
	struct node_counters c;
	struct sim *s;

	s = long_way(12);
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(sim_boot(s, i, 0, 0), 0);
	run(s, SECONDS(4));
	assert_int_equal(sim_walk(s, 0, 11), 0); /* it is in nobody's table so far away */
	assert_true(reaches(s, 0, 11, SECONDS(1)));
	assert_int_equal(sim_walk(s, 0, 11), 11);
	assert_int_equal(sim_walk(s, 11, 0), 11);
	assert_true(reaches(s, 11, 0, MS(100)));
	node_counters(sim_node(s, 0), &c);
	assert_int_equal(c.reach.found, 1);
	assert_int_equal(node_ping(sim_node(s, 0), sim_id(s, 9), 1, 1, sim_node_us(s, 0)), 0);
	sim_poke(s, 0);
	run(s, SECONDS(1));
	assert_true(sim_walk(s, 0, 9) > 0);
	sim_free(s);
}

static void a_way_beyond_the_zone_that_breaks_is_found_again(void **state)
{
	(void)state;
	size_t round;
	struct sim *s;

	s = long_way(12);
	round = sim_link(s, 0, 6, &(struct sim_link_quality){ .delay_us = 1000 }, true);
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(sim_boot(s, i, 0, 0), 0);
	run(s, SECONDS(4));
	assert_true(reaches(s, 0, 11, SECONDS(1)));
	assert_int_equal(sim_walk(s, 0, 11), 6);
	sim_link_cut(s, round, true);
	(void)longest_silence(s, 0, 11, SECONDS(8));
	assert_int_equal(sim_walk(s, 0, 11), 11);
	assert_true(reaches(s, 0, 11, MS(200)));
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_exchange_packets),
		cmocka_unit_test(the_first_packet_waits_for_nobody_to_ask_again),
		cmocka_unit_test(a_packet_crosses_relays_that_cannot_read_it),
		cmocka_unit_test(a_silent_cut_is_repaired_in_less_than_a_second),
		cmocka_unit_test(a_killed_relay_is_passed_by_in_less_than_a_second),
		cmocka_unit_test(before_routes_follow_packets_find_the_other_way_by_going_back),
		cmocka_unit_test(a_node_is_met_where_somebody_says_that_it_is_and_proves_who_it_is),
		cmocka_unit_test(a_restarted_node_is_met_again_with_nothing_of_the_old_sessions),
		cmocka_unit_test(sessions_are_rekeyed_and_nothing_is_lost),
		cmocka_unit_test(a_session_of_age_is_replaced_and_nothing_is_lost),
		cmocka_unit_test(a_session_that_is_not_used_ends_and_another_comes_when_needed),
		cmocka_unit_test(a_wall_clock_that_jumps_decides_on_newcomers_only),
		cmocka_unit_test(a_packet_without_a_way_is_counted_once_when_it_is_given_up),
		cmocka_unit_test(a_foreign_source_from_the_tunnel_is_dropped_counted_and_told),
		cmocka_unit_test(a_packet_from_the_tunnel_without_hops_left_goes_nowhere),
		cmocka_unit_test(an_inner_source_that_is_not_the_peers_is_dropped_counted_and_told),
		cmocka_unit_test(what_policy_does_not_allow_gets_no_session),
		cmocka_unit_test(later_fragments_go_by_the_right_of_the_first),
		cmocka_unit_test(a_ping_is_answered_and_tells_the_hops),
		cmocka_unit_test(a_trace_names_each_node_on_the_way),
		cmocka_unit_test(sessions_end_with_our_own_certificate_too),
		cmocka_unit_test(
			a_revoked_node_loses_its_sessions_within_a_second_and_the_key_changes),
		cmocka_unit_test(a_new_network_key_reaches_everybody_and_the_old_one_still_opens),
		cmocka_unit_test(garbage_and_replays_change_nothing),
		cmocka_unit_test(a_certificate_is_renewed_over_a_relay),
		cmocka_unit_test(a_node_whose_address_changes_is_followed),
		cmocka_unit_test(a_node_restored_from_a_backup_is_met_and_reported),
		cmocka_unit_test(bytes_of_actions_stay_until_there_are_none_left),
		cmocka_unit_test(payloads_swapped_between_hop_headers_are_dropped),
		cmocka_unit_test(a_packet_that_comes_twice_is_delivered_once),
		cmocka_unit_test(nothing_that_should_be_sealed_is_in_clear),
		cmocka_unit_test(a_packet_beyond_the_zone_waits_until_a_way_is_found),
		cmocka_unit_test(a_way_beyond_the_zone_that_breaks_is_found_again),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

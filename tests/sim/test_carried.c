/* SPDX-License-Identifier: Apache-2.0 */
/* What a node and its packet threads tell each other. */
#include "fixture.h"

#include "carried.h"

static unsigned n_taken; /* packets that nodes themselves delivered */

static bool take(void *arg, size_t node, struct span packet)
{
	(void)arg;
	(void)node;
	(void)packet;
	n_taken++;
	return true;
}

static int set_up(void **state)
{
	(void)state;
	deliver_tap = take;
	n_taken = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	deliver_tap = NULL;
	mtu_bytes = 0;
	n_threads = 0;
	return 0;
}

/* Of the tunnel, by the node itself. */
static void owner_sends(struct pair *p, unsigned from, const uint8_t packet[CARRIED_LEN])
{
	node_input_packet(sim_node(p->s, from), SPAN(packet, CARRIED_LEN), sim_node_us(p->s, from));
	sim_poke(p->s, from);
	run(p->s, MS(20));
	for (unsigned i = 0; i < 2; i++)
		(void)take_table(p, i);
}

static struct node_peer_view peer_of(struct pair *p, unsigned i)
{
	struct node_peer_view view;
	size_t cursor = 0;

	assert_true(node_next_peer(sim_node(p->s, i), &cursor, sim_node_us(p->s, i), &view));
	return view;
}

static void a_flow_is_carried_once_the_nodes_let_it_through(void **state)
{
	(void)state;
	uint8_t packet[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	struct pair p;

	begin_pair(&p, true);
	write_udp(&p, 0, 5, packet);
	assert_int_equal(thread_out(&p, 0, 0, packet, room, &sent), CARRY_OWNER);
	owner_sends(&p, 0, packet);
	assert_int_equal(n_taken, 1);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(thread_out(&p, 0, i % 2, packet, room, &sent), CARRY_SEND);
		assert_int_equal(thread_in(&p, 1, i % 2, sent.bytes, sent.len, &got),
				 CARRY_DELIVER);
		assert_memory_equal(got.bytes, packet, CARRIED_LEN);
	}
	assert_int_equal(n_taken, 1);
	end_pair(&p);
}

static void who_answers_is_let_in_without_being_allowed(void **state)
{
	(void)state;
	uint8_t packet[CARRIED_LEN], answer[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	static const struct policy_rule denying[] = {
		{ .effect = POLICY_ALLOW, .any_action = true, .from = "*", .resource = "*" },
		{ .effect = POLICY_DENY, .action = POLICY_CONNECT, .from = "*", .resource = "*" },
	};
	struct node_counters c;
	struct pair p;

	rules = denying;
	n_rules = 2;
	begin_pair(&p, false);
	rules = NULL;
	n_rules = 0;
	write_udp(&p, 0, 5, packet);
	owner_sends(&p, 0, packet);
	assert_int_equal(n_taken, 0); /* denied at the other end */
	assert_int_equal(thread_out(&p, 0, 0, packet, room, &sent), CARRY_SEND);
	assert_int_equal(thread_in(&p, 1, 0, sent.bytes, sent.len, &got), CARRY_OPENED);
	node_input_opened(sim_node(p.s, 1), &(struct endpoint){ 0 }, 0, got.index, false, got.bytes,
			  got.len, sim_node_us(p.s, 1));
	sim_poke(p.s, 1);
	assert_int_equal(n_taken, 0);
	node_counters(sim_node(p.s, 1), &c);
	assert_int_equal(c.flow_denied, 2);

	write_udp(&p, 1, 0, answer); /* what answers it */
	store_u16(answer + 40, 7000);
	store_u16(answer + 42, 5);
	owner_sends(&p, 1, answer);
	assert_int_equal(n_taken, 1);
	assert_int_equal(thread_out(&p, 1, 0, answer, room, &sent), CARRY_SEND);
	assert_int_equal(thread_in(&p, 0, 0, sent.bytes, sent.len, &got), CARRY_DELIVER);
	end_pair(&p);
}

static void what_threads_carry_counts_for_peer_and_link(void **state)
{
	(void)state;
	uint8_t packet[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct node_peer_view before[2], after[2];
	struct carry_result sent, got;
	struct pair p;

	begin_pair(&p, true);
	write_udp(&p, 0, 5, packet);
	owner_sends(&p, 0, packet);
	before[0] = peer_of(&p, 0);
	before[1] = peer_of(&p, 1);
	assert_false(node_carry_collect(sim_node(p.s, 0), sim_node_us(p.s, 0)));
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(thread_out(&p, 0, 0, packet, room, &sent), CARRY_SEND);
		if (i % 10 != 5) /* one in ten is lost */
			assert_int_equal(thread_in(&p, 1, 0, sent.bytes, sent.len, &got),
					 CARRY_DELIVER);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_true(node_carry_collect(sim_node(p.s, i), sim_node_us(p.s, i)));
		after[i] = peer_of(&p, i);
	}
	assert_int_equal(after[0].sent_packets - before[0].sent_packets, 1000);
	assert_int_equal(after[1].received_packets - before[1].received_packets, 900);
	assert_in_range(after[0].sent_bytes - before[0].sent_bytes, 1000 * CARRIED_LEN,
			1000 * (CARRIED_LEN + 40));
	run(p.s, SECONDS(1));
	assert_in_range(peer_of(&p, 1).quality.loss_ppm, 60000, 110000);
	end_pair(&p);
}

static void what_the_node_opened_in_a_threads_lane_threads_do_not_open_again(void **state)
{
	(void)state;
	uint8_t packet[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	struct endpoint from;
	struct pair p;

	begin_pair(&p, true);
	write_udp(&p, 0, 5, packet);
	owner_sends(&p, 0, packet);
	from = seen_at(&p, 0, 1);
	n_taken = 0;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(thread_out(&p, 0, 0, packet, room, &sent), CARRY_SEND);
		node_input_datagram(sim_node(p.s, 1), &from, SPAN(sent.bytes, sent.len),
				    sim_node_us(p.s, 1));
		sim_poke(p.s, 1);
		assert_int_equal(thread_in(&p, 1, 0, sent.bytes, sent.len, &got), CARRY_DONE);
	}
	assert_int_equal(n_taken, 10);
	end_pair(&p);
}

static void a_change_of_policy_brings_flows_back_to_the_node(void **state)
{
	(void)state;
	uint8_t packet[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	struct node *to;
	struct pair p;

	begin_pair(&p, true);
	write_udp(&p, 0, 5, packet);
	owner_sends(&p, 0, packet);
	to = sim_node(p.s, 1);
	node_set_policy(to, to->policy);
	assert_int_equal(thread_out(&p, 0, 0, packet, room, &sent), CARRY_SEND);
	assert_int_equal(thread_in(&p, 1, 0, sent.bytes, sent.len, &got), CARRY_OPENED);
	n_taken = 0;
	node_input_opened(to, &(struct endpoint){ 0 }, 0, got.index, false, got.bytes, got.len,
			  sim_node_us(p.s, 1));
	sim_poke(p.s, 1);
	assert_int_equal(n_taken, 1);
	assert_int_equal(thread_out(&p, 0, 0, packet, room, &sent), CARRY_SEND);
	assert_int_equal(thread_in(&p, 1, 0, sent.bytes, sent.len, &got), CARRY_DELIVER);
	end_pair(&p);
}

static void a_peer_that_is_forgotten_is_in_the_next_table_no_more(void **state)
{
	(void)state;
	uint8_t packet[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	struct endpoint from;
	uint64_t version;
	struct node *n;
	struct pair p;

	begin_pair(&p, true);
	write_udp(&p, 0, 5, packet);
	owner_sends(&p, 0, packet);
	assert_false(take_table(&p, 1)); /* nothing has changed */
	n = sim_node(p.s, 1);
	from = seen_at(&p, 0, 1);
	version = node_carry_version(n);
	peer_forget(n, peer_get(n, node_id(sim_node(p.s, 0))), "a test");
	assert_true(node_carry_version(n) != version);
	assert_true(take_table(&p, 1));
	assert_int_equal(thread_out(&p, 0, 0, packet, room, &sent), CARRY_SEND);
	assert_int_equal(carry_in(&p.threads[1][0], p.tables[1], &from, 0, sent.bytes, sent.len,
				  sim_node_us(p.s, 1), &got),
			 CARRY_OWNER);
	sim_poke(p.s, 1);
	end_pair(&p);
}

static void keys_are_replaced_by_what_threads_sealed(void **state)
{
	(void)state;
	uint8_t packet[CARRIED_LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;
	unsigned n_sent = 0, n_got = 0;
	struct pair p;

	limits.rekey_after_packets = 500;
	begin_pair(&p, true);
	limits.rekey_after_packets = 0;
	write_udp(&p, 0, 5, packet);
	owner_sends(&p, 0, packet);
	for (unsigned i = 0; i < 20000; i++) {
		if (i % 50 == 0) {
			for (unsigned side = 0; side < 2; side++)
				(void)node_carry_collect(sim_node(p.s, side),
							 sim_node_us(p.s, side));
			run(p.s, MS(50));
			for (unsigned side = 0; side < 2; side++)
				(void)take_table(&p, side);
		}
		if (thread_out(&p, 0, i % 2, packet, room, &sent) != CARRY_SEND)
			continue;
		n_sent++;
		n_got += thread_in(&p, 1, i % 2, sent.bytes, sent.len, &got) == CARRY_DELIVER;
	}
	/* The simulation's cryptography stops the run where a nonce comes twice. */
	assert_true(peer_of(&p, 0).epoch >= 1);
	assert_true(n_sent > 15000);
	assert_true(n_got > n_sent * 99 / 100); /* late ones are opened, and new ones at once */
	end_pair(&p);
}

/* As where the node opens it itself: what was held back on the way is no sign of a peer that moved.
 */
static void nobody_is_followed_for_a_packet_of_the_epoch_before(void **state)
{
	(void)state;
	const struct endpoint elsewhere = { .ip = { 0x20, 1, 0xd, 0xb8, [15] = 9 }, .port = 9 };
	uint8_t packet[CARRIED_LEN], room[2][CARRY_DATAGRAM_MAX];
	struct carry_result sent[2], got;
	struct session *keys;
	struct peer *peer;
	struct pair p;

	begin_pair(&p, true);
	write_udp(&p, 0, 5, packet);
	owner_sends(&p, 0, packet);
	peer = peer_get(sim_node(p.s, 1), node_id(sim_node(p.s, 0)));
	keys = peer_get(sim_node(p.s, 0), node_id(sim_node(p.s, 1)))->direct->keys;
	assert_int_equal(thread_out(&p, 0, 0, packet, room[0], &sent[0]), CARRY_SEND);
	session_want_rekey(keys, sim_node_us(p.s, 0));
	node_pump(sim_node(p.s, 0));
	sim_poke(p.s, 0);
	run(p.s, SECONDS(4));
	assert_int_equal(session_epoch(peer->direct->keys), 1);
	for (unsigned i = 0; i < 2; i++)
		(void)take_table(&p, i);
	assert_int_equal(thread_out(&p, 0, 0, packet, room[1], &sent[1]), CARRY_SEND);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(carry_in(&p.threads[1][0], p.tables[1], &elsewhere, 0,
					  sent[i].bytes, sent[i].len, sim_node_us(p.s, 1), &got),
				 CARRY_OPENED);
		assert_true(got.is_newest); /* of its lane, under its key */
		node_input_opened(sim_node(p.s, 1), &elsewhere, 0, got.index, got.is_newest,
				  got.bytes, got.len, sim_node_us(p.s, 1));
		assert_int_equal(endpoint_equal(&peer->neighbour->roam.candidate, &elsewhere),
				 i == 1);
	}
	end_pair(&p);
}

static void threads_are_refused_where_packets_may_be_too_long(void **state)
{
	(void)state;
	struct sim *s;

	n_threads = 2;
	mtu_bytes = 1943;
	s = make_sim(1, true);
	assert_int_equal(sim_boot(s, 0, 0, 0), -EMSGSIZE);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_flow_is_carried_once_the_nodes_let_it_through,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_answers_is_let_in_without_being_allowed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_threads_carry_counts_for_peer_and_link, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			what_the_node_opened_in_a_threads_lane_threads_do_not_open_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_change_of_policy_brings_flows_back_to_the_node,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_peer_that_is_forgotten_is_in_the_next_table_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keys_are_replaced_by_what_threads_sealed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_followed_for_a_packet_of_the_epoch_before,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(threads_are_refused_where_packets_may_be_too_long,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

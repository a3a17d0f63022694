/* SPDX-License-Identifier: Apache-2.0 */
/* Whole nodes whose links fail: how soon packets go another way, and what others may say of that.
 */
#include "fixture.h"

/* 0 - 1 - 3 and, slower, 0 - 2 - 3. Returns the number of the link 1 - 3. */
static size_t diamond(struct sim *s)
{
	const struct sim_link_quality slow = { .delay_us = 1500 };
	size_t far_link;

	(void)sim_link(s, 0, 1, &lan, true);
	far_link = sim_link(s, 1, 3, &lan, true);
	(void)sim_link(s, 0, 2, &slow, true);
	(void)sim_link(s, 2, 3, &slow, true);
	boot_all(s, 4);
	run(s, SECONDS(3));
	assert_true(reaches(s, 0, 3, SECONDS(1)));
	(void)longest_silence(s, 0, 3, SECONDS(3)); /* links are active, routes settled */
	assert_int_equal(routes_next_hop(node_routes(sim_node(s, 0)), node_id(sim_node(s, 3))),
			 node_id(sim_node(s, 1)));
	return far_link;
}

static struct node_counters counters_of(struct sim *s, size_t node)
{
	struct node_counters c;

	node_counters(sim_node(s, node), &c);
	return c;
}

static struct peer *peer_to(struct sim *s, size_t from, size_t to)
{
	struct peer *p = peer_get(sim_node(s, from), node_id(sim_node(s, to)));

	assert_non_null(p);
	return p;
}

static void a_silent_cut_far_from_the_source_costs_some_packets(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);
	size_t link = diamond(s);
	uint64_t silence;

	sim_link_cut(s, link, true);
	silence = longest_silence(s, 0, 3, SECONDS(1));
	print_message("outage after a silent cut: %llu ms\n", (unsigned long long)silence / 1000);
	assert_true(silence <= MS(50));
	assert_true(counters_of(s, 1).duplicates_sent > 0); /* back to where they came from */
	sim_free(s);
}

static void a_lost_carrier_costs_what_was_under_way(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);
	size_t link = diamond(s);
	uint64_t silence;

	sim_link_cut(s, link, true);
	for (size_t end = 1; end <= 3; end += 2) {
		size_t other = 4 - end;

		node_carrier_lost(sim_node(s, end), node_id(sim_node(s, other)),
				  sim_node_us(s, end));
		sim_poke(s, end);
	}
	silence = longest_silence(s, 0, 3, SECONDS(1));
	assert_true(silence <= MS(20));
	assert_int_equal(counters_of(s, 1).carriers_lost, 1);
	assert_int_equal(n_events[1][EVENT_LINK_DOWN], 1);
	node_carrier_lost(sim_node(s, 1), 4711, sim_node_us(s, 1)); /* nobody */
	sim_free(s);
}

static void a_refusal_makes_suspect_and_is_forgiven_where_the_neighbour_answers(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	struct peer *p;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	p = peer_to(s, 0, 1);
	node_refused(sim_node(s, 0), &p->neighbour->roam.current, sim_node_us(s, 0));
	sim_poke(s, 0);
	assert_int_equal(n_events[0][EVENT_LINK_SUSPECT], 1);
	run(s, MS(20));
	assert_int_equal(link_state(p->neighbour->link), LINK_UP);
	assert_int_equal(n_events[0][EVENT_LINK_DOWN], 0);
	assert_int_equal(counters_of(s, 0).refusals, 1);
	sim_free(s);
}

static void refusals_of_a_dead_neighbour_take_the_link_down_before_silence_does(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	struct peer *p;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	p = peer_to(s, 0, 1);
	sim_crash(s, 1);
	for (unsigned i = 0; i < 4; i++) { /* a probe, an answer by ICMP, each 10 ms */
		node_refused(sim_node(s, 0), &p->neighbour->roam.current, sim_node_us(s, 0));
		sim_poke(s, 0);
		run(s, MS(10));
	}
	assert_int_equal(n_events[0][EVENT_LINK_DOWN], 1);
	sim_free(s);
}

static void a_link_that_is_held_down_and_heard_is_given_no_new_keys(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	unsigned n_sessions;
	struct peer *p;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(3));
	p = peer_to(s, 0, 1);
	for (unsigned i = 0; i < 4; i++) { /* held down for 1, 2, 4 and 8 s */
		while (link_state(p->neighbour->link) != LINK_UP)
			run(s, MS(100));
		node_carrier_lost(sim_node(s, 0), node_id(sim_node(s, 1)), sim_node_us(s, 0));
		sim_poke(s, 0);
	}
	n_sessions = n_events[0][EVENT_PEER_UP];
	run(s, SECONDS(7));
	assert_int_equal(link_state(p->neighbour->link), LINK_DOWN);
	assert_int_equal(n_events[0][EVENT_PEER_UP], n_sessions);
	run(s, SECONDS(4));
	assert_int_equal(link_state(p->neighbour->link), LINK_UP);
	assert_int_equal(n_events[0][EVENT_PEER_UP], n_sessions);
	sim_free(s);
}

/* As in test_node.c: 0-1-2-3, or the longer way 0-4-5-3. */
static void who_has_to_send_back_says_so_and_the_source_turns(void **state)
{
	(void)state;
	static const size_t ends[][2] = {
		{ 0, 1 }, { 1, 2 }, { 2, 3 }, { 0, 4 }, { 4, 5 }, { 5, 3 }
	};
	struct sim_link_quality slow = lan;
	struct sim *s = make_sim(6, true);
	uint64_t first, last = 0;

	slow.delay_us *= 4;
	for (size_t i = 0; i < 6; i++)
		(void)sim_link(s, ends[i][0], ends[i][1], i < 3 ? &lan : &slow, false);
	boot_all(s, 6);
	run(s, SECONDS(3));
	(void)longest_silence(s, 0, 3, SECONDS(3));
	first = sim_send(s, 0, 3, 100);
	for (unsigned i = 0; i < 8; i++)
		last = sim_send(s, 0, 3, 100);
	run(s, 1500); /* they are on the way from 1 to 2 */
	sim_link_cut(s, 2, true);
	node_carrier_lost(sim_node(s, 2), node_id(sim_node(s, 3)), sim_node_us(s, 2));
	sim_poke(s, 2);
	run(s, MS(100));
	for (uint64_t p = first; p <= last; p++)
		assert_true(sim_is_delivered(s, p));
	assert_int_equal(counters_of(s, 2).dead_ends_told, 1); /* not of each packet */
	assert_int_equal(counters_of(s, 1).dead_ends_heard, 1);
	assert_true(counters_of(s, 1).dead_ends_told > 0); /* which had no other way either */
	assert_int_equal(counters_of(s, 0).dead_ends_heard, counters_of(s, 1).dead_ends_told);
	sim_free(s);
}

static void say_dead_end(struct sim *s, size_t from, size_t to, uint64_t destination)
{
	uint8_t message[10] = { PLAIN_SESSION, SESSION_MESSAGE_DEAD_END };
	struct peer *p = peer_to(s, from, to);

	store_u64(message + 2, destination);
	path_send_direct(sim_node(s, from), p->direct, &p->neighbour->roam.current,
			 SPAN_OF(message));
	sim_poke(s, from);
}

static void a_false_hint_moves_traffic_off_the_liar_and_nowhere_else(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);
	uint64_t before;

	(void)diamond(s);
	before = counters_of(s, 2).relayed;
	say_dead_end(s, 1, 0, node_id(sim_node(s, 3)));
	run(s, MS(5));
	assert_true(
		dead_ends_has(sim_node(s, 0), node_id(sim_node(s, 1)), node_id(sim_node(s, 3))));
	assert_true(longest_silence(s, 0, 3, MS(200)) <= MS(20)); /* nothing is lost */
	assert_true(counters_of(s, 2).relayed > before);
	run(s, MS(500));
	assert_false(
		dead_ends_has(sim_node(s, 0), node_id(sim_node(s, 1)), node_id(sim_node(s, 3))));
	say_dead_end(s, 1, 0, node_id(sim_node(s, 1))); /* of itself, of the hearer, of nobody */
	say_dead_end(s, 1, 0, node_id(sim_node(s, 0)));
	say_dead_end(s, 1, 0, 0);
	run(s, MS(5));
	assert_int_equal(counters_of(s, 0).dead_ends_refused, 3);
	sim_free(s);
}

static void a_flood_of_hints_is_heard_in_part(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	for (uint64_t d = 100; d < 1100; d++) {
		say_dead_end(s, 1, 0, d);
		if (d % 50 == 0)
			run(s, MS(1));
	}
	run(s, MS(20));
	assert_int_equal(counters_of(s, 0).dead_ends_heard, HINTS_A_SECOND);
	assert_int_equal(counters_of(s, 0).dead_ends_refused, 1000 - HINTS_A_SECOND);
	sim_free(s);
}

static void signs_sealed_beforehand_are_heard_once_and_are_no_loss(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	uint8_t sign[2][NODE_ALIVE_LEN];
	struct node_pledge pledge;
	struct link_quality q;
	struct peer *p;
	size_t cursor = 0;
	uint64_t now_us;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	assert_false(node_next_pledge(sim_node(s, 0), &cursor, &pledge)); /* idle: no hurry */
	(void)longest_silence(s, 0, 1, SECONDS(1));
	cursor = 0;
	assert_true(node_next_pledge(sim_node(s, 0), &cursor, &pledge));
	assert_true(pledge.speak_by_us > sim_node_us(s, 0) &&
		    pledge.speak_by_us <= sim_node_us(s, 0) + LINK_PROBE_ACTIVE_US);
	for (unsigned i = 0; i < 2; i++)
		assert_true(node_seal_alive(sim_node(s, 0), pledge.node_id, sign[i],
					    sim_node_us(s, 0)));
	(void)longest_silence(s, 0, 1, SECONDS(1)); /* probes overtake them */
	p = peer_to(s, 1, 0);
	sim_crash(s, 0);
	run(s, MS(60));
	assert_int_equal(link_state(p->neighbour->link), LINK_SUSPECT);
	now_us = sim_node_us(s, 1);
	node_input_datagram(sim_node(s, 1), &p->neighbour->roam.current, SPAN_OF(sign[0]), now_us);
	sim_poke(s, 1);
	assert_int_equal(link_state(p->neighbour->link), LINK_UP);
	link_quality(p->neighbour->link, now_us, &q);
	assert_int_equal(q.last_heard_us, now_us);
	assert_int_equal(q.loss_ppm, 0);
	node_input_datagram(sim_node(s, 1), &p->neighbour->roam.current, SPAN_OF(sign[0]), now_us);
	sim_poke(s, 1);
	assert_int_equal(counters_of(s, 1).replayed, 1);
	assert_int_equal(counters_of(s, 1).malformed, 0);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_cut_far_from_the_source_costs_some_packets),
		cmocka_unit_test(a_lost_carrier_costs_what_was_under_way),
		cmocka_unit_test(
			a_refusal_makes_suspect_and_is_forgiven_where_the_neighbour_answers),
		cmocka_unit_test(
			refusals_of_a_dead_neighbour_take_the_link_down_before_silence_does),
		cmocka_unit_test(a_link_that_is_held_down_and_heard_is_given_no_new_keys),
		cmocka_unit_test(who_has_to_send_back_says_so_and_the_source_turns),
		cmocka_unit_test(a_false_hint_moves_traffic_off_the_liar_and_nowhere_else),
		cmocka_unit_test(a_flood_of_hints_is_heard_in_part),
		cmocka_unit_test(signs_sealed_beforehand_are_heard_once_and_are_no_loss),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

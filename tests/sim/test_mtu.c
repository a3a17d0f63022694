/* SPDX-License-Identifier: Apache-2.0 */
/* Links that carry less than others: found out, told to who sends, and got around. */
#include "fixture.h"

#define FULL (FORWARD_MTU_DEFAULT - 48) /* payload of a packet as long as the tunnel's MTU */
#define LEAST (1280 - 48)

/* A link over which datagrams of so many bytes pass. */
static const struct sim_link_quality *narrow(uint32_t size_max)
{
	static struct sim_link_quality q;

	q = (struct sim_link_quality){ .delay_us = 1000, .size_max = size_max };
	return &q;
}

static struct pmtu *pmtu_between(struct sim *s, size_t at, size_t peer)
{
	struct peer *p = peer_get(sim_node(s, at), sim_id(s, peer));

	assert_non_null(p);
	assert_non_null(p->neighbour);
	return &p->neighbour->pmtu;
}

static struct node_counters counters_of(struct sim *s, size_t node)
{
	struct node_counters c;

	node_counters(sim_node(s, node), &c);
	return c;
}

static bool passes(struct sim *s, size_t from, size_t to, size_t payload)
{
	uint64_t packet = sim_send(s, from, to, payload);

	run(s, MS(100));
	return sim_is_delivered(s, packet);
}

static void a_wide_link_is_known_as_soon_as_it_is_up(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(1));
	assert_int_equal(pmtu_between(s, 0, 1)->state, PMTU_COMPLETE);
	assert_int_equal(pmtu_size(pmtu_between(s, 0, 1)), 1450);
	assert_true(passes(s, 0, 1, FULL));
	assert_int_equal(counters_of(s, 0).datagrams_cut, 0);
	assert_int_equal(peer_get(sim_node(s, 0), sim_id(s, 1))->neighbour->told, LINK_UP);
	sim_free(s);
}

/* Probes that are made to be lost are no loss of the link. */
static void lost_probes_of_the_mtu_are_not_counted_as_loss(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	struct node_peer_view v;
	size_t cursor = 0;

	(void)sim_link(s, 0, 1, narrow(1400), true);
	boot_all(s, 2);
	run(s, SECONDS(20));
	assert_int_equal(pmtu_between(s, 0, 1)->state, PMTU_COMPLETE);
	assert_true(node_next_peer(sim_node(s, 0), &cursor, sim_node_us(s, 0), &v));
	assert_int_equal(v.quality.loss_ppm, 0);
	assert_int_equal(v.state, LINK_UP);
	assert_true(v.path_mtu > 1386 && v.path_mtu <= 1448);
	assert_string_equal(pmtu_state_name(v.path_mtu_state), "complete");
	sim_free(s);
}

static void a_packet_too_long_for_the_link_is_answered_with_its_limit(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	struct sim_error e;
	uint64_t packet;

	(void)sim_link(s, 0, 1, narrow(1364), true); /* an underlay of 1,412 bytes */
	boot_all(s, 2);
	run(s, SECONDS(20));
	packet = sim_send(s, 0, 1, FULL);
	run(s, MS(100));
	assert_false(sim_is_delivered(s, packet));
	e = sim_error_of(s, packet);
	assert_true(e.type == 2 && e.code == 0 && e.mtu == 1280);
	assert_true(passes(s, 0, 1, LEAST));
	assert_int_equal(counters_of(s, 0).too_big, 1);
	assert_int_equal(counters_of(s, 0).icmp_told, 1);
	sim_free(s);
}

/* While it is looked for, what may pass is carried in two: nobody is told too little. */
static void nothing_is_lost_while_the_limit_is_looked_for(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	unsigned n = 0;

	(void)sim_link(s, 0, 1, narrow(1420), true);
	boot_all(s, 2);
	while (!peer_get(sim_node(s, 0), sim_id(s, 1)) ||
	       !peer_get(sim_node(s, 0), sim_id(s, 1))->neighbour ||
	       link_state(peer_get(sim_node(s, 0), sim_id(s, 1))->neighbour->link) != LINK_UP)
		run(s, MS(1));
	for (; n < 100; n++) {
		assert_true(passes(s, 0, 1, FULL));
		if (!pmtu_is_searching(pmtu_between(s, 0, 1)))
			break;
	}
	assert_true(n > 10);
	assert_int_equal(counters_of(s, 0).icmp_told, 0);
	sim_free(s);
}

static void links_of_1280_bytes_and_less_carry_packets_of_1280_in_two(void **state)
{
	(void)state;
	static const uint32_t paths[] = { 1280 - 48, 1280 - 28 };

	for (unsigned i = 0; i < 2; i++) {
		struct sim *s = make_sim(3, true);

		(void)sim_link(s, 0, 1, &lan, true);
		(void)sim_link(s, 1, 2, narrow(paths[i]), true);
		boot_all(s, 3);
		run(s, SECONDS(20));
		assert_int_equal(pmtu_between(s, 1, 2)->state, PMTU_ERROR);
		assert_true(passes(s, 0, 1, FULL));
		assert_true(reaches(s, 0, 2, SECONDS(3)));
		for (unsigned n = 0; n < 100; n++)
			assert_true(passes(s, n % 2 ? 0 : 2, n % 2 ? 2 : 0, LEAST));
		assert_true(counters_of(s, 1).datagrams_cut >= 50);
		assert_true(counters_of(s, 2).datagrams_joined >= 50);
		assert_int_equal(counters_of(s, 2).pieces_refused, 0);
		assert_int_equal(counters_of(s, 2).malformed, 0);
		sim_free(s);
	}
}

/* The link narrows while it is up, to less than IPv6 allows: the floor. */
static void a_link_that_shrinks_below_all_standards_still_carries(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	size_t link = sim_link(s, 0, 1, &lan, true);

	boot_all(s, 2);
	run(s, SECONDS(2));
	sim_link_set(s, link, narrow(800));
	for (unsigned i = 0; i < 600; i++) {
		(void)sim_send(s, 0, 1, LEAST);
		run(s, MS(100));
	}
	assert_true(pmtu_size(pmtu_between(s, 0, 1)) <= 800);
	assert_true(passes(s, 0, 1, LEAST));
	sim_free(s);
}

static void a_relay_tells_the_source_which_tells_its_programs(void **state)
{
	(void)state;
	struct sim *s = make_sim(4, true);
	uint64_t packet;

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, narrow(1404), true); /* an underlay of 1,452 */
	(void)sim_link(s, 2, 3, &lan, true);
	boot_all(s, 4);
	run(s, SECONDS(20));
	assert_true(reaches(s, 0, 3, SECONDS(3)));
	assert_false(passes(s, 0, 3, FULL)); /* the relay drops it, and tells */
	assert_int_equal(counters_of(s, 1).too_big_told, 1);
	assert_int_equal(counters_of(s, 1).too_big, 1);
	packet = sim_send(s, 0, 3, FULL);
	run(s, MS(100));
	assert_int_equal(sim_error_of(s, packet).type, 2);
	assert_int_equal(sim_error_of(s, packet).mtu, 1402 - 106);
	assert_int_equal(counters_of(s, 1).too_big_told, 1); /* it went no further than here */
	assert_true(passes(s, 0, 3, 1402 - 106 - 48));
	assert_true(passes(s, 0, 1, FULL)); /* it is the limit of one destination */
	run(s, SECONDS(601));
	assert_false(passes(s, 0, 3, FULL)); /* and for ten minutes */
	assert_int_equal(counters_of(s, 1).too_big_told, 2);
	sim_free(s);
}

/* From the tunnel, of so many bytes; what is delivered in answer, 0 nothing, else the type. */
static unsigned answer_to(struct sim *s, size_t to, size_t len, unsigned *ret_mtu)
{
	static uint8_t packet[FORWARD_MTU_DEFAULT + 100] = { 0x60, [6] = 59, [7] = 64 };
	struct node_action a;
	unsigned type = 0;

	store_u16(packet + 4, (uint16_t)(len - 40));
	memcpy(packet + 8, node_overlay_address(sim_node(s, 0)), 16);
	memcpy(packet + 24, node_overlay_address(sim_node(s, to)), 16);
	node_input_packet(sim_node(s, 0), SPAN(packet, len), sim_now_us(s));
	while (node_next_action(sim_node(s, 0), &a)) {
		if (a.type != NODE_DELIVER)
			continue;
		type = a.data.at[40];
		*ret_mtu = load_u32(a.data.at + 44);
	}
	return type;
}

/* Whoever sets the device's MTU higher; and while others use up what may be told of their own. */
static void a_packet_longer_than_the_tunnel_is_answered(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	unsigned mtu = 0;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2);
	run(s, SECONDS(2));
	assert_int_equal(answer_to(s, 1, FORWARD_MTU_DEFAULT, &mtu), 0);
	for (unsigned i = 0; i < 2 * ICMP_BURST; i++) {
		(void)icmp_may_tell(&sim_node(s, 0)->icmp_to_machine, sim_now_us(s));
		(void)icmp_may_tell(&sim_node(s, 0)->icmp_to_peers, sim_now_us(s));
	}
	assert_int_equal(answer_to(s, 1, FORWARD_MTU_DEFAULT + 1, &mtu), 2);
	assert_int_equal(mtu, FORWARD_MTU_DEFAULT);
	assert_int_equal(counters_of(s, 0).too_big, 1);
	sim_free(s);
}

static void a_limit_told_by_who_did_not_see_the_packet_is_refused(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);
	uint8_t told[23] = { CONTROL_TOO_BIG };
	struct node *n;
	struct peer *p;

	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(2));
	assert_true(reaches(s, 0, 2, SECONDS(3)));
	assert_true(passes(s, 0, 2, FULL));
	n = sim_node(s, 0);
	p = peer_get(n, sim_id(s, 2));
	assert_true(p->long_index != 0);
	for (unsigned i = 0; i < 7; i++) {
		store_u16(told + 1, i == 0 ? 1279 : i == 1 ? FORWARD_MTU_DEFAULT : 1280);
		store_u64(told + 3, i == 2 ? 99 : p->id);
		store_u32(told + 11, p->long_index + (i == 3));
		store_u64(told + 15,
			  p->long_sequence[LANE_PACKETS] + (i == 4) - (i == 5 ? 1 << 17 : 0));
		if (i == 6)
			told[15] = NODE_LANES; /* a lane that there is not */
		mtu_told(n, SPAN_OF(told));
		assert_int_equal(p->told_mtu, 0);
		assert_int_equal(counters_of(s, 0).malformed, i + 1);
	}
	mtu_told(n, SPAN(told, 22));
	assert_int_equal(p->told_mtu, 0);
	store_u64(told + 15, p->long_sequence[LANE_PACKETS]);
	mtu_told(n, SPAN_OF(told));
	assert_int_equal(p->told_mtu, 1280);
	sim_free(s);
}

static void a_black_hole_is_noticed_and_got_around(void **state)
{
	(void)state;
	struct sim *s = make_sim(2, true);
	size_t link = sim_link(s, 0, 1, &lan, true);
	uint64_t hole_us, last;
	unsigned lost = 0;

	boot_all(s, 2);
	run(s, SECONDS(2));
	assert_true(passes(s, 0, 1, FULL));
	sim_link_set(s, link, narrow(1300)); /* silently */
	hole_us = sim_now_us(s);
	do {
		last = sim_send(s, 0, 1, FULL);
		run(s, MS(50));
		lost++;
	} while (!sim_is_delivered(s, last) && sim_error_of(s, last).type == 0 && lost < 1000);
	print_message("a black hole was noticed after %llu ms\n",
		      (unsigned long long)(sim_now_us(s) - hole_us) / 1000);
	assert_true(sim_now_us(s) - hole_us < PMTU_CONFIRM_US + SECONDS(3) + MS(200));
	run(s, SECONDS(20));
	last = sim_send(s, 0, 1, FULL);
	run(s, MS(50));
	assert_int_equal(sim_error_of(s, last).mtu, 1280);
	assert_true(passes(s, 0, 1, LEAST));
	sim_link_set(s, link, &lan); /* and when it is mended, that is noticed too */
	run(s, SECONDS(80));
	assert_true(passes(s, 0, 1, FULL));
	assert_int_equal(pmtu_size(pmtu_between(s, 0, 1)), 1450);
	sim_free(s);
}

static void jumbo_links_carry_jumbo_packets(void **state)
{
	(void)state;
	struct sim *s;
	uint64_t packet;

	mtu_bytes = FORWARD_MTU_MAX;
	s = make_sim(4, true);
	(void)sim_link(s, 0, 1, narrow(8952), true);
	(void)sim_link(s, 1, 2, narrow(8952), true);
	(void)sim_link(s, 2, 3, narrow(1452), true);
	boot_all(s, 4);
	run(s, SECONDS(60));
	assert_int_equal(pmtu_size(pmtu_between(s, 0, 1)), 8952);
	assert_int_equal(pmtu_size(pmtu_between(s, 2, 3)), 1452);
	assert_true(reaches(s, 0, 3, SECONDS(3)));
	assert_true(passes(s, 0, 1, FORWARD_MTU_MAX - 48));
	assert_true(passes(s, 0, 2, FORWARD_MTU_MAX - 48));
	assert_false(passes(s, 0, 3, FORWARD_MTU_MAX - 48));
	packet = sim_send(s, 0, 3, FORWARD_MTU_MAX - 48);
	run(s, MS(100));
	assert_int_equal(sim_error_of(s, packet).mtu, 1452 - 106);
	mtu_bytes = 0;
	sim_free(s);
}

/* While the search is far from its end what is told is what is carried, so that who sends less
 * than before gets through. */
static void a_jumbo_tunnel_over_a_common_path_works_from_the_beginning(void **state)
{
	(void)state;
	struct sim *s;
	uint64_t packet;
	unsigned limit;

	mtu_bytes = FORWARD_MTU_MAX;
	s = make_sim(2, true);
	(void)sim_link(s, 0, 1, narrow(1452), true);
	boot_all(s, 2);
	run(s, SECONDS(1));
	assert_true(pmtu_is_searching(pmtu_between(s, 0, 1)));
	packet = sim_send(s, 0, 1, FORWARD_MTU_MAX - 48);
	run(s, MS(100));
	limit = sim_error_of(s, packet).mtu;
	assert_true(limit >= 1280 && limit < 3000);
	assert_true(passes(s, 0, 1, limit - 48));
	run(s, SECONDS(60));
	packet = sim_send(s, 0, 1, limit - 48);
	run(s, MS(100));
	assert_int_equal(sim_error_of(s, packet).mtu, 1452 - 106);
	mtu_bytes = 0;
	sim_free(s);
}

static void what_has_no_way_is_answered(void **state)
{
	(void)state;
	struct sim *s = make_sim(3, true);
	uint64_t nobody, gone;

	(void)sim_link(s, 0, 1, &lan, true);
	boot_all(s, 2); /* the third one is off */
	run(s, SECONDS(2));
	nobody = sim_send(s, 0, 2, 100);
	run(s, SECONDS(7));
	assert_int_equal(sim_error_of(s, nobody).type, 0); /* it may still come */
	run(s, SECONDS(3));
	assert_int_equal(sim_error_of(s, nobody).type, 1);
	assert_int_equal(sim_error_of(s, nobody).code, 3);
	assert_true(passes(s, 0, 1, 100));
	gone = sim_send(s, 0, 1, 100);
	run(s, MS(100));
	assert_int_equal(sim_error_of(s, gone).type, 0);
	sim_free(s);
}

static void who_is_denied_is_told_where_the_configuration_says_so(void **state)
{
	(void)state;
	static const struct policy_rule denying[] = {
		{ .effect = POLICY_ALLOW, .any_action = true, .from = "*", .resource = "*" },
		{ .effect = POLICY_DENY, .action = POLICY_CONNECT, .from = "*", .resource = "*" },
	};
	struct policy *denies;

	assert_int_equal(policy_new(denying, 2, &denies), 0);
	for (unsigned tells = 0; tells < 2; tells++) {
		struct sim *s;
		uint64_t packet;

		tells_denied = tells;
		s = make_sim(2, true);
		(void)sim_link(s, 0, 1, &lan, true);
		boot_all(s, 2);
		run(s, SECONDS(2));
		node_set_policy(sim_node(s, 1), denies);
		packet = sim_send(s, 0, 1, 100);
		run(s, MS(100));
		assert_false(sim_is_delivered(s, packet));
		assert_int_equal(sim_error_of(s, packet).type, tells);
		assert_int_equal(sim_error_of(s, packet).code, tells);
		tells_denied = false;
		sim_free(s);
	}
	policy_free(denies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wide_link_is_known_as_soon_as_it_is_up),
		cmocka_unit_test(lost_probes_of_the_mtu_are_not_counted_as_loss),
		cmocka_unit_test(a_packet_too_long_for_the_link_is_answered_with_its_limit),
		cmocka_unit_test(nothing_is_lost_while_the_limit_is_looked_for),
		cmocka_unit_test(links_of_1280_bytes_and_less_carry_packets_of_1280_in_two),
		cmocka_unit_test(a_link_that_shrinks_below_all_standards_still_carries),
		cmocka_unit_test(a_relay_tells_the_source_which_tells_its_programs),
		cmocka_unit_test(a_packet_longer_than_the_tunnel_is_answered),
		cmocka_unit_test(a_limit_told_by_who_did_not_see_the_packet_is_refused),
		cmocka_unit_test(a_black_hole_is_noticed_and_got_around),
		cmocka_unit_test(jumbo_links_carry_jumbo_packets),
		cmocka_unit_test(a_jumbo_tunnel_over_a_common_path_works_from_the_beginning),
		cmocka_unit_test(what_has_no_way_is_answered),
		cmocka_unit_test(who_is_denied_is_told_where_the_configuration_says_so),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

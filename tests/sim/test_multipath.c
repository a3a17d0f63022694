/* SPDX-License-Identifier: Apache-2.0 */
/* More than one way to a node: whole nodes over a diamond whose two ways share no node. */
#include "fixture.h"

#define EF 46	/* critical */
#define AF21 18 /* interactive */
#define N_MARKS 4000

enum link_number {
	A_B,
	A_C,
	B_D,
	C_D,
};

/* 0 and 3 are joined by 1 and by 2; after some seconds there is a session, too. */
static struct sim *diamond(const struct sim_link_quality *by_1, const struct sim_link_quality *by_2)
{
	struct sim *s;

	has_multipath = true;
	s = make_sim(4, true);
	(void)sim_link(s, 0, 1, by_1, true);
	(void)sim_link(s, 0, 2, by_2, true);
	(void)sim_link(s, 1, 3, by_1, true);
	(void)sim_link(s, 2, 3, by_2, true);
	boot_all(s, 4);
	run(s, SECONDS(4));
	assert_true(reaches(s, 0, 3, SECONDS(2)));
	return s;
}

static size_t n_ways(struct sim *s, size_t from, size_t to, struct node_way_view ret[PATHS_MAX])
{
	size_t cursor = 0, n = 0;

	while (n < PATHS_MAX && node_next_way(sim_node(s, from), sim_id(s, to), &cursor, &ret[n]))
		n++;
	return n;
}

static struct node_counters counters_of(struct sim *s, size_t node)
{
	struct node_counters c;

	node_counters(sim_node(s, node), &c);
	return c;
}

/* One each 10 ms, a link cut silently before one of them; how many of them do not arrive. */
static size_t lost_by_cut(struct sim *s, uint8_t dscp, size_t n, size_t cut_at,
			  enum link_number link)
{
	static uint64_t sent[N_MARKS];
	size_t lost = 0;

	assert_true(n <= N_MARKS);
	for (size_t i = 0; i < n; i++) {
		if (i == cut_at)
			sim_link_cut(s, link, true);
		sent[i] = sim_send_marked(s, 0, 3, 100, dscp);
		run(s, MS(10));
	}
	run(s, MS(500));
	for (size_t i = 0; i < n; i++)
		lost += !sim_is_delivered(s, sent[i]);
	return lost;
}

static size_t lost_of(struct sim *s, uint8_t dscp, size_t n, size_t cut_at)
{
	return lost_by_cut(s, dscp, n, cut_at, B_D);
}

static void critical_packets_find_two_ways_and_go_by_both(void **state)
{
	(void)state;
	struct sim *s = diamond(&lan, &lan);
	struct node_way_view ways[PATHS_MAX];

	assert_int_equal(n_ways(s, 0, 3, ways), 0); /* nobody has asked for more than one */
	assert_int_equal(lost_of(s, EF, 50, SIZE_MAX), 0);
	assert_int_equal(n_ways(s, 0, 3, ways), 2);
	assert_int_equal(ways[0].n_nodes, 3);
	assert_true(ways[0].nodes[1] != ways[1].nodes[1]);
	assert_true(ways[0].is_used && ways[1].is_used);
	assert_in_range(ways[0].delay_us, 4000, 5000);
	assert_true(counters_of(s, 0).copies_sent >= 40);
	assert_int_equal(counters_of(s, 3).copies_removed, counters_of(s, 0).copies_sent);
	assert_int_equal(counters_of(s, 3).replayed, 0);
	assert_true(counters_of(s, 1).relayed >= 40 && counters_of(s, 2).relayed >= 40);
	sim_free(s);
}

static void critical_packets_lose_nothing_when_one_way_is_cut(void **state)
{
	(void)state;
	for (int by = 0; by < 2; by++) {
		struct sim_link_quality slow = { .delay_us = 3000 };
		struct sim *s = by ? diamond(&lan, &slow) : diamond(&slow, &lan);
		struct node_way_view ways[PATHS_MAX];
		size_t n;

		assert_int_equal(lost_of(s, EF, 20, SIZE_MAX), 0); /* ways are found */
		assert_int_equal(lost_of(s, EF, 300, 100), 0);
		n = n_ways(s, 0, 3, ways); /* of a way that is silent nothing is expected */
		for (size_t i = 0; i < n; i++)
			assert_true(!ways[i].is_used || ways[i].nodes[1] == sim_id(s, 2));
		sim_free(s);
	}
}

/* Long before the end hears that the way is silent. */
static void what_follows_labels_to_a_suspect_is_copied_to_another(void **state)
{
	(void)state;
	for (enum link_number link = A_B; link <= A_C; link++) {
		struct sim *s = diamond(&lan, &lan);
		struct node_way_view ways[PATHS_MAX];

		assert_int_equal(lost_of(s, EF, 20, SIZE_MAX), 0); /* ways are found */
		assert_int_equal(lost_of(s, AF21, 20, SIZE_MAX), 0);
		assert_int_equal(n_ways(s, 0, 3, ways), 2);
		assert_in_range(lost_by_cut(s, AF21, 300, 100, link), 0, 12);
		sim_free(s);
	}
}

static void without_a_second_way_packets_are_not_copied(void **state)
{
	(void)state;
	struct sim *s;

	has_multipath = true;
	s = make_sim(3, true);
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 1, 2, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(4));
	assert_true(reaches(s, 0, 2, SECONDS(2)));
	for (unsigned i = 0; i < 20; i++) {
		(void)sim_send_marked(s, 0, 2, 100, EF);
		run(s, MS(10));
	}
	run(s, SECONDS(4));
	assert_int_equal(counters_of(s, 0).copies_sent, 0);
	sim_free(s);
}

static void where_it_is_off_nothing_is_copied(void **state)
{
	(void)state;
	struct sim *s;

	has_multipath = false;
	s = make_sim(4, true);
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 0, 2, &lan, true);
	(void)sim_link(s, 1, 3, &lan, true);
	(void)sim_link(s, 2, 3, &lan, true);
	boot_all(s, 4);
	run(s, SECONDS(4));
	assert_true(reaches(s, 0, 3, SECONDS(2)));
	(void)lost_of(s, EF, 50, SIZE_MAX);
	assert_int_equal(counters_of(s, 0).copies_sent, 0);
	sim_free(s);
}

/* ---- bulk ---- */

/* Steadily so many kbit/s of packets of 1,250 bytes; returns what arrived, in kbit/s, and how many
 * of those came after one that was sent later. */
static uint64_t delivered_kbps(struct sim *s, uint64_t kbps, uint64_t for_us, size_t *ret_disorder)
{
	static uint64_t sent[200000];
	uint64_t gap_us = UINT64_C(1250) * 8 * 1000 / kbps;
	uint64_t end = sim_now_us(s) + for_us, latest = 0;
	size_t n = 0, arrived = 0;

	while (sim_now_us(s) < end) {
		sent[n++] = sim_send(s, 0, 3, 1250 - 48);
		run(s, gap_us);
	}
	run(s, MS(500));
	*ret_disorder = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = sim_delivery_us(s, sent[i]);

		if (at == 0)
			continue;
		at += i * gap_us;
		arrived++;
		*ret_disorder += at < latest;
		latest = max_u64(latest, at);
	}
	return arrived * 1250 * 8 * 1000 / for_us;
}

static void bulk_uses_the_rates_of_both_ways_and_arrives_in_order(void **state)
{
	(void)state;
	static const struct sim_link_quality ten = { .delay_us = 2000,
						     .rate_kbps = 10000,
						     .queue_us = 50000 };
	struct sim *s = diamond(&ten, &ten);
	struct node_way_view ways[PATHS_MAX];
	size_t disorder;
	uint64_t rate;

	/* Ways are found and rates learnt. The full link loses questions about links like all else:
	 * who is lost three times is asked again after 3 s. */
	(void)delivered_kbps(s, 15000, SECONDS(6), &disorder);
	rate = delivered_kbps(s, 17000, SECONDS(4), &disorder);
	assert_int_equal(n_ways(s, 0, 3, ways), 2);
	print_message("%llu kbit/s by two ways of 10,000; %zu out of order; %u and %u us, "
		      "%llu and %llu kbit/s learnt\n",
		      (unsigned long long)rate, disorder, ways[0].delay_us, ways[1].delay_us,
		      (unsigned long long)ways[0].rate_bps / 1000,
		      (unsigned long long)ways[1].rate_bps / 1000);
	assert_true(rate > 16500);
	assert_int_equal(disorder, 0);
	sim_free(s);
}

static void ways_of_unlike_rates_are_used_by_what_they_carry(void **state)
{
	(void)state;
	static const struct sim_link_quality ten = { .delay_us = 2000,
						     .rate_kbps = 10000,
						     .queue_us = 50000 };
	static const struct sim_link_quality five = { .delay_us = 5000,
						      .rate_kbps = 5000,
						      .queue_us = 50000 };
	struct sim *s = diamond(&ten, &five);
	struct node_way_view ways[PATHS_MAX];
	size_t disorder;
	uint64_t rate;

	(void)delivered_kbps(s, 8000, SECONDS(2), &disorder);
	(void)delivered_kbps(s, 13000, SECONDS(3), &disorder);
	rate = delivered_kbps(s, 13000, SECONDS(4), &disorder);
	assert_int_equal(n_ways(s, 0, 3, ways), 2);
	print_message("%llu kbit/s by ways of 10,000 and 5,000; %zu out of order; %llu and %llu "
		      "kbit/s learnt\n",
		      (unsigned long long)rate, disorder,
		      (unsigned long long)ways[0].rate_bps / 1000,
		      (unsigned long long)ways[1].rate_bps / 1000);
	assert_true(rate > 12500);
	assert_true(disorder < 20);
	sim_free(s);
}

static void a_cut_way_carries_no_more_bulk_and_comes_back(void **state)
{
	(void)state;
	static const struct sim_link_quality ten = { .delay_us = 2000,
						     .rate_kbps = 10000,
						     .queue_us = 50000 };
	struct sim *s = diamond(&ten, &ten);
	size_t disorder;
	uint64_t rate;

	(void)delivered_kbps(s, 8000, SECONDS(2), &disorder);
	sim_link_cut(s, B_D, true);
	(void)delivered_kbps(s, 8000, SECONDS(1), &disorder);
	rate = delivered_kbps(s, 8000, SECONDS(2), &disorder);
	assert_true(rate > 7900);
	sim_link_cut(s, B_D, false);
	(void)delivered_kbps(s, 8000, SECONDS(5), &disorder);
	rate = delivered_kbps(s, 15000, SECONDS(5), &disorder);
	print_message("%llu kbit/s after the cut was mended\n", (unsigned long long)rate);
	assert_true(rate > 13500);
	sim_free(s);
}

/* Both ways are feasible alike; packets 50 ms apart are a run each. */
static void flowlets_go_by_both_next_hops_and_all_arrive(void **state)
{
	(void)state;
	struct node_counters before[3];
	struct sim *s;

	has_flowlets = true;
	s = diamond(&lan, &lan);
	for (size_t i = 0; i < 3; i++)
		before[i] = counters_of(s, i);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t packet = sim_send(s, 0, 3, 100);

		run(s, MS(50));
		assert_true(sim_is_delivered(s, packet));
	}
	for (size_t i = 1; i < 3; i++)
		assert_true(counters_of(s, i).relayed - before[i].relayed > 50);
	assert_true(counters_of(s, 0).flowlets > 50);
	has_flowlets = false;
	sim_free(s);
}

static void a_neighbour_too_gets_critical_packets_by_two_ways(void **state)
{
	(void)state;
	static uint64_t sent[200];
	struct node_way_view ways[PATHS_MAX];
	struct sim *s;

	has_multipath = true;
	s = make_sim(3, true);
	(void)sim_link(s, 0, 1, &lan, true);
	(void)sim_link(s, 0, 2, &lan, true);
	(void)sim_link(s, 2, 1, &lan, true);
	boot_all(s, 3);
	run(s, SECONDS(4));
	assert_true(reaches(s, 0, 1, SECONDS(2)));
	for (unsigned i = 0; i < 200; i++) {
		if (i == 100)
			sim_link_cut(s, 0, true);
		sent[i] = sim_send_marked(s, 0, 1, 100, EF);
		run(s, MS(10));
	}
	run(s, MS(500));
	assert_int_equal(n_ways(s, 0, 1, ways), 2);
	assert_int_equal(ways[0].n_nodes, 2);
	assert_int_equal(ways[1].n_nodes, 3);
	for (unsigned i = 20; i < 200; i++)
		assert_true(sim_is_delivered(s, sent[i]));
	sim_free(s);
}

/* Eight nodes in a ring with chords, whose links fail and come back at random, nodes that restart,
 * keys replaced each few seconds; the simulator sees that nothing arrives twice or altered. */
static void all_kinds_of_faults_do_no_harm(void **state)
{
	(void)state;
	struct rng rng;

	rng_seed(&rng, 11);
	has_multipath = has_flowlets = true;
	limits.rekey_after_us = SECONDS(7);
	limits.old_epoch_us = SECONDS(2);
	for (unsigned round = 0; round < 3; round++) {
		struct sim *s = make_sim(8, true);
		static const struct sim_link_quality rough = {
			.delay_us = 2000, .jitter_us = 1500, .loss_ppm = 5000, .duplicate_ppm = 2000
		};
		size_t n_links = 0;
		uint64_t last[20] = { 0 };
		size_t arrived = 0;

		for (size_t i = 0; i < 8; i++, n_links++)
			(void)sim_link(s, i, (i + 1) % 8, i % 2 ? &rough : &lan, true);
		for (size_t i = 0; i < 4; i++, n_links++)
			(void)sim_link(s, i, i + 4, &lan, true);
		boot_all(s, 8);
		run(s, SECONDS(4));
		for (unsigned step = 0; step < 3000; step++) {
			size_t from = rng_below(&rng, 4), to = 4 + rng_below(&rng, 4);

			if (step % 100 == 0)
				sim_link_cut(s, rng_below(&rng, n_links), rng_below(&rng, 2));
			if (step % 700 == 699) {
				size_t node = rng_below(&rng, 8);

				sim_crash(s, node);
				assert_int_equal(sim_boot(s, node, 0, 0), 0);
			}
			(void)sim_send_marked(s, from, to, 100, EF);
			for (unsigned i = 0; i < 3; i++)
				(void)sim_send(s, 0, 6, 1200);
			run(s, MS(5));
		}
		for (size_t i = 0; i < n_links; i++)
			sim_link_cut(s, i, false);
		run(s, SECONDS(25));
		for (size_t i = 0; i < 20; i++) {
			last[i] = sim_send_marked(s, i % 4, 4 + i % 3, 100, EF);
			run(s, MS(100));
		}
		run(s, SECONDS(9));
		for (size_t i = 0; i < 20; i++)
			arrived += sim_is_delivered(s, last[i]);
		assert_in_range(arrived, 19, 20); /* some links lose */
		sim_free(s);
	}
	limits = (struct session_limits){ 0 };
	has_flowlets = false;
}

static void unused_ways_are_forgotten(void **state)
{
	(void)state;
	struct sim *s = diamond(&lan, &lan);
	struct node_way_view ways[PATHS_MAX];

	assert_int_equal(lost_of(s, EF, 20, SIZE_MAX), 0);
	assert_int_equal(n_ways(s, 0, 3, ways), 2);
	run(s, SECONDS(60));
	assert_int_equal(n_ways(s, 0, 3, ways), 0);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(critical_packets_find_two_ways_and_go_by_both),
		cmocka_unit_test(critical_packets_lose_nothing_when_one_way_is_cut),
		cmocka_unit_test(what_follows_labels_to_a_suspect_is_copied_to_another),
		cmocka_unit_test(without_a_second_way_packets_are_not_copied),
		cmocka_unit_test(where_it_is_off_nothing_is_copied),
		cmocka_unit_test(bulk_uses_the_rates_of_both_ways_and_arrives_in_order),
		cmocka_unit_test(ways_of_unlike_rates_are_used_by_what_they_carry),
		cmocka_unit_test(a_cut_way_carries_no_more_bulk_and_comes_back),
		cmocka_unit_test(flowlets_go_by_both_next_hops_and_all_arrive),
		cmocka_unit_test(a_neighbour_too_gets_critical_packets_by_two_ways),
		cmocka_unit_test(all_kinds_of_faults_do_no_harm),
		cmocka_unit_test(unused_ways_are_forgotten),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

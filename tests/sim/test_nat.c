/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of nodes behind NATs of the usual kinds, with a public node that both know: a direct link
 * where theory allows one, relays otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "nat_world.h"
#include "shell/openssl/crypto_openssl.h"

#define A 0
#define B 1
#define PUBLIC 2

static const struct crypto_ops *ops;
static struct sim_pki *pki;

static int make_pki(void **state)
{
	const char *error = "";

	(void)state;
	ops = openssl_crypto_ops(&error);
	if (!ops)
		return -1;
	return sim_pki_new(ops, NAT_HOSTS_MAX, &pki);
}

static int drop_pki(void **state)
{
	(void)state;
	sim_pki_free(pki);
	return 0;
}

/* Whether two such can reach each other at all, by what their NATs do. */
static bool in_theory(enum nat_kind a, enum nat_kind b)
{
	if (a == NAT_BLOCKED || b == NAT_BLOCKED)
		return false;
	if (a == NAT_SYMMETRIC)
		return b != NAT_SYMMETRIC && b != NAT_PORT_RESTRICTED;
	if (b == NAT_SYMMETRIC)
		return a != NAT_PORT_RESTRICTED;
	return true;
}

static void pair(struct nat_world *w, enum nat_kind a, enum nat_kind b, uint64_t seed)
{
	nat_world_init(w, ops, pki, seed);
	(void)nat_world_add(w, a);
	(void)nat_world_add(w, b);
	(void)nat_world_add(w, NAT_OPEN);
	w->hosts[PUBLIC].traverse_links = 0;
	nat_world_boot(w, PUBLIC, SIZE_MAX);
	nat_world_boot(w, A, PUBLIC);
	nat_world_boot(w, B, PUBLIC);
}

static void two_nodes_behind_port_restricted_nats_get_a_direct_link(void **state)
{
	(void)state;
	struct nat_world w;

	pair(&w, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED, 1);
	nat_world_run(&w, w.now_us + SECONDS(3));
	assert_true(nat_world_is_direct(&w, A, B));
	assert_true(nat_world_is_direct(&w, B, A));
	assert_true(nat_world_reaches(&w, A, B, SECONDS(1)));
	nat_world_done(&w);
}

static void every_pair_is_direct_where_theory_allows_it_and_relayed_otherwise(void **state)
{
	(void)state;
	print_message("%-16s %-16s %-10s %s\n", "A", "B", "path", "after");
	for (enum nat_kind a = NAT_OPEN; a < NAT_N_KINDS; a++) {
		for (enum nat_kind b = a; b < NAT_N_KINDS; b++) {
			struct node_peer_view v = { 0 };
			struct nat_world w;
			bool is_direct;

			pair(&w, a, b, 10 * (uint64_t)a + b);
			nat_world_run(&w, SECONDS(1) + SECONDS(3));
			is_direct = nat_world_is_direct(&w, A, B);
			assert_true(nat_world_reaches(&w, A, B, MS(500)));
			assert_true(nat_world_reaches(&w, B, A, MS(500)));
			nat_world_run(&w, SECONDS(1) + SECONDS(8));
			(void)nat_world_peer(&w, A, B, &v);
			print_message(
				"%-16s %-16s %-10s %llu ms%s%s\n", nat_kind_name(a),
				nat_kind_name(b), is_direct ? "direct" : "relayed",
				(unsigned long long)(w.hosts[A].linked_us
							     ? w.hosts[A].linked_us - SECONDS(1)
							     : 0) /
					1000,
				v.why_relayed ? ": " : "", v.why_relayed ? v.why_relayed : "");
			assert_int_equal(is_direct, in_theory(a, b));
			assert_int_equal(nat_world_is_direct(&w, A, B), in_theory(a, b));
			nat_world_done(&w);
		}
	}
}

static unsigned late_with_loss(uint32_t loss_percent, unsigned n)
{
	unsigned n_late = 0;

	for (uint64_t seed = 1; seed <= n; seed++) {
		enum nat_kind a = (enum nat_kind)(NAT_FULL_CONE + seed % 3);
		struct nat_world w;

		pair(&w, a, NAT_PORT_RESTRICTED, 1000 * loss_percent + seed);
		w.loss_ppm = loss_percent * 10000;
		nat_world_run(&w, SECONDS(1) + SECONDS(3));
		n_late += w.hosts[A].linked_us == 0;
		/* Whoever had bad luck is tried again. With much loss a link goes down and comes
		 * back, which is not what is asked here. */
		nat_world_run(&w, SECONDS(120));
		assert_true(w.hosts[A].linked_us > 0);
		nat_world_done(&w);
	}
	print_message("with loss of %u %%, %u of %u pairs took more than 3 s\n", loss_percent,
		      n_late, n);
	return n_late;
}

/* Of the three seconds two handshakes come first: each with the public node, and one through it. */
static void loss_delays_and_does_not_prevent(void **state)
{
	(void)state;
	assert_true(late_with_loss(1, 10) == 0);
	assert_true(late_with_loss(5, 10) <= 2);
	(void)late_with_loss(20, 10);
}

static void two_public_nodes_tell_one_kind_of_nat_from_the_other(void **state)
{
	(void)state;
	static const struct {
		enum nat_kind kind;
		enum nat_mapping mapping;
	} rows[] = { { NAT_OPEN, NAT_NONE },
		     { NAT_FULL_CONE, NAT_INDEPENDENT },
		     { NAT_PORT_RESTRICTED, NAT_INDEPENDENT },
		     { NAT_SYMMETRIC, NAT_DEPENDENT } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct node_nat_view v;
		struct nat_world w;

		pair(&w, rows[i].kind, NAT_OPEN, i + 1); /* B is the second observer */
		nat_world_run(&w, SECONDS(5));
		node_nat(w.hosts[A].node, &v);
		assert_int_equal(v.ipv4.mapping, rows[i].mapping);
		nat_world_done(&w);
	}
}

static void both_behind_symmetric_nats_are_told_why_there_is_no_link(void **state)
{
	(void)state;
	struct node_peer_view v;
	struct nat_world w;

	pair(&w, NAT_SYMMETRIC, NAT_SYMMETRIC, 3);
	(void)nat_world_add(&w, NAT_OPEN);
	w.hosts[3].traverse_links = 0;
	nat_world_boot(&w, 3, PUBLIC);
	nat_world_run(&w, SECONDS(60));
	assert_true(nat_world_peer(&w, A, B, &v));
	assert_false(v.is_neighbour);
	assert_string_equal(v.why_relayed, "both NATs give each destination another port");
	assert_true(v.n_tried >= 2);
	assert_int_equal(v.life, NODE_ACTIVE); /* it is, over relays */
	nat_world_done(&w);
}

static void a_node_that_starts_again_finds_others_without_the_public_one(void **state)
{
	(void)state;
	struct atlas_entry e;
	struct nat_world w;
	size_t cursor = 0;
	struct endpoint at[CANDIDATES_MAX + 1];
	size_t n = 0;

	pair(&w, NAT_PORT_RESTRICTED, NAT_FULL_CONE, 5);
	nat_world_run(&w, SECONDS(5));
	assert_true(nat_world_is_direct(&w, A, B));
	while (node_next_place(w.hosts[A].node, &cursor, &e)) {
		if (e.node_id != nat_world_id(&w, B))
			continue;
		at[n++] = e.reached;
		for (size_t i = 0; i < e.at.n; i++)
			at[n++] = e.at.list[i].at;
	}
	assert_true(n > 1);
	nat_world_halt(&w, PUBLIC);
	nat_world_halt(&w, A);
	nat_world_run(&w, w.now_us + SECONDS(20));
	assert_false(nat_world_is_direct(&w, B, A));
	nat_world_boot(&w, A, SIZE_MAX);
	node_learn_place(w.hosts[A].node, nat_world_id(&w, B), at, n);
	nat_world_run(&w, w.now_us + SECONDS(5));
	assert_true(nat_world_is_direct(&w, A, B));
	nat_world_done(&w);
}

static void packets_that_go_by_relays_make_a_link_up_to_the_bound(void **state)
{
	(void)state;
	struct nat_world w;

	nat_world_init(&w, ops, pki, 7);
	for (size_t i = 0; i < 5; i++) {
		(void)nat_world_add(&w, i == PUBLIC ? NAT_OPEN : NAT_PORT_RESTRICTED);
		w.hosts[i].traverse_links = 0; /* none is sought */
		w.hosts[i].traverse_links_max = i == A ? 2 : 8;
	}
	nat_world_boot(&w, PUBLIC, SIZE_MAX);
	for (size_t i = 0; i < 5; i++)
		if (i != PUBLIC)
			nat_world_boot(&w, i, PUBLIC);
	nat_world_run(&w, SECONDS(5));
	for (size_t i = 1; i < 5; i++)
		assert_int_equal(nat_world_is_direct(&w, A, i), i == PUBLIC);
	for (size_t i = 1; i < 5; i++) {
		nat_world_use(&w, A, i);
		nat_world_run(&w, w.now_us + SECONDS(4));
	}
	assert_true(nat_world_is_direct(&w, A, 1));
	assert_false(nat_world_is_direct(&w, A, 3)); /* two there are already */
	assert_false(nat_world_is_direct(&w, A, 4));
	assert_true(nat_world_reaches(&w, A, 4, SECONDS(1)));
	nat_world_use(&w, 4, A); /* nor when it is asked */
	nat_world_run(&w, w.now_us + SECONDS(4));
	assert_false(nat_world_is_direct(&w, A, 4));
	nat_world_done(&w);
}

/* What a member can have another send to an address that has nothing to do with either. */
static void a_lying_member_gets_little_sent_to_a_third_party(void **state)
{
	(void)state;
	struct endpoint victim[4];
	struct nat_world w;
	uint64_t before;

	pair(&w, NAT_OPEN, NAT_OPEN, 9);
	w.hosts[A].traverse_links = w.hosts[B].traverse_links = 0;
	nat_world_halt(&w, A);
	nat_world_halt(&w, B);
	nat_world_boot(&w, B, PUBLIC);
	nat_world_boot(&w, A, PUBLIC);
	w.hosts[A].kind = NAT_BLOCKED; /* so that no call of its ever succeeds */
	for (size_t i = 0; i < 4; i++) {
		victim[i] = w.hosts[PUBLIC].outside;
		victim[i].ip[15] = NAT_THIRD_PARTY;
		victim[i].port = (uint16_t)(1000 + i);
	}
	node_set_addresses(w.hosts[A].node, victim, 4, victim, 4, w.now_us);
	nat_world_run(&w, SECONDS(4));
	before = w.hosts[B].to_third_party;
	for (unsigned i = 0; i < 600; i++) { /* ten minutes of calls, as often as it likes */
		nat_world_call(&w, A, B);
		nat_world_run(&w, w.now_us + SECONDS(1));
	}
	print_message("ten minutes of calls: %llu bytes to a third party\n",
		      (unsigned long long)(w.hosts[B].to_third_party - before));
	/* 13 calls, each two addresses of that host, nine probes of 46 bytes */
	assert_true(w.hosts[B].to_third_party - before <= 13 * 2 * PUNCH_ROUNDS * 46);
	assert_true(w.hosts[B].to_third_party > before);
	nat_world_done(&w);
}

static void a_node_that_says_goodbye_has_left_for_all_that_know_it(void **state)
{
	(void)state;
	struct node_peer_view v;
	struct nat_world w;

	pair(&w, NAT_SYMMETRIC, NAT_SYMMETRIC, 11); /* A and B know each other over relays */
	nat_world_run(&w, SECONDS(5));
	assert_true(nat_world_reaches(&w, A, B, SECONDS(1)));
	assert_true(nat_world_peer(&w, A, B, &v));
	assert_int_equal(v.life, NODE_ACTIVE);
	node_goodbye(w.hosts[B].node, w.now_us);
	nat_world_poke(&w, B);
	nat_world_halt(&w, B);
	nat_world_run(&w, w.now_us + SECONDS(1));
	assert_true(nat_world_peer(&w, A, B, &v));
	assert_int_equal(v.life, NODE_LEFT);
	assert_true(nat_world_peer(&w, PUBLIC, B, &v));
	assert_int_equal(v.life, NODE_LEFT);
	nat_world_run(&w, w.now_us + SECONDS(400));
	assert_false(nat_world_peer(&w, PUBLIC, B, &v)); /* pruned */
	nat_world_done(&w);
}

static void a_silent_node_is_degraded_then_dead_then_forgotten(void **state)
{
	(void)state;
	struct node_peer_view v;
	struct nat_world w;

	pair(&w, NAT_OPEN, NAT_SYMMETRIC, 13);
	nat_world_run(&w, SECONDS(5));
	assert_true(nat_world_peer(&w, PUBLIC, B, &v));
	assert_int_equal(v.life, NODE_ACTIVE);
	nat_world_halt(&w, B);
	nat_world_run(&w, w.now_us + SECONDS(10));
	assert_true(nat_world_peer(&w, PUBLIC, B, &v));
	assert_int_equal(v.life, NODE_DEGRADED);
	nat_world_run(&w, w.now_us + SECONDS(60));
	assert_true(nat_world_peer(&w, PUBLIC, B, &v));
	assert_int_equal(v.life, NODE_DEAD);
	nat_world_run(&w, w.now_us + SECONDS(300));
	assert_false(nat_world_peer(&w, PUBLIC, B, &v));
	nat_world_boot(&w, B, PUBLIC);
	nat_world_run(&w, w.now_us + SECONDS(3));
	assert_true(nat_world_peer(&w, PUBLIC, B, &v));
	assert_int_equal(v.life, NODE_ACTIVE);
	nat_world_done(&w);
}

/* A mapping unused for a minute is gone; probes of the link keep it. */
static void a_link_through_nats_outlives_their_mappings(void **state)
{
	(void)state;
	struct nat_world w;

	pair(&w, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED, 17);
	nat_world_run(&w, SECONDS(5));
	assert_true(nat_world_is_direct(&w, A, B));
	nat_world_halt(&w, PUBLIC);
	nat_world_run(&w, SECONDS(400));
	assert_true(nat_world_is_direct(&w, A, B));
	assert_true(nat_world_reaches(&w, A, B, MS(300)));
	nat_world_done(&w);
}

static void without_traversal_nothing_is_told_or_probed(void **state)
{
	(void)state;
	struct node_nat_view v;
	struct nat_world w;

	nat_world_init(&w, ops, pki, 19);
	w.is_without_traversal = true;
	for (size_t i = 0; i < 3; i++)
		(void)nat_world_add(&w, NAT_OPEN);
	nat_world_boot(&w, PUBLIC, SIZE_MAX);
	nat_world_boot(&w, A, PUBLIC);
	nat_world_boot(&w, B, PUBLIC);
	nat_world_use(&w, A, B);
	nat_world_run(&w, SECONDS(10));
	assert_false(nat_world_is_direct(&w, A, B));
	node_nat(w.hosts[A].node, &v);
	assert_int_equal(v.ipv4.mapping, NAT_UNKNOWN);
	assert_int_equal(v.n_places, 0);
	nat_world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_behind_port_restricted_nats_get_a_direct_link),
		cmocka_unit_test(every_pair_is_direct_where_theory_allows_it_and_relayed_otherwise),
		cmocka_unit_test(loss_delays_and_does_not_prevent),
		cmocka_unit_test(two_public_nodes_tell_one_kind_of_nat_from_the_other),
		cmocka_unit_test(both_behind_symmetric_nats_are_told_why_there_is_no_link),
		cmocka_unit_test(a_node_that_starts_again_finds_others_without_the_public_one),
		cmocka_unit_test(packets_that_go_by_relays_make_a_link_up_to_the_bound),
		cmocka_unit_test(a_lying_member_gets_little_sent_to_a_third_party),
		cmocka_unit_test(a_node_that_says_goodbye_has_left_for_all_that_know_it),
		cmocka_unit_test(a_silent_node_is_degraded_then_dead_then_forgotten),
		cmocka_unit_test(a_link_through_nats_outlives_their_mappings),
		cmocka_unit_test(without_traversal_nothing_is_told_or_probed),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Classes and congestion marks from tunnel to tunnel, over a relay too. */
#include "core/forward/class.h"
#include "fixture.h"

#define N 3

struct line {
	struct sim *sim;
	struct node *nodes[N];
	/* the datagram that left each node last, and how it was to be treated */
	struct node_action sent[N];
	uint8_t wire[N][NODE_DATAGRAM_MAX]; /* its bytes, lent to who receives it */
	uint8_t delivered_class;
	unsigned n_delivered;
	uint8_t congested; /* mark that the network puts on all there is */
	bool is_congested[N];
};

static void drain(struct line *l, unsigned from)
{
	static const struct endpoint nobody;
	struct node_action a;

	while (node_next_action(l->nodes[from], &a)) {
		if (a.type == NODE_DELIVER) {
			l->n_delivered++;
			l->delivered_class = traffic_class(a.data);
		}
		if (a.type != NODE_SEND)
			continue;
		l->sent[from] = a;
		for (unsigned to = 0; to < N; to++) {
			struct peer *back, *there = peer_get(l->nodes[from], node_id(l->nodes[to]));
			uint8_t seen = a.traffic_class;

			if (!there || !there->neighbour ||
			    !endpoint_equal(&there->neighbour->roam.current, &a.endpoint))
				continue;
			back = peer_get(l->nodes[to], node_id(l->nodes[from]));
			if (l->is_congested[from] && (seen & ECN_MASK) != ECN_NOT_ECT)
				seen |= ECN_CE;
			if (l->congested && l->is_congested[from])
				seen = (uint8_t)((seen & DSCP_MASK) | l->congested);
			assert_true(a.data.len <= sizeof(l->wire[from]));
			memcpy(l->wire[from], a.data.at, a.data.len);
			node_input_lent(l->nodes[to],
					back && back->neighbour ? &back->neighbour->roam.current
								: &nobody,
					seen, l->wire[from], a.data.len, sim_now_us(l->sim));
		}
	}
}

static void send(struct line *l, unsigned to, uint8_t mark)
{
	uint8_t packet[100] = { [5] = 60, [6] = 17, [7] = 64, [40] = 1 };

	store_u16(packet, (uint16_t)(0x6000 | mark << 4));
	memcpy(packet + 8, node_overlay_address(l->nodes[0]), 16);
	memcpy(packet + 24, node_overlay_address(l->nodes[to]), 16);
	l->n_delivered = 0;
	node_input_packet(l->nodes[0], SPAN_OF(packet), sim_now_us(l->sim));
	for (unsigned i = 0; i < N; i++)
		drain(l, i);
}

static void make_line(struct line *l)
{
	*l = (struct line){ .sim = make_sim(N, true) };
	(void)sim_link(l->sim, 0, 1, &lan, true);
	(void)sim_link(l->sim, 1, 2, &lan, true);
	boot_all(l->sim, N);
	run(l->sim, SECONDS(3));
	assert_true(reaches(l->sim, 0, 2, SECONDS(1)));
	for (unsigned i = 0; i < N; i++)
		l->nodes[i] = sim_node(l->sim, i);
}

static void the_class_is_that_of_the_codepoint_at_each_hop(void **state)
{
	(void)state;
	static const struct {
		uint8_t dscp;
		enum wire_class class;
	} cases[] = { { 0, CLASS_BULK }, { 34, CLASS_INTERACTIVE }, { 46, CLASS_CRITICAL } };
	struct line l;

	make_line(&l);
	for (size_t i = 0; i < 3; i++) {
		send(&l, 2, (uint8_t)(cases[i].dscp << 2));
		assert_int_equal(l.n_delivered, 1);
		assert_int_equal(l.delivered_class, cases[i].dscp << 2);
		for (unsigned hop = 0; hop < 2; hop++) {
			assert_int_equal(l.sent[hop].class, cases[i].class);
			assert_false(l.sent[hop].is_control);
			assert_int_equal(l.sent[hop].traffic_class, 0); /* nobody need see it */
			assert_int_equal(l.sent[hop].data.at[WIRE_LANE_AT] == WIRE_LANE_URGENT,
					 cases[i].class != CLASS_BULK);
		}
		send(&l, 1, (uint8_t)(cases[i].dscp << 2));
		assert_int_equal(l.n_delivered, 1);
		assert_int_equal(l.sent[0].class, cases[i].class);
	}
	sim_free(l.sim);
}

static void the_mark_goes_out_as_it_came_in(void **state)
{
	(void)state;
	struct line l;

	make_line(&l);
	for (uint8_t mark = 0; mark < 4; mark++)
		for (unsigned to = 1; to < N; to++) {
			send(&l, to, mark);
			assert_int_equal(l.n_delivered, 1);
			assert_int_equal(l.delivered_class, mark);
			assert_int_equal(l.sent[0].traffic_class, mark);
		}
	sim_free(l.sim);
}

static void congestion_on_any_hop_is_told_at_the_end(void **state)
{
	(void)state;
	struct node_counters c;
	struct line l;

	make_line(&l);
	for (unsigned hop = 0; hop < 2; hop++) {
		memset(l.is_congested, 0, sizeof(l.is_congested));
		l.is_congested[hop] = true;
		send(&l, 2, ECN_ECT_0);
		assert_int_equal(l.n_delivered, 1);
		assert_int_equal(l.delivered_class, ECN_CE);
		send(&l, 2, ECN_ECT_1);
		assert_int_equal(l.delivered_class, ECN_CE);
		send(&l, 2, ECN_NOT_ECT); /* the network leaves it alone */
		assert_int_equal(l.n_delivered, 1);
		assert_int_equal(l.delivered_class, ECN_NOT_ECT);
	}
	node_counters(l.nodes[2], &c);
	assert_int_equal(c.ecn_marked, 4);
	assert_int_equal(c.ecn_dropped, 0);
	l.congested = ECN_CE; /* a router that marks what must not be marked */
	send(&l, 2, ECN_NOT_ECT);
	assert_int_equal(l.n_delivered, 0);
	node_counters(l.nodes[2], &c);
	assert_int_equal(c.ecn_dropped, 1);
	sim_free(l.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_class_is_that_of_the_codepoint_at_each_hop),
		cmocka_unit_test(the_mark_goes_out_as_it_came_in),
		cmocka_unit_test(congestion_on_any_hop_is_told_at_the_end),
	};

	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}

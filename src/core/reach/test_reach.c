/* SPDX-License-Identifier: Apache-2.0 */
/* Tables with reach beside them, joined in lines and rings: the tree, look-ups, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include "base/units.h"
#include "core/link/stream.h"
#include "core/reach/internal.h"

#define N_MAX 40
#define MESSAGES_MAX 65536
#define COST 10

struct message {
	uint64_t from, to;
	uint8_t type;
	uint8_t body[1240];
	size_t len;
};

static struct routes *routes[N_MAX + 1];
static struct reach *reaches[N_MAX + 1];
static bool is_joined[N_MAX + 1][N_MAX + 1];
static struct message *messages;
static size_t head, tail;
static uint64_t now_us;
static unsigned n_nodes;
static unsigned n_found, n_failed, n_requests;
static uint64_t last_found, last_failed;

static void put(uint64_t from, uint64_t to, uint8_t type, const uint8_t *body, size_t len)
{
	struct message *m = &messages[tail++ % MESSAGES_MAX];

	assert_true(tail - head < MESSAGES_MAX);
	*m = (struct message){ .from = from, .to = to, .type = type, .len = len };
	memcpy(m->body, body, len);
	n_requests += type == RECORD_ROUTE_REQUEST;
}

static void drain(unsigned node)
{
	struct reach_action out;
	struct route_action a;
	bool has_more;

	do {
		has_more = false;
		while (routes_next_action(routes[node], &a)) {
			if (a.type == ROUTE_CHANGED)
				reach_route_changed(reaches[node], a.destination, now_us);
			else
				put(node, a.neighbour, a.record_type, a.body, a.len);
		}
		while (reach_next_action(reaches[node], &out)) {
			has_more = true;
			if (out.type == REACH_SEND)
				put(node, out.neighbour, out.record_type, out.body, out.len);
			n_found += out.type == REACH_FOUND;
			n_failed += out.type == REACH_FAILED;
			last_found = out.type == REACH_FOUND ? out.destination : last_found;
			last_failed = out.type == REACH_FAILED ? out.destination : last_failed;
		}
	} while (has_more);
}

static void deliver_all(void)
{
	while (head != tail) {
		struct message m = messages[head++ % MESSAGES_MAX];
		int r;

		if (!is_joined[m.from][m.to])
			continue;
		if (m.type >= RECORD_TREE)
			r = reach_input(reaches[m.to], m.from, m.type, SPAN(m.body, m.len), now_us);
		else
			r = routes_input(routes[m.to], m.from, m.type, SPAN(m.body, m.len), now_us);
		assert_int_equal(r, 0);
		drain((unsigned)m.to);
	}
}

static void run(uint64_t for_us)
{
	uint64_t step_us = for_us > SECONDS(5) ? MS(20) : MS(1); /* of long rests, coarser */

	for (uint64_t end_us = now_us + for_us; now_us < end_us; now_us += step_us) {
		for (unsigned i = 1; i <= n_nodes; i++) {
			if (now_us >= routes_deadline_us(routes[i]))
				routes_tick(routes[i], now_us);
			if (now_us >= reach_deadline_us(reaches[i]))
				reach_tick(reaches[i], now_us);
			drain(i);
		}
		deliver_all();
	}
}

static void join(unsigned a, unsigned b)
{
	is_joined[a][b] = is_joined[b][a] = true;
	assert_int_equal(routes_neighbour_up(routes[a], b, COST, now_us), 0);
	assert_int_equal(reach_neighbour_up(reaches[a], b, COST, now_us), 0);
	assert_int_equal(routes_neighbour_up(routes[b], a, COST, now_us), 0);
	assert_int_equal(reach_neighbour_up(reaches[b], a, COST, now_us), 0);
	drain(a);
	drain(b);
}

static void part(unsigned a, unsigned b)
{
	is_joined[a][b] = is_joined[b][a] = false;
	routes_neighbour_down(routes[a], b, now_us);
	reach_neighbour_down(reaches[a], b, now_us);
	routes_neighbour_down(routes[b], a, now_us);
	reach_neighbour_down(reaches[b], a, now_us);
	drain(a);
	drain(b);
}

static void begin(unsigned n, size_t flat_max, size_t zone_max)
{
	messages = calloc(MESSAGES_MAX, sizeof(*messages));
	assert_non_null(messages);
	head = tail = 0;
	now_us = SECONDS(1);
	n_nodes = n;
	n_found = n_failed = n_requests = 0;
	memset(is_joined, 0, sizeof(is_joined));
	for (unsigned i = 1; i <= n; i++) {
		struct route_config rc = { .self = i, .epoch = 1, .seed = i };
		struct reach_config c = {
			.self = i, .epoch = 1, .seed = i, .flat_max = flat_max, .zone_max = zone_max
		};

		assert_int_equal(routes_new(&rc, now_us, &routes[i]), 0);
		c.routes = routes[i];
		assert_int_equal(reach_new(&c, now_us, &reaches[i]), 0);
	}
}

static void end(void)
{
	for (unsigned i = 1; i <= n_nodes; i++) {
		reach_free(reaches[i]);
		routes_free(routes[i]);
	}
	free(messages);
}

static void line(unsigned n, size_t zone_max)
{
	begin(n, 8, zone_max);
	for (unsigned i = 1; i < n; i++)
		join(i, i + 1);
	run(SECONDS(2));
}

/* Next hops lead there. */
static unsigned walk(uint64_t from, uint64_t to)
{
	unsigned n = 0;

	for (uint64_t at = from; at != to; n++) {
		at = routes_next_hop(routes[at], to);
		if (at == 0 || n > N_MAX)
			return 0;
	}
	return n;
}

static struct reach_view view(unsigned node)
{
	struct reach_view v;

	reach_view(reaches[node], &v);
	return v;
}

/* ---- tree ---- */

static void all_agree_on_one_root_and_count_the_nodes(void **state)
{
	(void)state;
	unsigned n_roots = 0;

	line(20, 4);
	for (unsigned i = 1; i <= 20; i++) {
		struct reach_view v = view(i);

		assert_int_equal(v.root, view(1).root);
		assert_int_equal(v.n_nodes, 20);
		assert_true(v.is_zoned);
		n_roots += v.parent == 0;
	}
	assert_int_equal(n_roots, 1);
	end();
}

static void a_small_mesh_is_one_zone(void **state)
{
	(void)state;
	line(8, 4);
	for (unsigned i = 1; i <= 8; i++) {
		assert_false(view(i).is_zoned);
		assert_int_equal(routes_count_reachable(routes[i]), 7);
	}
	assert_int_equal(reach_want(reaches[1], 99, now_us), -ENETUNREACH);
	assert_int_equal(n_requests, 0);
	end();
}

static void
a_mesh_that_grows_is_zoned_with_a_tenth_more_and_flat_again_when_it_shrinks(void **state)
{
	(void)state;
	begin(20, 10, 4);
	for (unsigned i = 1; i < 10; i++)
		join(i, i + 1);
	run(SECONDS(2));
	assert_false(view(1).is_zoned);
	join(10, 11);
	run(SECONDS(15));
	assert_true(view(1).is_zoned); /* eleven: a tenth more than ten */
	part(10, 11);
	run(SECONDS(15));
	assert_false(view(1).is_zoned);
	assert_int_equal(routes_count_reachable(routes[1]), 9);
	end();
}

static void a_tree_that_lost_its_root_has_another(void **state)
{
	(void)state;
	unsigned root;

	begin(12, 8, 4);
	for (unsigned i = 1; i < 12; i++)
		join(i, i + 1);
	join(12, 1);
	run(SECONDS(2));
	root = (unsigned)view(1).root;
	for (unsigned i = 1; i <= 12; i++) {
		if (is_joined[root][i])
			part(root, i);
	}
	run(SECONDS(20));
	for (unsigned i = 1; i <= 12; i++) {
		if (i == root)
			continue;
		assert_int_not_equal(view(i).root, root);
		assert_int_equal(view(i).root,
				 view(i % 12 + 1 == root ? root % 12 + 1 : i % 12 + 1).root);
		assert_int_equal(view(i).n_nodes, 11);
	}
	end();
}

/* A ring cut where the tree goes: those behind ask for a newer stamp and are in it again. */
static void a_cut_tree_is_joined_again_another_way(void **state)
{
	(void)state;
	unsigned a, b;

	begin(12, 8, 4);
	for (unsigned i = 1; i < 12; i++)
		join(i, i + 1);
	join(12, 1);
	run(SECONDS(2));
	a = (unsigned)view(1).root;
	b = is_joined[a][a % 12 + 1] && view(a % 12 + 1).parent == a ? a % 12 + 1
								     : (a + 10) % 12 + 1;
	part(a, b);
	run(SECONDS(20));
	for (unsigned i = 1; i <= 12; i++) {
		assert_int_equal(view(i).root, a);
		assert_int_equal(view(i).n_nodes, 12);
	}
	end();
}

static void a_parent_stays_until_another_is_much_nearer(void **state)
{
	(void)state;
	struct reach_counters before, after;
	unsigned leaf;

	begin(3, 8, 4);
	join(1, 2);
	join(2, 3);
	join(3, 1);
	run(SECONDS(1));
	leaf = (unsigned)view(1).root % 3 + 1;
	reach_counters(reaches[leaf], &before);
	reach_neighbour_cost(reaches[leaf], view(leaf).parent, 2 * COST + 5, now_us);
	run(SECONDS(300)); /* past the next stamp */
	reach_counters(reaches[leaf], &after);
	assert_int_equal(after.parents, before.parents); /* 25 against 20 */
	reach_neighbour_cost(reaches[leaf], view(leaf).parent, 3 * COST, now_us);
	run(SECONDS(300));
	reach_counters(reaches[leaf], &after);
	assert_int_equal(after.parents, before.parents + 1); /* 30 against 20 */
	end();
}

static void a_filter_has_what_was_added(void **state)
{
	(void)state;
	uint64_t *filter = calloc(FILTER_WORDS, sizeof(*filter));
	unsigned n = 0;

	assert_non_null(filter);
	for (uint64_t id = 1; id <= 5000; id++)
		filter_add(filter, id);
	for (uint64_t id = 1; id <= 5000; id++)
		assert_true(filter_has(filter, id));
	for (uint64_t id = 100001; id <= 110000; id++)
		n += filter_has(filter, id);
	assert_in_range(n, 10, 100); /* one in two hundred is to be expected */
	free(filter);
}

/* ---- routes ---- */

static void a_node_beyond_the_zone_is_found_by_the_tree(void **state)
{
	(void)state;
	struct reach_counters c;

	line(20, 4);
	assert_int_equal(walk(1, 20), 0);
	assert_int_equal(reach_want(reaches[1], 20, now_us), -EAGAIN);
	drain(1);
	run(MS(5));
	assert_int_equal(n_found, 1);
	assert_int_equal(last_found, 20);
	assert_int_equal(walk(1, 20), 19);
	assert_int_equal(walk(20, 1), 19); /* and there is a way back */
	assert_int_equal(reach_want(reaches[1], 20, now_us), 0);
	reach_counters(reaches[1], &c);
	assert_int_equal(c.requests, 1);
	reach_counters(reaches[20], &c);
	assert_int_equal(c.answered, 1);
	end();
}

static void without_a_filter_that_knows_it_the_rings_find_it(void **state)
{
	(void)state;
	line(20, 4);
	for (unsigned i = 1; i <= 20; i++) {
		for (size_t k = 0; k < reaches[i]->n_peers; k++) {
			free(reaches[i]->peers[k].filter);
			reaches[i]->peers[k].filter = NULL;
		}
	}
	(void)reach_want(reaches[1], 20, now_us);
	drain(1);
	run(SECONDS(3));
	assert_int_equal(n_found, 1);
	assert_int_equal(walk(1, 20), 19);
	end();
}

static void who_is_not_there_is_looked_for_once_and_not_again_at_once(void **state)
{
	(void)state;
	unsigned n;

	line(20, 4);
	assert_int_equal(reach_want(reaches[1], 99, now_us), -EAGAIN);
	drain(1);
	run(SECONDS(3));
	assert_int_equal(n_failed, 1);
	assert_int_equal(last_failed, 99);
	n = n_requests;
	for (unsigned i = 0; i < 100; i++)
		(void)reach_want(reaches[1], 99, now_us);
	run(SECONDS(3)); /* one more search at most: the wait has doubled */
	assert_true(n_requests - n <= n);
	end();
}

static void a_route_in_use_stays_and_one_that_is_not_goes(void **state)
{
	(void)state;
	struct reach_counters c;

	line(20, 4);
	(void)reach_want(reaches[1], 20, now_us);
	drain(1);
	for (unsigned i = 0; i < 150; i++) {
		run(SECONDS(1));
		assert_int_equal(reach_want(reaches[1], 20, now_us), 0);
		drain(1);
	}
	assert_int_equal(walk(1, 20), 19);
	reach_counters(reaches[1], &c);
	assert_in_range(c.confirms, 7, 10);
	run(SECONDS(150));
	assert_int_equal(walk(1, 20), 0);
	assert_int_equal(view(1).n_wants, 0);
	assert_int_equal(routes_next_hop(routes[10], 20), 0); /* nor do those between know it */
	end();
}

static void a_broken_route_is_told_upstream_and_found_another_way(void **state)
{
	(void)state;
	begin(24, 8, 4);
	for (unsigned i = 1; i < 24; i++)
		join(i, i + 1);
	join(24, 1);
	run(SECONDS(2));
	(void)reach_want(reaches[1], 12, now_us);
	drain(1);
	run(SECONDS(1));
	assert_true(walk(1, 12) > 0);
	if (walk(1, 12) == 11)
		part(6, 7);
	else
		part(18, 19);
	(void)reach_want(reaches[1], 12, now_us);
	drain(1);
	run(SECONDS(5));
	assert_true(walk(1, 12) > 0);
	end();
}

/* ---- limits and hostile input ---- */

static struct reach_request request_for(uint64_t origin, uint64_t destination, uint32_t id)
{
	return (struct reach_request){ .kind = REQUEST_RING,
				       .hops_left = 255,
				       .destination = destination,
				       .origin = origin,
				       .id = id,
				       .first = 2 };
}

static int input_request(unsigned node, uint64_t from, const struct reach_request *q)
{
	uint8_t bytes[REACH_REQUEST_LEN];
	struct writer w = writer_of(bytes, sizeof(bytes));
	int r;

	reach_request_encode(&w, q);
	r = reach_input(reaches[node], from, RECORD_ROUTE_REQUEST, SPAN(bytes, w.len), now_us);
	drain(node);
	return r;
}

static void a_copy_is_not_sent_on(void **state)
{
	(void)state;
	struct reach_request q = request_for(77, 99, 1);
	struct reach_counters c;

	line(3, 4);
	assert_int_equal(input_request(2, 1, &q), 0);
	assert_int_equal(input_request(2, 1, &q), 0);
	assert_int_equal(input_request(2, 3, &q), 0);
	reach_counters(reaches[2], &c);
	assert_int_equal(c.relayed, 1);
	assert_int_equal(c.copies, 2);
	end();
}

static void an_origin_and_a_neighbour_are_held_to_their_rates(void **state)
{
	(void)state;
	struct reach_counters c;

	line(3, 4);
	for (uint32_t i = 0; i < 40; i++) {
		struct reach_request q = request_for(77, 1000 + i, i);

		assert_int_equal(input_request(2, 1, &q), 0);
	}
	reach_counters(reaches[2], &c);
	assert_int_equal(c.relayed, REACH_ORIGIN_RATE);
	now_us += SECONDS(1);
	for (uint32_t i = 0; i < 200; i++) {
		struct reach_request q = request_for(1000 + i, 99, i);

		assert_int_equal(input_request(2, 1, &q), 0);
	}
	reach_counters(reaches[2], &c);
	assert_int_equal(c.relayed, REACH_ORIGIN_RATE + REACH_NEIGHBOUR_RATE);
	end();
}

static void three_copies_by_different_hops_are_answered(void **state)
{
	(void)state;
	struct reach_request q = request_for(77, 1, 1);
	struct reach_counters c;

	begin(6, 8, 4);
	for (unsigned i = 2; i <= 6; i++)
		join(1, i);
	for (unsigned i = 2; i <= 6; i++) {
		q.first = i;
		assert_int_equal(input_request(1, i, &q), 0);
		assert_int_equal(input_request(1, i, &q), 0);
	}
	reach_counters(reaches[1], &c);
	assert_int_equal(c.answered, REACH_ANSWERS_MAX);
	end();
}

static void full_tables_of_wants_origins_and_neighbours_stay_bounded(void **state)
{
	(void)state;
	line(20, 4);
	for (uint64_t id = 0; id < REACH_WANTS_MAX; id++)
		assert_int_equal(reach_want(reaches[1], 1000 + id, now_us), -EAGAIN);
	assert_int_equal(reach_want(reaches[1], 999, now_us), -ENOBUFS);
	assert_int_equal(view(1).n_wants, REACH_WANTS_MAX);
	for (uint32_t i = 0; i < 2 * REACH_SEEN_MAX; i++) {
		struct reach_request q = request_for(5000 + i, 20, i);

		now_us += MS(20);
		assert_int_equal(input_request(10, 9, &q), 0);
	}
	assert_int_equal(reaches[10]->n_origins, REACH_ORIGINS_MAX);
	assert_int_equal(reaches[10]->n_seen, REACH_SEEN_MAX);
	for (uint32_t i = 0; i < 2 * REACH_ANSWERED_MAX; i++) {
		struct reach_request q = request_for(5000 + i, 10, i);

		now_us += MS(20);
		assert_int_equal(input_request(10, 9, &q), 0);
	}
	assert_int_equal(reaches[10]->n_answered, REACH_ANSWERED_MAX);
	for (uint64_t id = 100; id < 98 + REACH_NEIGHBOURS_MAX + 1; id++)
		assert_int_equal(reach_neighbour_up(reaches[1], id, 1, now_us), 0);
	assert_int_equal(reach_neighbour_up(reaches[1], 9999, 1, now_us), -ENOBUFS);
	end();
}

static void what_no_honest_neighbour_would_send_is_refused(void **state)
{
	(void)state;
	static const struct {
		uint8_t type;
		uint8_t len;
		int error;
		uint8_t bytes[40];
	} bad[] = {
		{ RECORD_TREE, 0, -EBADMSG, { 0 } },
		{ RECORD_TREE, TREE_LEN - 1, -EBADMSG, { 0 } },
		{ RECORD_TREE, TREE_LEN, -EPROTO, { 0 } },    /* root 0 */
		{ RECORD_TREE, TREE_LEN, -EPROTO, { 8, 1 } }, /* unknown flag */
		{ RECORD_TREE, TREE_LEN, -EPROTO, { 0, 0, 0, 0, 0, 0, 0, 0, 9 } }, /* cost 0 to 9 */
		{ RECORD_TREE_FILTER, 0, -EBADMSG, { 0 } },
		{ RECORD_TREE_FILTER, 2, -EBADMSG, { 0 } },
		{ RECORD_TREE_FILTER, 1, -EPROTO, { 3 } },
		{ RECORD_TREE_ASK, TREE_ASK_LEN, -EPROTO, { 0 } },
		{ RECORD_TREE_ASK, TREE_ASK_LEN + 1, -EBADMSG, { 1 } },
		{ RECORD_ROUTE_REQUEST, REACH_REQUEST_LEN - 1, -EBADMSG, { 0 } },
		{ RECORD_ROUTE_REQUEST, REACH_REQUEST_LEN, -EPROTO, { 3, 1, 0, 1 } },
		{ RECORD_ROUTE_REQUEST, REACH_REQUEST_LEN, -EPROTO, { 0, 0, 0, 1 } },
		{ RECORD_ROUTE_UPDATE, 1, -EPROTO, { 0 } },
	};
	struct reach_counters c;

	line(3, 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(reach_input(reaches[2], 1, bad[i].type,
					     SPAN(bad[i].bytes, bad[i].len), now_us),
				 bad[i].error);
	reach_counters(reaches[2], &c);
	assert_int_equal(c.refused, sizeof(bad) / sizeof(bad[0]));
	assert_int_equal(reach_input(reaches[2], 0, RECORD_TREE, SPAN(bad, 1), now_us), -EPROTO);
	assert_int_equal(reach_input(reaches[2], 2, RECORD_TREE, SPAN(bad, 1), now_us), -EPROTO);
	end();
}

static void records_are_read_as_they_were_written(void **state)
{
	(void)state;
	struct tree_record t = { TREE_MATURE, 1, UINT64_C(0x1122334455667788), 3, 4 };
	struct tree_ask a = { 5, 6 };
	struct reach_request q = request_for(7, 8, 9);
	struct tree_record t2;
	struct tree_ask a2;
	struct reach_request q2;
	uint8_t bytes[40];
	struct writer w = writer_of(bytes, sizeof(bytes));

	tree_encode(&w, &t);
	assert_int_equal(w.len, TREE_LEN);
	assert_int_equal(tree_decode(SPAN(bytes, w.len), &t2), 0);
	assert_true(t2.flags == t.flags && t2.root == 1 && t2.stamp == t.stamp && t2.cost == 3 &&
		    t2.n == 4);
	t.stamp = UINT64_MAX; /* nothing would come after it */
	w = writer_of(bytes, sizeof(bytes));
	tree_encode(&w, &t);
	assert_int_equal(tree_decode(SPAN(bytes, w.len), &t2), -EPROTO);
	w = writer_of(bytes, sizeof(bytes));
	tree_ask_encode(&w, &a);
	assert_int_equal(tree_ask_decode(SPAN(bytes, w.len), &a2), 0);
	assert_true(a2.root == 5 && a2.stamp == 6);
	w = writer_of(bytes, sizeof(bytes));
	q.wanted = (struct route_wanted){ 10, 11 };
	reach_request_encode(&w, &q);
	assert_int_equal(w.len, REACH_REQUEST_LEN);
	assert_int_equal(reach_request_decode(SPAN(bytes, w.len), &q2), 0);
	assert_true(q2.kind == q.kind && q2.origin == 7 && q2.destination == 8 && q2.id == 9 &&
		    q2.first == 2 && q2.wanted.epoch == 10 && q2.wanted.seqno == 11);
}

static void limits_outside_their_ranges_are_refused(void **state)
{
	(void)state;
	struct reach_config c = { .self = 1 };
	struct route_config rc = { .self = 1, .epoch = 1 };
	struct reach *r;

	assert_int_equal(reach_new(&c, 1, &r), -EINVAL);
	assert_int_equal(routes_new(&rc, 1, &c.routes), 0);
	c.flat_max = REACH_FLAT_MIN - 1;
	assert_int_equal(reach_new(&c, 1, &r), -EINVAL);
	c.flat_max = REACH_FLAT_MAX + 1;
	assert_int_equal(reach_new(&c, 1, &r), -EINVAL);
	c.flat_max = 0;
	c.zone_max = REACH_ZONE_MIN - 1;
	assert_int_equal(reach_new(&c, 1, &r), -EINVAL);
	routes_free(c.routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_agree_on_one_root_and_count_the_nodes),
		cmocka_unit_test(a_small_mesh_is_one_zone),
		cmocka_unit_test(
			a_mesh_that_grows_is_zoned_with_a_tenth_more_and_flat_again_when_it_shrinks),
		cmocka_unit_test(a_tree_that_lost_its_root_has_another),
		cmocka_unit_test(a_cut_tree_is_joined_again_another_way),
		cmocka_unit_test(a_parent_stays_until_another_is_much_nearer),
		cmocka_unit_test(a_filter_has_what_was_added),
		cmocka_unit_test(a_node_beyond_the_zone_is_found_by_the_tree),
		cmocka_unit_test(without_a_filter_that_knows_it_the_rings_find_it),
		cmocka_unit_test(who_is_not_there_is_looked_for_once_and_not_again_at_once),
		cmocka_unit_test(a_route_in_use_stays_and_one_that_is_not_goes),
		cmocka_unit_test(a_broken_route_is_told_upstream_and_found_another_way),
		cmocka_unit_test(a_copy_is_not_sent_on),
		cmocka_unit_test(an_origin_and_a_neighbour_are_held_to_their_rates),
		cmocka_unit_test(three_copies_by_different_hops_are_answered),
		cmocka_unit_test(full_tables_of_wants_origins_and_neighbours_stay_bounded),
		cmocka_unit_test(what_no_honest_neighbour_would_send_is_refused),
		cmocka_unit_test(records_are_read_as_they_were_written),
		cmocka_unit_test(limits_outside_their_ranges_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

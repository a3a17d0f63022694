/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/link/stream.h"
#include "core/route/table.h"

/* One table, fed by hand: neighbours 1, 2, 3 ..., ourselves 100, destinations from 1,000 on. */
#define ME 100
#define D 1000

struct bed {
	struct routes *t;
	uint64_t now_us;
	uint8_t body[RECORD_MAX];
	struct writer w;
};

static void bed_init(struct bed *b, unsigned n_neighbours)
{
	struct route_config config = { .self = ME, .epoch = 7, .seed = 1 };

	b->now_us = SECONDS(10);
	assert_int_equal(routes_new(&config, b->now_us, &b->t), 0);
	for (unsigned i = 1; i <= n_neighbours; i++)
		assert_int_equal(routes_neighbour_up(b->t, i, 10, b->now_us), 0);
	b->w = writer_of(b->body, sizeof(b->body));
}

static void bed_prove(struct bed *b, const struct route_proofs *proofs)
{
	b->t->config.proofs = proofs;
}

static void bed_done(struct bed *b)
{
	routes_free(b->t);
}

static void add(struct bed *b, struct entry e)
{
	assert_true(entry_encode(&b->w, &e));
}

static int give(struct bed *b, uint64_t from, uint8_t type)
{
	int r = routes_input(b->t, from, type, SPAN(b->body, b->w.len), b->now_us);

	b->w = writer_of(b->body, sizeof(b->body));
	return r;
}

static int offer(struct bed *b, uint64_t from, uint64_t destination, uint16_t seqno,
		 uint32_t metric)
{
	add(b, (struct entry){ .destination = destination,
			       .epoch = 1,
			       .seqno = seqno,
			       .metric = metric,
			       .hops = 3 });
	return give(b, from, RECORD_ROUTE_UPDATE);
}

static int ask(struct bed *b, uint64_t from, uint64_t destination, uint32_t epoch, uint16_t seqno,
	       uint8_t hops)
{
	struct request q = { destination, epoch, seqno, hops };

	request_encode(&b->w, &q);
	return give(b, from, RECORD_SEQNO_REQUEST);
}

/* What is sent in the next 20 ms: the last entry and request for a destination, by neighbour. */
struct sent {
	unsigned n_entries[8], n_requests[8], n_records, n_changes;
	struct entry entry[8];
	struct request request[8];
};

static void note_record(struct sent *s, const struct route_action *a, uint64_t destination)
{
	struct reader r = reader_of(SPAN(a->body, a->len));
	struct entry e;
	struct request q;

	assert_true(a->len > 0 && a->len <= RECORD_MAX && a->neighbour < 8);
	s->n_records++;
	while (a->record_type == RECORD_ROUTE_UPDATE && r.left) {
		assert_int_equal(entry_decode(&r, &e), 0);
		if (e.destination == destination) {
			s->n_entries[a->neighbour]++;
			s->entry[a->neighbour] = e;
		}
	}
	while (a->record_type == RECORD_SEQNO_REQUEST && r.left) {
		assert_int_equal(request_decode(&r, &q), 0);
		if (q.destination == destination) {
			s->n_requests[a->neighbour]++;
			s->request[a->neighbour] = q;
		}
	}
}

static struct sent sent_for(struct bed *b, uint64_t destination, uint64_t for_us)
{
	struct sent s = { 0 };
	struct route_action a;

	for (uint64_t end_us = b->now_us + for_us; b->now_us <= end_us; b->now_us += MS(1)) {
		routes_tick(b->t, b->now_us);
		while (routes_next_action(b->t, &a)) {
			if (a.type == ROUTE_SEND)
				note_record(&s, &a, destination);
			else if (a.destination == destination)
				s.n_changes++;
		}
	}
	return s;
}

static struct route look(struct bed *b, uint64_t destination)
{
	struct route r = { 0 };

	(void)routes_lookup(b->t, destination, &r);
	return r;
}

/* ---- the feasibility condition ---- */

static void a_distance_is_closer_by_epoch_then_seqno_then_metric(void **state)
{
	(void)state;
	struct distance base = { .epoch = 5, .seqno = 65535, .metric = 100 };
	struct distance d = base;

	assert_false(distance_is_closer(&d, &base)); /* equal is not closer */
	d.metric = 99;
	assert_true(distance_is_closer(&d, &base));
	d = (struct distance){ 5, 0, 0xfffffe }; /* the seqno wraps */
	assert_true(distance_is_closer(&d, &base));
	assert_false(distance_is_closer(&base, &d));
	d = (struct distance){ 6, 3, 0xfffffe };
	assert_true(distance_is_closer(&d, &base));
	d = (struct distance){ 4, 0, 0 };
	assert_false(distance_is_closer(&d, &base));
	assert_true(distance_is_older(&d, &base));
}

static void a_route_no_closer_than_what_was_advertised_is_not_taken(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 3);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	(void)sent_for(&b, D, MS(20)); /* advertised at 60: that is the feasibility distance */
	assert_int_equal(offer(&b, 2, D, 1, 60), 0);
	assert_int_equal(offer(&b, 3, D, 1, 61), 0);
	routes_neighbour_down(b.t, 1, b.now_us);
	assert_int_equal(look(&b, D).next_hop, 0);
	assert_int_equal(offer(&b, 2, D, 1, 59), 0);
	assert_int_equal(look(&b, D).next_hop, 2);
	assert_int_equal(look(&b, D).metric, 69);
	bed_done(&b);
}

static void a_later_seqno_or_epoch_makes_any_metric_feasible(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 2);
	assert_int_equal(offer(&b, 1, D, 65535, 50), 0);
	(void)sent_for(&b, D, MS(20));
	routes_neighbour_down(b.t, 1, b.now_us);
	assert_int_equal(offer(&b, 2, D, 0, 5000), 0); /* wrapped */
	assert_int_equal(look(&b, D).next_hop, 2);
	bed_done(&b);
}

static void the_next_hop_is_kept_when_its_metric_rises(void **state)
{
	(void)state;
	struct bed b;
	uint32_t epoch, metric;
	uint16_t seqno;

	bed_init(&b, 2);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	(void)sent_for(&b, D, MS(20));
	assert_int_equal(offer(&b, 1, D, 1, 500), 0);
	assert_int_equal(look(&b, D).next_hop, 1);
	assert_int_equal(look(&b, D).metric, 510);
	(void)sent_for(&b, D, MS(20));
	assert_true(routes_feasibility(b.t, D, &epoch, &seqno, &metric));
	assert_int_equal(metric, 60); /* never rises */
	bed_done(&b);
}

static void a_better_route_that_is_not_feasible_is_asked_for_where_it_is(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 3);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	(void)sent_for(&b, D, MS(20));
	assert_int_equal(offer(&b, 1, D, 1, 500), 0);
	assert_int_equal(offer(&b, 2, D, 1, 100), 0);
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.n_requests[2], 1);
	assert_int_equal(s.request[2].seqno, 2);
	assert_int_equal(s.n_requests[1] + s.n_requests[3], 0);
	assert_int_equal(offer(&b, 2, D, 2, 100), 0);
	assert_int_equal(look(&b, D).next_hop, 2);
	bed_done(&b);
}

static void a_later_epoch_wins_over_a_smaller_metric(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 2);
	assert_int_equal(offer(&b, 1, D, 9, 5), 0);
	add(&b, (struct entry){ .destination = D, .epoch = 2, .seqno = 0, .metric = 900 });
	assert_int_equal(give(&b, 2, RECORD_ROUTE_UPDATE), 0);
	assert_int_equal(look(&b, D).next_hop, 2);
	assert_int_equal(look(&b, D).epoch, 2);
	bed_done(&b);
}

/* ---- repair ---- */

static void down_switches_to_the_best_feasible_alternate_in_the_same_call(void **state)
{
	(void)state;
	struct bed b;
	struct route_action a;

	bed_init(&b, 3);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	assert_int_equal(offer(&b, 2, D, 1, 55), 0);
	assert_int_equal(offer(&b, 3, D, 1, 52), 0);
	(void)sent_for(&b, D, MS(20));
	assert_int_equal(look(&b, D).n_alternates, 2);
	assert_int_equal(look(&b, D).alternates[0], 3);
	routes_neighbour_down(b.t, 1, b.now_us);
	assert_int_equal(look(&b, D).next_hop, 3);
	assert_true(routes_next_action(b.t, &a));
	assert_int_equal(a.type, ROUTE_CHANGED);
	assert_int_equal(a.destination, D);
	bed_done(&b);
}

static void alternates_are_feasible_first_then_loop_free(void **state)
{
	(void)state;
	struct bed b;
	struct route r;

	bed_init(&b, 4);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	assert_int_equal(offer(&b, 2, D, 1, 59), 0); /* feasible */
	assert_int_equal(offer(&b, 3, D, 1, 65), 0); /* no, but 65 < 10 + 60 */
	assert_int_equal(offer(&b, 4, D, 1, 70), 0); /* its way may lead through us */
	(void)sent_for(&b, D, MS(20));
	r = look(&b, D);
	assert_int_equal(r.n_alternates, 2);
	assert_int_equal(r.n_feasible, 1);
	assert_int_equal(r.alternates[0], 2);
	assert_int_equal(r.alternates[1], 3);
	add(&b, (struct entry){ .destination = D,
				.epoch = 1,
				.seqno = 1,
				.metric = 65,
				.flags = ENTRY_VIA_YOU });
	assert_int_equal(give(&b, 3, RECORD_ROUTE_UPDATE), 0);
	assert_int_equal(look(&b, D).n_alternates, 1);
	bed_done(&b);
}

static void without_a_route_everybody_is_asked_again_and_again_and_told(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 3);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	(void)sent_for(&b, D, MS(20));
	assert_int_equal(offer(&b, 1, D, 1, ROUTE_METRIC_INFINITY), 0);
	s = sent_for(&b, D, MS(130)); /* at once, after 60 and after 120 ms */
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(s.n_entries[i], 1);
		assert_int_equal(s.entry[i].metric, ROUTE_METRIC_INFINITY);
		assert_int_equal(s.n_requests[i], 3);
		assert_int_equal(s.request[i].seqno, 2);
		assert_int_equal(s.request[i].hops, ROUTE_REQUEST_HOPS_MAX);
	}
	s = sent_for(&b, D, SECONDS(60)); /* but not for ever */
	assert_in_range(s.n_requests[1], 5, 20);
	bed_done(&b);
}

static void a_feasibility_distance_is_forgotten_after_three_minutes(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 2);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	(void)sent_for(&b, D, MS(20));
	assert_int_equal(offer(&b, 1, D, 1, ROUTE_METRIC_INFINITY), 0);
	assert_int_equal(offer(&b, 2, D, 1, 500), 0);
	b.now_us += SECONDS(170);
	routes_tick(b.t, b.now_us);
	assert_int_equal(look(&b, D).next_hop, 0);
	b.now_us += SECONDS(20);
	routes_tick(b.t, b.now_us);
	assert_int_equal(look(&b, D).next_hop, 2);
	bed_done(&b);
}

static void what_nobody_speaks_of_is_forgotten_and_its_place_used_again(void **state)
{
	(void)state;
	struct bed b;
	struct route r;
	size_t cursor = 0;

	bed_init(&b, 1);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	assert_int_equal(offer(&b, 1, D, 1, ROUTE_METRIC_INFINITY), 0);
	for (unsigned i = 0; i < 200; i++, b.now_us += SECONDS(1))
		(void)sent_for(&b, D, MS(2));
	assert_false(routes_lookup(b.t, D, &r));
	assert_false(routes_next(b.t, &cursor, &r));
	assert_int_equal(offer(&b, 1, D + 1, 1, 50), 0);
	assert_true(routes_next(b.t, &cursor, &r));
	assert_int_equal(r.destination, D + 1);
	assert_int_equal(b.t->n_destinations, 2);
	assert_int_equal(routes_count_reachable(b.t), 1);
	bed_done(&b);
}

/* ---- what is told ---- */

static void the_true_metric_is_told_with_via_you(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 2);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.entry[1].metric, 60);
	assert_int_equal(s.entry[1].flags, ENTRY_VIA_YOU);
	assert_int_equal(s.entry[2].metric, 60);
	assert_int_equal(s.entry[2].flags, 0);
	assert_int_equal(s.entry[2].hops, 4);
	assert_int_equal(look(&b, D).hops, 4);
	bed_done(&b);
}

static void a_new_seqno_alone_is_told_only_to_who_asked(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 3);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	(void)sent_for(&b, D, MS(20));
	assert_int_equal(offer(&b, 1, D, 2, 50), 0);
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.n_entries[1] + s.n_entries[2] + s.n_entries[3], 0);
	assert_int_equal(ask(&b, 3, D, 1, 2, 5), 0); /* known already: answered from here */
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.n_entries[3], 1);
	assert_int_equal(s.entry[3].seqno, 2);
	assert_int_equal(s.n_entries[2] + s.n_requests[1], 0);
	bed_done(&b);
}

static void a_request_goes_along_the_route_once_and_its_answer_back(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 3);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	(void)sent_for(&b, D, MS(20));
	assert_int_equal(ask(&b, 2, D, 1, 2, 9), 0);
	assert_int_equal(ask(&b, 3, D, 1, 2, 9), 0); /* the same: not sent twice */
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.n_requests[1], 1);
	assert_int_equal(s.request[1].hops, 8);
	assert_int_equal(s.n_requests[2] + s.n_requests[3], 0);
	assert_int_equal(offer(&b, 1, D, 2, 50), 0);
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.n_entries[2], 1);
	assert_int_equal(s.n_entries[3], 1);
	assert_int_equal(s.entry[3].seqno, 2);
	bed_done(&b);
}

static void a_request_floods_where_there_is_no_route_until_its_hops_are_used_up(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 3);
	assert_int_equal(routes_neighbour_up(b.t, 4, ROUTE_METRIC_INFINITY, b.now_us), 0);
	assert_int_equal(offer(&b, 4, D, 1, 50), 0); /* known, and out of reach */
	assert_int_equal(ask(&b, 2, D, 1, 2, 1), 0);
	s = sent_for(&b, D, MS(50));
	assert_int_equal(s.n_requests[1] + s.n_requests[3], 0);
	assert_int_equal(ask(&b, 2, D, 1, 2, 9), 0);
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.n_requests[1], 1);
	assert_int_equal(s.n_requests[2], 0);
	assert_int_equal(s.n_requests[3], 1);
	bed_done(&b);
}

static void the_last_finite_metric_is_kept_for_deflection(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 1);
	assert_int_equal(routes_last_metric(b.t, 1, D), ROUTE_METRIC_INFINITY);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	assert_int_equal(offer(&b, 1, D, 1, ROUTE_METRIC_INFINITY), 0);
	assert_int_equal(look(&b, D).next_hop, 0);
	assert_int_equal(routes_last_metric(b.t, 1, D), 50);
	assert_int_equal(routes_last_metric(b.t, 2, D), ROUTE_METRIC_INFINITY);
	bed_done(&b);
}

static void neighbours_are_told_with_their_last_metric_and_their_links(void **state)
{
	(void)state;
	struct bed b;
	size_t cursor = 0;
	uint32_t metric;
	uint64_t id;

	bed_init(&b, 2);
	assert_int_equal(offer(&b, 2, D, 1, 50), 0);
	assert_int_equal(offer(&b, 2, D, 1, ROUTE_METRIC_INFINITY), 0);
	assert_true(routes_next_neighbour(b.t, &cursor, D, &id, &metric));
	assert_int_equal(id, 1);
	assert_int_equal(metric, ROUTE_METRIC_INFINITY);
	assert_true(routes_next_neighbour(b.t, &cursor, D, &id, &metric));
	assert_int_equal(id, 2);
	assert_in_range(metric, 51, ROUTE_METRIC_INFINITY - 1);
	assert_false(routes_next_neighbour(b.t, &cursor, D, &id, &metric));
	routes_neighbour_down(b.t, 1, b.now_us);
	cursor = 0;
	assert_true(routes_next_neighbour(b.t, &cursor, D + 1, &id, &metric));
	assert_int_equal(id, 2);
	assert_int_equal(metric, ROUTE_METRIC_INFINITY); /* nothing is known of that one */
	assert_false(routes_next_neighbour(b.t, &cursor, D, &id, &metric));
	bed_done(&b);
}

static void a_next_hop_tells_since_when_it_is_one(void **state)
{
	(void)state;
	struct bed b;
	uint64_t since_us = 7;

	bed_init(&b, 2);
	assert_int_equal(routes_next_hop_since(b.t, D, &since_us), 0);
	assert_int_equal(since_us, 7);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	assert_int_equal(routes_next_hop_since(b.t, D, &since_us), 1);
	uint64_t first_us = since_us;

	b.now_us += MS(10);
	assert_int_equal(offer(&b, 1, D, 1, 60), 0); /* dearer, and still the same */
	assert_int_equal(routes_next_hop_since(b.t, D, &since_us), 1);
	assert_int_equal(since_us, first_us);
	assert_int_equal(offer(&b, 2, D, 1, 10), 0);
	assert_int_equal(routes_next_hop_since(b.t, D, &since_us), 2);
	assert_in_range(since_us, first_us + MS(10), b.now_us);
	bed_done(&b);
}

static void updates_wait_five_milliseconds_for_company(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 2);
	(void)sent_for(&b, D, MS(20));
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(offer(&b, 1, D + i, 1, 50), 0);
	s = sent_for(&b, D, 0); /* the first at once, all in one record each */
	assert_int_equal(s.n_records, 2);
	assert_int_equal(offer(&b, 1, D, 1, 40), 0);
	assert_true(routes_deadline_us(b.t) > b.now_us);
	s = sent_for(&b, D, MS(2));
	assert_int_equal(s.n_records, 0);
	s = sent_for(&b, D, MS(4));
	assert_int_equal(s.n_entries[2], 1);
	bed_done(&b);
}

static void unknown_attributes_are_relayed_untouched(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;
	struct entry e = { .destination = D, .epoch = 1, .seqno = 1, .metric = 5, .hops = 254 };

	bed_init(&b, 2);
	memcpy(e.relayed,
	       "\xc9\x04"
	       "abcd"
	       "\xc8\x00",
	       8);
	e.relayed_len = 8;
	add(&b, e);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0);
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.entry[2].relayed_len, 8);
	assert_memory_equal(s.entry[2].relayed, e.relayed, 8);
	assert_int_equal(s.entry[2].hops, 255);
	e.relayed[2] = 'x'; /* a new value is news */
	e.hops = 255;	    /* and hops stay at the most */
	add(&b, e);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0);
	s = sent_for(&b, D, MS(20));
	assert_int_equal(s.n_entries[2], 1);
	assert_int_equal(s.entry[2].hops, 255);
	bed_done(&b);
}

/* Of two ways to D that cost the same after the first's, the second is taken while the first is
 * doubted, and what is told shows it where there is no second. */
static void a_doubted_neighbour_is_the_way_only_where_there_is_no_other(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;
	struct route r;

	bed_init(&b, 3);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 4 });
	assert_int_equal(give(&b, 2, RECORD_ROUTE_UPDATE), 0);
	(void)sent_for(&b, D, MS(20));
	assert_true(routes_lookup(b.t, D, &r));
	assert_int_equal(r.next_hop, 2);
	routes_set_doubt(b.t, 2, D, true, b.now_us);
	(void)sent_for(&b, D, MS(20));
	assert_true(routes_lookup(b.t, D, &r));
	assert_int_equal(r.next_hop, 1);
	assert_true(r.metric < ROUTE_DOUBTED);
	routes_set_doubt(b.t, 1, 0, true, b.now_us);
	s = sent_for(&b, D, MS(20));
	assert_true(routes_lookup(b.t, D, &r));
	assert_int_not_equal(r.next_hop, 0);
	assert_true(r.is_doubted && r.metric >= ROUTE_DOUBTED);
	assert_true(s.entry[3].metric >= ROUTE_DOUBTED);
	assert_int_equal(s.n_entries[1], 1); /* who is shunned may be the only way of others */
	assert_in_range(s.entry[1].metric, ROUTE_SHUNNED, ROUTE_METRIC_INFINITY - 1);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = ROUTE_DOUBTED + 9 });
	assert_int_equal(give(&b, 2, RECORD_ROUTE_UPDATE), 0);
	routes_set_doubt(b.t, 1, 0, false, b.now_us);
	(void)sent_for(&b, D, MS(20));
	assert_true(routes_lookup(b.t, D, &r));
	assert_int_equal(r.next_hop, 1);
	assert_false(r.is_doubted);
	bed_done(&b);
}

static void who_is_doubted_for_all_is_told_of_us_as_doubted(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 2);
	(void)sent_for(&b, ME, MS(20));
	routes_set_doubt(b.t, 1, 0, true, b.now_us);
	s = sent_for(&b, ME, MS(20));
	assert_int_equal(s.entry[1].metric, ROUTE_SHUNNED);
	assert_int_equal(s.n_entries[2], 0);
	routes_set_doubt(b.t, 2, 0, true, b.now_us); /* nobody is left who is not */
	s = sent_for(&b, ME, MS(20));
	assert_int_equal(s.n_entries[1], 1);
	assert_int_equal(s.entry[1].metric, 0);
	bed_done(&b);
}

static void a_neighbour_is_at_no_cost_from_itself_or_doubts_us(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 1);
	for (unsigned i = 0; i < 4; i++) {
		const uint32_t metrics[] = { 0, 5, ROUTE_SHUNNED, ROUTE_SHUNNED + 1 };

		add(&b, (struct entry){ .destination = 1, .epoch = 1, .metric = metrics[i] });
		assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), i % 2 ? -EPROTO : 0);
	}
	bed_done(&b);
}

struct judge {
	uint64_t liar;
	unsigned n_own, n_relayed;
};

static bool judge_holds(void *arg, uint64_t neighbour, const struct route_claim *claim)
{
	const struct judge *j = arg;

	return claim->destination != ME && neighbour != j->liar;
}

static size_t judge_relay(void *arg, const struct route_claim *claim, uint32_t metric,
			  uint8_t ret[ROUTE_PROOF_MAX])
{
	static const uint8_t relayed[] = { 1, 2, 'r', '1', 2, 2, 'r', '2' };
	struct judge *j = arg;

	assert_true(metric > claim->metric);
	j->n_relayed++;
	memcpy(ret, relayed, sizeof(relayed));
	return sizeof(relayed);
}

static size_t judge_own(void *arg, uint32_t epoch, uint16_t seqno, uint8_t ret[ROUTE_PROOF_MAX])
{
	struct judge *j = arg;

	(void)epoch;
	j->n_own++;
	ret[0] = 1;
	ret[1] = 1;
	ret[2] = (uint8_t)seqno;
	return 3;
}

static void what_does_not_hold_counts_as_withdrawn_until_it_is_reviewed(void **state)
{
	(void)state;
	struct judge j = { .liar = 2 };
	struct route_proofs proofs = { judge_holds, judge_relay, judge_own, &j };
	struct route_counters c;
	struct route r;
	struct sent s;
	struct bed b;

	bed_init(&b, 3);
	bed_prove(&b, &proofs);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 1 });
	assert_int_equal(give(&b, 2, RECORD_ROUTE_UPDATE), 0);
	s = sent_for(&b, D, MS(20));
	assert_true(routes_lookup(b.t, D, &r));
	assert_int_equal(r.next_hop, 1);
	assert_int_equal(r.n_alternates, 0);
	assert_int_equal(routes_last_metric(b.t, 2, D), ROUTE_METRIC_INFINITY);
	assert_memory_equal(s.entry[3].relayed, "\x01\x02r1\x02\x02r2", 8);
	routes_counters(b.t, &c);
	assert_int_equal(c.unproved, 1);
	j.liar = 0;
	routes_review(b.t, D, b.now_us);
	(void)sent_for(&b, D, MS(20));
	assert_true(routes_lookup(b.t, D, &r));
	assert_int_equal(r.next_hop, 2);
	assert_true(j.n_own > 0 && j.n_relayed > 0);
	bed_done(&b);
}

static void who_claims_our_id_without_proof_changes_nothing(void **state)
{
	(void)state;
	struct judge j = { 0 };
	struct route_proofs proofs = { judge_holds, judge_relay, judge_own, &j };
	struct route r;
	struct bed b;

	bed_init(&b, 2);
	bed_prove(&b, &proofs);
	add(&b, (struct entry){ .destination = ME, .epoch = 99, .seqno = 7, .metric = 1 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0);
	(void)sent_for(&b, ME, SECONDS(2));
	assert_true(routes_lookup(b.t, ME, &r));
	assert_int_not_equal(r.epoch, 99);
	bed_done(&b);
}

static void own_seqno_is_refreshed_every_minute_or_so(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 1);
	(void)sent_for(&b, ME, MS(20));
	s = sent_for(&b, ME, SECONDS(44));
	assert_int_equal(s.n_entries[1], 0);
	s = sent_for(&b, ME, SECONDS(32));
	assert_int_equal(s.n_entries[1], 1);
	assert_int_equal(s.entry[1].seqno, 1);
	assert_int_equal(s.entry[1].metric, 0);
	bed_done(&b);
}

/* ---- digests ---- */

/* Carries what one table has for the other, both ways, for a while. */
static void converse(struct routes *a, struct routes *b, uint64_t *now_us, uint64_t for_us,
		     bool loses)
{
	struct route_action x;

	for (uint64_t end_us = *now_us + for_us; *now_us < end_us; *now_us += MS(1)) {
		routes_tick(a, *now_us);
		routes_tick(b, *now_us);
		while (routes_next_action(a, &x)) {
			if (x.type == ROUTE_SEND && x.neighbour == 2 && !loses)
				assert_int_equal(routes_input(b, 1, x.record_type,
							      SPAN(x.body, x.len), *now_us),
						 0);
		}
		while (routes_next_action(b, &x)) {
			if (x.type == ROUTE_SEND && x.neighbour == 1)
				assert_int_equal(routes_input(a, 2, x.record_type,
							      SPAN(x.body, x.len), *now_us),
						 0);
		}
	}
}

static void a_lost_update_is_found_by_the_digest_and_told_again(void **state)
{
	(void)state;
	struct route_config config = { .self = 1, .epoch = 1, .seed = 1 };
	struct routes *a, *b;
	struct route_counters c;
	struct route r;
	uint64_t now_us = SECONDS(1);
	struct bed bed = { .now_us = now_us };

	assert_int_equal(routes_new(&config, now_us, &a), 0);
	config.self = 2;
	assert_int_equal(routes_new(&config, now_us, &b), 0);
	assert_int_equal(routes_neighbour_up(a, 2, 10, now_us), 0);
	assert_int_equal(routes_neighbour_up(b, 1, 10, now_us), 0);
	assert_int_equal(routes_neighbour_up(a, 3, 10, now_us), 0);
	converse(a, b, &now_us, MS(100), false);
	bed.t = a;
	bed.w = writer_of(bed.body, sizeof(bed.body));
	assert_int_equal(offer(&bed, 3, D, 1, 50), 0);
	converse(a, b, &now_us, MS(20), true); /* the stream had no room */
	assert_false(routes_lookup(b, D, &r));
	converse(a, b, &now_us, SECONDS(4), false);
	assert_true(routes_lookup(b, D, &r));
	assert_int_equal(r.next_hop, 1);
	routes_counters(b, &c);
	assert_int_equal(c.resyncs, 1);
	converse(a, b, &now_us, SECONDS(3), false);
	routes_counters(b, &c);
	assert_int_equal(c.digest_mismatches, 1);
	routes_free(a);
	routes_free(b);
}

static void what_is_not_repeated_in_a_resync_is_withdrawn(void **state)
{
	(void)state;
	struct bed b;
	struct resync s = { .kind = RESYNC_BEGIN, .epoch = 3 };

	bed_init(&b, 1);
	resync_encode(&b.w, &s);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_RESYNC), 0);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	assert_int_equal(offer(&b, 1, D + 1, 1, 50), 0);
	resync_encode(&b.w, &s);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_RESYNC), 0);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	assert_int_equal(look(&b, D + 1).next_hop, 1); /* nothing flaps meanwhile */
	s.kind = RESYNC_END;
	resync_encode(&b.w, &s);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_RESYNC), 0);
	assert_int_equal(look(&b, D).next_hop, 1);
	assert_int_equal(look(&b, D + 1).next_hop, 0);
	bed_done(&b);
}

static void a_neighbour_that_restarted_is_not_believed_what_it_said_before(void **state)
{
	(void)state;
	struct bed b;
	struct resync s = { .kind = RESYNC_BEGIN, .epoch = 3 };

	bed_init(&b, 1);
	resync_encode(&b.w, &s);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_RESYNC), 0);
	assert_int_equal(offer(&b, 1, D, 1, 50), 0);
	s.epoch = 4;
	resync_encode(&b.w, &s);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_RESYNC), 0);
	assert_int_equal(look(&b, D).next_hop, 0);
	bed_done(&b);
}

static void a_record_without_room_does_not_drain_for_ever(void **state)
{
	(void)state;
	struct bed b;
	struct route_action a;
	struct sent s;
	unsigned n = 0;

	bed_init(&b, 1);
	routes_tick(b.t, b.now_us);
	while (routes_next_action(b.t, &a)) {
		assert_true(++n < 10);
		routes_neighbour_resync(b.t, a.neighbour, b.now_us);
	}
	s = sent_for(&b, ME, MS(20)); /* and when there is room, all of it */
	assert_int_equal(s.n_entries[1], 1);
	bed_done(&b);
}

static void all_is_told_again_at_most_once_a_second(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;
	struct resync request = { .kind = RESYNC_REQUEST };

	bed_init(&b, 1);
	(void)sent_for(&b, ME, SECONDS(2));
	for (unsigned i = 0; i < 100; i++) {
		resync_encode(&b.w, &request);
		assert_int_equal(give(&b, 1, RECORD_ROUTE_RESYNC), 0);
	}
	s = sent_for(&b, ME, MS(500));
	assert_int_equal(s.n_entries[1], 1);
	bed_done(&b);
}

/* ---- hostile neighbours ---- */

static void garbage_changes_nothing(void **state)
{
	(void)state;
	struct bed b;
	struct route r;
	struct route_counters c;

	bed_init(&b, 1);
	static const uint8_t types[] = { RECORD_ROUTE_UPDATE, RECORD_ROUTE_DIGEST,
					 RECORD_SEQNO_REQUEST, RECORD_ROUTE_RESYNC };
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(give(&b, 1, types[i]), -EBADMSG);  /* empty */
	assert_int_equal(give(&b, 1, RECORD_JOIN_ANSWER), -EPROTO); /* not ours */

	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5 });
	b.w.len--; /* cut short: not even the good one before it counts */
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EBADMSG);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5 });
	add(&b, (struct entry){ .destination = 0, .epoch = 1, .metric = 5 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EPROTO);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5, .flags = 0x80 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EPROTO);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 0 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EPROTO); /* only itself costs 0 */
	add(&b, (struct entry){ .destination = 1, .epoch = 1, .metric = 3 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EPROTO);
	assert_int_equal(ask(&b, 1, 0, 1, 1, 1), -EPROTO);
	assert_int_equal(ask(&b, 1, D, 1, 1, 0), -EPROTO);
	assert_int_equal(ask(&b, 1, D, 1, 1, ROUTE_REQUEST_HOPS_MAX + 1), -EPROTO);
	write_u8(&b.w, 3);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_RESYNC), -EPROTO);
	assert_int_equal(offer(&b, ME, D, 1, 5), -EPROTO); /* from ourselves */
	assert_int_equal(offer(&b, 0, D, 1, 5), -EPROTO);
	assert_false(routes_lookup(b.t, D, &r));
	routes_counters(b.t, &c);
	assert_int_equal(c.refused, 14);
	assert_int_equal(c.updates_received, 0);
	bed_done(&b);
}

static void attributes_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	struct bed b;
	uint8_t *length;

	bed_init(&b, 1);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5 });
	length = b.body + ENTRY_LEN + 1;
	*length = 9; /* beyond the attributes */
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EBADMSG);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5 });
	b.body[ENTRY_LEN - 1] = 6; /* hops twice */
	write_u8(&b.w, ATTRIBUTE_HOPS);
	write_u8(&b.w, 1);
	write_u8(&b.w, 1);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EPROTO);
	add(&b, (struct entry){ .destination = D, .epoch = 1, .metric = 5 });
	b.w.len -= 3; /* 255 bytes of others leave no room for hops */
	b.body[ENTRY_LEN - 1] = 255;
	write_u8(&b.w, 77);
	write_u8(&b.w, 253);
	memset(write_room(&b.w, 253), 0, 253);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), -EPROTO);
	bed_done(&b);
}

static void metrics_saturate(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 1);
	assert_int_equal(offer(&b, 1, D, 1, ROUTE_METRIC_INFINITY - 11), 0);
	assert_int_equal(look(&b, D).metric, ROUTE_METRIC_INFINITY - 1);
	assert_int_equal(offer(&b, 1, D, 1, ROUTE_METRIC_INFINITY - 10), 0);
	assert_int_equal(look(&b, D).next_hop, 0);
	routes_neighbour_metric(b.t, 1, UINT32_MAX, b.now_us);
	assert_int_equal(offer(&b, 1, D, 1, 1), 0);
	assert_int_equal(look(&b, D).next_hop, 0);
	routes_neighbour_metric(b.t, 1, 0, b.now_us); /* no link is free: that keeps loops out */
	assert_int_equal(look(&b, D).metric, 2);
	bed_done(&b);
}

static void own_id_announced_ahead_of_us_is_outrun_and_counted(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;
	struct route_counters c;

	bed_init(&b, 2);
	(void)sent_for(&b, ME, MS(20));
	add(&b, (struct entry){ .destination = ME, .epoch = 7, .seqno = 40, .metric = 9 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0);
	s = sent_for(&b, ME, MS(20));
	assert_int_equal(s.entry[2].seqno, 41);
	assert_int_equal(s.entry[2].epoch, 7);
	assert_int_equal(look(&b, ME).next_hop, ME); /* and nobody else becomes us */
	assert_int_equal(look(&b, ME).metric, 0);
	add(&b, (struct entry){ .destination = ME, .epoch = 9, .seqno = 5, .metric = 9 });
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0); /* again: a second later */
	s = sent_for(&b, ME, MS(900));
	assert_int_equal(s.n_entries[2], 0);
	s = sent_for(&b, ME, MS(200));
	assert_int_equal(s.entry[2].epoch, 9);
	assert_int_equal(s.entry[2].seqno, 6);
	routes_counters(b.t, &c);
	assert_int_equal(c.own_id_claims, 3);
	bed_done(&b);
}

static void requests_raise_own_seqno_step_by_step(void **state)
{
	(void)state;
	struct bed b;
	struct sent s;

	bed_init(&b, 2);
	(void)sent_for(&b, ME, MS(20));
	assert_int_equal(ask(&b, 1, ME, 7, 1, 3), 0);
	s = sent_for(&b, ME, MS(5));
	assert_int_equal(s.entry[1].seqno, 1);
	assert_int_equal(s.n_entries[2], 0);
	(void)sent_for(&b, ME, MS(20));
	assert_int_equal(ask(&b, 1, ME, 7, 30000, 3), 0);
	s = sent_for(&b, ME, MS(100));
	assert_in_range(s.entry[1].seqno, 8, 13);
	s = sent_for(&b, ME, SECONDS(10)); /* but not for long: each takes a proof */
	assert_in_range(s.entry[1].seqno, 100, 130);
	bed_done(&b);
}

static void a_flood_of_destinations_leaves_room_for_others_and_for_neighbours(void **state)
{
	(void)state;
	struct bed b;
	struct route_counters c;
	struct route r;

	bed_init(&b, 4);
	for (uint64_t from = 1; from <= 3; from++) {
		for (uint64_t i = 0; i < 5000; i++)
			assert_int_equal(offer(&b, from, from * 100000 + i, 1, 50), 0);
	}
	routes_counters(b.t, &c);
	/* the first two were stopped at their share, the third by what is kept for neighbours */
	assert_int_equal(b.t->n_live, ROUTE_DESTINATIONS_MAX - ROUTE_NEIGHBOURS_MAX);
	assert_int_equal(c.table_full, 15000 - (b.t->n_live - 1));
	assert_int_equal(offer(&b, 4, D, 1, 50), 0);
	assert_false(routes_lookup(b.t, D, &r));
	assert_int_equal(offer(&b, 4, 4, 1, 0), 0); /* itself */
	assert_int_equal(look(&b, 4).next_hop, 4);
	assert_int_equal(look(&b, 100000 + ROUTE_INTRODUCED_MAX - 1).next_hop, 1);
	assert_false(routes_lookup(b.t, 100000 + ROUTE_INTRODUCED_MAX, &r));
	assert_int_equal(ask(&b, 4, 999999, 1, 1, 5), 0); /* asked for the unknown: no place */
	assert_false(routes_lookup(b.t, 999999, &r));
	bed_done(&b);
}

static void the_table_of_neighbours_is_bounded_and_gives_up_those_that_are_down(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 0);
	for (uint64_t i = 1; i <= ROUTE_NEIGHBOURS_MAX; i++)
		assert_int_equal(routes_neighbour_up(b.t, i + 1000, 10, b.now_us), 0);
	assert_int_equal(routes_neighbour_up(b.t, 5000, 10, b.now_us), -ENOBUFS);
	assert_int_equal(offer(&b, 5000, D, 1, 5), -ENOBUFS);
	assert_int_equal(offer(&b, 1001, D, 1, 5), 0);
	routes_neighbour_down(b.t, 1001, b.now_us);
	assert_int_equal(routes_neighbour_up(b.t, 5000, 10, b.now_us), 0);
	assert_int_equal(look(&b, D).next_hop, 0);
	assert_int_equal(offer(&b, 5000, D, 2, 5), 0);
	assert_int_equal(look(&b, D).next_hop, 5000);
	assert_int_equal(routes_neighbour_up(b.t, 0, 10, b.now_us), -EINVAL);
	assert_int_equal(routes_neighbour_up(b.t, ME, 10, b.now_us), -EINVAL);
	bed_done(&b);
}

static void what_came_before_the_link_was_up_counts_when_it_is(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b, 0);
	assert_int_equal(offer(&b, 1, D, 1, 5), 0);
	assert_int_equal(look(&b, D).next_hop, 0);
	assert_int_equal(routes_neighbour_up(b.t, 1, 10, b.now_us), 0);
	assert_int_equal(look(&b, D).next_hop, 1);
	bed_done(&b);
}

static void a_thousand_destinations_and_eight_neighbours_are_cheap(void **state)
{
	(void)state;
	struct bed b;
	struct timespec start, end;
	uint64_t took_us;

	bed_init(&b, 7);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint64_t n = 1; n <= 7; n++) {
		for (uint64_t i = 0; i < 1000; i++)
			assert_int_equal(offer(&b, n, D + i, 1, (uint32_t)(50 + n)), 0);
	}
	(void)sent_for(&b, D, MS(20));
	routes_neighbour_down(b.t, 1, b.now_us);
	(void)sent_for(&b, D, SECONDS(1));
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	took_us = (uint64_t)(end.tv_sec - start.tv_sec) * US_PER_S + (uint64_t)end.tv_nsec / 1000 -
		  (uint64_t)start.tv_nsec / 1000;
	assert_int_equal(routes_count_reachable(b.t), 1000);
	(void)printf("1,000 destinations from 7 neighbours, one lost: %llu us\n",
		     (unsigned long long)took_us);
	assert_true(took_us < SECONDS(2)); /* milliseconds; generous for sanitizers */
	bed_done(&b);
}

static void own_attributes_reach_every_neighbour_and_are_read_from_the_selected_route(void **state)
{
	(void)state;
	static const uint8_t own[] = { 6, 2, 0xaa, 0xbb, 7, 1, 0xcc };
	static const uint8_t reserved[] = { 3, 1, 0 };
	static const uint8_t cut_short[] = { 6, 9, 0 };
	struct route_action a;
	struct entry e = { 0 };
	struct bed b;
	bool is_told = false;

	bed_init(&b, 1);
	assert_int_equal(routes_set_attributes(b.t, SPAN_OF(reserved), b.now_us), -EINVAL);
	assert_int_equal(routes_set_attributes(b.t, SPAN_OF(cut_short), b.now_us), -EINVAL);
	assert_int_equal(routes_set_attributes(b.t, SPAN_OF(own), b.now_us), 0);
	routes_tick(b.t, b.now_us += SECONDS(1));
	while (routes_next_action(b.t, &a)) {
		struct reader r = reader_of(SPAN(a.body, a.len));

		if (a.type != ROUTE_SEND || a.record_type != RECORD_ROUTE_UPDATE)
			continue;
		while (r.left > 0 && entry_decode(&r, &e) == 0)
			is_told |= e.destination == ME && e.relayed_len == sizeof(own) &&
				   memcmp(e.relayed, own, sizeof(own)) == 0;
	}
	assert_true(is_told);
	assert_int_equal(routes_attribute(b.t, ME, 7).at[0], 0xcc);

	uint64_t before = routes_changes(b.t);

	e = (struct entry){ .destination = D, .epoch = 1, .metric = 5, .relayed_len = 3 };
	memcpy(e.relayed, "\x07\x01\x42", 3);
	add(&b, e);
	assert_int_equal(give(&b, 1, RECORD_ROUTE_UPDATE), 0);
	assert_true(routes_changes(b.t) > before);
	assert_int_equal(routes_attribute(b.t, D, 7).at[0], 0x42);
	assert_int_equal(routes_attribute(b.t, D, 6).len, 0);
	assert_int_equal(routes_attribute(b.t, D + 1, 7).len, 0);
	routes_neighbour_down(b.t, 1, b.now_us);
	assert_int_equal(routes_attribute(b.t, D, 7).len, 0);
	bed_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			own_attributes_reach_every_neighbour_and_are_read_from_the_selected_route),
		cmocka_unit_test(a_distance_is_closer_by_epoch_then_seqno_then_metric),
		cmocka_unit_test(a_route_no_closer_than_what_was_advertised_is_not_taken),
		cmocka_unit_test(a_later_seqno_or_epoch_makes_any_metric_feasible),
		cmocka_unit_test(the_next_hop_is_kept_when_its_metric_rises),
		cmocka_unit_test(a_better_route_that_is_not_feasible_is_asked_for_where_it_is),
		cmocka_unit_test(a_later_epoch_wins_over_a_smaller_metric),
		cmocka_unit_test(down_switches_to_the_best_feasible_alternate_in_the_same_call),
		cmocka_unit_test(alternates_are_feasible_first_then_loop_free),
		cmocka_unit_test(without_a_route_everybody_is_asked_again_and_again_and_told),
		cmocka_unit_test(a_feasibility_distance_is_forgotten_after_three_minutes),
		cmocka_unit_test(what_nobody_speaks_of_is_forgotten_and_its_place_used_again),
		cmocka_unit_test(the_true_metric_is_told_with_via_you),
		cmocka_unit_test(a_new_seqno_alone_is_told_only_to_who_asked),
		cmocka_unit_test(a_request_goes_along_the_route_once_and_its_answer_back),
		cmocka_unit_test(
			a_request_floods_where_there_is_no_route_until_its_hops_are_used_up),
		cmocka_unit_test(the_last_finite_metric_is_kept_for_deflection),
		cmocka_unit_test(neighbours_are_told_with_their_last_metric_and_their_links),
		cmocka_unit_test(a_next_hop_tells_since_when_it_is_one),
		cmocka_unit_test(updates_wait_five_milliseconds_for_company),
		cmocka_unit_test(unknown_attributes_are_relayed_untouched),
		cmocka_unit_test(a_doubted_neighbour_is_the_way_only_where_there_is_no_other),
		cmocka_unit_test(who_is_doubted_for_all_is_told_of_us_as_doubted),
		cmocka_unit_test(a_neighbour_is_at_no_cost_from_itself_or_doubts_us),
		cmocka_unit_test(what_does_not_hold_counts_as_withdrawn_until_it_is_reviewed),
		cmocka_unit_test(who_claims_our_id_without_proof_changes_nothing),
		cmocka_unit_test(own_seqno_is_refreshed_every_minute_or_so),
		cmocka_unit_test(a_lost_update_is_found_by_the_digest_and_told_again),
		cmocka_unit_test(what_is_not_repeated_in_a_resync_is_withdrawn),
		cmocka_unit_test(a_neighbour_that_restarted_is_not_believed_what_it_said_before),
		cmocka_unit_test(a_record_without_room_does_not_drain_for_ever),
		cmocka_unit_test(all_is_told_again_at_most_once_a_second),
		cmocka_unit_test(garbage_changes_nothing),
		cmocka_unit_test(attributes_that_do_not_fit_are_refused),
		cmocka_unit_test(metrics_saturate),
		cmocka_unit_test(own_id_announced_ahead_of_us_is_outrun_and_counted),
		cmocka_unit_test(requests_raise_own_seqno_step_by_step),
		cmocka_unit_test(a_flood_of_destinations_leaves_room_for_others_and_for_neighbours),
		cmocka_unit_test(
			the_table_of_neighbours_is_bounded_and_gives_up_those_that_are_down),
		cmocka_unit_test(what_came_before_the_link_was_up_counts_when_it_is),
		cmocka_unit_test(a_thousand_destinations_and_eight_neighbours_are_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

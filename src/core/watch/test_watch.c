/* SPDX-License-Identifier: Apache-2.0 */
/* Which ways are probed, who is doubted for losing what he is given, and how he is believed again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/watch/watch.h"

#define START SECONDS(50)
#define RTT MS(20)
#define D 100
#define X 1
#define Y 2

struct bed {
	struct watch *w;
	uint64_t now_us;
	uint64_t dropper; /* neighbour that drops; 0 nobody */
	unsigned dropped; /* of ten probes in a row */
	bool is_bulk;
	bool spares_seconds;  /* probes that are not bulk it does not drop */
	uint64_t rtt_us;      /* of those that are not bulk, and */
	uint64_t bulk_rtt_us; /* of those that are */
	size_t len;
	unsigned n_hops; /* that answers tell */
	unsigned n_probes, n_seconds, n_doubts, n_believed;
	struct watch_doubt last;
	uint64_t doubted_us;
};

static void bed_init(struct bed *b)
{
	*b = (struct bed){ .now_us = START,
			   .dropped = 10,
			   .n_hops = 2,
			   .rtt_us = RTT,
			   .bulk_rtt_us = RTT,
			   .len = 700 };
	assert_int_equal(watch_new(1, START, &b->w), 0);
}

static void passed(struct bed *b, uint64_t destination, uint64_t neighbour, size_t len,
		   enum watch_use use, uint8_t tag)
{
	struct watch_packet packet = { .destination = destination,
				       .neighbour = neighbour,
				       .len = len,
				       .use = use,
				       .tag = tag,
				       .is_bulk = b->is_bulk };

	watch_passed(b->w, &packet, b->now_us);
}

static void drain(struct bed *b)
{
	struct watch_probe p;
	struct watch_doubt d;

	while (watch_next_probe(b->w, b->now_us, &p)) {
		b->n_probes++;
		b->n_seconds += p.is_second;
		if (p.neighbour != b->dropper || b->n_probes % 10 >= b->dropped ||
		    (p.is_second && b->spares_seconds))
			watch_answered(b->w, p.destination, p.id, b->n_hops, NULL,
				       b->now_us + (p.is_second ? b->rtt_us : b->bulk_rtt_us));
	}
	while (watch_next_doubt(b->w, &d)) {
		b->n_doubts += d.is_doubted;
		b->n_believed += !d.is_doubted;
		b->last = d;
		if (d.is_doubted)
			b->doubted_us = b->now_us;
	}
}

/* Packets each 10 ms to a destination through a neighbour. */
static void flow(struct bed *b, uint64_t destination, uint64_t neighbour, enum watch_use use,
		 uint64_t for_us)
{
	uint64_t until_us = b->now_us + for_us;

	for (; b->now_us < until_us; b->now_us += MS(10)) {
		passed(b, destination, neighbour, b->len, use, 1);
		drain(b);
	}
}

/* Bulk loses its own packets where it fills its way: half of them are nobody's fault, all are. */
static void who_loses_what_is_too_much_is_not_doubted_and_who_loses_all_is(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bulk = true;
	b.dropper = X;
	b.dropped = 6;
	b.spares_seconds = true;
	flow(&b, D, X, WATCH_OWN, SECONDS(60));
	assert_true(b.n_probes > 60);
	assert_int_equal(b.n_doubts, 0);
	b.dropped = 10;
	flow(&b, D, X, WATCH_OWN, SECONDS(10));
	assert_true(b.n_doubts > 0);
	watch_free(b.w);
}

static void idle(struct bed *b, uint64_t for_us)
{
	uint64_t until_us = b->now_us + for_us;

	while (watch_deadline_us(b->w) <= until_us) {
		uint64_t due = watch_deadline_us(b->w);

		assert_true(due > b->now_us || due <= START + SECONDS(10000));
		b->now_us = max_u64(b->now_us + 1, due);
		drain(b);
	}
	b->now_us = until_us;
}

static void
a_way_in_use_is_probed_once_a_second_or_four_times_for_many_packets_and_then_no_more(void **state)
{
	(void)state;
	struct watch_probe p;
	struct bed b;

	bed_init(&b);
	passed(&b, D, X, 700, WATCH_OWN, 1);
	b.now_us += SECONDS(1);
	assert_true(watch_next_probe(b.w, b.now_us, &p));
	assert_int_equal(p.destination, D);
	assert_int_equal(p.neighbour, X);
	assert_int_equal(p.len, 700);
	assert_int_equal(p.tag, 1);
	assert_true(p.is_for_packets);
	watch_answered(b.w, D, p.id, 3, NULL, b.now_us);
	for (unsigned i = 0; i < 40; i++) {
		passed(&b, D, X, 700, WATCH_OWN, 1);
		b.now_us += MS(500);
		drain(&b);
	}
	assert_in_range(b.n_probes, 15, 26);
	b.n_probes = 0;
	flow(&b, D, X, WATCH_OWN, SECONDS(20));
	assert_in_range(b.n_probes, 70, 82);
	assert_int_equal(b.n_doubts, 0);
	b.n_probes = 0;
	idle(&b, SECONDS(30));
	assert_in_range(b.n_probes, 0, 3);
	watch_free(b.w);
}

static void a_neighbour_itself_and_the_few_packets_of_others_are_not_watched(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b);
	flow(&b, X, X, WATCH_OWN, SECONDS(5));
	for (unsigned i = 0; i < 40; i++) { /* as others' probes */
		passed(&b, D, X, 700, WATCH_RELAYED, 0);
		b.now_us += MS(250);
		drain(&b);
	}
	assert_int_equal(b.n_probes, 0);
	flow(&b, D, X, WATCH_RELAYED, SECONDS(3));
	assert_true(b.n_probes > 0);
	watch_free(b.w);
}

static void who_drops_is_doubted_within_four_seconds_and_stays_so(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b);
	flow(&b, D, X, WATCH_RELAYED, SECONDS(5));
	b.dropper = X;
	flow(&b, D, X, WATCH_RELAYED, SECONDS(4));
	assert_int_equal(b.last.neighbour, X);
	assert_int_equal(b.last.destination, D);
	assert_true(b.last.is_doubted);
	flow(&b, D, Y, WATCH_RELAYED, SECONDS(30));
	assert_true(b.last.is_doubted);
	assert_int_equal(b.n_believed, 0);
	watch_free(b.w);
}

static void who_mends_is_believed_again_later_each_time(void **state)
{
	(void)state;
	uint64_t took_us[2];
	struct bed b;

	bed_init(&b);
	flow(&b, D, X, WATCH_OWN, SECONDS(3));
	for (unsigned i = 0; i < 2; i++) {
		b.dropper = X;
		flow(&b, D, X, WATCH_OWN, SECONDS(5));
		assert_true(b.last.is_doubted);
		b.dropper = 0;
		took_us[i] = b.now_us;
		while (b.last.is_doubted)
			flow(&b, D, Y, WATCH_OWN, MS(100));
		took_us[i] = b.now_us - took_us[i];
	}
	assert_in_range(took_us[0], SECONDS(2), SECONDS(7));
	assert_true(took_us[1] > took_us[0] + SECONDS(2));
	watch_free(b.w);
}

static void what_is_lost_now_and_then_doubts_nobody(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b);
	for (unsigned i = 0; i < 300; i++) { /* one lost in some twelve */
		b.dropper = i % 12 ? 0 : X;
		flow(&b, D, X, WATCH_OWN, MS(500));
	}
	assert_int_equal(b.n_doubts, 0);
	watch_free(b.w);
}

static void after_two_that_others_reach_a_neighbour_is_doubted_for_all(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b);
	b.dropper = X;
	for (uint64_t d = D; d < D + 2; d++) {
		flow(&b, d, X, WATCH_OWN, SECONDS(4));
		flow(&b, d, Y, WATCH_OWN, SECONDS(2));
	}
	for (unsigned i = 0; i < 20; i++) { /* both in use by another way */
		flow(&b, D, Y, WATCH_OWN, MS(100));
		flow(&b, D + 1, Y, WATCH_OWN, MS(100));
	}
	assert_true(watch_is_doubted(b.w, X));
	assert_false(watch_is_doubted(b.w, Y));
	b.dropper = 0; /* its probes go on, and speak for it */
	for (unsigned i = 0; i < 60; i++) {
		flow(&b, D, Y, WATCH_OWN, MS(100));
		flow(&b, D + 1, Y, WATCH_OWN, MS(100));
	}
	assert_false(watch_is_doubted(b.w, X));
	watch_free(b.w);
}

static void a_destination_that_is_gone_convicts_nobody(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b);
	b.dropper = X;
	flow(&b, D, X, WATCH_OWN, SECONDS(10));
	b.dropper = Y;
	flow(&b, D, Y, WATCH_OWN, SECONDS(10));
	assert_false(watch_is_doubted(b.w, X));
	assert_false(watch_is_doubted(b.w, Y));
	watch_free(b.w);
}

static void three_lies_in_a_minute_are_enough_and_are_forgiven_after_one(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b);
	for (unsigned i = 0; i < 6; i++) {
		watch_lied(b.w, X, b.now_us);
		b.now_us += SECONDS(31);
	}
	assert_false(watch_is_doubted(b.w, X));
	for (unsigned i = 0; i < WATCH_LIES_MAX; i++)
		watch_lied(b.w, X, b.now_us);
	assert_true(watch_is_doubted(b.w, X));
	idle(&b, SECONDS(59));
	assert_true(watch_is_doubted(b.w, X));
	idle(&b, SECONDS(2));
	assert_false(watch_is_doubted(b.w, X));
	watch_free(b.w);
}

static void a_long_way_is_not_taken_for_a_lossy_one(void **state)
{
	(void)state;
	struct watch_probe p, before = { 0 };
	struct watch_doubt d;
	struct bed b;
	unsigned n = 0;

	bed_init(&b);
	for (unsigned i = 0; i < 3000; i++) { /* each is answered after 900 ms */
		static uint64_t due_us;

		passed(&b, D, X, 100, WATCH_OWN, 0);
		if (before.id && b.now_us >= due_us) {
			watch_answered(b.w, D, before.id, 9, NULL, b.now_us);
			before.id = 0;
		}
		if (watch_next_probe(b.w, b.now_us, &p) && !before.id) {
			before = p;
			due_us = b.now_us + MS(900);
		}
		n += watch_next_doubt(b.w, &d);
		b.now_us += MS(10);
	}
	assert_int_equal(n, 0);
	watch_free(b.w);
}

static void a_full_table_watches_no_more_and_counts(void **state)
{
	(void)state;
	struct watch_counters c;
	struct bed b;

	bed_init(&b);
	for (uint64_t d = 1000; d < 1000 + WATCH_DESTINATIONS_MAX + 7; d++)
		passed(&b, d, X, 100, WATCH_OWN, 0);
	watch_counters(b.w, &c);
	assert_int_equal(c.full, 7);
	b.now_us += WATCH_ACTIVE_US; /* one that is out of use gives way */
	passed(&b, 5000, X, 100, WATCH_OWN, 0);
	watch_counters(b.w, &c);
	assert_int_equal(c.full, 7);
	for (uint64_t id = 1; id <= 2 * WATCH_NEIGHBOURS_MAX; id++)
		for (unsigned i = 0; i < WATCH_LIES_MAX; i++)
			watch_lied(b.w, id, b.now_us);
	watch_counters(b.w, &c);
	assert_int_equal(c.neighbour_doubts, WATCH_NEIGHBOURS_MAX);
	for (uint64_t hop = 10; hop < 10 + 3 * WATCH_HOPS_MAX; hop++)
		passed(&b, 5000, hop, 100, WATCH_OWN, 0);
	watch_free(b.w);
}

static void a_neighbour_that_is_gone_is_forgotten(void **state)
{
	(void)state;
	struct bed b;

	bed_init(&b);
	for (unsigned i = 0; i < WATCH_LIES_MAX; i++)
		watch_lied(b.w, X, b.now_us);
	watch_gone(b.w, X);
	assert_false(watch_is_doubted(b.w, X));
	watch_free(b.w);
}

static bool way_of(const struct bed *b, uint64_t destination, uint64_t neighbour,
		   struct watch_way *ret)
{
	size_t cursor = 0;

	while (watch_next_way(b->w, &cursor, ret))
		if (ret->destination == destination && ret->neighbour == neighbour)
			return true;
	return false;
}

static void who_loses_too_little_to_be_doubted_is_seen_in_the_share_of_the_last_probes(void **state)
{
	struct watch_way way;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_false(way_of(&b, D, X, &way));
	b.dropper = X;
	b.dropped = 2;
	flow(&b, D, X, WATCH_OWN, SECONDS(60));
	assert_int_equal(b.n_doubts, 0);
	assert_true(way_of(&b, D, X, &way));
	assert_int_equal(way.n_sent, WATCH_HISTORY);
	assert_in_range(way.n_lost, 5, 8);
	assert_true(way.is_current && !way.is_doubted);
	assert_int_equal(way.n_hops, 2);
	assert_true(b.now_us - way.noted_us < SECONDS(2));
	watch_free(b.w);
}

/* Held back and let go at once: that they came so late is why it is doubted. */
static void answers_to_probes_that_were_given_up_are_none_in_a_row(void **state)
{
	struct watch_probe p, held[64];
	struct watch_doubt d;
	unsigned n_held = 0;
	struct bed b;

	(void)state;
	bed_init(&b);
	flow(&b, D, X, WATCH_OWN, SECONDS(10));
	while (b.n_doubts == 0 || n_held < 8) {
		passed(&b, D, X, 700, WATCH_OWN, 1);
		while (watch_next_probe(b.w, b.now_us, &p)) {
			assert_true(n_held < 64);
			held[n_held++] = p;
		}
		while (watch_next_doubt(b.w, &d))
			b.n_doubts += d.is_doubted;
		b.now_us += MS(10);
	}
	for (unsigned i = 0; i + 1 < n_held; i++)
		watch_answered(b.w, D, held[i].id, 2, NULL, b.now_us);
	while (watch_next_doubt(b.w, &d))
		assert_true(d.is_doubted);
	/* these were in time */
	flow(&b, D, X, WATCH_OWN, SECONDS(30));
	assert_int_equal(b.n_believed, 1);
	watch_free(b.w);
}

/* A queue that is full has what arrives wait: then what is lost is nobody's fault. */
static void bulk_that_is_lost_counts_where_what_arrives_is_as_fast_as_ever(void **state)
{
	(void)state;
	for (unsigned is_slow = 0; is_slow < 2; is_slow++) {
		struct watch_way way;
		struct bed b;

		bed_init(&b);
		b.is_bulk = b.spares_seconds = true;
		flow(&b, D, X, WATCH_OWN, SECONDS(10));
		b.dropper = X;
		b.dropped = 3;
		b.bulk_rtt_us = is_slow ? RTT + MS(50) : RTT + WATCH_SLOW_MIN_US;
		flow(&b, D, X, WATCH_OWN, SECONDS(30));
		assert_true(way_of(&b, D, X, &way));
		assert_int_equal(way.is_failing, !is_slow);
		assert_int_equal(b.n_doubts, 0);
		assert_true(b.n_seconds > 0);
		watch_free(b.w);
	}
}

/* It began to send much more than went before: not even the first answer has come since. */
static void bulk_that_drowns_its_way_is_not_a_neighbours_fault_at_once(void **state)
{
	uint64_t took_us[2];

	(void)state;
	for (unsigned is_more = 0; is_more < 2; is_more++) {
		struct watch_way way;
		struct bed b;

		bed_init(&b);
		b.is_bulk = true;
		flow(&b, D, X, WATCH_OWN, SECONDS(10));
		b.len = is_more ? 10 * b.len : b.len;
		b.dropper = X;
		took_us[is_more] = b.now_us;
		while (b.n_doubts == 0)
			flow(&b, D, X, WATCH_OWN, MS(10));
		took_us[is_more] = b.now_us - took_us[is_more];
		assert_true(way_of(&b, D, X, &way));
		assert_int_equal(way.n_lost > 3, !is_more);
		watch_free(b.w);
	}
	assert_true(took_us[0] <= SECONDS(2));
	assert_true(took_us[1] >= SECONDS(4));
}

/* As above, where what is not bulk is let pass first: its answers say nothing of room for bulk. */
static void bulk_that_drowns_its_way_is_nobodys_fault_where_all_else_goes_first(void **state)
{
	struct watch_way way;
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bulk = b.spares_seconds = true;
	flow(&b, D, X, WATCH_OWN, SECONDS(10));
	b.len *= 10;
	b.dropper = X;
	flow(&b, D, X, WATCH_OWN, SECONDS(3));
	b.len /= 10;
	b.dropper = 0;
	flow(&b, D, X, WATCH_OWN, SECONDS(3));
	assert_int_equal(b.n_doubts, 0);
	assert_true(b.n_seconds > 0);
	assert_true(way_of(&b, D, X, &way));
	assert_int_equal(way.n_lost, 0);
	assert_false(way.is_failing);
	watch_free(b.w);
}

static void a_way_that_was_doubted_is_soon_sure_to_fail_and_then_probed_at_leisure(void **state)
{
	struct watch_way way;
	struct bed b;
	unsigned n_before;

	(void)state;
	bed_init(&b);
	flow(&b, D, X, WATCH_OWN, SECONDS(10));
	b.dropper = X;
	while (b.n_doubts == 0)
		flow(&b, D, X, WATCH_OWN, MS(10));
	n_before = b.n_probes;
	flow(&b, D, Y, WATCH_OWN, MS(2500));
	assert_true(way_of(&b, D, X, &way));
	assert_true(way.is_doubted && way.is_failing);
	assert_in_range(b.n_probes - n_before, 5, 25);
	n_before = b.n_probes;
	flow(&b, D, Y, WATCH_OWN, SECONDS(10));
	assert_in_range(b.n_probes - n_before, 40, 62); /* some 40 of them by Y */
	watch_free(b.w);
}

/* So many flows, by X until all of that is doubted and then by Y: the most probes by X in a second
 * from then on. */
static unsigned most_a_second(unsigned n_destinations)
{
	unsigned n_most = 0, n_now = 0;
	struct watch_probe p;
	struct watch_doubt d;
	struct bed b;

	bed_init(&b);
	for (unsigned i = 0; i < 1500; i++) {
		for (uint64_t id = D; id < D + n_destinations; id++)
			passed(&b, id, b.n_doubts == n_destinations ? Y : X, 700, WATCH_OWN, 1);
		while (watch_next_probe(b.w, b.now_us, &p)) {
			n_now += p.neighbour == X && b.n_doubts == n_destinations;
			if (p.neighbour == Y || i < 300)
				watch_answered(b.w, p.destination, p.id, 2, NULL, b.now_us + RTT);
		}
		while (watch_next_doubt(b.w, &d))
			b.n_doubts += d.is_news && d.destination;
		b.now_us += MS(10);
		if (i % 100 != 99)
			continue;
		n_most = n_now > n_most ? n_now : n_most;
		n_now = 0;
	}
	watch_free(b.w);
	return n_most;
}

static void of_many_doubted_ways_not_all_hurry(void **state)
{
	(void)state;
	assert_in_range(most_a_second(1), 2, 5);
	assert_in_range(most_a_second(WATCH_DESTINATIONS_MAX), WATCH_HURRIED_PER_S,
			WATCH_HURRIED_PER_S + WATCH_DESTINATIONS_MAX * 5 / 4);
}

/* 100 packets a second by X, of which the destination gets some: it says how many. */
struct counted {
	struct bed b;
	uint32_t n_sealed, n_opened;
	unsigned lost_of_100;
	bool is_split; /* half of them go by Y */
	bool is_old;   /* the destination says nothing of counts */
};

static void counted_flow(struct counted *c, uint64_t for_us)
{
	uint64_t until_us = c->b.now_us + for_us;
	struct watch_probe p;

	for (; c->b.now_us < until_us; c->b.now_us += MS(10)) {
		c->n_sealed++;
		passed(&c->b, D, c->is_split && c->n_sealed % 2 ? Y : X, 700, WATCH_OWN, 1);
		c->n_opened += c->n_sealed * 37 % 100 >= c->lost_of_100;
		while (watch_next_probe(c->b.w, c->b.now_us, &p)) {
			c->b.n_probes++;
			watch_mark(c->b.w, p.id, c->n_sealed);
			watch_answered(c->b.w, D, p.id, 2, c->is_old ? NULL : &c->n_opened,
				       c->b.now_us + 1);
		}
	}
}

static void what_the_destination_counts_tells_a_fault_within_two_seconds(void **state)
{
	struct counted c = { .lost_of_100 = 1 };
	struct watch_way way;
	unsigned n_before;

	(void)state;
	bed_init(&c.b);
	counted_flow(&c, SECONDS(30));
	assert_true(way_of(&c.b, D, X, &way));
	assert_false(way.is_suspect || way.is_failing);
	c.lost_of_100 = 20;
	n_before = c.b.n_probes;
	counted_flow(&c, SECONDS(2));
	assert_true(way_of(&c.b, D, X, &way));
	assert_true(way.is_failing && way.is_of_packets);
	assert_in_range(way.n_missing * 100 / way.n_seen, 10, 30);
	assert_in_range(c.b.n_probes - n_before, 12, 24); /* it is asked more often meanwhile */
	c.lost_of_100 = 1;
	counted_flow(&c, SECONDS(10));
	assert_true(way_of(&c.b, D, X, &way));
	assert_false(way.is_suspect || way.is_failing);
	watch_free(c.b.w);
}

static void counts_say_nothing_of_a_way_that_only_some_went_nor_of_bulk(void **state)
{
	struct watch_way way;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct counted c = { .lost_of_100 = 40, .is_split = i == 0, .is_old = i == 2 };

		bed_init(&c.b);
		c.b.is_bulk = i == 1;
		counted_flow(&c, SECONDS(20));
		assert_true(!way_of(&c.b, D, X, &way) || !way.is_failing);
		watch_free(c.b.w);
	}
}

static void counts_of_another_life_of_the_other_end_harm_nobody(void **state)
{
	struct counted c = { .lost_of_100 = 0 };
	struct watch_way way;

	(void)state;
	bed_init(&c.b);
	c.n_sealed = UINT32_MAX - 500; /* it wraps */
	for (unsigned i = 0; i < 20; i++) {
		counted_flow(&c, SECONDS(3));
		c.n_opened = i * 1000; /* restarted, or a lie */
	}
	assert_true(way_of(&c.b, D, X, &way));
	assert_false(way.is_failing);
	watch_free(c.b.w);
}

static void an_end_that_begins_to_count_anew_makes_nobody_suspect(void **state)
{
	struct counted c = { .lost_of_100 = 0 };
	struct watch_way way;

	(void)state;
	bed_init(&c.b);
	counted_flow(&c, SECONDS(3));
	c.n_opened = 0;
	for (unsigned i = 0; i < 300; i++) {
		counted_flow(&c, MS(10));
		assert_true(way_of(&c.b, D, X, &way));
		assert_false(way.is_suspect);
	}
	watch_free(c.b.w);
}

static void one_that_loses_probes_is_probed_often_until_it_is_sure(void **state)
{
	struct watch_way way;
	struct bed b;
	unsigned before;

	(void)state;
	bed_init(&b);
	flow(&b, D, X, WATCH_RELAYED, SECONDS(10));
	before = b.n_probes;
	assert_in_range(before, 30, 50); /* of many of others: a quarter of a second */
	b.dropper = X;
	b.dropped = 3; /* three in a row of ten: not enough for a doubt */
	flow(&b, D, X, WATCH_RELAYED, SECONDS(30));
	assert_true(way_of(&b, D, X, &way));
	assert_true(way.is_failing && !way.is_of_packets);
	assert_in_range(b.n_probes - before, 60, 320);
	watch_free(b.w);
}

/* How long until it is surely failing, from when three of ten are lost; 0: it is not. */
static uint64_t sure_after_us(struct bed *b, uint64_t for_us)
{
	uint64_t began_us = b->now_us;
	struct watch_way way;

	while (b->now_us < began_us + for_us) {
		flow(b, D, X, WATCH_RELAYED, MS(100));
		if (way_of(b, D, X, &way) && way.is_failing)
			return b->now_us - began_us;
	}
	return 0;
}

static void who_is_farther_lets_those_nearer_mend_it_first(void **state)
{
	uint64_t nearest_us = 0;

	(void)state;
	for (unsigned n_hops = 2; n_hops <= 6; n_hops++) {
		unsigned n_further =
			n_hops - 2 < WATCH_FURTHER_MAX ? n_hops - 2 : WATCH_FURTHER_MAX;
		uint64_t after_us;
		struct watch_way way;
		struct bed b;

		bed_init(&b);
		b.n_hops = n_hops;
		flow(&b, D, X, WATCH_RELAYED, SECONDS(10));
		b.dropper = X;
		b.dropped = 3;
		after_us = sure_after_us(&b, SECONDS(120));
		assert_true(after_us > 0);
		assert_true(way_of(&b, D, X, &way));
		assert_int_equal(way.n_hops, n_hops);
		nearest_us = n_hops == 2 ? after_us : nearest_us;
		assert_true(after_us >= nearest_us + n_further * (uint64_t)WATCH_NEARER_US);
		/* and stays so, without another wait */
		flow(&b, D, X, WATCH_RELAYED, SECONDS(40));
		for (unsigned i = 0; i < 10; i++) {
			flow(&b, D, X, WATCH_RELAYED, SECONDS(1));
			assert_true(way_of(&b, D, X, &way) && way.is_failing);
		}
		watch_free(b.w);
	}
}

static void what_somebody_nearer_mends_in_that_time_is_no_fault_here(void **state)
{
	struct watch_way way;
	struct bed b;

	(void)state;
	bed_init(&b);
	b.n_hops = 3;
	for (unsigned i = 0; i < 3; i++) { /* a later one is another, and has its time too */
		flow(&b, D, X, WATCH_RELAYED, SECONDS(80));
		b.dropper = X;
		b.dropped = 3;
		assert_int_equal(sure_after_us(&b, SECONDS(4)), 0);
		b.dropper = 0;
		assert_int_equal(sure_after_us(&b, SECONDS(20)), 0);
		assert_true(way_of(&b, D, X, &way));
		assert_false(way.is_suspect || way.is_failing);
	}
	watch_free(b.w);
}

static void who_never_heard_an_answer_waits_too(void **state)
{
	uint64_t after_us;
	struct bed b;

	(void)state;
	bed_init(&b);
	b.dropper = X;
	after_us = sure_after_us(&b, SECONDS(120));
	assert_true(after_us >= WATCH_FURTHER_UNKNOWN * (uint64_t)WATCH_NEARER_US);
	watch_free(b.w);
}

static void what_was_long_ago_is_no_part_of_a_share(void **state)
{
	struct watch_way way;
	struct bed b;

	(void)state;
	bed_init(&b);
	flow(&b, D, X, WATCH_OWN, SECONDS(20));
	b.now_us += WATCH_HISTORY_US + SECONDS(5);
	flow(&b, D, X, WATCH_RELAYED, SECONDS(5));
	assert_true(way_of(&b, D, X, &way));
	assert_in_range(way.n_sent, 12, 28);
	watch_free(b.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_loses_what_is_too_much_is_not_doubted_and_who_loses_all_is),
		cmocka_unit_test(
			a_way_in_use_is_probed_once_a_second_or_four_times_for_many_packets_and_then_no_more),
		cmocka_unit_test(a_neighbour_itself_and_the_few_packets_of_others_are_not_watched),
		cmocka_unit_test(who_drops_is_doubted_within_four_seconds_and_stays_so),
		cmocka_unit_test(who_mends_is_believed_again_later_each_time),
		cmocka_unit_test(what_is_lost_now_and_then_doubts_nobody),
		cmocka_unit_test(after_two_that_others_reach_a_neighbour_is_doubted_for_all),
		cmocka_unit_test(a_destination_that_is_gone_convicts_nobody),
		cmocka_unit_test(three_lies_in_a_minute_are_enough_and_are_forgiven_after_one),
		cmocka_unit_test(a_long_way_is_not_taken_for_a_lossy_one),
		cmocka_unit_test(a_full_table_watches_no_more_and_counts),
		cmocka_unit_test(a_neighbour_that_is_gone_is_forgotten),
		cmocka_unit_test(
			who_loses_too_little_to_be_doubted_is_seen_in_the_share_of_the_last_probes),
		cmocka_unit_test(answers_to_probes_that_were_given_up_are_none_in_a_row),
		cmocka_unit_test(bulk_that_is_lost_counts_where_what_arrives_is_as_fast_as_ever),
		cmocka_unit_test(bulk_that_drowns_its_way_is_not_a_neighbours_fault_at_once),
		cmocka_unit_test(
			bulk_that_drowns_its_way_is_nobodys_fault_where_all_else_goes_first),
		cmocka_unit_test(
			a_way_that_was_doubted_is_soon_sure_to_fail_and_then_probed_at_leisure),
		cmocka_unit_test(of_many_doubted_ways_not_all_hurry),
		cmocka_unit_test(what_the_destination_counts_tells_a_fault_within_two_seconds),
		cmocka_unit_test(counts_say_nothing_of_a_way_that_only_some_went_nor_of_bulk),
		cmocka_unit_test(counts_of_another_life_of_the_other_end_harm_nobody),
		cmocka_unit_test(an_end_that_begins_to_count_anew_makes_nobody_suspect),
		cmocka_unit_test(one_that_loses_probes_is_probed_often_until_it_is_sure),
		cmocka_unit_test(who_is_farther_lets_those_nearer_mend_it_first),
		cmocka_unit_test(what_somebody_nearer_mends_in_that_time_is_no_fault_here),
		cmocka_unit_test(who_never_heard_an_answer_waits_too),
		cmocka_unit_test(what_was_long_ago_is_no_part_of_a_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

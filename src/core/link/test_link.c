/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/link/link.h"
#include "core/link/quality.h"

/* Two ends and what is under way between them, in virtual time. */
#define FLIGHT_MAX 256

struct packet {
	unsigned to;
	uint64_t at_us;
	uint16_t sequence;
	bool is_probe;
	uint8_t probe[LINK_PROBE_LEN];
};

struct pair {
	struct link *end[2];
	uint64_t now_us;
	uint64_t delay_us;
	uint64_t payload_every_us; /* 0: none */
	uint64_t payload_at_us;
	bool is_cut[2];	   /* towards end i */
	unsigned loss_pct; /* both ways */
	struct rng rng;
	unsigned n_flying;
	struct packet flying[FLIGHT_MAX];
	unsigned n_probes[2]; /* sent by end i */
	uint64_t down_us[2], suspect_us[2], up_us[2];
	bool is_lazy; /* an end is ticked only when something was done to it, or it is time */
	uint64_t still_until_us[2];
	bool announces;
	unsigned n_announced[2];
};

static void put(struct pair *p, unsigned from, const uint8_t *probe, bool is_payload)
{
	struct packet out = { .to = 1 - from, .at_us = p->now_us + p->delay_us };

	p->still_until_us[from] = 0;
	out.sequence = link_next_sequence(p->end[from], 0);
	link_sent(p->end[from], 100, is_payload, p->now_us);
	if (probe) {
		out.is_probe = true;
		memcpy(out.probe, probe, LINK_PROBE_LEN);
		p->n_probes[from]++;
	}
	if (p->is_cut[1 - from] || rng_below(&p->rng, 100) < p->loss_pct)
		return;
	assert_true(p->n_flying < FLIGHT_MAX);
	p->flying[p->n_flying++] = out;
}

static void note_state(struct pair *p, unsigned i, enum link_state before)
{
	enum link_state is = link_state(p->end[i]);

	if (is == before)
		return;
	if (is == LINK_DOWN)
		p->down_us[i] = p->now_us;
	else if (is == LINK_SUSPECT)
		p->suspect_us[i] = p->now_us;
	else
		p->up_us[i] = p->now_us;
}

static void deliver(struct pair *p, const struct packet *in)
{
	struct link *l = p->end[in->to];
	enum link_state before = link_state(l);

	p->still_until_us[in->to] = 0;
	(void)link_received(l, 0, in->sequence, 100, !in->is_probe, p->now_us);
	if (in->is_probe)
		assert_true(link_probe_input(l, SPAN_OF(in->probe), p->now_us) >= 0);
	note_state(p, in->to, before);
}

static void deliver_due(struct pair *p)
{
	for (unsigned i = 0; i < p->n_flying;) {
		struct packet in = p->flying[i];

		if (in.at_us > p->now_us) {
			i++;
			continue;
		}
		p->n_flying--;
		memmove(p->flying + i, p->flying + i + 1, (p->n_flying - i) * sizeof(in));
		deliver(p, &in);
	}
}

static void turn_end(struct pair *p, unsigned i)
{
	enum link_state before = link_state(p->end[i]);
	bool has_payload = p->payload_every_us && p->now_us >= p->payload_at_us;
	uint8_t probe[LINK_PROBE_LEN];

	if (p->is_lazy && !has_payload && p->now_us < p->still_until_us[i])
		return;
	(void)link_tick(p->end[i], p->now_us);
	note_state(p, i, before);
	if (p->announces)
		p->n_announced[i] += link_metric_should_announce(p->end[i], p->now_us);
	p->still_until_us[i] = link_still_until_us(p->end[i], p->now_us);
	if (has_payload)
		put(p, i, NULL, true);
	while (link_next_probe(p->end[i], p->now_us, probe))
		put(p, i, probe, false);
}

static void turn(struct pair *p)
{
	deliver_due(p);
	for (unsigned i = 0; i < 2; i++)
		turn_end(p, i);
	if (p->payload_every_us && p->now_us >= p->payload_at_us)
		p->payload_at_us = p->now_us + p->payload_every_us;
}

static void run(struct pair *p, uint64_t for_us)
{
	for (uint64_t end_us = p->now_us + for_us; p->now_us < end_us; p->now_us += MS(1))
		turn(p);
}

static void pair_init(struct pair *p, uint64_t delay_us)
{
	*p = (struct pair){ .delay_us = delay_us, .now_us = SECONDS(100) };
	rng_seed(&p->rng, 1);
	assert_int_equal(link_new(1, p->now_us, &p->end[0]), 0);
	assert_int_equal(link_new(2, p->now_us, &p->end[1]), 0);
}

static void pair_done(struct pair *p)
{
	link_free(p->end[0]);
	link_free(p->end[1]);
}

static void a_new_link_is_up_after_one_exchange(void **state)
{
	(void)state;
	struct pair p;

	pair_init(&p, MS(5));
	run(&p, MS(20));
	assert_int_equal(link_state(p.end[0]), LINK_UP);
	assert_int_equal(link_state(p.end[1]), LINK_UP);
	assert_true(p.up_us[0] - SECONDS(100) <= MS(11));
	pair_done(&p);
}

/* Packets begin and stop, a quarter is lost, one way is cut and mended. */
static void live(struct pair *p, bool is_lazy)
{
	pair_init(p, MS(3));
	p->is_lazy = is_lazy;
	p->announces = true;
	for (unsigned round = 0; round < 6; round++) {
		p->payload_every_us = round % 2 ? MS(7) : 0;
		p->loss_pct = round == 3 ? 25 : 0;
		p->is_cut[0] = round == 4;
		run(p, SECONDS(7));
	}
}

static void until_it_is_time_a_link_need_not_be_looked_at(void **state)
{
	(void)state;
	struct pair often, seldom;

	live(&often, false);
	live(&seldom, true);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(often.down_us[i] > 0);
		assert_int_equal(seldom.down_us[i], often.down_us[i]);
		assert_int_equal(seldom.suspect_us[i], often.suspect_us[i]);
		assert_int_equal(seldom.up_us[i], often.up_us[i]);
		assert_int_equal(seldom.n_probes[i], often.n_probes[i]);
		assert_true(often.n_announced[i] > 0);
		assert_int_equal(seldom.n_announced[i], often.n_announced[i]);
		assert_int_equal(link_metric(seldom.end[i]), link_metric(often.end[i]));
	}
	pair_done(&often);
	pair_done(&seldom);
}

static void one_direction_alone_is_no_link(void **state)
{
	(void)state;
	struct pair p;

	pair_init(&p, MS(5));
	p.is_cut[0] = true;
	run(&p, SECONDS(5));
	assert_int_equal(link_state(p.end[0]), LINK_DOWN);
	assert_int_equal(link_state(p.end[1]), LINK_DOWN);

	p.is_cut[0] = false; /* and the trouble at the start costs no hold-down */
	run(&p, MS(300));
	assert_int_equal(link_state(p.end[0]), LINK_UP);
	assert_int_equal(link_state(p.end[1]), LINK_UP);
	pair_done(&p);
}

static void round_trips_come_without_a_shared_clock(void **state)
{
	(void)state;
	struct pair p;
	struct link_quality q;

	pair_init(&p, MS(7));
	run(&p, SECONDS(3));
	link_quality(p.end[0], p.now_us, &q);
	assert_in_range(q.rtt_us, 14000, 16000);
	assert_in_range(q.rtt_min_us, 14000, 16000);
	assert_true(q.jitter_us < 2000);
	assert_int_equal(q.loss_ppm, 0);
	pair_done(&p);
}

static void a_cut_of_an_active_link_is_suspected_in_25_ms_and_known_in_130(void **state)
{
	(void)state;
	for (uint64_t offset = 0; offset < 100; offset += 7) {
		struct pair p;
		uint64_t cut_us;

		pair_init(&p, MS(2));
		p.payload_every_us = MS(20);
		run(&p, SECONDS(3) + MS(offset));
		cut_us = p.now_us;
		p.is_cut[0] = p.is_cut[1] = true;
		run(&p, SECONDS(1));
		for (unsigned i = 0; i < 2; i++) {
			assert_in_range(p.suspect_us[i], cut_us + MS(7), cut_us + MS(26));
			assert_in_range(p.down_us[i], cut_us + MS(107), cut_us + MS(130));
		}
		pair_done(&p);
	}
}

static void a_cut_of_an_idle_link_is_seen_within_a_second(void **state)
{
	(void)state;
	struct pair p;
	uint64_t cut_us;

	pair_init(&p, MS(2));
	run(&p, SECONDS(10));
	cut_us = p.now_us;
	p.is_cut[0] = p.is_cut[1] = true;
	run(&p, SECONDS(2));
	for (unsigned i = 0; i < 2; i++)
		assert_in_range(p.down_us[i], cut_us, cut_us + MS(700));
	pair_done(&p);
}

static void one_direction_cut_takes_both_ends_down(void **state)
{
	(void)state;
	struct pair p;
	uint64_t cut_us;

	pair_init(&p, MS(2));
	p.payload_every_us = MS(20);
	run(&p, SECONDS(3));
	cut_us = p.now_us;
	p.is_cut[1] = true;
	run(&p, SECONDS(1));
	assert_in_range(p.down_us[1], cut_us, cut_us + MS(300));
	assert_in_range(p.down_us[0], p.down_us[1], p.down_us[1] + MS(5)); /* it is told */
	pair_done(&p);
}

static void silence_makes_suspect_and_three_probes_and_a_packet_clears_it(void **state)
{
	(void)state;
	struct pair p;
	unsigned before;

	pair_init(&p, MS(2));
	p.payload_every_us = MS(20);
	run(&p, SECONDS(3));
	p.is_cut[0] = true;
	before = p.n_probes[0];
	while (link_state(p.end[0]) == LINK_UP)
		run(&p, MS(1));
	assert_int_equal(link_state(p.end[0]), LINK_SUSPECT);
	assert_true(p.n_probes[0] >= before + 3);
	p.is_cut[0] = false;
	run(&p, MS(25));
	assert_int_equal(link_state(p.end[0]), LINK_UP);
	assert_int_equal(link_state(p.end[1]), LINK_UP);
	pair_done(&p);
}

static void a_late_tick_still_gives_the_probes_their_time(void **state)
{
	(void)state;
	struct pair p;

	pair_init(&p, MS(2));
	p.payload_every_us = MS(20);
	run(&p, SECONDS(3));
	p.now_us += SECONDS(2); /* the machine slept; packets wait in the socket */
	assert_true(link_tick(p.end[0], p.now_us));
	assert_int_equal(link_state(p.end[0]), LINK_SUSPECT);
	p.now_us += SECONDS(2); /* and again: that nothing was heard says nothing of the link */
	assert_false(link_tick(p.end[0], p.now_us));
	assert_int_equal(link_state(p.end[0]), LINK_SUSPECT);
	for (unsigned i = 0; i < 100 && link_state(p.end[0]) == LINK_SUSPECT; i++) {
		p.now_us += MS(1);
		(void)link_tick(p.end[0], p.now_us);
	}
	assert_int_equal(link_state(p.end[0]), LINK_DOWN);
	pair_done(&p);
}

static void who_sends_before_a_late_tick_knows_of_the_silence(void **state)
{
	(void)state;
	struct pair p;

	pair_init(&p, MS(2));
	p.payload_every_us = MS(20);
	run(&p, SECONDS(3));
	assert_int_equal(link_state_now(p.end[0], p.now_us), LINK_UP);
	assert_int_equal(link_state_now(p.end[0], p.now_us + MS(50)), LINK_SUSPECT);
	assert_int_equal(link_state(p.end[0]), LINK_UP);
	assert_true(link_force_down(p.end[0], p.now_us));
	assert_int_equal(link_state_now(p.end[0], p.now_us + MS(50)), LINK_DOWN);
	pair_done(&p);
}

static void coming_back_takes_ten_clean_probes_and_the_hold_down(void **state)
{
	(void)state;
	struct pair p;
	uint64_t back_us;

	pair_init(&p, MS(2));
	run(&p, SECONDS(3));
	p.is_cut[0] = p.is_cut[1] = true;
	run(&p, SECONDS(5));
	back_us = p.now_us;
	p.is_cut[0] = p.is_cut[1] = false;
	run(&p, SECONDS(3));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(link_state(p.end[i]), LINK_UP);
		assert_in_range(p.up_us[i], back_us + MS(800), back_us + MS(1600));
	}
	pair_done(&p);
}

static void the_hold_down_doubles_up_to_a_minute(void **state)
{
	(void)state;
	struct pair p;
	uint64_t expected_us = LINK_HOLD_DOWN_MIN_US;

	pair_init(&p, MS(2));
	run(&p, SECONDS(1));
	for (unsigned i = 0; i < 8; i++) {
		uint64_t down_us = p.now_us;

		assert_true(link_force_down(p.end[0], p.now_us));
		assert_false(link_force_down(p.end[0], p.now_us));
		run(&p, expected_us + SECONDS(3));
		assert_int_equal(link_state(p.end[0]), LINK_UP);
		assert_in_range(p.up_us[0], down_us + expected_us,
				down_us + expected_us + MS(1500));
		expected_us = min_u64(2 * expected_us, LINK_HOLD_DOWN_MAX_US);
	}
	run(&p, SECONDS(61)); /* a minute of peace, and the past is forgiven */
	assert_true(link_force_down(p.end[0], p.now_us));
	run(&p, SECONDS(3));
	assert_int_equal(link_state(p.end[0]), LINK_UP);
	pair_done(&p);
}

static void nobody_slows_down_before_the_neighbour_knows(void **state)
{
	(void)state;
	struct pair p;

	pair_init(&p, MS(2));
	p.payload_every_us = MS(50);
	run(&p, SECONDS(4));
	p.payload_every_us = 0;
	run(&p, SECONDS(2) - MS(60));
	p.is_cut[0] = true; /* end 1's probes are lost while it would slow down */
	for (unsigned i = 0; i < 3; i++) {
		unsigned before = p.n_probes[1];

		run(&p, MS(101));
		assert_true(p.n_probes[1] > before);
	}
	pair_done(&p);
}

static void an_idle_link_is_quiet_and_a_busy_one_is_not_probed_much(void **state)
{
	(void)state;
	struct pair p;
	unsigned before;

	pair_init(&p, MS(2));
	run(&p, SECONDS(5));
	before = p.n_probes[0];
	run(&p, SECONDS(10));
	assert_in_range(p.n_probes[0] - before, 40, 55); /* 250 ms less up to a quarter */
	p.payload_every_us = MS(10);
	run(&p, SECONDS(3));
	before = p.n_probes[0];
	run(&p, SECONDS(10));
	assert_in_range(p.n_probes[0] - before, 9, 11);
	pair_done(&p);
}

static void a_link_that_carries_little_is_probed_in_the_gaps(void **state)
{
	(void)state;
	struct pair p;
	unsigned before;

	pair_init(&p, MS(2));
	p.payload_every_us = MS(500);
	run(&p, SECONDS(3));
	before = p.n_probes[0];
	run(&p, SECONDS(1));
	assert_in_range(p.n_probes[0] - before, 60, 68); /* every 15 ms */
	pair_done(&p);
}

static void what_a_link_has_shown_to_last_is_waited_for_three_times(void **state)
{
	(void)state;
	struct pair p;
	uint64_t cut_us;

	pair_init(&p, MS(2));
	p.payload_every_us = MS(20);
	run(&p, SECONDS(3));
	p.is_cut[0] = p.is_cut[1] = true;
	run(&p, MS(80)); /* a burst of loss: suspect for some 60 ms, and wrongly */
	p.is_cut[0] = p.is_cut[1] = false;
	run(&p, SECONDS(1));
	assert_int_equal(p.down_us[0], 0);
	cut_us = p.now_us;
	p.is_cut[0] = p.is_cut[1] = true;
	run(&p, SECONDS(1));
	assert_in_range(p.down_us[0], cut_us + MS(160), cut_us + MS(270));
	p.is_cut[0] = p.is_cut[1] = false;
	run(&p, SECONDS(3 * 3600)); /* forgotten after an hour, two at most */
	p.payload_every_us = MS(20);
	cut_us = p.now_us;
	p.is_cut[0] = p.is_cut[1] = true;
	run(&p, SECONDS(1));
	assert_in_range(p.down_us[0], cut_us + MS(100), cut_us + MS(130));
	pair_done(&p);
}

static void lateness_is_promised_and_so_no_reason_for_doubt(void **state)
{
	(void)state;
	struct pair p;
	uint64_t cut_us;

	pair_init(&p, MS(2));
	link_set_lateness(p.end[1], MS(40));
	p.payload_every_us = MS(500); /* so probes tell */
	run(&p, SECONDS(3));
	assert_in_range(link_speak_by_us(p.end[1]), p.now_us, p.now_us + MS(55));
	cut_us = p.now_us;
	p.is_cut[0] = true;
	run(&p, MS(50)); /* one that has to wait for a processor */
	p.is_cut[0] = false;
	run(&p, MS(100));
	assert_int_equal(p.suspect_us[0], 0);
	assert_true(cut_us > 0);
	link_set_lateness(p.end[1], UINT32_MAX);
	assert_true(link_speak_by_us(p.end[1]) <= p.now_us + MS(15) + LINK_LATENESS_MAX_US);
	pair_done(&p);
}

static void a_refusal_is_a_doubt_and_a_second_one_after_unanswered_probes_the_end(void **state)
{
	(void)state;
	struct pair p;

	pair_init(&p, MS(2));
	run(&p, SECONDS(3));
	assert_true(link_refused(p.end[0], p.now_us));
	assert_int_equal(link_state(p.end[0]), LINK_SUSPECT);
	assert_false(link_refused(p.end[0], p.now_us)); /* no time to answer yet */
	run(&p, MS(10));
	assert_int_equal(link_state(p.end[0]), LINK_UP); /* but it did */
	assert_false(link_refused(p.end[0], p.now_us));	 /* so whoever says that is not heard */
	assert_int_equal(link_state(p.end[0]), LINK_UP);
	run(&p, SECONDS(1));
	p.is_cut[0] = p.is_cut[1] = true;
	assert_true(link_refused(p.end[0], p.now_us));
	run(&p, MS(14));
	assert_int_equal(link_state(p.end[0]), LINK_SUSPECT);
	assert_true(link_refused(p.end[0], p.now_us));
	assert_int_equal(link_state(p.end[0]), LINK_DOWN);
	assert_false(link_refused(p.end[0], p.now_us));
	pair_done(&p);
}

static void a_warm_link_is_probed_ten_times_a_second(void **state)
{
	(void)state;
	struct pair p;
	unsigned before;

	pair_init(&p, MS(2));
	run(&p, SECONDS(3));
	link_set_warm(p.end[0], true);
	run(&p, SECONDS(1));
	before = p.n_probes[0];
	run(&p, SECONDS(1));
	assert_in_range(p.n_probes[0] - before, 9, 11);
	pair_done(&p);
}

static void no_loss_never_takes_a_link_down(void **state)
{
	(void)state;
	struct pair p;
	struct link_quality q;

	pair_init(&p, MS(40));
	for (unsigned i = 0; i < 20; i++) { /* from active to idle and back */
		p.payload_every_us = i % 2 ? MS(30) : 0;
		run(&p, SECONDS(3));
	}
	link_quality(p.end[0], p.now_us, &q);
	assert_int_equal(q.flaps, 0);
	assert_int_equal(link_state(p.end[0]), LINK_UP);
	assert_true(p.suspect_us[0] == 0 && p.suspect_us[1] == 0);
	pair_done(&p);
}

static void loss_is_measured_and_makes_the_class_worse(void **state)
{
	(void)state;
	struct pair p;
	struct link_quality q;

	pair_init(&p, MS(1));
	p.payload_every_us = MS(10);
	p.loss_pct = 10;
	run(&p, SECONDS(40));
	link_quality(p.end[0], p.now_us, &q);
	assert_in_range(q.loss_ppm, 70000, 130000);
	assert_int_equal(link_class(p.end[0]), LINK_BAD);
	p.loss_pct = 0;
	run(&p, SECONDS(40));
	link_quality(p.end[0], p.now_us, &q);
	assert_int_equal(q.loss_ppm, 0);
	pair_done(&p);
}

static void an_outage_is_not_counted_as_loss(void **state)
{
	(void)state;
	struct pair p;
	struct link_quality q;

	pair_init(&p, MS(1));
	run(&p, SECONDS(40));
	p.is_cut[0] = p.is_cut[1] = true;
	run(&p, SECONDS(5));
	p.is_cut[0] = p.is_cut[1] = false;
	run(&p, SECONDS(5));
	link_quality(p.end[0], p.now_us, &q);
	assert_int_equal(q.loss_ppm, 0);
	assert_int_equal(q.flaps, 1);
	pair_done(&p);
}

/* ---- quality ---- */

static void sequence_numbers_wrap_without_loss(void **state)
{
	(void)state;
	struct quality q;
	uint16_t sequence = 65000;

	quality_init(&q, 0);
	for (unsigned i = 0; i < 2000; i++)
		quality_received(&q, 0, sequence++, 10, true, MS(i));
	assert_int_equal(quality_loss_ppm(&q), 0);
	assert_int_equal(q.totals.received, 2000);
}

static void a_gap_is_loss_until_the_latecomer_comes_and_a_copy_counts_once(void **state)
{
	(void)state;
	struct quality q;

	quality_init(&q, 0);
	for (uint16_t i = 0; i < 1000; i++) {
		if (i != 500)
			quality_received(&q, 0, i, 10, true, i);
		if (i == 510) {
			assert_int_equal(q.totals.expected - q.totals.received, 1);
			quality_received(&q, 0, 500, 10, true, i);
			quality_received(&q, 0, 500, 10, true, i);
		}
	}
	assert_int_equal(q.totals.expected, 1000);
	assert_int_equal(q.totals.received, 1000);
}

static void a_stray_number_is_ignored_and_a_burst_of_loss_is_not(void **state)
{
	(void)state;
	struct quality q;

	quality_init(&q, 0);
	for (uint16_t i = 0; i < 10; i++)
		quality_received(&q, 0, i, 10, true, 0);
	quality_received(&q, 0, 40000, 10, true, 0); /* of the keys before */
	quality_received(&q, 0, 10, 10, true, 0);
	assert_int_equal(q.totals.expected, 11);
	quality_received(&q, 0, 1011, 10, true, 0); /* 1,000 were lost */
	quality_received(&q, 0, 1012, 10, true, 0);
	assert_int_equal(q.totals.expected, 1013);
	assert_int_equal(q.totals.expected - q.totals.received, 1000);
	quality_received(&q, 0, 0, 10, true, 0); /* new keys */
	quality_received(&q, 0, 1, 10, true, 0);
	quality_received(&q, 0, 2, 10, true, 0);
	assert_int_equal(q.totals.expected - q.totals.received, 1000);
}

static void what_overtakes_in_another_lane_is_no_gap(void **state)
{
	(void)state;
	struct quality q;

	quality_init(&q, 0);
	for (uint16_t i = 0; i < 1000; i++) {
		quality_received(&q, 0, i, 10, true, i);
		if (i % 100 == 0) /* each numbers for itself, from 0 */
			quality_received(&q, LINK_LANES - 1, i / 100, 10, true, i);
	}
	assert_int_equal(q.totals.expected, 1010);
	assert_int_equal(q.totals.received, 1010);
}

static void the_windows_forget(void **state)
{
	(void)state;
	struct quality q;

	quality_init(&q, 0);
	for (uint16_t i = 0; i < 200; i = (uint16_t)(i + 2))
		quality_received(&q, 0, i, 10, true, MS(i));
	assert_in_range(quality_loss_ppm(&q), 490000, 510000);
	(void)quality_tick(&q, true, SECONDS(32));
	assert_int_equal(quality_loss_ppm(&q), 0);
	assert_int_equal(quality_rate_bps(&q), 0);
}

static void the_upper_bound_follows_the_rule_of_three(void **state)
{
	(void)state;
	/* One-sided 95 % limits of a Poisson mean, from the chi-squared quantiles: 2.996, 4.744,
	 * 6.296, 10.513, 16.962, 118.08 for 0, 1, 2, 5, 10, 100 seen. */
	static const struct {
		uint64_t n_lost;
		uint32_t limit_milli;
	} known[] = { { 0, 2996 },  { 1, 4744 },   { 2, 6296 },
		      { 5, 10513 }, { 10, 16962 }, { 100, 118080 } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint32_t upper = quality_loss_upper_ppm(known[i].n_lost, 1000000);

		assert_true(upper * 1000 >= known[i].limit_milli);
		assert_true(upper <= known[i].limit_milli / 1000 + 4);
	}
	assert_int_equal(quality_loss_upper_ppm(0, 0), 1000000);
	assert_true(quality_loss_upper_ppm(0, 2990) > 1000);
	assert_true(quality_loss_upper_ppm(0, 3001) < 1000);
}

static void run_quality(struct quality *q, unsigned n_seconds, unsigned per_second, size_t len,
			uint16_t *sequence, uint64_t *now_us)
{
	for (unsigned s = 0; s < n_seconds; s++) {
		for (unsigned i = 0; i < per_second; i++) {
			quality_received(q, 0, (*sequence)++, len, true, *now_us);
			*now_us += SECONDS(1) / per_second;
		}
		(void)quality_tick(q, true, *now_us);
	}
}

static void excellent_needs_three_thousand_packets_and_five_windows(void **state)
{
	(void)state;
	struct quality q;
	uint16_t sequence = 0;
	uint64_t now_us = 0;

	quality_init(&q, now_us);
	quality_rtt(&q, 2000);
	assert_int_equal(q.class, LINK_FAIR);
	run_quality(&q, 4, 12500, 1400, &sequence, &now_us); /* 140 Mbit/s */
	assert_int_equal(q.class, LINK_FAIR);
	run_quality(&q, 2, 12500, 1400, &sequence, &now_us);
	assert_int_equal(q.class, LINK_EXCELLENT);
	quality_init(&q, now_us);
	quality_rtt(&q, 2000);
	run_quality(&q, 60, 100, 100, &sequence, &now_us); /* little was ever delivered */
	assert_int_equal(q.class, LINK_FAIR);
}

static void worse_comes_after_two_windows(void **state)
{
	(void)state;
	struct quality q;
	uint16_t sequence = 0;
	uint64_t now_us = 0;

	quality_init(&q, now_us);
	run_quality(&q, 5, 100, 100, &sequence, &now_us);
	sequence = (uint16_t)(sequence + 50);
	run_quality(&q, 1, 100, 100, &sequence, &now_us);
	assert_int_equal(q.class, LINK_FAIR);
	run_quality(&q, 1, 100, 100, &sequence, &now_us);
	assert_int_equal(q.class, LINK_BAD);
}

static void the_metric_is_the_formula(void **state)
{
	(void)state;
	struct quality q;

	quality_init(&q, 0);
	quality_rtt(&q, 4000);
	/* (100 + 2000 + 1120) us x 3 in 10 us units */
	assert_int_equal(quality_metric(&q), 966);
	q.loss_out_ppm = 500000;
	assert_int_equal(quality_metric(&q), 1932);
	q.loss_out_ppm = 1000000; /* bounded */
	assert_int_equal(quality_metric(&q), 966 * 20);
	q.rtt_min_us[0] = UINT32_MAX;
	q.class = LINK_BAD;
	assert_int_equal(quality_metric(&q), LINK_METRIC_MAX - 1);
}

static void changes_are_announced_with_hysteresis(void **state)
{
	(void)state;
	struct pair p;

	pair_init(&p, MS(10));
	assert_int_equal(link_metric(p.end[0]), LINK_METRIC_MAX);
	run(&p, SECONDS(2));
	assert_true(link_metric(p.end[0]) < LINK_METRIC_MAX);
	assert_false(link_metric_should_announce(p.end[0], p.now_us));
	p.delay_us = MS(20);
	run(&p, SECONDS(40)); /* the old minimum leaves the window */
	assert_true(link_metric_should_announce(p.end[0], p.now_us));
	assert_false(link_metric_should_announce(p.end[0], p.now_us));
	p.delay_us = MS(1);
	run(&p, MS(1500));
	assert_false(link_metric_should_announce(p.end[0], p.now_us)); /* better, but too new */
	run(&p, SECONDS(4));
	assert_true(link_metric_should_announce(p.end[0], p.now_us));
	pair_done(&p);
}

/* ---- hostile input ---- */

static void fill_probe(uint8_t probe[LINK_PROBE_LEN], uint8_t flags, uint32_t interval_us,
		       uint32_t id)
{
	memset(probe, 0, LINK_PROBE_LEN);
	probe[0] = flags;
	store_u32(probe + 4, interval_us);
	store_u32(probe + 8, id);
}

static void impossible_probes_are_refused_and_change_nothing(void **state)
{
	(void)state;
	struct link *l;
	uint8_t probe[LINK_PROBE_LEN + 1] = { 0 };
	uint8_t out[LINK_PROBE_LEN];

	assert_int_equal(link_new(1, SECONDS(1), &l), 0);
	assert_true(link_next_probe(l, SECONDS(1), out));
	fill_probe(probe, 1, 100000, 1);
	assert_int_equal(link_probe_input(l, SPAN(probe, 0), SECONDS(2)), -EBADMSG);
	assert_int_equal(link_probe_input(l, SPAN(probe, LINK_PROBE_LEN - 1), SECONDS(2)),
			 -EBADMSG);
	assert_int_equal(link_probe_input(l, SPAN(probe, LINK_PROBE_LEN + 1), SECONDS(2)),
			 -EBADMSG);

	struct span whole = SPAN(probe, LINK_PROBE_LEN);

	fill_probe(probe, 0x81, 100000, 1);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* unknown flag */
	fill_probe(probe, 1, 100000, 1);
	probe[2] = 1;
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* reserved */
	fill_probe(probe, 1, 999, 1);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* too often */
	fill_probe(probe, 1, 10000001, 1);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* too seldom */
	fill_probe(probe, 1, 100000, 0);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* no id */
	fill_probe(probe, 1, 100000, 1);
	store_u32(probe + 36, 1000001);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* loss above all */
	fill_probe(probe, 1, 100000, 1);
	store_u32(probe + 20, 1);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* echo unsaid */
	fill_probe(probe, 5, 100000, 1);
	store_u32(probe + 20, 2);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* never sent */
	store_u32(probe + 20, 1);
	store_u64(probe + 24, SECONDS(1) + 1);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* not at that time */
	store_u64(probe + 24, SECONDS(1));
	store_u32(probe + 32, 1100000);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), -EPROTO); /* held for too long */
	assert_int_equal(link_state(l), LINK_DOWN);
	store_u32(probe + 32, 900000);
	assert_int_equal(link_probe_input(l, whole, SECONDS(2)), 1);
	assert_int_equal(link_state(l), LINK_UP);

	struct link_quality q;

	link_quality(l, SECONDS(2), &q);
	assert_int_equal(q.rtt_us, 100000);
	link_free(l);
}

static void a_flood_of_questions_gets_few_answers(void **state)
{
	(void)state;
	struct link *l;
	uint8_t probe[LINK_PROBE_LEN];
	unsigned n = 0;

	assert_int_equal(link_new(1, SECONDS(1), &l), 0);
	for (uint32_t i = 1; i <= 1000; i++) {
		fill_probe(probe, 3, 100000, i);
		assert_true(link_probe_input(l, SPAN_OF(probe), SECONDS(2)) >= 0);
	}
	while (link_next_probe(l, SECONDS(2), probe))
		n++;
	assert_in_range(n, 1, 4);
	link_free(l);
}

static void an_overtaken_probe_changes_nothing(void **state)
{
	(void)state;
	struct link *l;
	uint8_t probe[LINK_PROBE_LEN];

	assert_int_equal(link_new(1, SECONDS(1), &l), 0);
	fill_probe(probe, 1, 100000, 7);
	assert_int_equal(link_probe_input(l, SPAN_OF(probe), SECONDS(2)), 1);
	fill_probe(probe, 0, 5000000, 6); /* sent before it was ready */
	assert_int_equal(link_probe_input(l, SPAN_OF(probe), SECONDS(2)), 0);
	assert_int_equal(link_state(l), LINK_UP);
	assert_true(link_tick(l, SECONDS(2) + MS(150)));
	link_free(l);
}

static void names_are_words(void **state)
{
	(void)state;
	assert_string_equal(link_state_name(LINK_SUSPECT), "suspect");
	assert_string_equal(link_class_name(LINK_BAD), "bad");
	assert_string_equal(link_class_name((enum link_class)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_link_is_up_after_one_exchange),
		cmocka_unit_test(until_it_is_time_a_link_need_not_be_looked_at),
		cmocka_unit_test(one_direction_alone_is_no_link),
		cmocka_unit_test(round_trips_come_without_a_shared_clock),
		cmocka_unit_test(a_cut_of_an_active_link_is_suspected_in_25_ms_and_known_in_130),
		cmocka_unit_test(a_cut_of_an_idle_link_is_seen_within_a_second),
		cmocka_unit_test(one_direction_cut_takes_both_ends_down),
		cmocka_unit_test(silence_makes_suspect_and_three_probes_and_a_packet_clears_it),
		cmocka_unit_test(a_late_tick_still_gives_the_probes_their_time),
		cmocka_unit_test(who_sends_before_a_late_tick_knows_of_the_silence),
		cmocka_unit_test(coming_back_takes_ten_clean_probes_and_the_hold_down),
		cmocka_unit_test(the_hold_down_doubles_up_to_a_minute),
		cmocka_unit_test(nobody_slows_down_before_the_neighbour_knows),
		cmocka_unit_test(an_idle_link_is_quiet_and_a_busy_one_is_not_probed_much),
		cmocka_unit_test(a_link_that_carries_little_is_probed_in_the_gaps),
		cmocka_unit_test(what_a_link_has_shown_to_last_is_waited_for_three_times),
		cmocka_unit_test(lateness_is_promised_and_so_no_reason_for_doubt),
		cmocka_unit_test(
			a_refusal_is_a_doubt_and_a_second_one_after_unanswered_probes_the_end),
		cmocka_unit_test(a_warm_link_is_probed_ten_times_a_second),
		cmocka_unit_test(no_loss_never_takes_a_link_down),
		cmocka_unit_test(loss_is_measured_and_makes_the_class_worse),
		cmocka_unit_test(an_outage_is_not_counted_as_loss),
		cmocka_unit_test(sequence_numbers_wrap_without_loss),
		cmocka_unit_test(a_gap_is_loss_until_the_latecomer_comes_and_a_copy_counts_once),
		cmocka_unit_test(a_stray_number_is_ignored_and_a_burst_of_loss_is_not),
		cmocka_unit_test(what_overtakes_in_another_lane_is_no_gap),
		cmocka_unit_test(the_windows_forget),
		cmocka_unit_test(the_upper_bound_follows_the_rule_of_three),
		cmocka_unit_test(excellent_needs_three_thousand_packets_and_five_windows),
		cmocka_unit_test(worse_comes_after_two_windows),
		cmocka_unit_test(the_metric_is_the_formula),
		cmocka_unit_test(changes_are_announced_with_hysteresis),
		cmocka_unit_test(impossible_probes_are_refused_and_change_nothing),
		cmocka_unit_test(a_flood_of_questions_gets_few_answers),
		cmocka_unit_test(an_overtaken_probe_changes_nothing),
		cmocka_unit_test(names_are_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

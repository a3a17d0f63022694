/* SPDX-License-Identifier: Apache-2.0 */
/* From readings to repairs: what opens an incident, what is done in which order, and what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/healing/healing.h"

#define START SECONDS(1000)
#define B 0xb
#define D 0xd
#define NOON 43200

/* A node with hands that do as told. */
struct bed {
	struct healing *h;
	uint64_t now_us;
	bool is_link_cause;
	int record_r, do_r, undo_r, probe_r; /* answers; 1: none at all */
	bool is_bad;			     /* readings of B */
	unsigned n_explain, n_intents, n_results, n_do, n_undo, n_probes, n_tells;
	unsigned n_do_unrecorded; /* DO without an intent before it */
	uint64_t last_do_ticket;
};

static void bed_init(struct bed *b)
{
	struct mandates m;

	*b = (struct bed){ .now_us = START };
	assert_int_equal(healing_new(1, 7, &b->h), 0);
	mandates_default(&m);
	healing_set_mandates(b->h, &m);
	healing_set_power(b->h, true, "");
}

static int reading(struct bed *b, enum healing_kind kind, uint64_t subject, double value)
{
	struct healing_reading r = {
		.kind = kind,
		.subject = subject,
		.about = kind == HEALING_DELIVERY ? D : 0,
		.value = value,
		.at_us = b->now_us,
		.n_samples = 32,
		.source = "test",
	};

	return healing_input(b->h, &r, b->now_us);
}

static void facts_of(const struct healing_incident *i, struct healing_facts *ret)
{
	int route, node;

	*ret = (struct healing_facts){ 0 };
	route = graph_vertex(&ret->graph, &(struct healing_vertex){
						  .kind = VERTEX_ROUTE,
						  .a = i->subject,
						  .b = i->about,
						  .deviation = 0.2,
					  });
	node = graph_vertex(&ret->graph, &(struct healing_vertex){
						 .kind = VERTEX_NODE,
						 .a = i->subject,
						 .deviation = 0.2,
					 });
	assert_int_equal(graph_edge(&ret->graph, route, node, 1), 0);
	ret->is_possible[REMEDY_AVOID] = ret->is_possible[REMEDY_REHANDSHAKE] = true;
}

static void answer(struct bed *b, const struct healing_order *o)
{
	struct healing_facts facts;

	switch (o->type) {
	case HEALING_EXPLAIN:
		b->n_explain++;
		facts_of(o->incident, &facts);
		assert_int_equal(healing_explained(b->h, o->ticket, &facts, b->now_us), 0);
		break;
	case HEALING_RECORD:
		b->n_intents += !o->is_result;
		b->n_results += o->is_result;
		if (b->record_r <= 0)
			assert_int_equal(healing_recorded(b->h, o->ticket, b->record_r, b->now_us),
					 0);
		break;
	case HEALING_DO:
		b->n_do++;
		b->n_do_unrecorded += b->n_intents == 0;
		b->last_do_ticket = o->ticket;
		if (b->do_r <= 0)
			assert_int_equal(healing_done(b->h, o->ticket, b->do_r, b->now_us), 0);
		break;
	case HEALING_UNDO:
		b->n_undo++;
		if (b->undo_r <= 0)
			assert_int_equal(healing_done(b->h, o->ticket, b->undo_r, b->now_us), 0);
		break;
	case HEALING_PROBE:
		b->n_probes++;
		if (b->probe_r <= 0)
			assert_int_equal(healing_probed(b->h, o->ticket, b->probe_r, b->now_us), 0);
		break;
	case HEALING_TELL:
		b->n_tells++;
		break;
	}
}

static void run(struct bed *b, uint64_t for_us)
{
	uint64_t until_us = b->now_us + for_us;
	struct healing_order o;

	for (; b->now_us < until_us; b->now_us += MS(100)) {
		if (b->is_bad)
			(void)reading(b, HEALING_DELIVERY, B, 0.2);
		healing_tick(b->h, b->now_us, NOON);
		while (healing_next_order(b->h, &o, b->now_us))
			answer(b, &o);
	}
}

static const struct healing_incident *latest(const struct bed *b)
{
	uint64_t cursor = 0;

	return healing_next(b->h, &cursor);
}

static void end(struct bed *b)
{
	assert_int_equal(b->n_do_unrecorded, 0);
	healing_free(b->h);
}

/* ---- what opens one ---- */

static void absurd_missing_and_late_values_open_nothing(void **state)
{
	struct healing_reading r = { .kind = HEALING_CPU, .n_samples = 1, .source = "test" };
	struct bed b;

	(void)state;
	bed_init(&b);
	for (unsigned n = 0; n < 100; n++) {
		b.now_us += SECONDS(1);
		assert_int_equal(reading(&b, HEALING_DELIVERY, B, NAN), -ENODATA);
		assert_int_equal(reading(&b, HEALING_DELIVERY, B, INFINITY), -ERANGE);
		assert_int_equal(reading(&b, HEALING_DELIVERY, B, -INFINITY), -ERANGE);
		assert_int_equal(reading(&b, HEALING_DELIVERY, B, -0.1), -ERANGE);
		assert_int_equal(reading(&b, HEALING_DELIVERY, B, 1.1), -ERANGE);
		assert_int_equal(reading(&b, HEALING_N_KINDS, B, 0.5), -EINVAL);
		r.value = 0.99;
		r.at_us = b.now_us - HEALING_AGE_MAX_US - 1;
		assert_int_equal(healing_input(b.h, &r, b.now_us), -ESTALE);
		r.at_us = b.now_us + 1; /* a clock that is wrong */
		assert_int_equal(healing_input(b.h, &r, b.now_us), -ESTALE);
		r.source = NULL;
		assert_int_equal(healing_input(b.h, &r, b.now_us), -EINVAL);
		r.source = "test";
	}
	assert_null(latest(&b));
	end(&b);
}

static void a_service_that_does_not_answer_twice_is_told_and_nothing_is_done(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(reading(&b, HEALING_SERVICE, 1, 1), 0);
	run(&b, SECONDS(5));
	assert_null(latest(&b));
	assert_int_equal(reading(&b, HEALING_SERVICE, 1, 1), 0);
	assert_int_equal(reading(&b, HEALING_SERVICE, 2, 0), 0); /* another one */
	run(&b, SECONDS(5));
	assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
	assert_int_equal(latest(&b)->severity, HEALING_SERIOUS);
	assert_int_equal(b.n_tells, 1);
	assert_int_equal(b.n_intents + b.n_do, 0);
	for (unsigned n = 0; n < 2; n++) {
		assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
		assert_int_equal(reading(&b, HEALING_SERVICE, 1, 0), 0);
		run(&b, SECONDS(5));
	}
	assert_int_equal(latest(&b)->state, HEALING_CLOSED);
	end(&b);
}

static void few_samples_are_a_missing_value(void **state)
{
	struct healing_reading r = {
		.kind = HEALING_DELIVERY,
		.subject = B,
		.about = D,
		.value = 1,
		.source = "test",
	};
	struct bed b;

	(void)state;
	bed_init(&b);
	r.at_us = b.now_us;
	r.n_samples = 15;
	assert_int_equal(healing_input(b.h, &r, b.now_us), -ENODATA);
	assert_null(latest(&b));
	end(&b);
}

static void one_measurement_told_again_counts_once(void **state)
{
	struct healing_reading r = {
		.kind = HEALING_CPU, .value = 1, .n_samples = 1, .source = "test"
	};
	struct bed b;

	(void)state;
	bed_init(&b);
	r.at_us = b.now_us;
	assert_int_equal(healing_input(b.h, &r, b.now_us), 0);
	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(healing_input(b.h, &r, b.now_us), -EALREADY);
	assert_null(latest(&b));
	end(&b);
}

static void
flapping_between_good_and_bad_opens_nothing_and_between_the_two_closes_nothing(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	for (unsigned n = 0; n < 200; n++) {
		b.now_us += SECONDS(1);
		assert_int_equal(reading(&b, HEALING_CPU, 0, n % 9 == 8 ? 0.5 : 0.95), 0);
	}
	assert_null(latest(&b));
	for (unsigned n = 0; n < 10; n++) {
		b.now_us += SECONDS(1);
		assert_int_equal(reading(&b, HEALING_CPU, 0, 0.95), 0);
	}
	assert_non_null(latest(&b));
	run(&b, SECONDS(1));
	for (unsigned n = 0; n < 100; n++) {
		b.now_us += SECONDS(1);
		assert_int_equal(reading(&b, HEALING_CPU, 0, 0.8), 0);
	}
	assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
	for (unsigned n = 0; n < 10; n++) {
		b.now_us += SECONDS(1);
		assert_int_equal(reading(&b, HEALING_CPU, 0, 0.2), 0);
	}
	assert_int_equal(latest(&b)->state, HEALING_CLOSED);
	end(&b);
}

static void a_flood_of_incidents_is_bounded_and_counted(void **state)
{
	struct healing_counters c;
	struct bed b;

	(void)state;
	bed_init(&b);
	for (unsigned n = 1; n <= HEALING_KEYS_MAX; n++)
		assert_int_equal(reading(&b, HEALING_DELIVERY, n, 0.5), 0);
	assert_int_equal(reading(&b, HEALING_DELIVERY, 10000, 0.5), -ENOBUFS);
	healing_counters(b.h, &c);
	assert_int_equal(c.opened, HEALING_OPENED_PER_MINUTE);
	assert_int_equal(c.left_out, HEALING_KEYS_MAX - HEALING_OPENED_PER_MINUTE);
	run(&b, SECONDS(20));
	assert_true(b.n_do <= HEALING_ACTIONS_PER_MINUTE + 4);
	end(&b);
}

/* ---- what is done ---- */

static void what_is_bad_is_explained_recorded_done_probed_and_recorded_once(void **state)
{
	struct healing_counters c;
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	run(&b, SECONDS(1));
	b.is_bad = false;
	assert_int_equal(latest(&b)->state, HEALING_HEALED);
	assert_int_equal(latest(&b)->remedy, REMEDY_AVOID);
	assert_true(latest(&b)->is_confirmed);
	assert_int_equal(latest(&b)->causes.causes[0].vertex.kind, VERTEX_NODE);
	run(&b, SECONDS(60));
	assert_int_equal(b.n_intents, 1);
	assert_int_equal(b.n_do, 1);
	assert_int_equal(b.n_probes, 1);
	assert_int_equal(b.n_results, 1);
	assert_int_equal(b.n_undo, 0);
	assert_int_equal(b.n_tells, 0);
	healing_counters(b.h, &c);
	assert_int_equal(c.healed, 1);
	end(&b);
}

static void each_step_of_a_repair_is_remembered_with_its_time(void **state)
{
	static const enum healing_state expected[] = {
		HEALING_EXPLAINING, HEALING_WAITING, HEALING_INTENT, HEALING_ACTING,
		HEALING_PROBING,    HEALING_RESULT,  HEALING_HEALED,
	};
	const struct healing_incident *i;
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	run(&b, SECONDS(2));
	b.is_bad = false;
	run(&b, SECONDS(2));
	i = latest(&b);
	assert_int_equal(i->n_steps, N_ELEMENTS(expected));
	for (size_t n = 0; n < N_ELEMENTS(expected); n++) {
		assert_int_equal(i->steps[n].state, expected[n]);
		assert_true(n == 0 || i->steps[n].at_us >= i->steps[n - 1].at_us);
	}
	assert_int_equal(i->steps[0].at_us, i->opened_us);
	assert_int_equal(i->n_steps_left_out, 0);
	end(&b);
}

/* No record, no undoing: it stays as it is and is asked for again, for days. */
static void of_many_steps_the_first_and_the_latest_are_remembered(void **state)
{
	const struct healing_incident *i;
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	run(&b, SECONDS(2));
	b.is_bad = false;
	run(&b, SECONDS(2));
	b.record_r = -EIO;
	for (unsigned n = 0; n < 100 && latest(&b)->n_steps_left_out < 3; n++)
		run(&b, SECONDS(600));
	i = latest(&b);
	assert_true(i->n_steps_left_out >= 3);
	assert_int_equal(i->n_steps, HEALING_STEPS_MAX);
	assert_int_equal(i->steps[0].state, HEALING_EXPLAINING);
	assert_int_equal(i->steps[6].state, HEALING_HEALED);
	assert_int_equal(i->steps[HEALING_STEPS_MAX - 1].state, i->state);
	for (size_t n = 1; n < HEALING_STEPS_MAX; n++)
		assert_true(i->steps[n].at_us >= i->steps[n - 1].at_us);
	end(&b);
}

static void a_repair_is_taken_back_after_its_time_and_both_are_recorded(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	run(&b, SECONDS(1));
	b.is_bad = false;
	run(&b, HEALING_HOLD_MIN_US - SECONDS(10));
	assert_int_equal(b.n_undo, 0);
	run(&b, SECONDS(20));
	assert_int_equal(b.n_undo, 1);
	assert_int_equal(b.n_intents, 2);
	assert_int_equal(b.n_results, 2);
	assert_int_equal(latest(&b)->state, HEALING_CLOSED);
	end(&b);
}

static void what_comes_again_is_held_twice_as_long(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	run(&b, SECONDS(1));
	b.is_bad = false;
	run(&b, HEALING_HOLD_MIN_US + SECONDS(70));
	b.is_bad = true;
	run(&b, SECONDS(1));
	b.is_bad = false;
	assert_int_equal(b.n_do, 2);
	assert_int_equal(latest(&b)->n_before, 1);
	assert_true(latest(&b)->held_until_us > b.now_us + 2 * HEALING_HOLD_MIN_US - SECONDS(5));
	end(&b);
}

static void without_a_mandate_a_person_is_told_and_nothing_is_done(void **state)
{
	struct mandates none = { 0 };
	struct bed b;

	(void)state;
	bed_init(&b);
	healing_set_mandates(b.h, &none);
	b.is_bad = true;
	run(&b, SECONDS(100));
	assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
	assert_int_equal(latest(&b)->remedy, REMEDY_AVOID); /* the plan */
	assert_int_equal(b.n_tells, 1);
	assert_int_equal(b.n_intents + b.n_do + b.n_undo, 0);
	end(&b);
}

/* All of them are planned before the first is done. */
static void no_more_is_done_at_once_than_the_mandate_allows_in_an_hour(void **state)
{
	const struct healing_incident *i;
	struct mandates m;
	uint64_t cursor = 0;
	unsigned n_told = 0;
	struct bed b;

	(void)state;
	bed_init(&b);
	mandates_default(&m);
	m.of[REMEDY_REHANDSHAKE].rate_per_hour = 1;
	healing_set_mandates(b.h, &m);
	for (uint64_t subject = B; subject < B + 4; subject++)
		assert_int_equal(reading(&b, HEALING_LINK_DOWN, subject, 30), 0);
	run(&b, SECONDS(3));
	assert_int_equal(b.n_do, 1);
	assert_int_equal(b.n_intents, 1);
	while ((i = healing_next(b.h, &cursor)))
		n_told += i->state == HEALING_ESCALATED && i->remedy == REMEDY_REHANDSHAKE &&
			  strcmp(i->why, "its mandate allows no more of it this hour") == 0;
	assert_int_equal(n_told, 3);
	end(&b);
}

static void a_mandate_taken_away_while_an_incident_waits_holds(void **state)
{
	struct mandates none = { 0 };
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(reading(&b, HEALING_LINK_DOWN, B, 30), 0);
	while (latest(&b)->state != HEALING_WAITING) {
		struct healing_order o;

		assert_true(healing_next_order(b.h, &o, b.now_us));
		answer(&b, &o);
	}
	healing_set_mandates(b.h, &none);
	run(&b, SECONDS(3));
	assert_int_equal(b.n_intents, 0);
	assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
	assert_string_equal(latest(&b)->why, "no mandate allows it");
	end(&b);
}

static void what_comes_and_goes_after_a_repair_is_told_once(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(reading(&b, HEALING_LINK_DOWN, B, 30), 0);
	run(&b, SECONDS(2));
	assert_int_equal(latest(&b)->state, HEALING_HEALED);
	assert_int_equal(b.n_tells, 0);
	for (unsigned n = 0; n < 10; n++) {
		(void)reading(&b, HEALING_LINK_DOWN, B, 0);
		run(&b, SECONDS(5));
		(void)reading(&b, HEALING_LINK_DOWN, B, 11);
		run(&b, SECONDS(1));
		(void)reading(&b, HEALING_LINK_DOWN, B, 12);
		run(&b, SECONDS(5));
	}
	assert_int_equal(b.n_tells, 1);
	end(&b);
}

static void without_a_ledger_nothing_is_done(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	healing_set_power(b.h, false, "no ledger");
	b.is_bad = true;
	run(&b, SECONDS(10));
	assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
	assert_string_equal(latest(&b)->why, "no ledger");
	assert_int_equal(b.n_do, 0);
	end(&b);
}

static void an_intent_that_cannot_be_recorded_or_is_not_in_time_is_not_carried_out(void **state)
{
	for (int r = -ENOSPC; r <= 1; r += ENOSPC + 1) { /* fails; hangs */
		struct bed b;

		bed_init(&b);
		b.is_bad = true;
		b.record_r = r;
		run(&b, SECONDS(20));
		assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
		assert_int_equal(b.n_intents, 1);
		assert_int_equal(b.n_do, 0);
		end(&b);
	}
	(void)state;
}

static void what_hangs_is_undone_and_its_late_answer_is_ignored(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	b.do_r = 1;
	run(&b, SECONDS(12));
	assert_int_equal(b.n_do, 1);
	assert_int_equal(b.n_undo, 1);
	assert_int_equal(b.n_results, 1);
	assert_int_equal(healing_done(b.h, b.last_do_ticket, 0, b.now_us), -ENOENT);
	assert_int_equal(b.n_probes, 0);
	assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
	end(&b);
}

static void what_fails_is_undone_recorded_and_told(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	b.do_r = -EIO;
	run(&b, SECONDS(10));
	assert_int_equal(b.n_do, 1);
	assert_int_equal(b.n_undo, 1);
	assert_int_equal(b.n_results, 1);
	assert_int_equal(b.n_tells, 1);
	end(&b);
}

static void what_succeeds_without_effect_is_undone_and_counts_as_failed(void **state)
{
	struct healing_counters c;
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	b.probe_r = -EIO;
	run(&b, SECONDS(10));
	assert_int_equal(b.n_do, 1);
	assert_int_equal(b.n_undo, 1);
	healing_counters(b.h, &c);
	assert_int_equal(c.unconfirmed, 1);
	assert_int_equal(c.healed, 0);
	assert_int_equal(latest(&b)->state, HEALING_ESCALATED);
	end(&b);
}

static void not_now_is_tried_again_with_pauses_and_not_for_ever(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	b.do_r = -EAGAIN;
	run(&b, SECONDS(1));
	assert_int_equal(b.n_do, 1);
	run(&b, SECONDS(20));
	assert_int_equal(b.n_do, HEALING_ATTEMPTS_MAX);
	assert_int_equal(b.n_intents, 1);
	assert_int_equal(b.n_undo, 1);
	end(&b);
}

static void what_cannot_be_undone_is_told(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.is_bad = true;
	b.probe_r = b.undo_r = -EIO;
	run(&b, SECONDS(20));
	assert_int_equal(b.n_undo, HEALING_ATTEMPTS_MAX);
	assert_int_equal(b.n_results, 1);
	assert_string_equal(latest(&b)->why, "it did not help, and could not be taken back");
	assert_int_equal(b.n_tells, 1);
	end(&b);
}

static void after_five_failures_the_breaker_lets_nothing_through_for_a_minute(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.do_r = -EIO;
	for (unsigned n = 1; n <= 5; n++) {
		assert_int_equal(reading(&b, HEALING_DELIVERY, n, 0.5), 0);
		run(&b, SECONDS(2));
	}
	assert_int_equal(b.n_do, 5);
	assert_int_equal(reading(&b, HEALING_DELIVERY, 6, 0.5), 0);
	run(&b, SECONDS(4));
	assert_int_equal(b.n_do, 5);
	assert_int_equal(latest(&b)->state, HEALING_WAITING);
	end(&b);
}

static void nothing_is_done_on_a_reading_that_has_become_old(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.do_r = -EIO;
	for (unsigned n = 1; n <= 5; n++) {
		assert_int_equal(reading(&b, HEALING_DELIVERY, n, 0.5), 0);
		run(&b, SECONDS(2));
	}
	b.do_r = 0;
	assert_int_equal(reading(&b, HEALING_DELIVERY, 6, 0.5), 0);
	run(&b, SECONDS(120)); /* the breaker lets it go on, and nobody has said anything since */
	assert_int_equal(b.n_do, 5);
	assert_int_equal(latest(&b)->state, HEALING_CLOSED);
	end(&b);
}

/* Each sees the other lose packets: each avoids the other once, holds that, and does no more. */
static void two_nodes_that_heal_each_other_act_once_each(void **state)
{
	struct bed b[2];

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		bed_init(&b[k]);
		b[k].is_bad = true;
	}
	for (unsigned n = 0; n < 3000; n++) {
		for (unsigned k = 0; k < 2; k++) {
			run(&b[k], MS(100));
			/* avoided by either, nothing goes that way, and nothing is measured */
			if (b[0].n_do > 0 || b[1].n_do > 0)
				b[k].is_bad = false;
		}
	}
	assert_true(b[0].n_do + b[1].n_do >= 1);
	assert_true(b[0].n_do <= 1 && b[1].n_do <= 1);
	for (unsigned k = 0; k < 2; k++)
		end(&b[k]);
}

static void a_dry_run_changes_nothing(void **state)
{
	struct healing_incident i = { .kind = HEALING_DELIVERY, .subject = B, .about = D };
	struct mandates none = { 0 };
	struct healing_facts facts;
	char why[HEALING_WHY_SIZE];
	struct bed b;

	(void)state;
	bed_init(&b);
	facts_of(&i, &facts);
	assert_int_equal(healing_simulate(b.h, HEALING_DELIVERY, B, &facts, b.now_us, why),
			 REMEDY_AVOID);
	assert_int_equal(healing_simulate(b.h, HEALING_CPU, 0, &facts, b.now_us, why),
			 MANDATE_N_REMEDIES);
	healing_set_mandates(b.h, &none);
	assert_int_equal(healing_simulate(b.h, HEALING_DELIVERY, B, &facts, b.now_us, why),
			 MANDATE_N_REMEDIES);
	assert_string_equal(why, "no mandate allows it");
	run(&b, SECONDS(10));
	assert_null(latest(&b));
	assert_int_equal(b.n_intents + b.n_do, 0);
	end(&b);
}

static void the_loop_looks_more_often_while_something_is_wrong(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(healing_mode(b.h, b.now_us), HEALING_OPTIMAL);
	assert_int_equal(reading(&b, HEALING_CPU, 0, 0.95), 0);
	assert_int_equal(healing_mode(b.h, b.now_us), HEALING_DEGRADED);
	b.now_us += SECONDS(1);
	assert_int_equal(reading(&b, HEALING_CPU, 0, 0.1), 0);
	assert_int_equal(healing_mode(b.h, b.now_us), HEALING_NORMAL);
	assert_int_equal(healing_mode(b.h, b.now_us + SECONDS(61)), HEALING_OPTIMAL);
	assert_int_equal(reading(&b, HEALING_DELIVERY, B, 0.5), 0);
	assert_int_equal(healing_mode(b.h, b.now_us), HEALING_CRITICAL);
	end(&b);
}

/* Values of Wilson's interval as R's binom::binom.wilson and others print them. */
static void a_share_is_at_least_what_wilson_says(void **state)
{
	(void)state;
	assert_true(fabs(healing_share_at_least(10, 100) - 0.05523) < 1e-4);
	assert_true(fabs(healing_share_at_least(5, 10) - 0.23659) < 1e-4);
	assert_true(healing_share_at_least(0, 10) == 0);
	assert_true(healing_share_at_least(0, 0) == 0);
	assert_true(healing_share_at_least(11, 10) == 0);
}

static void ids_go_on_behind_those_that_are_used(void **state)
{
	uint64_t cursor = 0;
	struct bed b;

	(void)state;
	bed_init(&b);
	healing_ids_after(b.h, 700);
	healing_ids_after(b.h, 3); /* never back */
	(void)reading(&b, HEALING_LINK_DOWN, B, 30);
	assert_int_equal(healing_next(b.h, &cursor)->id, 701);
	healing_free(b.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_go_on_behind_those_that_are_used),
		cmocka_unit_test(absurd_missing_and_late_values_open_nothing),
		cmocka_unit_test(a_service_that_does_not_answer_twice_is_told_and_nothing_is_done),
		cmocka_unit_test(few_samples_are_a_missing_value),
		cmocka_unit_test(one_measurement_told_again_counts_once),
		cmocka_unit_test(
			flapping_between_good_and_bad_opens_nothing_and_between_the_two_closes_nothing),
		cmocka_unit_test(a_flood_of_incidents_is_bounded_and_counted),
		cmocka_unit_test(what_is_bad_is_explained_recorded_done_probed_and_recorded_once),
		cmocka_unit_test(each_step_of_a_repair_is_remembered_with_its_time),
		cmocka_unit_test(of_many_steps_the_first_and_the_latest_are_remembered),
		cmocka_unit_test(a_repair_is_taken_back_after_its_time_and_both_are_recorded),
		cmocka_unit_test(what_comes_again_is_held_twice_as_long),
		cmocka_unit_test(without_a_mandate_a_person_is_told_and_nothing_is_done),
		cmocka_unit_test(no_more_is_done_at_once_than_the_mandate_allows_in_an_hour),
		cmocka_unit_test(a_mandate_taken_away_while_an_incident_waits_holds),
		cmocka_unit_test(what_comes_and_goes_after_a_repair_is_told_once),
		cmocka_unit_test(without_a_ledger_nothing_is_done),
		cmocka_unit_test(
			an_intent_that_cannot_be_recorded_or_is_not_in_time_is_not_carried_out),
		cmocka_unit_test(what_hangs_is_undone_and_its_late_answer_is_ignored),
		cmocka_unit_test(what_fails_is_undone_recorded_and_told),
		cmocka_unit_test(what_succeeds_without_effect_is_undone_and_counts_as_failed),
		cmocka_unit_test(not_now_is_tried_again_with_pauses_and_not_for_ever),
		cmocka_unit_test(what_cannot_be_undone_is_told),
		cmocka_unit_test(after_five_failures_the_breaker_lets_nothing_through_for_a_minute),
		cmocka_unit_test(nothing_is_done_on_a_reading_that_has_become_old),
		cmocka_unit_test(two_nodes_that_heal_each_other_act_once_each),
		cmocka_unit_test(a_dry_run_changes_nothing),
		cmocka_unit_test(the_loop_looks_more_often_while_something_is_wrong),
		cmocka_unit_test(a_share_is_at_least_what_wilson_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

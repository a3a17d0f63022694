/* SPDX-License-Identifier: Apache-2.0 */
/* Every order, to a modest depth, in which RK1, RK2, confirmations and data can be sent, lost,
 * repeated, overtaken and delivered late. After each of them the network is healed, and both
 * ends must talk. No key may ever seal twice under one nonce: the ops abort if one does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/session/state.h"
#include "core/session/test_pair.h"

#define DEPTH_MAX 8
#ifndef MODEL_DEPTH
#define MODEL_DEPTH 4
#endif
#define BAG_MAX 5 /* sealed packets that can be delivered, any number of times; never is lost */

struct bag {
	struct packet packets[BAG_MAX];
	unsigned to[BAG_MAX];
	unsigned n;
};

enum step {
	STEP_TICK, /* time for repeats passes */
	STEP_LONG, /* time for the old epoch to go passes */
	STEP_DATA_I,
	STEP_DATA_R,
	STEP_DELIVER, /* and what is behind it: packet 0, 1, ... of the bag */
};

static unsigned n_paths;
static bool is_fetched_late; /* actions wait for the next passing of time */

static void post(struct bag *bag, unsigned to, const struct packet *packet)
{
	if (bag->n == BAG_MAX)
		return; /* lost */
	bag->to[bag->n] = to;
	bag->packets[bag->n++] = *packet;
}

static void collect(struct pair *p, struct bag *bag)
{
	for (unsigned from = 0; from < 2; from++) {
		struct session_action a;
		struct packet packet;

		while (session_next_action(p->s[from], &a)) {
			assert_int_not_equal(a.type, SESSION_CLOSED);
			if (a.type == SESSION_SEND_REKEY &&
			    pair_seal(p, from, SESSION_LINK, 0, SPAN(a.message, a.len), true,
				      &packet) == 0)
				post(bag, 1 - from, &packet);
		}
	}
}

static void send_data(struct pair *p, struct bag *bag, unsigned from)
{
	struct packet packet;

	/* After the first greeting there is no moment at which an end may not send. */
	assert_int_equal(pair_seal(p, from, SESSION_LINK, 0, SPAN_STR("data"), false, &packet), 0);
	post(bag, 1 - from, &packet);
}

static void check(const struct pair *p)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_non_null(p->s[i]->cur);
		assert_true(!p->s[i]->old || !p->s[i]->next);
	}
	assert_null(p->s[0]->next);
	/* Neither end is ever more than one epoch ahead, and the responder never first. */
	assert_in_range(p->s[0]->cur->number - p->s[1]->cur->number, 0, 1);
}

static void take_step(struct pair *p, struct bag *bag, unsigned step)
{
	switch (step) {
	case STEP_TICK:
	case STEP_LONG:
		p->now_us += step == STEP_TICK ? MS(250) : SECONDS(11);
		session_tick(p->s[0], p->now_us);
		session_tick(p->s[1], p->now_us);
		break;
	case STEP_DATA_I:
	case STEP_DATA_R:
		send_data(p, bag, step == STEP_DATA_R);
		break;
	default:
		(void)pair_open(p, bag->to[step - STEP_DELIVER], &bag->packets[step - STEP_DELIVER],
				NULL, NULL);
		break;
	}
	if (!is_fetched_late || step <= STEP_LONG)
		collect(p, bag);
	check(p);
}

/* Walks one path, heals, and returns how many steps were possible at its end. */
static unsigned walk(const unsigned *steps, unsigned n, bool responder_asks)
{
	struct pair p;
	struct bag bag = { .n = 0 };
	unsigned n_next;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	session_want_rekey(p.s[responder_asks], p.now_us);
	collect(&p, &bag);
	for (unsigned i = 0; i < n; i++)
		take_step(&p, &bag, steps[i]);
	n_next = STEP_DELIVER + bag.n;

	/* No data: the room's own messages must be enough. */
	pair_run(&p, SECONDS(2), MS(50));
	assert_int_equal(session_epoch(p.s[0]), session_epoch(p.s[1]));
	assert_true(session_epoch(p.s[0]) >= 1);
	assert_memory_equal(p.s[0]->root, p.s[1]->root, SESSION_ROOT_LEN);
	pair_assert_talks(&p);
	pair_done(&p);
	n_paths++;
	return n_next;
}

static void explore(unsigned *steps, unsigned n, unsigned depth, bool responder_asks)
{
	unsigned n_next = walk(steps, n, responder_asks);

	if (n == depth)
		return;
	for (unsigned step = 0; step < n_next; step++) {
		steps[n] = step;
		explore(steps, n + 1, depth, responder_asks);
	}
}

static void explore_all(bool responder_asks, bool fetched_late)
{
	unsigned steps[DEPTH_MAX] = { 0 };

	n_paths = 0;
	is_fetched_late = fetched_late;
	explore(steps, 0, MODEL_DEPTH, responder_asks);
	print_message("%u paths\n", n_paths);
}

static void every_order_ends_with_both_ends_talking(void **state)
{
	(void)state;
	explore_all(false, false);
}

static void every_order_of_a_rekey_that_the_responder_asked_for_does_too(void **state)
{
	(void)state;
	explore_all(true, false);
}

static void and_so_does_every_order_where_actions_are_fetched_late(void **state)
{
	(void)state;
	explore_all(false, true);
	explore_all(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_ends_with_both_ends_talking),
		cmocka_unit_test(every_order_of_a_rekey_that_the_responder_asked_for_does_too),
		cmocka_unit_test(and_so_does_every_order_where_actions_are_fetched_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

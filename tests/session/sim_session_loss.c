/* SPDX-License-Identifier: Apache-2.0 */
/* Two sessions for an hour over a network that loses, repeats, delays and overtakes: at no moment
 * may an end not send, and whatever arrives within 3 s opens, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/session/test_pair.h"

#define WIRE_SIZE 256
#define STEP_US MS(100)

struct on_wire {
	uint64_t at_us; /* 0: free */
	unsigned to;
	unsigned n_left; /* copies */
	bool was_opened;
	struct packet packet;
};

static struct on_wire wire[WIRE_SIZE];
static struct rng rng;
static unsigned loss_percent;

static void post(const struct pair *p, unsigned to, const struct packet *packet)
{
	for (unsigned i = 0; i < WIRE_SIZE; i++) {
		if (wire[i].at_us != 0)
			continue;
		if (rng_below(&rng, 100) < loss_percent)
			return;
		wire[i].at_us = p->now_us + 1 + rng_below(&rng, SECONDS(1));
		wire[i].to = to;
		wire[i].n_left = rng_below(&rng, 10) ? 1 : 3;
		wire[i].was_opened = false;
		wire[i].packet = *packet;
		return;
	}
}

static void send_all(struct pair *p, unsigned from, bool has_data)
{
	struct session_action a;
	struct packet packet;

	session_tick(p->s[from], p->now_us);
	while (session_next_action(p->s[from], &a)) {
		assert_int_not_equal(a.type, SESSION_WANT_HANDSHAKE);
		assert_int_not_equal(a.type, SESSION_CLOSED);
		if (a.type == SESSION_SEND_REKEY) {
			assert_int_equal(pair_seal(p, from, SESSION_LINK, 0, SPAN(a.message, a.len),
						   true, &packet),
					 0);
			post(p, 1 - from, &packet);
		}
	}
	if (has_data) {
		assert_int_equal(pair_seal(p, from, (enum session_use)rng_below(&rng, 2),
					   (unsigned)rng_below(&rng, 4), SPAN_STR("data"), false,
					   &packet),
				 0);
		post(p, 1 - from, &packet);
	}
}

static void deliver_due(struct pair *p)
{
	for (unsigned i = 0; i < WIRE_SIZE; i++) {
		struct on_wire *w = &wire[i];

		if (w->at_us == 0 || w->at_us > p->now_us)
			continue;
		assert_int_equal(pair_open(p, w->to, &w->packet, NULL, NULL),
				 w->was_opened ? SESSION_REPLAYED : SESSION_OPENED);
		w->was_opened = true;
		w->at_us = --w->n_left ? p->now_us + 1 + rng_below(&rng, SECONDS(1)) : 0;
	}
}

/* with_data: which ends send data of their own */
static void run_hour(uint64_t seed, unsigned loss, unsigned with_data)
{
	struct pair p;
	struct session_counters counters;
	uint64_t end_us;

	rng_seed(&rng, seed);
	loss_percent = loss;
	memset(wire, 0, sizeof(wire));
	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	end_us = p.now_us + SECONDS(3600);
	for (unsigned step = 0; p.now_us < end_us; p.now_us += STEP_US, step++) {
		if (step % 600 == 0)
			test_ops_forget_nonces(); /* their table is finite */
		send_all(&p, 0, with_data & 1);
		send_all(&p, 1, with_data & 2);
		deliver_due(&p);
		assert_true(session_can_send(p.s[0], p.now_us));
		assert_true(session_can_send(p.s[1], p.now_us));
	}
	session_counters(p.s[1], &counters);
	assert_in_range(counters.rekeys, 3600 / 145, 3600 / 105);
	assert_int_equal(counters.forged, 0);
	pair_done(&p);
}

static void an_hour_of_loss_leaves_no_gap(void **state)
{
	(void)state;
	static const unsigned losses[] = { 0, 20, 50 };

	for (unsigned i = 0; i < 3; i++)
		for (unsigned with_data = 1; with_data <= 3; with_data++)
			for (uint64_t seed = 1; seed <= 2; seed++) {
				print_message("loss %u, data %u, seed %u\n", losses[i], with_data,
					      (unsigned)seed);
				run_hour(seed, losses[i], with_data);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_hour_of_loss_leaves_no_gap) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Simultaneous open, loss, and the handshake in all orders of arrival. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/test_loss.h"
#include "core/handshake/test_world.h"

static unsigned failures_of(const struct host *h, enum hs_failure failure)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_failed; i++)
		n += h->failed[i].failure == failure;
	return n;
}

/* One handshake each way, the second begun after the offset. */
static void cross(uint64_t seed, uint64_t offset_us, uint64_t jitter_us, bool is_warm,
		  bool through_mesh)
{
	struct world w;
	struct host *a, *b;
	unsigned before_a = 0, before_b = 0;

	world_init(&w, seed);
	w.through_mesh = through_mesh;
	a = world_add(&w);
	b = world_add(&w);
	if (is_warm) {
		assert_int_equal(world_start(&w, a, b), 0);
		world_run(&w, SECONDS(20));
		assert_int_equal(world_start(&w, b, a), 0);
		world_run(&w, SECONDS(40));
		before_a = a->n_done;
		before_b = b->n_done;
	}
	w.jitter_us = jitter_us;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, w.now_us + offset_us);
	(void)world_start(&w, b, a);
	world_run(&w, w.now_us + SECONDS(30));

	/* at least one completes on both sides, at most both do, and none fails otherwise */
	assert_in_range(a->n_done, before_a + 1, before_a + 2);
	assert_int_equal(a->n_done - before_a, b->n_done - before_b);
	assert_true(world_agree(a, b));
	assert_int_equal(a->n_failed, failures_of(a, HS_FAIL_LOST_RACE));
	assert_int_equal(b->n_failed, failures_of(b, HS_FAIL_LOST_RACE));
	world_done(&w);
}

static void crossing_handshakes_end_as_one_at_every_offset(void **state)
{
	(void)state;

	for (unsigned mode = 0; mode < 4; mode++)
		for (unsigned offset_ms = 0; offset_ms <= 260; offset_ms += 5)
			cross(1 + offset_ms, MS(offset_ms), 0, mode & 1, mode & 2);
}

static void crossing_handshakes_end_as_one_in_any_order(void **state)
{
	(void)state;

	for (uint64_t seed = 1000; seed < 1200; seed++)
		cross(seed, MS(seed % 200), MS(60), seed % 2, false);
}

static void at_the_same_moment_only_one_is_completed(void **state)
{
	(void)state;

	for (uint64_t seed = 1; seed < 40; seed++) {
		struct world w;
		struct host *a, *b;

		world_init(&w, seed);
		a = world_add(&w);
		b = world_add(&w);
		assert_int_equal(world_start(&w, a, b), 0);
		assert_int_equal(world_start(&w, b, a), 0);
		world_run(&w, SECONDS(30));
		assert_int_equal(a->n_done, 1);
		assert_int_equal(b->n_done, 1);
		assert_int_equal(a->n_failed + b->n_failed, 1);
		assert_true(world_agree(a, b));
		assert_int_equal(a->done_us[0] < MS(400), 1);
		world_done(&w);
	}
}

/* Both begin at once; then the bits say which way the next datagram arrives. */
static void cross_in_order(unsigned order, unsigned n_bits, bool is_warm)
{
	struct world w;
	struct host *a, *b;
	unsigned before = is_warm ? 2 : 0;

	world_init(&w, order);
	a = world_add(&w);
	b = world_add(&w);
	for (unsigned i = 0; i < before; i++) {
		assert_int_equal(world_start(&w, i ? b : a, i ? a : b), 0);
		world_run(&w, w.now_us + SECONDS(20));
	}
	assert_int_equal(world_start(&w, a, b), 0);
	assert_int_equal(world_start(&w, b, a), 0);
	for (unsigned i = 0; i < n_bits; i++)
		(void)world_deliver_to(&w, order >> i & 1 ? a : b);
	world_run(&w, w.now_us + SECONDS(30));
	assert_in_range(a->n_done, before + 1, before + 2);
	assert_int_equal(a->n_done, b->n_done);
	assert_memory_equal(a->done[before].root, b->done[before].root, SHA256_LEN);
	assert_int_equal(a->n_failed + b->n_failed,
			 failures_of(a, HS_FAIL_LOST_RACE) + failures_of(b, HS_FAIL_LOST_RACE));
	world_done(&w);
}

static void crossing_handshakes_end_in_every_order_of_their_datagrams(void **state)
{
	(void)state;
	unsigned n_bits = getenv("X0_LONG") ? 16 : 9;

	for (unsigned order = 0; order < 1U << n_bits; order++) {
		cross_in_order(order, n_bits, false);
		cross_in_order(order, n_bits, true);
	}
}

/* The winner of the comparison dies after its M1 was received: the loser resumes. */
static bool lose_everything_of(struct world *w, struct packet *p, void *arg)
{
	const unsigned *mute = arg;

	(void)w;
	return p->from != *mute || p->bytes[0] != 2;
}

static void the_loser_resumes_when_the_winner_does_not_complete(void **state)
{
	(void)state;

	for (unsigned mute = 0; mute < 2; mute++) {
		struct world w;
		struct host *a, *b;

		world_init(&w, 77);
		a = world_add(&w);
		b = world_add(&w);
		w.tamper = lose_everything_of; /* M2 of one of them never arrives */
		w.tamper_arg = &mute;
		assert_int_equal(world_start(&w, a, b), 0);
		assert_int_equal(world_start(&w, b, a), 0);
		world_run(&w, SECONDS(6));
		assert_true(world_agree(a, b));
		world_done(&w);
	}
}

static void with_loss(unsigned percent, bool through_mesh, uint64_t p95_max_us)
{
	struct loss_result r = { 0 };

	loss_run(200, percent, through_mesh, 5000 + percent, &r);
	assert_int_equal(r.n_complete, 200);
	assert_true(r.p95_us <= p95_max_us);
}

static void all_complete_at_one_percent_loss(void **state)
{
	(void)state;
	with_loss(1, false, SECONDS(1));
}

static void all_complete_at_five_percent_loss(void **state)
{
	(void)state;
	with_loss(5, true, SECONDS(2));
}

static void all_complete_at_twenty_percent_loss(void **state)
{
	(void)state;
	with_loss(20, false, SECONDS(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crossing_handshakes_end_as_one_at_every_offset),
		cmocka_unit_test(crossing_handshakes_end_as_one_in_any_order),
		cmocka_unit_test(crossing_handshakes_end_in_every_order_of_their_datagrams),
		cmocka_unit_test(at_the_same_moment_only_one_is_completed),
		cmocka_unit_test(the_loser_resumes_when_the_winner_does_not_complete),
		cmocka_unit_test(all_complete_at_one_percent_loss),
		cmocka_unit_test(all_complete_at_five_percent_loss),
		cmocka_unit_test(all_complete_at_twenty_percent_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

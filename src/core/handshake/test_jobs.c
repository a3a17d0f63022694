/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: given out, brought back late, in another order, or to a handshake that is gone; and who
 * goes first when more is to be done than is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/internal.h"
#include "core/handshake/test_puppet.h"
#include "core/handshake/test_world.h"

static void two_hosts(struct world *w, uint64_t seed, unsigned n_workers, struct host **a,
		      struct host **b)
{
	world_init(w, seed);
	w->n_workers = n_workers;
	*a = world_add(w);
	*b = world_add(w);
}

static void slow_jobs_delay_a_handshake_and_no_more(void **state)
{
	(void)state;

	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct world w;
		struct host *a, *b;

		two_hosts(&w, seed, 1 + (unsigned)(seed % 3), &a, &b);
		w.job_us = MS(300);
		w.loss_percent = 5;
		w.duplicate_percent = 20;
		w.jitter_us = MS(20);
		assert_int_equal(world_start(&w, a, b), 0);
		if (seed % 2) /* and crossing */
			assert_int_equal(world_start(&w, b, a), 0);
		world_run(&w, SECONDS(30));
		assert_true(world_agree(a, b));
		world_done(&w);
	}
}

static void while_a_job_is_out_its_handshake_takes_nothing_more(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;

	two_hosts(&w, 2, 2, &a, &b);
	w.holds_jobs = true;
	puppet_init(&p, &w, b, 7);
	puppet_write_m1(&p);
	assert_true(puppet_fetch_cookie(&p));
	puppet_message(&p, WIRE_M1);
	assert_int_equal(w.n_jobs, 1);
	for (unsigned i = 0; i < 10; i++)
		puppet_message(&p, WIRE_M1);
	assert_int_equal(w.n_jobs, 1);
	assert_int_equal(handshakes_jobs_out(b->handshakes), 1);
	world_finish_job(&w, 0);
	assert_int_equal(handshakes_jobs_out(b->handshakes), 0);
	world_done(&w);
}

static void a_result_for_a_handshake_that_is_gone_is_dropped(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;
	unsigned n_sent;

	two_hosts(&w, 3, 2, &a, &b);
	w.holds_jobs = true;
	puppet_init(&p, &w, b, 7);
	puppet_write_m1(&p);
	assert_true(puppet_fetch_cookie(&p));
	puppet_message(&p, WIRE_M1);
	assert_int_equal(w.n_jobs, 1);
	world_run(&w, SECONDS(11)); /* its ten seconds are over */
	n_sent = b->n_sent;
	world_finish_job(&w, 0);
	assert_int_equal(b->n_sent, n_sent);

	assert_int_equal(world_start(&w, a, b), 0); /* an initiator's, cancelled */
	for (unsigned i = 0; i < 20 && w.n_jobs == 0; i++)
		world_run(&w, w.now_us + MS(50));
	world_finish_job(&w, 0);
	while (w.n_jobs == 0)
		world_run(&w, w.now_us + MS(10));
	assert_int_equal(w.jobs[0].host, a->number);
	handshakes_cancel(a->handshakes, 101);
	world_finish_job(&w, 0);
	world_run(&w, w.now_us + SECONDS(1));
	assert_int_equal(a->n_done + a->n_failed, 0);
	world_done(&w);
}

static void a_job_that_comes_back_not_run_ends_its_handshake(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	two_hosts(&w, 4, 2, &a, &b);
	w.holds_jobs = true;
	assert_int_equal(world_start(&w, a, b), 0);
	while (w.n_jobs == 0)
		world_run(&w, w.now_us + MS(10));
	handshakes_job_done(b->handshakes, w.jobs[0].job, w.now_us);
	w.n_jobs = 0;
	w.holds_jobs = false;
	world_run(&w, w.now_us + SECONDS(20));
	assert_int_equal(a->n_done, 0); /* this M1 was answered, as far as b knows */
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, w.now_us + SECONDS(20));
	assert_true(world_agree(a, b));
	world_done(&w);
}

static void handshakes_end_with_jobs_out_and_waiting(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;

	two_hosts(&w, 5, 2, &a, &b);
	w.holds_jobs = true;
	for (unsigned i = 0; i < 5; i++) {
		puppet_init(&p, &w, b, 10 + i);
		puppet_write_m1(&p);
		assert_true(puppet_fetch_cookie(&p));
		puppet_message(&p, WIRE_M1);
	}
	assert_int_equal(w.n_jobs, 2);
	handshakes_free(b->handshakes);
	b->handshakes = NULL;
	hs_job_run(w.jobs[0].job); /* as a thread that was in the middle of it */
	world_done(&w);		   /* frees both */
}

static void a_peer_revoked_while_its_m3_is_checked_is_refused(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct revoked entry = { 0 };

	two_hosts(&w, 6, 1, &a, &b);
	w.holds_jobs = true;
	assert_int_equal(world_start(&w, a, b), 0);
	for (unsigned i = 0; i < 3; i++) { /* M2 written, M2 checked, M3 written */
		while (w.n_jobs == 0)
			world_run(&w, w.now_us + MS(10));
		world_finish_job(&w, 0);
	}
	while (w.n_jobs == 0)
		world_run(&w, w.now_us + MS(10));
	assert_int_equal(w.jobs[0].host, b->number);
	entry.node_id = a->identity.node_id;
	assert_int_equal(revocation_add(&b->trust.revoked, &entry), 0);
	world_finish_job(&w, 0);
	w.holds_jobs = false;
	world_run(&w, w.now_us + SECONDS(20));
	assert_int_equal(b->n_done, 0);
	revocation_done(&b->trust.revoked);
	world_done(&w);
}

static void what_waits_to_be_signed_goes_with_the_identity(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct puppet p;

	two_hosts(&w, 10, 1, &a, &b);
	w.holds_jobs = true;
	for (unsigned i = 0; i < 3; i++) {
		puppet_init(&p, &w, b, 10 + i);
		puppet_write_m1(&p);
		assert_true(puppet_fetch_cookie(&p));
		puppet_message(&p, WIRE_M1);
	}
	assert_int_equal(b->handshakes->n_waiting, 2);
	assert_int_equal(handshakes_set_identity(b->handshakes, &b->identity), 0);
	assert_int_equal(b->handshakes->n_waiting, 0);
	assert_int_equal(handshakes_jobs_out(b->handshakes), 1);
	world_finish_job(&w, 0); /* with the key of the one before, which is still there */
	assert_int_equal(b->handshakes->n_half_open, 1);
	world_done(&w);
}

/* ---- more to do than is done ---- */

/* Half open at the target, with M1 delivered and its job waiting or out. The cookie was asked for
 * before, at leisure. */
static void flood_m1(struct world *w, struct host *target, uint8_t network, uint8_t address,
		     uint16_t port)
{
	uint8_t source[SOURCE_MAX];
	struct puppet p;

	puppet_init(&p, w, target, port);
	p.path.remote.ip[12] = 10;
	p.path.remote.ip[13] = network;
	p.path.remote.ip[14] = 77;
	p.path.remote.ip[15] = address;
	p.path.remote.port = port;
	p.index = (uint32_t)port << 16 | (uint32_t)network << 8 | address;
	puppet_write_m1(&p);
	cookie_jar_turn(&target->handshakes->jar, &target->handshakes->entropy, w->now_us);
	p.epoch = cookie_now(&target->handshakes->jar, w->ops,
			     SPAN(source, path_source(&p.path, source)), p.cookie);
	puppet_message(&p, WIRE_M1);
}

static uint64_t refused(const struct host *h)
{
	struct hs_counters c;

	handshakes_counters(h->handshakes, &c);
	return c.jobs_refused + c.half_open_refused;
}

static void no_more_wait_than_there_is_room_for(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	two_hosts(&w, 7, 1, &a, &b);
	w.holds_jobs = true;
	for (unsigned i = 0; i < HS_JOBS_WAITING_MAX + 10; i++)
		flood_m1(&w, b, (uint8_t)i, 1, 1000); /* each from a network of its own */
	assert_int_equal(w.n_jobs, 1);
	assert_int_equal(b->handshakes->n_waiting, HS_JOBS_WAITING_MAX);
	assert_true(refused(b) >= 1);
	world_done(&w);
}

/* What stands between a flood and the jobs before they are fair, taken away. */
static void forget_rates(struct host *h)
{
	memset(h->handshakes->m1_rates.of, 0, sizeof(h->handshakes->m1_rates.of));
}

/* One worker, which finishes a job for every twenty M1 of a flood. */
static void honest_under_flood(uint8_t flood_address, uint8_t own_address, bool same_network)
{
	struct world w;
	struct host *a, *b;
	uint64_t start_us;

	two_hosts(&w, 8, 1, &a, &b);
	w.holds_jobs = true;
	w.delay_us = MS(1);
	/* a is at 10.x.77.own */
	a->endpoint.ip[12] = 10;
	a->endpoint.ip[13] = same_network ? 3 : 9;
	a->endpoint.ip[14] = 77;
	a->endpoint.ip[15] = own_address;
	for (uint16_t i = 0; i < 200; i++) {
		forget_rates(b);
		flood_m1(&w, b, 3, flood_address, (uint16_t)(1000 + i));
	}
	start_us = w.now_us;
	assert_int_equal(world_start(&w, a, b), 0);
	for (uint16_t i = 0; b->n_done == 0; i++) {
		assert_in_range(w.now_us - start_us, 0, MS(900));
		forget_rates(b);
		flood_m1(&w, b, 3, flood_address, (uint16_t)(2000 + i));
		if (i % 20 == 0) { /* a job takes as long as twenty M1 */
			for (unsigned k = 0; k < w.n_jobs; k++)
				if (w.jobs[k].host == b->number) {
					world_finish_job(&w, k);
					break;
				}
		}
		for (unsigned k = 0; k < w.n_jobs; k++)
			if (w.jobs[k].host == a->number) {
				world_finish_job(&w, k);
				break;
			}
		world_run(&w, w.now_us + 100);
	}
	assert_true(world_agree(a, b));
	assert_true(refused(b) > 0);
	world_done(&w);
}

static void a_flood_from_one_network_does_not_keep_others_out(void **state)
{
	(void)state;

	honest_under_flood(1, 2, false);
}

static void a_flood_from_one_address_does_not_keep_its_neighbours_out(void **state)
{
	(void)state;

	honest_under_flood(1, 2, true);
}

static void beyond_its_rate_a_host_is_not_looked_at_and_others_are(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_counters c;

	two_hosts(&w, 11, 0, &a, &b);
	for (uint16_t i = 0; i < 3 * M1_HOST_RATE; i++)
		flood_m1(&w, b, 3, 1, (uint16_t)(1000 + i));
	handshakes_counters(b->handshakes, &c);
	assert_int_equal(c.jobs, M1_HOST_RATE);
	/* the rest, in one of two fragments each, and in both once nothing is left */
	assert_int_equal(c.m1_over_rate, 2 * 2 * M1_HOST_RATE);
	flood_m1(&w, b, 3, 2, 1000); /* its neighbour */
	handshakes_counters(b->handshakes, &c);
	assert_int_equal(c.jobs, M1_HOST_RATE + 1);
	w.now_us += SECONDS(1);
	flood_m1(&w, b, 3, 1, 999);
	handshakes_counters(b->handshakes, &c);
	assert_int_equal(c.jobs, M1_HOST_RATE + 2);
	world_done(&w);
}

static void those_who_have_proved_more_go_first(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	two_hosts(&w, 9, 1, &a, &b);
	assert_int_equal(world_start(&w, a, b), 0); /* so that b has a warm cookie of a's */
	world_run(&w, SECONDS(20));
	w.holds_jobs = true;
	for (uint8_t i = 0; i < HS_JOBS_WAITING_MAX + 1; i++)
		flood_m1(&w, b, i, 1, 1000);
	assert_int_equal(b->handshakes->n_waiting, HS_JOBS_WAITING_MAX);
	assert_int_equal(world_start(&w, a, b), 0); /* on the warm cookie */
	world_run(&w, w.now_us + MS(150));
	assert_int_equal(b->handshakes->n_waiting, HS_JOBS_WAITING_MAX);
	world_finish_job(&w, 0);
	assert_int_equal(w.n_jobs, 1);
	assert_int_equal(w.jobs[0].job->class, JOB_CLASS_WARM);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_jobs_delay_a_handshake_and_no_more),
		cmocka_unit_test(while_a_job_is_out_its_handshake_takes_nothing_more),
		cmocka_unit_test(a_result_for_a_handshake_that_is_gone_is_dropped),
		cmocka_unit_test(a_job_that_comes_back_not_run_ends_its_handshake),
		cmocka_unit_test(handshakes_end_with_jobs_out_and_waiting),
		cmocka_unit_test(a_peer_revoked_while_its_m3_is_checked_is_refused),
		cmocka_unit_test(what_waits_to_be_signed_goes_with_the_identity),
		cmocka_unit_test(no_more_wait_than_there_is_room_for),
		cmocka_unit_test(a_flood_from_one_network_does_not_keep_others_out),
		cmocka_unit_test(a_flood_from_one_address_does_not_keep_its_neighbours_out),
		cmocka_unit_test(beyond_its_rate_a_host_is_not_looked_at_and_others_are),
		cmocka_unit_test(those_who_have_proved_more_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/crypto/sim_null.h"
#include "core/handshake/internal.h"
#include "core/handshake/test_world.h"
#include "core/wire/wire.h"

static void two_hosts_agree_on_a_secret(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 1);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));

	assert_int_equal(a->n_done, 1);
	assert_int_equal(b->n_done, 1);
	assert_true(world_agree(a, b));
	assert_int_equal(a->n_failed, 0);
	assert_int_equal(a->done[0].id, 101);
	assert_int_equal(b->done[0].id, 0);
	assert_int_equal(a->done[0].aead, AEAD_AES_256_GCM);
	assert_string_equal(a->done[0].peer.name, "n1");
	assert_string_equal(b->done[0].peer.name, "n0");
	assert_true(b->done[0].peer_boot_epoch == 1);
	assert_int_equal(a->done_us[0], 4 * w.delay_us); /* two round trips */
	world_done(&w);
}

static void a_second_handshake_takes_one_round_trip_and_names_chains_by_hash(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	uint64_t first_bytes, start_us;

	world_init(&w, 2);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	first_bytes = a->sent_bytes + b->sent_bytes;
	start_us = w.now_us;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(40));

	assert_int_equal(a->n_done, 2);
	assert_int_equal(b->n_done, 2);
	assert_true(memcmp(a->done[1].root, b->done[1].root, SHA256_LEN) == 0);
	assert_int_equal(a->done_us[1] - start_us, 2 * w.delay_us);
	assert_true(a->sent_bytes + b->sent_bytes - first_bytes < first_bytes - 10000);

	/* and the other way round, too */
	assert_int_equal(world_start(&w, b, a), 0);
	world_run(&w, SECONDS(60));
	assert_int_equal(b->n_done, 3);
	assert_int_equal(a->n_done, 3);
	world_done(&w);
}

static void the_mesh_carries_a_handshake_in_smaller_bodies(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 3);
	w.through_mesh = true;
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	assert_int_equal(a->n_done, 1);
	assert_int_equal(b->n_done, 1);
	assert_true(world_agree(a, b));
	world_done(&w);
}

static void one_attempt_per_path_and_none_to_oneself(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_expect expect = { 0 };
	struct hs_path path;

	world_init(&w, 4);
	a = world_add(&w);
	b = world_add(&w);
	path = world_path(&w, b);
	assert_int_equal(world_start(&w, a, b), 0);
	assert_int_equal(world_start(&w, a, b), -EALREADY);
	assert_int_equal(world_start(&w, a, a), -EKEYREJECTED);
	memcpy(expect.spiffe_id, a->identity.spiffe_id, sizeof(expect.spiffe_id));
	assert_int_equal(handshakes_start(a->handshakes, 1, &path, &expect, 0), -EKEYREJECTED);
	handshakes_cancel(a->handshakes, 101);
	assert_int_equal(world_start(&w, a, b), 0);
	assert_int_equal(handshakes_set_identity(a->handshakes, NULL), 0);
	assert_int_equal(world_start(&w, a, b), -EAGAIN);
	world_done(&w);
}

static void a_host_that_is_down_costs_eight_seconds(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 5);
	w.loss_percent = 100;
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(7));
	assert_int_equal(a->n_failed, 0);
	assert_in_range(a->n_sent, 5, 12);
	world_run(&w, SECONDS(20));
	assert_int_equal(a->n_failed, 1);
	assert_int_equal(a->failed[0].id, 101);
	assert_int_equal(a->failed[0].failure, HS_FAIL_TIMEOUT);
	assert_true(handshakes_deadline_us(a->handshakes) == NEVER_US);
	world_done(&w);
}

static void a_peer_that_comes_up_late_is_met_at_once(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 6);
	w.delay_us = MS(1);
	w.loss_percent = 100;
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, MS(20));
	w.loss_percent = 0;
	world_run(&w, MS(300));
	assert_true(world_agree(a, b));
	world_done(&w);
}

/* Runs one handshake from a to b and gives back the initiator's failure. */
static enum hs_failure failure_of(struct world *w, struct host *a, struct host *b,
				  const struct hs_expect *expect)
{
	struct hs_path path = world_path(w, b);

	assert_int_equal(handshakes_start(a->handshakes, 7, &path, expect, w->now_us), 0);
	world_run(w, w->now_us + MS(1));
	world_run(w, w->now_us + SECONDS(20));
	assert_int_equal(a->n_done, 0);
	assert_int_equal(b->n_done, 0);
	assert_int_equal(a->n_failed, 1);
	assert_int_equal(a->failed[0].id, 7);
	return a->failed[0].failure;
}

static void another_member_than_expected_sees_no_m3(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_expect expect = { .spiffe_id = "spiffe://test.mesh/node/other" };

	world_init(&w, 7);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(failure_of(&w, a, b, &expect), HS_FAIL_UNEXPECTED);
	assert_true(a->sent_bytes < 8000); /* M3 alone is longer than that */
	world_done(&w);
}

static void whoever_is_expected_by_nobody_in_particular_is_welcome(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_expect anybody = { 0 };
	struct hs_path path;

	world_init(&w, 8);
	a = world_add(&w);
	b = world_add(&w);
	path = world_path(&w, b);
	assert_int_equal(handshakes_start(a->handshakes, 7, &path, &anybody, 0), 0);
	world_run(&w, MS(1));
	assert_int_equal(world_start(&w, a, b), -EALREADY);
	world_run(&w, SECONDS(20));
	assert_int_equal(a->n_done, 1);
	world_done(&w);
}

static void a_certificate_that_expired_is_named_as_such(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_expect expect = { 0 };
	struct sim_null_subject subject = { .not_after_s = WORLD_UNIX_S - 1 };

	world_init(&w, 9);
	a = world_add(&w);
	b = world_add(&w);
	subject.uri = b->identity.spiffe_id;
	subject.key = b->key;
	sim_null_cert(&subject, w.root_key, b->cert);
	assert_int_equal(handshakes_set_identity(b->handshakes, &b->identity), 0);
	assert_int_equal(failure_of(&w, a, b, &expect), HS_FAIL_IDENTITY);
	assert_int_equal(a->failed[0].fault, IDENTITY_EXPIRED);
	world_done(&w);
}

static void the_initiators_policy_is_asked(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_expect expect = { 0 };

	world_init(&w, 10);
	a = world_add(&w);
	b = world_add(&w);
	a->refuses = true;
	assert_int_equal(failure_of(&w, a, b, &expect), HS_FAIL_POLICY);
	world_done(&w);
}

static void the_responders_policy_is_asked_and_answers_with_silence(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 11);
	a = world_add(&w);
	b = world_add(&w);
	b->refuses = true;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(30));
	assert_int_equal(a->n_done, 1); /* its M3 was never answered */
	assert_int_equal(b->n_done, 0);
	world_done(&w);
}

static void a_stranger_without_the_network_key_hears_nothing(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 12);
	a = world_add(&w);
	b = world_add(&w);
	a->nk[0][5] ^= 1;
	world_restart(&w, a, false);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	assert_int_equal(b->n_sent, 0);
	assert_int_equal(a->failed[0].failure, HS_FAIL_TIMEOUT);
	world_done(&w);
}

static void the_previous_network_key_is_answered_until_it_is_taken_away(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 13);
	a = world_add(&w);
	b = world_add(&w);
	memcpy(b->nk[1], b->nk[0], NETWORK_KEY_LEN);
	b->nk[0][0] ^= 1;
	handshakes_set_network_keys(b->handshakes, b->nk, 2);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	assert_true(world_agree(a, b));

	/* half-open handshakes under a key that is taken away end */
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, w.now_us + MS(60));
	handshakes_set_network_keys(b->handshakes, b->nk, 1);
	world_run(&w, SECONDS(60));
	assert_int_equal(b->n_done, 1);
	world_done(&w);
}

static void a_responder_that_restarted_is_met_with_full_chains(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 14);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	world_restart(&w, b, false);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(40));
	assert_int_equal(a->n_done, 2);
	assert_int_equal(b->n_done, 2);
	assert_true(memcmp(a->done[1].root, b->done[1].root, SHA256_LEN) == 0);
	assert_true(a->done[1].peer_boot_epoch == 2);
	world_done(&w);
}

static void a_responder_that_restarts_in_the_middle_is_found_again(void **state)
{
	(void)state;

	for (unsigned step_ms = 10; step_ms < 260; step_ms += 10) {
		struct world w;
		struct host *a, *b;

		world_init(&w, 15);
		a = world_add(&w);
		b = world_add(&w);
		assert_int_equal(world_start(&w, a, b), 0);
		world_run(&w, MS(step_ms));
		world_restart(&w, b, false);
		world_run(&w, SECONDS(12));
		if (b->n_done == 0) { /* it went down between M2 and M3: the next one works */
			assert_true(a->n_done + a->n_failed == 1);
			assert_int_equal(world_start(&w, a, b), 0);
			world_run(&w, SECONDS(24));
		}
		assert_true(world_agree(a, b));
		world_done(&w);
	}
}

static void a_chain_that_changed_is_learnt_anew(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct sim_null_subject subject = { .not_after_s = WORLD_UNIX_S + 5000 };

	world_init(&w, 16);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	subject.uri = b->identity.spiffe_id;
	subject.key = b->key;
	sim_null_cert(&subject, w.root_key, b->cert);
	assert_int_equal(handshakes_set_identity(b->handshakes, &b->identity), 0);
	assert_int_equal(world_start(&w, a, b), 0); /* by hash: unknown to a; then in full */
	world_run(&w, SECONDS(40));
	assert_int_equal(a->n_failed, 0);
	assert_int_equal(a->n_done, 2);
	assert_int_equal(b->n_done, 2);
	assert_true(a->done[1].peer.not_after_s == WORLD_UNIX_S + 5000);
	world_done(&w);
}

static void a_responder_that_forgot_a_chain_says_so(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 17);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	b->boots--; /* restarted, but under the boot epoch of before: a believes it remembers */
	world_restart(&w, b, false);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(40));
	assert_int_equal(b->n_done, 2);
	assert_int_equal(a->n_done, 3); /* the one that b refused, and the one after */
	assert_int_equal(a->done[2].id, a->done[1].id);
	assert_true(memcmp(a->done[2].root, b->done[1].root, SHA256_LEN) == 0);
	world_done(&w);
}

static unsigned n_verified(const struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_hosts; i++)
		n += w->hosts[i].n_verified;
	return n;
}

static void a_chain_is_verified_by_signature_once_an_hour(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 61);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	assert_int_equal(n_verified(&w), 2);	    /* each the other's */
	assert_int_equal(world_start(&w, a, b), 0); /* by hash */
	world_run(&w, SECONDS(40));
	world_restart(&w, a, false);
	assert_int_equal(world_start(&w, a, b), 0); /* in full, and b has verified it before */
	world_run(&w, SECONDS(60));
	assert_int_equal(a->n_done, 3);
	assert_int_equal(b->n_done, 3);
	assert_int_equal(n_verified(&w), 3);
	w.now_us += HS_VERIFIED_US;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, w.now_us + SECONDS(20));
	assert_int_equal(a->n_done, 4);
	assert_int_equal(n_verified(&w), 5);
	world_done(&w);
}

static void a_revoked_chain_is_refused_although_it_was_verified_before(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct revoked entry = { 0 };

	world_init(&w, 62);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	entry.node_id = b->identity.node_id; /* whatever it holds */
	assert_int_equal(revocation_add(&a->trust.revoked, &entry), 0);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(40));
	assert_int_equal(a->n_done, 1);
	assert_int_equal(a->n_failed, 1);
	assert_int_equal(a->failed[0].failure, HS_FAIL_IDENTITY);
	assert_int_equal(a->failed[0].fault, IDENTITY_REVOKED);
	assert_non_null(chain_by_node(a->handshakes, b->identity.node_id));
	handshakes_recheck(a->handshakes);
	assert_null(chain_by_node(a->handshakes, b->identity.node_id));
	assert_non_null(chain_by_node(b->handshakes, a->identity.node_id));
	revocation_done(&a->trust.revoked);
	world_done(&w);
}

static void another_bundle_makes_a_chain_verified_anew(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 63);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	a->trust.roots[a->trust.n_roots++] = SPAN(a->cert, SIM_NULL_CERT_LEN);
	trust_set_bundle(&a->trust);
	handshakes_recheck(a->handshakes);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(40));
	assert_int_equal(a->n_done, 2);
	assert_int_equal(a->n_verified, 2);
	assert_int_equal(b->n_verified, 1);
	world_done(&w);
}

static void a_cached_chain_is_judged_again_at_each_use(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 22);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));
	assert_true(world_agree(a, b));
	b->trust.domain[0] = 'x'; /* b trusts nobody any more, and holds a's chain */
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(40));
	assert_int_equal(b->n_done, 1);
	b->trust.domain[0] = 't';
	a->trust.domain[0] = 'x'; /* and a does not claim to hold what it would refuse */
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(60));
	assert_int_equal(b->n_done, 1);
	assert_int_equal(a->failed[a->n_failed - 1].failure, HS_FAIL_IDENTITY);
	assert_int_equal(a->failed[a->n_failed - 1].fault, IDENTITY_WRONG_DOMAIN);
	world_done(&w);
}

static void two_hosts_behind_one_nat_do_not_disturb_each_other(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b, *c;

	world_init(&w, 18);
	a = world_add(&w);
	b = world_add(&w);
	c = world_add(&w);
	memcpy(b->endpoint.ip, a->endpoint.ip, sizeof(a->endpoint.ip));
	b->endpoint.port = 40001;
	assert_int_equal(world_start(&w, a, c), 0);
	assert_int_equal(world_start(&w, b, c), 0);
	world_run(&w, SECONDS(20));
	assert_true(world_agree(a, c));
	assert_true(world_agree(b, c));
	world_done(&w);
}

static void lost_first_data_is_asked_for_by_m3_again(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;
	struct hs_counters counters;

	world_init(&w, 19);
	a = world_add(&w);
	b = world_add(&w);
	b->says_hello = false;
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(1));
	assert_int_equal(b->n_done, 1);
	b->says_hello = true; /* from now on M3 again gets its answer */
	world_run(&w, SECONDS(3));
	a->n_sent = 0;
	world_run(&w, SECONDS(20));
	assert_int_equal(a->n_sent, 0); /* confirmed: M3 is not repeated any more */
	handshakes_counters(b->handshakes, &counters);
	assert_true(counters.replayed > 0);
	assert_int_equal(b->n_done, 1);
	world_done(&w);
}

static void a_chain_too_long_for_m2_is_refused_where_it_is_set(void **state)
{
	(void)state;
	struct world w;
	struct host *a;
	static uint8_t der[12000];
	struct span chain[] = { SPAN_OF(der) };
	struct hs_identity identity;

	world_init(&w, 20);
	a = world_add(&w);
	world_restart(&w, a, false);
	identity = a->identity;
	identity.chain = chain;
	assert_int_equal(handshakes_set_identity(a->handshakes, &identity), -EINVAL);
	assert_int_equal(handshakes_set_identity(a->handshakes, &a->identity), 0);
	world_done(&w);
}

static void the_same_seed_gives_the_same_run(void **state)
{
	(void)state;
	uint8_t roots[2][SHA256_LEN];

	for (unsigned i = 0; i < 2; i++) {
		struct world w;
		struct host *a, *b;

		world_init(&w, 21);
		w.loss_percent = 20;
		a = world_add(&w);
		b = world_add(&w);
		assert_int_equal(world_start(&w, a, b), 0);
		world_run(&w, SECONDS(20));
		assert_true(world_agree(a, b));
		memcpy(roots[i], a->done[0].root, SHA256_LEN);
		world_done(&w);
	}
	assert_memory_equal(roots[0], roots[1], SHA256_LEN);
}

static void every_failure_has_a_text(void **state)
{
	(void)state;
	for (enum hs_failure f = HS_FAIL_TIMEOUT; f <= HS_FAIL_LOST_RACE; f++)
		assert_string_not_equal(hs_failure_text(f), "unknown failure");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hosts_agree_on_a_secret),
		cmocka_unit_test(a_second_handshake_takes_one_round_trip_and_names_chains_by_hash),
		cmocka_unit_test(the_mesh_carries_a_handshake_in_smaller_bodies),
		cmocka_unit_test(one_attempt_per_path_and_none_to_oneself),
		cmocka_unit_test(a_host_that_is_down_costs_eight_seconds),
		cmocka_unit_test(a_peer_that_comes_up_late_is_met_at_once),
		cmocka_unit_test(another_member_than_expected_sees_no_m3),
		cmocka_unit_test(whoever_is_expected_by_nobody_in_particular_is_welcome),
		cmocka_unit_test(a_certificate_that_expired_is_named_as_such),
		cmocka_unit_test(the_initiators_policy_is_asked),
		cmocka_unit_test(the_responders_policy_is_asked_and_answers_with_silence),
		cmocka_unit_test(a_stranger_without_the_network_key_hears_nothing),
		cmocka_unit_test(the_previous_network_key_is_answered_until_it_is_taken_away),
		cmocka_unit_test(a_responder_that_restarted_is_met_with_full_chains),
		cmocka_unit_test(a_responder_that_restarts_in_the_middle_is_found_again),
		cmocka_unit_test(a_chain_that_changed_is_learnt_anew),
		cmocka_unit_test(a_responder_that_forgot_a_chain_says_so),
		cmocka_unit_test(a_cached_chain_is_judged_again_at_each_use),
		cmocka_unit_test(a_chain_is_verified_by_signature_once_an_hour),
		cmocka_unit_test(a_revoked_chain_is_refused_although_it_was_verified_before),
		cmocka_unit_test(another_bundle_makes_a_chain_verified_anew),
		cmocka_unit_test(two_hosts_behind_one_nat_do_not_disturb_each_other),
		cmocka_unit_test(lost_first_data_is_asked_for_by_m3_again),
		cmocka_unit_test(a_chain_too_long_for_m2_is_refused_where_it_is_set),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(every_failure_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

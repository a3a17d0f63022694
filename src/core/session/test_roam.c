/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/session/roam.h"
#include "core/session/test_ops.h"

static struct rng rng;
static struct entropy entropy;
static struct endpoint here, there, elsewhere;

static int set_up(void **state)
{
	(void)state;
	rng_seed(&rng, 1);
	entropy = test_entropy(&rng);
	assert_int_equal(endpoint_parse("192.0.2.1:1000", 0, &here), 0);
	assert_int_equal(endpoint_parse("192.0.2.1:1001", 0, &there), 0);
	assert_int_equal(endpoint_parse("[2001:db8::1]:1000", 0, &elsewhere), 0);
	return 0;
}

/* A check of `there`, begun at 10 s by a packet of 100 bytes. */
static struct roam checking(void)
{
	struct roam r;

	roam_init(&r, &here);
	assert_true(roam_received(&r, &there, 100, true, &entropy, SECONDS(10)));
	return r;
}

static void only_a_newest_packet_from_elsewhere_starts_a_check(void **state)
{
	(void)state;
	struct roam r;

	roam_init(&r, &here);
	assert_false(roam_received(&r, &here, 100, true, &entropy, SECONDS(1)));
	assert_false(roam_received(&r, &there, 100, false, &entropy, SECONDS(1)));
	assert_null(roam_challenge(&r, &here));
	assert_int_equal(roam_deadline_us(&r), NEVER_US);
	assert_true(roam_received(&r, &there, 100, true, &entropy, SECONDS(1)));
	assert_non_null(roam_challenge(&r, &here));
	assert_non_null(roam_challenge(&r, &there));
	assert_null(roam_challenge(&r, &elsewhere));
	assert_true(endpoint_equal(&r.current, &here)); /* data still go there */
}

static void an_echo_from_the_new_address_moves_the_peer(void **state)
{
	(void)state;
	struct roam r = checking();
	uint8_t c[ROAM_CHALLENGE_LEN];

	memcpy(c, roam_challenge(&r, &there), sizeof(c));
	assert_true(roam_echo(&r, &there, c, SECONDS(10) + MS(20)));
	assert_true(endpoint_equal(&r.current, &there));
	assert_false(roam_echo(&r, &there, c, SECONDS(10) + MS(21))); /* once */
	assert_int_equal(roam_deadline_us(&r), NEVER_US);
}

static void an_echo_counts_only_from_where_its_challenge_went(void **state)
{
	(void)state;
	struct roam r = checking();
	uint8_t to_new[ROAM_CHALLENGE_LEN], to_old[ROAM_CHALLENGE_LEN];

	memcpy(to_new, roam_challenge(&r, &there), sizeof(to_new));
	memcpy(to_old, roam_challenge(&r, &here), sizeof(to_old));
	assert_memory_not_equal(to_new, to_old, sizeof(to_new));
	/* Someone copies the peer's echo and sends it on, quicker, from the new address. */
	assert_false(roam_echo(&r, &there, to_old, SECONDS(10) + MS(5)));
	assert_false(roam_echo(&r, &here, to_new, SECONDS(10) + MS(6)));
	assert_false(roam_echo(&r, &elsewhere, to_new, SECONDS(10) + MS(7)));
	assert_true(endpoint_equal(&r.current, &here));
	to_new[0] ^= 1;
	assert_false(roam_echo(&r, &there, to_new, SECONDS(10) + MS(8)));
	to_new[0] ^= 1;
	assert_true(roam_echo(&r, &there, to_new, SECONDS(10) + MS(9)));
}

static void a_peer_that_answers_at_the_old_address_stays(void **state)
{
	(void)state;
	struct roam r = checking();
	uint8_t to_new[ROAM_CHALLENGE_LEN], to_old[ROAM_CHALLENGE_LEN];

	memcpy(to_new, roam_challenge(&r, &there), sizeof(to_new));
	memcpy(to_old, roam_challenge(&r, &here), sizeof(to_old));
	assert_false(roam_echo(&r, &here, to_old, SECONDS(10) + MS(20)));
	assert_false(roam_echo(&r, &there, to_new, SECONDS(10) + MS(30))); /* too late */
	assert_true(endpoint_equal(&r.current, &here));
	/* The next copy that wins its race waits for the second to be over. */
	assert_false(roam_received(&r, &there, 100, true, &entropy, SECONDS(10) + MS(999)));
	assert_true(roam_received(&r, &there, 100, true, &entropy, SECONDS(11)));
}

static void a_dead_path_is_given_up(void **state)
{
	(void)state;
	struct roam r = checking();
	uint8_t c[ROAM_CHALLENGE_LEN];
	unsigned n = 0;

	memcpy(c, r.challenge, sizeof(c));
	for (uint64_t t = SECONDS(10); roam_deadline_us(&r) != NEVER_US; t = roam_deadline_us(&r))
		n += roam_tick(&r, t);
	assert_int_equal(n, 6); /* after 50, 100, 200 ... 1,600 ms */
	assert_false(roam_echo(&r, &there, c, SECONDS(12)));
	assert_true(endpoint_equal(&r.current, &here));
	assert_true(roam_received(&r, &elsewhere, 1, true, &entropy, SECONDS(12)));
}

static void a_late_echo_is_no_echo_even_without_a_tick(void **state)
{
	(void)state;
	struct roam r = checking();
	uint8_t c[ROAM_CHALLENGE_LEN];

	memcpy(c, r.challenge, sizeof(c));
	assert_false(roam_echo(&r, &there, c, SECONDS(12)));
	assert_true(roam_received(&r, &elsewhere, 1, true, &entropy, SECONDS(12)));
}

static void a_third_address_does_not_push_out_the_one_being_checked(void **state)
{
	(void)state;
	struct roam r = checking();

	assert_false(roam_received(&r, &elsewhere, 100, true, &entropy, SECONDS(10) + MS(1)));
	assert_true(endpoint_equal(&r.candidate, &there));
	assert_true(roam_echo(&r, &there, r.challenge, SECONDS(10) + MS(2)));
}

static void a_peer_moves_once_a_second(void **state)
{
	(void)state;
	struct roam r = checking();

	assert_true(roam_echo(&r, &there, r.challenge, SECONDS(10) + MS(900)));
	assert_false(roam_received(&r, &here, 9, true, &entropy, SECONDS(11) + MS(899)));
	assert_true(roam_received(&r, &here, 9, true, &entropy, SECONDS(11) + MS(900)));
}

static void an_unproven_address_gets_at_most_three_times_what_it_sent(void **state)
{
	(void)state;
	struct roam r;
	size_t received = 0, sent = 0;

	roam_init(&r, &here);
	assert_false(roam_may_send(&r, 0)); /* nobody is being checked */
	for (unsigned i = 0; i < 1000; i++) {
		size_t len = rng_below(&rng, 1500);

		if (rng_below(&rng, 4) == 0) {
			(void)roam_received(&r, &there, len, true, &entropy, SECONDS(10));
			received += len;
		} else if (roam_may_send(&r, len)) {
			sent += len;
		}
		assert_true(sent <= 3 * received);
	}
	assert_true(sent > 2 * received);
	assert_false(roam_may_send(&r, SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_newest_packet_from_elsewhere_starts_a_check),
		cmocka_unit_test(an_echo_from_the_new_address_moves_the_peer),
		cmocka_unit_test(an_echo_counts_only_from_where_its_challenge_went),
		cmocka_unit_test(a_peer_that_answers_at_the_old_address_stays),
		cmocka_unit_test(a_dead_path_is_given_up),
		cmocka_unit_test(a_late_echo_is_no_echo_even_without_a_tick),
		cmocka_unit_test(a_third_address_does_not_push_out_the_one_being_checked),
		cmocka_unit_test(a_peer_moves_once_a_second),
		cmocka_unit_test(an_unproven_address_gets_at_most_three_times_what_it_sent),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

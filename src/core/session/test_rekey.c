/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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

static struct pair p;

static int set_up(void **state)
{
	(void)state;
	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pair_done(&p);
	return 0;
}

/* The next action is a message of this type. */
static struct session_action expect_message(unsigned from, enum rekey_type type)
{
	struct session_action a;

	assert_true(session_next_action(p.s[from], &a));
	assert_int_equal(a.type, SESSION_SEND_REKEY);
	assert_int_equal(a.message[0], type);
	return a;
}

static uint32_t expect_index(unsigned from, enum session_action_type type)
{
	struct session_action a;

	assert_true(session_next_action(p.s[from], &a));
	assert_int_equal(a.type, type);
	return a.index;
}

static void expect_nothing(unsigned from)
{
	struct session_action a;

	assert_false(session_next_action(p.s[from], &a));
}

static int input(unsigned to, const struct session_action *a)
{
	return session_rekey_input(p.s[to], SPAN(a->message, a->len), p.now_us);
}

static void exchange_packets(void)
{
	struct packet packet;

	for (unsigned from = 0; from < 2; from++) {
		assert_int_equal(pair_seal(&p, from, SESSION_E2E, 0, SPAN_STR("x"), false, &packet),
				 0);
		assert_int_equal(pair_open(&p, 1 - from, &packet, NULL, NULL), SESSION_OPENED);
	}
}

static void a_rekey_step_by_step(void **state)
{
	(void)state;
	struct session_action rk1, rk2;
	struct packet early, late;
	uint8_t s_0[32];

	memcpy(s_0, p.s[1]->root, sizeof(s_0));
	session_want_rekey(p.s[0], p.now_us);
	uint32_t index_i = expect_index(0, SESSION_INDEX_OPENED); /* before it is told */

	rk1 = expect_message(0, REKEY_RK1);
	assert_int_equal(rk1.len, 1 + 1224);
	assert_int_equal(load_u32(rk1.message + 1), 1);
	assert_int_equal(load_u32(rk1.message + 5), index_i);
	expect_nothing(0);

	assert_int_equal(input(1, &rk1), 0);
	uint32_t index_r = expect_index(1, SESSION_INDEX_OPENED);

	rk2 = expect_message(1, REKEY_RK2);
	assert_int_equal(rk2.len, 1 + 1128);
	assert_int_equal(load_u32(rk2.message + 5), index_r);
	/* It opens j+1, sends on j and keeps S_j. */
	assert_int_equal(session_epoch(p.s[1]), 0);
	assert_memory_equal(p.s[1]->root, s_0, sizeof(s_0));
	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("a"), false, &late), 0);
	assert_int_equal(late.index, 100);

	assert_int_equal(input(0, &rk2), 0);
	assert_int_equal(session_epoch(p.s[0]), 1);
	assert_memory_not_equal(p.s[0]->root, s_0, sizeof(s_0));
	(void)expect_message(0, REKEY_CONFIRM);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("b"), false, &early), 0);
	assert_int_equal(early.index, index_r);
	assert_int_equal(early.sequence, 0);

	assert_int_equal(pair_open(&p, 1, &early, NULL, NULL), SESSION_OPENED);
	assert_int_equal(session_epoch(p.s[1]), 1);
	assert_memory_equal(p.s[1]->root, p.s[0]->root, 32);
	assert_null(p.s[1]->answer);
	pair_assert_talks(&p);

	/* j opens for 10 s more. */
	p.now_us += SECONDS(10) - 1;
	assert_int_equal(pair_open(&p, 0, &late, NULL, NULL), SESSION_OPENED);
	p.now_us++;
	assert_int_equal(pair_open(&p, 0, &late, NULL, NULL), SESSION_UNKNOWN);
	session_tick(p.s[0], p.now_us);
	session_tick(p.s[1], p.now_us);
	assert_int_equal(expect_index(0, SESSION_INDEX_RETIRED), 100);
	assert_int_equal(expect_index(1, SESSION_INDEX_RETIRED), 101);
}

static void an_old_packet_is_never_the_newest(void **state)
{
	(void)state;
	struct packet old, new;
	bool is_newest;

	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("a"), false, &old), 0);
	session_want_rekey(p.s[0], p.now_us);
	(void)pair_deliver(&p, 0, NULL);
	(void)pair_deliver(&p, 1, NULL);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("a"), false, &new), 0);
	assert_int_equal(pair_open(&p, 1, &new, NULL, &is_newest), SESSION_OPENED);
	assert_true(is_newest);
	assert_int_equal(pair_open(&p, 1, &old, NULL, &is_newest), SESSION_OPENED);
	assert_false(is_newest);
}

static void rk1_is_repeated_as_it_was_and_so_is_its_answer(void **state)
{
	(void)state;
	struct session_action first, again, answer, answer_again;

	session_set_rtt_us(p.s[0], (uint32_t)MS(200));
	session_want_rekey(p.s[0], p.now_us);
	(void)expect_index(0, SESSION_INDEX_OPENED);
	first = expect_message(0, REKEY_RK1);
	p.now_us += MS(400) - 1;
	session_tick(p.s[0], p.now_us);
	expect_nothing(0);
	assert_int_equal(session_deadline_us(p.s[0]), p.now_us + 1);
	p.now_us++;
	session_tick(p.s[0], p.now_us);
	again = expect_message(0, REKEY_RK1);
	assert_memory_equal(first.message, again.message, first.len);

	session_set_rtt_us(p.s[0], 1);
	p.now_us += MS(400);
	session_tick(p.s[0], p.now_us);
	(void)expect_message(0, REKEY_RK1);
	assert_int_equal(session_deadline_us(p.s[0]), p.now_us + MS(250));

	assert_int_equal(input(1, &first), 0);
	(void)expect_index(1, SESSION_INDEX_OPENED);
	answer = expect_message(1, REKEY_RK2);
	assert_int_equal(input(1, &again), 0);
	answer_again = expect_message(1, REKEY_RK2);
	assert_memory_equal(answer.message, answer_again.message, answer.len);
	again.message[20] ^= 1; /* another RK1 for the same epoch */
	assert_int_equal(input(1, &again), -EPROTO);
	expect_nothing(1);
}

static void an_answer_not_fetched_in_time_is_not_given_any_more(void **state)
{
	(void)state;
	struct session_action rk1;

	session_want_rekey(p.s[0], p.now_us);
	(void)expect_index(0, SESSION_INDEX_OPENED);
	rk1 = expect_message(0, REKEY_RK1);
	assert_int_equal(input(1, &rk1), 0);
	(void)pair_deliver(&p, 1, NULL);
	assert_int_equal(input(1, &rk1), 0); /* a repeat, and then the first packet */
	exchange_packets();
	expect_nothing(1);
	pair_assert_talks(&p);
}

static void refused_messages_change_nothing(void **state)
{
	(void)state;
	struct session_action rk1, rk2, bad;

	session_want_rekey(p.s[0], p.now_us);
	(void)expect_index(0, SESSION_INDEX_OPENED);
	rk1 = expect_message(0, REKEY_RK1);

	bad = rk1;
	bad.message[9 + 32] |= 0x80; /* a modulus check that fails, with these ops */
	assert_int_equal(input(1, &bad), -EKEYREJECTED);
	bad = rk1;
	memset(bad.message + 9, 0, 32); /* X25519 that yields zeros */
	assert_int_equal(input(1, &bad), -EKEYREJECTED);
	bad = rk1;
	store_u32(bad.message + 1, 2); /* an epoch that is not next */
	assert_int_equal(input(1, &bad), -EPROTO);
	bad = rk1;
	store_u32(bad.message + 5, 0);
	assert_int_equal(input(1, &bad), -EBADMSG);
	bad = rk1;
	bad.len--;
	assert_int_equal(input(1, &bad), -EBADMSG);
	bad.len += 2;
	assert_int_equal(input(1, &bad), -EBADMSG);
	bad.len = 0;
	assert_int_equal(input(1, &bad), -EBADMSG);
	bad.message[0] = 5;
	bad.len = 5;
	assert_int_equal(input(1, &bad), -EBADMSG);
	assert_int_equal(input(0, &rk1), -EPROTO); /* reflected */
	expect_nothing(1);

	assert_int_equal(input(1, &rk1), 0); /* and the good one is still taken */
	(void)expect_index(1, SESSION_INDEX_OPENED);
	rk2 = expect_message(1, REKEY_RK2);
	assert_int_equal(input(1, &rk2), -EPROTO);
	bad = rk2;
	memset(bad.message + 9, 0, 32);
	assert_int_equal(input(0, &bad), -EKEYREJECTED);
	assert_int_equal(session_epoch(p.s[0]), 0);
	assert_int_equal(input(0, &rk2), 0);
	assert_int_equal(input(0, &rk2), 0); /* late repeats */
	(void)expect_message(0, REKEY_CONFIRM);
	exchange_packets();
	assert_int_equal(input(1, &rk1), 0);
	expect_nothing(1);
	pair_assert_talks(&p);
}

static void a_changed_answer_yields_other_keys_and_no_agreement(void **state)
{
	(void)state;
	struct session_action rk1, rk2;
	struct packet packet;

	session_want_rekey(p.s[0], p.now_us);
	(void)expect_index(0, SESSION_INDEX_OPENED);
	rk1 = expect_message(0, REKEY_RK1);
	assert_int_equal(input(1, &rk1), 0);
	(void)expect_index(1, SESSION_INDEX_OPENED);
	rk2 = expect_message(1, REKEY_RK2);
	rk2.message[rk2.len - 1] ^= 1; /* not even a byte these ops' KEM looks at */
	assert_int_equal(input(0, &rk2), 0);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), 0);
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_FORGED);
}

static void the_responder_may_only_ask(void **state)
{
	(void)state;
	struct session_action a;

	session_want_rekey(p.s[1], p.now_us);
	a = expect_message(1, REKEY_REQUEST);
	assert_int_equal(a.len, 5);
	expect_nothing(1);
	p.now_us += MS(250);
	session_tick(p.s[1], p.now_us);
	(void)expect_message(1, REKEY_REQUEST); /* again until RK1 is here */
	assert_int_equal(input(1, &a), -EPROTO);
	assert_int_equal(input(0, &a), 0);
	pair_run(&p, SECONDS(1), MS(50));
	assert_int_equal(session_epoch(p.s[0]), 1);
	assert_int_equal(session_epoch(p.s[1]), 1);
	assert_int_equal(input(0, &a), 0); /* a late request asks for what is there */
	pair_run(&p, SECONDS(20), MS(50));
	assert_int_equal(session_epoch(p.s[0]), 1);
}

static void rekeys_wait_for_the_one_before(void **state)
{
	(void)state;
	session_want_rekey(p.s[0], p.now_us);
	pair_run(&p, SECONDS(1), MS(50));
	session_want_rekey(p.s[0], p.now_us);
	pair_run(&p, SECONDS(8), MS(50));
	assert_int_equal(session_epoch(p.s[0]), 1); /* 0 is still accepted */
	pair_run(&p, SECONDS(4), MS(50));
	assert_int_equal(session_epoch(p.s[0]), 2);
	assert_int_equal(session_epoch(p.s[1]), 2);
}

static void an_initiator_in_a_hurry_is_held_back(void **state)
{
	(void)state;
	struct session_action rk1;
	uint64_t done_us;

	session_want_rekey(p.s[0], p.now_us);
	pair_run(&p, MS(50), MS(50));
	done_us = p.now_us - MS(50);
	p.s[0]->config.limits.old_epoch_us = 1; /* it does not wait for the old epoch to go */
	p.s[0]->old_until_us = p.now_us;
	session_want_rekey(p.s[0], p.now_us);
	assert_int_equal(expect_index(0, SESSION_INDEX_RETIRED), 100);
	p.now_us += MS(250);
	session_tick(p.s[0], p.now_us);
	(void)expect_index(0, SESSION_INDEX_OPENED);
	rk1 = expect_message(0, REKEY_RK1);
	p.now_us = done_us + SECONDS(5) - 1;
	assert_int_equal(input(1, &rk1), -EAGAIN);
	p.now_us++;
	assert_int_equal(input(1, &rk1), 0);
	assert_int_equal(expect_index(1, SESSION_INDEX_RETIRED), 101); /* never three live */
	(void)expect_index(1, SESSION_INDEX_OPENED);
	(void)expect_message(1, REKEY_RK2);
	assert_null(p.s[1]->old);
}

static void only_a_used_session_is_rekeyed_and_an_idle_one_is_erased(void **state)
{
	(void)state;
	uint64_t began_us = p.now_us;
	unsigned n_actions[5] = { 0 };

	pair_run(&p, SECONDS(179), MS(100));
	assert_int_equal(session_epoch(p.s[0]), 0);
	assert_int_equal(session_deadline_us(p.s[0]), began_us + SECONDS(180));
	p.now_us = began_us + SECONDS(180);
	for (unsigned i = 0; i < 2; i++) {
		session_tick(p.s[i], p.now_us);
		assert_true(session_is_closed(p.s[i]));
		(void)pair_deliver(&p, i, n_actions);
	}
	assert_int_equal(n_actions[SESSION_INDEX_RETIRED], 2);
	assert_int_equal(n_actions[SESSION_CLOSED], 2);
	assert_int_equal(n_actions[SESSION_WANT_HANDSHAKE], 0);
	assert_int_equal(test_ops_aeads(), 0); /* the keys are gone before the session is freed */
	assert_int_equal(session_deadline_us(p.s[0]), NEVER_US);
}

static void a_used_session_is_rekeyed_every_two_minutes_for_a_day_and_then_ends(void **state)
{
	(void)state;
	uint64_t began_us = p.now_us;
	struct session_counters counters;
	unsigned wants = 0;

	for (;;) {
		for (unsigned i = 0; i < 2; i++) {
			unsigned n_actions[5] = { 0 };

			session_tick(p.s[i], p.now_us);
			(void)pair_deliver(&p, i, n_actions);
			wants += n_actions[SESSION_WANT_HANDSHAKE];
		}
		if (session_is_closed(p.s[0]) || session_is_closed(p.s[1]))
			break;
		exchange_packets();
		test_ops_forget_nonces();
		/* Woken by the deadlines, and for traffic every 20 s. */
		p.now_us = min_u64(p.now_us + SECONDS(20),
				   max_u64(p.now_us + 1, min_u64(session_deadline_us(p.s[0]),
								 session_deadline_us(p.s[1]))));
	}
	assert_int_equal(p.now_us - began_us, SECONDS(86400));
	assert_true(session_is_closed(p.s[0]) && session_is_closed(p.s[1]));
	session_counters(p.s[0], &counters);
	assert_in_range(counters.rekeys, 86400 / 130 - 1, 86400 / 110 + 1);
	assert_true(wants >= 2); /* near the end, at both ends */
}

static void a_silent_peer_ends_sending_at_170_s_and_all_at_180_s(void **state)
{
	(void)state;
	uint64_t began_us = p.now_us;
	struct packet packet, late;
	unsigned n_actions[5] = { 0 };

	for (p.now_us = began_us; p.now_us < began_us + SECONDS(170); p.now_us += MS(500)) {
		struct session_action a;

		assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet),
				 0);
		assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("x"), false, &late), 0);
		session_tick(p.s[0], p.now_us);
		while (session_next_action(p.s[0], &a)) {
			uint64_t age_us = p.now_us - began_us;

			n_actions[a.type]++;
			if (a.type == SESSION_SEND_REKEY)
				assert_in_range(age_us, SECONDS(110), SECONDS(170));
			if (a.type == SESSION_WANT_HANDSHAKE)
				assert_int_equal(age_us, SECONDS(150));
		}
	}
	assert_in_range(n_actions[SESSION_SEND_REKEY], 2 * 40, 2 * 60);
	assert_int_equal(n_actions[SESSION_WANT_HANDSHAKE], 1);
	assert_false(session_can_send(p.s[0], p.now_us));
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), -EAGAIN);
	p.now_us = began_us + SECONDS(180) - 1;
	assert_int_equal(pair_open(&p, 0, &late, NULL, NULL), SESSION_OPENED);
	p.now_us++;
	assert_int_equal(pair_open(&p, 0, &late, NULL, NULL), SESSION_UNKNOWN);
	session_tick(p.s[0], p.now_us);
	assert_true(session_is_closed(p.s[0]));
	n_actions[SESSION_INDEX_RETIRED] = 0;
	(void)pair_deliver(&p, 0, n_actions);
	assert_int_equal(n_actions[SESSION_INDEX_RETIRED], 2); /* the offered one, too */
}

static void what_was_prepared_may_be_taken_up_after_the_old_keys_end(void **state)
{
	(void)state;
	struct session_action rk1, rk2;
	struct packet packet;

	p.now_us += SECONDS(165);
	session_want_rekey(p.s[0], p.now_us);
	(void)expect_index(0, SESSION_INDEX_OPENED);
	rk1 = expect_message(0, REKEY_RK1);
	p.now_us += SECONDS(4);
	assert_int_equal(input(1, &rk1), 0);
	(void)expect_index(1, SESSION_INDEX_OPENED);
	rk2 = expect_message(1, REKEY_RK2);
	assert_int_equal(input(0, &rk2), 0);
	p.now_us += SECONDS(20);
	session_tick(p.s[1], p.now_us);
	assert_int_equal(expect_index(1, SESSION_INDEX_RETIRED), 101);
	expect_nothing(1);
	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), -EAGAIN);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), 0);
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_OPENED);
	pair_assert_talks(&p);
}

static bool no_index_is_free(void *arg, uint32_t index)
{
	(void)arg;
	(void)index;
	return false;
}

static void without_a_free_index_no_rekey_begins_but_it_is_tried_again(void **state)
{
	(void)state;
	struct session_action rk1;

	p.s[0]->config.index_is_free = no_index_is_free;
	session_want_rekey(p.s[0], p.now_us);
	expect_nothing(0);
	assert_int_equal(session_deadline_us(p.s[0]), p.now_us + MS(250));
	p.s[0]->config.index_is_free = NULL;
	p.now_us += MS(250);
	session_tick(p.s[0], p.now_us);
	(void)expect_index(0, SESSION_INDEX_OPENED);
	rk1 = expect_message(0, REKEY_RK1);

	p.s[1]->config.index_is_free = no_index_is_free;
	assert_int_equal(input(1, &rk1), -ENOBUFS);
	p.s[1]->config.index_is_free = NULL;
	assert_int_equal(input(1, &rk1), 0);
}

static void a_session_whose_actions_nobody_fetches_stops_rekeying(void **state)
{
	(void)state;
	unsigned n = 0;
	int r;

	do {
		struct session_action rk1, a;
		struct packet packet;

		session_want_rekey(p.s[0], p.now_us);
		(void)expect_index(0, SESSION_INDEX_OPENED);
		rk1 = expect_message(0, REKEY_RK1);
		r = input(1, &rk1);
		if (r < 0)
			break;
		a.len = REKEY_RK2_LEN; /* the answer, taken without fetching it */
		memcpy(a.message, p.s[1]->answer->rk2, a.len);
		assert_int_equal(input(0, &a), 0);
		assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet),
				 0);
		assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_OPENED);
		assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("x"), false, &packet),
				 0);
		assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_OPENED);
		p.now_us += SECONDS(11);
		session_tick(p.s[0], p.now_us);
		while (session_next_action(p.s[0], &a)) {
		}
	} while (++n < 100);
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(n, 2, 16);
	session_close(p.s[1]); /* there is still room for its end */
}

static void closing_wipes_and_says_so_once(void **state)
{
	(void)state;
	struct session_action a;
	struct packet packet;
	static const uint8_t zeros[32];

	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), 0);
	session_want_rekey(p.s[0], p.now_us);
	session_close(p.s[0]);
	session_close(p.s[0]);
	assert_memory_equal(p.s[0]->root, zeros, sizeof(zeros));
	(void)expect_index(0, SESSION_INDEX_OPENED);
	assert_int_equal(expect_index(0, SESSION_INDEX_RETIRED), 100);
	(void)expect_index(0, SESSION_INDEX_RETIRED);
	assert_true(session_next_action(p.s[0], &a));
	assert_int_equal(a.type, SESSION_CLOSED);
	expect_nothing(0);
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_UNKNOWN);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), -EPIPE);
	session_tick(p.s[0], p.now_us);
	session_want_rekey(p.s[0], p.now_us);
	a.len = rekey_encode_short(REKEY_REQUEST, 1, a.message);
	assert_int_equal(input(0, &a), -EPIPE);
	expect_nothing(0);
	assert_false(session_can_send(p.s[0], p.now_us));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rekey_step_by_step),
		TEST(an_old_packet_is_never_the_newest),
		TEST(rk1_is_repeated_as_it_was_and_so_is_its_answer),
		TEST(an_answer_not_fetched_in_time_is_not_given_any_more),
		TEST(refused_messages_change_nothing),
		TEST(a_changed_answer_yields_other_keys_and_no_agreement),
		TEST(the_responder_may_only_ask),
		TEST(rekeys_wait_for_the_one_before),
		TEST(an_initiator_in_a_hurry_is_held_back),
		TEST(only_a_used_session_is_rekeyed_and_an_idle_one_is_erased),
		TEST(a_used_session_is_rekeyed_every_two_minutes_for_a_day_and_then_ends),
		TEST(a_silent_peer_ends_sending_at_170_s_and_all_at_180_s),
		TEST(what_was_prepared_may_be_taken_up_after_the_old_keys_end),
		TEST(without_a_free_index_no_rekey_begins_but_it_is_tried_again),
		TEST(a_session_whose_actions_nobody_fetches_stops_rekeying),
		TEST(closing_wipes_and_says_so_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

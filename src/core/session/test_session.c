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

static void the_responder_speaks_first(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	assert_false(session_can_send(p.s[0], p.now_us));
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), -EAGAIN);
	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR(""), false, &packet), 0);
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_OPENED);
	pair_assert_talks(&p);
	pair_done(&p);
}

static void a_forgery_opens_nothing_and_lets_nobody_send(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;
	struct session_counters counters;

	pair_new(&p, AEAD_CHACHA20_POLY1305, NULL);
	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), 0);
	packet.bytes[0] ^= 1;
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_FORGED);
	packet.len = AEAD_TAG_LEN - 1;
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_FORGED);
	assert_false(session_can_send(p.s[0], p.now_us));
	session_counters(p.s[0], &counters);
	assert_int_equal(counters.forged, 1);
	assert_int_equal(counters.opened, 0);
	pair_done(&p);
}

static void the_two_uses_and_directions_do_not_open_each_other(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), 0);
	packet.use = SESSION_E2E;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_FORGED);
	packet.use = SESSION_LINK;
	packet.index = 100; /* reflected to its sender */
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_FORGED);
	packet.index = 99;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_UNKNOWN);
	pair_done(&p);
}

static void a_packet_is_opened_once_in_each_lane_of_each_use(void **state)
{
	(void)state;
	struct pair p;
	struct packet packets[2][4];
	struct session_counters counters;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	for (unsigned use = 0; use < 2; use++)
		for (unsigned lane = 0; lane < 4; lane++)
			assert_int_equal(pair_seal(&p, 0, use, lane, SPAN_STR("x"), false,
						   &packets[use][lane]),
					 0);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned use = 0; use < 2; use++)
			for (unsigned lane = 0; lane < 4; lane++)
				assert_int_equal(pair_open(&p, 1, &packets[use][lane], NULL, NULL),
						 round ? SESSION_REPLAYED : SESSION_OPENED);
	session_counters(p.s[1], &counters);
	assert_int_equal(counters.opened, 1 + 8);
	assert_int_equal(counters.replayed, 16);
	/* A packet carried over to another lane is another nonce: it does not open at all. */
	packets[0][1].lane = 2;
	assert_int_equal(pair_open(&p, 1, &packets[0][1], NULL, NULL), SESSION_FORGED);
	pair_done(&p);
}

static void a_replayed_packet_leaves_no_plaintext(void **state)
{
	(void)state;
	struct pair p;
	struct session_ticket t;
	uint8_t sealed[5 + AEAD_TAG_LEN];
	uint8_t text[5] = { 0 };
	static const uint8_t zeros[5];
	bool is_newest;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	assert_int_equal(session_reserve(p.s[1], SESSION_LINK, 0, 5, p.now_us, &t), 0);
	assert_int_equal(session_seal(p.s[1], &t, SPAN_STR(""), SPAN_STR("hello"), sealed), 0);
	assert_int_equal(session_open(p.s[0], SESSION_LINK, 100, 0, 0, SPAN_STR(""),
				      SPAN_OF(sealed), text, &is_newest, p.now_us),
			 SESSION_OPENED);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(session_open(p.s[0], SESSION_LINK, 100, 0, 0, SPAN_STR(""),
				      SPAN_OF(sealed), text, &is_newest, p.now_us),
			 SESSION_REPLAYED);
	assert_memory_equal(text, zeros, 5);
	pair_done(&p);
}

static void a_lane_beyond_those_negotiated_is_dropped(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;
	struct session_ticket t;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	assert_int_equal(session_reserve(p.s[0], SESSION_LINK, 4, 1, p.now_us, &t), -EINVAL);
	p.s[0]->lanes_local = 5; /* a peer that does it nevertheless */
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 4, SPAN_STR("x"), false, &packet), 0);
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_UNKNOWN);
	packet.lane = 255;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_UNKNOWN);
	pair_done(&p);
}

static void an_unused_lane_costs_nothing(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;
	const struct receive_key *k;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	k = &p.s[1]->cur->receive[SESSION_LINK];
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 2, SPAN_STR("x"), false, &packet), 0);
	packet.bytes[0] ^= 1;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_FORGED);
	assert_null(k->windows[2]); /* nor does a forgery make it cost */
	packet.bytes[0] ^= 1;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_OPENED);
	assert_non_null(k->windows[0]);
	assert_null(k->windows[1]);
	assert_non_null(k->windows[2]);
	pair_done(&p);
}

static void the_last_sequence_number_is_not_followed_by_the_first(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;

	pair_new(&p, AEAD_CHACHA20_POLY1305, NULL);
	pair_greet(&p);
	p.s[0]->cur->send[SESSION_LINK].next[1] = SEQUENCE_MAX;
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 1, SPAN_STR("x"), false, &packet), 0);
	assert_true(packet.sequence == (UINT64_C(1) << 56) - 1);
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_OPENED);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 1, SPAN_STR("x"), false, &packet), -EAGAIN);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 1, SPAN_STR("x"), false, &packet), -EAGAIN);
	packet.sequence = UINT64_C(1) << 56;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_UNKNOWN);
	pair_done(&p);
}

static void lanes_and_sequence_numbers_never_share_a_nonce(void **state)
{
	(void)state;
	static const uint64_t sequences[] = { 0, 1, 255, 256, SEQUENCE_MAX };
	uint8_t iv[AEAD_NONCE_LEN];
	uint8_t nonces[SESSION_LANES_MAX * 5][AEAD_NONCE_LEN];
	unsigned n = 0;

	memset(iv, 0xa5, sizeof(iv));
	for (unsigned lane = 0; lane < SESSION_LANES_MAX; lane++) {
		for (unsigned i = 0; i < 5; i++, n++) {
			epoch_nonce(iv, (uint8_t)lane, sequences[i], nonces[n]);
			for (unsigned k = 0; k < n; k++)
				assert_memory_not_equal(nonces[k], nonces[n], AEAD_NONCE_LEN);
		}
	}
}

static void gcm_keys_seal_no_more_than_their_limit(void **state)
{
	(void)state;
	struct session_limits limits = { .gcm_packets = 20, .gcm_packets_large = 4 };
	struct pair p;
	struct packet packet;
	struct session_ticket t;

	pair_new(&p, AEAD_AES_256_GCM, &limits);
	pair_greet(&p);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(
			pair_seal(&p, 0, SESSION_E2E, i % 4, SPAN_STR("x"), false, &packet), 0);
		if (i < 9)
			assert_true(session_deadline_us(p.s[0]) > p.now_us);
		else
			assert_true(session_deadline_us(p.s[0]) <= p.now_us); /* a rekey is due */
	}
	assert_int_equal(pair_seal(&p, 0, SESSION_E2E, 0, SPAN_STR("x"), false, &packet), -EAGAIN);
	pair_run(&p, SECONDS(1), MS(50)); /* it went by the link key */
	assert_int_equal(session_epoch(p.s[0]), 1);
	pair_assert_talks(&p);

	/* Long packets lower it, and a packet may not be longer than it was counted as. */
	assert_int_equal(session_reserve(p.s[1], SESSION_E2E, 0, 2048, p.now_us, &t), 0);
	static uint8_t text[2049 + AEAD_TAG_LEN];

	assert_int_equal(session_seal(p.s[1], &t, SPAN_STR(""), SPAN(text, 2049), text), -EMSGSIZE);
	assert_int_equal(session_reserve(p.s[1], SESSION_E2E, 0, 2049, p.now_us, &t), 0);
	assert_int_equal(session_seal(p.s[1], &t, SPAN_STR(""), SPAN(text, 2049), text), 0);
	assert_int_equal(session_reserve(p.s[1], SESSION_E2E, 0, 2049, p.now_us, &t), 0);
	assert_int_equal(session_reserve(p.s[1], SESSION_E2E, 0, 1, p.now_us, &t), -EAGAIN);
	pair_done(&p);
}

static void so_many_packets_call_for_a_rekey_whatever_the_cipher(void **state)
{
	(void)state;
	struct session_limits limits = { .rekey_after_packets = 10 };
	struct pair p;
	struct packet packet;

	for (unsigned from = 0; from < 2; from++) { /* the responder has to ask */
		pair_new(&p, AEAD_CHACHA20_POLY1305, &limits);
		pair_greet(&p);
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(
				pair_seal(&p, from, SESSION_LINK, 0, SPAN_STR("x"), false, &packet),
				0);
		pair_run(&p, SECONDS(1), MS(50));
		assert_int_equal(session_epoch(p.s[0]), 1);
		assert_int_equal(session_epoch(p.s[1]), 1);
		pair_done(&p);
	}
}

static void forgeries_close_the_key(void **state)
{
	(void)state;
	static const enum aead_algorithm aeads[] = { AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305 };
	struct session_limits limits = { .gcm_forgeries = 5, .chacha_forgeries = 5 };

	for (unsigned i = 0; i < 2; i++) {
		struct pair p;
		struct packet packet;
		unsigned n_actions[5] = { 0 };

		pair_new(&p, aeads[i], &limits);
		pair_greet(&p);
		assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet),
				 0);
		for (unsigned k = 0; k < 5; k++) {
			packet.bytes[k % 10] ^= 1;
			assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_FORGED);
			packet.bytes[k % 10] ^= 1;
		}
		assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_UNKNOWN);
		(void)pair_deliver(&p, 1, n_actions);
		assert_int_equal(n_actions[SESSION_WANT_HANDSHAKE], 1);
		/* The other keys are as good as before. */
		assert_int_equal(pair_seal(&p, 0, SESSION_E2E, 0, SPAN_STR("x"), false, &packet),
				 0);
		assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_OPENED);
		pair_done(&p);
	}
}

static void a_certificate_that_ends_ends_the_session(void **state)
{
	(void)state;
	struct rng rng;
	struct session *s;
	struct session_ticket t;
	static const uint8_t root[32];
	struct session_secret secret = {
		.root = root,
		.aead = AEAD_AES_256_GCM,
		.lanes_local = 1,
		.lanes_peer = 1,
		.local_index = 1,
		.remote_index = 2,
		.ends_us = SECONDS(60),
	};

	rng_seed(&rng, 1);
	struct session_config config = pair_config(&rng, NULL);

	assert_int_equal(session_new(&config, &secret, SECONDS(10), &s), 0);
	assert_int_equal(session_deadline_us(s), SECONDS(60));
	assert_int_equal(session_reserve(s, SESSION_LINK, 0, 1, SECONDS(60) - 1, &t), 0);
	assert_int_equal(session_reserve(s, SESSION_LINK, 0, 1, SECONDS(60), &t), -EPIPE);
	assert_int_equal(session_age_us(s, SECONDS(60)), SECONDS(50));
	session_tick(s, SECONDS(60));
	assert_true(session_is_closed(s));
	session_free(s);
}

static void a_ticket_dies_with_its_key(void **state)
{
	(void)state;
	struct pair p;
	struct session_ticket t;
	uint8_t sealed[1 + AEAD_TAG_LEN];

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	assert_int_equal(session_reserve(p.s[0], SESSION_LINK, 0, 1, p.now_us, &t), 0);
	session_want_rekey(p.s[0], p.now_us);
	pair_run(&p, SECONDS(1), MS(50));
	assert_int_equal(session_seal(p.s[0], &t, SPAN_STR(""), SPAN_STR("x"), sealed), 0);
	pair_run(&p, SECONDS(11), MS(50));
	assert_int_equal(session_seal(p.s[0], &t, SPAN_STR(""), SPAN_STR("x"), sealed), -EPIPE);
	pair_done(&p);
}

static void impossible_secrets_are_refused(void **state)
{
	(void)state;
	struct rng rng;
	struct session *s = NULL;
	static const uint8_t root[32];
	struct session_secret good = {
		.root = root, .aead = AEAD_AES_256_GCM, .lanes_local = 1, .lanes_peer = 1
	};
	struct session_secret bad = good;

	rng_seed(&rng, 1);
	struct session_config config = pair_config(&rng, NULL);

	bad.lanes_local = 17;
	assert_int_equal(session_new(&config, &bad, 0, &s), -EINVAL);
	bad = good;
	bad.lanes_peer = 0;
	assert_int_equal(session_new(&config, &bad, 0, &s), -EINVAL);
	bad = good;
	bad.aead = 3;
	assert_int_equal(session_new(&config, &bad, 0, &s), -EINVAL);
	assert_null(s);
	session_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_responder_speaks_first),
		cmocka_unit_test(a_forgery_opens_nothing_and_lets_nobody_send),
		cmocka_unit_test(the_two_uses_and_directions_do_not_open_each_other),
		cmocka_unit_test(a_packet_is_opened_once_in_each_lane_of_each_use),
		cmocka_unit_test(a_replayed_packet_leaves_no_plaintext),
		cmocka_unit_test(a_lane_beyond_those_negotiated_is_dropped),
		cmocka_unit_test(an_unused_lane_costs_nothing),
		cmocka_unit_test(the_last_sequence_number_is_not_followed_by_the_first),
		cmocka_unit_test(lanes_and_sequence_numbers_never_share_a_nonce),
		cmocka_unit_test(gcm_keys_seal_no_more_than_their_limit),
		cmocka_unit_test(so_many_packets_call_for_a_rekey_whatever_the_cipher),
		cmocka_unit_test(forgeries_close_the_key),
		cmocka_unit_test(a_certificate_that_ends_ends_the_session),
		cmocka_unit_test(a_ticket_dies_with_its_key),
		cmocka_unit_test(impossible_secrets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments, acknowledgements and cookies, each by itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/crypto/sim_null.h"
#include "core/handshake/cookie.h"
#include "core/handshake/fragment.h"

static uint8_t message[WIRE_HS_MESSAGE_MAX];

static struct wire_handshake fragment_of(const struct outgoing *o, unsigned i)
{
	return (struct wire_handshake){
		.message_len = (uint16_t)o->len,
		.offset = (uint16_t)(i * o->body_size),
		.body = outgoing_body(o, i),
	};
}

static void a_message_survives_cutting_in_any_order(void **state)
{
	(void)state;
	const size_t bodies[] = { WIRE_HS_BODY_LINK, WIRE_HS_BODY_MESH };

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t len = 1; len <= sizeof(message); len += 547) {
		for (unsigned b = 0; b < 2; b++) {
			struct outgoing o = { 0 };
			struct incoming in = { 0 };

			assert_int_equal(outgoing_set(&o, SPAN(message, len), bodies[b]), 0);
			assert_true(o.n <= FRAGMENTS_MAX);
			for (unsigned i = o.n; i > 0; i--) {
				struct wire_handshake w = fragment_of(&o, i - 1);

				assert_false(incoming_is_complete(&in));
				assert_int_equal(incoming_add(&in, &w, bodies[b], 0), FRAGMENT_NEW);
				assert_int_equal(incoming_add(&in, &w, bodies[b], 0),
						 FRAGMENT_SEEN);
			}
			assert_true(incoming_is_complete(&in));
			assert_int_equal(in.len, len);
			assert_memory_equal(in.bytes, message, len);
			outgoing_done(&o);
			incoming_done(&in);
		}
	}
}

static void fragments_of_impossible_shape_are_refused(void **state)
{
	(void)state;
	struct incoming in = { 0 };
	const struct {
		uint16_t len, offset;
		size_t body;
	} bad[] = {
		{ 0, 0, 1184 },	      { 16385, 0, 1184 }, { 65535, 0, 1184 }, { 2000, 1, 1184 },
		{ 2000, 1184, 1184 }, { 2000, 0, 816 },	  { 1184, 1184, 1 },  { 2000, 1184, 815 },
		{ 2000, 1184, 817 },  { 2000, 2368, 1 },  { 5, 0, 4 },	      { 5, 0, 6 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wire_handshake w = { .message_len = bad[i].len,
					    .offset = bad[i].offset,
					    .body = SPAN(message, bad[i].body) };

		assert_int_equal(incoming_add(&in, &w, WIRE_HS_BODY_LINK, 0), FRAGMENT_BAD);
		assert_null(in.bytes);
	}
}

static void the_first_copy_and_the_first_length_win_until_they_are_stale(void **state)
{
	(void)state;
	struct incoming in = { 0 };
	uint8_t other[1184] = { 1 };
	struct wire_handshake w = { .message_len = 2000, .body = SPAN(message, 1184) };

	assert_int_equal(incoming_add(&in, &w, WIRE_HS_BODY_LINK, 0), FRAGMENT_NEW);
	w.body = SPAN_OF(other);
	assert_int_equal(incoming_add(&in, &w, WIRE_HS_BODY_LINK, 0), FRAGMENT_SEEN);
	assert_memory_equal(in.bytes, message, 1184);
	w.message_len = 3000;
	assert_int_equal(incoming_add(&in, &w, WIRE_HS_BODY_LINK, 0), FRAGMENT_BAD);
	assert_int_equal(incoming_add(&in, &w, WIRE_HS_BODY_LINK, INCOMING_STALE_US), FRAGMENT_NEW);
	assert_int_equal(in.len, 3000);
	incoming_done(&in);
}

static void a_flight_is_ten_and_a_fragment_goes_nine_times_at_most(void **state)
{
	(void)state;
	struct outgoing o = { 0 };
	uint64_t now_us = 0;
	unsigned n = 0;

	assert_int_equal(outgoing_set(&o, SPAN_OF(message), WIRE_HS_BODY_MESH), 0);
	assert_int_equal(o.n, 16);
	assert_int_equal(outgoing_take(&o, MS(20), 0), 0x03ff);
	assert_false(outgoing_is_flown(&o));
	assert_int_equal(outgoing_take(&o, MS(20), 0), 0xfc00);
	assert_true(outgoing_is_flown(&o));
	assert_int_equal(outgoing_take(&o, MS(20), MS(19)), 0);
	assert_true(outgoing_acked(&o, 0x7fff));
	assert_false(outgoing_acked(&o, 0x7fff));
	while (now_us < SECONDS(60)) {
		now_us += MS(20);
		n += outgoing_take(&o, MS(20), now_us) == 0x8000;
	}
	assert_int_equal(n, FRAGMENT_RESENDS_MAX);
	/* the peer may take its word back, and bits beyond the message mean nothing */
	assert_false(outgoing_acked(&o, 0));
	assert_int_equal(outgoing_take(&o, MS(20), now_us), 0x03ff);
	assert_true(outgoing_acked(&o, UINT32_MAX));
	assert_int_equal(o.acked, 0xffff);
	outgoing_doubt(&o);
	assert_int_equal(o.acked, 0);
	outgoing_done(&o);
}

/* ---- cookies ---- */

static void fill_entropy(void *arg, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(arg);
}

static struct rng rng;
static const struct entropy entropy = { fill_entropy, &rng };
static struct cookie_jar jar;

static void seal_mac2(const uint8_t cookie[COOKIE_LEN], uint8_t datagram[64])
{
	memset(datagram, 9, 48);
	mac2_make(cookie, SPAN(datagram, 64), datagram + 48);
}

static bool checks(uint8_t epoch, struct span source, const uint8_t datagram[64])
{
	uint8_t cookie[COOKIE_LEN];

	return cookie_check(&jar, sim_null_ops(), epoch, source, SPAN(datagram, 64), cookie);
}

static void a_cookie_is_good_for_one_source_and_two_intervals(void **state)
{
	(void)state;
	const struct crypto_ops *ops = sim_null_ops();
	const struct span here = SPAN_STR("\4\1\2\3\4\0\1"), there = SPAN_STR("\4\1\2\3\4\0\2");
	uint8_t cookie[COOKIE_LEN], datagram[64];
	uint8_t epoch;

	rng_seed(&rng, 1);
	cookie_jar_init(&jar, &entropy);
	cookie_jar_turn(&jar, &entropy, SECONDS(1));
	epoch = cookie_now(&jar, ops, here, cookie);
	assert_in_range(epoch, 1, 254);
	seal_mac2(cookie, datagram);
	assert_true(checks(epoch, here, datagram));
	assert_false(checks(epoch, there, datagram));
	assert_false(checks((uint8_t)(epoch ^ 1), here, datagram));
	assert_false(checks(0, here, datagram));
	assert_false(checks(COOKIE_EPOCH_WARM, here, datagram));
	assert_true(cookie_expiry_us(&jar, epoch) == SECONDS(241));
	cookie_jar_turn(&jar, &entropy, SECONDS(121));
	assert_true(checks(epoch, here, datagram));
	cookie_jar_turn(&jar, &entropy, SECONDS(241));
	assert_false(checks(epoch, here, datagram));
}

static void a_warm_cookie_is_good_for_two_hours_at_most(void **state)
{
	(void)state;
	const struct span here = SPAN_STR("\4\1\2\3\4\0\1");
	uint8_t cookie[COOKIE_LEN], datagram[64];

	rng_seed(&rng, 2);
	cookie_jar_init(&jar, &entropy);
	cookie_jar_turn(&jar, &entropy, 0);
	cookie_warm_now(&jar, sim_null_ops(), here, cookie);
	seal_mac2(cookie, datagram);
	for (unsigned s = 0; s < 7200; s += 100) {
		cookie_jar_turn(&jar, &entropy, SECONDS(s));
		assert_true(checks(COOKIE_EPOCH_WARM, here, datagram));
	}
	cookie_jar_turn(&jar, &entropy, SECONDS(7200));
	assert_false(checks(COOKIE_EPOCH_WARM, here, datagram));
}

static void a_jar_that_slept_forgets_both_secrets(void **state)
{
	(void)state;
	const struct span here = SPAN_STR("\4\1\2\3\4\0\1");
	uint8_t cookie[COOKIE_LEN], datagram[64];
	uint8_t epoch;

	rng_seed(&rng, 3);
	cookie_jar_init(&jar, &entropy);
	cookie_jar_turn(&jar, &entropy, 0);
	epoch = cookie_now(&jar, sim_null_ops(), here, cookie);
	seal_mac2(cookie, datagram);
	cookie_jar_turn(&jar, &entropy, SECONDS(1000));
	assert_false(checks(epoch, here, datagram));
}

static void the_two_valid_epochs_always_differ(void **state)
{
	(void)state;

	rng_seed(&rng, 4);
	cookie_jar_init(&jar, &entropy);
	for (unsigned i = 0; i < 3000; i++) {
		cookie_jar_turn(&jar, &entropy, SECONDS(120 * i));
		assert_in_range(jar.ordinary.epoch[0], 1, 254);
		assert_int_not_equal(jar.ordinary.epoch[0], jar.ordinary.epoch[1]);
	}
}

static bool reply(struct span host, struct span network, struct span prefix, uint64_t now_us)
{
	const struct rate_source source = { .of = { host, network, prefix } };

	return cookie_reply_allowed(&jar, &source, now_us);
}

static void replies_are_limited_per_host_network_prefix_and_in_all(void **state)
{
	(void)state;
	const struct span one = SPAN_STR("\4\1\2\3");
	unsigned n = 0;

	rng_seed(&rng, 5);
	cookie_jar_init(&jar, &entropy);
	for (unsigned i = 0; i < 3 * COOKIE_REPLIES_HOST; i++)
		n += reply(one, one, one, SECONDS(5));
	assert_int_equal(n, COOKIE_REPLIES_HOST);
	/* a neighbour in the same network is answered still, and one in the same prefix after that
	 */
	for (unsigned i = 0; i < 3 * COOKIE_REPLIES_NETWORK; i++)
		n += reply(SPAN(&i, sizeof(i)), one, one, SECONDS(5));
	assert_int_equal(n, COOKIE_REPLIES_NETWORK);
	for (unsigned i = 0; i < 3 * COOKIE_REPLIES_PREFIX; i++)
		n += reply(SPAN(&i, sizeof(i)), SPAN(&i, sizeof(i)), one, SECONDS(5));
	assert_int_equal(n, COOKIE_REPLIES_PREFIX);
	assert_true(reply(one, one, one, SECONDS(6)));
	n = 0;
	for (uint32_t i = 0; i < 10 * COOKIE_REPLIES_ALL; i++) {
		uint8_t prefix[5] = { 4 };

		store_u32(prefix + 1, i);
		n += reply(SPAN_OF(prefix), SPAN_OF(prefix), SPAN_OF(prefix), SECONDS(8));
	}
	assert_int_equal(n, COOKIE_REPLIES_ALL);
}

static void a_reply_opens_for_the_datagram_it_answers_only(void **state)
{
	(void)state;
	const struct crypto_ops *ops = sim_null_ops();
	const uint8_t nonce[16] = { 1 }, mac1[16] = { 2 }, other[16] = { 3 };
	const uint8_t cookie[COOKIE_LEN] = { 4 };
	const uint8_t nk_bytes[NETWORK_KEY_LEN] = { 5 };
	uint8_t bytes[WIRE_COOKIE_REPLY_LEN], opened[COOKIE_LEN];
	struct network_keys nk;
	struct wire_cookie reply;

	network_keys_derive(ops, nk_bytes, &nk);
	assert_int_equal(cookie_reply_write(ops, &nk, 17, 99, nonce, mac1, cookie, bytes), 0);
	assert_int_equal(wire_cookie_decode(SPAN_OF(bytes), &reply), 0);
	assert_int_equal(reply.epoch, 17);
	assert_int_equal(reply.receiver_index, 99);
	assert_int_equal(cookie_reply_open(ops, &nk, &reply, mac1, opened), 0);
	assert_memory_equal(opened, cookie, COOKIE_LEN);
	assert_int_equal(cookie_reply_open(ops, &nk, &reply, other, opened), -EKEYREJECTED);
	for (unsigned bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (wire_cookie_decode(SPAN_OF(bytes), &reply) == 0)
			assert_int_equal(cookie_reply_open(ops, &nk, &reply, mac1, opened),
					 -EKEYREJECTED);
		bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_survives_cutting_in_any_order),
		cmocka_unit_test(fragments_of_impossible_shape_are_refused),
		cmocka_unit_test(the_first_copy_and_the_first_length_win_until_they_are_stale),
		cmocka_unit_test(a_flight_is_ten_and_a_fragment_goes_nine_times_at_most),
		cmocka_unit_test(a_cookie_is_good_for_one_source_and_two_intervals),
		cmocka_unit_test(a_warm_cookie_is_good_for_two_hours_at_most),
		cmocka_unit_test(a_jar_that_slept_forgets_both_secrets),
		cmocka_unit_test(the_two_valid_epochs_always_differ),
		cmocka_unit_test(replies_are_limited_per_host_network_prefix_and_in_all),
		cmocka_unit_test(a_reply_opens_for_the_datagram_it_answers_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

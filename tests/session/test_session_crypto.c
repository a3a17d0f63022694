/* SPDX-License-Identifier: Apache-2.0 */
/* The session over real cryptography. The numbers below were computed apart from it, by Node.js
 * (createHmac, createCipheriv) and by Python (hmac, hashlib), from HKDF's definition and the
 * labels in docs/session.md; both agree. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/session/rekey.h"
#include "shell/openssl/crypto_openssl.h"

static const struct crypto_ops *ops;
static uint8_t root[SESSION_ROOT_LEN]; /* 00 01 02 ... 1f */

static int set_up(void **state)
{
	(void)state;
	ops = openssl_crypto_ops(NULL);
	assert_non_null(ops);
	for (unsigned i = 0; i < sizeof(root); i++)
		root[i] = (uint8_t)i;
	return 0;
}

static void assert_hex(const uint8_t *bytes, size_t n, const char *hex)
{
	char text[2 * 64 + 1];

	assert_true(n <= 64);
	bytes_to_hex(bytes, n, text);
	assert_string_equal(text, hex);
}

static void packet_keys_are_the_published_numbers(void **state)
{
	(void)state;
	static const struct {
		enum session_use use;
		bool is_i2r;
		const char *key;
		const char *iv;
	} rows[] = {
		{ SESSION_LINK, true,
		  "c459d7feff34f126f036abc40e515b5501ce77e48184e0fc0d6785f139dbee0f",
		  "175436a7116f3e0eaf5b100a" },
		{ SESSION_LINK, false,
		  "5d418cf826bea51b94d254946a15b1da8fc81c7c8d55914430428549a139ed16",
		  "6d904e6da4b13060302bcb51" },
		{ SESSION_E2E, true,
		  "c29807b088244a1c11d4c565a333453da25220ddbc579f435b4da05eeff627fc",
		  "8c2bb2744559f4d7a1c1e7c7" },
		{ SESSION_E2E, false,
		  "1cc99b879a468d95517ce7a4f3657019fc5f301d35d21c52714201e588ca6061",
		  "0d9931ecccfa1aa6efbb75aa" },
	};
	uint8_t key[AEAD_KEY_LEN];
	uint8_t iv[AEAD_NONCE_LEN];
	uint8_t nonce[AEAD_NONCE_LEN];

	for (unsigned i = 0; i < 4; i++) {
		epoch_derive_key(ops, root, rows[i].use, rows[i].is_i2r, key, iv);
		assert_hex(key, sizeof(key), rows[i].key);
		assert_hex(iv, sizeof(iv), rows[i].iv);
	}
	epoch_derive_key(ops, root, SESSION_LINK, true, key, iv);
	epoch_nonce(iv, 5, 0x02030405060708, nonce);
	assert_hex(nonce, sizeof(nonce), "175436a7146d3d0aaa5d1702");
}

static void the_ratchet_is_the_published_number(void **state)
{
	(void)state;
	uint8_t rk1[8 + X25519_LEN + MLKEM768_EK_LEN];
	uint8_t rk2[8 + X25519_LEN + MLKEM768_CT_LEN];
	uint8_t dh[X25519_LEN], ss[MLKEM768_SS_LEN], next[SESSION_ROOT_LEN];

	memset(rk1 + 8, 0x21, X25519_LEN);
	memset(rk1 + 40, 0x31, MLKEM768_EK_LEN);
	store_u32(rk1, 1);
	store_u32(rk1 + 4, 0x11111111);
	memset(rk2 + 8, 0x22, X25519_LEN);
	memset(rk2 + 40, 0x32, MLKEM768_CT_LEN);
	store_u32(rk2, 1);
	store_u32(rk2 + 4, 0x22222222);
	memset(dh, 0x41, sizeof(dh));
	memset(ss, 0x42, sizeof(ss));
	epoch_ratchet(ops, root, SPAN_OF(rk1), SPAN_OF(rk2), dh, ss, next);
	assert_hex(next, sizeof(next),
		   "87d1465528dc1ba1c096468f89362880d5951d2fe63d213847597c3a3b390432");
}

static void fill(void *arg, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(arg);
}

static struct session *new_session(bool is_initiator, enum aead_algorithm aead, struct rng *rng)
{
	struct session *s;
	struct session_config config = { .ops = ops, .entropy = { .fill = fill, .arg = rng } };
	struct session_secret secret = {
		.root = root,
		.is_initiator = is_initiator,
		.aead = aead,
		.lanes_local = 16,
		.lanes_peer = 16,
		.local_index = is_initiator ? 1 : 2,
		.remote_index = is_initiator ? 2 : 1,
		.ends_us = NEVER_US,
	};

	rng_seed(rng, is_initiator);
	assert_int_equal(session_new(&config, &secret, SECONDS(1), &s), 0);
	return s;
}

/* Seals at a and opens at b; in place, as the packet path does. */
static enum session_verdict carry(struct session *a, struct session *b, struct span text,
				  uint8_t *ret_text)
{
	struct session_ticket t;
	uint8_t packet[SESSION_REKEY_MESSAGE_MAX + AEAD_TAG_LEN];
	bool is_newest;
	enum session_verdict v;

	memcpy(packet, text.at, text.len);
	assert_int_equal(session_reserve(a, SESSION_LINK, 3, text.len, SECONDS(2), &t), 0);
	assert_int_equal(session_seal(a, &t, SPAN_STR("ad"), SPAN(packet, text.len), packet), 0);
	v = session_open(b, SESSION_LINK, t.remote_index, t.lane, t.sequence, SPAN_STR("ad"),
			 SPAN(packet, text.len + AEAD_TAG_LEN), packet, &is_newest, SECONDS(2));
	if (v == SESSION_OPENED)
		memcpy(ret_text, packet, text.len);
	return v;
}

static void a_sealed_packet_is_the_published_bytes(void **state)
{
	(void)state;
	static const struct {
		enum aead_algorithm aead;
		const char *hex;
	} rows[] = {
		{ AEAD_AES_256_GCM, "fe8855b178e2d958384060f311ea97548952ae1a11" },
		{ AEAD_CHACHA20_POLY1305, "020728e28f5f0038e543b1ffbc8b276c5cd5ed8cf7" },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct rng rng;
		struct session *responder = new_session(false, rows[i].aead, &rng);
		uint8_t sealed[21], text[5];
		bool is_newest;

		assert_int_equal(bytes_from_hex(rows[i].hex, sealed, sizeof(sealed)), 0);
		assert_int_equal(session_open(responder, SESSION_LINK, 2, 5, 0x02030405060708,
					      SPAN_STR("header"), SPAN_OF(sealed), text, &is_newest,
					      SECONDS(2)),
				 SESSION_OPENED);
		assert_memory_equal(text, "hello", 5);
		session_free(responder);
	}
}

static void deliver(struct session *a, struct session *b)
{
	struct session_action action;
	uint8_t text[SESSION_REKEY_MESSAGE_MAX];

	while (session_next_action(a, &action)) {
		if (action.type != SESSION_SEND_REKEY)
			continue;
		assert_int_equal(carry(a, b, SPAN(action.message, action.len), text),
				 SESSION_OPENED);
		assert_int_equal(session_rekey_input(b, SPAN(text, action.len), SECONDS(2)), 0);
	}
}

static void a_rekey_with_x25519_and_mlkem_agrees(void **state)
{
	(void)state;
	static const enum aead_algorithm aeads[] = { AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305 };

	for (unsigned i = 0; i < 2; i++) {
		struct rng rng[2];
		struct session *a = new_session(true, aeads[i], &rng[0]);
		struct session *b = new_session(false, aeads[i], &rng[1]);
		uint8_t text[5];

		assert_int_equal(carry(b, a, SPAN_STR("hello"), text), SESSION_OPENED);
		session_want_rekey(a, SECONDS(2));
		deliver(a, b); /* RK1 */
		deliver(b, a); /* RK2 */
		deliver(a, b); /* CONFIRM, under the new keys */
		deliver(b, a);
		assert_int_equal(session_epoch(a), 1);
		assert_int_equal(session_epoch(b), 1);
		assert_int_equal(carry(a, b, SPAN_STR("hello"), text), SESSION_OPENED);
		assert_int_equal(carry(b, a, SPAN_STR("hello"), text), SESSION_OPENED);
		session_free(a);
		session_free(b);
	}
}

static void a_packet_replayed_many_times_is_delivered_once(void **state)
{
	(void)state;
	struct rng rng;
	struct session *responder = new_session(false, AEAD_AES_256_GCM, &rng);
	unsigned n_opened = 0;

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t sealed[21];
		bool is_newest;

		assert_int_equal(bytes_from_hex("fe8855b178e2d958384060f311ea97548952ae1a11",
						sealed, sizeof(sealed)),
				 0);
		n_opened += session_open(responder, SESSION_LINK, 2, 5, 0x02030405060708,
					 SPAN_STR("header"), SPAN_OF(sealed), sealed, &is_newest,
					 SECONDS(2)) == SESSION_OPENED;
	}
	assert_int_equal(n_opened, 1);
	session_free(responder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_keys_are_the_published_numbers),
		cmocka_unit_test(the_ratchet_is_the_published_number),
		cmocka_unit_test(a_sealed_packet_is_the_published_bytes),
		cmocka_unit_test(a_rekey_with_x25519_and_mlkem_agrees),
		cmocka_unit_test(a_packet_replayed_many_times_is_delivered_once),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

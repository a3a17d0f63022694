/* SPDX-License-Identifier: Apache-2.0 */
/* Our own fixed vector: one handshake from fixed seeds, every message and key of it, compared
 * with vector.json, which vector.mjs checks in another language. X0_WRITE_VECTOR=FILE writes
 * the file instead of comparing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "core/handshake/schedule.h"
#include "shell/openssl/crypto_openssl.h"

static const struct crypto_ops *ops;

#define LEAF_I "the initiator's certificate would be here"
#define LEAF_R "the responder's certificate would be here"

static void put(json_t *v, const char *key, const uint8_t *bytes, size_t len)
{
	char *text = malloc(2 * len + 1);

	assert_non_null(text);
	bytes_to_hex(bytes, len, text);
	assert_int_equal(json_object_set_new(v, key, json_string(text)), 0);
	free(text);
}

static struct credential credential_of(const char *leaf, uint8_t *buffer, size_t size)
{
	const struct span chain = SPAN(leaf, strlen(leaf));
	int n = chain_encode(&chain, 1, buffer, size);
	struct credential c = { .field = (uint16_t)n, .bytes = SPAN(buffer, (size_t)n) };

	assert_true(n > 0);
	chain_hash(ops, &chain, 1, c.hash);
	return c;
}

static void fill(uint8_t *ret, size_t len, uint8_t with)
{
	memset(ret, with, len);
}

static json_t *make_vector(void)
{
	static uint8_t m1[M1_LEN], m2[WIRE_HS_MESSAGE_MAX], m3[WIRE_HS_MESSAGE_MAX];
	static uint8_t ek[MLKEM768_EK_LEN], pk[MLDSA65_PK_LEN], plaintext[WIRE_HS_MESSAGE_MAX];
	static uint8_t datagram[16 + 1184 + 32];
	const uint8_t seed_i[32] = { 0xa1 }, seed_r[32] = { 0xa2 };
	const struct params params1 = { .version = 1, .suite = 1, .aead = 3 };
	const struct params params2 = {
		.version = 1, .suite = 1, .aead = 2, .lanes = 4, .boot_epoch = 1800000000
	};
	const struct params params3 = {
		.version = 1, .suite = 1, .aead = 2, .lanes = 2, .boot_epoch = 1700000000
	};
	const struct wire_handshake header = { .type = WIRE_M1,
					       .version = WIRE_HS_VERSION,
					       .cookie_epoch = 9,
					       .sender_index = 0x11223344,
					       .message_len = M1_LEN,
					       .body = SPAN(m1, WIRE_HS_BODY_LINK) };
	uint8_t nk_bytes[32], prologue[PROLOGUE_MAX], warm[WARM_LEN], rnd[32], cookie[COOKIE_LEN];
	uint8_t chain_i[128], chain_r[128], root_i[32], root_r[32], ss[32];
	struct credential c_i = credential_of(LEAF_I, chain_i, sizeof(chain_i));
	struct credential c_r = credential_of(LEAF_R, chain_r, sizeof(chain_r));
	struct signing_key *key_i, *key_r;
	struct network_keys nk;
	struct m1_seeds seeds1;
	struct m2_seeds seeds2;
	struct exchange i, r;
	struct ephemeral ephemeral;
	struct params offer;
	struct payload payload;
	json_t *v = json_object();
	size_t n2, n3, n;

	fill(nk_bytes, 32, 0x4e);
	fill(seeds1.x, 32, 0x11);
	fill(seeds1.d, 32, 0x12);
	fill(seeds1.z, 32, 0x13);
	fill(seeds2.x, 32, 0x21);
	fill(seeds2.m, 32, 0x22);
	fill(seeds2.rnd, 32, 0x23);
	fill(rnd, 32, 0x33);
	fill(warm, sizeof(warm), 0x77);
	fill(cookie, sizeof(cookie), 0x55);
	assert_int_equal(signing_key_from_seed(seed_i, &key_i), 0);
	assert_int_equal(signing_key_from_seed(seed_r, &key_r), 0);
	network_keys_derive(ops, nk_bytes, &nk);
	n = prologue_encode(true, 0x0102030405060708, 0x1112131415161718, 0x11223344, prologue);

	assert_int_equal(
		m1_write(ops, &nk, SPAN(prologue, n), &seeds1, &params1, &i, &ephemeral, m1), 0);
	assert_int_equal(m1_read(ops, &nk, SPAN(prologue, n), SPAN_OF(m1), &r, ek, &offer), 0);
	assert_int_equal(m2_exchange_write(ops, &r, 0x55667788, ek, &seeds2, m2), 0);
	n2 = (size_t)m2_auth_write(ops, &r, &params2, warm, &c_r, key_r, seeds2.rnd,
				   m2 + M2_EXCHANGE_LEN, sizeof(m2) - M2_EXCHANGE_LEN);
	assert_int_equal(m2_exchange_read(ops, &i, &ephemeral, 0x55667788, m2), 0);
	assert_int_equal(
		auth_open(ops, &i, SPAN(m2 + M2_EXCHANGE_LEN, n2), true, plaintext, &payload), 0);
	n2 += M2_EXCHANGE_LEN;
	ops->signing_key_public(key_r, pk);
	put(v, "responder_pk", pk, sizeof(pk));
	assert_int_equal(m2_auth_check(ops, &i, &payload, c_r.hash, pk), 0);
	n3 = (size_t)m3_write(ops, &i, &params3, &c_i, key_i, rnd, m3, sizeof(m3));
	session_root(ops, &i, root_i);
	assert_int_equal(auth_open(ops, &r, SPAN(m3, n3), false, plaintext, &payload), 0);
	ops->signing_key_public(key_i, pk);
	put(v, "initiator_pk", pk, sizeof(pk));
	assert_int_equal(m3_auth_check(ops, &r, &payload, c_i.hash, pk, NULL), 0);
	session_root(ops, &r, root_r);
	assert_memory_equal(root_i, root_r, 32);

	{ /* what only ML-KEM can tell, for implementations without it */
		uint8_t ct[MLKEM768_CT_LEN];

		assert_int_equal(ops->mlkem768_encaps(ek, seeds2.m, ct, ss), 0);
		put(v, "ct", ct, sizeof(ct));
	}
	assert_int_equal(wire_handshake_encode(&header, datagram, sizeof(datagram)), 1232);
	mac1_make(nk.kmac, SPAN_OF(datagram), datagram + 1200);
	mac2_make(cookie, SPAN_OF(datagram), datagram + 1216);

	put(v, "nk", nk_bytes, 32);
	put(v, "psk", nk.psk, sizeof(nk.psk));
	put(v, "kmac", nk.kmac, sizeof(nk.kmac));
	put(v, "kcookie", nk.kcookie, sizeof(nk.kcookie));
	put(v, "prologue", prologue, n);
	put(v, "initiator_x25519", seeds1.x, 32);
	put(v, "mlkem_d", seeds1.d, 32);
	put(v, "mlkem_z", seeds1.z, 32);
	put(v, "responder_x25519", seeds2.x, 32);
	put(v, "mlkem_m", seeds2.m, 32);
	put(v, "responder_rnd", seeds2.rnd, 32);
	put(v, "initiator_rnd", rnd, 32);
	put(v, "initiator_signing_seed", seed_i, 32);
	put(v, "responder_signing_seed", seed_r, 32);
	put(v, "ek", ek, sizeof(ek));
	put(v, "ss", ss, sizeof(ss));
	put(v, "warm", warm, sizeof(warm));
	put(v, "initiator_certificate", (const uint8_t *)LEAF_I, strlen(LEAF_I));
	put(v, "responder_certificate", (const uint8_t *)LEAF_R, strlen(LEAF_R));
	put(v, "responder_index", (const uint8_t[]){ 0x55, 0x66, 0x77, 0x88 }, 4);
	put(v, "m1", m1, sizeof(m1));
	put(v, "m2", m2, n2);
	put(v, "m3", m3, n3);
	put(v, "kc_responder", i.kc_r, 32);
	put(v, "kc_initiator", i.kc_i, 32);
	put(v, "hk", i.hk, 32);
	put(v, "t_r", i.t_r, 32);
	put(v, "cf_r", i.cf_r, 32);
	put(v, "h3", i.h3, 32);
	put(v, "t_i", i.t_i, 32);
	put(v, "cf_i", i.cf_i, 32);
	put(v, "h4", i.s.h, 32);
	put(v, "ck", i.s.ck, 32);
	put(v, "s_0", root_i, 32);
	put(v, "cookie", cookie, sizeof(cookie));
	put(v, "first_datagram", datagram, sizeof(datagram));
	signing_key_free(key_i);
	signing_key_free(key_r);
	return v;
}

static void the_fixed_vector_has_not_changed(void **state)
{
	(void)state;
	const char *target = getenv("X0_WRITE_VECTOR");
	const char *source = getenv("X0_SOURCE");
	json_t *v = make_vector();
	char path[4096];
	json_t *wanted;
	const char *key;
	json_t *value;

	if (target) {
		assert_int_equal(json_dump_file(v, target, JSON_INDENT(1) | JSON_SORT_KEYS), 0);
		json_decref(v);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/tests/handshake/vector.json", source ? source : ".");
	wanted = json_load_file(path, 0, NULL);
	assert_non_null(wanted);
	json_object_foreach(wanted, key, value) if (!json_equal(value, json_object_get(v, key)))
		fail_msg("%s differs", key);
	assert_true(json_equal(wanted, v));
	json_decref(wanted);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fixed_vector_has_not_changed),
	};
	const char *error = "";

	ops = openssl_crypto_ops(&error);
	if (!ops) {
		(void)fprintf(stderr, "%s\n", error);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The symmetric state against published Noise vectors: NNpsk0 for the pre-shared key, XXhfs for
 * the hybrid tokens. Read from the shared test data; skipped aloud where that is absent. */
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

#define MESSAGE_MAX 4096

static const struct crypto_ops *ops;

static json_t *load(const char *name)
{
	const char *dir = getenv("X0_SHARED");
	char path[4096];
	json_t *root;

	(void)snprintf(path, sizeof(path), "%s/vectors/noise/%s", dir ? dir : "../shared", name);
	root = json_load_file(path, 0, NULL);
	if (!root) {
		print_message("no published vectors at %s\n", path);
		skip();
	}
	return root;
}

static size_t hex(const json_t *v, const char *key, uint8_t *ret)
{
	const char *text = json_string_value(json_object_get(v, key));

	assert_non_null(text);
	assert_int_equal(bytes_from_hex(text, ret, strlen(text) / 2), 0);
	return strlen(text) / 2;
}

/* A message as it is written, to be compared at its end. */
struct message {
	uint8_t bytes[MESSAGE_MAX];
	size_t len;
};

static void put_e(struct symmetric *s, struct message *m, const uint8_t *secret, bool has_psk)
{
	uint8_t *e = m->bytes + m->len;

	assert_int_equal(ops->x25519_public(secret, e), 0);
	m->len += X25519_LEN;
	mix_hash(ops, s, SPAN(e, X25519_LEN));
	if (has_psk)
		mix_key(ops, s, SPAN(e, X25519_LEN));
}

static void put_sealed(struct symmetric *s, struct message *m, const uint8_t *text, size_t len)
{
	int n = encrypt_and_hash(ops, s, SPAN(text, len), m->bytes + m->len);

	assert_true(n >= 0);
	m->len += (size_t)n;
}

static void mix_dh(struct symmetric *s, const uint8_t *secret, const uint8_t *peer)
{
	uint8_t shared[X25519_LEN];

	assert_int_equal(ops->x25519(secret, peer, shared), 0);
	mix_key(ops, s, SPAN_OF(shared));
}

static void compare(const struct message *m, const json_t *v, const char *key)
{
	static uint8_t wanted[MESSAGE_MAX];

	assert_int_equal(hex(v, key, wanted), m->len);
	assert_memory_equal(m->bytes, wanted, m->len);
}

static void xxhfs(const json_t *v)
{
	static uint8_t ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN];
	static uint8_t payload[MESSAGE_MAX], opened[MESSAGE_MAX];
	uint8_t s_i[32], s_r[32], e_i[32], e_r[32], pub[4][32], dz[64], seed[32], ss[32];
	uint8_t split[64], wanted[32];
	struct message a = { .len = 0 }, b = { .len = 0 }, c = { .len = 0 };
	struct symmetric s, peer;
	size_t n;

	(void)hex(v, "static_i_private", s_i);
	(void)hex(v, "static_r_private", s_r);
	(void)hex(v, "ephemeral_dh_i_private", e_i);
	(void)hex(v, "ephemeral_dh_r_private", e_r);
	(void)hex(v, "kem_keygen_seed_d_z", dz);
	(void)hex(v, "encap_seed_hex", seed);
	assert_int_equal(ops->x25519_public(s_i, pub[0]), 0);
	assert_int_equal(ops->x25519_public(s_r, pub[1]), 0);
	assert_int_equal(ops->x25519_public(e_i, pub[2]), 0);
	assert_int_equal(ops->x25519_public(e_r, pub[3]), 0);
	symmetric_init(ops, &s, SPAN_STR("Noise_XXhfs_25519+MLKEM768_ChaChaPoly_SHA256"));
	n = hex(v, "prologue", payload);
	mix_hash(ops, &s, SPAN(payload, n));

	put_e(&s, &a, e_i, false);
	assert_int_equal(ops->mlkem768_keygen(dz, dz + 32, ek, dk), 0);
	put_sealed(&s, &a, ek, sizeof(ek)); /* e1, in clear: there is no key yet */
	n = hex(v, "payload_a", payload);
	put_sealed(&s, &a, payload, n);
	compare(&a, v, "msg_a");

	put_e(&s, &b, e_r, false);
	mix_dh(&s, e_r, pub[2]); /* ee */
	assert_int_equal(ops->mlkem768_encaps(ek, seed, ct, ss), 0);
	put_sealed(&s, &b, ct, sizeof(ct)); /* ekem1 */
	mix_key(ops, &s, SPAN_OF(ss));
	put_sealed(&s, &b, pub[1], 32); /* s */
	mix_dh(&s, s_r, pub[2]);	/* es */
	n = hex(v, "payload_b", payload);
	peer = s;
	put_sealed(&s, &b, payload, n);
	compare(&b, v, "msg_b");
	assert_int_equal(
		decrypt_and_hash(ops, &peer, SPAN(b.bytes + b.len - n - 16, n + 16), opened), n);
	assert_memory_equal(opened, payload, n);
	assert_memory_equal(&peer.h, &s.h, SHA256_LEN);

	put_sealed(&s, &c, pub[0], 32); /* s */
	mix_dh(&s, s_i, pub[3]);	/* se */
	n = hex(v, "payload_c", payload);
	put_sealed(&s, &c, payload, n);
	compare(&c, v, "msg_c");

	(void)hex(v, "handshake_hash", wanted);
	assert_memory_equal(s.h, wanted, 32);
	mix_key(ops, &s, SPAN("", 0)); /* Split() is the same HKDF */
	memcpy(split, s.ck, 32);
	(void)hex(v, "cs1_k", wanted);
	assert_memory_equal(split, wanted, 32);
	(void)hex(v, "cs2_k", wanted);
	assert_memory_equal(s.k, wanted, 32);
}

static void the_hybrid_tokens_follow_the_published_vectors(void **state)
{
	(void)state;
	json_t *root = load("xxhfs_25519_mlkem768.json");
	json_t *v;
	size_t i;

	assert_true(json_array_size(json_object_get(root, "vectors")) > 0);
	json_array_foreach(json_object_get(root, "vectors"), i, v) xxhfs(v);
	json_decref(root);
}

static void nnpsk0(const json_t *v)
{
	const json_t *messages = json_object_get(v, "messages");
	const json_t *first = json_array_get(messages, 0), *second = json_array_get(messages, 1);
	uint8_t e_i[32], e_r[32], pub_i[32], psk[32], payload[256], wanted[32];
	struct message a = { .len = 0 }, b = { .len = 0 };
	struct symmetric s;
	size_t n;

	(void)hex(v, "init_ephemeral", e_i);
	(void)hex(v, "resp_ephemeral", e_r);
	assert_int_equal(bytes_from_hex(json_string_value(
						json_array_get(json_object_get(v, "init_psks"), 0)),
					psk, 32),
			 0);
	assert_int_equal(ops->x25519_public(e_i, pub_i), 0);
	symmetric_init(ops, &s, SPAN_STR("Noise_NNpsk0_25519_ChaChaPoly_SHA256"));
	n = hex(v, "init_prologue", payload);
	mix_hash(ops, &s, SPAN(payload, n));
	mix_key_and_hash(ops, &s, SPAN_OF(psk));
	put_e(&s, &a, e_i, true);
	n = hex(first, "payload", payload);
	put_sealed(&s, &a, payload, n);
	compare(&a, first, "ciphertext");
	put_e(&s, &b, e_r, true);
	mix_dh(&s, e_r, pub_i);
	n = hex(second, "payload", payload);
	put_sealed(&s, &b, payload, n);
	compare(&b, second, "ciphertext");
	(void)hex(v, "handshake_hash", wanted);
	assert_memory_equal(s.h, wanted, 32);
}

static void the_pre_shared_key_follows_the_published_vectors(void **state)
{
	(void)state;
	json_t *root = load("cacophony.json");
	json_t *v;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(root, "vectors"), i, v)
	{
		const char *name = json_string_value(json_object_get(v, "protocol_name"));

		if (!name || strcmp(name, "Noise_NNpsk0_25519_ChaChaPoly_SHA256") != 0)
			continue;
		nnpsk0(v);
		n++;
	}
	assert_true(n > 0);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hybrid_tokens_follow_the_published_vectors),
		cmocka_unit_test(the_pre_shared_key_follows_the_published_vectors),
	};
	const char *error = "";

	ops = openssl_crypto_ops(&error);
	if (!ops) {
		(void)fprintf(stderr, "%s\n", error);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

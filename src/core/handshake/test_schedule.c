/* SPDX-License-Identifier: Apache-2.0 */
/* The messages as pure functions: both roles agree, and nothing else does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rng.h"
#include "core/crypto/sim_null.h"
#include "core/handshake/handshake.h"
#include "core/handshake/schedule.h"

#define CHAIN_LEN 200

/* A whole handshake between two sides, each step by itself. */
struct sides {
	const struct crypto_ops *ops;
	struct rng rng;
	struct network_keys nk;
	uint8_t prologue[PROLOGUE_MAX];
	size_t prologue_len;
	struct signing_key *key_i, *key_r;
	uint8_t pk_i[MLDSA65_PK_LEN], pk_r[MLDSA65_PK_LEN];
	uint8_t chain_i[CHAIN_LEN], chain_r[CHAIN_LEN];
	struct exchange i, r;
	struct ephemeral ephemeral;
	struct params params1, params2, params3;
	uint8_t m1[M1_LEN];
	uint8_t ek[MLKEM768_EK_LEN];
	uint8_t m2[WIRE_HS_MESSAGE_MAX];
	size_t m2_len;
	uint8_t m3[WIRE_HS_MESSAGE_MAX];
	size_t m3_len;
	uint8_t warm[WARM_LEN];
	bool by_hash;
	uint32_t index_r;
	uint8_t root_i[SHA256_LEN], root_r[SHA256_LEN];
};

static void fill(struct sides *s, void *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)ret)[i] = (uint8_t)rng_next(&s->rng);
}

static void sides_init(struct sides *s, bool by_hash)
{
	uint8_t seed[32];

	*s = (struct sides){ .ops = sim_null_ops(), .by_hash = by_hash, .index_r = 0x01020304 };
	rng_seed(&s->rng, 99);
	fill(s, seed, sizeof(seed));
	network_keys_derive(s->ops, seed, &s->nk);
	s->prologue_len = prologue_encode(true, 11, 22, 0x0a0b0c0d, s->prologue);
	fill(s, seed, sizeof(seed));
	s->key_i = sim_null_key_new(seed);
	fill(s, seed, sizeof(seed));
	s->key_r = sim_null_key_new(seed);
	s->ops->signing_key_public(s->key_i, s->pk_i);
	s->ops->signing_key_public(s->key_r, s->pk_r);
	fill(s, s->chain_i, CHAIN_LEN);
	fill(s, s->chain_r, CHAIN_LEN);
	fill(s, s->warm, sizeof(s->warm));
	s->params1 = (struct params){ .version = 1, .suite = 1, .aead = 3 };
	s->params2 = (struct params){
		.version = 1, .suite = 1, .aead = 2, .lanes = 4, .boot_epoch = 77
	};
	s->params3 = s->params2;
}

static void sides_done(struct sides *s)
{
	sim_null_key_free(s->key_i);
	sim_null_key_free(s->key_r);
}

static struct credential credential_of(const struct sides *s, const uint8_t *chain)
{
	struct credential c = { .field = CHAIN_LEN, .bytes = SPAN(chain, CHAIN_LEN) };
	const struct span whole = c.bytes;

	s->ops->sha256(&whole, 1, c.hash);
	return c;
}

static void write_m1(struct sides *s)
{
	struct m1_seeds seeds;

	fill(s, &seeds, sizeof(seeds));
	assert_int_equal(m1_write(s->ops, &s->nk, SPAN(s->prologue, s->prologue_len), &seeds,
				  &s->params1, &s->i, &s->ephemeral, s->m1),
			 0);
}

static int read_m1(struct sides *s)
{
	struct params params;

	return m1_read(s->ops, &s->nk, SPAN(s->prologue, s->prologue_len), SPAN_OF(s->m1), &s->r,
		       s->ek, &params);
}

static int write_m2(struct sides *s)
{
	struct credential c = credential_of(s, s->chain_r);
	struct m2_seeds seeds;
	int r;

	if (s->by_hash) {
		c.field = CHAIN_FIELD_IS_HASH;
		c.bytes = SPAN_OF(c.hash);
	}
	fill(s, &seeds, sizeof(seeds));
	r = m2_exchange_write(s->ops, &s->r, s->index_r, s->ek, &seeds, s->m2);
	if (r < 0)
		return r;
	r = m2_auth_write(s->ops, &s->r, &s->params2, s->warm, &c, s->key_r, seeds.rnd,
			  s->m2 + M2_EXCHANGE_LEN, sizeof(s->m2) - M2_EXCHANGE_LEN);
	s->m2_len = M2_EXCHANGE_LEN + (size_t)r;
	return r < 0 ? r : 0;
}

static int read_m2(struct sides *s)
{
	static uint8_t plaintext[WIRE_HS_MESSAGE_MAX];
	struct credential c = credential_of(s, s->chain_r);
	struct payload p = { 0 };
	int r = m2_exchange_read(s->ops, &s->i, &s->ephemeral, s->index_r, s->m2);

	if (r == 0)
		r = auth_open(s->ops, &s->i,
			      SPAN(s->m2 + M2_EXCHANGE_LEN, s->m2_len - M2_EXCHANGE_LEN), true,
			      plaintext, &p);
	if (r < 0)
		return r;
	assert_int_equal(p.field, s->by_hash ? 0 : CHAIN_LEN);
	assert_memory_equal(p.warm, s->warm, WARM_LEN);
	return m2_auth_check(s->ops, &s->i, &p, c.hash, s->pk_r);
}

static void do_m3(struct sides *s)
{
	struct credential c = credential_of(s, s->chain_i);
	uint8_t rnd[32];
	int r;

	if (s->by_hash) {
		c.field = CHAIN_FIELD_IS_HASH;
		c.bytes = SPAN_OF(c.hash);
	}
	fill(s, rnd, sizeof(rnd));
	r = m3_write(s->ops, &s->i, &s->params3, &c, s->key_i, rnd, s->m3, sizeof(s->m3));
	assert_true(r > 0);
	s->m3_len = (size_t)r;
	session_root(s->ops, &s->i, s->root_i);
}

static int read_m3(struct sides *s)
{
	static uint8_t plaintext[WIRE_HS_MESSAGE_MAX];
	struct credential c = credential_of(s, s->chain_i);
	struct payload p;
	int r = auth_open(s->ops, &s->r, SPAN(s->m3, s->m3_len), false, plaintext, &p);

	if (r == 0)
		r = m3_auth_check(s->ops, &s->r, &p, c.hash, s->pk_i, NULL);
	if (r == 0)
		session_root(s->ops, &s->r, s->root_r);
	return r;
}

static void run(struct sides *s, bool by_hash)
{
	sides_init(s, by_hash);
	write_m1(s);
	assert_int_equal(read_m1(s), 0);
	assert_int_equal(write_m2(s), 0);
	assert_int_equal(read_m2(s), 0);
	do_m3(s);
	assert_int_equal(read_m3(s), 0);
}

static void both_sides_derive_the_same_root(void **state)
{
	(void)state;
	struct sides s;

	run(&s, false);
	assert_memory_equal(s.root_i, s.root_r, SHA256_LEN);
	assert_memory_equal(s.i.t_i, s.r.t_i, SHA256_LEN);
	sides_done(&s);
}

static void messages_have_the_lengths_of_the_design(void **state)
{
	(void)state;
	assert_int_equal(M1_LEN, 1264);
	/* an encoded chain of one certificate: 5,540 bytes */
	assert_int_equal(M2_EXCHANGE_LEN + M2_FIXED_LEN + AEAD_TAG_LEN + 5540, 10067);
	assert_int_equal(M2_EXCHANGE_LEN + M2_FIXED_LEN + AEAD_TAG_LEN + SHA256_LEN, 4559);
	assert_int_equal(M3_FIXED_LEN + AEAD_TAG_LEN + 5540, 8915);
	assert_int_equal(M3_FIXED_LEN + AEAD_TAG_LEN + SHA256_LEN, 3407);
}

static void hash_and_full_form_give_the_same_transcripts_of_identity(void **state)
{
	(void)state;
	struct sides full, hash;

	run(&full, false);
	run(&hash, true);
	assert_memory_equal(full.i.t_r, hash.i.t_r, SHA256_LEN);
	assert_memory_equal(full.r.t_r, hash.r.t_r, SHA256_LEN);
	assert_memory_equal(full.i.cf_r, hash.i.cf_r, SHA256_LEN);
	/* T_I covers h3, and with it the very bytes of M2 */
	assert_memory_not_equal(full.i.t_i, hash.i.t_i, SHA256_LEN);
	assert_memory_equal(hash.root_i, hash.root_r, SHA256_LEN);
	sides_done(&full);
	sides_done(&hash);
}

/* One bit of every byte; X0_LONG=1: every bit. */
static unsigned bits_to_flip(void)
{
	return getenv("X0_LONG") ? 8 : 1;
}

static void every_change_of_m1_is_found(void **state)
{
	(void)state;
	struct sides s;

	sides_init(&s, false);
	write_m1(&s);
	for (size_t at = 0; at < M1_LEN; at++)
		for (unsigned bit = 0; bit < bits_to_flip(); bit++) {
			uint8_t mask = (uint8_t)(1U << (bit + at) % 8);

			s.m1[at] ^= mask;
			assert_int_equal(read_m1(&s), -EKEYREJECTED);
			s.m1[at] ^= mask;
		}
	assert_int_equal(read_m1(&s), 0);
	sides_done(&s);
}

static void every_change_of_the_prologue_or_the_network_key_is_found(void **state)
{
	(void)state;
	struct sides s;

	sides_init(&s, false);
	write_m1(&s);
	for (size_t at = 0; at < 8 * s.prologue_len; at++) {
		s.prologue[at / 8] ^= (uint8_t)(1U << at % 8);
		assert_int_equal(read_m1(&s), -EKEYREJECTED);
		s.prologue[at / 8] ^= (uint8_t)(1U << at % 8);
	}
	for (size_t at = 0; at < 256; at++) {
		s.nk.psk[at / 8] ^= (uint8_t)(1U << at % 8);
		assert_int_equal(read_m1(&s), -EKEYREJECTED);
		s.nk.psk[at / 8] ^= (uint8_t)(1U << at % 8);
	}
	s.prologue_len--;
	assert_int_equal(read_m1(&s), -EKEYREJECTED);
	sides_done(&s);
}

static void every_change_of_m2_is_found(void **state)
{
	(void)state;
	struct sides s;
	struct exchange before;

	sides_init(&s, false);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	assert_int_equal(write_m2(&s), 0);
	before = s.i;
	for (size_t at = 0; at < s.m2_len; at++)
		for (unsigned bit = 0; bit < bits_to_flip(); bit++) {
			uint8_t mask = (uint8_t)(1U << (bit + at) % 8);

			s.m2[at] ^= mask;
			assert_true(read_m2(&s) < 0);
			s.m2[at] ^= mask;
			s.i = before;
		}
	for (unsigned bit = 0; bit < 32; bit++) {
		s.index_r ^= 1U << bit;
		assert_int_equal(read_m2(&s), -EKEYREJECTED);
		s.index_r ^= 1U << bit;
		s.i = before;
	}
	assert_int_equal(read_m2(&s), 0);
	sides_done(&s);
}

static void every_change_of_m3_is_found(void **state)
{
	(void)state;
	struct sides s;
	struct exchange before;

	sides_init(&s, false);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	assert_int_equal(write_m2(&s), 0);
	assert_int_equal(read_m2(&s), 0);
	do_m3(&s);
	before = s.r;
	for (size_t at = 0; at < s.m3_len; at++)
		for (unsigned bit = 0; bit < bits_to_flip(); bit++) {
			uint8_t mask = (uint8_t)(1U << (bit + at) % 8);

			s.m3[at] ^= mask;
			assert_true(read_m3(&s) < 0);
			s.m3[at] ^= mask;
			s.r = before;
		}
	assert_int_equal(read_m3(&s), 0);
	sides_done(&s);
}

/* What the AEAD cannot see: a payload that its sender made wrongly. */
static void a_transcript_that_differs_is_refused(void **state)
{
	(void)state;
	struct sides s;

	sides_init(&s, true);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	assert_int_equal(write_m2(&s), 0);
	s.chain_r[3] ^= 1; /* I holds another chain under the name of this one */
	assert_int_equal(read_m2(&s), -EKEYREJECTED);
	sides_done(&s);

	sides_init(&s, false);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	assert_int_equal(write_m2(&s), 0);
	memcpy(s.pk_r, s.pk_i, sizeof(s.pk_r)); /* the key of another certificate */
	assert_int_equal(read_m2(&s), -EKEYREJECTED);
	sides_done(&s);
}

static void a_signature_of_the_other_role_is_refused(void **state)
{
	(void)state;
	struct sides s;
	static uint8_t signature[MLDSA65_SIG_LEN];
	static const uint8_t rnd[32];
	const struct span roles[] = { SPAN_STR("x0 handshake 1 responder"),
				      SPAN_STR("x0 handshake 1 initiator"),
				      SPAN_STR("x0 handshake 1 joiner"), SPAN_STR("") };

	sides_init(&s, false);
	for (unsigned a = 0; a < 4; a++)
		for (unsigned b = 0; b < 4; b++) {
			assert_int_equal(s.ops->mldsa65_sign(s.key_r, SPAN_OF(s.warm), roles[a],
							     rnd, signature),
					 0);
			assert_int_equal(
				s.ops->mldsa65_verify(s.pk_r, SPAN_OF(s.warm), roles[b], signature),
				a == b ? 0 : -EKEYREJECTED);
		}
	sides_done(&s);
}

static void an_all_zero_x25519_result_ends_the_handshake(void **state)
{
	(void)state;
	struct sides s;
	struct m2_seeds seeds;

	sides_init(&s, false);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	memset(s.r.e_initiator, 0, X25519_LEN); /* as if I had sent it, and all tags fitted */
	fill(&s, &seeds, sizeof(seeds));
	assert_int_equal(m2_exchange_write(s.ops, &s.r, 1, s.ek, &seeds, s.m2), -EKEYREJECTED);

	memset(s.m2, 0, X25519_LEN);
	assert_int_equal(m2_exchange_read(s.ops, &s.i, &s.ephemeral, 1, s.m2), -EKEYREJECTED);
	sides_done(&s);
}

static void an_encapsulation_key_out_of_range_ends_the_handshake(void **state)
{
	(void)state;
	struct sides s;

	sides_init(&s, false);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	s.ek[0] = 0xff; /* a coefficient of 4095 */
	s.ek[1] |= 0x0f;
	assert_int_equal(write_m2(&s), -EKEYREJECTED);
	sides_done(&s);
}

static void an_implicitly_rejected_ciphertext_ends_the_handshake(void **state)
{
	(void)state;
	struct sides s;

	sides_init(&s, false);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	assert_int_equal(write_m2(&s), 0);
	s.ephemeral.dk[0] ^= 1; /* z: only what is rejected depends on it */
	assert_int_equal(read_m2(&s), 0);
	sides_done(&s);

	sides_init(&s, false);
	write_m1(&s);
	assert_int_equal(read_m1(&s), 0);
	s.ek[1170] ^= 1; /* R encapsulates to another key: I's decapsulation rejects */
	assert_int_equal(write_m2(&s), 0);
	assert_int_equal(read_m2(&s), -EKEYREJECTED);
	sides_done(&s);
}

static void m1_has_one_length(void **state)
{
	(void)state;
	struct sides s;
	struct params params;
	uint8_t longer[M1_LEN + 1] = { 0 };

	sides_init(&s, false);
	write_m1(&s);
	memcpy(longer, s.m1, M1_LEN);
	for (size_t n = 0; n <= sizeof(longer); n++)
		assert_int_equal(m1_read(s.ops, &s.nk, SPAN(s.prologue, s.prologue_len),
					 SPAN(longer, n), &s.r, s.ek, &params),
				 n == M1_LEN ? 0 : -EBADMSG);
	sides_done(&s);
}

static size_t make_payload(bool is_m2, uint16_t field, size_t n, uint8_t *ret)
{
	struct writer w = writer_of(ret, WIRE_HS_MESSAGE_MAX);

	(void)memset(write_room(&w, PARAMS_LEN), 1, PARAMS_LEN);
	if (is_m2)
		(void)memset(write_room(&w, WARM_LEN), 2, WARM_LEN);
	write_u16(&w, field);
	(void)memset(write_room(&w, n), 3, n);
	(void)memset(write_room(&w, MLDSA65_SIG_LEN + SHA256_LEN), 4, MLDSA65_SIG_LEN + SHA256_LEN);
	return w.len;
}

static void payloads_are_decoded_strictly(void **state)
{
	(void)state;
	static uint8_t bytes[WIRE_HS_MESSAGE_MAX];
	struct payload p;
	size_t n = make_payload(true, 100, 100, bytes);

	for (size_t len = 0; len < n; len++)
		assert_int_equal(payload_decode(SPAN(bytes, len), true, &p), -EBADMSG);
	assert_int_equal(payload_decode(SPAN(bytes, n), true, &p), 0);
	assert_int_equal(p.bytes.len, 100);
	assert_int_equal(payload_decode(SPAN(bytes, n + 1), true, &p), -EBADMSG);
	n = make_payload(true, 0, 32, bytes);
	assert_int_equal(payload_decode(SPAN(bytes, n), true, &p), 0);
	assert_int_equal(p.bytes.len, 32);
	n = make_payload(true, 0xffff, 34 + 2, bytes);
	assert_int_equal(payload_decode(SPAN(bytes, n), true, &p), -EPROTO);
	n = make_payload(false, 0x8000, 100, bytes);
	assert_int_equal(payload_decode(SPAN(bytes, n), false, &p), -EBADMSG);
}

static void params_are_read_as_they_were_written(void **state)
{
	(void)state;
	const struct params p = { 1, 2, 3, 4, 0x0506, 0x0708, 0x090a0b0c0d0e0f10 };
	struct params back;
	uint8_t bytes[PARAMS_LEN];

	params_encode(&p, bytes);
	for (uint8_t i = 0; i < PARAMS_LEN; i++)
		assert_int_equal(bytes[i], i + 1);
	params_decode(bytes, &back);
	assert_memory_equal(&p, &back, sizeof(p));
}

static void join_blocks_are_decoded_strictly(void **state)
{
	(void)state;
	const uint8_t id[TOKEN_ID_LEN] = { 1 };
	const struct join_block j = { id, SPAN_STR("ml-dsa"), SPAN_STR("p-256") };
	struct join_block back;
	static uint8_t bytes[HS_JOIN_LEN_MAX + 1];
	static const uint8_t big[HS_JOIN_LEN_MAX];
	const struct join_block too_big = { id, SPAN_OF(big), SPAN_STR("p-256") };
	const struct join_block empty = { id, SPAN_STR(""), SPAN_STR("p-256") };
	size_t n = (size_t)join_block_encode(&j, bytes, sizeof(bytes));

	assert_int_equal(n, 8 + 2 + 6 + 2 + 5);
	for (size_t len = 0; len < n; len++)
		assert_int_equal(join_block_decode(SPAN(bytes, len), &back), -EBADMSG);
	assert_int_equal(join_block_decode(SPAN(bytes, n), &back), 0);
	assert_memory_equal(back.csr_p256.at, "p-256", 5);
	assert_int_equal(join_block_decode(SPAN(bytes, n + 1), &back), -EBADMSG);
	assert_int_equal(join_block_encode(&too_big, bytes, sizeof(bytes)), -ENOBUFS);
	assert_int_equal(join_block_encode(&empty, bytes, sizeof(bytes)), -ENOBUFS);
}

static void macs_cover_the_whole_datagram(void **state)
{
	(void)state;
	uint8_t datagram[64] = { 5 };
	const uint8_t key[16] = { 1 }, cookie[16] = { 2 };

	mac1_make(key, SPAN_OF(datagram), datagram + 32);
	mac2_make(cookie, SPAN_OF(datagram), datagram + 48);
	assert_true(mac1_is_good(key, SPAN_OF(datagram)));
	assert_true(mac2_is_good(cookie, SPAN_OF(datagram)));
	for (unsigned bit = 0; bit < 8 * 64; bit++) {
		datagram[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(mac1_is_good(key, SPAN_OF(datagram)), bit >= 48 * 8);
		assert_false(mac2_is_good(cookie, SPAN_OF(datagram)));
		datagram[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_false(mac1_is_good(key, SPAN(datagram, 31)));
	assert_false(mac2_is_good(cookie, SPAN(datagram, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_derive_the_same_root),
		cmocka_unit_test(messages_have_the_lengths_of_the_design),
		cmocka_unit_test(hash_and_full_form_give_the_same_transcripts_of_identity),
		cmocka_unit_test(every_change_of_m1_is_found),
		cmocka_unit_test(every_change_of_the_prologue_or_the_network_key_is_found),
		cmocka_unit_test(every_change_of_m2_is_found),
		cmocka_unit_test(every_change_of_m3_is_found),
		cmocka_unit_test(a_transcript_that_differs_is_refused),
		cmocka_unit_test(a_signature_of_the_other_role_is_refused),
		cmocka_unit_test(an_all_zero_x25519_result_ends_the_handshake),
		cmocka_unit_test(an_encapsulation_key_out_of_range_ends_the_handshake),
		cmocka_unit_test(an_implicitly_rejected_ciphertext_ends_the_handshake),
		cmocka_unit_test(m1_has_one_length),
		cmocka_unit_test(payloads_are_decoded_strictly),
		cmocka_unit_test(params_are_read_as_they_were_written),
		cmocka_unit_test(join_blocks_are_decoded_strictly),
		cmocka_unit_test(macs_cover_the_whole_datagram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs over real cryptography and real certificates: member to member, by hash, and a
 * joiner with two real requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/handshake.h"
#include "shell/openssl/pki.h"

#define DOMAIN "example.mesh"
#define NOW INT64_C(1800000000)

static const struct crypto_ops *ops;
static struct rng rng;

static void fill(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(&rng);
}

static const struct entropy entropy = { .fill = fill };

struct side {
	struct handshakes *handshakes;
	struct endpoint endpoint;
	struct signing_key *key;
	struct buffer cert;
	struct span chain[1];
	struct hs_identity identity;
	struct trust trust;
	struct token token;
	struct hs_done done;
	unsigned n_done;
	unsigned n_failed;
	uint64_t sent_bytes;
};

static struct signing_key *root_key;
static struct buffer root;

static struct span span_of(const struct buffer *b)
{
	return SPAN(b->at, b->len);
}

static int64_t judge_unix_s(void *arg)
{
	(void)arg;
	return NOW;
}

static enum identity_fault judge_verify(void *arg, const struct span *chain, size_t n,
					int64_t unix_s, struct peer_identity *ret)
{
	struct side *s = arg;
	struct trust trust = s->trust;

	if (!s->identity.chain)
		trust.roots[0] = chain[--n];
	return trust_verify_path(&trust, chain, n, unix_s, ret);
}

static enum identity_fault judge_recheck(void *arg, const struct peer_identity *peer)
{
	return trust_recheck(&((struct side *)arg)->trust, peer, NOW);
}

static bool judge_accept(void *arg, const struct peer_identity *peer)
{
	(void)arg;
	(void)peer;
	return true;
}

static bool judge_token(void *arg, const uint8_t id[TOKEN_ID_LEN], uint8_t ret[SHA256_LEN])
{
	struct side *s = arg;

	token_join_key(ops, s->token.secret, ret);
	return memcmp(id, s->token.id, TOKEN_ID_LEN) == 0;
}

static int judge_csr_key(void *arg, struct span csr, uint8_t ret_pk[MLDSA65_PK_LEN])
{
	(void)arg;
	return ops->csr_read(csr, ret_pk);
}

static bool judge_index_is_free(void *arg, uint32_t index)
{
	(void)arg;
	(void)index;
	return true;
}

static const struct hs_judge judge = {
	.unix_s = judge_unix_s,
	.verify = judge_verify,
	.recheck = judge_recheck,
	.accept = judge_accept,
	.token = judge_token,
	.csr_key = judge_csr_key,
	.index_is_free = judge_index_is_free,
};

static void side_init(struct side *s, const char *name, uint8_t number)
{
	const uint8_t nk[1][NETWORK_KEY_LEN] = { { 0x4e } };
	const struct hs_config config = {
		.ops = ops,
		.entropy = entropy,
		.seed = number,
		.judge = &judge,
		.judge_arg = s,
		.aead_offer = AEAD_AES_256_GCM,
		.lanes = number,
		.accept_joins = true,
	};
	const uint8_t seed[32] = { number };

	*s = (struct side){ .endpoint = { .port = number } };
	assert_int_equal(signing_key_from_seed(seed, &s->key), 0);
	s->trust = (struct trust){ .ops = ops, .domain = DOMAIN, .n_roots = 1 };
	s->trust.roots[0] = span_of(&root);
	assert_int_equal(handshakes_new(&config, &s->handshakes), 0);
	handshakes_set_network_keys(s->handshakes, nk, 1);
	assert_int_equal(spiffe_id_format(DOMAIN, name, s->identity.spiffe_id), 0);
}

static void side_certify(struct side *s, const char *name)
{
	const struct svid_terms terms = { .spiffe_id = s->identity.spiffe_id,
					  .name = name,
					  .now_s = NOW,
					  .lifetime_s = SVID_LIFETIME_S };
	struct buffer csr = { 0 };

	assert_int_equal(pki_make_csr(s->key, name, &csr), 0);
	assert_int_equal(
		pki_issue_svid(root_key, span_of(&root), span_of(&csr), &terms, &entropy, &s->cert),
		0);
	buffer_done(&csr);
	s->chain[0] = span_of(&s->cert);
	s->identity.chain = s->chain;
	s->identity.n_chain = 1;
	s->identity.key = s->key;
	s->identity.node_id = node_id_of(ops, s->identity.spiffe_id);
	s->identity.boot_epoch = 5;
	s->identity.root = span_of(&root);
	assert_int_equal(handshakes_set_identity(s->handshakes, &s->identity), 0);
}

static void side_done(struct side *s)
{
	handshakes_free(s->handshakes);
	signing_key_free(s->key);
	buffer_done(&s->cert);
}

static bool drain(struct side *from, struct side *to, uint64_t now_us)
{
	const struct hs_path path = { .remote = from->endpoint };
	struct hs_action action;
	bool has_acted = false;

	while (handshakes_next_action(from->handshakes, &action)) {
		has_acted = true;
		from->n_failed += action.type == HS_FAILED;
		if (action.type == HS_DONE) {
			from->done = action.done;
			from->n_done++;
		}
		if (action.type != HS_SEND)
			continue;
		from->sent_bytes += action.len;
		handshakes_input(to->handshakes, &path, SPAN(action.datagram, action.len), now_us);
	}
	return has_acted;
}

/* Everything each has to say, without loss, for 100 ms: a long M2 goes in two flights. */
static void talk(struct side *a, struct side *b, uint64_t now_us)
{
	for (uint64_t end_us = now_us + MS(100); now_us < end_us; now_us += MS(10)) {
		handshakes_tick(a->handshakes, now_us);
		handshakes_tick(b->handshakes, now_us);
		while (drain(a, b, now_us) || drain(b, a, now_us))
			;
	}
}

static void two_members_agree_and_name_their_chains_by_hash_the_second_time(void **state)
{
	(void)state;
	struct side a, b;
	struct hs_path path;
	struct hs_expect expect = { .spiffe_id = "spiffe://" DOMAIN "/node/b" };

	side_init(&a, "a", 1);
	side_init(&b, "b", 2);
	side_certify(&a, "a");
	side_certify(&b, "b");
	path = (struct hs_path){ .remote = b.endpoint };
	for (unsigned i = 1; i <= 2; i++) {
		a.sent_bytes = b.sent_bytes = 0;
		assert_int_equal(handshakes_start(a.handshakes, i, &path, &expect, SECONDS(i)), 0);
		talk(&a, &b, SECONDS(i));
		assert_int_equal(a.n_done, i);
		assert_int_equal(b.n_done, i);
		assert_memory_equal(a.done.root, b.done.root, SHA256_LEN);
		assert_int_equal(a.done.lanes_peer, 2);
		assert_int_equal(b.done.lanes_peer, 1);
		assert_string_equal(b.done.peer.name, "a");
		handshakes_confirmed(a.handshakes, a.done.local_index);
		if (i == 2)
			assert_true(a.sent_bytes + b.sent_bytes < 10500);
	}
	side_done(&a);
	side_done(&b);
}

static void a_joiner_with_real_requests_is_let_in(void **state)
{
	(void)state;
	struct side authority, joiner;
	struct hs_path path;
	struct buffer csr = { 0 }, csr_p256 = { 0 };
	struct signing_key *p256;
	const struct span der = span_of(&root);
	struct hs_join join = { .domain = DOMAIN };

	side_init(&authority, "authority", 3);
	side_certify(&authority, "authority");
	side_init(&joiner, "joiner", 4);
	memset(&authority.token, 0x70, sizeof(authority.token));
	assert_int_equal(signing_key_new_p256(&p256), 0);
	assert_int_equal(pki_make_csr(joiner.key, "joiner", &csr), 0);
	assert_int_equal(pki_make_csr(p256, "joiner", &csr_p256), 0);
	join.csr_mldsa = span_of(&csr);
	join.csr_p256 = span_of(&csr_p256);
	join.key = joiner.key;
	join.token = authority.token;
	ops->sha256(&der, 1, join.ca);
	path = (struct hs_path){ .remote = authority.endpoint };

	assert_int_equal(handshakes_start_join(joiner.handshakes, 9, &path, &join, 0), 0);
	talk(&joiner, &authority, 0);
	assert_int_equal(joiner.n_failed, 0);
	assert_int_equal(joiner.n_done, 1);
	assert_int_equal(authority.n_done, 1);
	assert_memory_equal(joiner.done.root, authority.done.root, SHA256_LEN);
	assert_memory_equal(joiner.done.t_i, authority.done.t_i, SHA256_LEN);
	signing_key_free(p256);
	buffer_done(&csr);
	buffer_done(&csr_p256);
	side_done(&authority);
	side_done(&joiner);
}

static int set_up(void **state)
{
	const uint8_t seed[32] = { 0xca };

	(void)state;
	rng_seed(&rng, 1);
	return signing_key_from_seed(seed, &root_key) < 0 ||
	       pki_make_root(root_key, DOMAIN, NOW, &entropy, &root) < 0;
}

static int tear_down(void **state)
{
	(void)state;
	signing_key_free(root_key);
	buffer_done(&root);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_members_agree_and_name_their_chains_by_hash_the_second_time),
		cmocka_unit_test(a_joiner_with_real_requests_is_let_in),
	};
	const char *error = "";

	ops = openssl_crypto_ops(&error);
	if (!ops) {
		(void)fprintf(stderr, "%s\n", error);
		return 1;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

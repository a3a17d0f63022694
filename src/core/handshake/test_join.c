/* SPDX-License-Identifier: Apache-2.0 */
/* Joining: the handshake of a node that has a token and no certificate yet. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/crypto/sim_null.h"
#include "core/handshake/test_world.h"

/* An authority, and a host that knows its address, its root's hash, NK and a token. */
struct scene {
	struct world w;
	struct host *authority;
	struct host *joiner;
	struct hs_join join;
	uint8_t csr[SIM_NULL_CSR_LEN];
	uint8_t csr_p256[300];
};

static void scene_init(struct scene *s, uint64_t seed)
{
	struct span root;

	world_init(&s->w, seed);
	s->authority = world_add(&s->w);
	s->joiner = world_add(&s->w);
	s->joiner->identity.chain = NULL;
	world_restart(&s->w, s->joiner, false);
	memset(s->authority->token.id, 0xa1, TOKEN_ID_LEN);
	memset(s->authority->token.secret, 0xb2, TOKEN_SECRET_LEN);
	s->authority->has_token = true;
	sim_null_csr(s->joiner->key, s->csr);
	memset(s->csr_p256, 0x30, sizeof(s->csr_p256));
	s->join = (struct hs_join){
		.csr_mldsa = SPAN_OF(s->csr),
		.csr_p256 = SPAN_OF(s->csr_p256),
		.key = s->joiner->key,
		.token = s->authority->token,
		.domain = "test.mesh",
	};
	root = SPAN(s->w.root_cert, SIM_NULL_CERT_LEN);
	s->w.ops->sha256(&root, 1, s->join.ca);
}

static int scene_start(struct scene *s)
{
	struct hs_path path = world_path(&s->w, s->authority);
	int r = handshakes_start_join(s->joiner->handshakes, 1, &path, &s->join, s->w.now_us);

	world_deliver(&s->w, s->joiner, &path, SPAN("", 0)); /* nothing; sends what is due */
	return r;
}

static void a_joiner_and_the_authority_agree(void **state)
{
	(void)state;
	static struct scene s;
	uint8_t jk[SHA256_LEN], mac_i[SHA256_LEN], mac_r[SHA256_LEN];
	const struct hs_done *i, *r;

	scene_init(&s, 1);
	assert_int_equal(scene_start(&s), 0);
	world_run(&s.w, SECONDS(20));
	assert_int_equal(s.joiner->n_done, 1);
	assert_int_equal(s.authority->n_done, 1);
	assert_true(world_agree(s.joiner, s.authority));
	i = &s.joiner->done[0];
	r = &s.authority->done[0];
	assert_true(i->is_join && r->is_join);
	assert_string_equal(i->peer.name, "n0");
	assert_string_equal(r->peer.name, "");
	assert_memory_equal(r->token_id, s.join.token.id, TOKEN_ID_LEN);
	assert_memory_equal(r->request_hash, i->request_hash, SHA256_LEN);
	token_join_key(s.w.ops, s.join.token.secret, jk);
	assert_memory_equal(r->join_key, jk, SHA256_LEN);
	assert_memory_equal(i->join_key, jk, SHA256_LEN);
	assert_int_equal(s.authority->csr_len, sizeof(s.csr));
	assert_memory_equal(s.authority->csr_copy, s.csr, sizeof(s.csr));
	join_accept_mac(s.w.ops, i->join_key, i->t_i, SPAN_STR("answer"), mac_i);
	join_accept_mac(s.w.ops, r->join_key, r->t_i, SPAN_STR("answer"), mac_r);
	assert_memory_equal(mac_i, mac_r, SHA256_LEN);
	join_accept_mac(s.w.ops, r->join_key, r->t_i, SPAN_STR("other"), mac_r);
	assert_memory_not_equal(mac_i, mac_r, SHA256_LEN);
	world_done(&s.w);
}

/* The authority accepts nothing; the joiner's outcome is what the test looks at. */
static void expect_refusal(struct scene *s)
{
	assert_int_equal(scene_start(s), 0);
	world_run(&s->w, SECONDS(20));
	assert_int_equal(s->authority->n_done, 0);
}

static void an_unknown_token_or_the_secret_of_another_is_met_with_silence(void **state)
{
	(void)state;
	static struct scene s;

	scene_init(&s, 2);
	s.join.token.id[0] ^= 1;
	expect_refusal(&s);
	world_done(&s.w);

	scene_init(&s, 3);
	s.join.token.secret[15] ^= 1; /* the id of one token, the secret of another */
	expect_refusal(&s);
	world_done(&s.w);
}

static void requests_that_change_places_are_refused(void **state)
{
	(void)state;
	static struct scene s;

	scene_init(&s, 4);
	s.join.csr_mldsa = SPAN_OF(s.csr_p256);
	s.join.csr_p256 = SPAN_OF(s.csr);
	expect_refusal(&s);
	world_done(&s.w);

	/* the request of somebody else: its key did not sign this handshake */
	scene_init(&s, 5);
	sim_null_csr(s.authority->key, s.csr);
	expect_refusal(&s);
	world_done(&s.w);
}

static void a_root_or_a_domain_that_was_not_invited_to_gets_no_token(void **state)
{
	(void)state;
	static struct scene s;

	scene_init(&s, 6);
	s.join.ca[0] ^= 1;
	expect_refusal(&s);
	assert_int_equal(s.joiner->n_done, 0);
	assert_int_equal(s.joiner->failed[0].failure, HS_FAIL_IDENTITY);
	assert_int_equal(s.joiner->failed[0].fault, IDENTITY_NO_PATH);
	assert_true(s.joiner->sent_bytes < 8000); /* no M3 */
	world_done(&s.w);

	scene_init(&s, 7);
	memcpy(s.join.domain, "other.mesh", 11);
	expect_refusal(&s);
	assert_int_equal(s.joiner->failed[0].fault, IDENTITY_WRONG_DOMAIN);
	world_done(&s.w);

	/* an impostor with a root of its own, who appends the true one */
	scene_init(&s, 8);
	{
		struct sim_null_subject subject = { .uri = s.authority->identity.spiffe_id,
						    .key = s.authority->key,
						    .not_after_s = WORLD_UNIX_S + 1 };

		sim_null_cert(&subject, s.joiner->key, s.authority->cert);
	}
	expect_refusal(&s);
	assert_int_equal(s.joiner->n_done, 0);
	assert_int_equal(s.joiner->failed[0].fault, IDENTITY_NO_PATH);
	world_done(&s.w);
}

static void a_node_that_holds_no_authority_does_not_answer_joiners(void **state)
{
	(void)state;
	static struct scene s;

	scene_init(&s, 9);
	world_restart(&s.w, s.authority, false);
	expect_refusal(&s);
	assert_int_equal(s.joiner->n_done, 0);
	assert_int_equal(s.joiner->failed[0].failure, HS_FAIL_NO_COMPLETION);
	world_done(&s.w);
}

static void a_lost_reply_makes_the_joiner_ask_again_with_the_same_request(void **state)
{
	(void)state;
	static struct scene s;

	scene_init(&s, 10);
	s.authority->says_hello = false; /* what follows the handshake is lost */
	assert_int_equal(scene_start(&s), 0);
	world_run(&s.w, SECONDS(20));
	assert_int_equal(s.authority->n_done, 1);
	assert_int_equal(scene_start(&s), 0);
	world_run(&s.w, SECONDS(40));
	assert_int_equal(s.authority->n_done, 2);
	assert_memory_equal(s.authority->done[0].request_hash, s.authority->done[1].request_hash,
			    SHA256_LEN);
	assert_memory_not_equal(s.authority->done[0].root, s.authority->done[1].root, SHA256_LEN);
	world_done(&s.w);
}

static void joining_is_direct_and_one_at_a_time_per_path(void **state)
{
	(void)state;
	static struct scene s;
	struct hs_path mesh = { .is_mesh = true, .node_id = 5 };

	scene_init(&s, 11);
	assert_int_equal(handshakes_start_join(s.joiner->handshakes, 1, &mesh, &s.join, 0),
			 -EINVAL);
	assert_int_equal(scene_start(&s), 0);
	assert_int_equal(scene_start(&s), -EALREADY);
	world_done(&s.w);
}

static void joining_survives_loss(void **state)
{
	(void)state;
	static struct scene s;

	for (uint64_t seed = 20; seed < 60; seed++) {
		scene_init(&s, seed);
		s.w.loss_percent = 20;
		s.w.jitter_us = MS(10);
		assert_int_equal(scene_start(&s), 0);
		world_run(&s.w, SECONDS(20));
		assert_true(world_agree(s.joiner, s.authority));
		world_done(&s.w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_joiner_and_the_authority_agree),
		cmocka_unit_test(an_unknown_token_or_the_secret_of_another_is_met_with_silence),
		cmocka_unit_test(requests_that_change_places_are_refused),
		cmocka_unit_test(a_root_or_a_domain_that_was_not_invited_to_gets_no_token),
		cmocka_unit_test(a_node_that_holds_no_authority_does_not_answer_joiners),
		cmocka_unit_test(a_lost_reply_makes_the_joiner_ask_again_with_the_same_request),
		cmocka_unit_test(joining_is_direct_and_one_at_a_time_per_path),
		cmocka_unit_test(joining_survives_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

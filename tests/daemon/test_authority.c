/* SPDX-License-Identifier: Apache-2.0 */
/* Founding, inviting, joining and renewing: the authority, its store, the node that answers and
 * the joiner that asks, with real certificates, in memory and virtual time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/node/joiner.h"
#include "core/node/node.h"
#include "daemon/authority.h"
#include "shell/openssl/pki.h"

#define NOW_S INT64_C(1795300000)
#define DOMAIN "example.mesh"

struct world {
	char directory[64];
	const struct crypto_ops *ops;
	struct store *store;
	struct store *joiner_store;
	struct store_error error;
	struct member *member;
	struct authority *authority;
	struct policy *policy;
	struct node *node;
	uint64_t now_us;
	int64_t unix_s;
	enum membership_status status; /* of the last request */
	unsigned n_issues;
	bool loses_answer;
	struct member_request request;
};

static const struct endpoint authority_at = { .ip = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, .port = 1 };
static const struct endpoint joiner_at = { .ip = { 0x20, 1, 0xd, 0xb8, [15] = 2 }, .port = 2 };

static void open_stores(struct world *w)
{
	char path[96];

	/* In memory where that can be had: how files are kept is tested elsewhere (test_store), and
	 * each of some hundred writes here would wait for a disk. */
	(void)snprintf(w->directory, sizeof(w->directory), "%s/x0-test-authority-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(w->directory));
	(void)snprintf(path, sizeof(path), "%s/authority", w->directory);
	assert_int_equal(store_open(path, STORE_OWN, &w->store, &w->error), 0);
	(void)snprintf(path, sizeof(path), "%s/joiner", w->directory);
	assert_int_equal(store_open(path, STORE_OWN, &w->joiner_store, &w->error), 0);
}

static void make_node(struct world *w)
{
	struct policy_rule all = {
		.effect = POLICY_ALLOW, .any_action = true, .from = "*", .resource = "*"
	};
	struct node_config config = {
		.ops = w->ops,
		.entropy = kernel_entropy,
		.seed = 1,
		.aead_offer = AEAD_AES_256_GCM,
		.mtu_bytes = 1344,
		.identity = { .chain = w->member->is.chain,
			      .n_chain = w->member->is.n_chain,
			      .key = w->member->key,
			      .node_id = w->member->node_id,
			      .boot_epoch = 1,
			      .root = authority_root(w->authority) },
		.trust = { .ops = w->ops, .n_roots = w->member->n_mldsa_roots },
		.network_keys = w->member->is.keys,
		.n_network_keys = w->member->is.n_keys,
		.root_key = authority_root_key(w->authority),
		.is_authority = true,
	};

	assert_int_equal(policy_new(&all, 1, &w->policy), 0);
	config.policy = w->policy;
	memcpy(config.identity.spiffe_id, w->member->is.spiffe_id, SPIFFE_ID_SIZE);
	memcpy(config.trust.domain, DOMAIN, sizeof(DOMAIN));
	memcpy(config.trust.roots, w->member->mldsa_roots, sizeof(config.trust.roots));
	assert_int_equal(node_new(&config, w->now_us, w->unix_s * 1000, &w->node), 0);
}

static int make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *error = "";

	assert_non_null(w);
	w->ops = openssl_crypto_ops(&error);
	assert_non_null(w->ops);
	w->unix_s = NOW_S;
	w->now_us = SECONDS(100);
	open_stores(w);
	assert_int_equal(authority_found(w->store, w->ops, DOMAIN, "first", w->unix_s, &w->error),
			 0);
	assert_int_equal(member_load(w->store, w->ops, &w->member, &w->error), 0);
	assert_int_equal(authority_load(w->store, w->ops, w->member, &w->authority, &w->error), 0);
	make_node(w);
	*state = w;
	return 0;
}

static int drop(void **state)
{
	struct world *w = *state;
	char command[128];

	member_request_done(&w->request);
	node_free(w->node);
	policy_free(w->policy);
	authority_free(w->authority);
	member_free(w->member);
	store_close(w->store);
	store_close(w->joiner_store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", w->directory);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static struct token invite(struct world *w, const struct invite_terms *terms)
{
	const struct token_entry *tokens;
	struct token token;
	size_t n;

	assert_int_equal(authority_invite(w->authority, terms, w->unix_s, &token, &w->error), 0);
	tokens = authority_tokens(w->authority, &n);
	node_set_tokens(w->node, tokens, n);
	return token;
}

static void grant(struct world *w, const struct node_issue *issue)
{
	static uint8_t answer[MEMBERSHIP_LEN_MAX];
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	char name[NODE_NAME_MAX + 1];
	size_t n = node_network_keys(w->node, keys);
	size_t len;

	w->n_issues++;
	authority_grant(w->authority, issue, w->policy, keys, n, node_revocations(w->node),
			w->unix_s, answer, sizeof(answer), &len, name, &w->status);
	if (!w->loses_answer)
		node_issue_answer(w->node, issue->request, SPAN(answer, len), w->now_us);
}

/* Carries datagrams both ways, a millisecond each, until the joiner is done. */
static void carry(struct world *w, struct joiner *j)
{
	uint64_t end = w->now_us + SECONDS(15);

	while (joiner_state(j) == JOINER_TRYING && w->now_us < end) {
		struct node_action a;
		struct endpoint to;
		struct span datagram;

		w->now_us += MS(1);
		while (joiner_next_datagram(j, &to, &datagram))
			node_input_datagram(w->node, &joiner_at, datagram, w->now_us);
		if (w->now_us >= node_deadline_us(w->node))
			node_tick(w->node, w->now_us);
		while (node_next_action(w->node, &a)) {
			if (a.type == NODE_SEND)
				joiner_input_datagram(j, &authority_at, a.data, w->now_us);
			else if (a.type == NODE_ISSUE)
				grant(w, &a.issue);
		}
		joiner_tick(j, w->now_us);
	}
}

DEFINE_FREEP(struct joiner, joiner_free)

/* Joins under a name with the request in w (made if there is none); the answer's status, or -1
 * for none. *ret_is gets it, borrowed from static memory. */
static int join(struct world *w, struct token token, const char *name, struct membership *ret_is)
{
	static uint8_t bytes[MEMBERSHIP_LEN_MAX];
	struct joiner_config config = { .ops = w->ops,
					.entropy = kernel_entropy,
					.seed = 2,
					.aead_offer = AEAD_AES_256_GCM,
					.unix_s = w->unix_s };
	CLEANUP(joiner_freep) struct joiner *j = NULL;
	struct span root = authority_root(w->authority);
	struct span answer;

	if (!w->request.key)
		assert_int_equal(member_request_new(name, &kernel_entropy, &w->request), 0);
	config.join.csr_mldsa = SPAN(w->request.csr_mldsa.at, w->request.csr_mldsa.len);
	config.join.csr_p256 = SPAN(w->request.csr_p256.at, w->request.csr_p256.len);
	config.join.key = w->request.key;
	config.join.token = token;
	memcpy(config.join.domain, DOMAIN, sizeof(DOMAIN));
	w->ops->sha256(&root, 1, config.join.ca);
	memcpy(config.network_key, w->member->is.keys[0].key, NETWORK_KEY_LEN);
	assert_int_equal(joiner_new(&config, w->now_us, &j), 0);
	assert_int_equal(joiner_add_endpoint(j, &authority_at, w->now_us), 0);
	carry(w, j);
	if (joiner_state(j) != JOINER_ANSWERED)
		return -1;
	answer = joiner_answer(j);
	memcpy(bytes, answer.at, answer.len);
	assert_int_equal(membership_decode(SPAN(bytes, answer.len), ret_is), 0);
	return (int)ret_is->status;
}

static const struct invite_terms once = { .n_uses = 1, .lifetime_s = 3600 };

static void who_is_invited_joins_and_what_it_gets_holds(void **state)
{
	struct world *w = *state;
	struct member *member;
	struct membership is;

	assert_int_equal(join(w, invite(w, &once), "second", &is), MEMBERSHIP_GRANTED);
	assert_string_equal(is.spiffe_id, "spiffe://" DOMAIN "/node/second");
	assert_string_equal(is.authority, "spiffe://" DOMAIN "/node/first");
	assert_int_equal(member_check(w->ops, &is, DOMAIN, w->request.key, w->request.key_p256,
				      w->unix_s, &w->error),
			 0);
	assert_int_equal(
		member_save(w->joiner_store, &is, w->request.key, w->request.key_p256, &w->error),
		0);
	assert_int_equal(member_load(w->joiner_store, w->ops, &member, &w->error), 0);
	assert_string_equal(member->name, "second");
	assert_memory_equal(member->is.keys[0].key, w->member->is.keys[0].key, NETWORK_KEY_LEN);
	member_free(member);
	assert_non_null(authority_issued(w->authority, "second"));
	assert_null(authority_issued(w->authority, "third"));
	/* what others would get wrong */
	assert_int_equal(member_check(w->ops, &is, "other.mesh", w->request.key,
				      w->request.key_p256, w->unix_s, &w->error),
			 -EKEYREJECTED);
	assert_int_equal(member_check(w->ops, &is, DOMAIN, w->member->key, w->request.key_p256,
				      w->unix_s, &w->error),
			 -EKEYREJECTED);
	assert_int_equal(member_check(w->ops, &is, DOMAIN, w->request.key, w->member->key_p256,
				      w->unix_s, &w->error),
			 -EKEYREJECTED);
	assert_int_equal(member_check(w->ops, &is, DOMAIN, w->request.key, w->request.key_p256,
				      w->unix_s + 40 * 86400, &w->error),
			 -EKEYREJECTED);
}

static void a_used_token_an_expired_one_and_a_taken_name_are_told_apart(void **state)
{
	struct world *w = *state;
	struct membership is;
	struct token token = invite(w, &once);

	assert_int_equal(join(w, token, "second", &is), MEMBERSHIP_GRANTED);
	member_request_done(&w->request);
	assert_int_equal(join(w, token, "third", &is), MEMBERSHIP_TOKEN_USED_UP);
	member_request_done(&w->request);
	token = invite(w, &once);
	assert_int_equal(join(w, token, "second", &is), MEMBERSHIP_NAME_TAKEN);
	member_request_done(&w->request);
	w->unix_s += 3601;
	node_clock(w->node, w->now_us, w->unix_s * 1000);
	assert_int_equal(join(w, token, "third", &is), MEMBERSHIP_TOKEN_EXPIRED);
}

static void the_same_request_is_answered_again_and_counted_once(void **state)
{
	struct world *w = *state;
	struct membership is;
	struct token token = invite(w, &once);

	w->loses_answer = true;
	assert_int_equal(join(w, token, "second", &is), -1);
	assert_int_equal(w->status, MEMBERSHIP_GRANTED);
	w->loses_answer = false;
	assert_int_equal(join(w, token, "second", &is), MEMBERSHIP_GRANTED);
	assert_int_equal(w->n_issues, 2);
	/* and after a restart of the authority too */
	node_free(w->node);
	policy_free(w->policy);
	authority_free(w->authority);
	assert_int_equal(authority_load(w->store, w->ops, w->member, &w->authority, &w->error), 0);
	make_node(w);
	size_t n;
	const struct token_entry *tokens = authority_tokens(w->authority, &n);

	node_set_tokens(w->node, tokens, n);
	assert_int_equal(join(w, token, "second", &is), MEMBERSHIP_GRANTED);
}

static void a_token_nobody_gave_out_gets_no_answer(void **state)
{
	struct world *w = *state;
	struct membership is;
	struct token token = invite(w, &once);
	struct token wrong_secret = token;
	struct token unknown = token;

	wrong_secret.secret[0] ^= 1;
	unknown.id[0] ^= 1;
	assert_int_equal(join(w, wrong_secret, "second", &is), -1);
	assert_int_equal(join(w, unknown, "second", &is), -1);
	assert_int_equal(w->n_issues, 0);
	assert_int_equal(join(w, token, "second", &is), MEMBERSHIP_GRANTED);
}

static void a_name_in_the_invitation_is_the_name_whatever_is_asked_for(void **state)
{
	struct world *w = *state;
	struct invite_terms terms = { .name = "roof", .n_uses = 1, .lifetime_s = 3600 };
	struct membership is;

	assert_int_equal(join(w, invite(w, &terms), "second", &is), MEMBERSHIP_GRANTED);
	assert_string_equal(is.spiffe_id, "spiffe://" DOMAIN "/node/roof");
	member_request_done(&w->request);
	assert_int_equal(join(w, invite(w, &once), "NOT A NAME", &is), MEMBERSHIP_NAME_INVALID);
}

static void nobody_is_invited_under_a_name_that_a_node_has_or_had(void **state)
{
	struct world *w = *state;
	struct invite_terms terms = { .name = "roof", .n_uses = 1, .lifetime_s = 3600 };
	struct membership is;
	struct token token;

	assert_int_equal(join(w, invite(w, &terms), "second", &is), MEMBERSHIP_GRANTED);
	assert_int_equal(authority_invite(w->authority, &terms, w->unix_s, &token, &w->error),
			 -EEXIST);
	assert_non_null(strstr(w->error.text, "member already"));
	assert_non_null(strstr(w->error.text, "x0 invite --name"));
	assert_int_equal(authority_mark_revoked(w->authority, "roof", &w->error), 0);
	assert_int_equal(authority_invite(w->authority, &terms, w->unix_s, &token, &w->error),
			 -EEXIST);
	assert_non_null(strstr(w->error.text, "revoked"));
	memcpy(terms.name, "attic", sizeof("attic"));
	assert_int_equal(authority_invite(w->authority, &terms, w->unix_s, &token, &w->error), 0);
}

static void invitations_out_of_range_are_refused_with_the_option_to_change(void **state)
{
	struct world *w = *state;
	const struct invite_terms bad[] = {
		{ .n_uses = 0, .lifetime_s = 3600 },
		{ .n_uses = TOKEN_USES_MAX + 1, .lifetime_s = 3600 },
		{ .n_uses = 1, .lifetime_s = 59 },
		{ .n_uses = 1, .lifetime_s = 367 * 86400 },
		{ .n_uses = 2, .lifetime_s = 3600, .name = "roof" },
		{ .n_uses = 1, .lifetime_s = 3600, .name = "Roof" },
	};
	struct token token;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		w->error.text[0] = '\0';
		assert_int_equal(
			authority_invite(w->authority, &bad[i], w->unix_s, &token, &w->error),
			-EINVAL);
		assert_true(strlen(w->error.text) > 20);
	}
}

/* All but one are put into its file, for each invitation is on the disk before it is given out. */
static void as_many_invitations_as_there_is_room_for_and_more_when_they_have_expired(void **state)
{
	static struct token_entry tokens[TOKENS_MAX - 1];
	struct world *w = *state;
	struct token token;

	for (size_t i = 0; i < N_ELEMENTS(tokens); i++) {
		tokens[i] = (struct token_entry){ .n_uses_left = 1, .expires_s = w->unix_s + 3600 };
		store_u64(tokens[i].id, i);
	}
	assert_int_equal(store_save_tokens(w->store, tokens, N_ELEMENTS(tokens), &w->error), 0);
	authority_free(w->authority);
	assert_int_equal(authority_load(w->store, w->ops, w->member, &w->authority, &w->error), 0);
	assert_int_equal(authority_invite(w->authority, &once, w->unix_s, &token, &w->error), 0);
	assert_int_equal(authority_invite(w->authority, &once, w->unix_s, &token, &w->error),
			 -ENOBUFS);
	assert_int_equal(
		authority_invite(w->authority, &once, w->unix_s + 2 * 86400, &token, &w->error),
		0); /* the old ones have gone */
}

static void a_member_is_renewed_under_its_own_name_and_a_revoked_one_is_not(void **state)
{
	struct world *w = *state;
	struct membership is;
	struct node_issue issue = { .request = 1 };

	assert_int_equal(join(w, invite(w, &once), "second", &is), MEMBERSHIP_GRANTED);
	issue.csr_mldsa = SPAN(w->request.csr_mldsa.at, w->request.csr_mldsa.len);
	issue.csr_p256 = SPAN(w->request.csr_p256.at, w->request.csr_p256.len);
	memcpy(issue.spiffe_id, is.spiffe_id, sizeof(issue.spiffe_id));
	w->unix_s += 20 * 86400;
	grant(w, &issue);
	assert_int_equal(w->status, MEMBERSHIP_GRANTED);
	assert_true(authority_issued(w->authority, "second")->not_after_s > NOW_S + 45 * 86400);
	assert_int_equal(authority_mark_revoked(w->authority, "second", &w->error), 0);
	assert_int_equal(authority_mark_revoked(w->authority, "second", &w->error), -EALREADY);
	assert_int_equal(authority_mark_revoked(w->authority, "third", &w->error), -ENOENT);
	grant(w, &issue);
	assert_int_equal(w->status, MEMBERSHIP_REVOKED);
	memcpy(issue.spiffe_id, "spiffe://other.mesh/node/x", 27);
	grant(w, &issue);
	assert_int_equal(w->status, MEMBERSHIP_NAME_INVALID);
}

static void a_domain_is_founded_once_and_by_a_proper_name(void **state)
{
	struct world *w = *state;

	assert_int_equal(authority_found(w->store, w->ops, DOMAIN, "again", NOW_S, &w->error),
			 -EEXIST);
	assert_int_equal(
		authority_found(w->joiner_store, w->ops, "Not A Domain", "a", NOW_S, &w->error),
		-EINVAL);
	assert_int_equal(authority_found(w->joiner_store, w->ops, DOMAIN, "A", NOW_S, &w->error),
			 -EINVAL);
	assert_false(store_has(w->joiner_store, STORE_MEMBERSHIP));
	struct member *m;
	struct authority *a;

	assert_int_equal(member_load(w->joiner_store, w->ops, &m, &w->error), -ENOENT);
	assert_non_null(strstr(w->error.text, "x0 join"));
	assert_int_equal(authority_load(w->joiner_store, w->ops, w->member, &a, &w->error),
			 -ENOENT);
}

static void half_a_membership_is_refused_with_what_to_do(void **state)
{
	struct world *w = *state;
	struct store_value v = { 0 };
	struct member *m;

	assert_int_equal(store_read(w->store, STORE_MEMBERSHIP, &v, &w->error), 0);
	assert_int_equal(store_write(w->store, STORE_MEMBERSHIP, SPAN(v.at, v.len / 2), &w->error),
			 0);
	assert_int_equal(member_load(w->store, w->ops, &m, &w->error), -EBADMSG);
	assert_non_null(strstr(w->error.text, "backup"));
	assert_int_equal(store_write(w->store, STORE_MEMBERSHIP, store_value_span(&v), &w->error),
			 0);
	store_value_done(&v);
	/* the key of another node */
	struct member_request other;
	struct buffer pem = { 0 };

	assert_int_equal(member_request_new("x", &kernel_entropy, &other), 0);
	assert_int_equal(signing_key_to_pem(other.key, &pem), 0);
	assert_int_equal(
		store_write(w->store, STORE_NODE_MLDSA_KEY, SPAN(pem.at, pem.len), &w->error), 0);
	buffer_done(&pem);
	member_request_done(&other);
	assert_int_equal(member_load(w->store, w->ops, &m, &w->error), -EKEYREJECTED);
	assert_int_equal(store_write(w->store, STORE_NODE_MLDSA_KEY, SPAN_STR("junk"), &w->error),
			 0);
	assert_int_equal(member_load(w->store, w->ops, &m, &w->error), -EBADMSG);
}

#define PASSPHRASE SPAN_STR("correct horse")

/* Gives the authority's keys a passphrase and starts anew, as after x0 key passphrase. */
static void lock_authority(struct world *w)
{
	static const struct {
		enum store_file file;
		enum key_kind kind;
	} files[] = { { STORE_AUTHORITY_MLDSA_KEY, KEY_MLDSA65 },
		      { STORE_AUTHORITY_P256_KEY, KEY_P256 } };

	for (size_t i = 0; i < N_ELEMENTS(files); i++) {
		struct signing_key *key = NULL;

		assert_int_equal(
			member_load_key(w->store, files[i].file, files[i].kind, &key, &w->error),
			0);
		assert_int_equal(
			member_save_key(w->store, files[i].file, key, PASSPHRASE, &w->error), 0);
		signing_key_free(key);
	}
	node_free(w->node);
	policy_free(w->policy);
	authority_free(w->authority);
	assert_int_equal(authority_load(w->store, w->ops, w->member, &w->authority, &w->error), 0);
	make_node(w);
}

static int unlock(struct world *w, struct span passphrase)
{
	struct authority_keys keys = { 0 };
	int r;

	assert_int_equal(authority_keys_read(w->authority, &keys, &w->error), 0);
	r = authority_keys_open(&keys, passphrase);
	if (r == 0)
		r = authority_unlock(w->authority, &keys, &w->error);
	authority_keys_done(&keys);
	node_set_root_key(w->node, authority_root_key(w->authority));
	return r;
}

static void a_locked_authority_says_so_and_uses_up_nothing(void **state)
{
	struct world *w = *state;
	struct membership is;
	struct token token;

	assert_int_equal(authority_lock(w->authority, &w->error), -EPERM);
	lock_authority(w);
	assert_true(authority_has_passphrase(w->authority));
	assert_true(authority_is_locked(w->authority));
	assert_null(authority_root_key(w->authority));
	token = invite(w, &once);
	assert_int_equal(join(w, token, "second", &is), MEMBERSHIP_LOCKED);
	assert_int_equal(node_rotate_network_key(w->node, true, w->now_us), -EPERM);

	assert_int_equal(unlock(w, SPAN_STR("correct house")), -EKEYREJECTED);
	assert_true(authority_is_locked(w->authority));
	assert_int_equal(unlock(w, PASSPHRASE), 0);
	assert_false(authority_is_locked(w->authority));
	assert_int_equal(join(w, token, "second", &is), MEMBERSHIP_GRANTED);

	node_set_root_key(w->node, NULL);
	assert_int_equal(authority_lock(w->authority, &w->error), 0);
	assert_true(authority_is_locked(w->authority));
}

static void a_node_whose_keys_have_a_passphrase_loads_with_it_only(void **state)
{
	struct world *w = *state;
	struct member *m = NULL;

	assert_int_equal(member_save_key(w->store, STORE_NODE_MLDSA_KEY, w->member->key, PASSPHRASE,
					 &w->error),
			 0);
	assert_int_equal(member_load(w->store, w->ops, &m, &w->error), -ENOKEY);
	assert_non_null(strstr(w->error.text, "keys.passphrase_file"));
	assert_int_equal(member_open(w->store, w->ops, SPAN_STR("correct house"), &m, &w->error),
			 -EKEYREJECTED);
	assert_int_equal(member_open(w->store, w->ops, PASSPHRASE, &m, &w->error), 0);
	/* and a renewal needs it no more */
	struct member *again = NULL;

	assert_int_equal(member_load_again(w->store, w->ops, m, &again, &w->error), 0);
	assert_null(m->key);
	assert_non_null(again->key);
	assert_non_null(again->key_p256);
	member_free(m);
	member_free(again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_invited_joins_and_what_it_gets_holds),
		TEST(a_used_token_an_expired_one_and_a_taken_name_are_told_apart),
		TEST(the_same_request_is_answered_again_and_counted_once),
		TEST(a_token_nobody_gave_out_gets_no_answer),
		TEST(a_name_in_the_invitation_is_the_name_whatever_is_asked_for),
		TEST(nobody_is_invited_under_a_name_that_a_node_has_or_had),
		TEST(as_many_invitations_as_there_is_room_for_and_more_when_they_have_expired),
		TEST(invitations_out_of_range_are_refused_with_the_option_to_change),
		TEST(a_member_is_renewed_under_its_own_name_and_a_revoked_one_is_not),
		TEST(a_domain_is_founded_once_and_by_a_proper_name),
		TEST(half_a_membership_is_refused_with_what_to_do),
		TEST(a_locked_authority_says_so_and_uses_up_nothing),
		TEST(a_node_whose_keys_have_a_passphrase_loads_with_it_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

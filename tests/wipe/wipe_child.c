/* SPDX-License-Identifier: Apache-2.0 */
/* Does with secrets what a daemon and a joining machine do, in the memory they would use, and
 * stops itself where test_wipe.c wants to look: once while it holds them, once after it has given
 * all back. Arguments: the state directory, "clean" or "leak". */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/node/joiner.h"
#include "core/node/node.h"
#include "daemon/authority.h"
#include "shell/openssl/pki.h"
#include "shell/secret/secret.h"

#define NOW_S INT64_C(1795300000)
#define JOIN_ENDS_S 120 /* after the last was heard */

struct world {
	const struct crypto_ops *ops;
	struct store *store;
	struct store_error error;
	struct passphrase passphrase;
	struct member *member;
	struct authority *authority;
	struct policy *policy;
	struct node *node;
	uint64_t now_us;
};

static const struct endpoint authority_at = { .ip = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, .port = 1 };
static const struct endpoint joiner_at = { .ip = { 0x20, 1, 0xd, 0xb8, [15] = 2 }, .port = 2 };

/* assert() stays on in every build of this project. */
static void must(const struct world *w, int r)
{
	if (r < 0) {
		(void)fprintf(stderr, "%d: %s\n", r, w->error.text);
		abort();
	}
}

static void path_of(char ret[256], const char *dir, const char *name)
{
	(void)snprintf(ret, 256, "%s/%s", dir, name);
}

/* ---- a daemon that holds the authority ---- */

static void load(struct world *w, const char *dir)
{
	struct authority_keys keys = { 0 };
	char why[SECRET_WHY_SIZE];
	char path[256];
	struct span passphrase;

	path_of(path, dir, "passphrase");
	must(w, passphrase_read(path, &w->passphrase, why));
	passphrase = SPAN(w->passphrase.at, w->passphrase.len);
	must(w, store_open(dir, STORE_OWN, &w->store, &w->error));
	must(w, member_open(w->store, w->ops, passphrase, &w->member, &w->error));
	must(w, authority_load(w->store, w->ops, w->member, &w->authority, &w->error));
	if (!authority_is_locked(w->authority))
		return;
	must(w, authority_keys_read(w->authority, &keys, &w->error));
	must(w, authority_keys_open(&keys, passphrase));
	must(w, authority_unlock(w->authority, &keys, &w->error));
	authority_keys_done(&keys);
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

	must(w, policy_new(&all, 1, &w->policy));
	config.policy = w->policy;
	memcpy(config.identity.spiffe_id, w->member->is.spiffe_id, SPIFFE_ID_SIZE);
	memcpy(config.trust.domain, w->member->domain, sizeof(config.trust.domain));
	memcpy(config.trust.roots, w->member->mldsa_roots, sizeof(config.trust.roots));
	must(w, node_new(&config, w->now_us, NOW_S * 1000, &w->node));
}

static void grant(struct world *w, const struct node_issue *issue)
{
	uint8_t *answer = malloc(MEMBERSHIP_LEN_MAX);
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	size_t n = node_network_keys(w->node, keys);
	char name[NODE_NAME_MAX + 1];
	enum membership_status status;
	size_t len;

	assert(answer);
	authority_grant(w->authority, issue, w->policy, keys, n, node_revocations(w->node), NOW_S,
			answer, MEMBERSHIP_LEN_MAX, &len, name, &status);
	assert(status == MEMBERSHIP_GRANTED);
	node_issue_answer(w->node, issue->request, SPAN(answer, len), w->now_us);
	bytes_wipe(keys, sizeof(keys));
	heap_free_wiped(answer);
}

/* ---- a machine that joins it, in the same process ---- */

static void carry(struct world *w, struct joiner *j)
{
	while (joiner_state(j) == JOINER_TRYING) {
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
	assert(joiner_state(j) == JOINER_ANSWERED);
}

/* The answer, which holds the network key, waits in the join's session until that ends. */
static void wait_for_end_of_join(struct world *w)
{
	for (unsigned s = 0; s < JOIN_ENDS_S; s++) {
		struct node_action a;

		w->now_us += SECONDS(1);
		node_tick(w->node, w->now_us);
		while (node_next_action(w->node, &a))
			;
	}
}

static void join(struct world *w)
{
	static const struct invite_terms once = { .n_uses = 1, .lifetime_s = 3600 };
	struct joiner_config config = { .ops = w->ops,
					.entropy = kernel_entropy,
					.seed = 2,
					.aead_offer = AEAD_AES_256_GCM,
					.unix_s = NOW_S };
	struct span root = authority_root(w->authority);
	const struct token_entry *tokens;
	struct member_request request;
	struct membership is;
	struct joiner *j;
	struct span answer;
	size_t n;

	must(w, authority_invite(w->authority, &once, NOW_S, &config.join.token, &w->error));
	tokens = authority_tokens(w->authority, &n);
	node_set_tokens(w->node, tokens, n);
	must(w, member_request_new("second", &kernel_entropy, &request));
	config.join.csr_mldsa = SPAN(request.csr_mldsa.at, request.csr_mldsa.len);
	config.join.csr_p256 = SPAN(request.csr_p256.at, request.csr_p256.len);
	config.join.key = request.key;
	memcpy(config.join.domain, w->member->domain, sizeof(config.join.domain));
	w->ops->sha256(&root, 1, config.join.ca);
	memcpy(config.network_key, w->member->is.keys[0].key, NETWORK_KEY_LEN);
	must(w, joiner_new(&config, w->now_us, &j));
	must(w, joiner_add_endpoint(j, &authority_at, w->now_us));
	carry(w, j);
	answer = joiner_answer(j);
	must(w, membership_decode(answer, &is));
	assert(is.status == MEMBERSHIP_GRANTED);
	bytes_wipe(is.keys, sizeof(is.keys));
	joiner_free(j);
	member_request_done(&request);
	bytes_wipe(&config, sizeof(config));
	wait_for_end_of_join(w);
}

/* ---- single operations, with inputs that test_wipe.c knows ---- */

static void use_kem(struct world *w, const char *dir)
{
	CLEANUP(secret_freep) uint8_t *seeds = secret_alloc(96); /* d, z, m */
	uint8_t ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN];
	uint8_t ss[MLKEM768_SS_LEN], again[MLKEM768_SS_LEN];
	char path[256];
	FILE *f;

	path_of(path, dir, "kem-seeds");
	f = fopen(path, "re");
	assert(f && seeds);
	(void)setvbuf(f, NULL, _IONBF, 0);
	assert(fread(seeds, 96, 1, f) == 1);
	(void)fclose(f);
	must(w, w->ops->mlkem768_keygen(seeds, seeds + 32, ek, dk));
	must(w, w->ops->mlkem768_encaps(ek, seeds + 64, ct, ss));
	must(w, w->ops->mlkem768_decaps(dk, ct, again));
	assert(bytes_equal_ct(ss, again, sizeof(ss)));
	ct[7] ^= 1;
	must(w, w->ops->mlkem768_decaps(dk, ct, again));
	bytes_wipe(dk, sizeof(dk));
	bytes_wipe(ss, sizeof(ss));
	bytes_wipe(again, sizeof(again));
}

static void use_signatures(struct world *w)
{
	uint8_t rnd[MLDSA65_RND_LEN] = { 1 };
	uint8_t sig[MLDSA65_SIG_LEN];
	uint8_t pk[MLDSA65_PK_LEN];
	struct buffer csr = { 0 };
	struct span text = SPAN_STR("what is signed");

	for (rnd[0] = 1; rnd[0] < 8; rnd[0]++)
		must(w, w->ops->mldsa65_sign(w->member->key, text, SPAN_STR("wipe"), rnd, sig));
	w->ops->signing_key_public(w->member->key, pk);
	must(w, w->ops->mldsa65_verify(pk, text, SPAN_STR("wipe"), sig));
	must(w, pki_make_csr(w->member->key_p256, "first", &csr));
	buffer_done(&csr);
}

static void use_x25519(struct world *w, const char *dir)
{
	CLEANUP(secret_freep) uint8_t *secret = secret_alloc(X25519_LEN);
	uint8_t public[X25519_LEN], shared[X25519_LEN];
	char path[256];
	FILE *f;

	path_of(path, dir, "x25519-secret");
	f = fopen(path, "re");
	assert(f && secret);
	(void)setvbuf(f, NULL, _IONBF, 0);
	assert(fread(secret, X25519_LEN, 1, f) == 1);
	(void)fclose(f);
	must(w, w->ops->x25519_public(secret, public));
	must(w, w->ops->x25519(secret, public, shared));
	bytes_wipe(shared, sizeof(shared));
}

/* A private key written again, as x0 key passphrase does. */
static void write_keys(struct world *w)
{
	must(w, member_save_key(w->store, STORE_NODE_P256_KEY, w->member->key_p256,
				SPAN(w->passphrase.at, w->passphrase.len), &w->error));
}

static void give_back(struct world *w)
{
	node_free(w->node);
	policy_free(w->policy);
	authority_free(w->authority);
	member_free(w->member);
	store_close(w->store);
	passphrase_done(&w->passphrase);
}

int main(int argc, char **argv)
{
	struct world w = { .now_us = SECONDS(100) };
	const char *error = "";
	uint8_t *left = NULL;

	assert(argc == 3);
	must(&w, secret_open());
	json_set_alloc_funcs(malloc, heap_free_wiped);
	w.ops = openssl_crypto_ops(&error);
	assert(w.ops);
	(void)crypto_openssl_secure_heap();

	load(&w, argv[1]);
	make_node(&w);
	join(&w);
	use_kem(&w, argv[1]);
	use_x25519(&w, argv[1]);
	use_signatures(&w);
	write_keys(&w);
	if (strcmp(argv[2], "leak") == 0) {
		left = malloc(NETWORK_KEY_LEN);
		assert(left);
		memcpy(left, w.member->is.keys[0].key, NETWORK_KEY_LEN);
		__asm__ volatile("" : : "r"(left) : "memory"); /* else nobody would need it */
	}
	(void)raise(SIGSTOP); /* look: held */
	give_back(&w);
	(void)raise(SIGSTOP); /* look: given back */
	free(left);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Founding, inviting, admitting. */
#include "daemon/authority.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "shell/openssl/pki.h"

#define INVITE_LIFETIME_MIN_S 60
#define INVITE_LIFETIME_MAX_S (366 * 86400)
/* Expired tokens are kept a day, so that a late joiner is told why. */
#define TOKENS_SPARE 16 /* there is room for, beside those there are */
#define TOKEN_KEPT_S 86400

struct authority {
	struct store *store;
	const struct crypto_ops *ops;
	const struct member *member;
	bool has_passphrase;
	struct signing_key *key; /* both NULL while it is locked */
	struct signing_key *key_p256;
	struct store_value root;
	struct store_value root_p256;
	size_t n_tokens;
	struct token_entry *tokens; /* n_tokens_room of them: locked memory, so as few as will do */
	size_t n_tokens_room;
	size_t n_issued;
	struct store_issued issued[STORE_ISSUED_MAX];
};

static int say(struct store_error *e, int r, const char *text)
{
	(void)snprintf(e->text, sizeof(e->text), "%s", text);
	return r;
}

/* ---- founding ---- */

struct founding {
	struct signing_key *root_key;
	struct signing_key *root_key_p256;
	struct buffer root;
	struct buffer root_p256;
	struct member_request request;
	struct buffer leaf;
	struct buffer leaf_p256;
	struct membership is;
};

static void founding_done(struct founding *f)
{
	signing_key_free(f->root_key);
	signing_key_free(f->root_key_p256);
	buffer_done(&f->root);
	buffer_done(&f->root_p256);
	member_request_done(&f->request);
	buffer_done(&f->leaf);
	buffer_done(&f->leaf_p256);
	bytes_wipe(f->is.keys, sizeof(f->is.keys));
}

static int make_roots(struct founding *f, const char *domain, int64_t unix_s)
{
	uint8_t seed[32];
	int r;

	entropy_fill(&kernel_entropy, seed, sizeof(seed));
	r = signing_key_from_seed(seed, &f->root_key);
	bytes_wipe(seed, sizeof(seed));
	if (r == 0)
		r = signing_key_new_p256(&f->root_key_p256);
	if (r == 0)
		r = pki_make_root(f->root_key, domain, unix_s, &kernel_entropy, &f->root);
	if (r == 0)
		r = pki_make_root(f->root_key_p256, domain, unix_s, &kernel_entropy, &f->root_p256);
	return r;
}

static int make_first_member(struct founding *f, const char *name, int64_t unix_s)
{
	struct svid_terms terms = { .spiffe_id = f->is.spiffe_id,
				    .name = name,
				    .now_s = unix_s,
				    .lifetime_s = SVID_LIFETIME_S };
	int r = member_request_new(name, &kernel_entropy, &f->request);

	if (r == 0)
		r = pki_issue_svid(f->root_key, SPAN(f->root.at, f->root.len),
				   SPAN(f->request.csr_mldsa.at, f->request.csr_mldsa.len), &terms,
				   &kernel_entropy, &f->leaf);
	if (r == 0)
		r = pki_issue_svid(f->root_key_p256, SPAN(f->root_p256.at, f->root_p256.len),
				   SPAN(f->request.csr_p256.at, f->request.csr_p256.len), &terms,
				   &kernel_entropy, &f->leaf_p256);
	return r;
}

static void fill_membership(struct founding *f)
{
	struct membership *is = &f->is;

	memcpy(is->authority, is->spiffe_id, sizeof(is->authority));
	is->roots[is->n_roots++] = SPAN(f->root.at, f->root.len);
	is->roots[is->n_roots++] = SPAN(f->root_p256.at, f->root_p256.len);
	is->chain[is->n_chain++] = SPAN(f->leaf.at, f->leaf.len);
	is->chain_p256[is->n_chain_p256++] = SPAN(f->leaf_p256.at, f->leaf_p256.len);
	is->n_keys = 1; /* generation 0: handed out with invitations, never spread */
	entropy_fill(&kernel_entropy, is->keys[0].key, NETWORK_KEY_LEN);
}

static int first_issued(struct store *s, const struct crypto_ops *ops, const struct founding *f,
			const char *name, struct store_error *e)
{
	struct store_issued first = { .node_id = node_id_of(ops, f->is.spiffe_id) };
	struct cert leaf;

	if (ops->cert_read(f->is.chain[0], &leaf) < 0)
		return say(e, -EIO, "the certificate just made cannot be read back");
	memcpy(first.name, name, strlen(name) + 1);
	memcpy(first.serial, leaf.serial, SERIAL_LEN);
	first.not_after_s = leaf.not_after_s;
	return store_save_issued(s, &first, 1, e);
}

/* The membership last: what comes before it is nothing until it is there. */
static int write_founding(struct store *s, const struct crypto_ops *ops, const struct founding *f,
			  const char *name, struct span passphrase, struct store_error *e)
{
	int r = member_save_key(s, STORE_AUTHORITY_MLDSA_KEY, f->root_key, passphrase, e);

	if (r == 0)
		r = member_save_key(s, STORE_AUTHORITY_P256_KEY, f->root_key_p256, passphrase, e);
	if (r == 0)
		r = store_write(s, STORE_ROOT_MLDSA, SPAN(f->root.at, f->root.len), e);
	if (r == 0)
		r = store_write(s, STORE_ROOT_P256, SPAN(f->root_p256.at, f->root_p256.len), e);
	if (r == 0)
		r = store_save_tokens(s, NULL, 0, e);
	if (r == 0)
		r = first_issued(s, ops, f, name, e);
	if (r == 0)
		r = member_save(s, &f->is, f->request.key, f->request.key_p256, e);
	return r;
}

int authority_found_locked(struct store *s, const struct crypto_ops *ops, const char *domain,
			   const char *name, struct span passphrase, int64_t unix_s,
			   struct store_error *e)
{
	struct founding f = { 0 };
	int r;

	if (store_has(s, STORE_MEMBERSHIP))
		return say(e, -EEXIST,
			   "this node is already a member of a mesh; leave it first: x0 leave");
	if (!domain_is_valid(domain))
		return say(e, -EINVAL,
			   "this is no trust domain: letters a-z, digits, dots, dashes and "
			   "underscores, at most 128; such as example.mesh");
	if (spiffe_id_format(domain, name, f.is.spiffe_id) < 0 ||
	    node_id_of(ops, f.is.spiffe_id) == 0)
		return say(e, -EINVAL,
			   "this is no name for a node: letters a-z, digits and - . _ inside, at "
			   "most 63; choose one: x0 init --name NAME");
	r = make_roots(&f, domain, unix_s);
	if (r == 0)
		r = make_first_member(&f, name, unix_s);
	if (r < 0) {
		(void)say(e, r, "keys and certificates could not be made");
	} else {
		fill_membership(&f);
		r = write_founding(s, ops, &f, name, passphrase, e);
	}
	founding_done(&f);
	return r;
}

int authority_found(struct store *s, const struct crypto_ops *ops, const char *domain,
		    const char *name, int64_t unix_s, struct store_error *e)
{
	return authority_found_locked(s, ops, domain, name, (struct span){ 0 }, unix_s, e);
}

/* ---- loading ---- */

DEFINE_FREEP(struct authority, authority_free)

void authority_free(struct authority *a)
{
	if (!a)
		return;
	signing_key_free(a->key);
	signing_key_free(a->key_p256);
	store_value_done(&a->root);
	store_value_done(&a->root_p256);
	secret_free(a->tokens);
	free(a);
}

/* ---- the keys ---- */

int authority_keys_read(const struct authority *a, struct authority_keys *ret,
			struct store_error *e)
{
	int r = store_read(a->store, STORE_AUTHORITY_MLDSA_KEY, &ret->file, e);

	return r < 0 ? r : store_read(a->store, STORE_AUTHORITY_P256_KEY, &ret->file_p256, e);
}

int authority_keys_open(struct authority_keys *k, struct span passphrase)
{
	int r = signing_key_open(store_value_span(&k->file), KEY_MLDSA65, passphrase, &k->key);

	return r < 0 ? r
		     : signing_key_open(store_value_span(&k->file_p256), KEY_P256, passphrase,
					&k->key_p256);
}

void authority_keys_done(struct authority_keys *k)
{
	store_value_done(&k->file);
	store_value_done(&k->file_p256);
	signing_key_free(k->key);
	signing_key_free(k->key_p256);
	*k = (struct authority_keys){ 0 };
}

int authority_unlock(struct authority *a, struct authority_keys *k, struct store_error *e)
{
	if (!k->key || !k->key_p256 || !pki_cert_is_for(store_value_span(&a->root), k->key) ||
	    !pki_cert_is_for(store_value_span(&a->root_p256), k->key_p256))
		return say(e, -EKEYREJECTED, "the authority's key is not that of its root");
	if (!a->key) {
		a->key = TAKE(k->key);
		a->key_p256 = TAKE(k->key_p256);
	}
	return 0;
}

int authority_lock(struct authority *a, struct store_error *e)
{
	if (!a->has_passphrase)
		return say(e, -EPERM,
			   "the authority's keys have no passphrase; give them one: x0 down, then "
			   "x0 key passphrase");
	signing_key_free(TAKE(a->key));
	signing_key_free(TAKE(a->key_p256));
	return 0;
}

bool authority_has_passphrase(const struct authority *a)
{
	return a->has_passphrase;
}

bool authority_is_locked(const struct authority *a)
{
	return !a->key;
}

static int load_keys(struct authority *a, struct store_error *e)
{
	struct authority_keys k = { 0 };
	int r = authority_keys_read(a, &k, e);

	if (r == 0) {
		a->has_passphrase = signing_key_is_encrypted(store_value_span(&k.file)) ||
				    signing_key_is_encrypted(store_value_span(&k.file_p256));
		if (!a->has_passphrase && authority_keys_open(&k, (struct span){ 0 }) < 0)
			r = say(e, -EBADMSG,
				"a key of the authority cannot be read; restore it from a backup");
		else if (!a->has_passphrase)
			r = authority_unlock(a, &k, e);
	}
	authority_keys_done(&k);
	return r;
}

/* More or less, TOKENS_MAX at most. */
static int make_tokens_room(struct authority *a, size_t n)
{
	struct token_entry *tokens;

	n = n < TOKENS_MAX ? n : TOKENS_MAX;
	tokens = secret_alloc(n * sizeof(tokens[0]));
	if (!tokens)
		return -ENOMEM;
	if (a->n_tokens > 0)
		memcpy(tokens, a->tokens, a->n_tokens * sizeof(tokens[0]));
	secret_free(a->tokens);
	a->tokens = tokens;
	a->n_tokens_room = n;
	return 0;
}

int authority_load(struct store *s, const struct crypto_ops *ops, const struct member *member,
		   struct authority **ret, struct store_error *e)
{
	CLEANUP(authority_freep) struct authority *a = NULL;
	int r;

	if (!store_has(s, STORE_AUTHORITY_MLDSA_KEY))
		return say(e, -ENOENT, "this node does not hold the domain's authority");
	a = calloc(1, sizeof(*a));
	if (!a)
		return say(e, -ENOMEM, "out of memory");
	a->store = s;
	a->ops = ops;
	a->member = member;
	r = make_tokens_room(a, TOKENS_MAX);
	if (r < 0)
		return say(e, -ENOMEM, "out of memory");
	r = store_read(s, STORE_ROOT_MLDSA, &a->root, e);
	if (r == 0)
		r = store_read(s, STORE_ROOT_P256, &a->root_p256, e);
	if (r == 0)
		r = load_keys(a, e);
	if (r == 0)
		r = store_load_tokens(s, a->tokens, &a->n_tokens, e);
	if (r == 0 && make_tokens_room(a, a->n_tokens + TOKENS_SPARE) < 0)
		r = say(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = store_load_issued(s, a->issued, &a->n_issued, e);
	if (r < 0)
		return r;
	*ret = TAKE(a);
	return 0;
}

void authority_set_member(struct authority *a, const struct member *member)
{
	a->member = member;
}

const struct signing_key *authority_root_key(const struct authority *a)
{
	return a->key;
}

struct span authority_root(const struct authority *a)
{
	return store_value_span(&a->root);
}

const struct token_entry *authority_tokens(const struct authority *a, size_t *ret_n)
{
	*ret_n = a->n_tokens;
	return a->tokens;
}

/* ---- inviting ---- */

static void drop_old_tokens(struct authority *a, int64_t unix_s)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n_tokens; i++)
		if (a->tokens[i].expires_s + TOKEN_KEPT_S > unix_s)
			a->tokens[kept++] = a->tokens[i];
	a->n_tokens = kept;
}

static struct store_issued *find_issued(struct authority *a, const char *name)
{
	for (size_t i = 0; i < a->n_issued; i++)
		if (strcmp(a->issued[i].name, name) == 0)
			return &a->issued[i];
	return NULL;
}

int authority_invite(struct authority *a, const struct invite_terms *terms, int64_t unix_s,
		     struct token *ret, struct store_error *e)
{
	struct token_entry *entry;
	int r;

	if (terms->n_uses < 1 || terms->n_uses > TOKEN_USES_MAX)
		return say(e, -EINVAL, "an invitation is for 1 to 16 uses: --uses N");
	if (terms->lifetime_s < INVITE_LIFETIME_MIN_S || terms->lifetime_s > INVITE_LIFETIME_MAX_S)
		return say(e, -EINVAL,
			   "an invitation lasts from 60 seconds to 366 days: --expires 1h");
	if (terms->name[0] && !node_name_is_valid(terms->name))
		return say(e, -EINVAL, "this is no name for a node: a-z, 0-9 and - . _ inside");
	if (terms->name[0] && terms->n_uses > 1)
		return say(e, -EINVAL, "an invitation for one name has one use");
	if (terms->name[0] && find_issued(a, terms->name))
		return say(
			e, -EEXIST,
			find_issued(a, terms->name)->is_revoked
				? "a node of this name was revoked, and its name goes with it; "
				  "choose another: x0 invite --name NAME"
				: "a node of this name is a member already (x0 node list); choose "
				  "another: x0 invite --name NAME");
	drop_old_tokens(a, unix_s);
	if (a->n_tokens == TOKENS_MAX)
		return say(e, -ENOBUFS,
			   "there are 1,024 invitations already; wait until some have expired");
	if (a->n_tokens == a->n_tokens_room && make_tokens_room(a, 2 * a->n_tokens_room) < 0)
		return say(e, -ENOMEM, "out of memory");
	entry = &a->tokens[a->n_tokens];
	*entry = (struct token_entry){ .n_uses_left = terms->n_uses,
				       .expires_s = unix_s + terms->lifetime_s };
	memcpy(entry->name, terms->name, sizeof(entry->name));
	entropy_fill(&kernel_entropy, ret->id, sizeof(ret->id));
	entropy_fill(&kernel_entropy, ret->secret, sizeof(ret->secret));
	memcpy(entry->id, ret->id, sizeof(entry->id));
	token_join_key(a->ops, ret->secret, entry->join_key);
	r = store_save_tokens(a->store, a->tokens, a->n_tokens + 1, e);
	if (r == 0)
		a->n_tokens++;
	return r;
}

/* ---- admitting ---- */

static struct token_entry *find_token(struct authority *a, const uint8_t id[TOKEN_ID_LEN])
{
	for (size_t i = 0; i < a->n_tokens; i++)
		if (bytes_equal_ct(a->tokens[i].id, id, TOKEN_ID_LEN))
			return &a->tokens[i];
	return NULL;
}

const struct store_issued *authority_issued(const struct authority *a, const char *name)
{
	for (size_t i = 0; i < a->n_issued; i++)
		if (strcmp(a->issued[i].name, name) == 0)
			return &a->issued[i];
	return NULL;
}

const struct store_issued *authority_issued_at(const struct authority *a, size_t i)
{
	return i < a->n_issued ? &a->issued[i] : NULL;
}

static bool node_id_is_taken(const struct authority *a, uint64_t node_id)
{
	for (size_t i = 0; i < a->n_issued; i++)
		if (a->issued[i].node_id == node_id)
			return true;
	return false;
}

struct grant {
	struct authority *a;
	const struct node_issue *issue;
	int64_t unix_s;
	char name[NODE_NAME_MAX + 1];
	char spiffe_id[SPIFFE_ID_SIZE];
	bool is_repeat;
	struct buffer leaf;
	struct buffer leaf_p256;
};

static enum membership_status judge_token(struct grant *g, struct token_entry **ret)
{
	struct token_entry *t = find_token(g->a, g->issue->token_id);

	if (!t)
		return MEMBERSHIP_TOKEN_UNKNOWN;
	*ret = t;
	switch (token_judge(t, g->issue->request_hash, g->unix_s)) {
	case TOKEN_OK:
		return MEMBERSHIP_GRANTED;
	case TOKEN_REPEATED:
		g->is_repeat = true;
		return MEMBERSHIP_GRANTED;
	case TOKEN_EXPIRED:
		return MEMBERSHIP_TOKEN_EXPIRED;
	case TOKEN_USED_UP:
		return MEMBERSHIP_TOKEN_USED_UP;
	case TOKEN_UNKNOWN:
		break;
	}
	return MEMBERSHIP_TOKEN_UNKNOWN;
}

static enum membership_status choose_name(struct grant *g, const struct token_entry *t)
{
	const struct store_issued *i;
	const char *name = t->name;
	struct csr csr;

	if (pki_csr_read(g->issue->csr_mldsa, &csr) < 0)
		return MEMBERSHIP_DENIED;
	if (!name[0])
		name = csr.name;
	if (!node_name_is_valid(name) ||
	    spiffe_id_format(g->a->member->domain, name, g->spiffe_id) < 0)
		return MEMBERSHIP_NAME_INVALID;
	memcpy(g->name, name, strlen(name) + 1);
	i = find_issued(g->a, name);
	if (i && i->is_revoked)
		return MEMBERSHIP_REVOKED; /* also to a repeat: the answer has the network key */
	if (i && g->is_repeat && memcmp(i->request, g->issue->request_hash, SHA256_LEN) == 0)
		return MEMBERSHIP_GRANTED; /* its answer was lost: the same again */
	if (i || node_id_of(g->a->ops, g->spiffe_id) == 0 ||
	    node_id_is_taken(g->a, node_id_of(g->a->ops, g->spiffe_id)))
		return MEMBERSHIP_NAME_TAKEN;
	return MEMBERSHIP_GRANTED;
}

static enum membership_status judge_join(struct grant *g, struct token_entry **ret)
{
	enum membership_status status = judge_token(g, ret);

	return status == MEMBERSHIP_GRANTED ? choose_name(g, *ret) : status;
}

static enum membership_status judge_renewal(struct grant *g)
{
	char domain[DOMAIN_MAX + 1];
	const struct store_issued *i;

	if (spiffe_id_parse(g->issue->spiffe_id, domain, g->name) < 0 ||
	    strcmp(domain, g->a->member->domain) != 0)
		return MEMBERSHIP_NAME_INVALID;
	memcpy(g->spiffe_id, g->issue->spiffe_id, sizeof(g->spiffe_id));
	i = find_issued(g->a, g->name);
	if (i && i->is_revoked)
		return MEMBERSHIP_REVOKED;
	return MEMBERSHIP_GRANTED;
}

static enum membership_status sign(struct grant *g)
{
	struct svid_terms terms = { .spiffe_id = g->spiffe_id,
				    .name = g->name,
				    .now_s = g->unix_s,
				    .lifetime_s = SVID_LIFETIME_S };

	if (pki_issue_svid(g->a->key, store_value_span(&g->a->root), g->issue->csr_mldsa, &terms,
			   &kernel_entropy, &g->leaf) < 0 ||
	    pki_issue_svid(g->a->key_p256, store_value_span(&g->a->root_p256), g->issue->csr_p256,
			   &terms, &kernel_entropy, &g->leaf_p256) < 0)
		return MEMBERSHIP_INTERNAL;
	return MEMBERSHIP_GRANTED;
}

static int keep_use(struct grant *g, struct token_entry *t)
{
	struct token_entry before;
	struct store_error e;
	int r;

	if (!t || g->is_repeat)
		return 0;
	before = *t;
	token_count(t, g->issue->request_hash);
	r = store_save_tokens(g->a->store, g->a->tokens, g->a->n_tokens, &e);
	if (r < 0)
		*t = before; /* or the next try would be a repeat of what was never kept */
	bytes_wipe(&before, sizeof(before));
	return r;
}

static int keep_name(struct grant *g)
{
	struct authority *a = g->a;
	struct store_issued *i = find_issued(a, g->name);
	struct store_error e;
	struct cert leaf;

	if (!i && a->n_issued == STORE_ISSUED_MAX)
		return -ENOBUFS;
	if (a->ops->cert_read(SPAN(g->leaf.at, g->leaf.len), &leaf) < 0)
		return -EIO;
	if (!i) {
		i = &a->issued[a->n_issued++];
		*i = (struct store_issued){ .node_id = node_id_of(a->ops, g->spiffe_id) };
		memcpy(i->name, g->name, sizeof(i->name));
		memcpy(i->request, g->issue->request_hash, sizeof(i->request));
	}
	memcpy(i->serial, leaf.serial, SERIAL_LEN);
	i->not_after_s = leaf.not_after_s;
	return store_save_issued(a->store, a->issued, a->n_issued, &e);
}

/* Both are on the disk before anything is answered. The use first: after a crash between the
 * two, the same request is a repeat, whose name is not taken yet. */
static enum membership_status keep(struct grant *g, struct token_entry *t)
{
	return keep_use(g, t) < 0 || keep_name(g) < 0 ? MEMBERSHIP_INTERNAL : MEMBERSHIP_GRANTED;
}

static void fill_answer(struct grant *g, const struct network_key *keys, size_t n_keys,
			struct span revocations, struct membership *is)
{
	struct authority *a = g->a;

	memcpy(is->spiffe_id, g->spiffe_id, sizeof(is->spiffe_id));
	memcpy(is->authority, a->member->is.spiffe_id, sizeof(is->authority));
	is->roots[is->n_roots++] = store_value_span(&a->root);
	is->roots[is->n_roots++] = store_value_span(&a->root_p256);
	is->chain[is->n_chain++] = SPAN(g->leaf.at, g->leaf.len);
	is->chain_p256[is->n_chain_p256++] = SPAN(g->leaf_p256.at, g->leaf_p256.len);
	for (size_t i = 0; i < n_keys && i < NODE_NETWORK_KEYS_MAX; i++)
		is->keys[is->n_keys++] = keys[i];
	is->revocations = revocations;
}

void authority_grant(struct authority *a, const struct node_issue *issue,
		     const struct policy *policy, const struct network_key *keys, size_t n_keys,
		     struct span revocations, int64_t unix_s, uint8_t *ret, size_t ret_size,
		     size_t *ret_len, char ret_name[NODE_NAME_MAX + 1],
		     enum membership_status *ret_status)
{
	struct grant g = { .a = a, .issue = issue, .unix_s = unix_s };
	struct membership is = { 0 };
	struct token_entry *t = NULL;
	int len;

	is.status = issue->is_join ? judge_join(&g, &t) : judge_renewal(&g);
	if (is.status == MEMBERSHIP_GRANTED &&
	    policy_decide(policy, g.spiffe_id, POLICY_ISSUE, g.spiffe_id, NULL) != POLICY_ALLOW)
		is.status = MEMBERSHIP_DENIED;
	if (is.status == MEMBERSHIP_GRANTED && authority_is_locked(a))
		is.status = MEMBERSHIP_LOCKED; /* and nothing of the token is used up */
	if (is.status == MEMBERSHIP_GRANTED)
		is.status = sign(&g);
	if (is.status == MEMBERSHIP_GRANTED)
		is.status = keep(&g, t);
	if (is.status == MEMBERSHIP_GRANTED)
		fill_answer(&g, keys, n_keys, revocations, &is);
	len = membership_encode(&is, ret, ret_size);
	if (len < 0) {
		is = (struct membership){ .status = MEMBERSHIP_INTERNAL };
		len = membership_encode(&is, ret, ret_size);
	}
	*ret_len = len < 0 ? 0 : (size_t)len;
	*ret_status = is.status;
	memcpy(ret_name, g.name, sizeof(g.name));
	buffer_done(&g.leaf);
	buffer_done(&g.leaf_p256);
	bytes_wipe(is.keys, sizeof(is.keys));
}

int authority_mark_revoked(struct authority *a, const char *name, struct store_error *e)
{
	struct store_issued *i = find_issued(a, name);
	int r;

	if (!i)
		return say(e, -ENOENT,
			   "the authority has admitted no node of this name; see: x0 "
			   "node list");
	if (i->is_revoked)
		return say(e, -EALREADY, "it has been revoked already");
	i->is_revoked = true;
	r = store_save_issued(a->store, a->issued, a->n_issued, e);
	if (r < 0)
		i->is_revoked = false;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs: join and renewal requests at the authority, revocations, network keys
 * (docs/join.md, docs/identity.md). */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/node/node_internal.h"

#define NETWORK_KEY_CONTEXT "x0 network key"
#define NETWORK_KEY_SIGNED_LEN (8 + NETWORK_KEY_LEN)
#define TOKR_LEN SHA256_LEN

/* ---- requests ---- */

static bool keep_request(struct node_session *s, struct span a, struct span b)
{
	uint8_t *bytes = malloc(a.len + b.len ? a.len + b.len : 1);

	if (!bytes)
		return false;
	memcpy(bytes, a.at, a.len);
	memcpy(bytes + a.len, b.at, b.len);
	blob_done(&s->request);
	s->request = (struct blob){ .bytes = bytes, .total = a.len + b.len, .have = a.len };
	return true;
}

static struct node_issue *ask(struct node *n, struct node_session *s)
{
	struct node_action *a = node_act(n, NODE_ISSUE, (struct span){ 0 });

	if (!a)
		return NULL;
	s->issue = n->next_issue++;
	if (n->next_issue == 0)
		n->next_issue = 1;
	a->issue.request = s->issue;
	return &a->issue;
}

void admit_join(struct node *n, struct node_session *s, const struct hs_done *done)
{
	struct node_issue *issue;
	size_t at = 0;

	s->is_join = true;
	s->ends_us = n->now_us + NODE_JOIN_US;
	memcpy(s->t_i, done->t_i, sizeof(s->t_i));
	memcpy(s->join_key, done->join_key, sizeof(s->join_key));
	while (at < NODE_JOINS_MAX && n->joins[at])
		at++;
	if (at == NODE_JOINS_MAX || !keep_request(s, done->csr_mldsa, done->csr_p256)) {
		n->counters.queue_full++;
		session_drop(n, s, NULL);
		return;
	}
	n->joins[at] = s;
	issue = ask(n, s);
	if (!issue)
		return;
	issue->is_join = true;
	memcpy(issue->token_id, done->token_id, TOKEN_ID_LEN);
	memcpy(issue->request_hash, done->request_hash, SHA256_LEN);
}

/* len 2 | CSR (ML-DSA-65) | len 2 | CSR (P-256), of a peer whose session proves its ID. */
void admit_renewal(struct node *n, struct node_session *s, struct span request)
{
	struct reader r = reader_of(request);
	struct span mldsa = read_span(&r, read_u16(&r));
	struct span p256 = read_span(&r, read_u16(&r));
	struct node_issue *issue;

	if (r.overrun || r.left > 0 || !s->peer) {
		n->counters.malformed++;
		return;
	}
	if (!n->is_authority || s->issue || !keep_request(s, mldsa, p256))
		return;
	issue = ask(n, s);
	if (issue)
		memcpy(issue->spiffe_id, s->peer->spiffe_id, sizeof(issue->spiffe_id));
}

static struct node_session *session_of_issue(struct node *n, uint32_t request)
{
	size_t cursor = 0;
	struct peer *p;

	for (size_t i = 0; i < NODE_JOINS_MAX; i++)
		if (n->joins[i] && n->joins[i]->issue == request)
			return n->joins[i];
	while ((p = peer_next(n, &cursor)))
		for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
			if (p->sessions[i] && p->sessions[i]->issue == request)
				return p->sessions[i];
	return NULL;
}

/* The requests themselves, when the action is taken: by then the session that holds them may be
 * gone. False: there is nobody left to answer. */
bool admit_fill(struct node *n, struct node_issue *issue)
{
	const struct node_session *s = session_of_issue(n, issue->request);

	if (!s)
		return false;
	issue->csr_mldsa = SPAN(s->request.bytes, s->request.have);
	issue->csr_p256 =
		SPAN(s->request.bytes + s->request.have, s->request.total - s->request.have);
	return true;
}

void node_issue_answer(struct node *n, uint32_t request, struct span answer, uint64_t now_us)
{
	struct node_session *s = request ? session_of_issue(n, request) : NULL;

	n->now_us = now_us;
	if (!s || answer.len == 0 || answer.len > BLOB_MAX - TOKR_LEN)
		return;
	if (s->is_join) {
		CLEANUP_FREE uint8_t *whole = malloc(TOKR_LEN + answer.len);

		if (!whole)
			return;
		join_accept_mac(n->ops, s->join_key, s->t_i, answer, whole);
		memcpy(whole + TOKR_LEN, answer.at, answer.len);
		(void)control_push_blob(n, s, RECORD_JOIN_ANSWER,
					SPAN(whole, TOKR_LEN + answer.len));
	} else {
		(void)control_push_blob(n, s, RECORD_RENEW_ANSWER, answer);
		s->issue = 0;
		blob_done(&s->request);
	}
	session_pump(n, s);
	node_pump(n);
}

int node_renew(struct node *n, uint64_t authority, struct span csr_mldsa, struct span csr_p256,
	       uint64_t now_us)
{
	struct peer *p = peer_get(n, authority);
	uint8_t request[HS_JOIN_LEN_MAX];
	struct writer w = writer_of(request, sizeof(request));
	int r;

	n->now_us = now_us;
	if (!p || !p->e2e) {
		p = peer_make(n, authority);
		if (p)
			greet_peer(n, p);
		node_pump(n);
		return -ENETUNREACH;
	}
	write_u16(&w, (uint16_t)csr_mldsa.len);
	write_span(&w, csr_mldsa);
	write_u16(&w, (uint16_t)csr_p256.len);
	write_span(&w, csr_p256);
	if (w.overrun)
		return -EMSGSIZE;
	r = control_push_blob(n, p->e2e, RECORD_RENEW_REQUEST, SPAN(request, w.len));
	if (r == 0)
		n->renews_at = authority;
	session_pump(n, p->e2e);
	node_pump(n);
	return r;
}

/* ---- revocation ---- */

static void close_revoked(struct node *n)
{
	size_t cursor = 0;
	struct peer *p;

	while ((p = peer_next(n, &cursor))) {
		if (!p->is_known || !revocation_covers(&n->trust.revoked, p->id, p->serial))
			continue;
		node_event(n, EVENT_PEER_REVOKED, p->id);
		for (unsigned i = 0; i < PEER_SESSIONS_MAX; i++)
			if (p->sessions[i])
				session_drop(n, p->sessions[i], "it has been revoked");
	}
}

static void spread(struct node *n, enum record_type type, struct span bytes)
{
	size_t cursor = 0;
	struct peer *p;

	while ((p = peer_next(n, &cursor)))
		if (!p->direct)
			continue;
		else if (control_push_blob(n, p->direct, type, bytes) < 0)
			session_give_up(n, p->direct); /* the next one begins with this */
		else
			session_pump(n, p->direct);
}

static void store(struct node *n, enum node_store what)
{
	struct node_action *a = node_act(n, NODE_STORE, (struct span){ 0 });

	if (a)
		a->store = what;
}

void revocations_input(struct node *n, struct span bytes)
{
	struct revocation_list list = { 0 };
	uint8_t *copy;

	if (revocation_decode(n->ops, bytes, n->trust.roots, n->trust.n_roots, &list) < 0) {
		n->counters.malformed++;
		return;
	}
	copy = malloc(bytes.len);
	if (list.number <= n->trust.revoked.number || !copy) {
		free(copy);
		revocation_done(&list);
		return;
	}
	memcpy(copy, bytes.at, bytes.len);
	free(n->revocations);
	n->revocations = copy;
	n->revocations_len = bytes.len;
	revocation_done(&n->trust.revoked);
	n->trust.revoked = list;
	handshakes_recheck(n->handshakes);
	authentic_revoked(n);
	close_revoked(n);
	store(n, NODE_STORE_REVOCATIONS);
	spread(n, RECORD_REVOCATION, SPAN(n->revocations, n->revocations_len));
}

bool node_is_revoked(const struct node *n, uint64_t id)
{
	static const uint8_t any_serial[SERIAL_LEN];

	return revocation_covers(&n->trust.revoked, id, any_serial);
}

int node_set_revocations(struct node *n, struct span bytes)
{
	uint64_t before = n->trust.revoked.number;

	revocations_input(n, bytes);
	return n->trust.revoked.number > before ? 0 : -EKEYREJECTED;
}

static int sign_revocations(struct node *n, const struct revocation_list *list)
{
	size_t size = 64 + list->n * (SERIAL_LEN + 8) + MLDSA65_SIG_LEN;
	CLEANUP_FREE uint8_t *bytes = malloc(size);
	uint8_t rnd[MLDSA65_RND_LEN];
	int len;

	if (!bytes)
		return -ENOMEM;
	len = revocation_encode(list, bytes, size - MLDSA65_SIG_LEN);
	if (len < 0)
		return len;
	entropy_fill(&n->entropy, rnd, sizeof(rnd));
	if (n->ops->mldsa65_sign(n->root_key, SPAN(bytes, (size_t)len),
				 SPAN_STR(REVOCATION_CONTEXT), rnd, bytes + len) < 0)
		return -EIO;
	revocations_input(n, SPAN(bytes, (size_t)len + MLDSA65_SIG_LEN));
	return 0;
}

int node_revoke(struct node *n, uint64_t node_id, const uint8_t serial[SERIAL_LEN], uint64_t now_us)
{
	const struct revocation_list *old = &n->trust.revoked;
	struct revocation_list list = { .number = old->number + 1 };
	struct revoked entry = { .node_id = node_id };
	int r = 0;

	n->now_us = now_us;
	if (!n->root_key)
		return -EPERM;
	if (node_id == n->self)
		return -EINVAL;
	memcpy(entry.serial, serial, SERIAL_LEN);
	for (size_t i = 0; r == 0 && i < old->n; i++)
		r = revocation_add(&list, &old->entries[i]);
	if (r == 0)
		r = revocation_add(&list, &entry);
	if (r == 0)
		r = sign_revocations(n, &list);
	revocation_done(&list);
	if (r < 0)
		return r == -EEXIST ? -EALREADY : r;
	return node_rotate_network_key(n, false, now_us);
}

/* ---- network keys ---- */

void node_tell_network_keys(struct node *n)
{
	uint8_t keys[NODE_NETWORK_KEYS_MAX][NETWORK_KEY_LEN];

	for (size_t i = 0; i < n->n_keys; i++)
		memcpy(keys[i], n->keys[i].key, NETWORK_KEY_LEN);
	handshakes_set_network_keys(n->handshakes, (const uint8_t(*)[NETWORK_KEY_LEN])keys,
				    n->n_keys);
	bytes_wipe(keys, sizeof(keys));
}

/* The top bit of the generation says that earlier keys end at once (after a revocation). */
#define GENERATION_ENDS_OLD (UINT64_C(1) << 63)

static void take_network_key(struct node *n, const struct network_key *key)
{
	bool keeps_old = !(key->generation & GENERATION_ENDS_OLD);

	n->n_keys = keeps_old ? 2 : 1;
	n->sessions_version++;
	n->old_key_until_us = n->now_us + OLD_NETWORK_KEY_US;
	n->keys[1] = n->keys[0];
	n->keys[0] = *key;
	if (!keeps_old)
		bytes_wipe(&n->keys[1], sizeof(n->keys[1]));
	node_tell_network_keys(n);
	node_event(n, EVENT_NETWORK_KEY, n->self)->sequence =
		(uint32_t)(key->generation & ~GENERATION_ENDS_OLD);
	store(n, NODE_STORE_NETWORK_KEYS);
}

void network_keys_tick(struct node *n)
{
	if (n->n_keys < 2 || n->now_us < n->old_key_until_us)
		return;
	n->n_keys = 1;
	n->sessions_version++;
	bytes_wipe(&n->keys[1], sizeof(n->keys[1]));
	node_tell_network_keys(n);
	store(n, NODE_STORE_NETWORK_KEYS);
}

static bool is_signed_by_root(struct node *n, struct span text, const uint8_t *signature)
{
	struct cert root;

	for (size_t i = 0; i < n->trust.n_roots; i++)
		if (n->ops->cert_read(n->trust.roots[i], &root) == 0 && root.is_mldsa65 &&
		    n->ops->mldsa65_verify(root.pk, text, SPAN_STR(NETWORK_KEY_CONTEXT),
					   signature) == 0)
			return true;
	return false;
}

static uint64_t generation_number(const struct network_key *key)
{
	return key->generation & ~GENERATION_ENDS_OLD;
}

void network_key_input(struct node *n, struct span bytes)
{
	struct network_key key;

	if (bytes.len != NETWORK_KEY_SIGNED_LEN + MLDSA65_SIG_LEN) {
		n->counters.malformed++;
		return;
	}
	key.generation = load_u64(bytes.at);
	memcpy(key.key, bytes.at + 8, NETWORK_KEY_LEN);
	memcpy(key.signature, bytes.at + NETWORK_KEY_SIGNED_LEN, MLDSA65_SIG_LEN);
	if (generation_number(&key) > generation_number(&n->keys[0])) {
		if (is_signed_by_root(n, SPAN(bytes.at, NETWORK_KEY_SIGNED_LEN), key.signature)) {
			take_network_key(n, &key);
			spread(n, RECORD_NETWORK_KEY, bytes);
		} else {
			n->counters.forged++;
		}
	}
	bytes_wipe(&key, sizeof(key));
}

int node_rotate_network_key(struct node *n, bool keep_old, uint64_t now_us)
{
	uint8_t bytes[NETWORK_KEY_SIGNED_LEN + MLDSA65_SIG_LEN];
	uint8_t rnd[MLDSA65_RND_LEN];
	uint64_t generation = generation_number(&n->keys[0]) + 1;
	int r;

	n->now_us = now_us;
	if (!n->root_key)
		return -EPERM;
	store_u64(bytes, generation | (keep_old ? 0 : GENERATION_ENDS_OLD));
	entropy_fill(&n->entropy, bytes + 8, NETWORK_KEY_LEN);
	entropy_fill(&n->entropy, rnd, sizeof(rnd));
	r = n->ops->mldsa65_sign(n->root_key, SPAN(bytes, NETWORK_KEY_SIGNED_LEN),
				 SPAN_STR(NETWORK_KEY_CONTEXT), rnd,
				 bytes + NETWORK_KEY_SIGNED_LEN);
	if (r == 0)
		network_key_input(n, SPAN_OF(bytes));
	bytes_wipe(bytes, sizeof(bytes));
	node_pump(n);
	return r < 0 ? -EIO : 0;
}

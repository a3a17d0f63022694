/* SPDX-License-Identifier: Apache-2.0 */
/* The initiator: M1, cookie replies, M2, M3. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/handshake/internal.h"

static bool holds_chain_of(struct handshakes *h, const struct handshake *hs)
{
	const struct hs_expect *e = &hs->attempt->expect;
	const struct cached_chain *c;
	uint64_t id = e->node_id;

	if (hs->is_join || hs->attempt->without_hash)
		return false;
	if (id == 0 && e->spiffe_id[0])
		id = node_id_of(h->ops, e->spiffe_id);
	c = chain_by_node(h, id);
	return c && h->judge->recheck(h->judge_arg, &c->peer) == IDENTITY_OK;
}

static int write_m1(struct handshakes *h, struct handshake *hs, uint8_t ret[M1_LEN])
{
	struct attempt *at = hs->attempt;
	uint8_t prologue[PROLOGUE_MAX];
	size_t n = prologue_encode(hs->path.is_mesh, h->identity.node_id, hs->path.node_id,
				   hs->local_index, prologue);
	struct params params = {
		.version = HS_VERSION,
		.suite = HS_SUITE,
		.aead = at->aead_offer,
	};
	struct m1_seeds seeds;
	int r;

	at->offered_hash = holds_chain_of(h, hs);
	if (hs->is_join)
		params.flags |= PARAMS_FLAG_JOIN;
	if (at->offered_hash)
		params.flags |= PARAMS_FLAG_HOLDS_CHAIN;
	entropy_fill(&h->entropy, (uint8_t *)&seeds, sizeof(seeds));
	r = m1_write(h->ops, &hs->nk, SPAN(prologue, n), &seeds, &params, &hs->x, &at->ephemeral,
		     ret);
	bytes_wipe(&seeds, sizeof(seeds));
	return r;
}

int initiator_begin(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	uint8_t m1[M1_LEN];
	int r;

	hs->is_initiator = true;
	hs->state = I_COOKIE;
	hs->in_type = WIRE_M2;
	hs->end_us = now_us + ATTEMPT_US;
	hs->nk = h->nk[0];
	if (warm_get(h, &hs->key, now_us, hs->cookie)) {
		hs->cookie_epoch = COOKIE_EPOCH_WARM;
		handshake_to(hs, I_M1);
	}
	r = write_m1(h, hs, m1);
	if (r < 0)
		return r;
	r = send_message(h, hs, WIRE_M1, SPAN_OF(m1), now_us);
	/* the peer may not be up yet */
	hs->resend_us = now_us + FIRST_RETRY_MIN_US + rng_below(&h->rng, FIRST_RETRY_SPREAD_US);
	return r;
}

void initiator_restart(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	struct attempt *at = hs->attempt;
	struct handshake *fresh;

	if (at->n_restarts++ >= RESTARTS_MAX) {
		report_failure(h, hs, HS_FAIL_NO_COMPLETION, IDENTITY_OK);
		handshake_free(h, hs);
		return;
	}
	fresh = handshake_new(h, &hs->path, now_us);
	if (!fresh) {
		report_failure(h, hs, HS_FAIL_NO_COMPLETION, IDENTITY_OK);
		handshake_free(h, hs);
		return;
	}
	fresh->is_join = hs->is_join;
	fresh->attempt = TAKE(hs->attempt);
	handshake_free(h, hs);
	at->without_hash = true;
	at->n_mac1 = at->n_cookies = 0;
	at->hold_us = at->crossing_us = 0;
	at->has_failure = false;
	bytes_wipe(&at->ephemeral, sizeof(at->ephemeral));
	if (initiator_begin(h, fresh, now_us) < 0) {
		report_failure(h, fresh, HS_FAIL_NO_COMPLETION, IDENTITY_OK);
		handshake_free(h, fresh);
	}
}

/* ---- cookie replies ---- */

static bool answers_us(struct handshakes *h, struct handshake *hs, const struct wire_cookie *reply,
		       uint8_t ret[COOKIE_LEN])
{
	const struct attempt *at = hs->attempt;
	unsigned n = at->n_mac1 < MAC1_MEMORY ? at->n_mac1 : MAC1_MEMORY;

	for (unsigned i = 0; i < n; i++) {
		bool is_same = i > 0 && memcmp(at->mac1[i], at->mac1[i - 1], WIRE_MAC_LEN) == 0;

		if (!is_same && cookie_reply_open(h->ops, &hs->nk, reply, at->mac1[i], ret) == 0)
			return true;
	}
	return false;
}

void initiator_cookie(struct handshakes *h, const struct hs_path *path, struct span datagram,
		      uint64_t now_us)
{
	struct wire_cookie reply;
	struct path_key key;
	uint8_t cookie[COOKIE_LEN];
	struct handshake *hs;

	if (wire_cookie_decode(datagram, &reply) < 0 || reply.epoch == 0 ||
	    reply.epoch == COOKIE_EPOCH_WARM)
		return;
	hs = map_get(h->by_index, &reply.receiver_index);
	path_key_of(path, &key);
	if (!hs || !hs->is_initiator || hs->state == I_M3 ||
	    memcmp(&hs->key, &key, sizeof(key)) != 0 ||
	    hs->attempt->n_cookies >= COOKIES_FOLLOWED_MAX || !answers_us(h, hs, &reply, cookie))
		return;
	hs->attempt->was_heard = true;
	if (reply.epoch == hs->cookie_epoch && memcmp(cookie, hs->cookie, COOKIE_LEN) == 0)
		return; /* the answer to a repetition: followed already */
	hs->attempt->n_cookies++;
	memcpy(hs->cookie, cookie, COOKIE_LEN);
	hs->cookie_epoch = reply.epoch;
	if (hs->state == I_COOKIE)
		handshake_to(hs, I_M1);
	measure_rtt(hs, now_us);
	outgoing_start_over(&hs->out);
	hs->sent_us = hs->rtt_us ? NEVER_US : now_us;
	resend_restart(h, hs, now_us);
	send_flight(h, hs, now_us);
}

/* ---- M2 ---- */

static bool params_are_allowed(const struct attempt *at, const struct params *p)
{
	return p->version == HS_VERSION && p->suite == HS_SUITE &&
	       (p->aead == AEAD_AES_256_GCM || p->aead == AEAD_CHACHA20_POLY1305) &&
	       (p->aead & at->aead_offer) && p->lanes >= 1 && p->lanes <= HS_LANES_MAX &&
	       p->flags == 0 && p->reserved == 0;
}

static bool is_expected(const struct handshake *hs, const struct peer_identity *peer)
{
	const struct hs_expect *e = &hs->attempt->expect;

	if (hs->is_join)
		return true;
	if (e->spiffe_id[0] && strcmp(e->spiffe_id, peer->spiffe_id) != 0)
		return false;
	if (e->node_id && e->node_id != peer->node_id)
		return false;
	return !hs->path.is_mesh || hs->path.node_id == peer->node_id;
}

static void blame(struct attempt *at, enum hs_failure failure, enum identity_fault fault)
{
	at->has_failure = true;
	at->failure = failure;
	at->fault = fault;
}

/* What was read and checked of M2; the exchange is a copy until all of it is. */
struct m2 {
	struct exchange x;
	struct payload payload;
	struct verified verified;
};

static int check_m2(struct handshakes *h, struct handshake *hs, uint8_t *plaintext, uint64_t now_us,
		    struct m2 *m)
{
	struct attempt *at = hs->attempt;
	struct span rest;
	int r;

	if (hs->in.len <= M2_EXCHANGE_LEN)
		return -EBADMSG;
	rest = SPAN(hs->in.bytes + M2_EXCHANGE_LEN, hs->in.len - M2_EXCHANGE_LEN);
	m->x = hs->x;
	r = m2_exchange_read(h->ops, &m->x, &at->ephemeral, hs->remote_index, hs->in.bytes);
	if (r == 0)
		r = auth_open(h->ops, &m->x, rest, true, plaintext, &m->payload);
	if (r < 0)
		return r;
	if (!params_are_allowed(at, &m->payload.params) ||
	    (m->payload.field == CHAIN_FIELD_IS_HASH && !at->offered_hash))
		return -EPROTO;
	r = verify_credential(h, &m->payload, hs->is_join ? &at->join : NULL, now_us, &m->verified);
	if (r == -EKEYREJECTED && !m->verified.is_unknown_hash)
		blame(at, HS_FAIL_IDENTITY, m->verified.fault);
	if (r < 0)
		return r;
	r = m2_auth_check(h->ops, &m->x, &m->payload, m->verified.hash, m->verified.peer.pk);
	if (r < 0)
		return r;
	if (!is_expected(hs, &m->verified.peer)) {
		blame(at, HS_FAIL_UNEXPECTED, IDENTITY_OK);
		return -EKEYREJECTED;
	}
	if (!h->judge->accept(h->judge_arg, &m->verified.peer)) {
		blame(at, HS_FAIL_POLICY, IDENTITY_OK);
		return -EKEYREJECTED;
	}
	return 0;
}

/* ---- M3 ---- */

static int join_credential(struct handshakes *h, const struct hs_join *join,
			   uint8_t buffer[CHAIN_FIELD_ROOM], uint8_t ret_join_key[SHA256_LEN],
			   struct credential *ret)
{
	const struct join_block block = { .token_id = join->token.id,
					  .csr_mldsa = join->csr_mldsa,
					  .csr_p256 = join->csr_p256 };
	int len = join_block_encode(&block, buffer, CHAIN_FIELD_ROOM);

	if (len < 0)
		return len;
	token_join_key(h->ops, join->token.secret, ret_join_key);
	*ret = (struct credential){ .field = CHAIN_FIELD_IS_JOIN,
				    .bytes = SPAN(buffer, (size_t)len),
				    .join_key = ret_join_key };
	h->ops->sha256(&ret->bytes, 1, ret->hash);
	return 0;
}

static int send_m3(struct handshakes *h, struct handshake *hs, struct m2 *m, struct hs_done *done,
		   uint64_t now_us)
{
	const struct attempt *at = hs->attempt;
	struct params params = m->payload.params;
	bool by_hash = !hs->is_join && !at->without_hash &&
		       chain_is_taken(h, m->verified.peer.node_id, params.boot_epoch);
	CLEANUP_FREE uint8_t *buffer = malloc(CHAIN_FIELD_ROOM);
	CLEANUP_FREE uint8_t *message = malloc(WIRE_HS_MESSAGE_MAX);
	uint8_t join_key[SHA256_LEN] = { 0 };
	uint8_t rnd[MLDSA65_RND_LEN];
	struct credential credential;
	int r;

	if (!buffer || !message)
		return -ENOMEM;
	params.lanes = h->lanes;
	params.boot_epoch = hs->is_join ? 0 : h->identity.boot_epoch;
	r = hs->is_join ? join_credential(h, &at->join, buffer, join_key, &credential)
			: own_credential(h, false, by_hash, buffer, &credential);
	if (r < 0)
		return r;
	entropy_fill(&h->entropy, rnd, sizeof(rnd));
	hs->sent_hash = by_hash;
	r = m3_write(h->ops, &m->x, &params, &credential,
		     hs->is_join ? at->join.key : h->identity.key, rnd, message,
		     WIRE_HS_MESSAGE_MAX);
	bytes_wipe(rnd, sizeof(rnd));
	if (r > 0)
		session_root(h->ops, &m->x, done->root);
	if (r > 0 && hs->is_join) {
		memcpy(done->join_key, join_key, SHA256_LEN);
		memcpy(done->token_id, at->join.token.id, TOKEN_ID_LEN);
		memcpy(done->request_hash, credential.hash, SHA256_LEN);
	}
	bytes_wipe(join_key, sizeof(join_key));
	if (r < 0)
		return r;
	memcpy(done->t_i, m->x.t_i, SHA256_LEN);
	handshake_to(hs, I_M3);
	return send_message(h, hs, WIRE_M3, SPAN(message, (size_t)r), now_us);
}

static void complete(struct handshakes *h, struct handshake *hs, struct m2 *m, struct hs_done *done,
		     uint64_t now_us)
{
	const struct params *p = &m->payload.params;
	struct action *a = action_new(h, HS_DONE, &hs->path, 0);

	done->id = hs->attempt->id;
	done->is_initiator = true;
	done->is_join = hs->is_join;
	done->peer = m->verified.peer;
	done->aead = p->aead == AEAD_AES_256_GCM ? AEAD_AES_256_GCM : AEAD_CHACHA20_POLY1305;
	done->lanes_local = h->lanes;
	done->lanes_peer = p->lanes;
	done->local_index = hs->local_index;
	done->remote_index = hs->remote_index;
	done->peer_boot_epoch = p->boot_epoch;
	memcpy(done->e_initiator, hs->x.e_initiator, X25519_LEN);
	hs->peer_id = done->peer.node_id;
	hs->peer_boot_epoch = p->boot_epoch;
	warm_put(h, &hs->key, m->payload.warm, now_us);
	if (!hs->is_join)
		chain_put(h, &m->verified.peer, m->verified.encoded, m->verified.hash,
			  m->verified.verified_us);
	h->counters.completed++;
	if (a)
		a->done = done;
	else
		free(done);
}

static void accept_m2(struct handshakes *h, struct handshake *hs, struct m2 *m, uint64_t now_us)
{
	struct hs_done *done = calloc(1, sizeof(*done));
	int r = done ? send_m3(h, hs, m, done, now_us) : -ENOMEM;

	if (r < 0) { /* nothing may be sealed twice: this handshake is over */
		if (done)
			bytes_wipe(done, sizeof(*done));
		free(done);
		report_failure(h, hs, HS_FAIL_NO_COMPLETION, IDENTITY_OK);
		handshake_free(h, hs);
		return;
	}
	complete(h, hs, m, done, now_us);
	hs->end_us = now_us + ATTEMPT_US;
	hs->ack_us = NEVER_US;
	bytes_wipe(&hs->x.s, sizeof(hs->x.s)); /* e_initiator stays, to know it again */
	bytes_wipe(&hs->attempt->ephemeral, sizeof(hs->attempt->ephemeral));
}

void initiator_m2(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		  uint64_t now_us)
{
	CLEANUP_FREE uint8_t *plaintext = NULL;
	struct m2 *m;
	size_t len;
	int r;

	if (hs->state != I_M1 || w->sender_index == 0)
		return;
	hs->attempt->was_heard = true;
	if (hs->in.bytes && w->sender_index != hs->remote_index) {
		if (now_us < hs->in.new_us + INCOMING_STALE_US) {
			h->counters.fragments_dropped++;
			return;
		}
		incoming_done(&hs->in); /* the responder has started anew */
	}
	hs->remote_index = w->sender_index;
	measure_rtt(hs, now_us);
	if (!take_fragment(h, hs, w, now_us))
		return;
	len = hs->in.len;
	plaintext = malloc(len);
	m = calloc(1, sizeof(*m));
	r = plaintext && m ? check_m2(h, hs, plaintext, now_us, m) : -ENOMEM;
	if (r == 0) {
		accept_m2(h, hs, m, now_us);
		incoming_done(&hs->in);
	} else if (m && m->verified.is_unknown_hash) {
		send_ack(h, hs, WIRE_M2, ACK_RESULT_UNKNOWN_HASH, 0);
		initiator_restart(h, hs, now_us);
	} else {
		handshake_bad_message(h, hs, now_us);
	}
	if (plaintext)
		bytes_wipe(plaintext, len);
	if (m)
		bytes_wipe(m, sizeof(*m));
	free(m);
}

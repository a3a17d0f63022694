/* SPDX-License-Identifier: Apache-2.0 */
/* The responder: M1 after a cookie, M2, M3. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/handshake/internal.h"

static const struct network_keys *network_keys_of(const struct handshakes *h, struct span datagram)
{
	for (size_t i = 0; i < h->n_nk; i++)
		if (mac1_is_good(h->nk[i].kmac, datagram))
			return &h->nk[i];
	return NULL;
}

/* Only a whole first fragment is answered, so that the answer is far smaller than it. */
static void reply_with_cookie(struct handshakes *h, const struct hs_path *path,
			      const struct network_keys *nk, const struct wire_handshake *w,
			      uint64_t now_us)
{
	uint8_t prefix[SOURCE_PREFIX_MAX], source[SOURCE_MAX];
	uint8_t cookie[COOKIE_LEN], nonce[16];
	struct action *a;
	uint8_t epoch;

	if (w->offset != 0 || w->body.len != path_body_size(path) || h->n_sends >= ACTIONS_MAX ||
	    !cookie_reply_allowed(&h->jar, SPAN(prefix, path_prefix(path, prefix)), now_us))
		return;
	epoch = cookie_now(&h->jar, h->ops, SPAN(source, path_source(path, source)), cookie);
	entropy_fill(&h->entropy, nonce, sizeof(nonce));
	a = action_new(h, HS_SEND, path, WIRE_COOKIE_REPLY_LEN);
	if (!a)
		return;
	h->n_sends++;
	h->counters.cookies_sent++;
	if (cookie_reply_write(h->ops, nk, epoch, w->sender_index, nonce, w->mac1, cookie,
			       a->datagram) < 0)
		a->len = 0;
}

/* ---- M1 ---- */

static uint8_t chosen_aead(const struct handshakes *h, uint8_t offer)
{
	uint8_t common = h->aead_offer & offer;

	if (common & AEAD_AES_256_GCM)
		return AEAD_AES_256_GCM;
	return common & AEAD_CHACHA20_POLY1305;
}

/* Of two crossing M1 the one with the lower eI is answered, the other again after a second. */
static bool gives_way(struct handshakes *h, const struct handshake *hs, const uint8_t *e_theirs,
		      uint64_t now_us)
{
	struct handshake *ours = attempt_on_path(h, &hs->key);
	struct attempt *at = ours ? ours->attempt : NULL;

	if (!ours || ours->is_join)
		return true;
	if (memcmp(e_theirs, ours->x.e_initiator, X25519_LEN) < 0) {
		if (at->hold_us == 0) {
			at->hold_us = now_us + CROSSING_HOLD_US;
			ours->resend_us = at->hold_us;
			h->deadline_is_known = false;
		}
		return true;
	}
	if (at->crossing_us == 0)
		at->crossing_us = now_us;
	return now_us >= at->crossing_us + CROSSING_HOLD_US;
}

static int write_m2(struct handshakes *h, struct handshake *hs, struct exchange *x,
		    const uint8_t ek[MLKEM768_EK_LEN], const struct params *offer, uint8_t *ret,
		    uint8_t *buffer)
{
	bool by_hash = !hs->is_join && (offer->flags & PARAMS_FLAG_HOLDS_CHAIN);
	const struct params params = {
		.version = HS_VERSION,
		.suite = HS_SUITE,
		.aead = (uint8_t)hs->aead,
		.lanes = h->lanes,
		.boot_epoch = h->identity.boot_epoch,
	};
	uint8_t source[SOURCE_MAX], warm[WARM_LEN];
	struct credential credential;
	struct m2_seeds seeds;
	int r = own_credential(h, hs->is_join, by_hash, buffer, &credential);

	if (r < 0)
		return r;
	hs->sent_hash = by_hash;
	cookie_warm_now(&h->jar, h->ops, SPAN(source, path_source(&hs->path, source)), warm);
	entropy_fill(&h->entropy, (uint8_t *)&seeds, sizeof(seeds));
	r = m2_exchange_write(h->ops, x, hs->local_index, ek, &seeds, ret);
	if (r == 0)
		r = m2_auth_write(h->ops, x, &params, warm, &credential, h->identity.key, seeds.rnd,
				  ret + M2_EXCHANGE_LEN, WIRE_HS_MESSAGE_MAX - M2_EXCHANGE_LEN);
	bytes_wipe(&seeds, sizeof(seeds));
	return r < 0 ? r : r + M2_EXCHANGE_LEN;
}

/* M1 opened: -EAGAIN when it is to be forgotten without a trace, other errors count. */
static int judge_m1(struct handshakes *h, struct handshake *hs, struct exchange *x,
		    uint8_t ek[MLKEM768_EK_LEN], struct params *offer, uint64_t now_us)
{
	uint8_t prologue[PROLOGUE_MAX];
	size_t n = prologue_encode(hs->path.is_mesh, hs->path.node_id, h->identity.node_id,
				   hs->remote_index, prologue);
	int r = m1_read(h->ops, &hs->nk, SPAN(prologue, n), SPAN(hs->in.bytes, hs->in.len), x, ek,
			offer);

	if (r < 0)
		return r;
	if (offer->version < HS_VERSION || offer->suite != HS_SUITE)
		return -EPROTO;
	hs->aead = chosen_aead(h, offer->aead);
	hs->is_join = offer->flags & PARAMS_FLAG_JOIN;
	if (!hs->aead || (hs->is_join && (!h->accept_joins || hs->path.is_mesh)))
		return -EPROTO;
	if (replay_seen(h, x->e_initiator)) {
		h->counters.replayed++;
		return -EAGAIN;
	}
	if (e_initiator_is_ours(h, x->e_initiator) || !gives_way(h, hs, x->e_initiator, now_us))
		return -EAGAIN;
	return 0;
}

static void answer_m1(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	CLEANUP_FREE uint8_t *message = malloc(WIRE_HS_MESSAGE_MAX);
	CLEANUP_FREE uint8_t *buffer = malloc(CHAIN_FIELD_ROOM);
	uint8_t ek[MLKEM768_EK_LEN];
	struct exchange x;
	struct params offer;
	int r = message && buffer ? judge_m1(h, hs, &x, ek, &offer, now_us) : -ENOMEM;

	if (r < 0 && r != -EAGAIN) {
		handshake_bad_message(h, hs, now_us);
		bytes_wipe(&x, sizeof(x));
		return;
	}
	if (r == 0)
		r = replay_remember(h, x.e_initiator, cookie_expiry_us(&h->jar, hs->cookie_epoch));
	if (r == 0)
		r = write_m2(h, hs, &x, ek, &offer, message, buffer);
	if (r < 0) {
		/* A second M2 would seal under keys that may have been used: silence. */
		handshake_free(h, hs);
		bytes_wipe(&x, sizeof(x));
		return;
	}
	hs->x = x;
	bytes_wipe(&x, sizeof(x));
	incoming_done(&hs->in);
	hs->in_type = WIRE_M3;
	hs->ack_us = NEVER_US;
	hs->n_failures = 0;
	handshake_to(hs, R_M2);
	if (send_message(h, hs, WIRE_M2, SPAN(message, (size_t)r), now_us) < 0)
		handshake_free(h, hs);
}

static struct handshake *admit(struct handshakes *h, const struct hs_path *path,
			       const struct network_keys *nk, const struct wire_handshake *w,
			       struct span datagram, uint64_t now_us)
{
	uint8_t source[SOURCE_MAX], cookie[COOKIE_LEN];
	size_t n = path_source(path, source);
	struct handshake *hs;
	struct path_key key;

	path_key_of(path, &key);
	hs = handshake_by_source(h, &key, w->sender_index);
	if (hs && memcmp(&hs->nk, nk, sizeof(*nk)) != 0)
		return NULL;
	if (hs && w->cookie_epoch == hs->cookie_epoch && mac2_is_good(hs->cookie, datagram))
		return hs; /* its secret may have changed since */
	if (!cookie_check(&h->jar, h->ops, w->cookie_epoch, SPAN(source, n), datagram, cookie)) {
		h->counters.bad_mac2++;
		reply_with_cookie(h, path, nk, w, now_us);
		return NULL;
	}
	if (!hs && w->cookie_epoch == COOKIE_EPOCH_WARM &&
	    half_open_warm(h, path) >= HS_WARM_HALF_OPEN_MAX) {
		reply_with_cookie(h, path, nk, w, now_us);
		return NULL;
	}
	if (!hs)
		hs = half_open_new(h, path, w->sender_index, now_us);
	if (!hs)
		return NULL;
	hs->nk = *nk;
	memcpy(hs->cookie, cookie, COOKIE_LEN);
	hs->cookie_epoch = w->cookie_epoch;
	if (hs->state == R_M2) /* M1 may now be replayed for as long as this cookie is good */
		(void)replay_remember(h, hs->x.e_initiator,
				      cookie_expiry_us(&h->jar, hs->cookie_epoch));
	return hs;
}

void responder_m1(struct handshakes *h, const struct hs_path *path, const struct wire_handshake *w,
		  struct span datagram, uint64_t now_us)
{
	const struct network_keys *nk = network_keys_of(h, datagram);
	struct handshake *hs;

	if (!nk) {
		h->counters.bad_mac1++;
		return;
	}
	if (!h->has_identity || w->message_len != M1_LEN || w->receiver_index != 0 ||
	    w->sender_index == 0 || (path->is_mesh && path->node_id == h->identity.node_id))
		return;
	hs = admit(h, path, nk, w, datagram, now_us);
	if (!hs)
		return;
	if (hs->state == R_M2) { /* the same M1 again: M2 again, within its limits */
		h->counters.replayed++;
		if (!hs->in.bytes)
			send_flight(h, hs, now_us);
	}
	if (hs->state == R_M1 && take_fragment(h, hs, w, now_us))
		answer_m1(h, hs, now_us);
}

/* ---- M3 ---- */

struct m3 {
	struct exchange x;
	struct payload payload;
	struct verified verified;
	struct join_block block;
	uint8_t join_key[SHA256_LEN];
};

static bool params_are_allowed(const struct handshake *hs, const struct params *p)
{
	return p->version == HS_VERSION && p->suite == HS_SUITE && p->aead == (uint8_t)hs->aead &&
	       p->lanes >= 1 && p->lanes <= HS_LANES_MAX && p->flags == 0 && p->reserved == 0;
}

static int check_join(struct handshakes *h, struct m3 *m)
{
	uint8_t *pk = m->verified.peer.pk;
	int r = join_block_decode(m->payload.bytes, &m->block);

	if (r < 0)
		return r;
	h->ops->sha256(&m->payload.bytes, 1, m->verified.hash);
	if (!h->judge->token(h->judge_arg, m->block.token_id, m->join_key))
		return -EKEYREJECTED;
	r = h->judge->csr_key(h->judge_arg, m->block.csr_mldsa, pk);
	if (r < 0)
		return r;
	return m3_auth_check(h->ops, &m->x, &m->payload, m->verified.hash, pk, m->join_key);
}

static int check_member(struct handshakes *h, struct handshake *hs, uint64_t now_us, struct m3 *m)
{
	const struct peer_identity *peer = &m->verified.peer;
	int r = verify_credential(h, &m->payload, NULL, now_us, &m->verified);

	if (r < 0)
		return r;
	r = m3_auth_check(h->ops, &m->x, &m->payload, m->verified.hash, peer->pk, NULL);
	if (r < 0)
		return r;
	if (hs->path.is_mesh && hs->path.node_id != peer->node_id)
		return -EKEYREJECTED;
	return h->judge->accept(h->judge_arg, peer) ? 0 : -EKEYREJECTED;
}

static int check_m3(struct handshakes *h, struct handshake *hs, uint8_t *plaintext, uint64_t now_us,
		    struct m3 *m)
{
	int r;

	m->x = hs->x;
	r = auth_open(h->ops, &m->x, SPAN(hs->in.bytes, hs->in.len), false, plaintext, &m->payload);
	if (r < 0)
		return r;
	if (!params_are_allowed(hs, &m->payload.params) ||
	    (m->payload.field == CHAIN_FIELD_IS_JOIN) != hs->is_join)
		return -EPROTO;
	return hs->is_join ? check_join(h, m) : check_member(h, hs, now_us, m);
}

/* Our own attempt to the same peer has lost the race, if it was meant for this one. */
static void end_crossing(struct handshakes *h, const struct handshake *hs,
			 const struct peer_identity *peer)
{
	struct handshake *ours = attempt_on_path(h, &hs->key);
	const struct hs_expect *e = ours ? &ours->attempt->expect : NULL;

	if (!ours || ours->is_join ||
	    (e->spiffe_id[0] && strcmp(e->spiffe_id, peer->spiffe_id) != 0) ||
	    (e->node_id && e->node_id != peer->node_id))
		return;
	report_failure(h, ours, HS_FAIL_LOST_RACE, IDENTITY_OK);
	handshake_free(h, ours);
}

static void keep_join(const struct m3 *m, uint8_t *copy, struct hs_done *done)
{
	struct join_block block;

	memcpy(copy, m->payload.bytes.at, m->payload.bytes.len);
	(void)join_block_decode(SPAN(copy, m->payload.bytes.len), &block); /* as before */
	done->csr_mldsa = block.csr_mldsa;
	done->csr_p256 = block.csr_p256;
	memcpy(done->token_id, block.token_id, TOKEN_ID_LEN);
	memcpy(done->request_hash, m->verified.hash, SHA256_LEN);
	memcpy(done->join_key, m->join_key, SHA256_LEN);
}

static void accept_m3(struct handshakes *h, struct handshake *hs, struct m3 *m)
{
	const struct params *p = &m->payload.params;
	struct hs_done *done = calloc(1, sizeof(*done));
	uint8_t *block = malloc(m->payload.bytes.len);
	struct action *a = done && block ? action_new(h, HS_DONE, &hs->path, 0) : NULL;

	if (!a) {
		free(done);
		free(block);
		return; /* M3 comes again */
	}
	a->done = done;
	a->join_block = block;
	done->is_join = hs->is_join;
	done->peer = m->verified.peer;
	session_root(h->ops, &m->x, done->root);
	done->aead = hs->aead;
	done->lanes_local = h->lanes;
	done->lanes_peer = p->lanes;
	done->local_index = hs->local_index;
	done->remote_index = hs->remote_index;
	done->peer_boot_epoch = p->boot_epoch;
	memcpy(done->e_initiator, hs->x.e_initiator, X25519_LEN);
	memcpy(done->t_i, m->x.t_i, SHA256_LEN);
	if (hs->is_join) {
		keep_join(m, block, done);
	} else {
		chain_put(h, &done->peer, m->verified.encoded, m->verified.hash,
			  m->verified.verified_us);
		chain_taken(h, done->peer.node_id, p->boot_epoch);
	}
	h->counters.completed++;
	handshake_to(hs, R_DONE);
	outgoing_done(&hs->out);
	bytes_wipe(&hs->x, sizeof(hs->x));
	hs->resend_us = hs->ack_us = NEVER_US;
	h->deadline_is_known = false;
	if (!hs->is_join)
		end_crossing(h, hs, &done->peer);
}

static void refuse_m3(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	if (hs->refused_us && now_us < hs->refused_us + FRAGMENT_GAP_MIN_US)
		return;
	hs->refused_us = now_us;
	send_ack(h, hs, WIRE_M3, ACK_RESULT_UNKNOWN_HASH, 0);
}

static void m3_again(struct handshakes *h, const struct handshake *hs)
{
	for (size_t i = 0; i < h->n_repeated; i++)
		if (h->repeated[i] == hs->local_index)
			return;
	if (h->n_repeated < REPEATED_MAX)
		h->repeated[h->n_repeated++] = hs->local_index;
}

static void judge_m3(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	size_t len = hs->in.len;
	CLEANUP_FREE uint8_t *plaintext = malloc(len);
	struct m3 *m = calloc(1, sizeof(*m));
	int r = plaintext && m ? check_m3(h, hs, plaintext, now_us, m) : -ENOMEM;

	if (r == 0) {
		accept_m3(h, hs, m);
		incoming_done(&hs->in);
	} else if (m && m->verified.is_unknown_hash) {
		handshake_to(hs, R_REFUSED);
		outgoing_done(&hs->out);
		incoming_done(&hs->in);
		bytes_wipe(&hs->x, sizeof(hs->x));
		hs->resend_us = hs->ack_us = NEVER_US;
		refuse_m3(h, hs, now_us);
	} else {
		handshake_bad_message(h, hs, now_us);
	}
	if (plaintext)
		bytes_wipe(plaintext, len);
	if (m)
		bytes_wipe(m, sizeof(*m));
	free(m);
}

void responder_m3(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		  uint64_t now_us)
{
	if (hs->is_initiator || w->sender_index != hs->remote_index)
		return;
	switch (hs->state) {
	case R_M2:
		if (hs->resend_us != NEVER_US) { /* M3 says that M2 has arrived */
			measure_rtt(hs, now_us);
			hs->resend_us = NEVER_US;
		}
		if (take_fragment(h, hs, w, now_us))
			judge_m3(h, hs, now_us);
		break;
	case R_DONE:
		h->counters.replayed++;
		m3_again(h, hs);
		break;
	case R_REFUSED:
		refuse_m3(h, hs, now_us);
		break;
	case I_COOKIE:
	case I_M1:
	case I_M3:
	case R_M1:
		break;
	}
}

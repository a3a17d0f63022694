/* SPDX-License-Identifier: Apache-2.0 */
/* The initiator: M1, cookie replies, M2, M3. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/handshake/internal.h"

/* The chain we hold of whoever is expected, where that is somebody in particular. */
static const struct cached_chain *chain_of_expected(const struct handshakes *h,
						    const struct handshake *hs)
{
	const struct hs_expect *e = &hs->attempt->expect;
	uint64_t id = e->node_id;

	if (hs->is_join)
		return NULL;
	if (id == 0 && e->spiffe_id[0])
		id = node_id_of(h->ops, e->spiffe_id);
	return chain_by_node(h, id);
}

static bool holds_chain_of(struct handshakes *h, const struct handshake *hs)
{
	const struct cached_chain *c = chain_of_expected(h, hs);

	return c && !hs->attempt->without_hash &&
	       h->judge->recheck(h->judge_arg, &c->peer) == IDENTITY_OK;
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
	attempt_joins(h, fresh);
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
	if (!hs || !hs->is_initiator || hs->state == I_M3 || hs->job ||
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

static bool params_are_allowed(uint8_t aead_offer, const struct params *p)
{
	return p->version == HS_VERSION && p->suite == HS_SUITE &&
	       (p->aead == AEAD_AES_256_GCM || p->aead == AEAD_CHACHA20_POLY1305) &&
	       (p->aead & aead_offer) && p->lanes >= 1 && p->lanes <= HS_LANES_MAX &&
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

int job_check_m2(struct hs_job *job)
{
	const struct payload *p = &job->payload;
	struct span rest;
	int r;

	if (job->in_len <= M2_EXCHANGE_LEN)
		return -EBADMSG;
	rest = SPAN(job->in + M2_EXCHANGE_LEN, job->in_len - M2_EXCHANGE_LEN);
	job->plaintext = malloc(rest.len);
	if (!job->plaintext)
		return -ENOMEM;
	job->plaintext_size = rest.len;
	r = m2_exchange_read(job->ops, &job->x, &job->ephemeral, job->responder_index, job->in);
	if (r == 0)
		r = auth_open(job->ops, &job->x, rest, true, job->plaintext, &job->payload);
	if (r < 0)
		return r;
	if (!params_are_allowed(job->aead_offer, &p->params) ||
	    (p->field == CHAIN_FIELD_IS_HASH && !job->offered_hash))
		return -EPROTO;
	r = job_verify_chain(job);
	if (r < 0)
		return r;
	return m2_auth_check(job->ops, &job->x, p, job->verified.hash, job->verified.peer.pk);
}

/* M2 is whole: to be read and checked. NULL: no memory. */
static struct hs_job *new_m2_check(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	struct hs_job *job = job_new(h, hs, JOB_CHECK_M2, JOB_CLASS_OWN, now_us);
	const struct attempt *at = hs->attempt;

	if (!job || job_know(job, chain_of_expected(h, hs)) < 0) {
		hs_job_free(job);
		return NULL;
	}
	job->x = hs->x;
	job->ephemeral = at->ephemeral;
	job->responder_index = hs->remote_index;
	job->aead_offer = at->aead_offer;
	job->offered_hash = at->offered_hash;
	job->join = at->join;
	job->in_len = hs->in.len;
	job->in = TAKE(hs->in.bytes);
	incoming_done(&hs->in);
	return job;
}

/* What only the loop can say of a peer that has proved who it is. */
static int accept_peer(struct handshakes *h, struct handshake *hs, struct hs_job *job)
{
	const struct peer_identity *peer = &job->verified.peer;
	int r = job->r;

	if (r == 0)
		r = recheck_credential(h, &job->verified);
	if (job->verified.fault != IDENTITY_OK)
		blame(hs->attempt, HS_FAIL_IDENTITY, job->verified.fault);
	if (r < 0)
		return r;
	if (!is_expected(hs, peer)) {
		blame(hs->attempt, HS_FAIL_UNEXPECTED, IDENTITY_OK);
		return -EKEYREJECTED;
	}
	if (!h->judge->accept(h->judge_arg, peer)) {
		blame(hs->attempt, HS_FAIL_POLICY, IDENTITY_OK);
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

int job_write_m3(struct hs_job *job)
{
	int r;

	job->message = malloc(WIRE_HS_MESSAGE_MAX);
	if (!job->message)
		return -ENOMEM;
	job->message_len = WIRE_HS_MESSAGE_MAX;
	r = m3_write(job->ops, &job->x, &job->params, &job->credential, job->key, job->seeds.rnd,
		     job->message, WIRE_HS_MESSAGE_MAX);
	if (r < 0)
		return r;
	job->message_len = (size_t)r;
	return 0;
}

/* M3 is made of what M2 has left in the job. */
static int prepare_m3(struct handshakes *h, struct handshake *hs, struct hs_job *job)
{
	const struct attempt *at = hs->attempt;
	bool by_hash =
		!hs->is_join && !at->without_hash &&
		chain_is_taken(h, job->verified.peer.node_id, job->payload.params.boot_epoch);

	job->kind = JOB_WRITE_M3;
	job->params = job->payload.params;
	job->params.lanes = h->lanes;
	job->params.boot_epoch = hs->is_join ? 0 : h->identity.boot_epoch;
	job->key = hs->is_join ? at->join.key : h->identity.key;
	entropy_fill(&h->entropy, job->seeds.rnd, sizeof(job->seeds.rnd));
	hs->sent_hash = by_hash;
	job->credential_bytes = malloc(CHAIN_FIELD_ROOM);
	if (!job->credential_bytes)
		return -ENOMEM;
	return hs->is_join
		       ? join_credential(h, &at->join, job->credential_bytes, job->join_key,
					 &job->credential)
		       : own_credential(h, false, by_hash, job->credential_bytes, &job->credential);
}

/* Nothing may be sealed twice: this handshake is over. */
static void give_up(struct handshakes *h, struct handshake *hs)
{
	report_failure(h, hs, HS_FAIL_NO_COMPLETION, IDENTITY_OK);
	handshake_free(h, hs);
}

bool initiator_m2_checked(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us)
{
	int r = accept_peer(h, hs, job);

	if (r < 0 && job->verified.is_unknown_hash) {
		send_ack(h, hs, WIRE_M2, ACK_RESULT_UNKNOWN_HASH, 0);
		initiator_restart(h, hs, now_us);
		return false;
	}
	if (r < 0) {
		handshake_bad_message(h, hs, now_us);
		return false;
	}
	if (prepare_m3(h, hs, job) < 0) {
		give_up(h, hs);
		return false;
	}
	job_submit(h, hs, job, now_us);
	return true;
}

static void fill_done(struct handshakes *h, const struct handshake *hs, const struct hs_job *job,
		      struct hs_done *done)
{
	const struct params *p = &job->payload.params;

	done->id = hs->attempt->id;
	done->is_initiator = true;
	done->is_join = hs->is_join;
	done->peer = job->verified.peer;
	session_root(h->ops, &job->x, done->root);
	done->aead = p->aead == AEAD_AES_256_GCM ? AEAD_AES_256_GCM : AEAD_CHACHA20_POLY1305;
	done->lanes_local = h->lanes;
	done->lanes_peer = p->lanes;
	done->local_index = hs->local_index;
	done->remote_index = hs->remote_index;
	done->peer_boot_epoch = p->boot_epoch;
	memcpy(done->e_initiator, hs->x.e_initiator, X25519_LEN);
	done->began_us = hs->begun_us;
	memcpy(done->t_i, job->x.t_i, SHA256_LEN);
	if (!hs->is_join)
		return;
	memcpy(done->join_key, job->join_key, SHA256_LEN);
	memcpy(done->token_id, hs->attempt->join.token.id, TOKEN_ID_LEN);
	memcpy(done->request_hash, job->credential.hash, SHA256_LEN);
}

void initiator_m3_written(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us)
{
	struct hs_done *done = job->r == 0 ? calloc(1, sizeof(*done)) : NULL;
	struct action *a;

	if (!done) {
		give_up(h, hs);
		return;
	}
	fill_done(h, hs, job, done);
	handshake_to(hs, I_M3);
	if (send_message(h, hs, WIRE_M3, SPAN(job->message, job->message_len), now_us) < 0) {
		bytes_wipe(done, sizeof(*done));
		free(done);
		give_up(h, hs);
		return;
	}
	a = action_new(h, HS_DONE, &hs->path, 0);
	if (a)
		a->done = done;
	hs->peer_id = job->verified.peer.node_id;
	hs->peer_boot_epoch = job->payload.params.boot_epoch;
	warm_put(h, &hs->key, job->payload.warm, now_us);
	if (!hs->is_join)
		chain_put(h, &job->verified.peer, job->verified.encoded, job->verified.hash,
			  job->verified.verified_us);
	h->counters.completed++;
	hs->end_us = now_us + ATTEMPT_US;
	bytes_wipe(&hs->x.s, sizeof(hs->x.s)); /* e_initiator stays, to know it again */
	bytes_wipe(&hs->attempt->ephemeral, sizeof(hs->attempt->ephemeral));
	if (!a) {
		bytes_wipe(done, sizeof(*done));
		free(done);
	}
}

void initiator_m2(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		  uint64_t now_us)
{
	struct hs_job *job;

	if (hs->state != I_M1 || w->sender_index == 0 || hs->job)
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
	if (!job_has_room(h, hs, JOB_CLASS_OWN)) {
		handshake_message_lost(h, hs, now_us);
		return;
	}
	job = new_m2_check(h, hs, now_us);
	if (job)
		job_submit(h, hs, job, now_us);
	else
		handshake_bad_message(h, hs, now_us);
}

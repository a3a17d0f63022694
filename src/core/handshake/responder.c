/* SPDX-License-Identifier: Apache-2.0 */
/* The responder: M1 after a cookie, M2, M3. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/handshake/internal.h"

static const struct rate_limits m1_limits = {
	.of = { [RATE_HOST] = M1_HOST_RATE,
		[RATE_NETWORK] = M1_NETWORK_RATE,
		[RATE_PREFIX] = M1_PREFIX_RATE },
	.all = UINT32_MAX, /* what is too much in all is for the jobs to say, and they are fair */
};

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
	struct path_names names;
	uint8_t source[SOURCE_MAX];
	uint8_t cookie[COOKIE_LEN], nonce[16];
	struct action *a;
	uint8_t epoch;

	path_names_of(path, &names);
	if (w->offset != 0 || w->body.len != path_body_size(path) || h->n_sends >= ACTIONS_MAX ||
	    !cookie_reply_allowed(&h->jar, &names.source, now_us))
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

int job_write_m2(struct hs_job *job)
{
	int r;

	job->message = malloc(WIRE_HS_MESSAGE_MAX);
	if (!job->message)
		return -ENOMEM;
	job->message_len = WIRE_HS_MESSAGE_MAX;
	r = m2_exchange_write(job->ops, &job->x, job->responder_index, job->ek, &job->seeds,
			      job->message);
	if (r == 0)
		r = m2_auth_write(job->ops, &job->x, &job->params, job->warm, &job->credential,
				  job->key, job->seeds.rnd, job->message + M2_EXCHANGE_LEN,
				  WIRE_HS_MESSAGE_MAX - M2_EXCHANGE_LEN);
	if (r < 0)
		return r;
	job->message_len = (size_t)r + M2_EXCHANGE_LEN;
	return 0;
}

/* What M2 is made of, but for the exchange with M1. NULL: no memory. */
static struct hs_job *new_m2_job(struct handshakes *h, struct handshake *hs,
				 const struct params *offer, enum job_class class, uint64_t now_us)
{
	bool by_hash = !hs->is_join && (offer->flags & PARAMS_FLAG_HOLDS_CHAIN);
	struct hs_job *job = job_new(h, hs, JOB_WRITE_M2, class, now_us);
	uint8_t source[SOURCE_MAX];

	if (!job)
		return NULL;
	job->params = (struct params){
		.version = HS_VERSION,
		.suite = HS_SUITE,
		.aead = (uint8_t)hs->aead,
		.lanes = h->lanes,
		.boot_epoch = h->identity.boot_epoch,
	};
	job->responder_index = hs->local_index;
	job->key = h->identity.key;
	hs->sent_hash = by_hash;
	cookie_warm_now(&h->jar, h->ops, SPAN(source, path_source(&hs->path, source)), job->warm);
	entropy_fill(&h->entropy, (uint8_t *)&job->seeds, sizeof(job->seeds));
	job->credential_bytes = malloc(CHAIN_FIELD_ROOM);
	if (!job->credential_bytes ||
	    own_credential(h, hs->is_join, by_hash, job->credential_bytes, &job->credential) < 0) {
		hs_job_free(job);
		return NULL;
	}
	return job;
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

static enum job_class class_of_m1(const struct handshake *hs)
{
	return hs->cookie_epoch == COOKIE_EPOCH_WARM ? JOB_CLASS_WARM : JOB_CLASS_M1;
}

static void answer_m1(struct handshakes *h, struct handshake *hs, uint64_t now_us)
{
	uint8_t ek[MLKEM768_EK_LEN];
	struct hs_job *job = NULL;
	struct params offer;
	struct exchange x;
	int r;

	if (!job_has_room(h, hs, class_of_m1(hs))) {
		handshake_free(h, hs);
		return;
	}
	r = judge_m1(h, hs, &x, ek, &offer, now_us);
	if (r < 0 && r != -EAGAIN) {
		handshake_bad_message(h, hs, now_us);
		bytes_wipe(&x, sizeof(x));
		return;
	}
	if (r == 0)
		job = new_m2_job(h, hs, &offer, class_of_m1(hs), now_us);
	if (!job) {
		handshake_free(h, hs);
		bytes_wipe(&x, sizeof(x));
		return;
	}
	job->x = x;
	memcpy(job->ek, ek, sizeof(ek));
	bytes_wipe(&x, sizeof(x));
	incoming_done(&hs->in);
	job_submit(h, hs, job, now_us);
}

bool responder_m1_is_new(struct handshakes *h, const struct handshake *hs, struct hs_job *job)
{
	if (replay_seen(h, job->x.e_initiator)) {
		h->counters.replayed++;
		return false;
	}
	return replay_remember(h, job->x.e_initiator,
			       cookie_expiry_us(&h->jar, hs->cookie_epoch)) == 0;
}

void responder_m2_written(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us)
{
	if (job->r < 0) {
		/* A second M2 would seal under keys that may have been used: silence. */
		handshake_free(h, hs);
		return;
	}
	hs->x = job->x;
	hs->in_type = WIRE_M3;
	hs->n_failures = 0;
	handshake_to(hs, R_M2);
	if (send_message(h, hs, WIRE_M2, SPAN(job->message, job->message_len), now_us) < 0)
		handshake_free(h, hs);
}

static struct handshake *admit(struct handshakes *h, const struct hs_path *path,
			       const struct network_keys *nk, const struct wire_handshake *w,
			       struct span datagram, uint64_t now_us)
{
	uint8_t source[SOURCE_MAX], cookie[COOKIE_LEN];
	size_t n = path_source(path, source);
	struct path_names names;
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
	if (!hs) {
		path_names_of(path, &names);
		if (!rates_take(&h->m1_rates, &m1_limits, &names.source, now_us)) {
			h->counters.m1_over_rate++;
			return NULL;
		}
		hs = half_open_new(h, path, w->sender_index, now_us);
	}
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

/* Beyond its rate, and not of a handshake that has begun: only who has proved that address can have
 * used that up, so nobody can do it for another. */
static bool is_over_rate(const struct handshakes *h, const struct hs_path *path,
			 const struct wire_handshake *w, uint64_t now_us)
{
	uint8_t host[SOURCE_MAX];
	struct path_key key;

	if (rates_host_has_left(&h->m1_rates, &m1_limits, SPAN(host, path_host(path, host)),
				now_us))
		return false;
	path_key_of(path, &key);
	return !handshake_by_source(h, &key, w->sender_index);
}

void responder_m1(struct handshakes *h, const struct hs_path *path, const struct wire_handshake *w,
		  struct span datagram, uint64_t now_us)
{
	const struct network_keys *nk;
	struct handshake *hs;

	if (is_over_rate(h, path, w, now_us)) { /* before the macs are: this is what floods meet */
		h->counters.m1_over_rate++;
		return;
	}
	nk = network_keys_of(h, datagram);
	if (!nk) {
		h->counters.bad_mac1++;
		return;
	}
	if (!h->has_identity || w->message_len != M1_LEN || w->receiver_index != 0 ||
	    w->sender_index == 0 || (path->is_mesh && path->node_id == h->identity.node_id))
		return;
	hs = admit(h, path, nk, w, datagram, now_us);
	if (!hs || hs->job)
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

static bool params_are_allowed(const struct handshake *hs, const struct params *p)
{
	return p->version == HS_VERSION && p->suite == HS_SUITE && p->aead == (uint8_t)hs->aead &&
	       p->lanes >= 1 && p->lanes <= HS_LANES_MAX && p->flags == 0 && p->reserved == 0;
}

static int check_join(struct hs_job *job)
{
	uint8_t *pk = job->verified.peer.pk;
	int r;

	job->ops->sha256(&job->payload.bytes, 1, job->verified.hash);
	r = job->judge->csr_key(job->judge_arg, job->block.csr_mldsa, pk);
	if (r < 0)
		return r;
	return m3_auth_check(job->ops, &job->x, &job->payload, job->verified.hash, pk,
			     job->join_key);
}

int job_check_m3(struct hs_job *job)
{
	int r;

	if (job->is_join)
		return check_join(job);
	r = job_verify_chain(job);
	if (r < 0)
		return r;
	return m3_auth_check(job->ops, &job->x, &job->payload, job->verified.hash,
			     job->verified.peer.pk, NULL);
}

/* The peer's chain as far as we hold it, or what the token says, for the job. */
static int prepare_check(struct handshakes *h, struct hs_job *job)
{
	const struct payload *p = &job->payload;
	struct span chain[CHAIN_CERTS_MAX];
	uint8_t hash[SHA256_LEN];
	size_t n;
	int r;

	if (job->is_join) {
		r = join_block_decode(p->bytes, &job->block);
		if (r < 0)
			return r;
		return h->judge->token(h->judge_arg, job->block.token_id, job->join_key)
			       ? 0
			       : -EKEYREJECTED;
	}
	if (p->field == CHAIN_FIELD_IS_HASH) {
		job->verified.is_unknown_hash = !chain_by_hash(h, p->bytes.at);
		return job->verified.is_unknown_hash ? -EKEYREJECTED
						     : job_know(job, chain_by_hash(h, p->bytes.at));
	}
	if (chain_decode(p->bytes, chain, &n) < 0)
		return -EBADMSG;
	chain_hash(h->ops, chain, n, hash);
	return job_know(job, chain_by_hash(h, hash));
}

/* M3 opened and taken apart: what is left to do is slow. */
static int open_m3(struct handshakes *h, struct handshake *hs, struct hs_job *job)
{
	int r;

	job->plaintext = malloc(hs->in.len);
	if (!job->plaintext)
		return -ENOMEM;
	job->plaintext_size = hs->in.len;
	job->x = hs->x;
	r = auth_open(h->ops, &job->x, SPAN(hs->in.bytes, hs->in.len), false, job->plaintext,
		      &job->payload);
	if (r < 0)
		return r;
	if (!params_are_allowed(hs, &job->payload.params) ||
	    (job->payload.field == CHAIN_FIELD_IS_JOIN) != hs->is_join)
		return -EPROTO;
	return prepare_check(h, job);
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

static void keep_join(const struct hs_job *m, uint8_t *copy, struct hs_done *done)
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

static void accept_m3(struct handshakes *h, struct handshake *hs, struct hs_job *m)
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
	done->began_us = hs->begun_us;
	memcpy(done->t_i, m->x.t_i, SHA256_LEN);
	if (hs->is_join) {
		keep_join(m, block, done);
	} else {
		chain_put(h, &done->peer, m->verified.encoded, m->verified.hash,
			  m->verified.verified_us);
		chain_taken(h, done->peer.node_id, p->boot_epoch);
	}
	h->counters.completed++;
	half_open_finished(h, hs, R_DONE);
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
	struct hs_job *job;
	int r;

	if (!job_has_room(h, hs, JOB_CLASS_M3)) {
		handshake_message_lost(h, hs, now_us);
		return;
	}
	job = job_new(h, hs, JOB_CHECK_M3, JOB_CLASS_M3, now_us);
	r = job ? open_m3(h, hs, job) : -ENOMEM;
	if (r == 0) {
		incoming_done(&hs->in);
		job_submit(h, hs, job, now_us);
		return;
	}
	if (job && job->verified.is_unknown_hash) {
		half_open_finished(h, hs, R_REFUSED);
		outgoing_done(&hs->out);
		incoming_done(&hs->in);
		bytes_wipe(&hs->x, sizeof(hs->x));
		hs->resend_us = hs->ack_us = NEVER_US;
		refuse_m3(h, hs, now_us);
	} else {
		handshake_bad_message(h, hs, now_us);
	}
	hs_job_free(job);
}

void responder_m3_checked(struct handshakes *h, struct handshake *hs, struct hs_job *job,
			  uint64_t now_us)
{
	const struct peer_identity *peer = &job->verified.peer;
	int r = job->r;

	if (r == 0 && !hs->is_join) {
		r = recheck_credential(h, &job->verified);
		if (r == 0 && ((hs->path.is_mesh && hs->path.node_id != peer->node_id) ||
			       !h->judge->accept(h->judge_arg, peer)))
			r = -EKEYREJECTED;
	}
	if (r == 0)
		accept_m3(h, hs, job);
	else
		handshake_bad_message(h, hs, now_us);
}

void responder_m3(struct handshakes *h, struct handshake *hs, const struct wire_handshake *w,
		  uint64_t now_us)
{
	if (hs->is_initiator || w->sender_index != hs->remote_index)
		return;
	if (hs->job)
		return; /* it is being looked at */
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

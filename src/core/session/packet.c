/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing and opening: counters, windows, and what an authentic packet tells the session. */
#include <errno.h>
#include <stdlib.h>

#include "core/session/state.h"

bool session_can_send(const struct session *s, uint64_t now_us)
{
	return s->cur && s->cur->may_send && now_us < s->ends_us &&
	       elapsed_us(s->cur->began_us, now_us) < s->config.limits.send_until_us;
}

/* A rekey's own packets go within the first seconds of an epoch; what comes later is use. */
void session_note_use(const struct session *s, struct epoch *e, uint64_t now_us)
{
	if (elapsed_us(e->began_us, now_us) > s->config.limits.old_epoch_us)
		e->is_used = true;
}

int session_reserve(struct session *s, enum session_use use, unsigned lane, size_t text_len,
		    uint64_t now_us, struct session_ticket *ret)
{
	struct send_key *k;
	uint64_t sequence;
	int r;

	if (!s->cur || now_us >= s->ends_us)
		return -EPIPE;
	if (use >= SESSION_N_USES || lane >= s->lanes_local ||
	    (s->config.n_threads > 0 && lane >= s->config.first_thread_lane))
		return -EINVAL;
	if (!session_can_send(s, now_us))
		return -EAGAIN;
	k = &s->cur->send[use];
	r = send_key_reserve(k, s->aead, lane, text_len, &s->config.limits, &sequence);
	if (r < 0)
		return r;
	session_note_use(s, s->cur, now_us);
	*ret = (struct session_ticket){
		.remote_index = s->cur->remote_index,
		.lane = (uint8_t)lane,
		.sequence = sequence,
		.aead = k->aead,
	};
	epoch_nonce(k->iv, ret->lane, sequence, ret->nonce);
	return 0;
}

/* The key a ticket was made for, or NULL when it is erased. */
static const struct send_key *ticket_key(const struct epoch *e, const struct session_ticket *ticket)
{
	if (!e || e->remote_index != ticket->remote_index)
		return NULL;
	for (unsigned use = 0; use < SESSION_N_USES; use++)
		if (e->send[use].aead == ticket->aead)
			return &e->send[use];
	return NULL;
}

int session_seal(struct session *s, const struct session_ticket *ticket, struct span ad,
		 struct span text, uint8_t *ret)
{
	const struct send_key *k = ticket_key(s->cur, ticket);
	int r;

	if (!k)
		k = ticket_key(s->old, ticket);
	if (!k)
		return -EPIPE;
	if (text.len > LARGE_PACKET_BYTES && !k->is_large)
		return -EMSGSIZE; /* reserved for a short one, and counted so */
	r = s->config.ops->aead_seal(ticket->aead, ticket->nonce, ad, text, ret);
	if (r >= 0)
		s->counters.sealed++;
	return r;
}

static struct epoch *epoch_of_index(const struct session *s, uint32_t local_index, uint64_t now_us)
{
	struct epoch *const all[] = { s->cur, s->next, s->old };

	for (unsigned i = 0; i < 3; i++) {
		if (!all[i] || all[i]->local_index != local_index)
			continue;
		if (all[i] == s->old && now_us >= s->old_until_us)
			return NULL;
		if (elapsed_us(all[i]->began_us, now_us) >= s->config.limits.refuse_after_us)
			return NULL;
		return all[i];
	}
	return NULL;
}

static enum session_verdict forged(struct session *s, const struct epoch *e, struct receive_key *k)
{
	s->counters.forged++;
	if (receive_key_forged(s->config.ops, k, 1, s->aead, &s->config.limits)) {
		share_end(e->share);
		if (e != s->old)
			session_tell_handshake(s); /* nothing comes in any more */
	}
	return SESSION_FORGED;
}

/* The peer has this epoch: that is what a state may have waited for. */
void session_heard_under(struct session *s, struct epoch *e, uint64_t now_us)
{
	session_note_use(s, e, now_us);
	if (e->is_heard && e != s->next)
		return;
	e->is_heard = true;
	if (e == s->next) {
		session_promote_next(s, now_us);
	} else if (e == s->cur && s->state == STATE_WAITING) {
		e->may_send = true;
		session_set_state(s, STATE_STEADY);
	}
}

static enum session_verdict judge(struct session *s, struct receive_key *k, uint8_t lane,
				  uint64_t sequence, bool *ret_is_newest)
{
	struct window **w = &k->windows[lane];

	if (!*w)
		*w = calloc(1, sizeof(**w));
	if (!*w)
		return SESSION_UNKNOWN; /* without a window nothing may be believed new */
	if (!window_accept(*w, sequence, ret_is_newest)) {
		s->counters.replayed++;
		return SESSION_REPLAYED;
	}
	return SESSION_OPENED;
}

enum session_verdict session_open(struct session *s, enum session_use use, uint32_t local_index,
				  uint8_t lane, uint64_t sequence, struct span ad, struct span text,
				  uint8_t *ret, bool *ret_is_newest, uint64_t now_us)
{
	struct epoch *e = epoch_of_index(s, local_index, now_us);
	struct receive_key *k;
	uint8_t nonce[AEAD_NONCE_LEN];
	enum session_verdict verdict;
	bool is_newest = false;
	int r;

	if (!e || use >= SESSION_N_USES || now_us >= s->ends_us || lane >= s->lanes_peer ||
	    sequence > SEQUENCE_MAX)
		return SESSION_UNKNOWN;
	k = &e->receive[use];
	if (!k->aead)
		return SESSION_UNKNOWN;
	if (text.len < AEAD_TAG_LEN)
		return SESSION_FORGED; /* no key was tried on it */
	epoch_nonce(k->iv, lane, sequence, nonce);
	r = s->config.ops->aead_open(k->aead, nonce, ad, text, ret);
	if (r == -EKEYREJECTED)
		return forged(s, e, k);
	if (r < 0)
		return SESSION_UNKNOWN;
	verdict = judge(s, k, lane, sequence, &is_newest);
	if (verdict != SESSION_OPENED) {
		bytes_wipe(ret, text.len - AEAD_TAG_LEN);
		return verdict;
	}
	if (e->share && share_has_lane(e->share, lane))
		share_note_received(e->share, use, lane, text.len); /* and counted with theirs */
	else
		s->counters.opened++;
	session_heard_under(s, e, now_us);
	*ret_is_newest = is_newest && e == s->cur;
	return SESSION_OPENED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rekeying and time: who says what to whom, when it is said again, and when keys end. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/session/state.h"

#define REPEAT_MIN_US MS(250)
#define INDEX_TRIES 64

static void say(struct session *s, enum rekey_type type, uint64_t now_us)
{
	s->messages |= 1U << type;
	s->repeat_us = now_us + max_u64(UINT64_C(2) * s->rtt_us, REPEAT_MIN_US);
}

static int new_index(struct session *s, uint32_t *ret)
{
	for (unsigned i = 0; i < INDEX_TRIES; i++) {
		uint8_t bytes[4];
		uint32_t index;

		entropy_fill(&s->config.entropy, bytes, sizeof(bytes));
		index = load_u32(bytes);
		if (index == 0 || index == s->cur->local_index ||
		    (s->old && index == s->old->local_index))
			continue;
		if (s->config.index_is_free && !s->config.index_is_free(s->config.index_arg, index))
			continue;
		*ret = index;
		return 0;
	}
	return -ENOBUFS;
}

static bool has_room_for_events(const struct session *s)
{
	return s->n_events + INDEX_EVENTS_PER_REKEY <= INDEX_EVENTS_MAX;
}

/* ---- initiator ---- */

static int offer(struct session *s, uint64_t now_us)
{
	uint32_t index;
	int r;

	if (!has_room_for_events(s))
		return -ENOBUFS;
	r = new_index(s, &index);
	if (r >= 0)
		r = rekey_offer_new(s->config.ops, &s->config.entropy, s->cur->number + 1, index,
				    &s->offer);
	if (r < 0)
		return r;
	s->offered_us = now_us;
	s->is_rekey_wanted = false;
	session_add_event(s, SESSION_INDEX_OPENED, index);
	session_set_state(s, STATE_OFFERED);
	return 0;
}

/* The answer came: j+1 is used at once, j opens what is still on its way. */
static int input_rk2(struct session *s, const struct rekey_message *m, uint64_t now_us)
{
	uint8_t root[SESSION_ROOT_LEN];
	struct epoch *e;
	int r;

	if (m->epoch <= s->cur->number)
		return 0; /* a repeat of one we have */
	if (s->state != STATE_OFFERED || m->epoch != s->offer->epoch)
		return -EPROTO;
	r = rekey_offer_finish(s->config.ops, s->offer, m, s->root, root);
	if (r >= 0)
		r = epoch_new(s->config.ops, root, s->aead, s->is_initiator, &e);
	if (r < 0) {
		bytes_wipe(root, sizeof(root));
		return r;
	}
	/* Counted from RK1, so that we never think it younger than the responder does. */
	session_epoch_begin(s, e, m->epoch, s->offer->index, m->index, s->offered_us);
	e->may_send = true;
	memcpy(s->root, root, sizeof(root));
	bytes_wipe(root, sizeof(root));
	s->old = s->cur;
	s->old_until_us = now_us + s->config.limits.old_epoch_us;
	s->cur = e;
	rekey_offer_free(TAKE(s->offer));
	s->messages = 0;
	s->is_handshake_told = false;
	s->counters.rekeys++;
	session_set_state(s, STATE_SETTLING);
	say(s, REKEY_CONFIRM, now_us);
	return 0;
}

/* ---- responder ---- */

static int answer(struct session *s, const struct rekey_message *m, uint64_t now_us)
{
	struct rekey_answer *a = NULL;
	struct epoch *e = NULL;
	uint32_t index;
	int r;

	if (!has_room_for_events(s))
		return -ENOBUFS;
	/* An initiator that waits as it should may find us up to 10 s behind. One that does not
	 * would have us compute and change receiver indices at its pace. */
	if (s->old && now_us + s->config.limits.old_epoch_us / 2 < s->old_until_us)
		return -EAGAIN;
	r = new_index(s, &index);
	if (r >= 0)
		r = rekey_answer_new(s->config.ops, &s->config.entropy, m, index, s->root, &a);
	if (r >= 0)
		r = epoch_new(s->config.ops, a->next_root, s->aead, s->is_initiator, &e);
	if (r < 0) {
		rekey_answer_free(a);
		return r;
	}
	session_epoch_begin(s, e, m->epoch, index, m->index, now_us);
	session_retire(s, &s->old); /* its sender gave it up before it sent this RK1 */
	s->next = e;
	s->answer = a;
	s->is_rekey_wanted = false;
	s->messages &= ~(1U << REKEY_REQUEST);
	session_add_event(s, SESSION_INDEX_OPENED, index);
	session_set_state(s, STATE_ANSWERED);
	return 0;
}

static int input_rk1(struct session *s, const struct rekey_message *m, uint64_t now_us)
{
	int r = 0;

	if (m->epoch <= s->cur->number)
		return 0; /* late: its epoch is in use */
	if (m->epoch != s->cur->number + 1 || s->state == STATE_WAITING)
		return -EPROTO;
	if (s->state != STATE_ANSWERED)
		r = answer(s, m, now_us);
	else if (!rekey_answer_is_to(s->config.ops, s->answer, m))
		r = -EPROTO; /* one RK1 is answered per epoch, and this is another */
	if (r >= 0)
		say(s, REKEY_RK2, now_us);
	return r;
}

/* ---- time ---- */

/* The current epoch is over. What the responder prepared may still be taken up by a packet. */
static void end_epoch(struct session *s)
{
	if (!s->next) {
		session_close(s);
		return;
	}
	session_retire(s, &s->cur);
	s->cur = TAKE(s->next);
	memcpy(s->root, s->answer->next_root, sizeof(s->root));
	rekey_answer_free(TAKE(s->answer));
	s->messages = 0;
	session_set_state(s, STATE_WAITING);
}

static void expire(struct session *s, uint64_t now_us)
{
	if (s->state == STATE_CLOSED)
		return;
	if (now_us >= s->ends_us) {
		session_close(s);
		return;
	}
	if (s->old && now_us >= s->old_until_us) {
		session_retire(s, &s->old);
		session_set_state(s, STATE_STEADY);
	}
	while (s->cur && elapsed_us(s->cur->began_us, now_us) >= s->config.limits.refuse_after_us)
		end_epoch(s);
}

static bool is_sealed_enough(const struct session *s)
{
	for (unsigned use = 0; use < SESSION_N_USES; use++) {
		const struct send_key *k = &s->cur->send[use];
		uint64_t max = send_key_packets_max(k, s->aead, 0, &s->config.limits);

		/* Half of what the key bears: the rest is for the rekey's own way. */
		const struct share *share = s->cur->share;
		uint64_t by_threads = share ? share_sealed(share, use) : 0;

		if (k->packets + by_threads >=
			    min_u64(s->config.limits.rekey_after_packets, max / 2) ||
		    (share && share_sealed_most(share, use) >= share->quota / 2))
			return true;
	}
	return false;
}

/* When this epoch should be followed by another; the initiator begins, the responder asks
 * if that does not happen. */
static uint64_t rekey_due_us(const struct session *s)
{
	uint64_t patience = s->is_initiator ? 0 : s->config.limits.old_epoch_us;

	if (s->is_rekey_wanted || is_sealed_enough(s))
		return 0;
	return s->cur->is_used ? s->cur->rekey_us + patience : NEVER_US;
}

static bool is_confirm_due(const struct session *s)
{
	return s->is_initiator && !s->cur->is_heard &&
	       (s->state == STATE_SETTLING || s->state == STATE_STEADY);
}

static uint64_t speak_due_us(const struct session *s)
{
	if (s->state == STATE_OFFERED || is_confirm_due(s))
		return s->repeat_us;
	if (s->state == STATE_STEADY)
		return max_u64(rekey_due_us(s), s->repeat_us);
	return NEVER_US;
}

static void speak(struct session *s, uint64_t now_us)
{
	if (is_confirm_due(s))
		say(s, REKEY_CONFIRM, now_us);
	else if (!s->is_initiator)
		say(s, REKEY_REQUEST, now_us);
	else if (s->state == STATE_OFFERED || offer(s, now_us) >= 0)
		say(s, REKEY_RK1, now_us);
	else
		s->repeat_us = now_us + REPEAT_MIN_US; /* no index or memory: again later */
}

/* A used epoch that was not followed by another in time, or a used session near its end. */
static uint64_t handshake_due_us(const struct session *s)
{
	const struct session_limits *l = &s->config.limits;
	uint64_t lead = elapsed_us(l->full_handshake_us, l->refuse_after_us);

	if (s->is_handshake_told || !s->cur->is_used)
		return NEVER_US;
	return min_u64(s->cur->began_us + l->full_handshake_us, elapsed_us(lead, s->ends_us));
}

void session_tick(struct session *s, uint64_t now_us)
{
	expire(s, now_us);
	if (s->state == STATE_CLOSED)
		return;
	if (now_us >= handshake_due_us(s))
		session_tell_handshake(s);
	if (now_us >= speak_due_us(s))
		speak(s, now_us);
}

uint64_t session_deadline_us(const struct session *s)
{
	uint64_t at;

	if (s->state == STATE_CLOSED)
		return NEVER_US;
	at = min_u64(s->ends_us, s->cur->began_us + s->config.limits.refuse_after_us);
	if (s->old)
		at = min_u64(at, s->old_until_us);
	at = min_u64(at, handshake_due_us(s));
	return min_u64(at, speak_due_us(s));
}

void session_want_rekey(struct session *s, uint64_t now_us)
{
	if (s->state == STATE_OFFERED || s->state == STATE_ANSWERED || s->state == STATE_CLOSED)
		return; /* one is under way, or none will ever be */
	s->is_rekey_wanted = true;
	session_tick(s, now_us);
}

int session_rekey_input(struct session *s, struct span message, uint64_t now_us)
{
	struct rekey_message m;
	bool is_for_initiator;
	int r = rekey_decode(message, &m);

	if (r < 0)
		return r;
	expire(s, now_us);
	if (s->state == STATE_CLOSED)
		return -EPIPE;
	is_for_initiator = m.type == REKEY_RK2 || m.type == REKEY_REQUEST;
	if (m.type != REKEY_CONFIRM && is_for_initiator != s->is_initiator)
		return -EPROTO;
	switch (m.type) {
	case REKEY_RK1:
		return input_rk1(s, &m, now_us);
	case REKEY_RK2:
		return input_rk2(s, &m, now_us);
	case REKEY_REQUEST:
		if (m.epoch == s->cur->number + 1)
			session_want_rekey(s, now_us);
		return 0;
	case REKEY_CONFIRM:
		if (!s->is_initiator && m.epoch == s->cur->number && s->cur->may_send)
			s->messages |= 1U << REKEY_CONFIRM;
		return 0;
	}
	return -EBADMSG;
}

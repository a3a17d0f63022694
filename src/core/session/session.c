/* SPDX-License-Identifier: Apache-2.0 */
/* A session's life: made from a handshake's secret, asked for actions, closed and wiped. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/session/state.h"

#define RTT_UNKNOWN_US MS(100)
#define REKEY_JITTER_PART 12 /* ± 10 s of 120 s */

DEFINE_FREEP(struct session, session_free)

const struct session_limits session_limits_default = {
	.rekey_after_us = SECONDS(120),
	.rekey_after_packets = UINT64_C(1) << 27,
	.send_until_us = SECONDS(170),
	.refuse_after_us = SECONDS(180),
	.full_handshake_us = SECONDS(150),
	.old_epoch_us = SECONDS(10),
	.session_max_us = SECONDS(86400),
	.gcm_packets = UINT64_C(1) << 28,
	.gcm_packets_large = UINT64_C(1) << 23,
	.gcm_forgeries = UINT64_C(1) << 52,
	.chacha_forgeries = UINT64_C(1) << 36,
};

/* What may follow what; a bit per next state. */
static const unsigned transitions[N_STATES] = {
	[STATE_WAITING] = 1U << STATE_STEADY | 1U << STATE_CLOSED,
	[STATE_STEADY] = 1U << STATE_OFFERED | 1U << STATE_ANSWERED | 1U << STATE_CLOSED,
	[STATE_OFFERED] = 1U << STATE_SETTLING | 1U << STATE_CLOSED,
	[STATE_ANSWERED] = 1U << STATE_SETTLING | 1U << STATE_WAITING | 1U << STATE_CLOSED,
	[STATE_SETTLING] = 1U << STATE_STEADY | 1U << STATE_ANSWERED | 1U << STATE_CLOSED,
	[STATE_CLOSED] = 0,
};

void session_set_state(struct session *s, enum session_state state)
{
	assert(transitions[s->state] & 1U << state);
	s->state = state;
}

void session_add_event(struct session *s, enum session_action_type type, uint32_t index)
{
	assert(s->n_events < INDEX_EVENTS_MAX); /* see INDEX_EVENTS_PER_REKEY */
	s->events[s->n_events++] = (struct index_event){ type, index };
}

void session_retire(struct session *s, struct epoch **e)
{
	if (!*e)
		return;
	session_add_event(s, SESSION_INDEX_RETIRED, (*e)->local_index);
	epoch_free(s->config.ops, TAKE(*e));
}

void session_epoch_begin(struct session *s, struct epoch *e, uint32_t number, uint32_t local_index,
			 uint32_t remote_index, uint64_t began_us)
{
	uint64_t spread = s->config.limits.rekey_after_us / REKEY_JITTER_PART;

	e->number = number;
	e->local_index = local_index;
	e->remote_index = remote_index;
	e->began_us = began_us;
	e->rekey_us = began_us + s->config.limits.rekey_after_us - spread +
		      rng_below(&s->rng, 2 * spread + 1);
}

void session_promote_next(struct session *s, uint64_t now_us)
{
	session_set_state(s, STATE_SETTLING);
	s->old = TAKE(s->cur);
	s->old_until_us = now_us + s->config.limits.old_epoch_us;
	s->cur = TAKE(s->next);
	s->cur->may_send = true;
	memcpy(s->root, s->answer->next_root, sizeof(s->root)); /* S_j is gone */
	rekey_answer_free(TAKE(s->answer));
	s->messages &= ~(1U << REKEY_RK2); /* nobody waits for it any more */
	s->is_handshake_told = false;
	s->counters.rekeys++;
}

void session_tell_handshake(struct session *s)
{
	s->is_handshake_pending = s->is_handshake_pending || !s->is_handshake_told;
	s->is_handshake_told = true;
}

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
	return value > 0 ? value : fallback;
}

static struct session_limits limits_filled(const struct session_limits *l)
{
	const struct session_limits *d = &session_limits_default;

	return (struct session_limits){
		.rekey_after_us = or_default(l->rekey_after_us, d->rekey_after_us),
		.rekey_after_packets = or_default(l->rekey_after_packets, d->rekey_after_packets),
		.send_until_us = or_default(l->send_until_us, d->send_until_us),
		.refuse_after_us = or_default(l->refuse_after_us, d->refuse_after_us),
		.full_handshake_us = or_default(l->full_handshake_us, d->full_handshake_us),
		.old_epoch_us = or_default(l->old_epoch_us, d->old_epoch_us),
		.session_max_us = or_default(l->session_max_us, d->session_max_us),
		.gcm_packets = or_default(l->gcm_packets, d->gcm_packets),
		.gcm_packets_large = or_default(l->gcm_packets_large, d->gcm_packets_large),
		.gcm_forgeries = or_default(l->gcm_forgeries, d->gcm_forgeries),
		.chacha_forgeries = or_default(l->chacha_forgeries, d->chacha_forgeries),
	};
}

static bool secret_is_possible(const struct session_secret *secret)
{
	return (secret->aead == AEAD_AES_256_GCM || secret->aead == AEAD_CHACHA20_POLY1305) &&
	       secret->lanes_local >= 1 && secret->lanes_local <= SESSION_LANES_MAX &&
	       secret->lanes_peer >= 1 && secret->lanes_peer <= SESSION_LANES_MAX;
}

int session_new(const struct session_config *config, const struct session_secret *secret,
		uint64_t now_us, struct session **ret)
{
	CLEANUP(session_freep) struct session *s = NULL;
	int r;

	if (!secret_is_possible(secret))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->config = *config;
	s->config.limits = limits_filled(&config->limits);
	rng_seed(&s->rng, config->seed);
	s->is_initiator = secret->is_initiator;
	s->aead = secret->aead;
	s->lanes_local = secret->lanes_local;
	s->lanes_peer = secret->lanes_peer;
	s->began_us = now_us;
	s->ends_us = min_u64(now_us + s->config.limits.session_max_us, secret->ends_us);
	s->rtt_us = (uint32_t)RTT_UNKNOWN_US;
	memcpy(s->root, secret->root, sizeof(s->root));

	r = epoch_new(config->ops, s->root, s->aead, s->is_initiator, &s->cur);
	if (r < 0)
		return r;
	session_epoch_begin(s, s->cur, 0, secret->local_index, secret->remote_index, now_us);
	/* The responder saw the initiator's M3; the initiator does not know that it did. */
	s->cur->may_send = !s->is_initiator;
	s->state = s->is_initiator ? STATE_WAITING : STATE_STEADY;
	*ret = TAKE(s);
	return 0;
}

static void wipe_keys(struct session *s)
{
	epoch_free(s->config.ops, TAKE(s->old));
	epoch_free(s->config.ops, TAKE(s->cur));
	epoch_free(s->config.ops, TAKE(s->next));
	rekey_offer_free(TAKE(s->offer));
	rekey_answer_free(TAKE(s->answer));
	bytes_wipe(s->root, sizeof(s->root));
}

void session_free(struct session *s)
{
	if (!s)
		return;
	wipe_keys(s);
	bytes_wipe(s, sizeof(*s));
	free(s);
}

void session_close(struct session *s)
{
	if (s->state == STATE_CLOSED)
		return;
	session_retire(s, &s->old);
	session_retire(s, &s->cur);
	session_retire(s, &s->next);
	if (s->offer)
		session_add_event(s, SESSION_INDEX_RETIRED, s->offer->index);
	wipe_keys(s);
	s->messages = 0;
	s->is_handshake_pending = false;
	s->is_closed_pending = true;
	session_set_state(s, STATE_CLOSED);
}

bool session_is_closed(const struct session *s)
{
	return s->state == STATE_CLOSED;
}

bool session_is_initiator(const struct session *s)
{
	return s->is_initiator;
}

uint32_t session_epoch(const struct session *s)
{
	return s->cur ? s->cur->number : 0;
}

bool session_index_is_current(const struct session *s, uint32_t local_index)
{
	return s->cur && s->cur->local_index == local_index;
}

uint64_t session_age_us(const struct session *s, uint64_t now_us)
{
	return elapsed_us(s->began_us, now_us);
}

void session_set_rtt_us(struct session *s, uint32_t rtt_us)
{
	s->rtt_us = rtt_us > 0 ? rtt_us : (uint32_t)RTT_UNKNOWN_US;
}

void session_counters(const struct session *s, struct session_counters *ret)
{
	*ret = s->counters;
}

static bool next_event(struct session *s, struct session_action *ret)
{
	if (s->n_events == 0)
		return false;
	ret->type = s->events[0].type;
	ret->index = s->events[0].index;
	s->n_events--;
	memmove(s->events, s->events + 1, s->n_events * sizeof(s->events[0]));
	return true;
}

static bool take_message(struct session *s, enum rekey_type type)
{
	bool is_there = s->messages & 1U << type;

	s->messages &= ~(1U << type);
	return is_there;
}

static bool next_message(struct session *s, struct session_action *ret)
{
	ret->type = SESSION_SEND_REKEY;
	if (take_message(s, REKEY_RK1)) {
		ret->len = REKEY_RK1_LEN;
		memcpy(ret->message, s->offer->rk1, REKEY_RK1_LEN);
	} else if (take_message(s, REKEY_RK2)) {
		ret->len = REKEY_RK2_LEN;
		memcpy(ret->message, s->answer->rk2, REKEY_RK2_LEN);
	} else if (take_message(s, REKEY_REQUEST)) {
		ret->len = rekey_encode_short(REKEY_REQUEST, s->cur->number + 1, ret->message);
	} else if (take_message(s, REKEY_CONFIRM)) {
		ret->len = rekey_encode_short(REKEY_CONFIRM, s->cur->number, ret->message);
	} else {
		return false;
	}
	return true;
}

bool session_next_action(struct session *s, struct session_action *ret)
{
	ret->index = 0;
	ret->len = 0;
	/* Indices first: they are in the guard's map before the peer is told of them. */
	if (next_event(s, ret) || next_message(s, ret))
		return true;
	if (s->is_handshake_pending) {
		s->is_handshake_pending = false;
		ret->type = SESSION_WANT_HANDSHAKE;
		return true;
	}
	if (s->is_closed_pending) {
		s->is_closed_pending = false;
		ret->type = SESSION_CLOSED;
		return true;
	}
	return false;
}

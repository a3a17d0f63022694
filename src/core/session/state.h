/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - one session's insides, shared by the sources of this room and by nobody else. */
#pragma once

#include "core/session/rekey.h"

/* The diagram is in README.md. */
enum session_state {
	STATE_WAITING,	/* nothing authentic came under the current epoch, and it must first */
	STATE_STEADY,	/* one epoch, in use */
	STATE_OFFERED,	/* initiator: RK1 is on its way, RK2 is awaited */
	STATE_ANSWERED, /* responder: j+1 opens packets, j seals them */
	STATE_SETTLING, /* j+1 is in use, j still opens what is late */
	STATE_CLOSED,
	N_STATES,
};

/* Index events not yet fetched. An exchange adds one and leads to at most four more before
 * the next is let in, the end of the session included. */
#define INDEX_EVENTS_MAX 16
#define INDEX_EVENTS_PER_REKEY 5

struct index_event {
	enum session_action_type type;
	uint32_t index;
};

struct session {
	struct session_config config; /* the limits are filled in */
	struct rng rng;
	bool is_initiator;
	enum aead_algorithm aead;
	unsigned lanes_local;
	unsigned lanes_peer;
	uint64_t began_us;
	uint64_t ends_us; /* 24 h or the end of a certificate */
	uint32_t rtt_us;

	enum session_state state;
	uint8_t root[SESSION_ROOT_LEN]; /* S_j of cur */
	struct epoch *old;		/* j-1, until old_until_us; never beside next */
	struct epoch *cur;		/* j; NULL when closed */
	struct epoch *next;		/* j+1 at the responder before its first packet */
	uint64_t old_until_us;
	struct rekey_offer *offer; /* OFFERED */
	uint64_t offered_us;
	struct rekey_answer *answer; /* ANSWERED */
	bool is_rekey_wanted;	     /* by session_want_rekey() or a request */
	uint64_t repeat_us;	     /* what is unanswered is said again then */

	unsigned messages; /* bit per enum rekey_type: to be sent */
	struct index_event events[INDEX_EVENTS_MAX];
	unsigned n_events;
	bool is_handshake_pending;
	bool is_handshake_told; /* once an epoch */
	bool is_closed_pending;
	struct session_counters counters;
};

static inline uint64_t elapsed_us(uint64_t since_us, uint64_t now_us)
{
	return now_us > since_us ? now_us - since_us : 0;
}

void session_set_state(struct session *s, enum session_state state);
void session_add_event(struct session *s, enum session_action_type type, uint32_t index);
/* Forgets an epoch and its receiver index; a NULL epoch is fine. */
void session_retire(struct session *s, struct epoch **e);
void session_note_use(const struct session *s, struct epoch *e, uint64_t now_us);
/* Something authentic came under this epoch. */
void session_heard_under(struct session *s, struct epoch *e, uint64_t now_us);
/* share.c */
void share_note_received(struct share *s, enum session_use use, uint8_t lane, size_t len);
uint64_t share_sealed(const struct share *s, enum session_use use);	 /* by all threads */
uint64_t share_sealed_most(const struct share *s, enum session_use use); /* by the busiest */
/* Numbers an epoch and gives it its times. */
void session_epoch_begin(struct session *s, struct epoch *e, uint32_t number, uint32_t local_index,
			 uint32_t remote_index, uint64_t began_us);
/* The first authentic packet of the epoch the responder prepared: it is the current one now. */
void session_promote_next(struct session *s, uint64_t now_us);
void session_tell_handshake(struct session *s);

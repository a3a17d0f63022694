/* SPDX-License-Identifier: Apache-2.0 */
/* share.h - the keys of one epoch as packet threads use them beside the thread that owns the
 * session.
 *
 * Each packet thread has AEAD contexts of its own and seals in a lane of its own, so no nonce can
 * come from two threads; how many packets it may seal is set aside from what the key bears. Windows
 * are for any number of threads (window.h). Keys never change: a rekey makes another share. What a
 * thread did is counted where that thread alone writes; the owner reads it now and then.
 *
 * References are taken and given back by the owner's thread alone. A thread may use a share for as
 * long as the owner holds a reference for it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/session/session.h"

#define SHARE_THREADS_MAX 4
/* Of the packets that a key may seal, each thread's part; the owner keeps half at least. */
#define SHARE_PART (2 * SHARE_THREADS_MAX)
#define SHARE_PACKET_MAX 2048 /* longer ones would lower AES-GCM's limit */

struct window;

/* Of one packet thread, written by it alone. */
struct share_thread {
	_Alignas(64) struct aead *seal[SESSION_N_USES];
	struct aead *open[SESSION_N_USES];
	_Atomic uint64_t next[SESSION_N_USES]; /* sequence number in its lane */
	uint16_t link_base; /* of its link sequence numbers, which go on over a rekey */
	_Atomic uint64_t forged[SESSION_N_USES];
	_Atomic uint64_t replayed;
	_Atomic uint64_t sent_bytes; /* link use */
	_Atomic bool has_sent_long;  /* told and cleared by the owner */
};

/* Of one lane that a thread of the peer sends in. */
struct share_inlet {
	_Alignas(64) struct window *windows[SESSION_N_USES];
	_Atomic uint64_t received[SESSION_N_USES]; /* accepted, by whichever thread */
	_Atomic uint64_t received_bytes;	   /* link use */
	uint64_t told_next, told_received, told_e2e, told_bytes;
};

struct share {
	unsigned references;
	const struct crypto_ops *ops;
	uint32_t local_index, remote_index;
	uint64_t send_until_us, open_until_us;
	bool is_sending;      /* it was told as the current one */
	_Atomic bool is_over; /* the session gave the epoch up: no thread uses it from then on */
	uint64_t quota;	      /* packets that a thread may seal for one use */
	uint8_t first_lane;
	unsigned n_threads, n_inlets;
	uint8_t send_iv[SESSION_N_USES][AEAD_NONCE_LEN];
	uint8_t receive_iv[SESSION_N_USES][AEAD_NONCE_LEN];
	uint64_t told_sealed[SESSION_N_USES], told_forged[SESSION_N_USES], told_sent_bytes,
		told_replayed;
	struct share_inlet inlets[SHARE_THREADS_MAX];
	struct share_thread threads[SHARE_THREADS_MAX];
};

/* ---- the owner ---- */

/* What of a session threads may use now: the current epoch, to seal and to open, where the session
 * may send under it; and one to open alone, the one before for as long as it opens, or the next one
 * where the peer may begin it. Each is NULL where there is none, or holds a reference for the
 * caller. False: none of them. */
bool session_share(struct session *s, uint64_t now_us, struct share **ret_current,
		   struct share **ret_other);
struct share *share_ref(struct share *s);
void share_unref(struct share *s); /* the last one wipes the keys; NULL is fine */
/* Threads that still have it neither seal nor open under it any more. NULL is fine. */
void share_end(struct share *s);

/* What threads did since the last call. */
struct share_report {
	uint64_t sent, sent_bytes;		     /* link use */
	uint64_t received, received_bytes, expected; /* expected: by the sequence numbers */
	uint64_t e2e_sent, e2e_received;
	uint64_t replayed, forged;
	bool has_sent_long;
};

/* Also takes into account what it means for the session: that the peer has an epoch, rekeying,
 * forgeries, being in use. */
void session_collect(struct session *s, uint64_t now_us, struct share_report *ret);

/* ---- a packet thread: thread is its number from 0 ---- */

/* Reserves the next number of its lane; -EAGAIN: of age, or its part is used up. Seal at once, with
 * the ticket's aead, no more than SHARE_PACKET_MAX bytes. */
int share_reserve(struct share *s, unsigned thread, enum session_use use, uint64_t now_us,
		  struct session_ticket *ret);
/* The link sequence number that goes with a ticket of link use. */
static inline uint16_t share_link_sequence(const struct share *s, unsigned thread,
					   const struct session_ticket *ticket)
{
	return (uint16_t)(s->threads[thread].link_base + ticket->sequence);
}

void share_sent(struct share *s, unsigned thread, size_t len, bool is_long);

/* Whether packets of this lane may be opened here: those that the peer's threads send. */
static inline bool share_has_lane(const struct share *s, uint8_t lane)
{
	return lane >= s->first_lane && lane - s->first_lane < (int)s->n_inlets;
}

/* As session_open(). */
enum session_verdict share_open(struct share *s, unsigned thread, enum session_use use,
				uint8_t lane, uint64_t sequence, struct span ad, struct span text,
				uint8_t *ret, bool *ret_is_newest, uint64_t now_us);

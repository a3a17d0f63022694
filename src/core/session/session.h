/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - the keys two peers share after a handshake: sealing, opening, replay, rekeying,
 * limits and the end of them. See docs/session.md (design: HANDSHAKE.md, Sessions).
 *
 * One handshake yields keys for two uses, each with its own counters and windows: the link
 * between neighbours and the end-to-end payload. A session knows nothing of addresses (roam.h
 * beside it does) nor of what it carries. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "core/crypto/crypto.h"

#define SESSION_LANES_MAX 16
#define SESSION_WINDOW_BITS 8192
#define SESSION_REKEY_MESSAGE_MAX 1232 /* RK1 1,224; RK2 1,128 */

enum session_use {
	SESSION_LINK,
	SESSION_E2E,
	SESSION_N_USES,
};

/* Named bounds; a test lowers them. Zero fields mean the defaults of session_limits_default. */
struct session_limits {
	uint64_t rekey_after_us;      /* 120 s, ± 10 s jitter */
	uint64_t rekey_after_packets; /* 2^27 */
	uint64_t send_until_us;	      /* 170 s of an epoch */
	uint64_t refuse_after_us;     /* 180 s */
	uint64_t full_handshake_us;   /* 150 s without a rekey */
	uint64_t old_epoch_us;	      /* 10 s: j is accepted this long beside j+1 */
	uint64_t session_max_us;      /* 24 h */
	uint64_t gcm_packets;	    /* 2^28 per key and direction while packets are <= 2^11 bytes */
	uint64_t gcm_packets_large; /* 2^23 otherwise */
	uint64_t gcm_forgeries;	    /* 2^52 */
	uint64_t chacha_forgeries;  /* 2^36 */
};

extern const struct session_limits session_limits_default;

struct session_config {
	const struct crypto_ops *ops;
	struct entropy entropy;
	uint64_t seed; /* jitter */
	struct session_limits limits;
	/* For new receiver indices at a rekey. */
	bool (*index_is_free)(void *arg, uint32_t index);
	void *index_arg;
	/* Packet threads (share.h), SHARE_THREADS_MAX at most; 0: none. Then lanes from
	 * first_thread_lane on are theirs, one each, and the peer's. */
	unsigned n_threads;
	unsigned first_thread_lane;
};

struct session_secret {
	const uint8_t *root; /* S_0, 32 bytes; copied, the caller wipes its own */
	bool is_initiator;
	enum aead_algorithm aead;
	unsigned lanes_local;
	unsigned lanes_peer;
	uint32_t local_index;
	uint32_t remote_index;
	uint64_t ends_us; /* monotonic time of the earliest leaf's notAfter; NEVER_US for none */
};

struct session;

int session_new(const struct session_config *config, const struct session_secret *secret,
		uint64_t now_us, struct session **ret);
void session_free(struct session *s); /* wipes */

/* Reserves the next counter of a lane for sending. -EAGAIN: not yet (an initiator before the
 * responder's first authentic packet, so the responder's owner sends one at once, be it empty),
 * too old to send, or the key's limit is reached; -EPIPE: closed; -EINVAL: no such lane. A text
 * over 2,048 bytes lowers AES-GCM's limit, so text_len may not be less than what is sealed. */
struct session_ticket {
	uint32_t remote_index;
	uint8_t lane;
	uint64_t sequence;
	struct aead *aead; /* the session's */
	uint8_t nonce[AEAD_NONCE_LEN];
};

int session_reserve(struct session *s, enum session_use use, unsigned lane, size_t text_len,
		    uint64_t now_us, struct session_ticket *ret);
/* Seals under a ticket, once. ret has room for text.len + 16 and may be text.at. -EPIPE: the
 * ticket's key is erased meanwhile; -EMSGSIZE: longer than reserved for (see above). */
int session_seal(struct session *s, const struct session_ticket *ticket, struct span ad,
		 struct span text, uint8_t *ret);

enum session_verdict {
	SESSION_OPENED = 0,
	SESSION_REPLAYED, /* authentic, seen before or older than the window */
	SESSION_FORGED,
	SESSION_UNKNOWN, /* no such index or lane, key already retired, session closed */
};

/* Opens, then checks and marks the window: one step. local_index says which epoch. ret has
 * room for text.len - 16 and may be text.at. *ret_is_newest: newer than all before on this
 * use (roaming may follow it). */
enum session_verdict session_open(struct session *s, enum session_use use, uint32_t local_index,
				  uint8_t lane, uint64_t sequence, struct span ad, struct span text,
				  uint8_t *ret, bool *ret_is_newest, uint64_t now_us);

/* Can it send now? An initiator's may not until the responder's first packet. */
bool session_can_send(const struct session *s, uint64_t now_us);
bool session_is_closed(const struct session *s);
bool session_is_initiator(const struct session *s);
uint32_t session_epoch(const struct session *s); /* j in use for sending */
/* Whether what comes under this receiver index comes under the newest keys. */
bool session_index_is_current(const struct session *s, uint32_t local_index);
uint64_t session_age_us(const struct session *s, uint64_t now_us);

/* The smoothed round trip to the peer; 0 for unknown (100 ms then). It spaces repeats. */
void session_set_rtt_us(struct session *s, uint32_t rtt_us);

/* Rekeying: a message for the peer goes as it is into a packet of this session, sealed under the
 * epoch current when it is sent. What carries it need not be reliable or ordered: what is
 * unanswered is said again. Its first byte is its type: 1 RK1, 2 RK2, 3 a request for RK1, 4 a
 * confirmation (docs/session.md). Only RK1 from the initiator, RK2 from the responder.
 * -EBADMSG, -EPROTO (not from this role, not this epoch), -EKEYREJECTED (its keys), -ENOBUFS
 * (actions not fetched, no free index), -EAGAIN (too soon after the last), -EPIPE: closed. None of
 * them ends the session; late repeats return 0. */
int session_rekey_input(struct session *s, struct span message, uint64_t now_us);
/* Asks for a rekey soon (a node that moved rekeys). The responder's is sent as a request. */
void session_want_rekey(struct session *s, uint64_t now_us);
void session_tick(struct session *s, uint64_t now_us);
uint64_t session_deadline_us(const struct session *s);
void session_close(struct session *s); /* wipes the keys at once */

enum session_action_type {
	SESSION_SEND_REKEY,	/* message: for the peer's session_rekey_input() */
	SESSION_INDEX_OPENED,	/* route datagrams with this receiver index here, from now on; not
				 * told of session_secret's, which the caller knows */
	SESSION_INDEX_RETIRED,	/* no longer; not to be reused for 180 s */
	SESSION_WANT_HANDSHAKE, /* not rekeyed in time: begin a full handshake beside it */
	SESSION_CLOSED,		/* of age, limits reached or session_close() */
};

struct session_action {
	enum session_action_type type;
	uint32_t index;
	uint8_t message[SESSION_REKEY_MESSAGE_MAX];
	size_t len;
};

bool session_next_action(struct session *s, struct session_action *ret);

struct session_counters {
	uint64_t sealed, opened, replayed, forged, rekeys;
};

void session_counters(const struct session *s, struct session_counters *ret);

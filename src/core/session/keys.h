/* SPDX-License-Identifier: Apache-2.0 */
/* keys.h - the packet keys of one key epoch, their counters and their windows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto/crypto.h"
#include "core/session/session.h"
#include "core/session/share.h"
#include "core/session/window.h"

#define SESSION_ROOT_LEN SHA256_LEN
#define SEQUENCE_MAX ((UINT64_C(1) << 56) - 1) /* seven of the counter's eight bytes */
#define LARGE_PACKET_BYTES 2048 /* longer ones lower AES-GCM's limit (RFC 9001 appendix B) */

struct send_key {
	struct aead *aead;
	uint8_t iv[AEAD_NONCE_LEN];
	bool is_large;	    /* a packet over LARGE_PACKET_BYTES was reserved for */
	uint64_t packets;   /* in all lanes of the owner's */
	uint64_t set_aside; /* of those it may seal, for packet threads */
	uint64_t next[SESSION_LANES_MAX];
};

struct receive_key {
	struct aead *aead; /* NULL once closed by its forgeries */
	uint8_t iv[AEAD_NONCE_LEN];
	uint64_t forgeries;
	struct window *windows[SESSION_LANES_MAX]; /* from the first authentic packet on */
};

struct epoch {
	uint32_t number; /* j */
	uint32_t local_index;
	uint32_t remote_index;
	uint64_t began_us;
	uint64_t rekey_us; /* with its jitter */
	bool may_send;
	bool is_heard; /* something authentic came under it */
	bool is_used;  /* ... or went, after the rekey that began it was over */
	struct send_key send[SESSION_N_USES];
	struct receive_key receive[SESSION_N_USES];
	struct share *share; /* for packet threads; NULL: none. Windows of its lanes are its */
};

/* The four keys of an epoch out of S_j. -ENOMEM. */
int epoch_new(const struct crypto_ops *ops, const uint8_t root[SESSION_ROOT_LEN],
	      enum aead_algorithm aead, bool is_initiator, struct epoch **ret);
void epoch_free(const struct crypto_ops *ops, struct epoch *e); /* wipes */

/* key 32 and iv 12 of one use and direction. */
void epoch_derive_key(const struct crypto_ops *ops, const uint8_t root[SESSION_ROOT_LEN],
		      enum session_use use, bool is_i2r, uint8_t ret_key[AEAD_KEY_LEN],
		      uint8_t ret_iv[AEAD_NONCE_LEN]);

/* S_{j+1} out of S_j, both rekey messages without their type byte, and both fresh secrets. */
void epoch_ratchet(const struct crypto_ops *ops, const uint8_t root[SESSION_ROOT_LEN],
		   struct span rk1, struct span rk2, const uint8_t dh[X25519_LEN],
		   const uint8_t ss[MLKEM768_SS_LEN], uint8_t ret[SESSION_ROOT_LEN]);

/* iv XOR (0^4 | lane 1 | sequence 7). */
void epoch_nonce(const uint8_t iv[AEAD_NONCE_LEN], uint8_t lane, uint64_t sequence,
		 uint8_t ret[AEAD_NONCE_LEN]);

/* How many packets the key may seal, with what it has been used for so far and a packet of
 * text_len beside that. */
uint64_t send_key_packets_max(const struct send_key *k, enum aead_algorithm aead, size_t text_len,
			      const struct session_limits *limits);
/* The next sequence number of a lane. -EAGAIN: the key's limit, or the lane's numbers are used up.
 */
int send_key_reserve(struct send_key *k, enum aead_algorithm aead, unsigned lane, size_t text_len,
		     const struct session_limits *limits, uint64_t *ret);
/* True: these n forgeries were the last that the key survives, and it is closed now. */
bool receive_key_forged(const struct crypto_ops *ops, struct receive_key *k, uint64_t n,
			enum aead_algorithm aead, const struct session_limits *limits);

/* SPDX-License-Identifier: Apache-2.0 */
/* rekey.h - the messages of a rekey and the two computations behind them.
 *
 *	type 1 | j+1 4				REQUEST and CONFIRM
 *	type 1 | j+1 4 | idxI 4 | e 32 | ek 1184	RK1; what is hashed begins at j+1
 *	type 1 | j+1 4 | idxR 4 | e 32 | ct 1088	RK2 */
#pragma once

#include <stdint.h>

#include "core/session/keys.h"

enum rekey_type {
	REKEY_RK1 = 1,
	REKEY_RK2 = 2,
	REKEY_REQUEST = 3, /* responder to initiator: begin a rekey to j+1 */
	REKEY_CONFIRM = 4, /* sealed under j+1: I have it; the responder answers with the same */
};

#define REKEY_SHORT_LEN 5
#define REKEY_RK1_LEN (1 + 8 + X25519_LEN + MLKEM768_EK_LEN)
#define REKEY_RK2_LEN (1 + 8 + X25519_LEN + MLKEM768_CT_LEN)

struct rekey_message {
	enum rekey_type type;
	uint32_t epoch;	     /* j+1 */
	uint32_t index;	     /* RK1, RK2: where the sender receives from then on */
	const uint8_t *e;    /* RK1, RK2; borrowed from the message, as is: */
	const uint8_t *kem;  /* ek or ct */
	struct span content; /* without the type byte: what goes into the transcript */
};

/* -EBADMSG: not exactly one of the four messages; an epoch or an index is 0. */
int rekey_decode(struct span message, struct rekey_message *ret);
size_t rekey_encode_short(enum rekey_type type, uint32_t epoch, uint8_t ret[REKEY_SHORT_LEN]);

/* The initiator's half while it waits for RK2. */
struct rekey_offer {
	uint32_t epoch;
	uint32_t index;
	uint8_t x25519[X25519_LEN];
	uint8_t dk[MLKEM768_DK_LEN];
	uint8_t rk1[REKEY_RK1_LEN];
};

int rekey_offer_new(const struct crypto_ops *ops, const struct entropy *entropy, uint32_t epoch,
		    uint32_t index, struct rekey_offer **ret);
void rekey_offer_free(struct rekey_offer *o); /* wipes; NULL is fine */
/* S_{j+1} from the answer. -EKEYREJECTED for an X25519 key that yields zeros. */
int rekey_offer_finish(const struct crypto_ops *ops, const struct rekey_offer *o,
		       const struct rekey_message *rk2, const uint8_t root[SESSION_ROOT_LEN],
		       uint8_t ret_root[SESSION_ROOT_LEN]);

/* The responder's half until the first packet of j+1: what to say again, and to what. */
struct rekey_answer {
	uint8_t rk1_hash[SHA256_LEN];
	uint8_t rk2[REKEY_RK2_LEN];
	uint8_t next_root[SESSION_ROOT_LEN]; /* S_{j+1}, while S_j is kept */
};

/* -EKEYREJECTED: the encapsulation key fails its check, or X25519 yields zeros. */
int rekey_answer_new(const struct crypto_ops *ops, const struct entropy *entropy,
		     const struct rekey_message *rk1, uint32_t index,
		     const uint8_t root[SESSION_ROOT_LEN], struct rekey_answer **ret);
void rekey_answer_free(struct rekey_answer *a); /* wipes; NULL is fine */
bool rekey_answer_is_to(const struct crypto_ops *ops, const struct rekey_answer *a,
			const struct rekey_message *rk1);

/* SPDX-License-Identifier: Apache-2.0 */
/* noise.h - both ends of a Noise handshake (revision 34), for test vectors only.
 *
 * The program's own handshake is no Noise protocol: it shares the building blocks, and the
 * published vectors test those together. DH is X25519, alone, with X448 beside it (an early
 * form of the "hfs" modifier) or with ML-KEM-768 (its KEM form, pattern XX only). Keys are
 * all given: nothing is random and nothing is wiped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "evp.h"
#include "pqc/mlkem.h"

#define NOISE_PSKS_MAX 2
#define NOISE_MESSAGES_MAX 4
#define NOISE_MESSAGE_MAX 65535 /* bytes, section 3 of the specification */
#define NOISE_TOKENS_MAX 64	/* characters of one message's tokens */

enum noise_hybrid {
	NOISE_PLAIN,
	NOISE_HYBRID_X448,
	NOISE_HYBRID_MLKEM768,
};

/* What a protocol name says. */
struct noise_protocol {
	char name[128];
	const char *hash, *cipher; /* as OpenSSL calls them */
	bool nonce_is_big_endian;
	size_t hash_len;
	enum noise_hybrid hybrid;
	bool has_psk;
	bool init_static_known, resp_static_known;	   /* pre-messages */
	char tokens[NOISE_MESSAGES_MAX][NOISE_TOKENS_MAX]; /* separated by blanks */
	unsigned n_messages;
};

/* Reads a name such as "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s". -EINVAL for what is not
 * supported, with the reason in ret_why (one line, borrowed). */
int noise_protocol_parse(const char *name, struct noise_protocol *ret, const char **ret_why);

struct noise_key {
	bool present;
	uint8_t secret[EVP_DH_MAX], public[EVP_DH_MAX];
};

struct noise_cipher {
	bool has_key;
	uint8_t key[32];
	uint64_t n;
};

/* One end. Fill in the keys after noise_party_init(), then call noise_party_start(). */
struct noise_party {
	const struct noise_protocol *protocol;
	bool initiator;
	struct noise_key s, e, f;    /* own; f is the X448 key */
	struct noise_key rs, re, rf; /* the other's, public halves */
	struct span psks[NOISE_PSKS_MAX];
	unsigned n_psks, psks_used;
	uint8_t kem_dz[64], kem_m[32]; /* seeds of the KEM key and of the ciphertext */
	uint8_t kem_dk[MLKEM_DK_MAX], kem_ek[MLKEM_EK_MAX];
	uint8_t ck[EVP_HASH_MAX], h[EVP_HASH_MAX];
	struct noise_cipher handshake, send, receive;
};

void noise_party_init(struct noise_party *p, const struct noise_protocol *protocol, bool initiator);
/* Gives the key its public half. */
int noise_key_set(struct noise_key *key, const char *curve, struct span secret);
int noise_party_start(struct noise_party *p, struct span prologue);

/* The index-th handshake message. ret has room for NOISE_MESSAGE_MAX bytes. -EKEYREJECTED for
 * one that does not authenticate, -EBADMSG for one too short, -ENOBUFS for one too long. */
int noise_write(struct noise_party *p, unsigned index, struct span payload, uint8_t *ret,
		size_t *ret_len);
int noise_read(struct noise_party *p, unsigned index, struct span message, uint8_t *ret,
	       size_t *ret_len);
/* After the last one: keys of both directions. */
int noise_split(struct noise_party *p);

/* Transport messages. */
int noise_seal(const struct noise_protocol *protocol, struct noise_cipher *c, struct span aad,
	       struct span plain, uint8_t *ret);
int noise_open(const struct noise_protocol *protocol, struct noise_cipher *c, struct span aad,
	       struct span sealed, uint8_t *ret);

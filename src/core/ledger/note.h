/* SPDX-License-Identifier: Apache-2.0 */
/* note.h - a text with signatures below it, and the keys that make them (c2sp.org/signed-note).
 *
 * A signature is named by its key's name and the first 32 bits of a hash over name, algorithm and
 * public key. What exactly is signed belongs to the algorithm; for the two of
 * c2sp.org/tlog-cosignature it holds the time and the text must be a checkpoint (checkpoint.h). */
#pragma once

#include "base/rng.h"
#include "core/crypto/crypto.h"

enum note_algorithm {
	NOTE_ED25519 = 0x01,	    /* over the text */
	NOTE_COSIGN_ED25519 = 0x04, /* cosignature/v1, with the time */
	NOTE_COSIGN_MLDSA44 = 0x06, /* subtree/v1, with the time */
};

#define ED25519_SEED_LEN 32
#define ED25519_PK_LEN 32
#define ED25519_SIG_LEN 64
#define MLDSA44_SEED_LEN 32
#define MLDSA44_PK_LEN 1312
#define MLDSA44_SIG_LEN 2420

/* What crypto_ops does not have, because nothing else signs with these. Keys are their seeds
 * (RFC 8032 section 5.1.5, FIPS 204 algorithm 6). Return values as in crypto.h. */
struct note_crypto {
	const char *name;
	int (*ed25519_public)(const uint8_t seed[ED25519_SEED_LEN], uint8_t ret[ED25519_PK_LEN]);
	int (*ed25519_sign)(const uint8_t seed[ED25519_SEED_LEN], struct span message,
			    uint8_t ret[ED25519_SIG_LEN]);
	int (*ed25519_verify)(const uint8_t pk[ED25519_PK_LEN], struct span message,
			      const uint8_t sig[ED25519_SIG_LEN]);
	int (*mldsa44_public)(const uint8_t seed[MLDSA44_SEED_LEN], uint8_t ret[MLDSA44_PK_LEN]);
	/* The context is empty; rnd of zeros is the deterministic variant. */
	int (*mldsa44_sign)(const uint8_t seed[MLDSA44_SEED_LEN], struct span message,
			    const uint8_t rnd[32], uint8_t ret[MLDSA44_SIG_LEN]);
	int (*mldsa44_verify)(const uint8_t pk[MLDSA44_PK_LEN], struct span message,
			      const uint8_t sig[MLDSA44_SIG_LEN]);
};

#define NOTE_SIGNATURES_MAX 16	    /* what a verifier must accept at least */
#define NOTE_LEN_MAX (96U << 10)    /* that many of the longest below, in base64, and a text */
#define NOTE_SIGNATURE_LEN_MAX 5120 /* the longest that post-quantum algorithms have */
#define NOTE_NAME_MAX 255
#define NOTE_KEY_TEXT_SIZE (NOTE_NAME_MAX + 10 + 4 * (MLDSA44_PK_LEN + 3) / 3 + 2)

/* A key as its verifiers know it. */
struct note_key {
	char name[NOTE_NAME_MAX + 1];
	enum note_algorithm algorithm;
	uint8_t pk[MLDSA44_PK_LEN]; /* ED25519_PK_LEN of it, or all */
	uint32_t id;
};

/* UTF-8, not empty, no space, plus or control character. */
bool note_name_is_sound(struct span name);
size_t note_pk_len(enum note_algorithm a); /* 0 for an algorithm that is not known here */
/* Computes the id. -EINVAL for a name that is none. */
int note_key_init(const struct crypto_ops *ops, const char *name, enum note_algorithm a,
		  const uint8_t *pk, struct note_key *ret);
/* "name+1a2b3c4d+base64", as signed-note has it: NUL-terminated. */
void note_key_encode(const struct note_key *k, char ret[NOTE_KEY_TEXT_SIZE]);
/* -EBADMSG; also where the id is not that of the key. */
int note_key_decode(const struct crypto_ops *ops, struct span text, struct note_key *ret);

struct note_signature {
	struct span name;
	uint32_t id;
	struct span base64; /* of id and signature */
};

/* Borrowed from the bytes that were decoded. */
struct note {
	struct span text; /* with its last newline */
	struct note_signature signatures[NOTE_SIGNATURES_MAX];
	size_t n_signatures;
};

/* -EBADMSG; -ENOBUFS for more signatures or bytes than the limits above. */
int note_decode(struct span bytes, struct note *ret);
/* The signature of that key, decoded: -ENOENT where there is none, -EPROTO where there are two,
 * -EBADMSG for one of a length that the algorithm does not have. *ret_unix_s is 0 for NOTE_ED25519.
 * sig has room for MLDSA44_SIG_LEN. */
int note_signature_of(const struct note *n, const struct note_key *k, uint64_t *ret_unix_s,
		      uint8_t *ret_sig);
/* One line of signature; unix_s is left out for NOTE_ED25519. */
void note_write_signature(struct writer *w, const struct note_key *k, uint64_t unix_s,
			  const uint8_t *sig);

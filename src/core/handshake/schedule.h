/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h - the key schedule and the three messages as functions of their inputs: no state
 * but what is passed in, no time, no chance. Tables in docs/handshake.md.
 *
 * Notation there and in the comments here: H is SHA-256, X(salt, ikm) HKDF-Extract, E(prk,
 * info, L) HKDF-Expand, | concatenation, \0 a zero byte that belongs to a label. */
#pragma once

#include "core/crypto/crypto.h"
#include "core/identity/identity.h"
#include "core/wire/wire.h"

#define M1_LEN 1264			 /* eI 32 | ek 1184 + tag 16 | params 16 + tag 16 */
#define M2_EXCHANGE_LEN (32 + 1088 + 16) /* eR 32 | ct 1088 + tag 16 */
#define PARAMS_LEN 16
#define WARM_LEN 16
#define COOKIE_LEN 16
#define CHAIN_FIELD_IS_HASH 0
#define CHAIN_FIELD_MAX 0x7fff
#define CHAIN_FIELD_IS_JOIN 0xffff
/* What the payloads of M2 and M3 hold beside the chain. */
#define M2_FIXED_LEN (PARAMS_LEN + WARM_LEN + 2 + MLDSA65_SIG_LEN + SHA256_LEN)
#define M3_FIXED_LEN (PARAMS_LEN + 2 + MLDSA65_SIG_LEN + SHA256_LEN)
/* Bytes of an encoded chain that still fit into M2, the longer of the two. */
#define CHAIN_FIELD_ROOM (WIRE_HS_MESSAGE_MAX - M2_EXCHANGE_LEN - M2_FIXED_LEN - AEAD_TAG_LEN)

#define HS_VERSION 1
#define HS_SUITE 1
#define HS_LANES_MAX 16
#define PARAMS_FLAG_JOIN 1
#define PARAMS_FLAG_HOLDS_CHAIN 2

/* ---- keys that follow from the network key ---- */

struct network_keys {
	uint8_t psk[32];
	uint8_t kmac[16];
	uint8_t kcookie[32];
};

void network_keys_derive(const struct crypto_ops *ops, const uint8_t nk[NETWORK_KEY_LEN],
			 struct network_keys *ret);

/* ---- Noise's SymmetricState (revision 34, section 5.2) with a CipherState inside ---- */

struct symmetric {
	uint8_t h[SHA256_LEN];
	uint8_t ck[SHA256_LEN];
	uint8_t k[AEAD_KEY_LEN];
	uint64_t n;
	bool has_key;
};

void symmetric_init(const struct crypto_ops *ops, struct symmetric *s, struct span name);
void mix_hash(const struct crypto_ops *ops, struct symmetric *s, struct span data);
void mix_key(const struct crypto_ops *ops, struct symmetric *s, struct span ikm);
void mix_key_and_hash(const struct crypto_ops *ops, struct symmetric *s, struct span ikm);
/* ret has room for text.len + 16 and may be text.at. Without a key the text passes as it is and
 * no tag is added. Returns the length. -EIO. */
int encrypt_and_hash(const struct crypto_ops *ops, struct symmetric *s, struct span text,
		     uint8_t *ret);
/* -EKEYREJECTED; the state is then useless: work on a copy. */
int decrypt_and_hash(const struct crypto_ops *ops, struct symmetric *s, struct span text,
		     uint8_t *ret);

/* ---- one side's state of one handshake ---- */

struct exchange {
	struct symmetric s;
	uint8_t e_initiator[X25519_LEN];
	uint8_t kc_r[SHA256_LEN]; /* confirmation keys, from M2 on */
	uint8_t kc_i[SHA256_LEN];
	uint8_t hk[SHA256_LEN]; /* h when the keys were agreed */
	uint8_t h3[SHA256_LEN]; /* h after M2 */
	uint8_t t_r[SHA256_LEN];
	uint8_t cf_r[SHA256_LEN];
	uint8_t t_i[SHA256_LEN];
	uint8_t cf_i[SHA256_LEN];
};

/* The initiator's ephemeral secrets between M1 and M2. */
struct ephemeral {
	uint8_t x[X25519_LEN];
	uint8_t dk[MLKEM768_DK_LEN];
};

struct m1_seeds {
	uint8_t x[X25519_LEN];
	uint8_t d[MLKEM768_SEED_LEN];
	uint8_t z[MLKEM768_SEED_LEN];
};

struct m2_seeds {
	uint8_t x[X25519_LEN];
	uint8_t m[MLKEM768_SEED_LEN];
	uint8_t rnd[MLDSA65_RND_LEN];
};

struct params {
	uint8_t version;
	uint8_t suite;
	uint8_t aead; /* bits of enum aead_algorithm */
	uint8_t lanes;
	uint16_t flags;
	uint16_t reserved;
	uint64_t boot_epoch;
};

void params_encode(const struct params *p, uint8_t ret[PARAMS_LEN]);
void params_decode(const uint8_t from[PARAMS_LEN], struct params *ret);

#define PROLOGUE_MAX 36

/* "x0 handshake 1" \0 | kind 1 | [through the mesh: node ids of I and R] | idxI 4. Returns
 * its length. */
size_t prologue_encode(bool is_mesh, uint64_t initiator, uint64_t responder,
		       uint32_t initiator_index, uint8_t ret[PROLOGUE_MAX]);

/* ---- M1 and the key exchange half of M2 ---- */

/* -EIO. */
int m1_write(const struct crypto_ops *ops, const struct network_keys *nk, struct span prologue,
	     const struct m1_seeds *seeds, const struct params *params, struct exchange *x,
	     struct ephemeral *ret_ephemeral, uint8_t ret[M1_LEN]);
/* -EBADMSG for a length, -EKEYREJECTED. */
int m1_read(const struct crypto_ops *ops, const struct network_keys *nk, struct span prologue,
	    struct span m1, struct exchange *x, uint8_t ret_ek[MLKEM768_EK_LEN],
	    struct params *ret);

/* Both end with the confirmation keys derived. -EKEYREJECTED for an all-zero X25519 result, a
 * key that fails the modulus check, a tag. */
int m2_exchange_write(const struct crypto_ops *ops, struct exchange *x, uint32_t responder_index,
		      const uint8_t ek[MLKEM768_EK_LEN], const struct m2_seeds *seeds,
		      uint8_t ret[M2_EXCHANGE_LEN]);
int m2_exchange_read(const struct crypto_ops *ops, struct exchange *x,
		     const struct ephemeral *ephemeral, uint32_t responder_index,
		     const uint8_t m2[M2_EXCHANGE_LEN]);

/* ---- the authenticating payloads ---- */

/* What follows params (and warm) in a payload: a chain, its hash, or a join block. */
struct credential {
	uint16_t field;		  /* chainlen */
	struct span bytes;	  /* encoded chain; hash 32; or J */
	uint8_t hash[SHA256_LEN]; /* D */
	const uint8_t *join_key;  /* J only: jk */
};

/* A payload as decoded; all borrowed. What is not there is NULL or empty. */
struct payload {
	struct params params;
	const uint8_t *params_bytes;
	const uint8_t *warm; /* M2 */
	uint16_t field;
	struct span bytes;	  /* as in struct credential */
	const uint8_t *token_mac; /* tokI, with J */
	const uint8_t *signature;
	const uint8_t *confirmation;
};

/* -EBADMSG, or -EPROTO for a join block in M2. */
int payload_decode(struct span plaintext, bool is_m2, struct payload *ret);

/* The sealed payload of M2: seals exactly once. Returns its length. -ENOBUFS, -EIO. */
int m2_auth_write(const struct crypto_ops *ops, struct exchange *x, const struct params *params,
		  const uint8_t warm[WARM_LEN], const struct credential *credential,
		  const struct signing_key *key, const uint8_t rnd[MLDSA65_RND_LEN], uint8_t *ret,
		  size_t ret_size);
/* Opens it into ret_plaintext (text.len bytes of room). -EKEYREJECTED, -EBADMSG, -EPROTO. */
int auth_open(const struct crypto_ops *ops, struct exchange *x, struct span text, bool is_m2,
	      uint8_t *ret_plaintext, struct payload *ret);
/* Confirmation first, then the signature by pk. -EKEYREJECTED. */
int m2_auth_check(const struct crypto_ops *ops, struct exchange *x, const struct payload *p,
		  const uint8_t hash[SHA256_LEN], const uint8_t pk[MLDSA65_PK_LEN]);

int m3_write(const struct crypto_ops *ops, struct exchange *x, const struct params *params,
	     const struct credential *credential, const struct signing_key *key,
	     const uint8_t rnd[MLDSA65_RND_LEN], uint8_t *ret, size_t ret_size);
/* join_key: of the token named in J, or NULL for a member. */
int m3_auth_check(const struct crypto_ops *ops, struct exchange *x, const struct payload *p,
		  const uint8_t hash[SHA256_LEN], const uint8_t pk[MLDSA65_PK_LEN],
		  const uint8_t *join_key);

/* S_0, once M3 is written or checked. */
void session_root(const struct crypto_ops *ops, const struct exchange *x, uint8_t ret[SHA256_LEN]);

/* ---- macs of a datagram ---- */

/* mac1 = SIP(kmac, header | body), mac2 = SIP(cookie, header | body | mac1): datagram is the
 * whole, its last 32 bytes the macs. */
void mac1_make(const uint8_t kmac[16], struct span datagram, uint8_t ret[WIRE_MAC_LEN]);
void mac2_make(const uint8_t cookie[COOKIE_LEN], struct span datagram, uint8_t ret[WIRE_MAC_LEN]);
bool mac1_is_good(const uint8_t kmac[16], struct span datagram);
bool mac2_is_good(const uint8_t cookie[COOKIE_LEN], struct span datagram);

/* ---- the join block: token id 8 | len 2 | CSR (ML-DSA-65) | len 2 | CSR (P-256) ---- */

struct join_block {
	const uint8_t *token_id;
	struct span csr_mldsa;
	struct span csr_p256;
};

int join_block_decode(struct span bytes, struct join_block *ret);
/* Returns the length, -ENOBUFS. */
int join_block_encode(const struct join_block *j, uint8_t *ret, size_t ret_size);

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto.h - the cryptography the cores use, behind one table of functions.
 *
 * Cores call nothing else: shell/openssl/ fills the table from OpenSSL's EVP interface, a
 * simulation of more than 300 nodes may fill it with "sim-null" and says so. Every random
 * input is a parameter. Inputs are borrowed for the call; outputs may not overlap inputs
 * except where said. Return values: 0, or
 *	-EKEYREJECTED	authentication or a validity check failed
 *	-EINVAL		a length or an encoding is impossible
 *	-EIO		the library failed (out of memory, no such algorithm) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define SHA256_LEN 32
#define X25519_LEN 32
#define MLKEM768_SEED_LEN 32 /* each of d, z and m */
#define MLKEM768_EK_LEN 1184
#define MLKEM768_DK_LEN 2400
#define MLKEM768_CT_LEN 1088
#define MLKEM768_SS_LEN 32
#define MLDSA65_PK_LEN 1952
#define MLDSA65_SIG_LEN 3309
#define MLDSA65_RND_LEN 32
#define MLDSA_CONTEXT_MAX 255
#define AEAD_KEY_LEN 32
#define AEAD_NONCE_LEN 12
#define AEAD_TAG_LEN 16

/* The values are the bits of the handshake's aead field (docs/handshake.md). */
enum aead_algorithm {
	AEAD_AES_256_GCM = 1,
	AEAD_CHACHA20_POLY1305 = 2,
};

struct aead;	    /* one key of one algorithm, ready for use; not for two threads at once */
struct signing_key; /* a long-term ML-DSA-65 private key */

/* What the cores need to know of an X.509 certificate, as read, not judged. */
struct cert {
	struct span der;	/* borrowed from the caller's bytes */
	char uri[256];		/* the first URI SAN, "" for none; NUL-terminated, no NUL inside */
	unsigned n_uris;	/* URI SANs in all */
	unsigned n_other_names; /* SANs of other kinds */
	bool is_mldsa65;	/* the subject key is ML-DSA-65; then: */
	uint8_t pk[MLDSA65_PK_LEN];
	bool is_p256; /* the subject key is ECDSA P-256 */
	bool is_ca;   /* basicConstraints CA:TRUE */
	bool has_key_usage;
	bool can_sign;	      /* keyUsage digitalSignature */
	bool can_sign_certs;  /* keyUsage keyCertSign */
	bool can_sign_crls;   /* keyUsage cRLSign */
	int64_t not_before_s; /* unix seconds */
	int64_t not_after_s;
	uint8_t serial[20]; /* big-endian, right-aligned */
};

struct crypto_ops {
	const char *name; /* "openssl", "sim-null" */

	/* Hashes the parts as one string. */
	void (*sha256)(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN]);
	void (*hmac_sha256)(struct span key, const struct span *parts, size_t n,
			    uint8_t ret[SHA256_LEN]);

	/* RFC 7748. The secret is clamped inside. x25519: -EKEYREJECTED when the result is all
	 * zero (RFC 7748 section 6.1). */
	int (*x25519_public)(const uint8_t secret[X25519_LEN], uint8_t ret[X25519_LEN]);
	int (*x25519)(const uint8_t secret[X25519_LEN], const uint8_t peer[X25519_LEN],
		      uint8_t ret[X25519_LEN]);

	/* FIPS 203, algorithms 16 to 18 with d, z and m as inputs. encaps: -EKEYREJECTED when
	 * the modulus check of section 7.2 fails. decaps rejects implicitly, as it must. */
	int (*mlkem768_keygen)(const uint8_t d[32], const uint8_t z[32],
			       uint8_t ret_ek[MLKEM768_EK_LEN], uint8_t ret_dk[MLKEM768_DK_LEN]);
	int (*mlkem768_encaps)(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[32],
			       uint8_t ret_ct[MLKEM768_CT_LEN], uint8_t ret_ss[MLKEM768_SS_LEN]);
	int (*mlkem768_decaps)(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN],
			       uint8_t ret_ss[MLKEM768_SS_LEN]);

	/* FIPS 204, algorithms 2 and 3: rnd of zeros is the deterministic variant; the context
	 * is at most 255 bytes. */
	int (*mldsa65_sign)(const struct signing_key *key, struct span message, struct span context,
			    const uint8_t rnd[MLDSA65_RND_LEN], uint8_t ret[MLDSA65_SIG_LEN]);
	int (*mldsa65_verify)(const uint8_t pk[MLDSA65_PK_LEN], struct span message,
			      struct span context, const uint8_t sig[MLDSA65_SIG_LEN]);
	void (*signing_key_public)(const struct signing_key *key, uint8_t ret[MLDSA65_PK_LEN]);

	/* NULL where the algorithm is unknown or memory is short. */
	struct aead *(*aead_new)(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN]);
	void (*aead_free)(struct aead *a); /* wipes */
	/* ret has room for text.len + 16 (seal), text.len - 16 (open); it may be text.at itself.
	 * After a failed open ret holds nothing of the plaintext. */
	int (*aead_seal)(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			 struct span text, uint8_t *ret);
	int (*aead_open)(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad,
			 struct span text, uint8_t *ret);

	/* A PKCS#10 request for an ML-DSA-65 key: its public key, once its own signature has
	 * verified. -EBADMSG, -EKEYREJECTED. */
	int (*csr_read)(struct span der, uint8_t ret_pk[MLDSA65_PK_LEN]);
	/* One DER certificate, nothing behind it. -EBADMSG. */
	int (*cert_read)(struct span der, struct cert *ret);
	/* Path validation (RFC 5280 section 6) of chain[0] through chain[1..] to one of the
	 * roots at the given time, ML-DSA-65 and ECDSA P-256 signatures only. -EKEYREJECTED,
	 * and why in ret_reason: a static string for people. */
	int (*path_verify)(const struct span *chain, size_t n_chain, const struct span *roots,
			   size_t n_roots, int64_t unix_s, const char **ret_reason);
};

/* HKDF-SHA256 (RFC 5869) over ops->hmac_sha256. An empty salt is 32 zero bytes. */
void hkdf_extract(const struct crypto_ops *ops, struct span salt, struct span ikm,
		  uint8_t ret[SHA256_LEN]);
/* len at most 255 * 32. */
void hkdf_expand(const struct crypto_ops *ops, const uint8_t prk[SHA256_LEN], struct span info,
		 uint8_t *ret, size_t len);

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto_openssl.h - the table of core/crypto/crypto.h, filled from OpenSSL's EVP interface.
 *
 * One place, library.c, decides where ML-KEM and ML-DSA come from: the library's own from
 * OpenSSL 3.5 on, else our provider x0pq over pqc/, loaded in process. All of it lives in a
 * library context of its own, so neither openssl.cnf nor another user of OpenSSL in this
 * process changes what is used. Every function may be called from any thread; objects are
 * for one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto/crypto.h"

/* The table, the same one at each call; NULL and a static text for people in *ret_error when
 * the library lacks something. The first call sets everything up. */
const struct crypto_ops *openssl_crypto_ops(const char **ret_error);

/* The signatures of the ledger's notes (core/ledger/note.h), once openssl_crypto_ops() gave the
 * table. */
struct note_crypto;
const struct note_crypto *openssl_note_crypto(void);

/* Who computes AES-256-GCM. Both give the same bytes. */
enum aes_gcm {
	AES_GCM_MEASURED, /* ours where the processor can and it is faster, measured at the first
			     use; X0_AES_GCM=library or =own in the environment decides instead */
	AES_GCM_LIBRARY,
	AES_GCM_OWN, /* src/aesgcm */
};

/* For tests and measurements: of the whole process, for keys made from now on. -ENOTSUP where
 * ours cannot run here. */
int crypto_openssl_use_aes_gcm(enum aes_gcm who);

#define CRYPTO_DESCRIPTION_ROWS 8
#define CRYPTO_WHY_SIZE 128

/* What is used, for `x0 doctor`. */
struct crypto_description {
	char library[64]; /* "OpenSSL 3.0.22 25 Aug 2026": the one that runs */
	bool is_own_pq;	  /* ML-KEM and ML-DSA are the library's; ours is not loaded */
	bool is_wiping;	  /* all memory OpenSSL gives back is wiped; false where another part of
			   * the process had used it before us */
	size_t unlocked_key_bytes; /* so far, that found no room in the secure heap */
	unsigned n_rows;
	struct {
		const char *algorithm;	   /* "ML-KEM-768" */
		char provider[16];	   /* "default", "x0pq"; "x0vaes" is src/aesgcm */
		char why[CRYPTO_WHY_SIZE]; /* of a choice measured at start; else "" */
	} rows[CRYPTO_DESCRIPTION_ROWS];
};

/* -EIO where openssl_crypto_ops() gives NULL. */
int crypto_openssl_describe(struct crypto_description *ret);

/* From here on private keys that OpenSSL keeps itself (P-256; from 3.5 on ML-DSA too) lie in its
 * secure heap: locked, fenced, in no core file. In the process that will hold them, before it has
 * any: locks are not inherited by a child. -EPERM where it could not be locked, -ENOMEM,
 * -EOPNOTSUPP with the address sanitizer. */
int crypto_openssl_secure_heap(void);

/* For shell/tls alone: the library context, with our provider loaded where it is needed. NULL and a
 * text as above. */
struct ossl_lib_ctx_st *crypto_openssl_context(const char **ret_error);

/* Owned bytes, as made by this room. An all-zero struct is empty. */
struct buffer {
	uint8_t *at;
	size_t len;
};

void buffer_done(struct buffer *b); /* wipes and frees; leaves it empty */

/* ---- private keys ---- */

enum key_kind {
	KEY_MLDSA65, /* the mesh handshake and everything the mesh signs */
	KEY_P256,    /* ECDSA, for TLS with those who know nothing of the above */
};

/* The ML-DSA-65 key that FIPS 204 algorithm 6 makes of the seed. -ENOMEM, -EIO. */
int signing_key_from_seed(const uint8_t seed[32], struct signing_key **ret);
/* A fresh P-256 key from OpenSSL's generator. Only for the PKI: crypto_ops signs with
 * ML-DSA-65 alone and refuses it with -EINVAL. -EIO. */
int signing_key_new_p256(struct signing_key **ret);
/* Loads PKCS#8 (RFC 5958), PEM or DER, nothing behind it (a PEM file may have
 * text around its one block). ML-DSA-65 as seed, expanded key or both (RFC 9881 section 6;
 * both must agree). -EBADMSG unparsable or inconsistent, -EPROTO a key of another kind, -ENOKEY
 * an encrypted one. */
int signing_key_load(struct span file, enum key_kind kind, struct signing_key **ret);
/* The same, also where the file is encrypted (PBES2): -ENOKEY without a passphrase, -EKEYREJECTED
 * with the wrong one (or where the file is damaged: the two look alike). One too many is not
 * looked at. Takes about 0.2 s for what we encrypt. */
#define SIGNING_KEY_PASSPHRASE_MAX 1024 /* bytes */
int signing_key_open(struct span file, enum key_kind kind, struct span passphrase,
		     struct signing_key **ret);
bool signing_key_is_encrypted(struct span file);
/* PKCS#8 PEM; ML-DSA-65 with seed and expanded key, or the expanded key alone when that is
 * all that was loaded. The caller's to wipe by buffer_done(). -EIO. */
int signing_key_to_pem(const struct signing_key *key, struct buffer *ret);
/* The same, encrypted with the passphrase: PBES2 with scrypt and AES-256, as `openssl pkcs8` reads
 * it. -EINVAL for one that is empty or too long. */
int signing_key_to_encrypted_pem(const struct signing_key *key, struct span passphrase,
				 struct buffer *ret);
enum key_kind signing_key_kind(const struct signing_key *key);
void signing_key_free(struct signing_key *key); /* wipes */
/* For shell/tls alone: the library's object, borrowed. */
struct evp_pkey_st *signing_key_pkey(const struct signing_key *key);

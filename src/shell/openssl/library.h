/* SPDX-License-Identifier: Apache-2.0 */
/* library.h - what the files of this room share: the library context, what was fetched from
 * it once, and the private key object. Not for other rooms. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "shell/openssl/crypto_openssl.h"

struct library {
	OSSL_LIB_CTX *ctx;
	/* For reading certificates of ML-DSA-65 alone; ctx itself where that has its own ML-DSA. */
	OSSL_LIB_CTX *lean_ctx;
	EVP_MD *sha256;
	EVP_MAC *hmac;
	EVP_CIPHER *aes_256_gcm;
	EVP_CIPHER *chacha20_poly1305;
	EVP_KEYMGMT *mlkem768;
	EVP_KEM *mlkem768_kem;
	EVP_KEYMGMT *mldsa65;
	EVP_SIGNATURE *mldsa65_signature;
	int nid_mldsa65;
	bool is_own_pq;
	bool is_wiping;	   /* memory it gives back is wiped */
	const char *error; /* NULL: all of the above is there */
};

/* A context with our provider and little else: to decode a key, the library looks through all
 * decoders of a context each time. NULL: out of memory. */
OSSL_LIB_CTX *lean_context_new(OSSL_LIB_CTX *full);

/* Never NULL; look at .error once, in openssl_crypto_ops() or a constructor. */
const struct library *library(void);

/* Around what makes or reads a private key, on this thread; not nested. */
void key_scope_begin(void);
void key_scope_end(void);

struct signing_key {
	EVP_PKEY *pkey;
	enum key_kind kind;
	uint8_t pk[MLDSA65_PK_LEN]; /* KEY_MLDSA65 */
};

/* Takes the key. -EPROTO when it is of no kind we know, and then it is freed as well. */
int signing_key_wrap(EVP_PKEY *pkey, struct signing_key **ret);
/* Of PKCS#8 in the very form in which keys are written here, whether its halves fit or not; NULL
 * for any other. Inside a key scope. */
EVP_PKEY *written_key_read(struct span der);
/* The kind of a public or private key; false when it is neither. */
bool pkey_kind(const EVP_PKEY *pkey, enum key_kind *ret);

struct aes_gcm_choice {
	bool is_own;
	char why[CRYPTO_WHY_SIZE]; /* for people */
};

/* As chosen by measurement or by force. The first call may measure. */
struct aes_gcm_choice aes_gcm_choice(void);
bool aes_gcm_is_own(void);

/* The rows of crypto_ops, by file. */
void hash_sha256(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN]);
void hash_hmac_sha256(struct span key, const struct span *parts, size_t n, uint8_t ret[SHA256_LEN]);
int x25519_public(const uint8_t secret[X25519_LEN], uint8_t ret[X25519_LEN]);
int x25519_agree(const uint8_t secret[X25519_LEN], const uint8_t peer[X25519_LEN],
		 uint8_t ret[X25519_LEN]);
struct aead *aead_new(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN]);
/* The two that aead_new() chooses from; NULL where there is no such cipher. */
struct aead *aead_new_library(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN]);
struct aead *aead_new_own(const uint8_t key[AEAD_KEY_LEN]); /* AES-256-GCM */
void aead_free(struct aead *a);
int aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad, struct span text,
	      uint8_t *ret);
int aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad, struct span text,
	      uint8_t *ret);
int kem_keygen(const uint8_t d[32], const uint8_t z[32], uint8_t ret_ek[MLKEM768_EK_LEN],
	       uint8_t ret_dk[MLKEM768_DK_LEN]);
int kem_encaps(const uint8_t ek[MLKEM768_EK_LEN], const uint8_t m[32],
	       uint8_t ret_ct[MLKEM768_CT_LEN], uint8_t ret_ss[MLKEM768_SS_LEN]);
int kem_decaps(const uint8_t dk[MLKEM768_DK_LEN], const uint8_t ct[MLKEM768_CT_LEN],
	       uint8_t ret_ss[MLKEM768_SS_LEN]);
int mldsa65_sign(const struct signing_key *key, struct span message, struct span context,
		 const uint8_t rnd[MLDSA65_RND_LEN], uint8_t ret[MLDSA65_SIG_LEN]);
int mldsa65_verify(const uint8_t pk[MLDSA65_PK_LEN], struct span message, struct span context,
		   const uint8_t sig[MLDSA65_SIG_LEN]);
void signing_key_public(const struct signing_key *key, uint8_t ret[MLDSA65_PK_LEN]);
int request_read(struct span der, uint8_t ret_pk[MLDSA65_PK_LEN]);
int certificate_read(struct span der, struct cert *ret);
int certificate_path_verify(const struct span *chain, size_t n_chain, const struct span *roots,
			    size_t n_roots, int64_t unix_s, const char **ret_reason);

/* Parameter names of OpenSSL 3.5 that the headers of 3.0 do not have. */
#ifndef OSSL_PKEY_PARAM_ML_KEM_SEED
#define OSSL_PKEY_PARAM_ML_KEM_SEED "seed"
#endif
#ifndef OSSL_PKEY_PARAM_ML_DSA_SEED
#define OSSL_PKEY_PARAM_ML_DSA_SEED "seed"
#endif
#ifndef OSSL_KEM_PARAM_IKME
#define OSSL_KEM_PARAM_IKME "ikme"
#endif
#ifndef OSSL_SIGNATURE_PARAM_CONTEXT_STRING
#define OSSL_SIGNATURE_PARAM_CONTEXT_STRING "context-string"
#endif
#ifndef OSSL_SIGNATURE_PARAM_TEST_ENTROPY
#define OSSL_SIGNATURE_PARAM_TEST_ENTROPY "test-entropy"
#endif
#ifndef OSSL_SIGNATURE_PARAM_DETERMINISTIC
#define OSSL_SIGNATURE_PARAM_DETERMINISTIC "deterministic"
#endif
#ifndef OSSL_SIGNATURE_PARAM_MESSAGE_ENCODING
#define OSSL_SIGNATURE_PARAM_MESSAGE_ENCODING "message-encoding"
#endif
#ifndef OSSL_SIGNATURE_PARAM_MU
#define OSSL_SIGNATURE_PARAM_MU "mu"
#endif

DEFINE_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_FREEP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_FREEP(BIO, BIO_vfree)

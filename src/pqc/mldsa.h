/* SPDX-License-Identifier: Apache-2.0 */
/* mldsa.h - ML-DSA (FIPS 204) for 44, 65 and 87, portable and in constant time.
 *
 * Nothing is allocated; secrets on the stack are wiped; every random input is a parameter.
 * Signing loops until a candidate passes (rejection sampling): how often depends on the
 * secret only as the standard's analysis allows. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum mldsa_set {
	MLDSA_44,
	MLDSA_65,
	MLDSA_87,
};

#define MLDSA_SEED_LEN 32
#define MLDSA_RND_LEN 32
#define MLDSA_MU_LEN 64
#define MLDSA_PK_MAX 2592
#define MLDSA_SK_MAX 4896
#define MLDSA_SIG_MAX 4627
#define MLDSA_CTX_MAX 255

struct mldsa_sizes {
	const char *name; /* "ML-DSA-65" */
	size_t pk_len, sk_len, sig_len;
};

extern const struct mldsa_sizes mldsa_sizes[3]; /* by enum mldsa_set */

/* Algorithm 6, ML-DSA.KeyGen_internal. */
void mldsa_keygen(enum mldsa_set set, const uint8_t seed[32], uint8_t *ret_pk, uint8_t *ret_sk);
/* The public key that belongs to an expanded private key. -EKEYREJECTED where the private
 * key is not well-formed (a coefficient of s1, s2 out of range, or tr or t0 that do not match). */
int mldsa_public_from_secret(enum mldsa_set set, const uint8_t *sk, uint8_t *ret_pk);

/* Algorithm 2, ML-DSA.Sign, with rnd as input: 32 zero bytes is the deterministic variant.
 * -EINVAL for a context over 255 bytes or a private key out of range. */
int mldsa_sign(enum mldsa_set set, const uint8_t *sk, const uint8_t *message, size_t message_len,
	       const uint8_t *ctx, size_t ctx_len, const uint8_t rnd[32], uint8_t *ret_sig);
/* Algorithm 3: 0 or -EKEYREJECTED. A signature of another length is the caller's refusal. */
int mldsa_verify(enum mldsa_set set, const uint8_t *pk, const uint8_t *message, size_t message_len,
		 const uint8_t *ctx, size_t ctx_len, const uint8_t *sig);

/* Algorithms 7 and 8 on M' (already prefixed) or, with mu not NULL, on mu itself. */
int mldsa_sign_internal(enum mldsa_set set, const uint8_t *sk, const uint8_t *m_prime,
			size_t m_prime_len, const uint8_t *mu, const uint8_t rnd[32],
			uint8_t *ret_sig);
int mldsa_verify_internal(enum mldsa_set set, const uint8_t *pk, const uint8_t *m_prime,
			  size_t m_prime_len, const uint8_t *mu, const uint8_t *sig);

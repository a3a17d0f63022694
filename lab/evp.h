/* SPDX-License-Identifier: Apache-2.0 */
/* evp.h - the classical algorithms of the known-answer tests, through OpenSSL's EVP interface.
 *
 * Names are OpenSSL's. All return 0, -EKEYREJECTED where the algorithm refuses its input, or
 * -EIO where OpenSSL has no such algorithm or takes no input of that length. */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define EVP_HASH_MAX 64
#define EVP_DH_MAX 56 /* X448 */

/* curve is "X25519" or "X448"; keys have the curve's length. */
int evp_dh(const char *curve, struct span secret, struct span peer, uint8_t *ret);
int evp_dh_public(const char *curve, struct span secret, uint8_t *ret);

int evp_ed25519_verify(struct span pk, struct span message, struct span sig);

/* ret has room for from.len bytes. Encryption writes tag_len bytes of tag. */
int evp_aead_seal(const char *cipher, struct span key, struct span iv, struct span aad,
		  struct span from, uint8_t *ret, uint8_t *ret_tag, size_t tag_len);
int evp_aead_open(const char *cipher, struct span key, struct span iv, struct span aad,
		  struct span from, struct span tag, uint8_t *ret);

int evp_hash(const char *hash, struct span a, struct span b, uint8_t *ret, size_t *ret_len);
int evp_hmac(const char *hash, struct span key, struct span a, struct span b, uint8_t *ret);
int evp_hkdf(const char *hash, struct span ikm, struct span salt, struct span info, uint8_t *ret,
	     size_t ret_len);

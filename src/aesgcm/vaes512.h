/* SPDX-License-Identifier: Apache-2.0 */
/* vaes512.h - the key as it lies in memory, and the kernel that works with it. Not for other
 * rooms. */
#pragma once

#include <stdalign.h>

#include "aesgcm/aesgcm.h"

#define AES_BLOCK_LEN 16
#define AES256_N_ROUND_KEYS 15
#define VECTOR_LEN 64 /* four blocks */
#define GROUP_VECTORS 8
#define GROUP_LEN ((size_t)GROUP_VECTORS * VECTOR_LEN)

/* One reduction serves a vector of associated data, a group of text and the block of lengths:
 * 37 blocks, each with its power of H; and 40 are ten vectors. */
#define N_POWERS 40

struct aesgcm {
	/* H^40 ... H^1 (each times x^-1, see times_inverse_x()), and zeros, so that four may be
	 * loaded where fewer are meant. First in the struct: groups load whole cache lines. */
	alignas(VECTOR_LEN) uint8_t powers[N_POWERS + 3][AES_BLOCK_LEN];
	alignas(AES_BLOCK_LEN) uint8_t round_keys[AES256_N_ROUND_KEYS][AES_BLOCK_LEN];
};

/* Fills k, which is zeros. */
void vaes512_set_key(struct aesgcm *k, const uint8_t key[AESGCM_KEY_LEN]);

/* Both take lengths within the limits; in and ret are text without tag. ret_tag may follow ret
 * at once, and is written last. vaes512_decrypt() gives the tag that the text should have. */
void vaes512_encrypt(const struct aesgcm *k, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		     struct span text, uint8_t *ret, uint8_t ret_tag[AESGCM_TAG_LEN]);
void vaes512_decrypt(const struct aesgcm *k, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		     struct span text, uint8_t *ret, uint8_t ret_tag[AESGCM_TAG_LEN]);

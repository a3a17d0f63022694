/* SPDX-License-Identifier: Apache-2.0 */
/* aesgcm.h - AES-256-GCM (NIST SP 800-38D) for packets, on processors with VAES and VPCLMULQDQ.
 *
 * The nonce is 12 bytes, the tag 16. One key serves sealing and opening, and nothing in it
 * changes: any number of threads may use it at once. Who else could do the work, and who is
 * faster, is the caller's question. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define AESGCM_KEY_LEN 32
#define AESGCM_NONCE_LEN 12
#define AESGCM_TAG_LEN 16

/* The most of text, tag not counted, and of associated data. Far below the 2^36 - 32 bytes of
 * section 5.2.1.1, at which the 32-bit block counter would come round. */
#define AESGCM_TEXT_MAX ((size_t)INT32_MAX - AESGCM_TAG_LEN)
#define AESGCM_AD_MAX ((size_t)INT32_MAX)

struct aesgcm;

/* Whether this processor, this operating system and this build have what it takes. */
bool aesgcm_is_supported(void);

/* NULL where it is not supported or memory is short. */
struct aesgcm *aesgcm_new(const uint8_t key[AESGCM_KEY_LEN]);
void aesgcm_free(struct aesgcm *a); /* wipes */

/* ret has room for text.len + 16, and may be text.at but overlap it in no other way. -EINVAL
 * beyond the limits above, and then ret is untouched. */
int aesgcm_seal(const struct aesgcm *a, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		struct span text, uint8_t *ret);
/* text ends with the tag; ret has room for text.len - 16, and may be text.at. -EINVAL beyond the
 * limits or shorter than a tag; -EKEYREJECTED, and then these bytes of ret are zeros. */
int aesgcm_open(const struct aesgcm *a, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		struct span text, uint8_t *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* HKDF-SHA256 (RFC 5869). */
#include <assert.h>

#include "core/crypto/crypto.h"

void hkdf_extract(const struct crypto_ops *ops, struct span salt, struct span ikm,
		  uint8_t ret[SHA256_LEN])
{
	static const uint8_t zeros[SHA256_LEN];

	ops->hmac_sha256(salt.len ? salt : SPAN_OF(zeros), &ikm, 1, ret);
}

void hkdf_expand(const struct crypto_ops *ops, const uint8_t prk[SHA256_LEN], struct span info,
		 uint8_t *ret, size_t len)
{
	uint8_t block[SHA256_LEN];
	size_t block_len = 0; /* T(0) is empty (section 2.3) */
	uint8_t counter = 0;

	assert(len <= 255 * SHA256_LEN);
	while (len > 0) {
		counter++;
		const struct span parts[] = { SPAN(block, block_len), info, SPAN(&counter, 1) };
		size_t n = len < SHA256_LEN ? len : SHA256_LEN;

		ops->hmac_sha256(SPAN(prk, SHA256_LEN), parts, 3, block);
		block_len = SHA256_LEN;
		memcpy(ret, block, n);
		ret += n;
		len -= n;
	}
	bytes_wipe(block, sizeof(block));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM of src/aesgcm against OpenSSL's: any key, nonce, associated data and text, and then
 * any sealed text. Without VAES there is nothing to compare, and any sealed text is opened by
 * OpenSSL alone. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "shell/openssl/library.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 8192
#define HEAD_LEN (AEAD_KEY_LEN + AEAD_NONCE_LEN + 2)

/* Whole lines of bits are skipped by this much, so that vectors lie across cache lines. */
static uint8_t sealed[TEXT_MAX + 80], other[TEXT_MAX + 80];

static void check_seal(struct aead *own, struct aead *library, const uint8_t *nonce, struct span ad,
		       struct span text, size_t skip)
{
	assert(aead_seal(library, nonce, ad, text, other) == 0);
	assert(aead_seal(own, nonce, ad, text, sealed + skip) == 0);
	assert(memcmp(sealed + skip, other, text.len + AEAD_TAG_LEN) == 0);
	assert(aead_open(own, nonce, ad, SPAN(sealed + skip, text.len + AEAD_TAG_LEN),
			 sealed + skip) == 0);
	assert(text.len == 0 || memcmp(sealed + skip, text.at, text.len) == 0);
}

/* What is no text of the sender's is refused by both, and leaves zeros. */
static void check_open(struct aead *own, struct aead *library, const uint8_t *nonce, struct span ad,
		       struct span text, size_t skip)
{
	int r_library = aead_open(library, nonce, ad, text, other);
	int r_own = own ? aead_open(own, nonce, ad, text, sealed + skip) : r_library;

	assert(r_own == r_library);
	if (r_own != -EINVAL && own)
		assert(memcmp(sealed + skip, other, text.len - AEAD_TAG_LEN) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nonce = data + AEAD_KEY_LEN;
	struct aead *own;
	struct aead *library;
	struct span ad;
	struct span text;
	size_t skip;

	if (size < HEAD_LEN || size > HEAD_LEN + TEXT_MAX)
		return 0;
	skip = data[HEAD_LEN - 2] % 64;
	text = SPAN(data + HEAD_LEN, size - HEAD_LEN);
	ad = SPAN(text.at, data[HEAD_LEN - 1] < text.len ? data[HEAD_LEN - 1] : text.len);
	text = SPAN(text.at + ad.len, text.len - ad.len);
	own = aead_new_own(data);
	library = aead_new_library(AEAD_AES_256_GCM, data);
	assert(library);
	if (own)
		check_seal(own, library, nonce, ad, text, skip);
	check_open(own, library, nonce, ad, text, skip);
	aead_free(own);
	aead_free(library);
	return 0;
}

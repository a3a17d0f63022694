/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM and ChaCha20-Poly1305: the key schedule is made once, a packet resets only
 * the nonce. AES-256-GCM is OpenSSL's or that of src/aesgcm: aead_choice.c. */
#include <errno.h>
#include <limits.h>

#include "aesgcm/aesgcm.h"
#include "shell/openssl/library.h"

struct aead {
	struct aesgcm *own; /* instead of the two below */
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

DEFINE_FREEP(struct aead, aead_free)

static const EVP_CIPHER *cipher_of(enum aead_algorithm alg)
{
	switch (alg) {
	case AEAD_AES_256_GCM:
		return library()->aes_256_gcm;
	case AEAD_CHACHA20_POLY1305:
		return library()->chacha20_poly1305;
	}
	return NULL; /* a value from the wire that is no algorithm */
}

struct aead *aead_new_library(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN])
{
	const EVP_CIPHER *cipher = cipher_of(alg);
	CLEANUP(aead_freep) struct aead *a = calloc(1, sizeof(*a));

	if (!a || !cipher)
		return NULL;
	a->seal = EVP_CIPHER_CTX_new();
	a->open = EVP_CIPHER_CTX_new();
	if (!a->seal || !a->open)
		return NULL;
	/* Both ciphers take a 12-byte nonce and give a 16-byte tag unless told otherwise. */
	if (EVP_EncryptInit_ex2(a->seal, cipher, key, NULL, NULL) != 1 ||
	    EVP_DecryptInit_ex2(a->open, cipher, key, NULL, NULL) != 1)
		return NULL;
	return TAKE(a);
}

struct aead *aead_new_own(const uint8_t key[AEAD_KEY_LEN])
{
	CLEANUP(aead_freep) struct aead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->own = aesgcm_new(key);
	return a->own ? TAKE(a) : NULL;
}

struct aead *aead_new(enum aead_algorithm alg, const uint8_t key[AEAD_KEY_LEN])
{
	if (alg == AEAD_AES_256_GCM && aes_gcm_is_own())
		return aead_new_own(key);
	return aead_new_library(alg, key);
}

void aead_free(struct aead *a)
{
	if (!a)
		return;
	aesgcm_free(a->own);
	EVP_CIPHER_CTX_free(a->seal); /* the ciphers wipe their key schedules */
	EVP_CIPHER_CTX_free(a->open);
	free(a);
}

static int seal_by_library(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, struct span ad,
			   struct span text, uint8_t *ret)
{
	int n = 0;
	int last = 0;

	if (text.len > INT_MAX - AEAD_TAG_LEN || ad.len > INT_MAX)
		return -EINVAL;
	if (EVP_EncryptInit_ex2(ctx, NULL, NULL, nonce, NULL) != 1)
		return -EIO;
	if (ad.len && EVP_EncryptUpdate(ctx, NULL, &n, ad.at, (int)ad.len) != 1)
		return -EIO;
	n = 0;
	if (text.len && EVP_EncryptUpdate(ctx, ret, &n, text.at, (int)text.len) != 1)
		return -EIO;
	if (EVP_EncryptFinal_ex(ctx, ret + n, &last) != 1)
		return -EIO;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, ret + text.len) != 1)
		return -EIO;
	return 0;
}

int aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad, struct span text,
	      uint8_t *ret)
{
	if (a->own)
		return aesgcm_seal(a->own, nonce, ad, text, ret);
	return seal_by_library(a->seal, nonce, ad, text, ret);
}

static int decrypt(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, struct span ad, struct span text,
		   uint8_t *tag, uint8_t *ret)
{
	uint8_t none[AEAD_TAG_LEN]; /* EVP_DecryptFinal_ex() of these modes writes nothing */
	int n = 0;

	if (EVP_DecryptInit_ex2(ctx, NULL, NULL, nonce, NULL) != 1)
		return -EIO;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag) != 1)
		return -EIO;
	if (ad.len && EVP_DecryptUpdate(ctx, NULL, &n, ad.at, (int)ad.len) != 1)
		return -EIO;
	if (text.len && EVP_DecryptUpdate(ctx, ret, &n, text.at, (int)text.len) != 1)
		return -EIO;
	return EVP_DecryptFinal_ex(ctx, none, &n) == 1 ? 0 : -EKEYREJECTED;
}

static int open_by_library(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, struct span ad,
			   struct span text, uint8_t *ret)
{
	uint8_t tag[AEAD_TAG_LEN]; /* copied before ret, which may be text, is written */
	int r;

	if (text.len < AEAD_TAG_LEN || text.len > INT_MAX || ad.len > INT_MAX)
		return -EINVAL;
	text.len -= AEAD_TAG_LEN;
	memcpy(tag, text.at + text.len, sizeof(tag));
	r = decrypt(ctx, nonce, ad, text, tag, ret);
	if (r < 0)
		bytes_wipe(ret, text.len);
	return r;
}

int aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_LEN], struct span ad, struct span text,
	      uint8_t *ret)
{
	if (a->own)
		return aesgcm_open(a->own, nonce, ad, text, ret);
	return open_by_library(a->open, nonce, ad, text, ret);
}

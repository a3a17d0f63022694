/* SPDX-License-Identifier: Apache-2.0 */
/* Long-term private keys: from and to PKCS#8, and what kind they are. */
#include <errno.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "shell/openssl/library.h"

#define KEY_FILE_MAX 65536 /* the longest we write is under 7 kB */

void buffer_done(struct buffer *b)
{
	if (b->at)
		bytes_wipe(b->at, b->len);
	free(b->at);
	*b = (struct buffer){ 0 };
}

bool pkey_kind(const EVP_PKEY *pkey, enum key_kind *ret)
{
	char curve[32];

	if (EVP_PKEY_is_a(pkey, "ML-DSA-65")) {
		*ret = KEY_MLDSA65;
		return true;
	}
	if (EVP_PKEY_is_a(pkey, "EC") &&
	    EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) == 1 &&
	    (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "P-256") == 0)) {
		*ret = KEY_P256;
		return true;
	}
	return false;
}

int signing_key_wrap(EVP_PKEY *pkey, struct signing_key **ret)
{
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *owned = pkey;
	struct signing_key *key;
	enum key_kind kind;
	size_t len = MLDSA65_PK_LEN;

	if (!pkey_kind(owned, &kind))
		return -EPROTO;
	key = calloc(1, sizeof(*key));
	if (!key)
		return -ENOMEM;
	key->kind = kind;
	if (kind == KEY_MLDSA65 &&
	    (EVP_PKEY_get_raw_public_key(owned, key->pk, &len) != 1 || len != sizeof(key->pk))) {
		free(key);
		return -EIO;
	}
	key->pkey = TAKE(owned);
	*ret = key;
	return 0;
}

int signing_key_new_p256(struct signing_key **ret)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(library()->ctx, NULL, "EC", "P-256");

	return pkey ? signing_key_wrap(pkey, ret) : -EIO;
}

/* The DER of a PEM file's one "PRIVATE KEY" block, or the file itself. Owned by *ret. */
static int unwrap_pem(struct span file, struct buffer *ret)
{
	static const char begin[] = "-----BEGIN ";
	BIO *bio;
	char *label = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	int r = -EBADMSG;

	if (!memmem(file.at, file.len, begin, sizeof(begin) - 1)) {
		ret->at = malloc(file.len);
		if (!ret->at)
			return -ENOMEM;
		memcpy(ret->at, file.at, file.len);
		ret->len = file.len;
		return 0;
	}
	bio = BIO_new_mem_buf(file.at, (int)file.len);
	if (bio && PEM_read_bio(bio, &label, &header, &der, &len) == 1 && len > 0 &&
	    strcmp(label, PEM_STRING_PKCS8INF) == 0 && header[0] == '\0') {
		ret->at = malloc((size_t)len);
		ret->len = (size_t)len;
		r = ret->at ? 0 : -ENOMEM;
		if (ret->at)
			memcpy(ret->at, der, (size_t)len);
	}
	BIO_free(bio);
	OPENSSL_free(label);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
	return r;
}

/* -EBADMSG unless the DER is one PKCS#8 structure of the kind asked for, and nothing else. */
static int decode_pkcs8(struct span der, EVP_PKEY **ret)
{
	const unsigned char *end = der.at;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &end, (long)der.len);
	EVP_PKEY *pkey = NULL;

	if (info && end == der.at + der.len)
		pkey = EVP_PKCS82PKEY_ex(info, library()->ctx, NULL);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (!pkey)
		return -EBADMSG;
	*ret = pkey;
	return 0;
}

static bool is_sound(EVP_PKEY *pkey)
{
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(library()->ctx, pkey, NULL);

	return ctx && EVP_PKEY_pairwise_check(ctx) == 1;
}

int signing_key_load(struct span file, enum key_kind kind, struct signing_key **ret)
{
	struct buffer der = { 0 };
	EVP_PKEY *pkey = NULL;
	struct signing_key *key = NULL;
	int r;

	if (file.len == 0 || file.len > KEY_FILE_MAX)
		return -EBADMSG;
	(void)ERR_set_mark();
	r = unwrap_pem(file, &der);
	if (r == 0)
		r = decode_pkcs8(SPAN(der.at, der.len), &pkey);
	buffer_done(&der);
	if (r == 0)
		r = signing_key_wrap(pkey, &key);
	if (r == 0 && key->kind != kind)
		r = -EPROTO;
	if (r == 0 && !is_sound(key->pkey))
		r = -EBADMSG;
	(void)ERR_pop_to_mark();
	if (r < 0) {
		signing_key_free(key);
		return r;
	}
	*ret = key;
	return 0;
}

int signing_key_to_pem(const struct signing_key *key, struct buffer *ret)
{
	CLEANUP(BIO_vfreep) BIO *bio = BIO_new(BIO_s_mem()); /* wiped when freed */
	char *at = NULL;
	long len;
	uint8_t *copy;

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return -EIO;
	len = BIO_get_mem_data(bio, &at);
	copy = len > 0 ? malloc((size_t)len) : NULL;
	if (!copy)
		return -EIO;
	memcpy(copy, at, (size_t)len);
	*ret = (struct buffer){ .at = copy, .len = (size_t)len };
	return 0;
}

enum key_kind signing_key_kind(const struct signing_key *key)
{
	return key->kind;
}

void signing_key_public(const struct signing_key *key, uint8_t ret[MLDSA65_PK_LEN])
{
	memcpy(ret, key->pk, MLDSA65_PK_LEN);
}

void signing_key_free(struct signing_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey); /* the provider wipes its part */
	bytes_wipe(key, sizeof(*key));
	free(key);
}

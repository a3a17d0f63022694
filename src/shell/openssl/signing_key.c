/* SPDX-License-Identifier: Apache-2.0 */
/* Long-term private keys: from and to PKCS#8, and what kind they are. */
#include <errno.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>

#include "base/secret.h"
#include "shell/openssl/library.h"

#define KEY_FILE_MAX 65536 /* the longest we write is under 7 kB */

void buffer_done(struct buffer *b)
{
	secret_free(b->at); /* whichever memory it is of */
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
	EVP_PKEY *pkey;

	key_scope_begin();
	pkey = EVP_PKEY_Q_keygen(library()->ctx, NULL, "EC", "P-256");
	key_scope_end();
	return pkey ? signing_key_wrap(pkey, ret) : -EIO;
}

/* ---- reading ---- */

/* What a file holds before its key is looked at. */
struct wrapped {
	struct buffer der;
	bool is_encrypted; /* EncryptedPrivateKeyInfo (RFC 5958 section 3) */
};

static bool is_pem(struct span file)
{
	static const char begin[] = "-----BEGIN ";

	return memmem(file.at, file.len, begin, sizeof(begin) - 1) != NULL;
}

static int copy_of(struct span bytes, struct buffer *ret)
{
	ret->at = secret_alloc(bytes.len);
	if (!ret->at)
		return -ENOMEM;
	memcpy(ret->at, bytes.at, bytes.len);
	ret->len = bytes.len;
	return 0;
}

/* The DER of a PEM file's one block of either kind. */
static int unwrap_pem(struct span file, struct wrapped *ret)
{
	BIO *bio = BIO_new_mem_buf(file.at, (int)file.len);
	char *label = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	int r = -EBADMSG;

	if (bio && PEM_read_bio_ex(bio, &label, &header, &der, &len, PEM_FLAG_SECURE) == 1 &&
	    len > 0 && header[0] == '\0') {
		ret->is_encrypted = strcmp(label, PEM_STRING_PKCS8) == 0;
		if (ret->is_encrypted || strcmp(label, PEM_STRING_PKCS8INF) == 0)
			r = copy_of(SPAN(der, (size_t)len), &ret->der);
	}
	BIO_free(bio);
	OPENSSL_secure_free(label);
	OPENSSL_secure_free(header);
	OPENSSL_secure_clear_free(der, len > 0 ? (size_t)len : 0);
	return r;
}

/* Both are a SEQUENCE; a key in the clear begins with its version, an INTEGER, an encrypted one
 * with the SEQUENCE that says how. */
static bool is_encrypted_der(struct span der)
{
	const unsigned char *end = der.at;
	X509_SIG *box = d2i_X509_SIG(NULL, &end, (long)der.len);
	bool is_one = box && end == der.at + der.len;

	X509_SIG_free(box);
	return is_one;
}

static int unwrap(struct span file, struct wrapped *ret)
{
	int r;

	*ret = (struct wrapped){ 0 };
	if (file.len == 0 || file.len > KEY_FILE_MAX)
		return -EBADMSG;
	if (is_pem(file))
		return unwrap_pem(file, ret);
	r = copy_of(file, &ret->der);
	ret->is_encrypted = r == 0 && is_encrypted_der(file);
	return r;
}

/* -EKEYREJECTED for another passphrase, which cannot be told from a damaged file. */
static int decrypt(struct span der, struct span passphrase, PKCS8_PRIV_KEY_INFO **ret)
{
	const unsigned char *end = der.at;
	X509_SIG *box = d2i_X509_SIG(NULL, &end, (long)der.len);
	int r = -EBADMSG;

	if (box && end == der.at + der.len) {
		*ret = PKCS8_decrypt_ex(box, (const char *)passphrase.at, (int)passphrase.len,
					library()->ctx, NULL);
		r = *ret ? 0 : -EKEYREJECTED;
	}
	X509_SIG_free(box);
	return r;
}

static int decode_clear(struct span der, PKCS8_PRIV_KEY_INFO **ret)
{
	const unsigned char *end = der.at;

	*ret = d2i_PKCS8_PRIV_KEY_INFO(NULL, &end, (long)der.len);
	return *ret && end == der.at + der.len ? 0 : -EBADMSG;
}

/* -EBADMSG unless it is one PKCS#8 structure and nothing else. */
static int open_wrapped(const struct wrapped *w, struct span passphrase, EVP_PKEY **ret)
{
	struct span der = SPAN(w->der.at, w->der.len);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	int r;

	if (w->is_encrypted && passphrase.len == 0)
		return -ENOKEY;
	*ret = w->is_encrypted ? NULL : written_key_read(der);
	if (*ret)
		return 0;
	r = w->is_encrypted ? decrypt(der, passphrase, &info) : decode_clear(der, &info);
	if (r == 0) {
		*ret = EVP_PKCS82PKEY_ex(info, library()->ctx, NULL);
		r = *ret ? 0 : w->is_encrypted ? -EKEYREJECTED : -EBADMSG;
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	return r;
}

static bool is_sound(EVP_PKEY *pkey)
{
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(library()->ctx, pkey, NULL);

	return ctx && EVP_PKEY_pairwise_check(ctx) == 1;
}

static int read_key(struct span file, enum key_kind kind, struct span passphrase,
		    struct signing_key **ret)
{
	struct signing_key *key = NULL;
	EVP_PKEY *pkey = NULL;
	struct wrapped w;
	int r;

	r = unwrap(file, &w);
	if (r == 0)
		r = open_wrapped(&w, passphrase, &pkey);
	buffer_done(&w.der);
	if (r == 0)
		r = signing_key_wrap(pkey, &key);
	if (r == 0 && key->kind != kind)
		r = -EPROTO;
	if (r == 0 && !is_sound(key->pkey))
		r = -EBADMSG;
	if (r < 0) {
		signing_key_free(key);
		return r;
	}
	*ret = key;
	return 0;
}

int signing_key_open(struct span file, enum key_kind kind, struct span passphrase,
		     struct signing_key **ret)
{
	int r;

	if (passphrase.len > SIGNING_KEY_PASSPHRASE_MAX)
		return -EINVAL;
	(void)ERR_set_mark();
	key_scope_begin();
	r = read_key(file, kind, passphrase, ret);
	key_scope_end();
	(void)ERR_pop_to_mark();
	return r;
}

int signing_key_load(struct span file, enum key_kind kind, struct signing_key **ret)
{
	return signing_key_open(file, kind, (struct span){ 0 }, ret);
}

bool signing_key_is_encrypted(struct span file)
{
	struct wrapped w;
	bool is_encrypted;

	(void)ERR_set_mark();
	is_encrypted = unwrap(file, &w) == 0 && w.is_encrypted;
	(void)ERR_pop_to_mark();
	buffer_done(&w.der);
	return is_encrypted;
}

/* ---- writing ---- */

static int take_text(BIO *bio, struct buffer *ret)
{
	char *at = NULL;
	long len = BIO_get_mem_data(bio, &at);

	return len > 0 && copy_of(SPAN(at, (size_t)len), ret) == 0 ? 0 : -EIO;
}

int signing_key_to_pem(const struct signing_key *key, struct buffer *ret)
{
	CLEANUP(BIO_vfreep) BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return -EIO;
	return take_text(bio, ret);
}

/* PBES2 (RFC 8018) with scrypt (RFC 7914) and AES-256-CBC. 16 MiB, five times over: the most
 * memory that OpenSSL takes by itself when it reads the file again, and about 0.2 s. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 5
#define SALT_LEN 16

static X509_SIG *encrypt(const struct signing_key *key, struct span passphrase)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
	unsigned char salt[SALT_LEN];
	X509_ALGOR *how = NULL;
	X509_SIG *box = NULL;

	if (info && RAND_bytes_ex(library()->ctx, salt, sizeof(salt), 0) == 1)
		how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof(salt), NULL, SCRYPT_N,
					    SCRYPT_R, SCRYPT_P);
	if (how)
		box = PKCS8_set0_pbe_ex((const char *)passphrase.at, (int)passphrase.len, info, how,
					library()->ctx, NULL); /* takes how where it works */
	if (!box)
		X509_ALGOR_free(how);
	PKCS8_PRIV_KEY_INFO_free(info);
	return box;
}

int signing_key_to_encrypted_pem(const struct signing_key *key, struct span passphrase,
				 struct buffer *ret)
{
	CLEANUP(BIO_vfreep) BIO *bio = BIO_new(BIO_s_mem());
	X509_SIG *box;
	int r = -EIO;

	if (passphrase.len == 0 || passphrase.len > SIGNING_KEY_PASSPHRASE_MAX)
		return -EINVAL;
	(void)ERR_set_mark();
	box = encrypt(key, passphrase);
	if (bio && box && PEM_write_bio_PKCS8(bio, box) == 1)
		r = take_text(bio, ret);
	X509_SIG_free(box);
	(void)ERR_pop_to_mark();
	return r;
}

enum key_kind signing_key_kind(const struct signing_key *key)
{
	return key->kind;
}

struct evp_pkey_st *signing_key_pkey(const struct signing_key *key)
{
	return key->pkey;
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

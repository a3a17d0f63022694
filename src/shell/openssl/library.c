/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that opens the library: its context, what is fetched from it, and where
 * ML-KEM and ML-DSA come from. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include "base/secret.h"
#include "shell/openssl/library.h"
#include "shell/openssl/x0pq.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct library the_library;

static bool fetch_classic(struct library *l)
{
	l->sha256 = EVP_MD_fetch(l->ctx, "SHA256", NULL);
	l->hmac = EVP_MAC_fetch(l->ctx, "HMAC", NULL);
	l->aes_256_gcm = EVP_CIPHER_fetch(l->ctx, "AES-256-GCM", NULL);
	l->chacha20_poly1305 = EVP_CIPHER_fetch(l->ctx, "ChaCha20-Poly1305", NULL);
	return l->sha256 && l->hmac && l->aes_256_gcm && l->chacha20_poly1305;
}

static bool fetch_pq(struct library *l)
{
	l->mlkem768 = EVP_KEYMGMT_fetch(l->ctx, "ML-KEM-768", NULL);
	l->mlkem768_kem = EVP_KEM_fetch(l->ctx, "ML-KEM-768", NULL);
	l->mldsa65 = EVP_KEYMGMT_fetch(l->ctx, "ML-DSA-65", NULL);
	l->mldsa65_signature = EVP_SIGNATURE_fetch(l->ctx, "ML-DSA-65", NULL);
	return l->mlkem768 && l->mlkem768_kem && l->mldsa65 && l->mldsa65_signature;
}

static void free_pq(struct library *l)
{
	EVP_KEYMGMT_free(l->mlkem768);
	EVP_KEM_free(l->mlkem768_kem);
	EVP_KEYMGMT_free(l->mldsa65);
	EVP_SIGNATURE_free(l->mldsa65_signature);
}

/* The decision: both from the library, or both from ours. Asked of the library that runs,
 * not of the headers this was compiled with. */
static const char *open_pq(struct library *l)
{
	l->is_own_pq = fetch_pq(l);
	if (!l->is_own_pq) {
		free_pq(l);
		if (!OSSL_PROVIDER_add_builtin(l->ctx, X0PQ_NAME, x0pq_provider_init) ||
		    !OSSL_PROVIDER_load(l->ctx, X0PQ_NAME))
			return "OpenSSL: our provider x0pq cannot be loaded";
		if (!fetch_pq(l))
			return "OpenSSL: ML-KEM-768 or ML-DSA-65 is missing";
	}
	l->lean_ctx = l->is_own_pq ? l->ctx : lean_context_new(l->ctx);
	if (!l->lean_ctx)
		return "OpenSSL: no context for certificates";
	l->nid_mldsa65 = OBJ_txt2nid("2.16.840.1.101.3.4.3.18");
	return l->nid_mldsa65 != NID_undef ? NULL : "OpenSSL: ML-DSA-65 has no identifier";
}

/* ---- the library's memory ---- */

/* Where the library keeps ML-DSA keys itself it takes their memory like any other. So whatever it
 * takes while a key is made or read comes from its secure heap; given back it is told by where it
 * lies. */
static _Thread_local bool is_key_scope;
static _Atomic size_t unlocked_key_bytes;

void key_scope_begin(void)
{
	is_key_scope = library()->is_own_pq && CRYPTO_secure_malloc_initialized();
}

void key_scope_end(void)
{
	is_key_scope = false;
}

/* NULL: used up, and counted. The library reports that as an error, for which it takes memory. */
static void *take_secure(size_t len, const char *file, int line)
{
	bool was_key_scope = is_key_scope;
	void *p;

	is_key_scope = false;
	(void)ERR_set_mark();
	p = CRYPTO_secure_malloc(len, file, line);
	(void)ERR_pop_to_mark();
	is_key_scope = was_key_scope;
	if (!p)
		unlocked_key_bytes += len;
	return p;
}

static void *take(size_t len, const char *file, int line)
{
	void *p = is_key_scope ? take_secure(len, file, line) : NULL;

	return p ? p : malloc(len);
}

/* OpenSSL 3.0 gives back some of what it decodes keys from without wiping it. So all of what it
 * gives back is wiped, here. */
static void give_back(void *p, const char *file, int line)
{
	if (CRYPTO_secure_allocated(p))
		CRYPTO_secure_free(p, file, line); /* wipes as well */
	else
		heap_free_wiped(p);
}

static void *take_more_secure(void *p, size_t len, const char *file, int line)
{
	size_t old_len = CRYPTO_secure_actual_size(p);
	void *grown;

	if (len <= old_len)
		return p;
	grown = take_secure(len, file, line);
	if (!grown)
		grown = malloc(len);
	if (!grown)
		return NULL;
	memcpy(grown, p, old_len);
	CRYPTO_secure_free(p, file, line);
	return grown;
}

static void *take_more(void *p, size_t len, const char *file, int line)
{
	if (!p)
		return take(len, file, line);
	if (len == 0) {
		give_back(p, file, line);
		return NULL;
	}
	return CRYPTO_secure_allocated(p) ? take_more_secure(p, len, file, line)
					  : heap_realloc_wiped(p, len);
}

/* Powers of two. P-256 keys of an authority and a node and their use take a small part of the
 * former. An ML-DSA-65 key of the library's takes 32 KB and, while it is read, twice that. */
#define SECURE_HEAP_LEN (64U << 10)
#define SECURE_HEAP_LEN_OWN_PQ (1U << 20)
#define SECURE_HEAP_PIECE 32 /* the least that is taken from it */

int crypto_openssl_secure_heap(void)
{
#ifdef __SANITIZE_ADDRESS__
	/* The leak check does not look into it, and takes for lost what is held from there. */
	return -EOPNOTSUPP;
#else
	size_t len = library()->is_own_pq ? SECURE_HEAP_LEN_OWN_PQ : SECURE_HEAP_LEN;
	int r = CRYPTO_secure_malloc_initialized()
			? 1
			: CRYPTO_secure_malloc_init(len, SECURE_HEAP_PIECE);

	return r == 1 ? 0 : r == 2 ? -EPERM : -ENOMEM;
#endif
}

static const char *open_library(struct library *l)
{
	l->is_wiping = CRYPTO_set_mem_functions(take, take_more, give_back) == 1;
	/* openssl.cnf is for the default context, which we do not use, and would be read all the
	 * same. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	l->ctx = OSSL_LIB_CTX_new();
	if (!l->ctx)
		return "OpenSSL: no library context (out of memory)";
	if (!OSSL_PROVIDER_load(l->ctx, "default"))
		return "OpenSSL: its default provider cannot be loaded";
	if (!fetch_classic(l))
		return "OpenSSL: SHA-256, HMAC, AES-256-GCM or ChaCha20-Poly1305 is missing";
	return open_pq(l);
}

static void open_once(void)
{
	the_library.error = open_library(&the_library);
	ERR_clear_error(); /* what was tried and not found is no error of anyone's */
}

const struct library *library(void)
{
	(void)pthread_once(&once, open_once);
	return &the_library;
}

struct ossl_lib_ctx_st *crypto_openssl_context(const char **ret_error)
{
	const struct library *l = library();

	if (!l->error)
		return l->ctx;
	*ret_error = l->error;
	return NULL;
}

static void add_row(struct crypto_description *d, const char *algorithm,
		    const OSSL_PROVIDER *provider)
{
	d->rows[d->n_rows].algorithm = algorithm;
	(void)snprintf(d->rows[d->n_rows].provider, sizeof(d->rows[0].provider), "%s",
		       OSSL_PROVIDER_get0_name(provider));
	d->n_rows++;
}

static void add_aes_gcm_row(struct crypto_description *d, const struct library *l)
{
	struct aes_gcm_choice choice = aes_gcm_choice();
	unsigned row = d->n_rows;

	add_row(d, "AES-256-GCM", EVP_CIPHER_get0_provider(l->aes_256_gcm));
	if (choice.is_own)
		(void)snprintf(d->rows[row].provider, sizeof(d->rows[row].provider), "x0vaes");
	(void)snprintf(d->rows[row].why, sizeof(d->rows[row].why), "%s", choice.why);
}

int crypto_openssl_describe(struct crypto_description *ret)
{
	const struct library *l = library();
	struct crypto_description d = { 0 };

	if (l->error)
		return -EIO;
	(void)snprintf(d.library, sizeof(d.library), "%s", OpenSSL_version(OPENSSL_VERSION));
	d.is_own_pq = l->is_own_pq;
	d.is_wiping = l->is_wiping;
	d.unlocked_key_bytes = unlocked_key_bytes;
	add_row(&d, "ML-KEM-768", EVP_KEM_get0_provider(l->mlkem768_kem));
	add_row(&d, "ML-DSA-65", EVP_SIGNATURE_get0_provider(l->mldsa65_signature));
	add_row(&d, "SHA-256", EVP_MD_get0_provider(l->sha256));
	add_row(&d, "HMAC", EVP_MAC_get0_provider(l->hmac));
	add_aes_gcm_row(&d, l);
	add_row(&d, "ChaCha20-Poly1305", EVP_CIPHER_get0_provider(l->chacha20_poly1305));
	*ret = d;
	return 0;
}

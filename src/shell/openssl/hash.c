/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC-SHA-256 over contexts that each thread keeps: the strings are short and
 * many, and making a context costs more than hashing one. */
#include <assert.h>
#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "shell/openssl/library.h"

struct contexts {
	EVP_MD_CTX *md;
	EVP_MAC_CTX *mac;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static __thread struct contexts *contexts;

static void contexts_free(void *arg)
{
	struct contexts *c = arg;

	EVP_MD_CTX_free(c->md);
	EVP_MAC_CTX_free(c->mac);
	free(c);
}

static void make_key(void)
{
	int r = pthread_key_create(&at_thread_end, contexts_free);

	assert(r == 0);
}

/* The table's hashes cannot fail, so what they need is made here or not at all. */
static struct contexts *contexts_new(void)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_end(),
	};
	struct contexts *c = calloc(1, sizeof(*c));
	int r;

	(void)pthread_once(&once, make_key);
	assert(c);
	c->md = EVP_MD_CTX_new();
	c->mac = EVP_MAC_CTX_new(library()->hmac);
	assert(c->md && c->mac);
	r = EVP_MAC_CTX_set_params(c->mac, params);
	assert(r == 1);
	r = pthread_setspecific(at_thread_end, c);
	assert(r == 0);
	return c;
}

static struct contexts *contexts_get(void)
{
	if (!contexts)
		contexts = contexts_new();
	return contexts;
}

void hash_sha256(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	EVP_MD_CTX *md = contexts_get()->md;
	int r = EVP_DigestInit_ex2(md, library()->sha256, NULL);

	for (size_t i = 0; i < n && r == 1; i++)
		r = EVP_DigestUpdate(md, parts[i].at, parts[i].len);
	if (r == 1)
		r = EVP_DigestFinal_ex(md, ret, NULL);
	assert(r == 1);
}

void hash_hmac_sha256(struct span key, const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	static const uint8_t no_key[SHA256_LEN];
	EVP_MAC_CTX *mac = contexts_get()->mac;
	int r = EVP_MAC_init(mac, key.len ? key.at : no_key, key.len, NULL);

	for (size_t i = 0; i < n && r == 1; i++)
		r = EVP_MAC_update(mac, parts[i].at, parts[i].len);
	if (r == 1)
		r = EVP_MAC_final(mac, ret, NULL, SHA256_LEN);
	if (r == 1) /* the context lives on; the key does not */
		r = EVP_MAC_init(mac, no_key, sizeof(no_key), NULL);
	assert(r == 1);
}

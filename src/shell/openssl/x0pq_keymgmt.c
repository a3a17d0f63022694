/* SPDX-License-Identifier: Apache-2.0 */
/* Key management of the provider: generate, import, export, compare, check. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "shell/openssl/x0pq_key.h"

struct generation {
	struct pq_provider *provider;
	const struct pq_algorithm *algorithm;
	bool wants_keypair, has_seed;
	uint8_t seed[X0PQ_SEED_MAX];
};

static void generation_free(void *arg)
{
	struct generation *g = arg;

	if (!g)
		return;
	bytes_wipe(g, sizeof(*g));
	free(g);
}

static int generation_set(void *arg, const OSSL_PARAM params[])
{
	struct generation *g = arg;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_ML_KEM_SEED);
	void *seed = g->seed;
	size_t len = 0;

	if (!p)
		return 1;
	g->has_seed = false;
	if (!OSSL_PARAM_get_octet_string(p, &seed, g->algorithm->seed_len, &len) ||
	    len != g->algorithm->seed_len)
		return 0;
	g->has_seed = true;
	return 1;
}

static const OSSL_PARAM *generation_settable(void *arg, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)arg;
	(void)provider;
	return settable;
}

static void *generation_new(void *provider, const struct pq_algorithm *a, int selection,
			    const OSSL_PARAM params[])
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->provider = provider;
	g->algorithm = a;
	g->wants_keypair = (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
	if (!generation_set(g, params)) {
		generation_free(g);
		return NULL;
	}
	return g;
}

static void *generate(void *arg, OSSL_CALLBACK *progress, void *progress_arg)
{
	struct generation *g = arg;
	CLEANUP(pq_key_unrefp) struct pq_key *k = pq_key_new(g->provider, g->algorithm);

	(void)progress; /* there is none: it is done at once */
	(void)progress_arg;
	if (!k || !g->wants_keypair)
		return TAKE(k);
	if (!g->has_seed &&
	    RAND_priv_bytes_ex(g->provider->libctx, g->seed, g->algorithm->seed_len, 0) != 1)
		return NULL;
	if (!pq_key_from_seed(k, g->seed))
		return NULL;
	bytes_wipe(g->seed, sizeof(g->seed));
	g->has_seed = false; /* one seed, one key */
	return TAKE(k);
}

static void key_free(void *key)
{
	pq_key_unref(key);
}

/* The reference is what our decoder hands out: the address of a pointer to a key. */
static void *key_load(const void *reference, size_t len)
{
	struct pq_key **at = (struct pq_key **)(uintptr_t)reference;
	struct pq_key *key;

	if (!at || len != sizeof(void *))
		return NULL;
	key = *at;
	*at = NULL;
	return key;
}

static void *key_dup(const void *key, int selection)
{
	const struct pq_key *from = key;
	struct pq_key *k = pq_key_new(from->provider, from->algorithm);

	if (!k)
		return NULL;
	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) && from->seed) {
		if (!pq_key_hold_private(k)) {
			pq_key_unref(k);
			return NULL;
		}
		k->has_seed = from->has_seed;
		k->has_priv = from->has_priv;
		memcpy(k->seed, from->seed, X0PQ_SEED_MAX);
		memcpy(k->priv, from->priv, X0PQ_PRIV_MAX);
	}
	if (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) {
		k->has_pub = from->has_pub;
		memcpy(k->pub, from->pub, sizeof(k->pub));
	}
	return k;
}

static int key_has(const void *key, int selection)
{
	const struct pq_key *k = key;

	if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) && !k->has_pub)
		return 0;
	return !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || k->has_priv;
}

/* A private key has its public key with it, so the public halves decide. */
static int key_match(const void *one, const void *other, int selection)
{
	const struct pq_key *a = one;
	const struct pq_key *b = other;

	if (a->algorithm != b->algorithm)
		return 0;
	if (!(selection & OSSL_KEYMGMT_SELECT_KEYPAIR))
		return 1;
	return a->has_pub && b->has_pub && bytes_equal_ct(a->pub, b->pub, pq_pub_len(a->algorithm));
}

static int key_validate(const void *key, int selection, int check)
{
	const struct pq_key *k = key;
	CLEANUP(pq_key_unrefp) struct pq_key *again = pq_key_new(k->provider, k->algorithm);

	(void)check; /* the full check is quick */
	if (!again || !key_has(key, selection))
		return 0;
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) {
		if (k->has_seed && !pq_key_from_seed(again, k->seed))
			return 0;
		if (!pq_key_set_priv(again, k->priv, pq_priv_len(k->algorithm)))
			return 0;
	}
	return !(selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) ||
	       pq_key_set_pub(again, k->pub, pq_pub_len(k->algorithm));
}

static bool import_part(struct pq_key *k, const OSSL_PARAM params[], const char *name,
			bool (*set)(struct pq_key *k, const uint8_t *at, size_t len))
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, name);
	const void *at = NULL;
	size_t len = 0;

	return !p || (OSSL_PARAM_get_octet_string_ptr(p, &at, &len) && set(k, at, len));
}

static bool set_seed(struct pq_key *k, const uint8_t *at, size_t len)
{
	return len == k->algorithm->seed_len && pq_key_from_seed(k, at);
}

static int key_import(void *key, int selection, const OSSL_PARAM params[])
{
	struct pq_key *k = key;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) {
		if (!import_part(k, params, OSSL_PKEY_PARAM_ML_KEM_SEED, set_seed) ||
		    !import_part(k, params, OSSL_PKEY_PARAM_PRIV_KEY, pq_key_set_priv))
			return 0;
	}
	return import_part(k, params, OSSL_PKEY_PARAM_PUB_KEY, pq_key_set_pub) && k->has_pub;
}

static const OSSL_PARAM key_parts[] = {
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	OSSL_PARAM_END,
};

static const OSSL_PARAM *key_types(int selection)
{
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return key_parts;
	return selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY ? key_parts + 2 : NULL;
}

static int key_export(void *key, int selection, OSSL_CALLBACK *callback, void *arg)
{
	struct pq_key *k = key;
	const struct pq_algorithm *a = k->algorithm;
	OSSL_PARAM params[4];
	unsigned n = 0;

	if (!key_has(k, selection))
		return 0;
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) {
		if (k->has_seed)
			params[n++] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED,
									k->seed, a->seed_len);
		params[n++] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, k->priv,
								pq_priv_len(a));
	}
	if (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY)
		params[n++] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, k->pub,
								pq_pub_len(a));
	params[n] = OSSL_PARAM_construct_end();
	return callback(params, arg);
}

static int get_size(OSSL_PARAM params[], const char *name, size_t value)
{
	OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

	return !p || OSSL_PARAM_set_int(p, (int)value);
}

/* A part that is not there is left unmodified, as the interface asks. */
static int get_bytes(OSSL_PARAM params[], const char *name, bool is_there, const uint8_t *at,
		     size_t len)
{
	OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

	return !p || !is_there || OSSL_PARAM_set_octet_string(p, at, len);
}

static int key_get(void *key, OSSL_PARAM params[])
{
	const struct pq_key *k = key;
	const struct pq_algorithm *a = k->algorithm;
	OSSL_PARAM *digest = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_MANDATORY_DIGEST);

	/* The empty name: signatures are over the message itself, never over a digest. */
	if (digest && !a->is_kem && !OSSL_PARAM_set_utf8_string(digest, ""))
		return 0;
	return get_size(params, OSSL_PKEY_PARAM_BITS, a->bits) &&
	       get_size(params, OSSL_PKEY_PARAM_SECURITY_BITS, a->security_bits) &&
	       get_size(params, OSSL_PKEY_PARAM_MAX_SIZE, pq_output_len(a)) &&
	       get_bytes(params, OSSL_PKEY_PARAM_PUB_KEY, k->has_pub, k->pub, pq_pub_len(a)) &&
	       get_bytes(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, k->has_pub && a->is_kem,
			 k->pub, pq_pub_len(a)) &&
	       get_bytes(params, OSSL_PKEY_PARAM_PRIV_KEY, k->has_priv, k->priv, pq_priv_len(a)) &&
	       get_bytes(params, OSSL_PKEY_PARAM_ML_KEM_SEED, k->has_seed, k->seed, a->seed_len);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return gettable;
}

/* The core tells a keymgmt's functions nothing of the algorithm it was fetched for, so each
 * algorithm has its own two constructors; the rest reads it from the key. */
#define CONSTRUCTORS(i)                                                                           \
	static void *key_new_##i(void *provider)                                                  \
	{                                                                                         \
		return pq_key_new(provider, &pq_algorithms[i]);                                   \
	}                                                                                         \
	static void *generation_new_##i(void *provider, int selection, const OSSL_PARAM params[]) \
	{                                                                                         \
		return generation_new(provider, &pq_algorithms[i], selection, params);            \
	}
CONSTRUCTORS(0)
CONSTRUCTORS(1)
CONSTRUCTORS(2)
CONSTRUCTORS(3)
CONSTRUCTORS(4)
CONSTRUCTORS(5)

#define FUNCTION(id, function)                 \
	{                                      \
		id, (void (*)(void))(function) \
	}
#define TABLE(i)                                                                      \
	const OSSL_DISPATCH pq_keymgmt_functions_##i[] = {                            \
		FUNCTION(OSSL_FUNC_KEYMGMT_NEW, key_new_##i),                         \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_INIT, generation_new_##i),             \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, generation_set),           \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, generation_settable), \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN, generate),                            \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, generation_free),             \
		FUNCTION(OSSL_FUNC_KEYMGMT_FREE, key_free),                           \
		FUNCTION(OSSL_FUNC_KEYMGMT_LOAD, key_load),                           \
		FUNCTION(OSSL_FUNC_KEYMGMT_DUP, key_dup),                             \
		FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has),                             \
		FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, key_match),                         \
		FUNCTION(OSSL_FUNC_KEYMGMT_VALIDATE, key_validate),                   \
		FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                       \
		FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types),                  \
		FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                       \
		FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types),                  \
		FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get),                      \
		FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),            \
		{ 0, NULL },                                                          \
	};
TABLE(0)
TABLE(1)
TABLE(2)
TABLE(3)
TABLE(4)
TABLE(5)

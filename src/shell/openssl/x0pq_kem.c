/* SPDX-License-Identifier: Apache-2.0 */
/* Encapsulation and decapsulation (FIPS 203 section 7) behind the provider interface. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "shell/openssl/x0pq_key.h"

struct kem {
	struct pq_provider *provider;
	struct pq_key *key;
	bool has_m; /* given by "ikme": for tests and for callers with their own entropy */
	uint8_t m[MLKEM_SEED_LEN];
};

static void *kem_new(void *provider)
{
	struct kem *c = calloc(1, sizeof(*c));

	if (c)
		c->provider = provider;
	return c;
}

static void kem_free(void *arg)
{
	struct kem *c = arg;

	if (!c)
		return;
	pq_key_unref(c->key);
	bytes_wipe(c, sizeof(*c));
	free(c);
}

static void *kem_dup(void *arg)
{
	const struct kem *from = arg;
	struct kem *c = kem_new(from->provider);

	if (!c)
		return NULL;
	*c = *from;
	if (c->key)
		(void)pq_key_ref(c->key);
	return c;
}

static int kem_set(void *arg, const OSSL_PARAM params[])
{
	struct kem *c = arg;
	const OSSL_PARAM *p = params ? OSSL_PARAM_locate_const(params, OSSL_KEM_PARAM_IKME) : NULL;
	void *m = c->m;
	size_t len = 0;

	if (!p)
		return 1;
	c->has_m = OSSL_PARAM_get_octet_string(p, &m, sizeof(c->m), &len) && len == sizeof(c->m);
	return c->has_m;
}

static const OSSL_PARAM *kem_settable(void *arg, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_octet_string(OSSL_KEM_PARAM_IKME, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)arg;
	(void)provider;
	return settable;
}

static int kem_init(void *arg, void *key, const OSSL_PARAM params[])
{
	struct kem *c = arg;

	if (key) {
		pq_key_unref(c->key);
		c->key = pq_key_ref(key);
	}
	c->has_m = false;
	return kem_set(c, params);
}

/* Both calls: with out NULL only the lengths are asked for. */
static int kem_encapsulate(void *arg, unsigned char *out, size_t *out_len, unsigned char *secret,
			   size_t *secret_len)
{
	struct kem *c = arg;
	size_t ct_len;
	int r;

	if (!c->key || !c->key->has_pub)
		return 0;
	ct_len = pq_output_len(c->key->algorithm);
	if (out && ((out_len && *out_len < ct_len) || !secret ||
		    (secret_len && *secret_len < MLKEM_SS_LEN)))
		return 0;
	if (out_len)
		*out_len = ct_len;
	if (secret_len)
		*secret_len = MLKEM_SS_LEN;
	if (!out)
		return 1;
	if (!c->has_m && RAND_priv_bytes_ex(c->provider->libctx, c->m, sizeof(c->m), 0) != 1)
		return 0;
	r = mlkem_encaps((enum mlkem_set)c->key->algorithm->set, c->key->pub, c->m, out, secret);
	bytes_wipe(c->m, sizeof(c->m));
	c->has_m = false; /* one m, one ciphertext */
	return r == 0;
}

static int kem_decapsulate(void *arg, unsigned char *out, size_t *out_len, const unsigned char *in,
			   size_t in_len)
{
	struct kem *c = arg;

	if (!c->key || !c->key->has_priv)
		return 0;
	if (out && out_len && *out_len < MLKEM_SS_LEN)
		return 0;
	if (out_len)
		*out_len = MLKEM_SS_LEN;
	if (!out)
		return 1;
	if (in_len != pq_output_len(c->key->algorithm))
		return 0;
	mlkem_decaps((enum mlkem_set)c->key->algorithm->set, c->key->priv, in, out);
	return 1;
}

const OSSL_DISPATCH pq_kem_functions[] = {
	{ OSSL_FUNC_KEM_NEWCTX, (void (*)(void))kem_new },
	{ OSSL_FUNC_KEM_FREECTX, (void (*)(void))kem_free },
	{ OSSL_FUNC_KEM_DUPCTX, (void (*)(void))kem_dup },
	{ OSSL_FUNC_KEM_ENCAPSULATE_INIT, (void (*)(void))kem_init },
	{ OSSL_FUNC_KEM_ENCAPSULATE, (void (*)(void))kem_encapsulate },
	{ OSSL_FUNC_KEM_DECAPSULATE_INIT, (void (*)(void))kem_init },
	{ OSSL_FUNC_KEM_DECAPSULATE, (void (*)(void))kem_decapsulate },
	{ OSSL_FUNC_KEM_SET_CTX_PARAMS, (void (*)(void))kem_set },
	{ OSSL_FUNC_KEM_SETTABLE_CTX_PARAMS, (void (*)(void))kem_settable },
	{ 0, NULL },
};

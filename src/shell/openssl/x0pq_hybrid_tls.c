/* SPDX-License-Identifier: Apache-2.0 */
/* The hybrid groups behind the provider interface, as libssl uses it: to generate a share, to
 * take a peer's, to encapsulate and decapsulate; and the capability that announces them. */
#include <openssl/core_names.h>
#include <openssl/prov_ssl.h>

#include "shell/openssl/x0pq_hybrid.h"

#define NO_DTLS (-1)

/* ---- key management ---- */

struct generation {
	struct pq_provider *provider;
	const struct hybrid_group *group;
	bool wants_keypair; /* else an empty key, for a peer's share to be set in */
};

/* libssl names the group though the algorithm is one already; another name is refused. */
static int generation_set(void *arg, const OSSL_PARAM params[])
{
	const struct generation *g = arg;
	const OSSL_PARAM *p =
		params ? OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME) : NULL;
	const char *name = NULL;

	return !p ||
	       (OSSL_PARAM_get_utf8_string_ptr(p, &name) && strcmp(name, g->group->name) == 0);
}

static const OSSL_PARAM *generation_settable(void *arg, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)arg;
	(void)provider;
	return settable;
}

static void *generation_new(void *provider, const struct hybrid_group *group, int selection,
			    const OSSL_PARAM params[])
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->provider = provider;
	g->group = group;
	g->wants_keypair = (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
	if (!generation_set(g, params)) {
		free(g);
		return NULL;
	}
	return g;
}

static void *generate(void *arg, OSSL_CALLBACK *progress, void *progress_arg)
{
	const struct generation *g = arg;
	CLEANUP(hybrid_key_unrefp) struct hybrid_key *k = hybrid_key_new(g->provider, g->group);

	(void)progress; /* there is none: it is done at once */
	(void)progress_arg;
	if (!k || (g->wants_keypair && !hybrid_key_generate(k)))
		return NULL;
	return TAKE(k);
}

static void generation_free(void *arg)
{
	free(arg);
}

static void key_free(void *key)
{
	hybrid_key_unref(key);
}

static int key_has(const void *key, int selection)
{
	const struct hybrid_key *k = key;

	if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) && !k->has_pub)
		return 0;
	return !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || k->has_priv;
}

static int get_size(OSSL_PARAM params[], const char *name, size_t value)
{
	OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

	return !p || OSSL_PARAM_set_int(p, (int)value);
}

/* The largest output is the share that answers this key's. */
static int key_get(void *key, OSSL_PARAM params[])
{
	const struct hybrid_key *k = key;
	const struct hybrid_group *g = k->group;
	OSSL_PARAM *share = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);

	if (share && k->has_pub &&
	    !OSSL_PARAM_set_octet_string(share, k->share, hybrid_client_share_len(g)))
		return 0;
	return get_size(params, OSSL_PKEY_PARAM_BITS, 8 * hybrid_client_share_len(g)) &&
	       get_size(params, OSSL_PKEY_PARAM_SECURITY_BITS, g->security_bits) &&
	       get_size(params, OSSL_PKEY_PARAM_MAX_SIZE, hybrid_server_share_len(g));
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return gettable;
}

static int key_set(void *key, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
	const void *share = NULL;
	size_t len = 0;

	return !p || (OSSL_PARAM_get_octet_string_ptr(p, &share, &len) && share &&
		      hybrid_key_set_share(key, share, len));
}

static const OSSL_PARAM *key_settable(void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return settable;
}

/* Each group has its own two constructors, as in x0pq_keymgmt.c. */
#define CONSTRUCTORS(i)                                                                           \
	static void *key_new_##i(void *provider)                                                  \
	{                                                                                         \
		return hybrid_key_new(provider, &hybrid_groups[i]);                               \
	}                                                                                         \
	static void *generation_new_##i(void *provider, int selection, const OSSL_PARAM params[]) \
	{                                                                                         \
		return generation_new(provider, &hybrid_groups[i], selection, params);            \
	}
CONSTRUCTORS(0)
CONSTRUCTORS(1)
CONSTRUCTORS(2)

#define FUNCTION(id, function)                 \
	{                                      \
		id, (void (*)(void))(function) \
	}
#define TABLE(i)                                                                      \
	const OSSL_DISPATCH hybrid_keymgmt_functions_##i[] = {                        \
		FUNCTION(OSSL_FUNC_KEYMGMT_NEW, key_new_##i),                         \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_INIT, generation_new_##i),             \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, generation_set),           \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, generation_settable), \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN, generate),                            \
		FUNCTION(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, generation_free),             \
		FUNCTION(OSSL_FUNC_KEYMGMT_FREE, key_free),                           \
		FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has),                             \
		FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get),                      \
		FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),            \
		FUNCTION(OSSL_FUNC_KEYMGMT_SET_PARAMS, key_set),                      \
		FUNCTION(OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, key_settable),            \
		{ 0, NULL },                                                          \
	};
TABLE(0)
TABLE(1)
TABLE(2)

/* ---- encapsulation ---- */

struct kem {
	struct hybrid_key *key;
};

static void *kem_new(void *provider)
{
	(void)provider;
	return calloc(1, sizeof(struct kem));
}

static void kem_free(void *arg)
{
	struct kem *c = arg;

	if (!c)
		return;
	hybrid_key_unref(c->key);
	free(c);
}

static int kem_init(void *arg, void *key, const OSSL_PARAM params[])
{
	struct kem *c = arg;

	(void)params; /* there are none */
	if (key) {
		hybrid_key_unref(c->key);
		c->key = hybrid_key_ref(key);
	}
	return c->key != NULL;
}

/* Both calls: with out NULL only the lengths are asked for. */
static int kem_encapsulate(void *arg, unsigned char *out, size_t *out_len, unsigned char *secret,
			   size_t *secret_len)
{
	const struct hybrid_key *k = ((const struct kem *)arg)->key;
	size_t share_len;

	if (!k || !k->has_pub)
		return 0;
	share_len = hybrid_server_share_len(k->group);
	if (out && ((out_len && *out_len < share_len) || !secret ||
		    (secret_len && *secret_len < hybrid_secret_len(k->group))))
		return 0;
	if (out_len)
		*out_len = share_len;
	if (secret_len)
		*secret_len = hybrid_secret_len(k->group);
	return !out || hybrid_encapsulate(k, out, secret);
}

static int kem_decapsulate(void *arg, unsigned char *out, size_t *out_len, const unsigned char *in,
			   size_t in_len)
{
	const struct hybrid_key *k = ((const struct kem *)arg)->key;

	if (!k || !k->has_priv)
		return 0;
	if (out && out_len && *out_len < hybrid_secret_len(k->group))
		return 0;
	if (out_len)
		*out_len = hybrid_secret_len(k->group);
	return !out || hybrid_decapsulate(k, in, in_len, out);
}

const OSSL_DISPATCH hybrid_kem_functions[] = {
	FUNCTION(OSSL_FUNC_KEM_NEWCTX, kem_new),
	FUNCTION(OSSL_FUNC_KEM_FREECTX, kem_free),
	FUNCTION(OSSL_FUNC_KEM_ENCAPSULATE_INIT, kem_init),
	FUNCTION(OSSL_FUNC_KEM_ENCAPSULATE, kem_encapsulate),
	FUNCTION(OSSL_FUNC_KEM_DECAPSULATE_INIT, kem_init),
	FUNCTION(OSSL_FUNC_KEM_DECAPSULATE, kem_decapsulate),
	{ 0, NULL },
};

/* ---- capability ---- */

static int announce(const struct hybrid_group *g, OSSL_CALLBACK *callback, void *arg)
{
	char *name = (char *)(uintptr_t)g->name;
	unsigned id = g->id;
	unsigned security_bits = g->security_bits;
	unsigned is_kem = 1;
	int tls = TLS1_3_VERSION;
	int newest = 0; /* no upper bound */
	int dtls = NO_DTLS;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME, name, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, name, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_GROUP_ALG, name, 0),
		OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_GROUP_ID, &id),
		OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, &security_bits),
		OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_GROUP_IS_KEM, &is_kem),
		OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, &tls),
		OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, &newest),
		OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, &dtls),
		OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, &dtls),
		OSSL_PARAM_construct_end(),
	};

	return callback(params, arg);
}

int hybrid_tls_groups(void *provider, const char *capability, OSSL_CALLBACK *callback, void *arg)
{
	(void)provider;
	if (strcmp(capability, "TLS-GROUP") != 0)
		return 0;
	for (unsigned i = 0; i < HYBRID_N_GROUPS; i++)
		if (!announce(&hybrid_groups[i], callback, arg))
			return 0;
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Hybrid groups: key type, KEM and the capability that tells TLS of them. */
#include "shell/openssl/x0pq_hybrid.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/prov_ssl.h>
#include <openssl/rand.h>

#define CLASSIC_PUB_MAX 97 /* P-384, uncompressed */
#define CLASSIC_SECRET_MAX 48
#define SHARE_MAX (MLKEM_EK_MAX + CLASSIC_PUB_MAX)

/* Order and sizes: draft-ietf-tls-ecdhe-mlkem, sections 4.1 to 4.3. */
const struct hybrid hybrids[X0PQ_N_HYBRIDS] = {
	{ .name = X0PQ_HYBRID_0,
	  .code_point = 0x11ec,
	  .classic = "X25519",
	  .classic_pub_len = 32,
	  .classic_secret_len = 32,
	  .set = MLKEM_768,
	  .security_bits = 192 },
	{ .name = X0PQ_HYBRID_1,
	  .code_point = 0x11eb,
	  .classic = "EC",
	  .curve = "P-256",
	  .classic_pub_len = 65,
	  .classic_secret_len = 32,
	  .is_classic_first = true,
	  .set = MLKEM_768,
	  .security_bits = 192 },
	{ .name = X0PQ_HYBRID_2,
	  .code_point = 0x11ed,
	  .classic = "EC",
	  .curve = "P-384",
	  .classic_pub_len = 97,
	  .classic_secret_len = 48,
	  .is_classic_first = true,
	  .set = MLKEM_1024,
	  .security_bits = 256 },
};

/* An ephemeral key, or a peer's share; complete before it is used. */
struct hybrid_key {
	struct pq_provider *provider;
	const struct hybrid *hybrid;
	bool has_pub, has_priv;
	EVP_PKEY *classic;
	uint8_t share[SHARE_MAX]; /* as sent: both public keys */
	uint8_t dk[MLKEM_DK_MAX];
};

/* ---- the two parts of shares, ciphertexts and secrets ---- */

struct parts {
	size_t kem_at, classic_at, len;
};

static struct parts parts_of(const struct hybrid *h, size_t kem_len, size_t classic_len)
{
	return (struct parts){
		.kem_at = h->is_classic_first ? classic_len : 0,
		.classic_at = h->is_classic_first ? 0 : kem_len,
		.len = kem_len + classic_len,
	};
}

static struct parts share_parts(const struct hybrid *h)
{
	return parts_of(h, mlkem_sizes[h->set].ek_len, h->classic_pub_len);
}

static struct parts answer_parts(const struct hybrid *h)
{
	return parts_of(h, mlkem_sizes[h->set].ct_len, h->classic_pub_len);
}

static struct parts secret_parts(const struct hybrid *h)
{
	return parts_of(h, MLKEM_SS_LEN, h->classic_secret_len);
}

/* ---- the classic agreement ---- */

static EVP_PKEY *classic_generate(const struct pq_provider *p, const struct hybrid *h)
{
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(p->libctx, h->classic, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 ||
	    (h->curve && EVP_PKEY_CTX_set_group_name(ctx, h->curve) != 1) ||
	    EVP_PKEY_generate(ctx, &key) != 1)
		return NULL;
	return key;
}

static bool classic_public(const struct hybrid *h, EVP_PKEY *key, uint8_t *ret)
{
	uint8_t *encoded = NULL;
	size_t len = EVP_PKEY_get1_encoded_public_key(key, &encoded);
	bool is_good = len == h->classic_pub_len;

	if (is_good)
		memcpy(ret, encoded, len);
	OPENSSL_free(encoded);
	return is_good;
}

/* A peer's public key: for curves it must be an uncompressed point on the curve. */
static EVP_PKEY *classic_from_public(const struct pq_provider *p, const struct hybrid *h,
				     const uint8_t *at)
{
	OSSL_PARAM params[3];
	CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *key = NULL;
	size_t n = 0;

	if (h->curve && at[0] != 4)
		return NULL;
	if (h->curve)
		params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
							       (char *)(uintptr_t)h->curve, 0);
	params[n++] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
							(void *)(uintptr_t)at, h->classic_pub_len);
	params[n] = OSSL_PARAM_construct_end();
	ctx = EVP_PKEY_CTX_new_from_name(p->libctx, h->classic, NULL);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return key;
}

/* X25519 fails on a result of zeros (RFC 7748 section 6.1), curves on a peer's point that
 * does not check. */
static bool classic_agree(const struct pq_provider *p, const struct hybrid *h, EVP_PKEY *own,
			  EVP_PKEY *peer, uint8_t *ret)
{
	CLEANUP(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(p->libctx, own, NULL);
	size_t len = h->classic_secret_len;

	return ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
	       EVP_PKEY_derive(ctx, ret, &len) == 1 && len == h->classic_secret_len;
}

/* ---- keys ---- */

static struct hybrid_key *key_new(void *provider, const struct hybrid *h)
{
	struct hybrid_key *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->provider = provider;
	k->hybrid = h;
	return k;
}

static void key_free(void *key)
{
	struct hybrid_key *k = key;

	if (!k)
		return;
	EVP_PKEY_free(k->classic);
	bytes_wipe(k, sizeof(*k));
	free(k);
}

static bool key_generate(struct hybrid_key *k)
{
	struct parts at = share_parts(k->hybrid);
	uint8_t seed[2 * MLKEM_SEED_LEN];

	if (RAND_priv_bytes_ex(k->provider->libctx, seed, sizeof(seed), 0) != 1)
		return false;
	mlkem_keygen(k->hybrid->set, seed, seed + MLKEM_SEED_LEN, k->share + at.kem_at, k->dk);
	bytes_wipe(seed, sizeof(seed));
	k->classic = classic_generate(k->provider, k->hybrid);
	k->has_pub = k->has_priv =
		k->classic && classic_public(k->hybrid, k->classic, k->share + at.classic_at);
	return k->has_priv;
}

/* A share that came: only into a key that has none. */
static bool key_set_share(struct hybrid_key *k, const uint8_t *share, size_t len)
{
	struct parts at = share_parts(k->hybrid);

	if (k->has_pub || len != at.len || mlkem_check_ek(k->hybrid->set, share + at.kem_at) < 0)
		return false;
	EVP_PKEY_free(k->classic);
	k->classic = classic_from_public(k->provider, k->hybrid, share + at.classic_at);
	if (!k->classic)
		return false;
	memcpy(k->share, share, len);
	k->has_pub = true;
	return true;
}

static int key_has(const void *key, int selection)
{
	const struct hybrid_key *k = key;

	if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) && !k->has_pub)
		return 0;
	return !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || k->has_priv;
}

static int key_match(const void *one, const void *other, int selection)
{
	const struct hybrid_key *a = one;
	const struct hybrid_key *b = other;

	if (a->hybrid != b->hybrid)
		return 0;
	return !(selection & OSSL_KEYMGMT_SELECT_KEYPAIR) ||
	       (a->has_pub && b->has_pub &&
		bytes_equal_ct(a->share, b->share, share_parts(a->hybrid).len));
}

static int get_int(OSSL_PARAM params[], const char *name, size_t value)
{
	OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

	return !p || OSSL_PARAM_set_int(p, (int)value);
}

static int key_get(void *key, OSSL_PARAM params[])
{
	const struct hybrid_key *k = key;
	OSSL_PARAM *share = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);

	if (share && (!k->has_pub ||
		      !OSSL_PARAM_set_octet_string(share, k->share, share_parts(k->hybrid).len)))
		return 0;
	return get_int(params, OSSL_PKEY_PARAM_BITS, 8 * share_parts(k->hybrid).len) &&
	       get_int(params, OSSL_PKEY_PARAM_SECURITY_BITS, k->hybrid->security_bits) &&
	       get_int(params, OSSL_PKEY_PARAM_MAX_SIZE, answer_parts(k->hybrid).len);
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
	const void *at = NULL;
	size_t len = 0;

	return !p || (OSSL_PARAM_get_octet_string_ptr(p, &at, &len) && key_set_share(key, at, len));
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

/* ---- generation: of a key pair, or of an empty key that will take a share ---- */

struct generation {
	struct pq_provider *provider;
	const struct hybrid *hybrid;
	bool wants_keypair;
};

/* TLS names the group as well as the key type; both are the same here. */
static int generation_set(void *arg, const OSSL_PARAM params[])
{
	const struct generation *g = arg;
	const OSSL_PARAM *p =
		params ? OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME) : NULL;

	return !p || (p->data_type == OSSL_PARAM_UTF8_STRING && p->data &&
		      OPENSSL_strcasecmp(p->data, g->hybrid->name) == 0);
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

static void *generation_new(void *provider, const struct hybrid *h, int selection,
			    const OSSL_PARAM params[])
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->provider = provider;
	g->hybrid = h;
	g->wants_keypair = (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
	if (generation_set(g, params))
		return g;
	free(g);
	return NULL;
}

static void *generate(void *arg, OSSL_CALLBACK *progress, void *progress_arg)
{
	const struct generation *g = arg;
	struct hybrid_key *k = key_new(g->provider, g->hybrid);

	(void)progress;
	(void)progress_arg;
	if (k && g->wants_keypair && !key_generate(k)) {
		key_free(k);
		return NULL;
	}
	return k;
}

static void generation_free(void *arg)
{
	free(arg);
}

/* The core tells a keymgmt's functions nothing of the algorithm it was fetched for. */
#define CONSTRUCTORS(i)                                                                           \
	static void *key_new_##i(void *provider)                                                  \
	{                                                                                         \
		return key_new(provider, &hybrids[i]);                                            \
	}                                                                                         \
	static void *generation_new_##i(void *provider, int selection, const OSSL_PARAM params[]) \
	{                                                                                         \
		return generation_new(provider, &hybrids[i], selection, params);                  \
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
		FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, key_match),                         \
		FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get),                      \
		FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),            \
		FUNCTION(OSSL_FUNC_KEYMGMT_SET_PARAMS, key_set),                      \
		FUNCTION(OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, key_settable),            \
		{ 0, NULL },                                                          \
	};
TABLE(0)
TABLE(1)
TABLE(2)

/* ---- the KEM ---- */

struct hybrid_kem {
	struct hybrid_key *key; /* borrowed: the library holds the key while it has the context */
};

static void *kem_new(void *provider)
{
	(void)provider;
	return calloc(1, sizeof(struct hybrid_kem));
}

static void kem_free(void *arg)
{
	free(arg);
}

static int kem_init(void *arg, void *key, const OSSL_PARAM params[])
{
	struct hybrid_kem *c = arg;

	(void)params;
	if (key)
		c->key = key;
	return c->key != NULL;
}

/* Both halves of the peer's side: a fresh classic key and a ciphertext. */
static bool encapsulate(const struct hybrid_key *peer, uint8_t *answer, uint8_t *secret)
{
	const struct hybrid *h = peer->hybrid;
	struct parts at = answer_parts(h);
	struct parts out = secret_parts(h);
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *own = classic_generate(peer->provider, h);
	uint8_t m[MLKEM_SEED_LEN];
	int r;

	if (!own || !classic_public(h, own, answer + at.classic_at) ||
	    !classic_agree(peer->provider, h, own, peer->classic, secret + out.classic_at) ||
	    RAND_priv_bytes_ex(peer->provider->libctx, m, sizeof(m), 0) != 1)
		return false;
	r = mlkem_encaps(h->set, peer->share + share_parts(h).kem_at, m, answer + at.kem_at,
			 secret + out.kem_at);
	bytes_wipe(m, sizeof(m));
	return r == 0;
}

/* Whether the caller has room; with out NULL it only asks for the lengths. */
static bool tell_lengths(const void *out, size_t len, size_t *ret_len)
{
	if (out && ret_len && *ret_len < len)
		return false;
	if (ret_len)
		*ret_len = len;
	return true;
}

static int kem_encapsulate(void *arg, unsigned char *out, size_t *out_len, unsigned char *secret,
			   size_t *secret_len)
{
	const struct hybrid_kem *c = arg;
	size_t len;

	if (!c->key || !c->key->has_pub || (out && !secret))
		return 0;
	len = secret_parts(c->key->hybrid).len;
	if (!tell_lengths(out, answer_parts(c->key->hybrid).len, out_len) ||
	    !tell_lengths(out, len, secret_len))
		return 0;
	if (!out)
		return 1;
	if (encapsulate(c->key, out, secret))
		return 1;
	bytes_wipe(secret, len);
	return 0;
}

static bool decapsulate(const struct hybrid_key *own, const uint8_t *answer, uint8_t *secret)
{
	const struct hybrid *h = own->hybrid;
	struct parts at = answer_parts(h);
	struct parts out = secret_parts(h);
	CLEANUP(EVP_PKEY_freep)
	EVP_PKEY *peer = classic_from_public(own->provider, h, answer + at.classic_at);

	if (!peer || !classic_agree(own->provider, h, own->classic, peer, secret + out.classic_at))
		return false;
	mlkem_decaps(h->set, own->dk, answer + at.kem_at, secret + out.kem_at);
	return true;
}

static int kem_decapsulate(void *arg, unsigned char *out, size_t *out_len, const unsigned char *in,
			   size_t in_len)
{
	const struct hybrid_kem *c = arg;
	size_t len;

	if (!c->key || !c->key->has_priv)
		return 0;
	len = secret_parts(c->key->hybrid).len;
	if (!tell_lengths(out, len, out_len))
		return 0;
	if (!out)
		return 1;
	if (in_len == answer_parts(c->key->hybrid).len && decapsulate(c->key, in, out))
		return 1;
	bytes_wipe(out, len);
	return 0;
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

/* ---- the capability ---- */

static int tell_group(const struct hybrid *h, OSSL_CALLBACK *callback, void *arg)
{
	char *name = (char *)(uintptr_t)h->name;
	unsigned code_point = h->code_point, security_bits = h->security_bits, is_kem = 1;
	int min_tls = TLS1_3_VERSION, max_tls = 0, no_dtls = -1; /* 0: no end */
	const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME, name, strlen(name)),
		OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, name, strlen(name)),
		OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_ALG, name, strlen(name)),
		OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_ID, &code_point),
		OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, &security_bits),
		OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_IS_KEM, &is_kem),
		OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, &min_tls),
		OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, &max_tls),
		OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, &no_dtls),
		OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, &no_dtls),
		OSSL_PARAM_END,
	};

	return callback(params, arg);
}

int hybrid_capabilities(void *provider, const char *capability, OSSL_CALLBACK *callback, void *arg)
{
	(void)provider;
	if (OPENSSL_strcasecmp(capability, "TLS-GROUP") != 0)
		return 0;
	for (unsigned i = 0; i < X0PQ_N_HYBRIDS; i++)
		if (!tell_group(&hybrids[i], callback, arg))
			return 0;
	return 1;
}

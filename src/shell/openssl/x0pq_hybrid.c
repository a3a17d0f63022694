/* SPDX-License-Identifier: Apache-2.0 */
/* Hybrid key agreement: ML-KEM of pqc/, the curve of the library that loaded us. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "shell/openssl/x0pq_hybrid.h"

#define X25519_NAME "X25519"

/* draft-ietf-tls-ecdhe-mlkem sections 3 and 5 (code points and order of the halves). Security
 * bits as OpenSSL 3.5 rates the groups. */
const struct hybrid_group hybrid_groups[HYBRID_N_GROUPS] = {
	{ .name = HYBRID_NAME_0,
	  .id = 0x11ec,
	  .curve = X25519_NAME,
	  .set = MLKEM_768,
	  .is_curve_last = true,
	  .point_len = X25519_LEN,
	  .curve_secret_len = X25519_LEN,
	  .security_bits = 192 },
	{ .name = HYBRID_NAME_1,
	  .id = 0x11eb,
	  .curve = "P-256",
	  .set = MLKEM_768,
	  .point_len = 65,
	  .curve_secret_len = 32,
	  .security_bits = 192 },
	{ .name = HYBRID_NAME_2,
	  .id = 0x11ed,
	  .curve = "P-384",
	  .set = MLKEM_1024,
	  .point_len = HYBRID_POINT_MAX,
	  .curve_secret_len = HYBRID_CURVE_MAX,
	  .security_bits = 256 },
};

size_t hybrid_client_share_len(const struct hybrid_group *g)
{
	return mlkem_sizes[g->set].ek_len + g->point_len;
}

size_t hybrid_server_share_len(const struct hybrid_group *g)
{
	return mlkem_sizes[g->set].ct_len + g->point_len;
}

size_t hybrid_secret_len(const struct hybrid_group *g)
{
	return MLKEM_SS_LEN + g->curve_secret_len;
}

/* Where the halves of a share or a secret begin, the other being this long. */
static size_t curve_at(const struct hybrid_group *g, size_t mlkem_len)
{
	return g->is_curve_last ? mlkem_len : 0;
}

static size_t mlkem_at(const struct hybrid_group *g, size_t curve_len)
{
	return g->is_curve_last ? 0 : curve_len;
}

static bool is_x25519(const struct hybrid_group *g)
{
	return strcmp(g->curve, X25519_NAME) == 0;
}

/* ---- keys ---- */

struct hybrid_key *hybrid_key_new(struct pq_provider *p, const struct hybrid_group *g)
{
	struct hybrid_key *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	atomic_init(&k->n_refs, 1);
	k->provider = p;
	k->group = g;
	return k;
}

struct hybrid_key *hybrid_key_ref(struct hybrid_key *k)
{
	(void)atomic_fetch_add(&k->n_refs, 1);
	return k;
}

void hybrid_key_unref(struct hybrid_key *k)
{
	if (!k || atomic_fetch_sub(&k->n_refs, 1) != 1)
		return;
	EVP_PKEY_free(k->curve); /* the library wipes its part */
	bytes_wipe(k, sizeof(*k));
	free(k);
}

/* ---- the curve's half ---- */

static EVP_PKEY *curve_generate(OSSL_LIB_CTX *lib, const struct hybrid_group *g)
{
	return is_x25519(g) ? EVP_PKEY_Q_keygen(lib, NULL, X25519_NAME)
			    : EVP_PKEY_Q_keygen(lib, NULL, "EC", g->curve);
}

static bool curve_point(EVP_PKEY *key, const struct hybrid_group *g, uint8_t *ret)
{
	size_t len = 0;

	return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, ret,
					       g->point_len, &len) == 1 &&
	       len == g->point_len;
}

/* The library checks that the point is on the curve. */
static EVP_PKEY *curve_peer(OSSL_LIB_CTX *lib, const struct hybrid_group *g, const uint8_t *point)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 (char *)(uintptr_t)g->curve, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point,
						  g->point_len),
		OSSL_PARAM_construct_end(),
	};
	CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *key = NULL;

	if (is_x25519(g))
		return EVP_PKEY_new_raw_public_key_ex(lib, X25519_NAME, NULL, point, g->point_len);
	if (point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return NULL;
	ctx = EVP_PKEY_CTX_new_from_name(lib, "EC", NULL);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) != 1)
		return NULL;
	return key;
}

static bool curve_derive(OSSL_LIB_CTX *lib, const struct hybrid_group *g, EVP_PKEY *own,
			 EVP_PKEY *peer, uint8_t *ret)
{
	static const uint8_t zeros[HYBRID_CURVE_MAX];
	CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, own, NULL);
	size_t len = g->curve_secret_len;

	/* The all-zero result of X25519 (RFC 8446 section 7.4.2) is refused by the library, and
	 * here: the promise is ours. On a NIST curve x = 0 does not come of an honest key either.
	 */
	return ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
	       EVP_PKEY_derive(ctx, ret, &len) == 1 && len == g->curve_secret_len &&
	       !bytes_equal_ct(ret, zeros, len);
}

/* With a point of small order every key agrees on zero, so any key shows it; to ask here and not
 * when the secret is made lets libssl answer with illegal_parameter, as the draft demands. */
static bool has_full_order(OSSL_LIB_CTX *lib, const struct hybrid_group *g, EVP_PKEY *peer)
{
	static const uint8_t one[X25519_LEN] = { 1 };
	uint8_t shared[HYBRID_CURVE_MAX];
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *own = NULL;

	if (!is_x25519(g))
		return true; /* the NIST curves have prime order */
	own = EVP_PKEY_new_raw_private_key_ex(lib, X25519_NAME, NULL, one, sizeof(one));
	return own && curve_derive(lib, g, own, peer, shared);
}

/* ---- both ---- */

bool hybrid_key_generate(struct hybrid_key *k)
{
	const struct hybrid_group *g = k->group;
	OSSL_LIB_CTX *lib = k->provider->libctx;
	uint8_t seed[2 * MLKEM_SEED_LEN];

	if (k->has_pub || k->curve || RAND_priv_bytes_ex(lib, seed, sizeof(seed), 0) != 1)
		return false;
	mlkem_keygen(g->set, seed, seed + MLKEM_SEED_LEN, k->share + mlkem_at(g, g->point_len),
		     k->dk);
	bytes_wipe(seed, sizeof(seed));
	k->curve = curve_generate(lib, g);
	if (!k->curve ||
	    !curve_point(k->curve, g, k->share + curve_at(g, mlkem_sizes[g->set].ek_len)))
		return false;
	k->has_pub = k->has_priv = true;
	return true;
}

bool hybrid_key_set_share(struct hybrid_key *k, const uint8_t *share, size_t len)
{
	const struct hybrid_group *g = k->group;
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *peer = NULL;

	if (k->has_pub || k->curve || len != hybrid_client_share_len(g) ||
	    mlkem_check_ek(g->set, share + mlkem_at(g, g->point_len)) < 0)
		return false;
	peer = curve_peer(k->provider->libctx, g, share + curve_at(g, mlkem_sizes[g->set].ek_len));
	if (!peer || !has_full_order(k->provider->libctx, g, peer))
		return false;
	memcpy(k->share, share, len);
	k->curve = TAKE(peer);
	k->has_pub = true;
	return true;
}

static bool encapsulate_curve(const struct hybrid_key *k, uint8_t *ret_point, uint8_t *ret_secret)
{
	OSSL_LIB_CTX *lib = k->provider->libctx;
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *own = curve_generate(lib, k->group);

	return own && curve_point(own, k->group, ret_point) &&
	       curve_derive(lib, k->group, own, k->curve, ret_secret);
}

bool hybrid_encapsulate(const struct hybrid_key *k, uint8_t *ret_share, uint8_t *ret_secret)
{
	const struct hybrid_group *g = k->group;
	size_t ct_len = mlkem_sizes[g->set].ct_len;
	uint8_t m[MLKEM_SEED_LEN];
	bool is_good;

	if (!k->has_pub || RAND_priv_bytes_ex(k->provider->libctx, m, sizeof(m), 0) != 1)
		return false;
	is_good = mlkem_encaps(g->set, k->share + mlkem_at(g, g->point_len), m,
			       ret_share + mlkem_at(g, g->point_len),
			       ret_secret + mlkem_at(g, g->curve_secret_len)) == 0 &&
		  encapsulate_curve(k, ret_share + curve_at(g, ct_len),
				    ret_secret + curve_at(g, MLKEM_SS_LEN));
	bytes_wipe(m, sizeof(m));
	if (!is_good)
		bytes_wipe(ret_secret, hybrid_secret_len(g));
	return is_good;
}

bool hybrid_decapsulate(const struct hybrid_key *k, const uint8_t *share, size_t len,
			uint8_t *ret_secret)
{
	const struct hybrid_group *g = k->group;
	OSSL_LIB_CTX *lib = k->provider->libctx;
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *peer = NULL;

	if (!k->has_priv || len != hybrid_server_share_len(g))
		return false;
	peer = curve_peer(lib, g, share + curve_at(g, mlkem_sizes[g->set].ct_len));
	if (!peer ||
	    !curve_derive(lib, g, k->curve, peer, ret_secret + curve_at(g, MLKEM_SS_LEN))) {
		bytes_wipe(ret_secret, hybrid_secret_len(g));
		return false;
	}
	mlkem_decaps(g->set, k->dk, share + mlkem_at(g, g->point_len),
		     ret_secret + mlkem_at(g, g->curve_secret_len));
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ML-DSA signatures (FIPS 204 section 5) behind the provider interface: over the message,
 * in one call, without a digest. */
#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "shell/openssl/x0pq_key.h"

struct signature {
	struct pq_provider *provider;
	struct pq_key *key;
	uint8_t context[MLDSA_CTX_MAX];
	size_t context_len;
	bool has_rnd; /* given by "test-entropy" */
	uint8_t rnd[MLDSA_RND_LEN];
	int is_deterministic;
	int is_encoded; /* "message-encoding": 1 pure ML-DSA, 0 the message is M' */
	int is_mu;	/* the message is mu (FIPS 204 algorithm 7, line 6) */
};

static void *signature_new(void *provider, const char *properties)
{
	struct signature *c = calloc(1, sizeof(*c));

	(void)properties; /* nothing is fetched */
	if (!c)
		return NULL;
	c->provider = provider;
	c->is_encoded = 1;
	return c;
}

static void signature_free(void *arg)
{
	struct signature *c = arg;

	if (!c)
		return;
	pq_key_unref(c->key);
	bytes_wipe(c, sizeof(*c));
	free(c);
}

static void *signature_dup(void *arg)
{
	const struct signature *from = arg;
	struct signature *c = signature_new(from->provider, NULL);

	if (!c)
		return NULL;
	*c = *from;
	if (c->key)
		(void)pq_key_ref(c->key);
	return c;
}

static bool set_int(const OSSL_PARAM params[], const char *name, int *ret)
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, name);

	return !p || (OSSL_PARAM_get_int(p, ret) && (*ret == 0 || *ret == 1));
}

static bool set_bytes(const OSSL_PARAM params[], const char *name, uint8_t *ret, size_t size,
		      size_t *ret_len)
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, name);
	void *at = ret;

	return !p || OSSL_PARAM_get_octet_string(p, &at, size, ret_len);
}

static int signature_set(void *arg, const OSSL_PARAM params[])
{
	struct signature *c = arg;
	size_t rnd_len = 0;

	if (!params)
		return 1;
	if (!set_bytes(params, OSSL_SIGNATURE_PARAM_CONTEXT_STRING, c->context, sizeof(c->context),
		       &c->context_len) ||
	    !set_bytes(params, OSSL_SIGNATURE_PARAM_TEST_ENTROPY, c->rnd, sizeof(c->rnd),
		       &rnd_len) ||
	    !set_int(params, OSSL_SIGNATURE_PARAM_DETERMINISTIC, &c->is_deterministic) ||
	    !set_int(params, OSSL_SIGNATURE_PARAM_MESSAGE_ENCODING, &c->is_encoded) ||
	    !set_int(params, OSSL_SIGNATURE_PARAM_MU, &c->is_mu))
		return 0;
	if (rnd_len != 0 && rnd_len != sizeof(c->rnd))
		return 0;
	c->has_rnd |= rnd_len != 0;
	return 1;
}

static const OSSL_PARAM *signature_settable(void *arg, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_TEST_ENTROPY, NULL, 0),
		OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_DETERMINISTIC, NULL),
		OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_MESSAGE_ENCODING, NULL),
		OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_MU, NULL),
		OSSL_PARAM_END,
	};

	(void)arg;
	(void)provider;
	return settable;
}

static int signature_init(void *arg, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signature *c = arg;

	if (digest && *digest)
		return 0; /* HashML-DSA is another algorithm, which we do not have */
	if (key) {
		pq_key_unref(c->key);
		c->key = pq_key_ref(key);
		c->context_len = 0;
		c->has_rnd = false;
		c->is_deterministic = c->is_mu = 0;
		c->is_encoded = 1;
	}
	return c->key && signature_set(c, params);
}

static bool choose_rnd(struct signature *c)
{
	if (c->has_rnd)
		return true;
	memset(c->rnd, 0, sizeof(c->rnd));
	return c->is_deterministic ||
	       RAND_priv_bytes_ex(c->provider->libctx, c->rnd, sizeof(c->rnd), 0) == 1;
}

static int sign_as_set(const struct signature *c, const uint8_t *m, size_t len, uint8_t *ret)
{
	enum mldsa_set set = (enum mldsa_set)c->key->algorithm->set;

	if (c->is_mu)
		return len != MLDSA_MU_LEN
			       ? -1
			       : mldsa_sign_internal(set, c->key->priv, NULL, 0, m, c->rnd, ret);
	if (!c->is_encoded)
		return mldsa_sign_internal(set, c->key->priv, m, len, NULL, c->rnd, ret);
	return mldsa_sign(set, c->key->priv, m, len, c->context, c->context_len, c->rnd, ret);
}

static int signature_sign(void *arg, unsigned char *ret, size_t *ret_len, size_t ret_size,
			  const unsigned char *m, size_t m_len)
{
	struct signature *c = arg;
	size_t sig_len;
	int r;

	if (!c->key || !c->key->has_priv)
		return 0;
	sig_len = pq_output_len(c->key->algorithm);
	*ret_len = sig_len;
	if (!ret)
		return 1;
	if (ret_size < sig_len || !choose_rnd(c))
		return 0;
	r = sign_as_set(c, m, m_len, ret);
	bytes_wipe(c->rnd, sizeof(c->rnd));
	c->has_rnd = false; /* chosen once, used once */
	return r == 0;
}

static int signature_verify(void *arg, const unsigned char *sig, size_t sig_len,
			    const unsigned char *m, size_t m_len)
{
	struct signature *c = arg;
	enum mldsa_set set;

	if (!c->key || !c->key->has_pub || sig_len != pq_output_len(c->key->algorithm))
		return 0;
	set = (enum mldsa_set)c->key->algorithm->set;
	if (c->is_mu)
		return m_len == MLDSA_MU_LEN &&
		       mldsa_verify_internal(set, c->key->pub, NULL, 0, m, sig) == 0;
	if (!c->is_encoded)
		return mldsa_verify_internal(set, c->key->pub, m, m_len, NULL, sig) == 0;
	return mldsa_verify(set, c->key->pub, m, m_len, c->context, c->context_len, sig) == 0;
}

/* What X509_sign() writes as signatureAlgorithm: the identifier, parameters absent (RFC 9881
 * section 2). */
static int get_algorithm_id(const struct pq_algorithm *a, OSSL_PARAM *p)
{
	X509_ALGOR *id = X509_ALGOR_new();
	unsigned char *der = NULL;
	int len = -1;
	int r;

	if (id && X509_ALGOR_set0(id, OBJ_txt2obj(a->oid, 1), V_ASN1_UNDEF, NULL))
		len = i2d_X509_ALGOR(id, &der);
	r = len > 0 && OSSL_PARAM_set_octet_string(p, der, (size_t)len);
	X509_ALGOR_free(id);
	OPENSSL_free(der);
	return r;
}

static int signature_get(void *arg, OSSL_PARAM params[])
{
	struct signature *c = arg;
	OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);

	return !p || (c->key && get_algorithm_id(c->key->algorithm, p));
}

static const OSSL_PARAM *signature_gettable(void *arg, void *provider)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)arg;
	(void)provider;
	return gettable;
}

const OSSL_DISPATCH pq_signature_functions[] = {
	{ OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))signature_new },
	{ OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))signature_free },
	{ OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))signature_dup },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))signature_init },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))signature_sign },
	{ OSSL_FUNC_SIGNATURE_DIGEST_VERIFY_INIT, (void (*)(void))signature_init },
	{ OSSL_FUNC_SIGNATURE_DIGEST_VERIFY, (void (*)(void))signature_verify },
	{ OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))signature_set },
	{ OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (void (*)(void))signature_settable },
	{ OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, (void (*)(void))signature_get },
	{ OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, (void (*)(void))signature_gettable },
	{ 0, NULL },
};

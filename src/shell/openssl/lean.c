/* SPDX-License-Identifier: Apache-2.0 */
/* A library context for reading certificates: our provider, and SHA-1 for the fingerprints by
 * which OpenSSL tells certificates apart, which are computed by the real one. */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "shell/openssl/library.h"
#include "shell/openssl/x0pq.h"

#define NAME "x0sha1"
#define SHA1_LEN 20
#define SHA1_BLOCK_LEN 64

static EVP_MD *sha1; /* of the context that has everything */

static void *digest_new(void *provider)
{
	(void)provider;
	return EVP_MD_CTX_new();
}

static void digest_free(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void *digest_dup(void *ctx)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	if (copy && EVP_MD_CTX_copy_ex(copy, ctx) == 1)
		return copy;
	EVP_MD_CTX_free(copy);
	return NULL;
}

static int digest_init(void *ctx, const OSSL_PARAM params[])
{
	return EVP_DigestInit_ex2(ctx, sha1, params);
}

static int digest_update(void *ctx, const unsigned char *at, size_t len)
{
	return EVP_DigestUpdate(ctx, at, len);
}

static int digest_final(void *ctx, unsigned char *ret, size_t *ret_len, size_t ret_size)
{
	unsigned len = 0;

	if (ret_size < SHA1_LEN || EVP_DigestFinal_ex(ctx, ret, &len) != 1)
		return 0;
	*ret_len = len;
	return 1;
}

static int digest_get(OSSL_PARAM params[])
{
	OSSL_PARAM *size = OSSL_PARAM_locate(params, OSSL_DIGEST_PARAM_SIZE);
	OSSL_PARAM *block = OSSL_PARAM_locate(params, OSSL_DIGEST_PARAM_BLOCK_SIZE);

	return (!size || OSSL_PARAM_set_size_t(size, SHA1_LEN)) &&
	       (!block || OSSL_PARAM_set_size_t(block, SHA1_BLOCK_LEN));
}

static const OSSL_DISPATCH digest_functions[] = {
	{ OSSL_FUNC_DIGEST_NEWCTX, (void (*)(void))digest_new },
	{ OSSL_FUNC_DIGEST_FREECTX, (void (*)(void))digest_free },
	{ OSSL_FUNC_DIGEST_DUPCTX, (void (*)(void))digest_dup },
	{ OSSL_FUNC_DIGEST_INIT, (void (*)(void))digest_init },
	{ OSSL_FUNC_DIGEST_UPDATE, (void (*)(void))digest_update },
	{ OSSL_FUNC_DIGEST_FINAL, (void (*)(void))digest_final },
	{ OSSL_FUNC_DIGEST_GET_PARAMS, (void (*)(void))digest_get },
	{ 0, NULL },
};

static const OSSL_ALGORITHM digests[] = {
	{ "SHA1:SHA-1:SSL3-SHA1:1.3.14.3.2.26", "provider=" NAME, digest_functions, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *ret_no_cache)
{
	(void)provider;
	*ret_no_cache = 0;
	return operation == OSSL_OP_DIGEST ? digests : NULL;
}

static const OSSL_DISPATCH provider_functions[] = {
	{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
	{ 0, NULL },
};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
			 const OSSL_DISPATCH **out, void **ret_provider)
{
	static int nothing;

	(void)handle;
	(void)in;
	*out = provider_functions;
	*ret_provider = &nothing;
	return 1;
}

OSSL_LIB_CTX *lean_context_new(OSSL_LIB_CTX *full)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();

	sha1 = EVP_MD_fetch(full, "SHA1", NULL);
	if (ctx && sha1 && OSSL_PROVIDER_add_builtin(ctx, X0PQ_NAME, x0pq_provider_init) &&
	    OSSL_PROVIDER_add_builtin(ctx, NAME, provider_init) &&
	    OSSL_PROVIDER_load(ctx, X0PQ_NAME) && OSSL_PROVIDER_load(ctx, NAME))
		return ctx;
	OSSL_LIB_CTX_free(ctx);
	return NULL;
}

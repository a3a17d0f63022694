/* SPDX-License-Identifier: Apache-2.0 */
/* Path validation: OpenSSL's, and a check of our own that every certificate on the path has
 * the key and the signature algorithm we mean.
 *
 * OpenSSL's "security level" is set to 0 here on purpose. Version 3.0 rates a signature by
 * the digest registered with its identifier; ML-DSA has none, so above level 0 it refuses
 * every ML-DSA certificate. To register some digest as a placeholder would let them pass, but
 * the rating would be that of a digest nobody uses, in a table shared by the whole process,
 * and the digest would be handed to the signature as well. The check below is stricter than
 * any level and does not depend on the library's version or configuration. */
#include <errno.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "shell/openssl/certificate.h"
#include "shell/openssl/pki.h"

DEFINE_FREEP(X509_STORE, X509_STORE_free)
DEFINE_FREEP(X509_STORE_CTX, X509_STORE_CTX_free)

static void free_stack(STACK_OF(X509) * *s)
{
	sk_X509_pop_free(*s, X509_free);
}

bool signature_is(const X509_ALGOR *algorithm, enum key_kind kind)
{
	const ASN1_OBJECT *oid = NULL;
	int parameter_type = V_ASN1_UNDEF;

	X509_ALGOR_get0(&oid, &parameter_type, NULL, algorithm);
	return parameter_type == V_ASN1_UNDEF && /* absent: RFC 9881 and RFC 5758 3.2 */
	       OBJ_obj2nid(oid) ==
		       (kind == KEY_MLDSA65 ? library()->nid_mldsa65 : NID_ecdsa_with_SHA256);
}

/* The whole path in one kind: no step of it rests on another algorithm. */
static const char *check_algorithms(const STACK_OF(X509) * path)
{
	enum key_kind kind = KEY_MLDSA65;

	if (sk_X509_num(path) < 2)
		return "a node's certificate in the bundle is not an authority's";
	for (int i = 0; i < sk_X509_num(path); i++) {
		X509 *x = sk_X509_value(path, i);
		const X509_ALGOR *algorithm = NULL;
		EVP_PKEY *pkey = X509_get0_pubkey(x);
		enum key_kind its_kind;

		if (!pkey || !pkey_kind(pkey, &its_kind))
			return "a key is neither ML-DSA-65 nor P-256";
		if (i > 0 && its_kind != kind)
			return "the path mixes ML-DSA-65 and P-256";
		kind = its_kind;
		X509_get0_signature(NULL, &algorithm, x);
		if (!signature_is(algorithm, kind))
			return "a signature is neither ML-DSA-65 nor ECDSA with SHA-256";
	}
	return NULL;
}

static int parse_chain(const struct span *chain, size_t n, X509 **ret_leaf, STACK_OF(X509) * rest)
{
	for (size_t i = 0; i < n; i++) {
		X509 *x = certificate_shared(chain[i]);

		if (!x)
			return -EBADMSG;
		if (i == 0) {
			*ret_leaf = x;
		} else if (sk_X509_push(rest, x) <= 0) {
			X509_free(x);
			return -EIO;
		}
	}
	return 0;
}

static X509_STORE *store_of(const struct span *roots, size_t n)
{
	CLEANUP(X509_STORE_freep) X509_STORE *store = X509_STORE_new();

	for (size_t i = 0; store && i < n; i++) {
		CLEANUP(X509_freep) X509 *x = certificate_shared(roots[i]);

		/* A root that cannot be read is no root; the others still are. */
		if (x && X509_STORE_add_cert(store, x) != 1)
			return NULL;
	}
	return TAKE(store);
}

static const char *verify(X509 *leaf, STACK_OF(X509) * rest, X509_STORE *roots, int64_t unix_s)
{
	CLEANUP(X509_STORE_CTX_freep)
	X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(library()->ctx, NULL);
	X509_VERIFY_PARAM *param;

	if (!ctx || X509_STORE_CTX_init(ctx, roots, leaf, rest) != 1)
		return "out of memory";
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_auth_level(param, 0);
	X509_VERIFY_PARAM_set_time(param, (time_t)unix_s);
	X509_VERIFY_PARAM_set_depth(param, PKI_CHAIN_MAX);
	if (X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) != 1)
		return "the library refuses strict checks";
	if (X509_verify_cert(ctx) != 1)
		return X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	return check_algorithms(X509_STORE_CTX_get0_chain(ctx));
}

static const char *parse_and_verify(const struct span *chain, size_t n_chain,
				    const struct span *roots, size_t n_roots, int64_t unix_s)
{
	CLEANUP(X509_freep) X509 *leaf = NULL;
	CLEANUP(free_stack) STACK_OF(X509) *rest = sk_X509_new_null();
	CLEANUP(X509_STORE_freep) X509_STORE *store = NULL;

	if (n_chain == 0 || n_chain > PKI_CHAIN_MAX)
		return "the chain is empty or too long";
	if (n_roots == 0 || n_roots > PKI_ROOTS_MAX)
		return "the trust bundle is empty or too long";
	if (!rest || parse_chain(chain, n_chain, &leaf, rest) < 0)
		return "a certificate cannot be read";
	if (X509_check_ca(leaf) != 0)
		return "an authority's certificate is not a node's";
	store = store_of(roots, n_roots);
	return store ? verify(leaf, rest, store, unix_s) : "out of memory";
}

int certificate_path_verify(const struct span *chain, size_t n_chain, const struct span *roots,
			    size_t n_roots, int64_t unix_s, const char **ret_reason)
{
	const char *reason;

	(void)ERR_set_mark();
	reason = parse_and_verify(chain, n_chain, roots, n_roots, unix_s);
	(void)ERR_pop_to_mark();
	if (!reason)
		return 0;
	*ret_reason = reason;
	return -EKEYREJECTED;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/tls/test_certificates.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

static void fill_from_openssl(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	(void)RAND_bytes(ret, (int)len);
}

static const struct entropy entropy = { .fill = fill_from_openssl };

int test_authority_make(const char *domain, int64_t now_s, struct test_authority *ret)
{
	*ret = (struct test_authority){ 0 };
	if (signing_key_new_p256(&ret->key) < 0 ||
	    pki_make_root(ret->key, domain, now_s, &entropy, &ret->root) < 0)
		return -1;
	ret->root_span = SPAN(ret->root.at, ret->root.len);
	return 0;
}

void test_authority_done(struct test_authority *a)
{
	signing_key_free(a->key);
	buffer_done(&a->root);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool is_good;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	is_good = e && X509_add_ext(cert, e, -1) == 1;

	X509_EXTENSION_free(e);
	return is_good;
}

static bool add_names(X509 *cert, X509 *issuer, const struct test_leaf *leaf)
{
	char text[1200] = "critical";

	for (size_t i = 0; i < 2; i++) {
		if (!leaf->uris[i])
			continue;
		(void)strcat(strcat(text, ",URI:"), leaf->uris[i]);
	}
	return !leaf->uris[0] || add_extension(cert, issuer, NID_subject_alt_name, text);
}

static bool fill(X509 *cert, const struct test_authority *a, const struct test_leaf *leaf,
		 const struct signing_key *key)
{
	const unsigned char *at = a->root.at;
	X509 *root = d2i_X509(NULL, &at, (long)a->root.len);
	bool is_good = root && X509_set_version(cert, X509_VERSION_3) == 1 &&
		       ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711) == 1 &&
		       X509_set_issuer_name(cert, X509_get_subject_name(root)) == 1 &&
		       X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
						  (const unsigned char *)"alpha", -1, -1, 0) == 1 &&
		       ASN1_TIME_set(X509_getm_notBefore(cert), leaf->not_before_s) &&
		       ASN1_TIME_set(X509_getm_notAfter(cert), leaf->not_after_s) &&
		       X509_set_pubkey(cert, signing_key_openssl(key)) == 1 &&
		       add_extension(cert, root, NID_basic_constraints,
				     leaf->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
		       add_extension(cert, root, NID_key_usage,
				     leaf->is_ca ? "critical,digitalSignature,keyCertSign"
						 : "critical,digitalSignature") &&
		       add_extension(cert, root, NID_authority_key_identifier, "keyid:always") &&
		       add_extension(cert, root, NID_ext_key_usage, "serverAuth,clientAuth") &&
		       add_names(cert, root, leaf) &&
		       X509_sign(cert, signing_key_openssl(a->key), EVP_sha256()) > 0;

	X509_free(root);
	return is_good;
}

int test_identity_make(const struct test_authority *a, const struct test_leaf *leaf,
		       struct test_identity *ret)
{
	X509 *cert = X509_new();
	unsigned char *der = NULL;
	int len = -1;

	*ret = (struct test_identity){ 0 };
	if (cert && signing_key_new_p256(&ret->key) == 0 && fill(cert, a, leaf, ret->key))
		len = i2d_X509(cert, &der);
	X509_free(cert);
	if (len <= 0)
		return -1;
	ret->cert = (struct buffer){ .at = malloc((size_t)len), .len = (size_t)len };
	if (ret->cert.at)
		memcpy(ret->cert.at, der, (size_t)len);
	OPENSSL_free(der);
	ret->chain = SPAN(ret->cert.at, ret->cert.len);
	return ret->cert.at ? 0 : -1;
}

void test_identity_done(struct test_identity *i)
{
	signing_key_free(i->key);
	buffer_done(&i->cert);
}

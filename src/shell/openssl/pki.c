/* SPDX-License-Identifier: Apache-2.0 */
/* The authority: roots, requests and SVIDs, built with OpenSSL's X509 functions. */
#include <errno.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "shell/openssl/certificate.h"
#include "shell/openssl/pki.h"

#define SERIAL_LEN 16

static int take_der(unsigned char *der, int len, struct buffer *ret)
{
	uint8_t *copy = len > 0 ? malloc((size_t)len) : NULL;

	if (copy) {
		memcpy(copy, der, (size_t)len);
		*ret = (struct buffer){ .at = copy, .len = (size_t)len };
	}
	OPENSSL_free(der);
	return copy ? 0 : -EIO;
}

/* ML-DSA signs the message itself; ECDSA its SHA-256. */
static const EVP_MD *digest_of(const struct signing_key *key)
{
	return key->kind == KEY_P256 ? library()->sha256 : NULL;
}

static bool set_common_name(X509_NAME *name, const char *text, size_t len)
{
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text,
					  (int)len, -1, 0) == 1;
}

/* Positive, never zero, and always 16 bytes long: the first byte is 0x40 to 0x7f. */
static bool set_serial(X509 *x, const struct entropy *entropy)
{
	uint8_t serial[SERIAL_LEN];
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	bool is_set;

	entropy_fill(entropy, serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	is_set = number && ASN1_STRING_set(number, serial, sizeof(serial)) == 1 &&
		 X509_set_serialNumber(x, number) == 1;
	ASN1_INTEGER_free(number);
	return is_set;
}

static bool set_validity(X509 *x, int64_t from_s, int64_t to_s)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from_s) &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)to_s);
}

/* The value in the notation of x509v3_config(5); never with text from outside in it. */
static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	bool is_added;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	is_added = extension && X509_add_ext(x, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

/* Built by hand, as the notation above would read commas in the text. */
static bool add_uri(X509 *x, const char *uri)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool is_added = false;

	if (names && name && text && ASN1_STRING_set(text, uri, (int)strlen(uri)) == 1 &&
	    sk_GENERAL_NAME_push(names, name) > 0) {
		GENERAL_NAME_set0_value(name, GEN_URI, text);
		is_added = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) == 1;
		name = NULL; /* names has both */
		text = NULL;
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return is_added;
}

static int sign_certificate(X509 *x, const struct signing_key *key, struct buffer *ret)
{
	unsigned char *der = NULL;
	int len;

	if (X509_sign(x, key->pkey, digest_of(key)) <= 0)
		return -EIO;
	len = i2d_X509(x, &der);
	return take_der(der, len, ret);
}

int pki_make_root(const struct signing_key *key, const char *domain, int64_t now_s,
		  const struct entropy *entropy, struct buffer *ret)
{
	CLEANUP(X509_freep) X509 *x = X509_new_ex(library()->ctx, NULL);
	size_t len = strlen(domain);
	char uri[sizeof("spiffe://") + PKI_DOMAIN_MAX];

	if (len == 0 || len > PKI_DOMAIN_MAX)
		return -EINVAL;
	(void)snprintf(uri, sizeof(uri), "spiffe://%s", domain);
	if (!x || !X509_set_version(x, X509_VERSION_3) || !set_serial(x, entropy) ||
	    !set_validity(x, now_s - PKI_BACKDATE_S, now_s + ROOT_LIFETIME_S) ||
	    !set_common_name(X509_get_subject_name(x), domain,
			     len < PKI_NAME_MAX ? len : PKI_NAME_MAX) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(x)) || !X509_set_pubkey(x, key->pkey))
		return -EIO;
	if (!add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
	    !add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_extension(x, x, NID_subject_key_identifier, "hash") || !add_uri(x, uri))
		return -EIO;
	return sign_certificate(x, key, ret);
}

int pki_make_csr(const struct signing_key *key, const char *name, struct buffer *ret)
{
	CLEANUP(X509_REQ_freep) X509_REQ *req = X509_REQ_new_ex(library()->ctx, NULL);
	size_t len = strlen(name);
	unsigned char *der = NULL;
	int der_len;

	if (len == 0 || len > PKI_NAME_MAX)
		return -EINVAL;
	if (!req || !X509_REQ_set_version(req, X509_REQ_VERSION_1) ||
	    !set_common_name(X509_REQ_get_subject_name(req), name, len) ||
	    !X509_REQ_set_pubkey(req, key->pkey) ||
	    X509_REQ_sign(req, key->pkey, digest_of(key)) <= 0)
		return -EIO;
	der_len = i2d_X509_REQ(req, &der);
	return take_der(der, der_len, ret);
}

/* Of its own decoding, as OpenSSL 3.0 looks for the key's algorithm in the default library
 * context whichever one the request was made in. NULL when it is no key we know. */
static EVP_PKEY *request_key(X509_REQ *req)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &der);
	const unsigned char *at = der;
	EVP_PKEY *pkey = len > 0 ? d2i_PUBKEY_ex(NULL, &at, len, library()->ctx, NULL) : NULL;

	OPENSSL_free(der);
	return pkey;
}

/* -EBADMSG, -EPROTO, -EKEYREJECTED as pki_csr_read() says. */
static int check_csr(struct span der, X509_REQ **ret, EVP_PKEY **ret_pkey, enum key_kind *ret_kind)
{
	const unsigned char *end = der.at;
	CLEANUP(X509_REQ_freep) X509_REQ *req = X509_REQ_new_ex(library()->ctx, NULL);
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *pkey = NULL;
	const X509_ALGOR *algorithm = NULL;

	if (!req || der.len == 0 || der.len > 65535 || !d2i_X509_REQ(&req, &end, (long)der.len) ||
	    end != der.at + der.len)
		return -EBADMSG;
	pkey = request_key(req);
	if (!pkey || !pkey_kind(pkey, ret_kind))
		return -EPROTO;
	X509_REQ_get0_signature(req, NULL, &algorithm);
	if (!signature_is(algorithm, *ret_kind))
		return -EPROTO;
	if (X509_REQ_verify_ex(req, pkey, library()->ctx, NULL) != 1)
		return -EKEYREJECTED;
	*ret = TAKE(req);
	*ret_pkey = TAKE(pkey);
	return 0;
}

/* The one CN, in ASCII without control characters; "" for none. */
static int read_common_name(X509_REQ *req, char ret[PKI_NAME_MAX + 1])
{
	X509_NAME *subject = X509_REQ_get_subject_name(req);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *s;
	const unsigned char *text;

	ret[0] = '\0';
	if (at < 0)
		return 0;
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0 || !s ||
	    ASN1_STRING_length(s) > PKI_NAME_MAX)
		return -EBADMSG;
	text = ASN1_STRING_get0_data(s);
	for (int i = 0; i < ASN1_STRING_length(s); i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return -EBADMSG;
	}
	memcpy(ret, text, (size_t)ASN1_STRING_length(s));
	ret[ASN1_STRING_length(s)] = '\0';
	return 0;
}

int pki_csr_read(struct span der, struct csr *ret)
{
	CLEANUP(X509_REQ_freep) X509_REQ *req = NULL;
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *pkey = NULL;
	struct csr c = { 0 };
	int r;

	(void)ERR_set_mark();
	r = check_csr(der, &req, &pkey, &c.kind);
	if (r == 0)
		r = read_common_name(req, c.name);
	(void)ERR_pop_to_mark();
	if (r == 0)
		*ret = c;
	return r;
}

int request_read(struct span der, uint8_t ret_pk[MLDSA65_PK_LEN])
{
	CLEANUP(X509_REQ_freep) X509_REQ *req = NULL;
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *pkey = NULL;
	uint8_t pk[MLDSA65_PK_LEN];
	size_t len = sizeof(pk);
	enum key_kind kind;
	int r;

	(void)ERR_set_mark();
	r = check_csr(der, &req, &pkey, &kind);
	if (r == -EPROTO || (r == 0 && kind != KEY_MLDSA65))
		r = -EBADMSG; /* to the cores any other request is none */
	if (r == 0 && (EVP_PKEY_get_raw_public_key(pkey, pk, &len) != 1 || len != sizeof(pk)))
		r = -EIO;
	(void)ERR_pop_to_mark();
	if (r == 0)
		memcpy(ret_pk, pk, sizeof(pk));
	return r;
}

/* The root as this authority may use it now; its end in *ret_until_s. */
static int check_root(const struct signing_key *authority, struct span der, int64_t now_s,
		      X509 **ret, int64_t *ret_until_s)
{
	struct cert root;

	if (certificate_read(der, &root) < 0)
		return -EBADMSG;
	if (authority->kind == KEY_MLDSA65 ? !root.is_mldsa65 : !root.is_p256)
		return -EPROTO;
	if (!root.is_ca || !root.can_sign_certs || now_s < root.not_before_s ||
	    now_s > root.not_after_s || !pki_cert_is_for(der, authority))
		return -EKEYREJECTED;
	*ret = certificate_parse(der);
	*ret_until_s = root.not_after_s;
	return *ret ? 0 : -EIO;
}

static bool add_svid_extensions(X509 *x, X509 *root, const char *spiffe_id)
{
	return add_extension(x, root, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, root, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(x, root, NID_ext_key_usage, "serverAuth,clientAuth") &&
	       add_extension(x, root, NID_subject_key_identifier, "hash") &&
	       add_extension(x, root, NID_authority_key_identifier, "keyid:always") &&
	       add_uri(x, spiffe_id);
}

static int build_svid(const struct signing_key *authority, X509 *root, EVP_PKEY *pkey,
		      const struct svid_terms *terms, int64_t until_s,
		      const struct entropy *entropy, struct buffer *ret)
{
	CLEANUP(X509_freep) X509 *x = X509_new_ex(library()->ctx, NULL);

	if (!x || !X509_set_version(x, X509_VERSION_3) || !set_serial(x, entropy) ||
	    !set_validity(x, terms->now_s - PKI_BACKDATE_S, until_s) ||
	    !set_common_name(X509_get_subject_name(x), terms->name, strlen(terms->name)) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(root)) || !X509_set_pubkey(x, pkey) ||
	    !add_svid_extensions(x, root, terms->spiffe_id))
		return -EIO;
	return sign_certificate(x, authority, ret);
}

static bool terms_fit(const struct svid_terms *terms)
{
	size_t id_len = strlen(terms->spiffe_id);
	size_t name_len = strlen(terms->name);

	return id_len > 0 && id_len < sizeof(((struct cert *)NULL)->uri) && name_len > 0 &&
	       name_len <= PKI_NAME_MAX && terms->lifetime_s > 0 &&
	       terms->lifetime_s <= ROOT_LIFETIME_S;
}

int pki_issue_svid(const struct signing_key *authority, struct span root, struct span csr,
		   const struct svid_terms *terms, const struct entropy *entropy,
		   struct buffer *ret)
{
	CLEANUP(X509_freep) X509 *issuer = NULL;
	CLEANUP(X509_REQ_freep) X509_REQ *req = NULL;
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *pkey = NULL;
	enum key_kind kind;
	int64_t root_end_s = 0;
	int64_t until_s;
	int r;

	if (!terms_fit(terms))
		return -EINVAL;
	(void)ERR_set_mark();
	r = check_csr(csr, &req, &pkey, &kind);
	if (r == 0 && kind != authority->kind)
		r = -EPROTO;
	if (r == 0)
		r = check_root(authority, root, terms->now_s, &issuer, &root_end_s);
	until_s = terms->now_s + terms->lifetime_s;
	if (r == 0)
		r = build_svid(authority, issuer, pkey, terms,
			       until_s < root_end_s ? until_s : root_end_s, entropy, ret);
	(void)ERR_pop_to_mark();
	return r;
}

bool pki_cert_is_for(struct span cert, const struct signing_key *key)
{
	CLEANUP(X509_freep) X509 *x = NULL;
	EVP_PKEY *pkey;
	bool is_equal;

	(void)ERR_set_mark();
	x = certificate_parse(cert);
	pkey = x ? X509_get0_pubkey(x) : NULL;
	is_equal = pkey && EVP_PKEY_eq(pkey, key->pkey) == 1;
	(void)ERR_pop_to_mark();
	return is_equal;
}

/* ---- PEM ---- */

int pki_certs_to_pem(const struct span *certs, size_t n, struct buffer *ret)
{
	CLEANUP(BIO_vfreep) BIO *bio = BIO_new(BIO_s_mem());
	char *at = NULL;
	long len;
	uint8_t *copy;

	for (size_t i = 0; bio && i < n; i++) {
		if (PEM_write_bio(bio, PEM_STRING_X509, "", certs[i].at, (long)certs[i].len) <= 0)
			return -EIO;
	}
	len = bio ? BIO_get_mem_data(bio, &at) : 0;
	copy = len > 0 ? malloc((size_t)len) : NULL;
	if (!copy)
		return -EIO;
	memcpy(copy, at, (size_t)len);
	*ret = (struct buffer){ .at = copy, .len = (size_t)len };
	return 0;
}

/* The next block as one checked certificate. -ENOENT at the end of the file. */
static int next_certificate(BIO *bio, struct buffer *ret)
{
	char *label = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	struct cert cert;
	int r = -EBADMSG;

	if (PEM_read_bio(bio, &label, &header, &der, &len) != 1)
		return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? -ENOENT
										    : -EBADMSG;
	if (strcmp(label, PEM_STRING_X509) == 0 && len > 0 &&
	    certificate_read(SPAN(der, (size_t)len), &cert) == 0) {
		ret->at = malloc((size_t)len);
		ret->len = (size_t)len;
		r = ret->at ? 0 : -ENOMEM;
		if (ret->at)
			memcpy(ret->at, der, (size_t)len);
	}
	OPENSSL_free(label);
	OPENSSL_free(header);
	OPENSSL_free(der);
	return r;
}

int pki_certs_from_pem(struct span pem, struct buffer *ret, size_t max, size_t *ret_n)
{
	CLEANUP(BIO_vfreep) BIO *bio = NULL;
	struct buffer found = { 0 };
	size_t n = 0;
	int r = 0;

	if (pem.len == 0 || pem.len > INT32_MAX)
		return -EBADMSG;
	bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	if (!bio)
		return -EIO;
	(void)ERR_set_mark();
	while (r == 0) {
		r = next_certificate(bio, &found);
		if (r == 0 && n == max) {
			buffer_done(&found);
			r = -ENOBUFS;
		} else if (r == 0) {
			ret[n++] = found;
		}
	}
	(void)ERR_pop_to_mark();
	if (r == -ENOENT && n > 0) {
		*ret_n = n;
		return 0;
	}
	while (n > 0)
		buffer_done(&ret[--n]);
	return r == -ENOENT ? -EBADMSG : r;
}

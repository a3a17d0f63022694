/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one certificate, strictly: what X509 parsing forgives and a second parser might
 * read otherwise is refused here. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "shell/openssl/certificate.h"
#include "shell/openssl/pki.h"

#define CERT_DER_MAX 32768 /* an ML-DSA-65 SVID has about 5,600 bytes */

static X509 *parse(struct span der, OSSL_LIB_CTX *ctx)
{
	const unsigned char *end = der.at;
	CLEANUP(X509_freep) X509 *x = X509_new_ex(ctx, NULL);
	unsigned char *again = NULL;
	bool is_der;
	int len;

	if (!x || der.len == 0 || der.len > CERT_DER_MAX)
		return NULL;
	if (!d2i_X509(&x, &end, (long)der.len) || end != der.at + der.len)
		return NULL; /* on failure d2i frees x and sets it to NULL */
	/* The parser takes BER; DER is what comes out again unchanged. It keeps the signed part as
	 * it came: the first call makes it write that part anew as well. */
	(void)i2d_re_X509_tbs(x, NULL);
	len = i2d_X509(x, &again);
	is_der = len > 0 && (size_t)len == der.len && memcmp(again, der.at, der.len) == 0;
	OPENSSL_free(again);
	return is_der ? TAKE(x) : NULL;
}

X509 *certificate_parse(struct span der)
{
	return parse(der, library()->ctx);
}

bool pki_cert_names_mldsa65(struct span der)
{
	static const uint8_t mldsa65[] = { 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					   0x65, 0x03, 0x04, 0x03, 0x12 };

	return der.len > 0 && memmem(der.at, der.len, mldsa65, sizeof(mldsa65));
}

/* Those that speak of ML-DSA-65 are read in the lean context, which takes a third of the time. The
 * choice decides about time alone: in the wrong one a key is not decoded, or a signature not
 * verified. */
static OSSL_LIB_CTX *context_for(struct span der)
{
	return pki_cert_names_mldsa65(der) ? library()->lean_ctx : library()->ctx;
}

/* ---- certificates parsed lately ----
 *
 * To judge one chain the same certificate is read several times, and the roots in every path.
 * Parsing is slow where the key is of a provider's: the library asks all its decoders. So each
 * thread keeps the last few, by their exact bytes. What a certificate is worth is not kept. */

#define PARSED_MAX 8

struct parsed {
	X509 *x;
	uint8_t *der;
	size_t len;
	uint64_t used; /* when last, in uses */
};

struct shelf {
	struct parsed of[PARSED_MAX];
	uint64_t n_uses;
};

static pthread_once_t shelf_once = PTHREAD_ONCE_INIT;
static pthread_key_t shelf_key;

static void parsed_done(struct parsed *p)
{
	X509_free(p->x);
	free(p->der);
	*p = (struct parsed){ 0 };
}

static void shelf_free(void *arg)
{
	struct shelf *s = arg;

	for (unsigned i = 0; i < PARSED_MAX; i++)
		parsed_done(&s->of[i]);
	free(s);
}

static void shelf_make_key(void)
{
	int r = pthread_key_create(&shelf_key, shelf_free);

	assert(r == 0);
}

/* NULL: no memory. */
static struct shelf *shelf_get(void)
{
	struct shelf *s;

	(void)pthread_once(&shelf_once, shelf_make_key);
	s = pthread_getspecific(shelf_key);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (s && pthread_setspecific(shelf_key, s) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

static X509 *shelf_find(struct shelf *s, struct span der)
{
	for (unsigned i = 0; i < PARSED_MAX; i++) {
		struct parsed *p = &s->of[i];

		if (!p->x || p->len != der.len || memcmp(p->der, der.at, der.len) != 0)
			continue;
		p->used = ++s->n_uses;
		return X509_up_ref(p->x) == 1 ? p->x : NULL;
	}
	return NULL;
}

/* In the place of the one not used for longest. */
static void shelf_put(struct shelf *s, struct span der, X509 *x)
{
	struct parsed *p = &s->of[0];
	uint8_t *copy = malloc(der.len);

	for (unsigned i = 1; i < PARSED_MAX; i++)
		if (s->of[i].used < p->used)
			p = &s->of[i];
	if (!copy || X509_up_ref(x) != 1) {
		free(copy);
		return;
	}
	parsed_done(p);
	memcpy(copy, der.at, der.len);
	*p = (struct parsed){ .x = x, .der = copy, .len = der.len, .used = ++s->n_uses };
}

X509 *certificate_shared(struct span der)
{
	struct shelf *s = shelf_get();
	X509 *x = s ? shelf_find(s, der) : NULL;

	if (x)
		return x;
	x = parse(der, context_for(der));
	if (s && x)
		shelf_put(s, der, x);
	return x;
}

/* ---- reading ---- */

static bool read_time(const ASN1_TIME *t, int64_t *ret)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*ret = (int64_t)timegm(&tm);
	return true;
}

static bool read_serial(X509 *x, uint8_t ret[20])
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	size_t len = serial ? (size_t)ASN1_STRING_length(serial) : 0;

	/* RFC 5280 section 4.1.2.2: positive, at most 20 octets. */
	if (len == 0 || len > 20 || ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		return false;
	memset(ret, 0, 20);
	memcpy(ret + 20 - len, ASN1_STRING_get0_data(serial), len);
	return true;
}

static bool read_uri(const ASN1_IA5STRING *s, struct cert *ret)
{
	size_t len = (size_t)ASN1_STRING_length(s);
	const unsigned char *at = ASN1_STRING_get0_data(s);

	if (len == 0 || len >= sizeof(ret->uri))
		return false;
	for (size_t i = 0; i < len; i++) {
		/* RFC 3986 section 2; a NUL would hide what follows it, a line's end or an escape
		 * sequence what a terminal shows beside it */
		if (at[i] <= ' ' || at[i] >= 0x7f)
			return false;
	}
	if (ret->n_uris++ == 0) {
		memcpy(ret->uri, at, len);
		ret->uri[len] = '\0';
	}
	return true;
}

static bool read_names(X509 *x, struct cert *ret)
{
	int found;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &found, NULL);
	bool is_good = names || found == -1; /* -1: there is none; -2: there are two */

	for (int i = 0; is_good && names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_URI)
			is_good = read_uri(name->d.uniformResourceIdentifier, ret);
		else
			ret->n_other_names++;
	}
	GENERAL_NAMES_free(names);
	return is_good;
}

static bool read_constraints(X509 *x, struct cert *ret)
{
	int found;
	BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, &found, NULL);

	if (!basic)
		return found == -1;
	ret->is_ca = basic->ca != 0;
	BASIC_CONSTRAINTS_free(basic);
	return true;
}

static bool read_usage(X509 *x, struct cert *ret)
{
	int found;
	ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, &found, NULL);

	if (!usage)
		return found == -1;
	ret->has_key_usage = true;
	ret->can_sign = ASN1_BIT_STRING_get_bit(usage, 0) == 1; /* RFC 5280 4.2.1.3 */
	ret->can_sign_certs = ASN1_BIT_STRING_get_bit(usage, 5) == 1;
	ret->can_sign_crls = ASN1_BIT_STRING_get_bit(usage, 6) == 1;
	ASN1_BIT_STRING_free(usage);
	return true;
}

/* A key of a third kind, or one that cannot be decoded, sets neither flag. */
static void read_key(X509 *x, struct cert *ret)
{
	EVP_PKEY *pkey = X509_get0_pubkey(x);
	size_t len = sizeof(ret->pk);
	enum key_kind kind;

	if (!pkey || !pkey_kind(pkey, &kind))
		return;
	ret->is_p256 = kind == KEY_P256;
	ret->is_mldsa65 = kind == KEY_MLDSA65 &&
			  EVP_PKEY_get_raw_public_key(pkey, ret->pk, &len) == 1 &&
			  len == sizeof(ret->pk);
}

int certificate_read(struct span der, struct cert *ret)
{
	struct cert c = { .der = der };
	CLEANUP(X509_freep) X509 *x = NULL;
	bool is_good;

	(void)ERR_set_mark();
	x = certificate_shared(der);
	is_good = x && X509_get_version(x) == X509_VERSION_3 &&
		  (X509_get_extension_flags(x) & EXFLAG_INVALID) == 0 && read_serial(x, c.serial) &&
		  read_time(X509_get0_notBefore(x), &c.not_before_s) &&
		  read_time(X509_get0_notAfter(x), &c.not_after_s) && read_names(x, &c) &&
		  read_constraints(x, &c) && read_usage(x, &c);
	if (is_good)
		read_key(x, &c);
	(void)ERR_pop_to_mark();
	if (!is_good)
		return -EBADMSG;
	*ret = c;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one certificate, strictly: what X509 parsing forgives and a second parser might
 * read otherwise is refused here. */
#include <errno.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "shell/openssl/certificate.h"

#define CERT_DER_MAX 32768 /* an ML-DSA-65 SVID has about 5,600 bytes */

X509 *certificate_parse(struct span der)
{
	const unsigned char *end = der.at;
	CLEANUP(X509_freep) X509 *x = X509_new_ex(library()->ctx, NULL);
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
		if (at[i] == 0 || at[i] > 0x7f) /* a NUL would hide what follows it */
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
	x = certificate_parse(der);
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

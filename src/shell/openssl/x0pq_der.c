/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as DER: SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) and PKCS#8 (RFC 5958) with
 * the three forms of a private key (RFC 9881 section 6, RFC 9935 section 6):
 *
 *	PrivateKey ::= CHOICE {
 *		seed		[0] IMPLICIT OCTET STRING,
 *		expandedKey	OCTET STRING,
 *		both		SEQUENCE { seed OCTET STRING, expandedKey OCTET STRING } }
 */
#include <errno.h>

#include <openssl/asn1t.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>

#include "shell/openssl/x0pq_key.h"

typedef struct {
	ASN1_OCTET_STRING *seed;
	ASN1_OCTET_STRING *expanded;
} PQ_BOTH;

typedef struct {
	int type;
	union {
		ASN1_OCTET_STRING *seed;
		ASN1_OCTET_STRING *expanded;
		PQ_BOTH *both;
	} value;
} PQ_PRIVATE;

/* Not X509_PUBKEY: to decode that, OpenSSL asks the decoders, which is us. */
typedef struct {
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *key;
} PQ_PUBLIC;

enum private_form { /* the order of the choices below */
	FORM_SEED,
	FORM_EXPANDED,
	FORM_BOTH,
};

/* clang-format off */
ASN1_SEQUENCE(PQ_BOTH) = {
	ASN1_SIMPLE(PQ_BOTH, seed, ASN1_OCTET_STRING),
	ASN1_SIMPLE(PQ_BOTH, expanded, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END(PQ_BOTH)

ASN1_CHOICE(PQ_PRIVATE) = {
	ASN1_IMP(PQ_PRIVATE, value.seed, ASN1_OCTET_STRING, 0),
	ASN1_SIMPLE(PQ_PRIVATE, value.expanded, ASN1_OCTET_STRING),
	ASN1_SIMPLE(PQ_PRIVATE, value.both, PQ_BOTH),
} static_ASN1_CHOICE_END(PQ_PRIVATE)

ASN1_SEQUENCE(PQ_PUBLIC) = {
	ASN1_SIMPLE(PQ_PUBLIC, algorithm, X509_ALGOR),
	ASN1_SIMPLE(PQ_PUBLIC, key, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(PQ_PUBLIC)
/* clang-format on */

static void public_free(PQ_PUBLIC *p)
{
	ASN1_item_free((ASN1_VALUE *)p, ASN1_ITEM_rptr(PQ_PUBLIC));
}

static void wipe_string(ASN1_OCTET_STRING *s)
{
	if (s && s->data)
		bytes_wipe(s->data, (size_t)s->length);
}

static void private_free(PQ_PRIVATE *p)
{
	if (p && p->type == FORM_BOTH && p->value.both) {
		wipe_string(p->value.both->seed);
		wipe_string(p->value.both->expanded);
	} else if (p && (p->type == FORM_SEED || p->type == FORM_EXPANDED)) {
		wipe_string(p->value.expanded); /* one union member, one type */
	}
	ASN1_item_free((ASN1_VALUE *)p, ASN1_ITEM_rptr(PQ_PRIVATE));
}

DEFINE_FREEP(PQ_PUBLIC, public_free)
DEFINE_FREEP(PQ_PRIVATE, private_free)
DEFINE_FREEP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

/* ---- encoding ---- */

/* The private key as the choice, in the form that says most of what is known. */
static int encode_choice(const struct pq_key *k, unsigned char **ret)
{
	const struct pq_algorithm *a = k->algorithm;
	CLEANUP(private_freep)
	PQ_PRIVATE *p = (PQ_PRIVATE *)ASN1_item_new(ASN1_ITEM_rptr(PQ_PRIVATE));
	ASN1_OCTET_STRING *expanded;

	if (!p)
		return -1;
	if (k->has_seed) {
		PQ_BOTH *both = (PQ_BOTH *)ASN1_item_new(ASN1_ITEM_rptr(PQ_BOTH));

		p->type = FORM_BOTH;
		p->value.both = both;
		if (!both || !ASN1_OCTET_STRING_set(both->seed, k->seed, (int)a->seed_len))
			return -1;
		expanded = both->expanded;
	} else {
		p->type = FORM_EXPANDED;
		expanded = p->value.expanded = ASN1_OCTET_STRING_new();
	}
	if (!expanded || !ASN1_OCTET_STRING_set(expanded, k->priv, (int)pq_priv_len(a)))
		return -1;
	return ASN1_item_i2d((ASN1_VALUE *)p, ret, ASN1_ITEM_rptr(PQ_PRIVATE));
}

static int encode_private(const struct pq_key *k, unsigned char **ret)
{
	CLEANUP(PKCS8_PRIV_KEY_INFO_freep) PKCS8_PRIV_KEY_INFO *info = PKCS8_PRIV_KEY_INFO_new();
	unsigned char *inner = NULL;
	int len = encode_choice(k, &inner);

	if (!info || len <= 0 ||
	    !PKCS8_pkey_set0(info, OBJ_txt2obj(k->algorithm->oid, 1), 0, V_ASN1_UNDEF, NULL, inner,
			     len)) {
		OPENSSL_clear_free(inner, len > 0 ? (size_t)len : 0);
		return -1;
	}
	return i2d_PKCS8_PRIV_KEY_INFO(info, ret); /* which owns inner now, and wipes it */
}

static int encode_public(const struct pq_key *k, unsigned char **ret)
{
	CLEANUP(public_freep)
	PQ_PUBLIC *p = (PQ_PUBLIC *)ASN1_item_new(ASN1_ITEM_rptr(PQ_PUBLIC));

	if (!p ||
	    !X509_ALGOR_set0(p->algorithm, OBJ_txt2obj(k->algorithm->oid, 1), V_ASN1_UNDEF, NULL) ||
	    !ASN1_BIT_STRING_set(p->key, (unsigned char *)(uintptr_t)k->pub,
				 (int)pq_pub_len(k->algorithm)))
		return -1;
	/* All eight bits of the last byte count, also where they are zero (RFC 5280 4.1.2.7). */
	p->key->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7);
	p->key->flags |= ASN1_STRING_FLAG_BITS_LEFT;
	return ASN1_item_i2d((ASN1_VALUE *)p, ret, ASN1_ITEM_rptr(PQ_PUBLIC));
}

int pq_der_encode(const struct pq_key *k, bool is_private, struct buffer *ret)
{
	unsigned char *der = NULL;
	int len;
	uint8_t *copy;

	if (is_private ? !k->has_priv : !k->has_pub)
		return -EIO;
	len = is_private ? encode_private(k, &der) : encode_public(k, &der);
	if (len <= 0)
		return -EIO;
	copy = malloc((size_t)len);
	if (copy) {
		memcpy(copy, der, (size_t)len);
		*ret = (struct buffer){ .at = copy, .len = (size_t)len };
	}
	OPENSSL_clear_free(der, (size_t)len);
	return copy ? 0 : -EIO;
}

/* ---- decoding ---- */

/* Is it this algorithm, with the parameters absent (RFC 9881 section 2, RFC 9935 section 3)? */
static bool is_algorithm(const struct pq_algorithm *a, const X509_ALGOR *id)
{
	const ASN1_OBJECT *oid = NULL;
	int parameter_type = V_ASN1_UNDEF;
	char text[64];

	X509_ALGOR_get0(&oid, &parameter_type, NULL, id);
	return parameter_type == V_ASN1_UNDEF && OBJ_obj2txt(text, sizeof(text), oid, 1) > 0 &&
	       strcmp(text, a->oid) == 0;
}

static bool take_seed(struct pq_key *k, const ASN1_OCTET_STRING *s)
{
	return (size_t)s->length == k->algorithm->seed_len && pq_key_from_seed(k, s->data);
}

static bool take_expanded(struct pq_key *k, const ASN1_OCTET_STRING *s)
{
	return pq_key_set_priv(k, s->data, (size_t)s->length);
}

static bool decode_choice(struct pq_key *k, const uint8_t *at, long len)
{
	const unsigned char *end = at;
	CLEANUP(private_freep)
	PQ_PRIVATE *p = (PQ_PRIVATE *)ASN1_item_d2i(NULL, &end, len, ASN1_ITEM_rptr(PQ_PRIVATE));

	if (!p || end != at + len)
		return false;
	switch ((enum private_form)p->type) {
	case FORM_SEED:
		return take_seed(k, p->value.seed);
	case FORM_EXPANDED:
		return take_expanded(k, p->value.expanded);
	case FORM_BOTH: /* the second is compared with what the first gives */
		return take_seed(k, p->value.both->seed) &&
		       take_expanded(k, p->value.both->expanded);
	}
	return false;
}

static bool decode_private(struct pq_key *k, struct span der)
{
	const unsigned char *end = der.at;
	CLEANUP(PKCS8_PRIV_KEY_INFO_freep)
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &end, (long)der.len);
	const X509_ALGOR *id = NULL;
	const unsigned char *inner = NULL;
	int len = 0;

	if (!info || end != der.at + der.len || !PKCS8_pkey_get0(NULL, &inner, &len, &id, info))
		return false;
	return is_algorithm(k->algorithm, id) && decode_choice(k, inner, len);
}

static bool decode_public(struct pq_key *k, struct span der)
{
	const unsigned char *end = der.at;
	CLEANUP(public_freep)
	PQ_PUBLIC *p =
		(PQ_PUBLIC *)ASN1_item_d2i(NULL, &end, (long)der.len, ASN1_ITEM_rptr(PQ_PUBLIC));

	if (!p || end != der.at + der.len || (p->key->flags & 7) != 0) /* unused bits */
		return false;
	return is_algorithm(k->algorithm, p->algorithm) &&
	       pq_key_set_pub(k, p->key->data, (size_t)p->key->length);
}

struct pq_key *pq_der_decode(struct pq_provider *p, const struct pq_algorithm *a, bool is_private,
			     struct span der)
{
	CLEANUP(pq_key_unrefp) struct pq_key *k = pq_key_new(p, a);

	if (!k || !(is_private ? decode_private(k, der) : decode_public(k, der)))
		return NULL;
	return TAKE(k);
}

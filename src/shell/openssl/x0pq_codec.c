/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders and decoders of the provider: x0pq_der.c behind the two interfaces. PEM is
 * written here and read by the library, which hands us the DER inside. */
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "shell/openssl/x0pq_key.h"

#define FUNCTION(id, function)                 \
	{                                      \
		id, (void (*)(void))(function) \
	}

/* Longer than any key here, so that a length field cannot ask for more. */
#define DER_MAX 16384

/* ---- encoders: the context is the provider, the key says the algorithm ---- */

static void *encoder_new(void *provider)
{
	return provider;
}

static void encoder_free(void *context)
{
	(void)context; /* the provider's */
}

static int write_out(const struct pq_provider *p, OSSL_CORE_BIO *out, const void *at, size_t len)
{
	size_t n = 0;

	return p->bio_write(out, at, len, &n) == 1 && n == len;
}

static int write_pem(const struct pq_provider *p, OSSL_CORE_BIO *out, const char *label,
		     struct span der)
{
	CLEANUP(BIO_vfreep) BIO *text = BIO_new(BIO_s_mem()); /* wiped when freed */
	char *at = NULL;
	long len;

	if (!text || PEM_write_bio(text, label, "", der.at, (long)der.len) <= 0)
		return 0;
	len = BIO_get_mem_data(text, &at);
	return len > 0 && write_out(p, out, at, (size_t)len);
}

static int encode(const struct pq_provider *p, OSSL_CORE_BIO *out, const struct pq_key *k,
		  bool is_private, bool is_pem)
{
	struct buffer der = { 0 };
	int r;

	if (!k || pq_der_encode(k, is_private, &der) < 0)
		return 0;
	if (is_pem)
		r = write_pem(p, out, is_private ? PEM_STRING_PKCS8INF : PEM_STRING_PUBLIC,
			      SPAN(der.at, der.len));
	else
		r = write_out(p, out, der.at, der.len);
	buffer_done(&der);
	return r;
}

/* A private key is asked for together with its public half: the first decides. */
static int selects(int selection, bool is_private)
{
	if (selection == 0)
		return 1;
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return is_private;
	return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 && !is_private;
}

static int selects_private(void *provider, int selection)
{
	(void)provider;
	return selects(selection, true);
}

static int selects_public(void *provider, int selection)
{
	(void)provider;
	return selects(selection, false);
}

/* Keys of other providers and encryption are not offered: abstract and password are unused. */
#define ENCODER(name, is_private, is_pem)                                          \
	static int name(void *context, OSSL_CORE_BIO *out, const void *key,        \
			const OSSL_PARAM abstract[], int selection,                \
			OSSL_PASSPHRASE_CALLBACK *password, void *password_arg)    \
	{                                                                          \
		(void)selection;                                                   \
		(void)password;                                                    \
		(void)password_arg;                                                \
		return !abstract && encode(context, out, key, is_private, is_pem); \
	}                                                                          \
	static const OSSL_DISPATCH name##_functions[] = {                          \
		FUNCTION(OSSL_FUNC_ENCODER_NEWCTX, encoder_new),                   \
		FUNCTION(OSSL_FUNC_ENCODER_FREECTX, encoder_free),                 \
		FUNCTION(OSSL_FUNC_ENCODER_DOES_SELECTION,                         \
			 is_private ? selects_private : selects_public),           \
		FUNCTION(OSSL_FUNC_ENCODER_ENCODE, name),                          \
		{ 0, NULL },                                                       \
	};
ENCODER(private_der, true, false)
ENCODER(private_pem, true, true)
ENCODER(public_der, false, false)
ENCODER(public_pem, false, true)

/* ---- decoders: one context per algorithm ---- */

struct decoder {
	struct pq_provider *provider;
	const struct pq_algorithm *algorithm;
};

static void *decoder_new(void *provider, unsigned i)
{
	struct decoder *d = calloc(1, sizeof(*d));

	if (d)
		*d = (struct decoder){ .provider = provider, .algorithm = &pq_algorithms[i] };
	return d;
}

static void decoder_free(void *context)
{
	free(context);
}

static bool read_exactly(const struct pq_provider *p, OSSL_CORE_BIO *in, uint8_t *ret, size_t len)
{
	while (len > 0) {
		size_t n = 0;

		if (p->bio_read(in, ret, len, &n) != 1 || n == 0)
			return false;
		ret += n;
		len -= n;
	}
	return true;
}

/* Reads one SEQUENCE, of which the keys here need a two-byte length or a one-byte one, and
 * nothing behind it. Zero when the input is something else. */
static size_t read_sequence(const struct pq_provider *p, OSSL_CORE_BIO *in, uint8_t der[DER_MAX])
{
	size_t head = 2;
	size_t len;

	if (!read_exactly(p, in, der, head) || der[0] != (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED))
		return 0;
	len = der[1];
	if (len > 0x80 && len <= 0x82) {
		size_t n = len - 0x80;

		if (!read_exactly(p, in, der + head, n))
			return 0;
		len = 0;
		for (size_t i = 0; i < n; i++)
			len = len << 8 | der[head + i];
		head += n;
	} else if (len >= 0x80) {
		return 0;
	}
	if (len > DER_MAX - head || !read_exactly(p, in, der + head, len))
		return 0;
	return head + len;
}

static int hand_out(struct pq_key *k, OSSL_CALLBACK *callback, void *arg)
{
	int type = OSSL_OBJECT_PKEY;
	char name[16];
	OSSL_PARAM params[4];
	int r;

	(void)snprintf(name, sizeof(name), "%s", k->algorithm->name);
	params[0] = OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, name, 0);
	params[2] =
		OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &k, sizeof(void *));
	params[3] = OSSL_PARAM_construct_end();
	r = callback(params, arg);
	pq_key_unref(k); /* NULL once key_load() has taken it */
	return r;
}

/* To say "not mine" a decoder returns 1 without calling back, so that others are asked. */
static int decode(const struct decoder *d, OSSL_CORE_BIO *in, bool is_private,
		  OSSL_CALLBACK *callback, void *arg)
{
	uint8_t der[DER_MAX];
	struct pq_key *k = NULL;
	size_t len;

	(void)ERR_set_mark();
	len = read_sequence(d->provider, in, der);
	if (len > 0)
		k = pq_der_decode(d->provider, d->algorithm, is_private, SPAN(der, len));
	(void)ERR_pop_to_mark();
	bytes_wipe(der, len);
	return k ? hand_out(k, callback, arg) : 1;
}

#define DECODER(name, is_private)                                                                 \
	static int name(void *context, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *callback, \
			void *arg, OSSL_PASSPHRASE_CALLBACK *password, void *password_arg)        \
	{                                                                                         \
		(void)selection;                                                                  \
		(void)password;                                                                   \
		(void)password_arg;                                                               \
		return decode(context, in, is_private, callback, arg);                            \
	}
DECODER(decode_private_key, true)
DECODER(decode_public_key, false)

/* As with key management, nothing but the constructor tells the algorithms apart. */
#define DECODERS(i)                                                          \
	static void *decoder_new_##i(void *provider)                         \
	{                                                                    \
		return decoder_new(provider, i);                             \
	}                                                                    \
	static const OSSL_DISPATCH private_decoder_##i[] = {                 \
		FUNCTION(OSSL_FUNC_DECODER_NEWCTX, decoder_new_##i),         \
		FUNCTION(OSSL_FUNC_DECODER_FREECTX, decoder_free),           \
		FUNCTION(OSSL_FUNC_DECODER_DOES_SELECTION, selects_private), \
		FUNCTION(OSSL_FUNC_DECODER_DECODE, decode_private_key),      \
		{ 0, NULL },                                                 \
	};                                                                   \
	static const OSSL_DISPATCH public_decoder_##i[] = {                  \
		FUNCTION(OSSL_FUNC_DECODER_NEWCTX, decoder_new_##i),         \
		FUNCTION(OSSL_FUNC_DECODER_FREECTX, decoder_free),           \
		FUNCTION(OSSL_FUNC_DECODER_DOES_SELECTION, selects_public),  \
		FUNCTION(OSSL_FUNC_DECODER_DECODE, decode_public_key),       \
		{ 0, NULL },                                                 \
	};
DECODERS(0)
DECODERS(1)
DECODERS(2)
DECODERS(3)
DECODERS(4)
DECODERS(5)

/* ---- what is offered ---- */

#define SPKI_OUT(form) X0PQ_PROPERTIES ",output=" form ",structure=SubjectPublicKeyInfo"
#define PKCS8_OUT(form) X0PQ_PROPERTIES ",output=" form ",structure=PrivateKeyInfo"
#define SPKI_IN X0PQ_PROPERTIES ",input=der,structure=SubjectPublicKeyInfo"
#define PKCS8_IN X0PQ_PROPERTIES ",input=der,structure=PrivateKeyInfo"

/* clang-format off */
#define ENCODERS_OF(i)                                                        \
	{ PQ_NAMES_##i, SPKI_OUT("der"), public_der_functions, NULL },        \
	{ PQ_NAMES_##i, SPKI_OUT("pem"), public_pem_functions, NULL },        \
	{ PQ_NAMES_##i, PKCS8_OUT("der"), private_der_functions, NULL },      \
	{ PQ_NAMES_##i, PKCS8_OUT("pem"), private_pem_functions, NULL }
#define DECODERS_OF(i)                                                        \
	{ PQ_NAMES_##i, SPKI_IN, public_decoder_##i, NULL },                  \
	{ PQ_NAMES_##i, PKCS8_IN, private_decoder_##i, NULL }

const OSSL_ALGORITHM pq_encoders[] = {
	ENCODERS_OF(0), ENCODERS_OF(1), ENCODERS_OF(2),
	ENCODERS_OF(3), ENCODERS_OF(4), ENCODERS_OF(5),
	{ NULL, NULL, NULL, NULL },
};

const OSSL_ALGORITHM pq_decoders[] = {
	DECODERS_OF(0), DECODERS_OF(1), DECODERS_OF(2),
	DECODERS_OF(3), DECODERS_OF(4), DECODERS_OF(5),
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */

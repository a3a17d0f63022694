/* SPDX-License-Identifier: Apache-2.0 */
/* Judges the peer's chain by core/identity's rules, and keeps who it is with the connection. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/cleanup.h"
#include "shell/tls/tls_internal.h"

/* ---- what is kept with contexts and connections ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int rules_index, state_index;

static void free_data(void *parent, void *at, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	free(at);
}

static void make_indices(void)
{
	rules_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_data);
	state_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_data);
}

static bool have_indices(void)
{
	(void)pthread_once(&once, make_indices);
	return rules_index >= 0 && state_index >= 0;
}

bool rules_attach(SSL_CTX *ctx, struct tls_rules *rules)
{
	return have_indices() && SSL_CTX_set_ex_data(ctx, rules_index, rules) == 1;
}

const struct tls_rules *rules_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), rules_index);
}

const struct tls_state *state_look(const SSL *ssl)
{
	return have_indices() ? SSL_get_ex_data(ssl, state_index) : NULL;
}

struct tls_state *state_of(SSL *ssl)
{
	struct tls_state *s = have_indices() ? SSL_get_ex_data(ssl, state_index) : NULL;

	if (s || !have_indices())
		return s;
	s = calloc(1, sizeof(*s));
	if (s && SSL_set_ex_data(ssl, state_index, s) != 1) {
		free(s);
		return NULL;
	}
	return s;
}

int tls_expect(SSL *ssl, const char *spiffe_id)
{
	struct tls_state *s = state_of(ssl);

	if (!s)
		return -ENOMEM;
	if (strlen(spiffe_id) >= sizeof(s->expected))
		return -EINVAL;
	(void)strcpy(s->expected, spiffe_id);
	return 0;
}

/* ---- the judgement ---- */

/* The certificates as DER, leaf first; the buffers are the caller's to free. */
struct der_chain {
	size_t n;
	unsigned char *der[CHAIN_CERTS_MAX];
	struct span spans[CHAIN_CERTS_MAX];
};

static void der_chain_done(struct der_chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		OPENSSL_free(c->der[i]);
}

static bool add_certificate(struct der_chain *c, X509 *cert)
{
	int len;

	if (c->n == CHAIN_CERTS_MAX)
		return false;
	c->der[c->n] = NULL;
	len = i2d_X509(cert, &c->der[c->n]);
	if (len <= 0)
		return false;
	c->spans[c->n] = SPAN(c->der[c->n], (size_t)len);
	c->n++;
	return true;
}

/* What the peer sent begins with its leaf. */
static bool collect(X509_STORE_CTX *store, struct der_chain *ret)
{
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
	int n = sent ? sk_X509_num(sent) : 0;

	*ret = (struct der_chain){ 0 };
	for (int i = 0; i < n; i++)
		if (!add_certificate(ret, sk_X509_value(sent, i)))
			return false;
	return ret->n > 0;
}

static enum tls_refusal judge(const struct tls_rules *rules, struct tls_state *s,
			      const struct der_chain *chain)
{
	s->fault = trust_verify(rules->trust, chain->spans, chain->n, rules->unix_s(rules->arg),
				&s->peer);
	if (s->fault != IDENTITY_OK)
		return TLS_REFUSED_CERTIFICATE;
	if (s->expected[0] && strcmp(s->expected, s->peer.spiffe_id) != 0)
		return TLS_REFUSED_UNEXPECTED;
	if (rules->accept && !rules->accept(rules->arg, &s->peer))
		return TLS_REFUSED_POLICY;
	return TLS_NOT_REFUSED;
}

/* The alert that the peer gets follows from this. */
static int error_of(const struct tls_state *s)
{
	if (s->refusal != TLS_REFUSED_CERTIFICATE)
		return X509_V_ERR_APPLICATION_VERIFICATION;
	switch (s->fault) {
	case IDENTITY_EXPIRED:
		return X509_V_ERR_CERT_HAS_EXPIRED;
	case IDENTITY_NOT_YET_VALID:
		return X509_V_ERR_CERT_NOT_YET_VALID;
	case IDENTITY_REVOKED:
		return X509_V_ERR_CERT_REVOKED;
	case IDENTITY_NO_PATH:
		return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT;
	default:
		return X509_V_ERR_CERT_REJECTED;
	}
}

int verify_peer(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_state *s = ssl ? state_of(ssl) : NULL;
	struct der_chain chain;

	(void)arg;
	if (!s) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
		return 0;
	}
	s->has_peer = false;
	if (collect(store, &chain)) {
		s->refusal = judge(rules_of(ssl), s, &chain);
	} else {
		s->refusal = TLS_REFUSED_CERTIFICATE;
		s->fault = IDENTITY_UNPARSABLE;
	}
	der_chain_done(&chain);
	s->has_peer = s->refusal == TLS_NOT_REFUSED;
	X509_STORE_CTX_set_error(store, s->has_peer ? X509_V_OK : error_of(s));
	return s->has_peer;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The peer's certificate judged by core/identity instead of by the library, and what was said. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "base/cleanup.h"
#include "shell/openssl/crypto_openssl.h"
#include "shell/tls/internal.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int context_index = -1;
static int verdict_index = -1;

static void free_data(void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long l, void *arg)
{
	(void)parent;
	(void)ad;
	(void)index;
	(void)l;
	(void)arg;
	free(data);
}

static void make_indices(void)
{
	context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_data);
	verdict_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_data);
}

int tls_context_attach(SSL_CTX *ctx, const struct tls_verifier *verifier, struct tls_context **ret)
{
	struct tls_context *c = calloc(1, sizeof(*c));

	(void)pthread_once(&once, make_indices);
	if (!c || context_index < 0 || verdict_index < 0 ||
	    SSL_CTX_set_ex_data(ctx, context_index, c) != 1) {
		free(c);
		return -ENOMEM;
	}
	c->verifier = verifier;
	*ret = c;
	return 0;
}

const struct tls_verdict *tls_verdict_of(const SSL *ssl)
{
	return verdict_index < 0 ? NULL : SSL_get_ex_data(ssl, verdict_index);
}

/* ---- the chain the peer sent, as DER ---- */

struct chain {
	size_t n;
	struct span certs[CHAIN_CERTS_MAX];
};

static void chain_done(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		OPENSSL_free((void *)(uintptr_t)c->certs[i].at);
}

/* Leaf first, as it was sent. False for a chain that is too long, which nobody of ours sends; its
 * beginning is there all the same. */
static bool chain_of(X509_STORE_CTX *store, struct chain *ret)
{
	const STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
	int n = sent ? sk_X509_num(sent) : 0;

	for (int i = 0; i < n && i < CHAIN_CERTS_MAX; i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(sent, i), &der);

		if (len <= 0)
			return false;
		ret->certs[ret->n++] = SPAN(der, (size_t)len);
	}
	return n >= 1 && n <= CHAIN_CERTS_MAX;
}

/* ---- judging ---- */

/* The alert follows from the library's error code (ssl_x509err2alert). */
static int code_of(enum identity_fault fault)
{
	switch (fault) {
	case IDENTITY_OK:
		return X509_V_OK;
	case IDENTITY_NO_PATH:
		return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY; /* unknown_ca */
	case IDENTITY_NOT_YET_VALID:
		return X509_V_ERR_CERT_NOT_YET_VALID; /* bad_certificate */
	case IDENTITY_EXPIRED:
		return X509_V_ERR_CERT_HAS_EXPIRED; /* certificate_expired */
	case IDENTITY_REVOKED:
		return X509_V_ERR_CERT_REVOKED; /* certificate_revoked */
	case IDENTITY_UNPARSABLE:
	case IDENTITY_IS_CA:
	case IDENTITY_NAMES:
	case IDENTITY_SPIFFE_ID:
	case IDENTITY_WRONG_DOMAIN:
	case IDENTITY_KEY:
	case IDENTITY_KEY_USAGE:
		return X509_V_ERR_CERT_REJECTED; /* bad_certificate */
	}
	return X509_V_ERR_UNSPECIFIED;
}

/* Returns an X509_V_ code; the reason is for people here, the peer learns the alert alone. */
static int judge(const struct tls_verifier *v, const struct chain *chain, struct tls_verdict *ret)
{
	struct peer_identity peer;
	enum identity_fault fault =
		trust_verify_tls(v->trust, chain->certs, chain->n, v->unix_s(v->arg), &peer);

	if (fault != IDENTITY_OK) {
		(void)snprintf(ret->reason, sizeof(ret->reason), "%s",
			       fault == IDENTITY_KEY ? "certificate holds neither a P-256 nor an "
						       "ML-DSA-65 key"
						     : identity_fault_text(fault));
		return code_of(fault);
	}
	if (v->expected && strcmp(v->expected, peer.spiffe_id) != 0) {
		(void)snprintf(ret->reason, sizeof(ret->reason),
			       "certificate is that of another node than expected");
		return X509_V_ERR_CERT_REJECTED;
	}
	if (v->accepts && !v->accepts(v->arg, &peer)) {
		(void)snprintf(ret->reason, sizeof(ret->reason), "policy does not accept the node");
		return X509_V_ERR_CERT_REJECTED;
	}
	ret->is_accepted = true;
	ret->peer = peer;
	return X509_V_OK;
}

static struct tls_verdict *verdict_for(SSL *ssl)
{
	struct tls_verdict *v = SSL_get_ex_data(ssl, verdict_index);

	if (v)
		return v;
	v = calloc(1, sizeof(*v));
	if (v && SSL_set_ex_data(ssl, verdict_index, v) != 1) {
		free(v);
		return NULL;
	}
	return v;
}

static void read_leaf(const struct chain *chain, struct tls_verdict *ret)
{
	const char *error = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&error);

	ret->is_readable = ops && ops->cert_read(chain->certs[0], &ret->leaf) == 0;
	ret->leaf.der = SPAN(NULL, 0);
}

/* Called by the library instead of X509_verify_cert(). */
static int verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_context *c = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
	CLEANUP(chain_done) struct chain chain = { 0 };
	struct tls_verdict *v = verdict_for(ssl);
	int code = X509_V_ERR_OUT_OF_MEM;

	(void)arg;
	if (v) {
		bool fits = chain_of(store, &chain);

		*v = (struct tls_verdict){ 0 };
		if (chain.n > 0)
			read_leaf(&chain, v);
		if (!c->verifier) {
			code = X509_V_OK;
		} else if (fits) {
			code = judge(c->verifier, &chain, v);
		} else {
			code = X509_V_ERR_CERT_CHAIN_TOO_LONG; /* unknown_ca */
			(void)snprintf(v->reason, sizeof(v->reason), "chain is too long");
		}
	}
	X509_STORE_CTX_set_error(store, code);
	return code == X509_V_OK;
}

void tls_verify_set(SSL_CTX *ctx, bool has_verifier)
{
	SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
	SSL_CTX_set_verify(ctx,
			   has_verifier ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
					: SSL_VERIFY_NONE,
			   NULL);
}

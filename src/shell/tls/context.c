/* SPDX-License-Identifier: Apache-2.0 */
/* Makes contexts. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "base/cleanup.h"
#include "shell/tls/tls_internal.h"

/* RFC 8446 appendix B.4, best first; all three are sound. */
#define SUITES "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
#define HYBRIDS "X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024"

DEFINE_FREEP(SSL_CTX, SSL_CTX_free)
DEFINE_FREEP(X509, X509_free)

static const char *groups_text(enum tls_groups groups)
{
	switch (groups) {
	case TLS_GROUPS_HYBRID:
		return HYBRIDS;
	case TLS_GROUPS_ANY:
		return HYBRIDS ":X25519";
	case TLS_GROUPS_CLASSIC:
		return "X25519";
	}
	return "";
}

static bool set_protocol(SSL_CTX *ctx, const struct tls_config *c)
{
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
					       SSL_OP_NO_RENEGOTIATION |
					       SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* A write that would block may be tried again from another place of memory. */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					    SSL_MODE_RELEASE_BUFFERS);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, SUITES) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, groups_text(c->groups)) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1;
}

/* The leaf first, the others behind it. */
static bool set_certificate(SSL_CTX *ctx, const struct span *der, bool is_leaf)
{
	const unsigned char *at = der->at;
	CLEANUP(X509_freep) X509 *cert = X509_new_ex(openssl_context(), NULL);

	if (!cert || !d2i_X509(&cert, &at, (long)der->len))
		return false;
	return is_leaf ? SSL_CTX_use_certificate(ctx, cert) == 1
		       : SSL_CTX_add1_chain_cert(ctx, cert) == 1;
}

static bool set_identity(SSL_CTX *ctx, const struct tls_config *c)
{
	for (size_t i = 0; i < c->n_chain; i++)
		if (!set_certificate(ctx, &c->chain[i], i == 0))
			return false;
	return c->n_chain == 0 ||
	       (c->key && SSL_CTX_use_PrivateKey(ctx, signing_key_openssl(c->key)) == 1 &&
		SSL_CTX_check_private_key(ctx) == 1);
}

static void set_verification(SSL_CTX *ctx, const struct tls_config *c)
{
	if (!c->trust) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_peer, NULL);
}

/* A client that offers other protocols only is refused (RFC 7301 section 3.2). */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned in_len, void *arg)
{
	const struct tls_rules *rules = rules_of(ssl);
	unsigned char *chosen = NULL;

	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, rules->alpn, rules->alpn[0] + 1U, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool set_alpn(SSL_CTX *ctx, const struct tls_config *c, struct tls_rules *rules)
{
	size_t len = c->alpn ? strlen(c->alpn) : 0;

	if (len == 0)
		return true;
	if (len > TLS_ALPN_MAX)
		return false;
	rules->alpn[0] = (unsigned char)len;
	memcpy(rules->alpn + 1, c->alpn, len);
	if (c->is_server)
		SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
	return c->is_server || SSL_CTX_set_alpn_protos(ctx, rules->alpn, (unsigned)len + 1) == 0;
}

static SSL_CTX *fail(const char *what, char ret_why[TLS_WHY_SIZE])
{
	char detail[160] = "";
	unsigned long error = ERR_peek_last_error();

	if (error != 0)
		ERR_error_string_n(error, detail, sizeof(detail));
	ERR_clear_error();
	(void)snprintf(ret_why, TLS_WHY_SIZE, "TLS: %s%s%s", what, detail[0] ? ": " : "", detail);
	return NULL;
}

SSL_CTX *tls_context_new(const struct tls_config *c, char ret_why[TLS_WHY_SIZE])
{
	CLEANUP(SSL_CTX_freep) SSL_CTX *ctx = NULL;
	struct tls_rules *rules;

	ERR_clear_error();
	if (!openssl_context())
		return fail("no cryptography; see: x0 doctor", ret_why);
	if (c->is_server && (c->n_chain == 0 || !c->key))
		return fail("a server needs a certificate and its key", ret_why);
	ctx = SSL_CTX_new_ex(openssl_context(), NULL,
			     c->is_server ? TLS_server_method() : TLS_client_method());
	rules = calloc(1, sizeof(*rules));
	if (!ctx || !rules || !rules_attach(ctx, rules)) {
		free(rules);
		return fail("no memory for a context", ret_why);
	}
	*rules = (struct tls_rules){
		.trust = c->trust,
		.unix_s = c->unix_s,
		.accept = c->accept,
		.arg = c->arg,
	};
	if (!set_protocol(ctx, c))
		return fail("the groups or suites are not there", ret_why);
	if (!set_identity(ctx, c))
		return fail("own certificate or key cannot be used", ret_why);
	set_verification(ctx, c);
	if (!set_alpn(ctx, c, rules))
		return fail("the protocol's name is too long", ret_why);
	return TAKE(ctx);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The one SSL_CTX of the program: what it offers and accepts. */
#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>

#include "base/cleanup.h"
#include "shell/openssl/crypto_openssl.h"
#include "shell/tls/internal.h"

#define SECURITY_LEVEL 2 /* 112 bits and more; X25519, P-256 and SHA-256 have 128 */
#define SUITES "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
/* What an SVID for TLS signs with; a verifier accepts nothing else anyway. */
#define SVID_SIGNATURE "ecdsa_secp256r1_sha256"

DEFINE_FREEP(SSL_CTX, SSL_CTX_free)
DEFINE_FREEP(X509, X509_free)

/* ---- groups ---- */

static const struct tls_group groups[] = {
	{ "X25519MLKEM768", 0x11ec, true },	{ "SecP256r1MLKEM768", 0x11eb, true },
	{ "SecP384r1MLKEM1024", 0x11ed, true }, { "X25519", 0x001d, false },
	{ "secp256r1", 0x0017, false },
};

static const char *const lists[] = {
	[TLS_HYBRID_FIRST] = "X25519MLKEM768:SecP256r1MLKEM768:X25519",
	[TLS_HYBRID_ONLY] = "X25519MLKEM768:SecP256r1MLKEM768",
};

const struct tls_group *tls_group_at(size_t i)
{
	return i < N_ELEMENTS(groups) ? &groups[i] : NULL;
}

const struct tls_group *tls_group_find(const char *name, size_t len)
{
	for (size_t i = 0; i < N_ELEMENTS(groups); i++)
		if (strlen(groups[i].name) == len && strncmp(groups[i].name, name, len) == 0)
			return &groups[i];
	return NULL;
}

/* Checked here: what the library makes of an unknown or empty name differs by its version. */
static bool list_is_known(const char *list)
{
	for (;;) {
		size_t len = strcspn(list, ":");

		if (!tls_group_find(list, len))
			return false;
		if (list[len] == '\0')
			return true;
		list += len + 1;
	}
}

static int set_groups(SSL_CTX *ctx, const struct tls_settings *s, struct tls_error *e)
{
	const char *list = s->group_list ? s->group_list : lists[s->groups];

	if (strlen(list) > TLS_LIST_MAX || !list_is_known(list))
		return tls_say(e, -EINVAL, "there is a group in \"%s\" that is not known here",
			       list);
	return SSL_CTX_set1_groups_list(ctx, list) == 1
		       ? 0
		       : tls_say_library(e, -EIO, "the groups were refused");
}

/* ---- ALPN (RFC 7301) ---- */

/* Each name with its length before it. -EINVAL. */
static int encode_alpn(const char *list, uint8_t ret[TLS_LIST_MAX], size_t *ret_len)
{
	struct writer w = writer_of(ret, TLS_LIST_MAX);

	for (;;) {
		size_t len = strcspn(list, ",");

		if (len == 0 || len > UINT8_MAX)
			return -EINVAL;
		write_u8(&w, (uint8_t)len);
		write_bytes(&w, (const uint8_t *)list, len);
		if (list[len] == '\0')
			break;
		list += len + 1;
	}
	*ret_len = w.len;
	return w.overrun ? -EINVAL : 0;
}

/* The server's choice, in its own order; none in common ends the handshake. */
static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
		       const unsigned char *offered, unsigned offered_len, void *arg)
{
	const struct tls_context *c = arg;
	unsigned char *chosen = NULL;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, ret_len, c->alpn, (unsigned)c->alpn_len, offered,
				  offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int set_alpn(SSL_CTX *ctx, struct tls_context *c, const struct tls_settings *s,
		    struct tls_error *e)
{
	if (!s->alpn)
		return 0;
	if (encode_alpn(s->alpn, c->alpn, &c->alpn_len) < 0)
		return tls_say(e, -EINVAL,
			       "\"%.200s\" is no list of protocols; such as: h2,http/1.1", s->alpn);
	if (s->is_server)
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, c);
	else if (SSL_CTX_set_alpn_protos(ctx, c->alpn, (unsigned)c->alpn_len) != 0)
		return tls_say_library(e, -EIO, "the protocols were refused");
	return 0;
}

/* ---- certificate ---- */

static X509 *parse(OSSL_LIB_CTX *lib, struct span der)
{
	const unsigned char *at = der.at;
	CLEANUP(X509_freep) X509 *x = X509_new_ex(lib, NULL);

	if (!x || !d2i_X509(&x, &at, (long)der.len) || at != der.at + der.len)
		return NULL;
	return TAKE(x);
}

static int add_issuers(SSL_CTX *ctx, OSSL_LIB_CTX *lib, const struct tls_settings *s)
{
	for (size_t i = 1; i < s->n_chain; i++) {
		X509 *x = parse(lib, s->chain[i]);

		if (!x || SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			return -EBADMSG;
		}
	}
	return 0;
}

static int set_certificate(SSL_CTX *ctx, OSSL_LIB_CTX *lib, const struct tls_settings *s,
			   struct tls_error *e)
{
	CLEANUP(X509_freep) X509 *leaf = NULL;

	if (!s->key)
		return 0;
	leaf = s->n_chain > 0 ? parse(lib, s->chain[0]) : NULL;
	if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1 || add_issuers(ctx, lib, s) < 0)
		return tls_say_library(e, -EINVAL, "our certificate cannot be used");
	if (SSL_CTX_use_PrivateKey(ctx, signing_key_pkey(s->key)) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return tls_say_library(e, -EKEYREJECTED, "our key is not our certificate's");
	return 0;
}

/* ---- the whole ---- */

static int set_rules(SSL_CTX *ctx, struct tls_error *e)
{
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					       SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					    SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, SUITES) != 1 || SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
	    SSL_CTX_set_max_early_data(ctx, 0) != 1)
		return tls_say_library(e, -EIO, "TLS 1.3 and its suites were refused");
	return 0;
}

static int check(const struct tls_settings *s, struct tls_error *e)
{
	if (s->is_server && !s->key)
		return tls_say(e, -EINVAL, "a server needs a certificate");
	if (s->groups > TLS_HYBRID_ONLY)
		return tls_say(e, -EINVAL, "there is no such choice of groups");
	if (s->verifier && (!s->verifier->trust || !s->verifier->unix_s))
		return tls_say(e, -EINVAL, "a verifier needs a trust bundle and a clock");
	return 0;
}

int tls_context_new(const struct tls_settings *s, struct ssl_ctx_st **ret, struct tls_error *e)
{
	CLEANUP(SSL_CTX_freep) SSL_CTX *ctx = NULL;
	struct tls_context *c = NULL;
	const char *error = "";
	OSSL_LIB_CTX *lib;
	int r = check(s, e);

	if (r < 0)
		return r;
	lib = crypto_openssl_context(&error);
	if (!lib)
		return tls_say(e, -EIO, "%s", error);
	ERR_clear_error();
	ctx = SSL_CTX_new_ex(lib, NULL, s->is_server ? TLS_server_method() : TLS_client_method());
	if (!ctx)
		return tls_say_library(e, -EIO, "no TLS");
	r = tls_context_attach(ctx, s->verifier, &c);
	if (r < 0)
		return tls_say(e, r, "out of memory");
	r = set_rules(ctx, e);
	if (r == 0)
		r = set_groups(ctx, s, e);
	if (r == 0)
		r = set_alpn(ctx, c, s, e);
	if (r == 0)
		r = set_certificate(ctx, lib, s, e);
	if (r == 0 && s->verifier && SSL_CTX_set1_sigalgs_list(ctx, SVID_SIGNATURE) != 1)
		r = tls_say_library(e, -EIO, "the signature algorithm was refused");
	if (r < 0)
		return r;
	tls_verify_set(ctx, s->verifier != NULL);
	*ret = TAKE(ctx);
	return 0;
}

void tls_context_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a handshake came to, for people and for JSON. */
#include <stdarg.h>
#include <stdio.h>

#include <openssl/err.h>

#include "shell/tls/internal.h"

int tls_say(struct tls_error *e, int r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return r;
}

int tls_say_library(struct tls_error *e, int r, const char *text)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	(void)snprintf(e->text, sizeof(e->text), "%s: %s", text,
		       reason ? reason : "the library gives no reason");
	ERR_clear_error();
	return r;
}

/* The library of 3.0 names classic groups by their NID, others by code point with a flag. */
static uint16_t group_id(const SSL *ssl)
{
	long id = SSL_get_negotiated_group((SSL *)(uintptr_t)ssl);

	switch (id) {
	case NID_X25519:
		return 0x001d;
	case NID_X9_62_prime256v1:
		return 0x0017;
	default:
		return (id & TLSEXT_nid_unknown) ? (uint16_t)(id & UINT16_MAX) : 0;
	}
}

static void describe_group(const SSL *ssl, struct tls_summary *s)
{
	const struct tls_group *g;

	s->group = group_id(ssl);
	for (size_t i = 0; (g = tls_group_at(i)) != NULL; i++) {
		if (g->id != s->group)
			continue;
		(void)snprintf(s->group_name, sizeof(s->group_name), "%s", g->name);
		s->is_hybrid = g->is_hybrid;
	}
}

void tls_summarize(const struct ssl_st *ssl, struct tls_summary *ret)
{
	const struct tls_verdict *v = tls_verdict_of(ssl);
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	struct tls_summary s = { 0 };

	(void)snprintf(s.version, sizeof(s.version), "%s", SSL_get_version(ssl));
	(void)snprintf(s.suite, sizeof(s.suite), "%s",
		       SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)));
	describe_group(ssl, &s);
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	if (alpn && alpn_len < sizeof(s.alpn))
		memcpy(s.alpn, alpn, alpn_len);
	if (v) {
		s.has_peer = true;
		s.is_verified = v->is_accepted;
		if (v->is_readable) {
			(void)snprintf(s.peer, sizeof(s.peer), "%s", v->leaf.uri);
			s.not_before_s = v->leaf.not_before_s;
			s.not_after_s = v->leaf.not_after_s;
		}
	}
	*ret = s;
}

const struct peer_identity *tls_peer(const struct ssl_st *ssl)
{
	const struct tls_verdict *v = tls_verdict_of(ssl);

	return v && v->is_accepted ? &v->peer : NULL;
}

/* The library of 3.0 has no name for the one alert a client without a certificate gets. */
static const char *alert_text(int alert)
{
	return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
						    : SSL_alert_desc_string_long(alert);
}

void tls_explain(const struct ssl_st *ssl, struct tls_error *ret)
{
	const struct tls_verdict *v = tls_verdict_of(ssl);
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	int number = ERR_GET_REASON(code);

	if (v && v->reason[0])
		(void)tls_say(ret, 0, "the peer's %s", v->reason);
	else if (number > SSL_AD_REASON_OFFSET && number < SSL_AD_REASON_OFFSET + 256)
		(void)tls_say(ret, 0, "the peer refused with the alert \"%s\"",
			      alert_text(number - SSL_AD_REASON_OFFSET));
	else
		(void)tls_say(ret, 0, "%s", reason ? reason : "the connection was closed");
	ERR_clear_error();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What was negotiated, and why not. */
#include <stdio.h>

#include <openssl/err.h>

#include "base/cleanup.h"
#include "shell/tls/tls_internal.h"

static const struct group {
	uint16_t code_point; /* TLS Supported Groups registry */
	bool is_hybrid;
	int nid; /* of those that OpenSSL tells by object identifier, else 0 */
	const char *name;
} groups[] = {
	{ 0x0017, false, NID_X9_62_prime256v1, "secp256r1" },
	{ 0x0018, false, NID_secp384r1, "secp384r1" },
	{ 0x0019, false, NID_secp521r1, "secp521r1" },
	{ 0x001d, false, NID_X25519, "x25519" },
	{ 0x001e, false, NID_X448, "x448" },
	{ 0x11eb, true, 0, "SecP256r1MLKEM768" },
	{ 0x11ec, true, 0, "X25519MLKEM768" },
	{ 0x11ed, true, 0, "SecP384r1MLKEM1024" },
};

/* OpenSSL gives a NID, or TLSEXT_nid_unknown with the code point in its lower half. */
static void describe_group(const SSL *ssl, struct tls_description *ret)
{
	long nid = SSL_get_negotiated_group((SSL *)(uintptr_t)ssl);

	if (nid <= 0)
		return;
	if (nid & TLSEXT_nid_unknown)
		ret->code_point = (uint16_t)nid;
	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		const struct group *g = &groups[i];

		if (g->nid != nid && (ret->code_point == 0 || g->code_point != ret->code_point))
			continue;
		ret->code_point = g->code_point;
		ret->is_hybrid = g->is_hybrid;
		(void)snprintf(ret->group, sizeof(ret->group), "%s", g->name);
		return;
	}
	(void)snprintf(ret->group, sizeof(ret->group), "0x%04x", ret->code_point);
}

void tls_describe(const SSL *ssl, struct tls_description *ret)
{
	const struct tls_state *s = state_look(ssl);
	const SSL_CIPHER *suite = SSL_get_current_cipher(ssl);
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;

	*ret = (struct tls_description){ .is_done = SSL_is_init_finished(ssl) == 1 };
	(void)snprintf(ret->version, sizeof(ret->version), "%s", SSL_get_version(ssl));
	if (suite)
		(void)snprintf(ret->suite, sizeof(ret->suite), "%s",
			       SSL_CIPHER_standard_name(suite));
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	if (alpn_len <= TLS_ALPN_MAX)
		(void)snprintf(ret->alpn, sizeof(ret->alpn), "%.*s", (int)alpn_len,
			       alpn ? (const char *)alpn : "");
	describe_group(ssl, ret);
	if (!s)
		return;
	ret->has_peer = s->has_peer;
	ret->peer = s->peer;
	ret->refusal = s->refusal;
	ret->fault = s->fault;
}

void tls_explain(const SSL *ssl, char ret[TLS_WHY_SIZE])
{
	const struct tls_state *s = state_look(ssl);
	unsigned long error = ERR_peek_last_error();
	const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;

	if (s && s->refusal == TLS_REFUSED_CERTIFICATE)
		(void)snprintf(ret, TLS_WHY_SIZE, "the peer's %s", identity_fault_text(s->fault));
	else if (s && s->refusal == TLS_REFUSED_UNEXPECTED)
		(void)snprintf(ret, TLS_WHY_SIZE, "the peer is %.100s, not %.100s",
			       s->peer.spiffe_id, s->expected);
	else if (s && s->refusal == TLS_REFUSED_POLICY)
		(void)snprintf(ret, TLS_WHY_SIZE, "policy forbids %.200s", s->peer.spiffe_id);
	else
		(void)snprintf(ret, TLS_WHY_SIZE, "%s", reason ? reason : "the connection ended");
	ERR_clear_error();
}

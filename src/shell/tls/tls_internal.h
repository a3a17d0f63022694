/* SPDX-License-Identifier: Apache-2.0 */
/* tls_internal.h - what is kept with a context and with a connection. */
#pragma once

#include <openssl/ssl.h>

#include "shell/tls/tls.h"

/* With a context. */
struct tls_rules {
	const struct trust *trust;
	int64_t (*unix_s)(void *arg);
	bool (*accept)(void *arg, const struct peer_identity *peer);
	void *arg;
	unsigned char alpn[1 + TLS_ALPN_MAX]; /* length and text */
};

/* With a connection. */
struct tls_state {
	char expected[SPIFFE_ID_SIZE];
	bool has_peer;
	struct peer_identity peer;
	enum tls_refusal refusal;
	enum identity_fault fault;
};

/* Attaches; the context owns the rules afterwards. */
bool rules_attach(SSL_CTX *ctx, struct tls_rules *rules);
const struct tls_rules *rules_of(const SSL *ssl);
/* Made at the first question; NULL when out of memory. */
struct tls_state *state_of(SSL *ssl);
/* NULL where there is none. */
const struct tls_state *state_look(const SSL *ssl);

/* For SSL_CTX_set_cert_verify_callback(). */
int verify_peer(X509_STORE_CTX *store, void *arg);

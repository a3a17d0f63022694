/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. Not for other rooms. */
#pragma once

#include <openssl/ssl.h>

#include "shell/tls/tls.h"

/* Hangs on an SSL_CTX, and is freed with it. */
struct tls_context {
	const struct tls_verifier *verifier; /* NULL: nobody judges */
	size_t alpn_len;
	uint8_t alpn[TLS_LIST_MAX]; /* as on the wire */
};

/* Hangs on an SSL from the moment its peer showed a certificate. */
struct tls_verdict {
	struct peer_identity peer; /* where it is accepted */
	bool is_accepted;
	char reason[160]; /* where it is not */
	struct cert leaf; /* as read; der is not kept */
	bool is_readable;
};

int tls_context_attach(SSL_CTX *ctx, const struct tls_verifier *verifier, struct tls_context **ret);
void tls_verify_set(SSL_CTX *ctx, bool has_verifier);
/* NULL where there is none. */
const struct tls_verdict *tls_verdict_of(const SSL *ssl);

/* Fills in the text; returns r. */
int tls_say(struct tls_error *e, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with the library's reason behind it, which is taken off its queue. */
int tls_say_library(struct tls_error *e, int r, const char *text);

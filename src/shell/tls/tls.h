/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - TLS 1.3 as every part of the program uses it: hybrid key agreement, X.509-SVIDs,
 * peers known by their SPIFFE ID. See docs/tls.md.
 *
 * A context may be used by any thread, a connection by one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "core/identity/identity.h"
#include "shell/openssl/crypto_openssl.h"

#define TLS_WHY_SIZE 256
#define TLS_TEXT_SIZE 64
#define TLS_ALPN_MAX 32

/* Which key agreements are offered and accepted, best first. */
enum tls_groups {
	TLS_GROUPS_HYBRID,  /* X25519MLKEM768, SecP256r1MLKEM768, SecP384r1MLKEM1024 */
	TLS_GROUPS_ANY,	    /* these, then X25519: for programs that know no hybrid group */
	TLS_GROUPS_CLASSIC, /* X25519 alone: to see what a peer does */
};

struct tls_config {
	bool is_server;
	enum tls_groups groups;
	/* Own X.509-SVID, leaf first, with its P-256 key; a server must have one. Borrowed for
	 * the call. */
	const struct span *chain;
	size_t n_chain;
	const struct signing_key *key;
	/* Who may be at the other end: borrowed until the context is freed, is_p256 set. NULL: a
	 * client accepts whatever certificate comes, a server asks for none. */
	const struct trust *trust;
	int64_t (*unix_s)(void *arg); /* with trust: the time to judge by */
	/* with trust: may this peer connect? NULL: any member. Policy answers here. */
	bool (*accept)(void *arg, const struct peer_identity *peer);
	void *arg;
	const char *alpn; /* the one protocol offered or accepted; NULL: none is negotiated */
};

/* TLS 1.3 only; no session tickets, no resumption, no early data, no compression. NULL, and
 * for people in ret_why what is wrong. Freed by SSL_CTX_free(). */
SSL_CTX *tls_context_new(const struct tls_config *c, char ret_why[TLS_WHY_SIZE]);

/* The peer of this connection has to be this one. "" takes that back. Before the handshake. */
int tls_expect(SSL *ssl, const char *spiffe_id);

enum tls_refusal {
	TLS_NOT_REFUSED,
	TLS_REFUSED_CERTIFICATE, /* .fault says why */
	TLS_REFUSED_POLICY,
	TLS_REFUSED_UNEXPECTED, /* a member, but not the one expected */
};

/* What came of a handshake, finished or not. */
struct tls_description {
	bool is_done;
	char version[TLS_TEXT_SIZE]; /* "TLSv1.3" */
	char group[TLS_TEXT_SIZE];   /* "X25519MLKEM768", or "0x1234" for one we cannot name */
	uint16_t code_point;	     /* of the group, in the TLS registry */
	bool is_hybrid;		     /* the group has ML-KEM in it */
	char suite[TLS_TEXT_SIZE];   /* "TLS_AES_256_GCM_SHA384" */
	char alpn[TLS_ALPN_MAX + 1]; /* "" for none */
	bool has_peer;		     /* verified by trust; then: */
	struct peer_identity peer;
	enum tls_refusal refusal; /* by our side */
	enum identity_fault fault;
};

void tls_describe(const SSL *ssl, struct tls_description *ret);
/* Why a handshake or a read failed, for people: our own refusal, the peer's alert, or what the
 * library says. Empties the library's queue of errors of this thread. */
void tls_explain(const SSL *ssl, char ret[TLS_WHY_SIZE]);

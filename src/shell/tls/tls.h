/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - TLS 1.3 for whatever part of the program speaks it: one function makes the SSL_CTX, with
 * hybrid post-quantum groups, our SVID, and the peer judged by its SPIFFE ID.
 *
 * An SSL_CTX is made once and used for many connections, by any thread. What is given in struct
 * tls_settings is borrowed for the call, but for the verifier: that is kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/identity/identity.h"

struct ssl_ctx_st;
struct ssl_st;
struct signing_key;

#define TLS_ERROR_SIZE 320
#define TLS_LIST_MAX 256 /* characters of a list of groups or of protocols */

/* A sentence for people. */
struct tls_error {
	char text[TLS_ERROR_SIZE];
};

/* Groups in order of preference; a client sends a share for the first alone. */
enum tls_groups {
	TLS_HYBRID_FIRST, /* X25519MLKEM768:SecP256r1MLKEM768:X25519 */
	TLS_HYBRID_ONLY,  /* the same without X25519: who knows no hybrid is refused */
};

/* A group by the name of the IANA registry, "X25519MLKEM768"; is_hybrid: with ML-KEM. */
struct tls_group {
	const char *name;
	uint16_t id;
	bool is_hybrid;
};

/* Those this program uses, NULL behind the last. */
const struct tls_group *tls_group_at(size_t i);
const struct tls_group *tls_group_find(const char *name, size_t len);

/* Whom to believe. Kept: it outlives the SSL_CTX, and what it points to may change between
 * handshakes only. Its functions are called in the thread that does the handshake. */
struct tls_verifier {
	const struct trust *trust; /* roots of both kinds, see trust_verify_tls() */
	const char *expected;	   /* the one SPIFFE ID to accept; NULL: any node of the domain */
	int64_t (*unix_s)(void *arg);
	/* Policy, asked last; NULL accepts. */
	bool (*accepts)(void *arg, const struct peer_identity *peer);
	void *arg;
};

struct tls_settings {
	bool is_server;
	enum tls_groups groups;
	const char *group_list; /* NULL, or instead of groups: names between colons */
	/* Our certificate, leaf first, and its key; NULL for a client without one. */
	const struct span *chain;
	size_t n_chain;
	const struct signing_key *key;
	/* Who judges the peer, which then must have a certificate. NULL: whoever it is will do, as
	 * a server that asks for no certificate, or as a client that knows what it does. */
	const struct tls_verifier *verifier;
	const char *alpn; /* NULL, or protocols between commas, in order of preference */
};

/* TLS 1.3 only, the three suites of RFC 8446 with 256 bits first, no tickets, no resumption, no
 * early data. Freed by SSL_CTX_free(). -EINVAL for settings that make no sense, -EKEYREJECTED for a
 * key that is not the certificate's, -EIO. */
int tls_context_new(const struct tls_settings *s, struct ssl_ctx_st **ret,
		    struct tls_error *ret_error);
void tls_context_free(struct ssl_ctx_st *ctx);

/* What was negotiated. */
struct tls_summary {
	char version[16]; /* "TLSv1.3" */
	uint16_t group;	  /* code point; 0 for none */
	char group_name[32];
	bool is_hybrid;
	char suite[48];
	char alpn[TLS_LIST_MAX];	   /* "" for none */
	bool has_peer;			   /* the peer showed a certificate; then: */
	bool is_verified;		   /* and the verifier accepted it */
	char peer[SPIFFE_ID_SIZE];	   /* its first URI, verified or not; "" for none */
	int64_t not_before_s, not_after_s; /* 0 where it cannot be read */
};

/* Once the handshake is done. */
void tls_summarize(const struct ssl_st *ssl, struct tls_summary *ret);
/* Whom the verifier accepted; NULL: nobody, or there is no verifier. Borrowed from ssl. */
const struct peer_identity *tls_peer(const struct ssl_st *ssl);
/* Why a handshake or a read on this connection failed: what the verifier said of the peer, or the
 * alert that came, or what the library says. Empties the thread's error queue. */
void tls_explain(const struct ssl_st *ssl, struct tls_error *ret);

/* ---- one connection on a socket, in connection.c ---- */

struct tls_connection;

/* fd: a connected, non-blocking stream socket; stays the caller's. host: sent as server name where
 * it is a DNS name; NULL as server. -ENOMEM, -EIO. */
int tls_connection_new(struct ssl_ctx_st *ctx, int fd, const char *host,
		       struct tls_connection **ret);
void tls_connection_free(struct tls_connection *c);

/* Each ends by deadline_us (CLOCK_MONOTONIC) with -ETIMEDOUT. -EPROTO when TLS fails and
 * -ECONNRESET when the peer goes away without a word: tls_explain() says more. */
int tls_connection_handshake(struct tls_connection *c, uint64_t deadline_us);
/* Bytes read, at least one; 0 once the peer has closed as it should. */
int tls_connection_read(struct tls_connection *c, void *ret, size_t size, uint64_t deadline_us);
int tls_connection_write(struct tls_connection *c, const void *from, size_t len,
			 uint64_t deadline_us);
/* Says that nothing follows; the peer may still send. */
int tls_connection_close(struct tls_connection *c, uint64_t deadline_us);
/* Borrowed: for tls_summarize() and tls_explain(). */
const struct ssl_st *tls_connection_ssl(const struct tls_connection *c);

/* ---- the same for who has an event loop: they do not wait ---- */

/* -EAGAIN: again once the socket can be written (ret_wants_write) or read. Else as above. */
int tls_connection_try_handshake(struct tls_connection *c, bool *ret_wants_write);
int tls_connection_try_read(struct tls_connection *c, void *ret, size_t size,
			    bool *ret_wants_write);
/* Bytes taken, at least one. */
int tls_connection_try_write(struct tls_connection *c, const void *from, size_t len,
			     bool *ret_wants_write);

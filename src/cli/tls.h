/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - what the files of `x0 tls` share: as whom we speak, and one call of it. */
#pragma once

#include "cli/cli.h"
#include "core/policy/policy.h"
#include "daemon/member.h"
#include "shell/tls/tls.h"

/* Where the verb speaks from: membership, trust and policy as they are on the disk. */
struct tls_side {
	struct cli *c;
	const struct crypto_ops *ops;
	struct config *config;
	struct policy *policy;
	struct store *store;
	struct member *member; /* NULL: we show no certificate, and know no trust bundle */
	struct trust trust;
	int64_t clock_floor_s;	       /* the time is never before this */
	char expected[SPIFFE_ID_SIZE]; /* "" for any node */
	bool shows_certificate;
	bool judges_peer;
	struct tls_verifier verifier;
	struct ssl_ctx_st *ctx;
	uint64_t timeout_ms; /* of each handshake */
};

/* Reads the options and what they need, and makes the SSL_CTX. 0 or an exit status. */
int tls_side_open(struct cli *c, bool is_server, struct tls_side *ret);
void tls_side_done(struct tls_side *s); /* wipes */

/* What was negotiated, as members of an object. */
json_t *tls_summary_json(const struct tls_summary *s);
/* The same for people, a line each. */
void tls_summary_tell(struct cli *c, const struct tls_summary *s);

/* host:port with brackets for IPv6, apart. -EINVAL. */
int tls_split_address(const char *text, char *ret_host, size_t host_size, char ret_port[6]);
/* A connected, non-blocking socket, by the deadline; the first of the host's addresses that
 * answers. A negative errno, and why in ret_why. */
int tls_dial(const char *host, const char *port, uint64_t deadline_us, char ret_why[CLI_TEXT_SIZE]);
/* A listening socket, and its address with the port it got. A negative errno. */
int tls_listen(const struct endpoint *at, char ret_address[ENDPOINT_TEXT_SIZE]);
/* The next connection, non-blocking, and from where; -EINTR after a signal. */
int tls_accept(int listener, char ret_address[ENDPOINT_TEXT_SIZE]);

int tls_serve(struct cli *c);

/* SPDX-License-Identifier: Apache-2.0 */
/* membership.h - what the authority answers to a join or renewal request, as bytes.
 *
 * status 1, and then for MEMBERSHIP_GRANTED: SPIFFE ID of the member, of the authority (len 2 |
 * text each) | roots, chain (ML-DSA-65), chain (P-256), each n 1 | n * (len 2 | DER) | network
 * keys n 1 | n * (generation 8 | key 32 | signature 3,309) | signed revocation list len 4 | bytes.
 * For a refusal nothing follows.
 * See docs/join.md. */
#pragma once

#include "base/bytes.h"
#include "core/node/node.h"

enum membership_status {
	MEMBERSHIP_GRANTED = 0,
	MEMBERSHIP_TOKEN_UNKNOWN = 1,
	MEMBERSHIP_TOKEN_EXPIRED = 2,
	MEMBERSHIP_TOKEN_USED_UP = 3,
	MEMBERSHIP_NAME_TAKEN = 4,
	MEMBERSHIP_NAME_INVALID = 5,
	MEMBERSHIP_DENIED = 6,	 /* by policy */
	MEMBERSHIP_INTERNAL = 7, /* the authority could not keep or sign it */
	MEMBERSHIP_REVOKED = 8,
	MEMBERSHIP_LOCKED =
		9, /* the authority's key waits for its passphrase; nothing was used up */
	MEMBERSHIP_N_STATUSES,
};

#define MEMBERSHIP_ROOTS_MAX (2 * BUNDLE_ROOTS_MAX)
#define MEMBERSHIP_LEN_MAX (192U << 10)

struct membership {
	enum membership_status status;
	char spiffe_id[SPIFFE_ID_SIZE];
	char authority[SPIFFE_ID_SIZE];
	size_t n_roots;
	struct span roots[MEMBERSHIP_ROOTS_MAX]; /* both kinds */
	size_t n_chain;
	struct span chain[CHAIN_CERTS_MAX];
	size_t n_chain_p256;
	struct span chain_p256[CHAIN_CERTS_MAX];
	size_t n_keys;
	struct network_key keys[NODE_NETWORK_KEYS_MAX]; /* newest first */
	struct span revocations;			/* empty for none */
};

/* Returns the length or -ENOBUFS. */
int membership_encode(const struct membership *m, uint8_t *ret, size_t ret_size);
/* The spans are borrowed from bytes. -EBADMSG. */
int membership_decode(struct span bytes, struct membership *ret);
/* A sentence for the person who asked to join. */
const char *membership_status_text(enum membership_status status);

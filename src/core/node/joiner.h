/* SPDX-License-Identifier: Apache-2.0 */
/* joiner.h - how a machine without an identity becomes a member: one join handshake with the
 * authority, tried at all invited endpoints at once, and the answer (docs/join.md).
 *
 * The same five verbs as a node. It needs no daemon, tunnel or privilege: x0 join runs it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/handshake/handshake.h"

#define JOINER_ENDPOINTS_MAX 32 /* addresses, after names have been resolved */
#define JOINER_LIMIT_US 10000000
#define JOINER_ANSWER_MAX (256U << 10)

struct joiner_config {
	const struct crypto_ops *ops;
	struct entropy entropy;
	uint64_t seed;
	uint8_t aead_offer;
	struct hs_join join; /* what it points to is borrowed until joiner_free() */
	uint8_t network_key[NETWORK_KEY_LEN];
	int64_t unix_s; /* now, for the dates of the authority's certificate */
};

struct joiner;

int joiner_new(const struct joiner_config *config, uint64_t now_us, struct joiner **ret);
void joiner_free(struct joiner *j);

/* -ENOBUFS, -EEXIST. */
int joiner_add_endpoint(struct joiner *j, const struct endpoint *endpoint, uint64_t now_us);
void joiner_input_datagram(struct joiner *j, const struct endpoint *from, struct span datagram,
			   uint64_t now_us);
void joiner_tick(struct joiner *j, uint64_t now_us);
uint64_t joiner_deadline_us(const struct joiner *j);

/* The next datagram to send; false for none. Borrowed until the next call. */
bool joiner_next_datagram(struct joiner *j, struct endpoint *ret_to, struct span *ret);

enum joiner_state {
	JOINER_TRYING,
	JOINER_ANSWERED, /* joiner_answer() has it */
	JOINER_FAILED,	 /* time is up, or every endpoint failed for good */
};

enum joiner_state joiner_state(const struct joiner *j);
/* The authority's answer, its origin proved by the token (tokR); the bytes are docs/join.md's.
 * Borrowed. */
struct span joiner_answer(const struct joiner *j);
/* The endpoint that answered. */
const struct endpoint *joiner_peer(const struct joiner *j);

/* How it went with endpoint i: HS_FAIL_TIMEOUT nobody answered, and so on. false beyond. */
struct joiner_trial {
	struct endpoint endpoint;
	bool is_over;
	bool has_handshake; /* it completed, but no answer came */
	enum hs_failure failure;
	enum identity_fault fault;
};

bool joiner_trial(const struct joiner *j, size_t i, struct joiner_trial *ret);

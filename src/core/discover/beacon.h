/* SPDX-License-Identifier: Apache-2.0 */
/* beacon.h - one beacon as bytes: of one length, and random to whoever lacks the network key.
 *
 *	salt 16 | filter 8 | sealed body 36 | tag 16
 *
 * Each beacon is sealed with a key of its own, made of the network key and the salt. The filter is
 * a short keyed hash of all the rest, so that a flood of forgeries costs no more than hashing it.
 * See docs/discovery.md. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "core/crypto/crypto.h"
#include "core/identity/identity.h"

#define BEACON_SALT_LEN 16
#define BEACON_FILTER_LEN 8
#define BEACON_BODY_LEN 36
#define BEACON_LEN (BEACON_SALT_LEN + BEACON_FILTER_LEN + BEACON_BODY_LEN + AEAD_TAG_LEN)
#define BEACON_VERSION 1
#define BEACON_CHALLENGE_LEN 16

/* What both ends derive from one network key. */
struct beacon_keys {
	uint8_t seal[SHA256_LEN];
	uint8_t filter[16];
};

enum beacon_type {
	BEACON_HELLO = 1,  /* to all: I am here; whoever is too, give this challenge back */
	BEACON_ANSWER = 2, /* to one: I heard you just now, here is your challenge */
};

struct beacon {
	enum beacon_type type;
	uint16_t port; /* of the sender's mesh socket in the family that carries this; not 0 */
	uint32_t boot_epoch; /* low 32 bits, as routing has it */
	uint32_t counter;    /* grows with each beacon of a boot */
	uint64_t node_id;    /* not 0 */
	uint8_t challenge[BEACON_CHALLENGE_LEN];
};

void beacon_keys_derive(const struct crypto_ops *ops, const uint8_t network_key[NETWORK_KEY_LEN],
			struct beacon_keys *ret);

/* The salt is chance, never used before. -EIO. */
int beacon_seal(const struct crypto_ops *ops, const struct beacon_keys *keys,
		const uint8_t salt[BEACON_SALT_LEN], const struct beacon *b,
		uint8_t ret[BEACON_LEN]);

/* The cheap question: no for all but one in 2^64 of what is not made with these keys. */
bool beacon_is_plausible(const struct beacon_keys *keys, struct span datagram);
/* -EBADMSG: another length. -EKEYREJECTED: not made with these keys. -EPROTO: another version, an
 * unknown type, port or node id 0. -EIO. ret is untouched then. */
int beacon_open(const struct crypto_ops *ops, const struct beacon_keys *keys, struct span datagram,
		struct beacon *ret);

/* The body alone, sealed by nobody: for beacon_seal(), beacon_open() and tests. */
void beacon_encode(const struct beacon *b, uint8_t ret[BEACON_BODY_LEN]);
int beacon_decode(struct span body, struct beacon *ret);

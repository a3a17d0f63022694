/* SPDX-License-Identifier: Apache-2.0 */
/* cookie.h - proof that an address can be answered, without any state per address: cookies made
 * from a changing secret and the source as it is seen, and how often they are given out. */
#pragma once

#include "base/rng.h"
#include "base/units.h"
#include "core/handshake/rate.h"
#include "core/handshake/schedule.h"

#define COOKIE_CHANGE_US SECONDS(120) /* the last two secrets are valid */
#define WARM_CHANGE_US SECONDS(3600)
#define COOKIE_EPOCH_WARM 255 /* 1..254: an ordinary cookie's; 0: none */
#define SOURCE_MAX 19	      /* 6 | IPv6 16 | port 2 */
/* Replies a second: each costs about a hundredth of a millisecond. */
#define COOKIE_REPLIES_ALL 10000
#define COOKIE_REPLIES_PREFIX 400
#define COOKIE_REPLIES_NETWORK 200
#define COOKIE_REPLIES_HOST 100

struct cookie_secrets {
	uint8_t secret[2][32]; /* newest first */
	uint8_t epoch[2];      /* 0: none yet */
	uint64_t change_us;
};

struct cookie_jar {
	struct cookie_secrets ordinary;
	struct cookie_secrets warm;
	struct rates replies;
};

void cookie_jar_init(struct cookie_jar *jar, const struct entropy *entropy);
void cookie_jar_done(struct cookie_jar *jar);
/* Changes secrets whose time has come; to be called before any other use at this time. */
void cookie_jar_turn(struct cookie_jar *jar, const struct entropy *entropy, uint64_t now_us);
/* The cookie that this source would get now. */
uint8_t cookie_now(const struct cookie_jar *jar, const struct crypto_ops *ops, struct span source,
		   uint8_t ret[COOKIE_LEN]);
void cookie_warm_now(const struct cookie_jar *jar, const struct crypto_ops *ops, struct span source,
		     uint8_t ret[COOKIE_LEN]);
/* Whether mac2 of the datagram was made with a cookie of this epoch given to this source. */
bool cookie_check(const struct cookie_jar *jar, const struct crypto_ops *ops, uint8_t epoch,
		  struct span source, struct span datagram, uint8_t ret[COOKIE_LEN]);
/* When a cookie of this epoch will be worth nothing. */
uint64_t cookie_expiry_us(const struct cookie_jar *jar, uint8_t epoch);
/* Whether one more reply may be sent there. */
bool cookie_reply_allowed(struct cookie_jar *jar, const struct rate_source *source,
			  uint64_t now_us);

/* type 5 | epoch | 0 2 | receiver 4 | nonce 16 | sealed cookie. -EIO. */
int cookie_reply_write(const struct crypto_ops *ops, const struct network_keys *nk, uint8_t epoch,
		       uint32_t receiver_index, const uint8_t nonce[16],
		       const uint8_t mac1[WIRE_MAC_LEN], const uint8_t cookie[COOKIE_LEN],
		       uint8_t ret[WIRE_COOKIE_REPLY_LEN]);
/* -EKEYREJECTED: not an answer to the datagram with this mac1. */
int cookie_reply_open(const struct crypto_ops *ops, const struct network_keys *nk,
		      const struct wire_cookie *reply, const uint8_t mac1[WIRE_MAC_LEN],
		      uint8_t ret[COOKIE_LEN]);

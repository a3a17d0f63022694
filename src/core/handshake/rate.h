/* SPDX-License-Identifier: Apache-2.0 */
/* rate.h - how often something is done for whom: a number a second for each host, network and
 * prefix, and in all. What one host uses up leaves its neighbours the rest of what their network
 * may have, and so on outwards. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

#define RATE_BUCKETS 1024     /* of each level, shared by hash */
#define RATE_DEAL_US 10000000 /* how long the same ones share a bucket; then all begin anew */

enum rate_level {
	RATE_HOST,
	RATE_NETWORK,
	RATE_PREFIX,
	N_RATES,
};

struct rate_limits {
	uint32_t of[N_RATES]; /* a second */
	uint32_t all;
};

struct bucket {
	uint64_t since_us;
	uint32_t used; /* in the second that began then */
};

/* All zeros but for the key is nothing used. */
struct rates {
	uint8_t hash_key[16];
	uint64_t dealt_us;
	struct bucket of[N_RATES][RATE_BUCKETS];
	struct bucket all;
};

/* What a datagram's source is called at each level. */
struct rate_source {
	struct span of[N_RATES];
};

void rates_init(struct rates *r, const struct entropy *entropy);
/* Whether the host itself has something left: the cheapest question, for floods. */
bool rates_host_has_left(const struct rates *r, const struct rate_limits *limits, struct span host,
			 uint64_t now_us);
/* Uses one at each level; false, and none is used at the wider ones, where it is used up. */
bool rates_take(struct rates *r, const struct rate_limits *limits, const struct rate_source *source,
		uint64_t now_us);

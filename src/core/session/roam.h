/* SPDX-License-Identifier: Apache-2.0 */
/* roam.h - follows a peer whose address changes, but only after it has proved to be there.
 *
 * A packet newer than all before, from another address, starts a path check: 8 random bytes
 * sealed to the new and the old address, echoed. Until the echo comes from the new address
 * data go to the old one, and at most three times the received bytes to the new.
 *
 * Each address is sent bytes of its own: were they the same, whoever can send from an address
 * where nobody listens could overtake an echo that answers what the old address heard, and
 * have the peer's traffic sent there (RFC 9000 section 9.3). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/rng.h"

#define ROAM_CHALLENGE_LEN 8
#define ROAM_MIN_INTERVAL_US 1000000 /* one move a second, and one check */
#define ROAM_CHECK_US 2000000	     /* a check unanswered this long is given up */
#define ROAM_REPEAT_US                                                      \
	50000 /* a challenge unanswered this long is sent again, then after \
	       * twice that, and so on */
#define ROAM_AMPLIFICATION 3

struct roam {
	struct endpoint current;
	struct endpoint candidate;		       /* null when no check is under way */
	uint8_t challenge[ROAM_CHALLENGE_LEN];	       /* to the candidate */
	uint8_t challenge_current[ROAM_CHALLENGE_LEN]; /* to the current address */
	uint64_t checked_us; /* when the check under way, or the last one, began */
	uint64_t moved_us;
	uint64_t repeat_us;		   /* when to send the challenge again */
	size_t received_bytes, sent_bytes; /* from and to the candidate */
};

void roam_init(struct roam *r, const struct endpoint *current);
/* An authentic packet of len bytes came from this address; true: a challenge is to be sent, to
 * candidate and current. A replayed packet is not authentic here. */
bool roam_received(struct roam *r, const struct endpoint *from, size_t len, bool is_newest,
		   const struct entropy *entropy, uint64_t now_us);
/* What is to be sent to this address: to both, each its own. NULL: nothing. */
const uint8_t *roam_challenge(const struct roam *r, const struct endpoint *to);
/* An echo of our challenge came from there; true: current has just changed. Where the old
 * address answers first, the check ends and nothing moves. */
bool roam_echo(struct roam *r, const struct endpoint *from,
	       const uint8_t challenge[ROAM_CHALLENGE_LEN], uint64_t now_us);
/* May len bytes go to the candidate now? Counts them. */
bool roam_may_send(struct roam *r, size_t len);
/* True: send the challenge again. Gives up a check of age. */
bool roam_tick(struct roam *r, uint64_t now_us);
uint64_t roam_deadline_us(const struct roam *r);

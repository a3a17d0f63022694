/* SPDX-License-Identifier: Apache-2.0 */
/* fragments.h - whose first fragment was let in, so that the later ones may follow it.
 *
 * Later fragments have no ports (RFC 8200 section 4.5, RFC 791 section 3.2), so a rule that names a
 * port cannot be asked about them. They complete nothing but what the first one began. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/forward/forward.h"

#define FRAGMENTS_SETS 16   /* a peer's lie in one of them, where they can push out few others' */
#define FRAGMENTS_OF_SET 16 /* of more the oldest goes */
#define FRAGMENTS_LIFE_US 10000000

struct fragments {
	struct fragmented {
		uint64_t peer; /* 0: none */
		uint64_t until_us;
		uint8_t source[16], destination[16];
		uint32_t id;
		uint8_t protocol;
	} sets[FRAGMENTS_SETS][FRAGMENTS_OF_SET];
	uint8_t next[FRAGMENTS_SETS];
};

/* The first fragment of a packet from peer (not 0) may come in. */
void fragments_note(struct fragments *f, uint64_t peer, const struct inner *first, uint64_t now_us);
/* Whether a later one belongs to such a packet. */
bool fragments_follow(const struct fragments *f, uint64_t peer, const struct inner *later,
		      uint64_t now_us);

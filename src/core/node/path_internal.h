/* SPDX-License-Identifier: Apache-2.0 */
/* path_internal.h - what path.c, which sends, and path_input.c, which receives, share. Private. */
#pragma once

#include "core/node/node_internal.h"

#define E2E_AD_LEN 12 /* e2e index 4, counter 8 */

static inline bool is_ip(struct span plaintext)
{
	return plaintext.len > 0 && plaintext.at[0] >> 4 >= 4;
}

/* The encapsulator's rules: ECN goes out as it is (RFC 6040 section 4.1, normal mode), and
 * codepoints where they shall be seen (RFC 2983 section 4). */
static inline struct treatment treatment_of(const struct node *n, enum wire_class class,
					    uint8_t inner)
{
	return (struct treatment){
		.class = class,
		.traffic_class = n->copies_dscp ? inner : inner & ECN_MASK,
	};
}

/* The bytes at this place, to write to, where they are of the datagram that is lent. */
static inline uint8_t *lent(const struct node *n, const uint8_t *at)
{
	if (!n->loan || at < n->loan || at >= n->loan + n->loan_len)
		return NULL;
	return n->loan + (at - n->loan);
}

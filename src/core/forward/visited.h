/* SPDX-License-Identifier: Apache-2.0 */
/* visited.h - the nodes a packet has been at, in the options of its hop header: a list of twelve
 * tags, from the thirteenth on a Bloom filter. What has no such record, and what has one that
 * says nothing of a node, may be sent there. See docs/packet.md (design: ROUTING.md, F). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/wire/wire.h"

#define VISITED_TAGS_MAX (HOP_OPTIONS_LEN / 2)
#define VISITED_BITS (8 * HOP_OPTIONS_LEN)

/* -EBADMSG for what no honest node writes: an empty list or filter, a hole in the list, a tag
 * twice. The options of a packet without any are in order. */
int visited_check(const struct wire_hop *h);
/* False for all nodes without options. A tag has 16 bits, so that another node may be taken for
 * one that was visited: one in 65,536 for each tag, more in a filter; in another flow it is
 * another node. */
bool visited_has(const struct wire_hop *h, uint64_t node);
/* The node's place in the list, from 0; -1 where it is not in it, or there is no list. */
int visited_place(const struct wire_hop *h, uint64_t node);
/* The node's 16 bits in this packet's flow, never 0. */
uint16_t visited_tag(const struct wire_hop *h, uint64_t node);
/* Nothing for one that is there already. */
void visited_add(struct wire_hop *h, uint64_t node);

/* SPDX-License-Identifier: Apache-2.0 */
/* labels.h - the nodes a packet is to visit, chosen by its source, in the options of its hop
 * header: tags in order, the source's first and the destination's last (docs/multipath.md; design:
 * DATAPLANE.md, label stack).
 *
 * The same bytes as a list of nodes visited (visited.h), whose first entries become just that where
 * a packet leaves its labels. All tags differ and each hop goes one place on, so that labels lead
 * to no node twice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/forward/forward.h"
#include "core/wire/wire.h"

#define LABELS_MAX (HOP_OPTIONS_LEN / 2) /* nodes, both ends counted */

/* Labels for nodes[0..n-1], 2 to LABELS_MAX of them. False, and nothing changes, where two of them
 * have the same tag under this flow hash: another one is to be taken. */
bool labels_set(struct wire_hop *hop, const uint64_t *nodes, size_t n);

/* Where the labels of a packet lead from here: to the one neighbour that has the next tag, whose
 * link is not down, where packets to there do not turn back and which it did not come from. Else 0.
 * *hint: where that was last time, a place to keep it in; any value does. */
uint64_t labels_next(const struct forward_question *q, const struct wire_hop *hop, uint64_t *hint);

/* The packet follows its labels no further: what is left of them is the record of where it was,
 * this node included; none where this node is not among them. */
void labels_drop(struct wire_hop *hop, uint64_t self);

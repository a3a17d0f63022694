/* SPDX-License-Identifier: Apache-2.0 */
/* What a shell knows of links before silence tells it; and signs of life that are sealed
 * beforehand, for a thread to send while the node's own is busy (docs/link.md). */
#include "core/node/node_internal.h"

#define ALIVE 0x41 /* the whole inner part of such a probe; no flags of another begin so */

_Static_assert(NODE_ALIVE_LEN == WIRE_HEADER_LEN + HOP_SHORT_LEN + 1 + AEAD_TAG_LEN, "it fits");

/* ---- hints from the shell ---- */

void node_carrier_lost(struct node *n, uint64_t node_id, uint64_t now_us)
{
	struct peer *p = peer_get(n, node_id);

	n->now_us = now_us;
	if (!p || !p->neighbour)
		return;
	n->counters.carriers_lost++;
	if (!link_force_down(p->neighbour->link, now_us))
		return; /* silence was sooner */
	neighbour_changed(n, p);
	neighbour_probe(n, p); /* it may be heard all the same */
	node_pump(n);
}

void node_refused(struct node *n, const struct endpoint *to, uint64_t now_us)
{
	size_t cursor = 0;
	struct peer *p;

	n->now_us = now_us;
	n->counters.refusals++;
	while ((p = peer_next(n, &cursor))) {
		if (!p->neighbour || !endpoint_equal(&p->neighbour->roam.current, to))
			continue;
		if (link_refused(p->neighbour->link, now_us))
			neighbour_changed(n, p);
		neighbour_probe(n, p);
	}
	node_pump(n);
}

void node_set_lateness(struct node *n, uint32_t late_us)
{
	size_t cursor = 0;
	struct peer *p;

	n->late_us = late_us;
	while ((p = peer_next(n, &cursor)))
		if (p->neighbour)
			link_set_lateness(p->neighbour->link, late_us);
}

/* ---- signs of life ---- */

bool liveness_is_sign(struct span inner)
{
	return inner.len == 1 && inner.at[0] == ALIVE;
}

/* It has no sequence number, since most are never sent. */
void liveness_heard(struct node *n, struct peer *p)
{
	if (link_carried(p->neighbour->link, 0, 0, 0, false, n->now_us))
		neighbour_changed(n, p);
}

bool node_next_pledge(const struct node *n, size_t *cursor, struct node_pledge *ret)
{
	const struct peer *p;

	while ((p = map_next(n->peers, cursor))) {
		if (!p->neighbour || !p->direct || !link_is_fast(p->neighbour->link))
			continue;
		*ret = (struct node_pledge){
			.node_id = p->id,
			.endpoint = p->neighbour->roam.current,
			.speak_by_us = link_speak_by_us(p->neighbour->link),
			.keys = (uint64_t)p->direct->first_index << 32 |
				session_epoch(p->direct->keys),
		};
		return true;
	}
	return false;
}

bool node_seal_alive(struct node *n, uint64_t node_id, uint8_t ret[NODE_ALIVE_LEN], uint64_t now_us)
{
	struct peer *p = peer_get(n, node_id);

	n->now_us = now_us;
	return p && p->direct && p->neighbour &&
	       path_seal_probe(n, p, ALIVE, ret) == NODE_ALIVE_LEN;
}

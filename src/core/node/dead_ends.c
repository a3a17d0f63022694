/* SPDX-License-Identifier: Apache-2.0 */
/* Dead ends: a packet that finds no next hop here turns round, and whoever sent it is told, so that
 * the next ones turn earlier (core/forward/hints.h). */
#include "core/node/node_internal.h"

#define DEAD_END_LEN 8 /* the destination */

bool dead_ends_has(const struct node *n, uint64_t neighbour, uint64_t destination)
{
	return hints_has(&n->dead_ends, neighbour, destination, n->now_us);
}

/* Seldom: packets that are under way already turn here all the same. */
void dead_ends_tell(struct node *n, uint64_t to, uint64_t destination)
{
	uint8_t message[2 + DEAD_END_LEN] = { PLAIN_SESSION, SESSION_MESSAGE_DEAD_END };
	struct peer *p = peer_get(n, to);

	if (!p || !p->direct || !p->neighbour || destination == to ||
	    !hints_put(&n->told_dead_ends, to, destination, n->now_us, HINT_EVERY_US) ||
	    !hints_may(&n->dead_ends_rate, n->now_us))
		return;
	store_u64(message + 2, destination);
	path_send_direct(n, p->direct, &p->neighbour->roam.current, SPAN_OF(message));
	n->counters.dead_ends_told++;
}

/* From a neighbour itself, by its own link. It speaks of nobody but itself, so it can lie about
 * nothing but its own use; to many destinations it may say so seldom all the same. */
void dead_ends_told(struct node *n, struct peer *p, struct span body)
{
	uint64_t destination;

	if (body.len != DEAD_END_LEN || !p->neighbour) {
		n->counters.malformed++;
		return;
	}
	destination = load_u64(body.at);
	if (destination == 0 || destination == n->self || destination == p->id ||
	    !hints_may(&p->neighbour->dead_ends_rate, n->now_us)) {
		n->counters.dead_ends_refused++;
		return;
	}
	(void)hints_put(&n->dead_ends, p->id, destination, n->now_us, HINT_US);
	n->counters.dead_ends_heard++;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Ways beyond the zone (core/reach): asked for when a packet wants one, told to the neighbours,
 * and what waited is sent when there is one. */
#include <errno.h>

#include "core/node/node_internal.h"

#define WANT_EACH_US SECONDS(1) /* that a way is in use is noted no more often */

int beyond_want(struct node *n, struct peer *p)
{
	bool has_route = routes_next_hop(n->routes, p->id) != 0;

	if (has_route && n->now_us < p->wanted_us + WANT_EACH_US)
		return 0;
	p->wanted_us = n->now_us;
	n->is_pump_due = true;
	return reach_want(n->reach, p->id, n->now_us);
}

int beyond_ask(struct node *n, uint64_t node_id)
{
	return reach_want(n->reach, node_id, n->now_us);
}

/* A link that is up stays one: with its penalty too it is below what is doubted. */
uint32_t beyond_metric(const struct peer *p)
{
	uint32_t metric = link_metric(p->neighbour->link);

	if (p->penalty == 0 || metric >= ROUTE_DOUBTED)
		return metric;
	return (uint32_t)min_u64((uint64_t)metric + p->penalty, ROUTE_DOUBTED - 1);
}

void beyond_up(struct node *n, struct peer *p)
{
	struct neighbour *nb = p->neighbour;

	nb->is_routed = routes_neighbour_up(n->routes, p->id, beyond_metric(p), n->now_us) == 0;
	if (nb->is_routed)
		(void)reach_neighbour_up(n->reach, p->id, beyond_metric(p), n->now_us);
}

void beyond_cost(struct node *n, struct peer *p)
{
	uint32_t metric = beyond_metric(p);

	routes_neighbour_metric(n->routes, p->id, metric, n->now_us);
	reach_neighbour_cost(n->reach, p->id, metric, n->now_us);
}

void beyond_down(struct node *n, uint64_t id)
{
	routes_neighbour_down(n->routes, id, n->now_us);
	reach_neighbour_down(n->reach, id, n->now_us);
}

static void send_record(struct node *n, const struct reach_action *a)
{
	struct peer *p = peer_get(n, a->neighbour);

	if (!p || !p->direct)
		return;
	if (stream_push(p->direct->stream, (enum record_type)a->record_type, SPAN(a->body, a->len),
			true, n->now_us) < 0)
		session_give_up(n, p->direct);
	else
		session_pump(n, p->direct);
}

static void found(struct node *n, uint64_t id, uint64_t took_us)
{
	struct peer *p = peer_get(n, id);

	node_event(n, EVENT_ROUTE_FOUND, id)->rtt_us = took_us;

	if (!p || p->n_waiting == 0)
		return;
	p->retry_us = n->now_us; /* a handshake that had no way may begin at once */
	peer_flush(n, p);
}

bool beyond_pump(struct node *n)
{
	struct reach_action a;
	bool has_any = false;

	while (reach_next_action(n->reach, &a)) {
		has_any = true;
		if (a.type == REACH_SEND) {
			send_record(n, &a);
		} else if (a.type == REACH_FOUND) {
			times_add(&n->counters.discoveries, a.took_us);
			found(n, a.destination, a.took_us);
		}
	}
	return has_any;
}

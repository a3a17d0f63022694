/* SPDX-License-Identifier: Apache-2.0 */
/* How long things took: counted, and for failovers also from when on. */
#include "core/node/node_internal.h"

const uint64_t node_bounds_us[NODE_N_BOUNDS] = { 5000,	 25000,	  100000,  250000,
						 500000, 1000000, 2500000, 10000000 };

void times_add(struct node_times *t, uint64_t took_us)
{
	size_t i = 0;

	while (i < NODE_N_BOUNDS && took_us > node_bounds_us[i])
		i++;
	t->n[i]++;
	t->sum_us += took_us;
}

enum policy_effect node_decide(struct node *n, const char *principal, enum policy_action action,
			       const char *resource, struct policy_reason *ret_reason)
{
	return policy_decide_timed(n->policy, principal, action, resource, ret_reason,
				   n->policy_now_ns, &n->counters.decisions);
}

static void drop(struct node *n, size_t i)
{
	n->failing[i] = n->failing[--n->n_failing];
}

static void expire(struct node *n)
{
	for (size_t i = n->n_failing; i > 0; i--)
		if (n->now_us >= n->failing[i - 1].since_us + FAILING_US)
			drop(n, i - 1);
}

static bool is_failing(const struct node *n, uint64_t destination)
{
	for (size_t i = 0; i < n->n_failing; i++)
		if (n->failing[i].id == destination)
			return true;
	return false;
}

/* Before the routing table hears that the link is down. */
void failover_begin(struct node *n, const struct peer *next_hop)
{
	struct link_quality q;
	struct route route;
	size_t cursor = 0;

	expire(n);
	link_quality(next_hop->neighbour->link, n->now_us, &q);
	while (n->n_failing < FAILING_MAX && routes_next(n->routes, &cursor, &route)) {
		if (route.next_hop != next_hop->id || is_failing(n, route.destination))
			continue;
		n->failing[n->n_failing].id = route.destination;
		n->failing[n->n_failing++].since_us = q.last_heard_us;
	}
}

void failover_check(struct node *n, uint64_t destination)
{
	expire(n); /* who is back after so long was away: that is no failover */
	for (size_t i = 0; i < n->n_failing; i++) {
		if (n->failing[i].id != destination)
			continue;
		if (routes_next_hop(n->routes, destination) == 0)
			return;
		times_add(&n->counters.failovers,
			  n->now_us - min_u64(n->now_us, n->failing[i].since_us));
		drop(n, i);
		return;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a packet goes next: the primary while its link is up, else a loop-free alternate. */
#include "core/forward/forward.h"

static uint64_t first_alternate(const struct route *route, uint64_t from, bool suspect_too,
				enum link_state (*state)(void *arg, uint64_t neighbour), void *arg)
{
	for (size_t i = 0; i < route->n_alternates; i++) {
		uint64_t a = route->alternates[i];
		enum link_state s = a == from || a == route->next_hop ? LINK_DOWN : state(arg, a);

		if (s == LINK_UP || (suspect_too && s == LINK_SUSPECT))
			return a;
	}
	return 0;
}

struct forward_plan forward_next(const struct route *route, uint64_t from,
				 enum link_state (*state)(void *arg, uint64_t neighbour), void *arg)
{
	struct forward_plan plan = { 0 };
	enum link_state primary = LINK_DOWN;

	if (route->next_hop && route->next_hop != from)
		primary = state(arg, route->next_hop);
	switch (primary) {
	case LINK_UP:
		plan.next = route->next_hop;
		break;
	case LINK_SUSPECT:
		plan.next = route->next_hop;
		plan.duplicate = first_alternate(route, from, false, state, arg);
		break;
	case LINK_DOWN:
		plan.next = first_alternate(route, from, true, state, arg);
		break;
	}
	return plan;
}

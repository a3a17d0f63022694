/* SPDX-License-Identifier: Apache-2.0 */
/* Records from a hostile neighbour: type, length, body, over and over, time passing between. */
#include <stdlib.h>

#include "base/units.h"
#include "core/link/stream.h"
#include "core/reach/reach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct routes *t, struct reach *r)
{
	struct reach_action out;
	struct route_action a;

	while (routes_next_action(t, &a)) {
		if (a.type == ROUTE_CHANGED)
			reach_route_changed(r, a.destination, SECONDS(1));
	}
	while (reach_next_action(r, &out))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t types[] = { RECORD_TREE, RECORD_TREE_FILTER, RECORD_TREE_ASK,
					 RECORD_ROUTE_REQUEST };
	struct route_config rc = { .self = 1, .epoch = 1 };
	struct reach_config c = { .self = 1, .epoch = 1 };
	struct reader in = { .at = data, .left = size };
	uint64_t now_us = SECONDS(1);
	struct reach *r;

	if (routes_new(&rc, now_us, &c.routes) < 0 || reach_new(&c, now_us, &r) < 0)
		abort();
	for (uint64_t id = 2; id < 5; id++) {
		(void)routes_neighbour_up(c.routes, id, 10, now_us);
		(void)reach_neighbour_up(r, id, 10, now_us);
	}
	(void)reach_want(r, 99, now_us);
	while (in.left > 0 && !in.overrun) {
		uint8_t head = read_u8(&in);
		struct span body = read_span(&in, read_u8(&in));

		if (head & 0x40)
			now_us += MS(100);
		(void)reach_input(r, 2 + (head >> 2) % 3, types[head & 3], body, now_us);
		reach_tick(r, now_us);
		routes_tick(c.routes, now_us);
		drain(c.routes, r);
	}
	reach_free(r);
	routes_free(c.routes);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Records of every type from three neighbours, one of them hostile or all: a byte for sender
 * and type, a byte of time, two of length, and the body. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/link/stream.h"
#include "core/route/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct routes *t)
{
	struct route_action a;

	for (unsigned n = 0; routes_next_action(t, &a); n++) {
		assert(n < 10000);
		assert(a.type == ROUTE_CHANGED || (a.len > 0 && a.len <= sizeof(a.body)));
	}
}

static void check(const struct routes *t)
{
	struct route r;
	size_t cursor = 0;

	while (routes_next(t, &cursor, &r)) {
		assert(r.destination != 0 && r.n_alternates <= ROUTE_ALTERNATES_MAX);
		assert((r.next_hop != 0) == (r.metric < ROUTE_METRIC_INFINITY));
	}
}

static void step(struct routes *t, struct reader *r, uint64_t *now_us)
{
	static const uint8_t types[] = { RECORD_ROUTE_UPDATE, RECORD_ROUTE_DIGEST,
					 RECORD_SEQNO_REQUEST, RECORD_ROUTE_RESYNC, 99 };
	uint8_t what = read_u8(r);
	uint64_t neighbour = 1 + what % 3;
	uint8_t pause = read_u8(r);
	size_t len = read_u16(r);
	struct span body = read_span(r, len < r->left ? len : r->left);

	*now_us += pause < 128 ? MS(pause) : SECONDS(pause - 128);
	if (what >> 4 == 15)
		routes_neighbour_down(t, neighbour, *now_us);
	else if (what >> 4 == 14)
		(void)routes_neighbour_up(t, neighbour, what, *now_us);
	else
		(void)routes_input(t, neighbour, types[what / 3 % 5], body, *now_us);
	routes_tick(t, *now_us);
	drain(t);
	check(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct route_config config = { .self = 9, .epoch = 1, .seed = 1 };
	struct reader r = reader_of(SPAN(data, size));
	uint64_t now_us = SECONDS(1);
	struct routes *t;

	if (routes_new(&config, now_us, &t) < 0)
		return 0;
	for (uint64_t i = 1; i <= 3; i++)
		(void)routes_neighbour_up(t, i, (uint32_t)i * 10, now_us);
	while (r.left > 0)
		step(t, &r, &now_us);
	routes_free(t);
	return 0;
}

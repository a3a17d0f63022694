/* SPDX-License-Identifier: Apache-2.0 */
/* A cookie reply, as it comes and as an attempt meets it. */
#include <assert.h>

#include "base/map.h"
#include "base/units.h"
#include "core/handshake/internal.h"
#include "core/handshake/test_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[WIRE_COOKIE_REPLY_LEN] = { 0 };
	struct world w;
	struct host *a, *b;
	struct hs_path path;
	size_t n = size < sizeof(bytes) ? size : sizeof(bytes);
	size_t cursor = 0;
	struct handshake *hs;

	world_init(&w, 1);
	a = world_add(&w);
	b = world_add(&w);
	path = world_path(&w, b);
	assert(world_start(&w, a, b) == 0);
	world_deliver(&w, a, &path, SPAN(data, size));
	hs = map_next(a->handshakes->by_index, &cursor);
	memcpy(bytes, data, n);
	bytes[0] = WIRE_COOKIE;
	store_u32(bytes + 4, hs->local_index);
	world_deliver(&w, a, &path, SPAN(bytes, n));
	assert(hs->state == I_COOKIE); /* nobody guesses the seal */
	world_done(&w);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams into two hosts in the middle of a handshake: len 2 | flags 1 | datagram, repeated.
 * Flags: 1 to the responder, 2 macs are made to fit, 4 indices are made to fit. */
#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/units.h"
#include "core/handshake/internal.h"
#include "core/handshake/test_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TO_RESPONDER 1
#define FIT_MACS 2
#define FIT_INDICES 4

static void fit(struct host *to, uint8_t flags, uint8_t *bytes, size_t len)
{
	struct handshake *hs;
	size_t cursor = 0;

	hs = map_next(to->handshakes->by_index, &cursor);
	if (!hs || len < WIRE_HEADER_LEN + 32)
		return;
	if (flags & FIT_INDICES) {
		store_u32(bytes + 4, hs->remote_index);
		store_u32(bytes + 8, bytes[0] == WIRE_M1 ? 0 : hs->local_index);
		bytes[1] = WIRE_HS_VERSION;
		bytes[3] = hs->cookie_epoch;
	}
	if (flags & FIT_MACS) {
		mac1_make(hs->nk.kmac, SPAN(bytes, len), bytes + len - 32);
		mac2_make(hs->cookie, SPAN(bytes, len), bytes + len - 16);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	struct world w;
	struct host *a, *b;

	world_init(&w, 1);
	a = world_add(&w);
	b = world_add(&w);
	assert(world_start(&w, a, b) == 0);
	world_run(&w, size > 0 && (data[0] & 1) ? MS(160) : MS(110)); /* M1, or M2, on the way */
	read_u8(&r);
	while (r.left > 3) {
		uint16_t len = read_u16(&r);
		uint8_t flags = read_u8(&r);
		struct span s = read_span(&r, len < r.left ? len : r.left);
		struct host *to = flags & TO_RESPONDER ? b : a;
		struct hs_path path = world_path(&w, to == a ? b : a);
		uint8_t *copy = malloc(s.len + 1);

		assert(copy);
		memcpy(copy, s.at, s.len);
		fit(to, flags, copy, s.len);
		world_deliver(&w, to, &path, SPAN(copy, s.len));
		free(copy);
	}
	world_run(&w, SECONDS(1));
	assert(a->n_done == 0 || b->n_done == 0 || world_agree(a, b));
	world_done(&w);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Packets from two neighbours, each preceded by one byte for who sends it and by its length; some
 * time passes before each. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "core/batman/batnode.h"
#include "core/batman/batwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct batnode_config config = {
	.interfaces = { { { 2, 0, 0, 0, 0, 1 }, 100 } },
	.n_interfaces = 1,
	.client = { 2, 0, 0, 0, 1, 1 },
	.elp_interval_ms = 500,
	.ogm_interval_ms = 1000,
};

static void drain(struct batnode *n)
{
	struct batnode_action a;

	while (batnode_next_action(n, &a))
		if (a.frame.len > BATNODE_FRAME_MAX)
			abort();
}

static void put(struct batnode *n, uint8_t who, struct span packet, uint64_t now_us)
{
	uint8_t frame[BATNODE_FRAME_MAX] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, (uint8_t)(2 + who % 2)
	};

	store_u16(frame + 12, BATWIRE_ETHERTYPE);
	if (packet.len > sizeof(frame) - 14)
		return;
	if (packet.len > 0)
		memcpy(frame + 14, packet.at, packet.len);
	(void)batnode_input(n, 0, SPAN(frame, 14 + packet.len), now_us);
	drain(n);
	if (packet.len >= 14)
		(void)batnode_output(n, packet, now_us);
	drain(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	uint64_t now_us = SECONDS(1);
	struct batnode *n;
	struct rng rng;

	rng_seed(&rng, 1);
	if (batnode_new(&config, &rng, now_us, &n) < 0)
		return 0;
	while (r.left > 0 && !r.overrun) {
		uint8_t who = read_u8(&r);
		struct span packet = read_span(&r, read_u16(&r));

		now_us += MS(100) << who % 8;
		batnode_set_link(n, 0, !(who & 0x40), now_us);
		batnode_tick(n, now_us);
		drain(n);
		put(n, who, packet, now_us);
	}
	batnode_free(n);
	return 0;
}

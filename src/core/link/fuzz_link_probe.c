/* SPDX-License-Identifier: Apache-2.0 */
/* Probes from a hostile neighbour: pairs of a byte (how much time passes) and a probe. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/units.h"
#include "core/link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	struct link *l;
	uint64_t now_us = SECONDS(1);
	uint16_t sequence = 0;

	if (link_new(1, now_us, &l) < 0)
		return 0;
	while (r.left > 0) {
		uint8_t out[LINK_PROBE_LEN];
		unsigned n_sent = 0;

		now_us += read_u8(&r) * MS(10);
		(void)link_probe_input(
			l, read_span(&r, r.left < LINK_PROBE_LEN ? r.left : LINK_PROBE_LEN),
			now_us);
		(void)link_received(l, 0, sequence, size, sequence % 3 == 0, now_us);
		sequence = (uint16_t)(sequence + size);
		(void)link_tick(l, now_us);
		while (link_next_probe(l, now_us, out))
			assert(++n_sent <= 8);
		assert(link_metric(l) >= 1 && link_metric(l) <= LINK_METRIC_MAX);
		assert(link_deadline_us(l) > now_us);
	}
	link_free(l);
	return 0;
}

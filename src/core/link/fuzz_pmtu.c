/* SPDX-License-Identifier: Apache-2.0 */
/* Answers and hints that a hostile neighbour or network chooses: the search stays within its
 * bounds, ends, and sends no more than its probes. */
#include <assert.h>

#include "base/units.h"
#include "core/link/pmtu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct pmtu *p, uint64_t now_us)
{
	uint32_t id;
	unsigned probe;
	unsigned n = 0;

	pmtu_tick(p, now_us);
	while (pmtu_next_probe(p, now_us, &id, &probe)) {
		assert(probe >= PMTU_FLOOR && probe <= p->max);
		assert(++n <= 1);
	}
	assert(p->size >= PMTU_FLOOR && p->size <= p->max && p->size < p->failed);
	assert(pmtu_at_most(p) >= p->size && pmtu_at_most(p) <= p->max);
	assert(pmtu_deadline_us(p) > now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	uint64_t now_us = SECONDS(1);
	struct pmtu p;

	pmtu_init(&p, 8952, SECONDS(1), SECONDS(20));
	pmtu_begin(&p, size % 2, now_us);
	while (r.left > 0) {
		struct pmtu_message m;
		uint8_t what = read_u8(&r);

		now_us += (what >> 3) * MS(100);
		switch (what & 7) {
		case 0: /* what was asked for */
			(void)pmtu_answered(&p, p.id, p.probed, now_us);
			break;
		case 1:
			pmtu_hint(&p, read_u16(&r), now_us);
			break;
		case 2:
			pmtu_refused(&p, p.probed, now_us);
			break;
		case 3:
			pmtu_sent_long(&p);
			break;
		case 4:
			pmtu_begin(&p, what & 8, now_us);
			break;
		case 5:
			if (pmtu_message_decode(read_span(&r, r.left < 8 ? r.left : 8), &m) == 0)
				(void)pmtu_answered(&p, m.id, m.size, now_us);
			break;
		default:
			break;
		}
		check(&p, now_us);
	}
	return 0;
}

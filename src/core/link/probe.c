/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a probe. */
#include "core/link/probe.h"

#include <assert.h>
#include <errno.h>

#define FLAGS_KNOWN (PROBE_READY | PROBE_ANSWER | PROBE_ECHO)

int probe_decode(struct span body, struct probe *ret)
{
	struct reader r = reader_of(body);
	struct probe p;

	p.flags = read_u8(&r);
	uint32_t reserved = read_u24(&r);

	p.interval_us = read_u32(&r);
	p.id = read_u32(&r);
	p.timestamp_us = read_u64(&r);
	p.echo_id = read_u32(&r);
	p.echo_timestamp_us = read_u64(&r);
	p.held_us = read_u32(&r);
	p.loss_ppm = read_u32(&r);
	if (r.overrun || r.left)
		return -EBADMSG;
	if (p.flags & ~FLAGS_KNOWN || reserved || p.id == 0 || p.loss_ppm > 1000000)
		return -EPROTO;
	if (p.interval_us < PROBE_INTERVAL_MIN_US || p.interval_us > PROBE_INTERVAL_MAX_US)
		return -EPROTO;
	if (!(p.flags & PROBE_ECHO) && (p.echo_id || p.echo_timestamp_us || p.held_us))
		return -EPROTO;
	*ret = p;
	return 0;
}

void probe_encode(const struct probe *p, uint8_t ret[LINK_PROBE_LEN])
{
	struct writer w = writer_of(ret, LINK_PROBE_LEN);

	write_u8(&w, p->flags);
	write_u24(&w, 0);
	write_u32(&w, p->interval_us);
	write_u32(&w, p->id);
	write_u64(&w, p->timestamp_us);
	write_u32(&w, p->echo_id);
	write_u64(&w, p->echo_timestamp_us);
	write_u32(&w, p->held_us);
	write_u32(&w, p->loss_ppm);
	assert(!w.overrun && w.len == LINK_PROBE_LEN);
}

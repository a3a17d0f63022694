/* SPDX-License-Identifier: Apache-2.0 */
/* What the links of the mesh do to datagrams: lose, queue and delay them. */
#include <stdlib.h>

#include "sim/mesh_world.h"

#define QUEUE_US MS(100) /* a transmitter's queue holds what it sends in this time */
#define UNDERLAY_LEN 48	 /* IPv6 and UDP, which take their time too */
#define PPM 1000000

struct mesh_datagram *mesh_datagram(enum mesh_kind kind, size_t len)
{
	struct mesh_datagram *d = malloc(sizeof(*d) + len);

	if (!d)
		abort();
	*d = (struct mesh_datagram){ .kind = (uint8_t)kind, .len = (uint16_t)len };
	return d;
}

static bool chance(struct mesh *m, uint32_t ppm)
{
	return ppm > 0 && rng_below(&m->rng, PPM) < ppm;
}

static bool is_lost(struct mesh *m, struct mesh_end *e, const struct topology_link *l,
		    unsigned side)
{
	uint32_t loss_ppm = l->loss_ppm[side];

	if (chance(m, m->config.loss_ppm))
		return true;
	if (loss_ppm == 0 || !l->is_bursty)
		return chance(m, loss_ppm);
	return burst_loses(&e->burst, &m->rng, loss_ppm, m->now_us);
}

static void count(struct mesh *m, const struct mesh_datagram *d, size_t size)
{
	struct mesh_totals *t = &m->totals;

	t->probe_packets += d->kind == MESH_PROBE;
	t->probe_bytes += d->kind == MESH_PROBE ? size : 0;
	t->stream_packets += d->kind == MESH_STREAM;
	t->stream_bytes += d->kind == MESH_STREAM ? size : 0;
	t->data_packets += d->kind == MESH_DATA;
	t->data_bytes += d->kind == MESH_DATA ? size : 0;
}

static void lose(struct mesh *m, uint32_t end, struct mesh_datagram *d, const char *why)
{
	m->totals.lost++;
	mesh_copy_is_lost(m, d, mesh_owner(m, end), why, mesh_other(m, end));
	free(d);
}

void mesh_transmit(struct mesh *m, uint32_t end, struct mesh_datagram *d, size_t size)
{
	struct mesh_link *l = &m->links[end / 2];
	struct mesh_end *e = &l->ends[end % 2];
	uint64_t at = m->now_us;

	count(m, d, size);
	if (l->is_cut) {
		lose(m, end, d, "lost: the link is dead");
		return;
	}
	if (l->is.rate_bps) {
		e->sending_until_us = max_u64(e->sending_until_us, at);
		if (e->sending_until_us - at > QUEUE_US) {
			m->totals.queue_drops++;
			lose(m, end, d, "lost: the queue is full");
			return;
		}
		e->sending_until_us += (size + UNDERLAY_LEN) * 8 * US_PER_S / l->is.rate_bps;
		at = e->sending_until_us;
	}
	if (is_lost(m, e, &l->is, end % 2)) {
		lose(m, end, d, "lost on the link");
		return;
	}
	mesh_push(m, (struct mesh_event){ .at_us = at + l->is.delay_us,
					  .type = MESH_ARRIVES,
					  .what = end ^ 1,
					  .datagram = d });
}

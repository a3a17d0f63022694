/* SPDX-License-Identifier: Apache-2.0 */
/* What the links of the mesh do to datagrams: lose, queue and delay them. */
#include <stdlib.h>

#include "sim/mesh_world.h"

#define QUEUE_US MS(100) /* a transmitter's queue holds what it sends in this time */
#define UNDERLAY_LEN 48	 /* IPv6 and UDP, which take their time too */
#define PPM 1000000

/* Bursts (Gilbert, Elliott, in time): in one, half of what is sent is lost, outside nothing. Both
 * last from nothing to twice their mean, evenly: 50 ms of burst, and between bursts what makes
 * the mean loss right. */
#define BURST_US MS(50)
#define BURST_LOSS_PPM 500000

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

static uint64_t pause_us(uint32_t loss_ppm)
{
	return loss_ppm >= BURST_LOSS_PPM ? 0 : BURST_US * (BURST_LOSS_PPM - loss_ppm) / loss_ppm;
}

/* A sender that was quiet for long finds the link in a burst as often as it is in one. */
static void turn_burst(struct mesh *m, struct mesh_end *e, uint32_t loss_ppm)
{
	uint64_t pause = pause_us(loss_ppm);

	if (m->now_us > e->burst_until_us + 16 * (BURST_US + pause)) {
		e->is_in_burst = rng_below(&m->rng, BURST_US + pause) >= BURST_US;
		e->burst_until_us = m->now_us;
	}
	while (m->now_us >= e->burst_until_us) {
		e->is_in_burst = !e->is_in_burst;
		e->burst_until_us +=
			1 + rng_below(&m->rng, 2 * (e->is_in_burst ? BURST_US : pause) + 1);
	}
}

static bool is_lost(struct mesh *m, struct mesh_end *e, const struct topology_link *l,
		    unsigned side)
{
	uint32_t loss_ppm = l->loss_ppm[side];

	if (chance(m, m->config.loss_ppm))
		return true;
	if (loss_ppm == 0 || !l->is_bursty)
		return chance(m, loss_ppm);
	turn_burst(m, e, loss_ppm);
	return e->is_in_burst && chance(m, loss_ppm > BURST_LOSS_PPM ? loss_ppm : BURST_LOSS_PPM);
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

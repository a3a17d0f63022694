/* SPDX-License-Identifier: Apache-2.0 */
/* The links of the simulated world, and what they do to datagrams. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sim/world.h"

struct endpoint sim_endpoint(const struct sim *s, size_t link, bool is_b)
{
	struct endpoint e = { .ip = { 0x20, 0x01, 0x0d, 0xb8 }, .port = SIM_PORT };

	store_u32(e.ip + 8, (uint32_t)link);
	e.ip[14] = s->links[link].address[is_b];
	e.ip[15] = is_b ? 2 : 1;
	return e;
}

static bool link_of(const struct sim *s, const struct endpoint *e, size_t *ret_link, bool *ret_is_b)
{
	if (e->port != SIM_PORT || e->ip[0] != 0x20)
		return false;
	*ret_link = load_u32(e->ip + 8);
	*ret_is_b = e->ip[15] == 2;
	return *ret_link < s->n_links;
}

static bool chance(struct sim *s, uint32_t ppm)
{
	return ppm > 0 && rng_below(&s->rng, 1000000) < ppm;
}

static void deliver_later(struct sim *s, size_t link, bool to_b, struct span datagram,
			  uint64_t delay_us)
{
	struct sim_link *l = &s->links[link];
	struct sim_happening h = {
		.at_us = s->now_us + delay_us,
		.type = SIM_DATAGRAM,
		.node = to_b ? l->b : l->a,
		.link = link,
		.to_b = to_b,
		.len = datagram.len,
	};

	h.boot = s->hosts[h.node].boot;
	h.bytes = malloc(datagram.len ? datagram.len : 1);
	assert(h.bytes);
	memcpy(h.bytes, datagram.at, datagram.len);
	sim_push(s, h);
}

void sim_inject(struct sim *s, size_t link, bool to_b, struct span datagram, uint64_t delay_us)
{
	deliver_later(s, link, to_b, datagram, delay_us);
}

/* How long it waits for those before it, and takes itself; false: for longer than there is room. */
static bool queues(struct sim *s, struct sim_link *l, bool to_b, size_t len, uint64_t *ret_us)
{
	const struct sim_link_quality *q = &l->quality;
	uint64_t idle_us = max_u64(l->idle_us[to_b], s->now_us);

	*ret_us = 0;
	if (q->rate_kbps == 0)
		return true;
	if (idle_us - s->now_us > q->queue_us)
		return false;
	l->idle_us[to_b] = idle_us + len * 8 * 1000 / q->rate_kbps;
	*ret_us = l->idle_us[to_b] - s->now_us;
	return true;
}

void sim_transmit(struct sim *s, size_t node, const struct endpoint *to, struct span datagram)
{
	uint8_t copy[NODE_DATAGRAM_MAX];
	const struct sim_link_quality *q;
	uint64_t queued_us;
	size_t link;
	bool to_b;

	s->totals.datagrams++;
	s->totals.bytes += datagram.len;
	if (!link_of(s, to, &link, &to_b) || (to_b ? s->links[link].a : s->links[link].b) != node) {
		sim_fail(s, "node %zu sent to an address that is none", node);
		return;
	}
	if (s->config.tap && s->config.tap(s->config.watch_arg, link, to_b, datagram))
		return;
	q = &s->links[link].quality;
	if (to->ip[14] != s->links[link].address[to_b] || s->links[link].is_cut ||
	    (q->size_max && datagram.len > q->size_max) || chance(s, q->loss_ppm) ||
	    !queues(s, &s->links[link], to_b, datagram.len, &queued_us)) {
		s->totals.lost++;
		return;
	}
	memcpy(copy, datagram.at, datagram.len);
	if (chance(s, q->corrupt_ppm))
		copy[rng_below(&s->rng, datagram.len)] ^= (uint8_t)(1U << rng_below(&s->rng, 8));
	deliver_later(s, link, to_b, SPAN(copy, datagram.len),
		      queued_us + q->delay_us + rng_below(&s->rng, (uint64_t)q->jitter_us + 1));
	if (chance(s, q->duplicate_ppm))
		deliver_later(s, link, to_b, datagram,
			      q->delay_us + rng_below(&s->rng, (uint64_t)q->jitter_us + 1));
}

size_t sim_link(struct sim *s, size_t a, size_t b, const struct sim_link_quality *q, bool both)
{
	assert(s->n_links < SIM_LINKS_MAX);
	s->links[s->n_links] = (struct sim_link){ .a = a, .b = b, .both = both, .quality = *q };
	return s->n_links++;
}

void sim_link_set(struct sim *s, size_t link, const struct sim_link_quality *q)
{
	s->links[link].quality = *q;
}

void sim_link_cut(struct sim *s, size_t link, bool is_cut)
{
	s->links[link].is_cut = is_cut;
	sim_note(s, 1000, link, is_cut);
}

void sim_link_move(struct sim *s, size_t link, bool is_b)
{
	s->links[link].address[is_b]++;
}

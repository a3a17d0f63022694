/* SPDX-License-Identifier: Apache-2.0 */
/* Two link cores, what lies between them, and a day. */
#include "sim/falsedown.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/units.h"
#include "core/link/link.h"
#include "sim/burst.h"

#define DAY_US SECONDS(86400)
#define FLYING_MAX 256
#define PAYLOAD_EVERY_US MS(50) /* probes fill the gaps */
#define ACTIVE_MAX_US SECONDS(20)
#define IDLE_MAX_US SECONDS(140)
#define BEFORE_CUT_US SECONDS(5)
#define AFTER_CUT_US SECONDS(20)
#define JITTER_MIN_US 1000
#define SIZE 100
#define LANE_PAYLOAD 0
#define LANE_OF_PROBES 1

struct flying {
	uint64_t at_us;
	unsigned to;
	uint16_t sequence;
	bool is_probe;
	uint8_t probe[LINK_PROBE_LEN];
};

struct pair {
	struct link *end[2];
	enum link_state state[2];
	uint64_t since_us[2];
	struct burst burst[2]; /* of what end i sends */
	const struct topology_link *is;
	uint32_t jitter_us;
	struct rng rng;
	uint64_t now_us;
	bool is_active, is_cut;
	uint64_t turns_us;		  /* from active to idle, or back */
	uint64_t payload_us;		  /* the next */
	struct flying flying[FLYING_MAX]; /* by time, the last first */
	unsigned n_flying;
	uint64_t cut_us;
	uint64_t suspected_us[2], down_us[2]; /* after the cut */
	struct falsedown_link *ret;
};

uint32_t falsedown_jitter_us(const struct topology_link *l)
{
	uint32_t loss_ppm = l->loss_ppm[0] > l->loss_ppm[1] ? l->loss_ppm[0] : l->loss_ppm[1];

	return JITTER_MIN_US + loss_ppm / 20; /* a tenth lost: 6 ms */
}

/* ---- the way ---- */

static void fly(struct pair *p, const struct flying *f)
{
	unsigned at = p->n_flying;

	if (p->n_flying == FLYING_MAX)
		return; /* as if the network had lost it */
	while (at > 0 && p->flying[at - 1].at_us < f->at_us) {
		p->flying[at] = p->flying[at - 1];
		at--;
	}
	p->flying[at] = *f;
	p->n_flying++;
}

static void put(struct pair *p, unsigned from, const uint8_t *probe)
{
	struct flying f = { .to = 1 - from, .is_probe = probe != NULL };
	uint32_t loss_ppm = p->is->loss_ppm[from];

	f.sequence = link_next_sequence(p->end[from], probe ? LANE_OF_PROBES : LANE_PAYLOAD);
	link_sent(p->end[from], SIZE, !probe, p->now_us);
	p->ret->packets++;
	if (p->is_cut)
		return;
	if (p->is->is_bursty ? burst_loses(&p->burst[from], &p->rng, loss_ppm, p->now_us)
			     : rng_below(&p->rng, 1000000) < loss_ppm)
		return;
	f.at_us = p->now_us + p->is->delay_us + rng_below(&p->rng, p->jitter_us);
	if (probe)
		memcpy(f.probe, probe, sizeof(f.probe));
	fly(p, &f);
}

/* ---- what an end thinks ---- */

static void look_cut(struct pair *p, unsigned i, enum link_state is)
{
	if (is != LINK_UP && !p->suspected_us[i])
		p->suspected_us[i] = p->now_us;
	if (is == LINK_UP)
		p->suspected_us[i] = 0;
	if (is == LINK_DOWN && !p->down_us[i])
		p->down_us[i] = p->now_us;
}

static void look(struct pair *p, unsigned i)
{
	enum link_state is = link_state(p->end[i]);

	if (is == p->state[i])
		return;
	if (p->is_cut) {
		look_cut(p, i, is);
	} else {
		p->ret->suspects += is == LINK_SUSPECT;
		p->ret->downs += is == LINK_DOWN;
		if (p->state[i] == LINK_SUSPECT)
			p->ret->suspect_us += p->now_us - p->since_us[i];
	}
	p->state[i] = is;
	p->since_us[i] = p->now_us;
}

static void after(struct pair *p, unsigned i)
{
	uint8_t probe[LINK_PROBE_LEN];

	look(p, i);
	while (link_next_probe(p->end[i], p->now_us, probe))
		put(p, i, probe);
}

static void arrive(struct pair *p)
{
	struct flying f = p->flying[--p->n_flying];
	struct link *l = p->end[f.to];

	(void)link_received(l, f.is_probe ? LANE_OF_PROBES : LANE_PAYLOAD, f.sequence, SIZE,
			    !f.is_probe, p->now_us);
	if (f.is_probe)
		(void)link_probe_input(l, SPAN_OF(f.probe), p->now_us);
	after(p, f.to);
}

/* ---- time ---- */

static void payload(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++)
		if (p->state[i] != LINK_DOWN)
			put(p, i, NULL);
	p->payload_us = p->now_us + PAYLOAD_EVERY_US;
}

static void turn_active(struct pair *p, bool is_active)
{
	p->is_active = is_active;
	p->turns_us = p->now_us + rng_below(&p->rng, is_active ? ACTIVE_MAX_US : IDLE_MAX_US);
	p->payload_us = is_active ? p->now_us : NEVER_US;
}

static uint64_t next_us(const struct pair *p)
{
	uint64_t at = min_u64(link_deadline_us(p->end[0]), link_deadline_us(p->end[1]));

	at = min_u64(at, min_u64(p->payload_us, p->turns_us));
	if (p->n_flying > 0)
		at = min_u64(at, p->flying[p->n_flying - 1].at_us);
	return max_u64(at, p->now_us);
}

static void step(struct pair *p)
{
	bool has_arrived = p->n_flying > 0 && p->flying[p->n_flying - 1].at_us <= p->now_us;

	if (has_arrived)
		arrive(p);
	for (unsigned i = 0; i < 2; i++) {
		if (p->now_us < link_deadline_us(p->end[i]))
			continue;
		(void)link_tick(p->end[i], p->now_us);
		after(p, i);
	}
	if (p->now_us >= p->payload_us)
		payload(p);
	if (p->now_us >= p->turns_us)
		turn_active(p, !p->is_active);
}

static void run(struct pair *p, uint64_t until_us)
{
	while (next_us(p) < until_us) {
		uint64_t before_us = p->now_us;

		p->now_us = next_us(p);
		step(p);
		if (p->now_us == before_us && p->n_flying == 0)
			p->now_us++; /* a deadline that is not over at its own time */
	}
	p->now_us = until_us;
}

/* The link carries packets, then nothing passes any more. */
static void cut(struct pair *p)
{
	turn_active(p, true);
	p->turns_us = NEVER_US;
	run(p, p->now_us + BEFORE_CUT_US);
	if (p->state[0] != LINK_UP || p->state[1] != LINK_UP)
		run(p, p->now_us + 2 * LINK_HOLD_DOWN_MAX_US);
	p->is_cut = true;
	p->cut_us = p->now_us;
	for (unsigned i = 0; i < 2; i++)
		if (p->state[i] != LINK_UP)
			look_cut(p, i, p->state[i]);
	run(p, p->now_us + AFTER_CUT_US);
	if (!p->down_us[0] || !p->down_us[1])
		return;
	p->ret->suspected_after_us = max_u64(p->suspected_us[0], p->suspected_us[1]) - p->cut_us;
	p->ret->down_after_us = max_u64(p->down_us[0], p->down_us[1]) - p->cut_us;
}

int falsedown_run(const struct falsedown_options *o, size_t link, struct falsedown_link *ret)
{
	uint64_t day_us = o->duration_us ? o->duration_us : DAY_US;
	struct pair p = { .is = &o->topology->links[link], .now_us = SECONDS(1000), .ret = ret };
	int r;

	*ret = (struct falsedown_link){ .jitter_us = falsedown_jitter_us(p.is) };
	memcpy(ret->loss_ppm, p.is->loss_ppm, sizeof(ret->loss_ppm));
	p.jitter_us = ret->jitter_us;
	rng_seed(&p.rng, o->seed * 1000003 + link);
	r = link_new(rng_next(&p.rng), p.now_us, &p.end[0]);
	if (r == 0)
		r = link_new(rng_next(&p.rng), p.now_us, &p.end[1]);
	if (r == 0) {
		turn_active(&p, false);
		for (unsigned i = 0; i < 2; i++)
			after(&p, i);
		run(&p, p.now_us + day_us);
		cut(&p);
	}
	link_free(p.end[0]);
	link_free(p.end[1]);
	return r;
}

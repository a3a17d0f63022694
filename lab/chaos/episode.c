/* SPDX-License-Identifier: Apache-2.0 */
/* One episode from beginning to end: who does something when. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "chaos/world.h"

#define READY_US SECONDS(5)	 /* a mesh of this size has all its routes after two */
#define PROBE_EVERY_US MS(10)	 /* 64 bytes; */
#define LARGE_EVERY_US MS(50)	 /* 1,200 */
#define RARE_EVERY_US SECONDS(1) /* where it lasts hours */
#define SAMPLE_EVERY_US SECONDS(1)
#define RARE_SAMPLE_US SECONDS(60)
#define SMALL_LEN 64
#define LARGE_LEN 1200
#define GRACE_US SECONDS(2) /* for an answer */
#define REKEY_AFTER_US SECONDS(15)
#define DELAY_MIN_US 200U
#define DELAY_MAX_US 5000U
#define LOSS_MAX_PPM 1000U /* of what a link loses when it is well */

/* ---- probes ---- */

static void stream_begin(struct stream *s, size_t from, size_t to, size_t len, uint64_t every_us,
			 uint64_t now_us)
{
	*s = (struct stream){ .from = from,
			      .to = to,
			      .len = len,
			      .every_us = every_us,
			      .next_us = now_us,
			      .begin_us = now_us,
			      .after = json_array(),
			      .took = json_array() };
}

static int ask(struct world *w, struct stream *s)
{
	bool is_there = sim_is_running(w->sim, s->from);
	uint64_t now_us = sim_now_us(w->sim);

	if (s->n == s->size) {
		size_t size = s->size ? 2 * s->size : 1024;
		struct asked *asked = realloc(s->asked, size * sizeof(*asked));

		if (!asked)
			return -ENOMEM;
		s->asked = asked;
		s->size = size;
	}
	if (s->n > 0)
		(void)json_array_append_new(
			s->after,
			json_integer((json_int_t)(now_us - s->asked[s->n - 1].sent_us) / 100));
	s->asked[s->n++] = (struct asked){
		.sent_us = now_us,
		.request = is_there ? sim_send(w->sim, s->from, s->to, s->len) : 0,
	};
	s->next_us = now_us + s->every_us;
	return 0;
}

/* The other end answers what has arrived. */
static void answer(struct world *w, struct stream *s)
{
	uint64_t now_us = sim_now_us(w->sim);

	while (s->oldest < s->n &&
	       (s->asked[s->oldest].is_over || s->asked[s->oldest].sent_us + GRACE_US < now_us))
		s->oldest++;
	for (size_t i = s->oldest; i < s->n; i++) {
		struct asked *a = &s->asked[i];

		if (a->is_over || !a->request)
			continue;
		if (a->reply)
			a->is_over = sim_is_delivered(w->sim, a->reply);
		else if (sim_is_delivered(w->sim, a->request) && sim_is_running(w->sim, s->to))
			a->reply = sim_send(w->sim, s->to, s->from, s->len);
	}
}

/* In tenths of a millisecond; both ways, without the step that an answer waited for. */
static void stream_end(const struct world *w, struct stream *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct asked *a = &s->asked[i];
		bool is_answered = a->reply && sim_is_delivered(w->sim, a->reply);
		uint64_t us = is_answered ? sim_delivery_us(w->sim, a->request) +
						    sim_delivery_us(w->sim, a->reply)
					  : 0;

		(void)json_array_append_new(
			s->took, json_integer(is_answered ? (json_int_t)(us / 100) : -1));
	}
}

static int probe(struct world *w)
{
	int r = 0;

	for (size_t i = 0; i < 2 * w->spec->n_pairs; i++) {
		struct stream *s = &w->streams[i];

		answer(w, s);
		if (r == 0 && sim_now_us(w->sim) >= s->next_us)
			r = ask(w, s);
	}
	return r;
}

static void probes_begin(struct world *w)
{
	uint64_t now_us = sim_now_us(w->sim);
	bool is_long = w->spec->is_long;

	for (size_t i = 0; i < w->spec->n_pairs; i++) {
		const uint32_t *p = w->spec->pairs[i];

		stream_begin(&w->streams[2 * i], p[0], p[1], SMALL_LEN,
			     is_long ? RARE_EVERY_US : PROBE_EVERY_US, now_us);
		stream_begin(&w->streams[2 * i + 1], p[0], p[1], LARGE_LEN,
			     is_long ? RARE_EVERY_US : LARGE_EVERY_US, now_us);
	}
}

/* ---- time ---- */

static bool run_to(struct world *w, uint64_t until_us)
{
	if (sim_run(w->sim, until_us))
		return true;
	(void)snprintf(w->why, CHAOS_WHY_SIZE, "%s", sim_failure(w->sim));
	return false;
}

static void turn_agents(struct world *w)
{
	for (size_t i = 0; i < w->spec->n_nodes; i++)
		if (w->agents[i].manager && sim_now_us(w->sim) >= w->agents[i].due_us)
			agent_turn(w, i);
}

/* To a time, with all managers taking their turns. */
static bool pass(struct world *w, uint64_t until_us)
{
	while (sim_now_us(w->sim) < until_us) {
		uint64_t next_us = until_us;

		for (size_t i = 0; i < w->spec->n_nodes; i++)
			if (w->agents[i].manager)
				next_us = min_u64(next_us, w->agents[i].due_us);
		if (!run_to(w, max_u64(next_us, sim_now_us(w->sim))))
			return false;
		turn_agents(w);
	}
	return true;
}

static uint64_t at_us(const struct world *w, double at_s)
{
	return w->begin_us + (uint64_t)(at_s * US_PER_S);
}

/* What is due of the plan. */
static int act(struct world *w, size_t *event, bool *is_injected, bool *is_lifted)
{
	const struct chaos_spec *spec = w->spec;
	uint64_t now_us = sim_now_us(w->sim);
	int r = fault_turn(w);

	if (r == 0 && !*is_injected && now_us >= at_us(w, spec->inject_s)) {
		*is_injected = true;
		r = fault_inject(w);
	}
	if (r == 0 && *is_injected && !*is_lifted && now_us >= at_us(w, spec->lift_s)) {
		*is_lifted = true;
		fault_lift(w);
	}
	while (r == 0 && *event < spec->n_events && now_us >= at_us(w, spec->events[*event].at_s))
		r = event_begin(w, &spec->events[(*event)++]);
	surge_turn(w);
	return r;
}

static int go_on(struct world *w)
{
	uint64_t step_us = w->spec->is_long ? MS(100) : PROBE_EVERY_US;
	uint64_t sample_us = w->spec->is_long ? RARE_SAMPLE_US : SAMPLE_EVERY_US;
	uint64_t end_us = at_us(w, w->spec->seconds), sampled_us = 0;
	bool is_injected = false, is_lifted = false;
	size_t event = 0;

	while (sim_now_us(w->sim) < end_us) {
		int r = act(w, &event, &is_injected, &is_lifted);

		if (r == 0)
			r = probe(w);
		if (r < 0)
			return r;
		if (sim_now_us(w->sim) >= sampled_us + sample_us) {
			sampled_us = sim_now_us(w->sim);
			record_sample(w);
		}
		if (!pass(w, sim_now_us(w->sim) + step_us))
			return -EIO;
	}
	if (!is_lifted)
		fault_lift(w);
	for (size_t i = 0; i < 2 * w->spec->n_pairs; i++)
		stream_end(w, &w->streams[i]);
	return 0;
}

/* ---- making ---- */

static void draw_link(struct world *w, size_t l)
{
	const uint32_t *ends = w->spec->links[l];

	w->usual[l] = (struct sim_link_quality){
		.delay_us = DELAY_MIN_US +
			    (uint32_t)rng_below(&w->rng, DELAY_MAX_US - DELAY_MIN_US + 1),
		.loss_ppm = (uint32_t)rng_below(&w->rng, LOSS_MAX_PPM + 1),
	};
	w->usual[l].jitter_us = w->usual[l].delay_us / 5;
	(void)sim_link(w->sim, ends[0], ends[1], &w->usual[l], true);
}

static int begin(struct world *w, struct sim_pki *pki)
{
	struct sim_config config = {
		.seed = w->spec->seed,
		.pki = pki,
		.n_nodes = w->spec->n_nodes,
		.allow_all = true,
		.watch = agent_event,
		.tap = fault_takes,
		.watch_arg = w,
	};
	int r;

	for (size_t i = 0; i < w->spec->n_events; i++)
		if (w->spec->events[i].kind == CHAOS_REKEY)
			config.limits.rekey_after_us = REKEY_AFTER_US;
	r = sim_new(&config, &w->sim);
	for (size_t l = 0; r == 0 && l < w->spec->n_links; l++)
		draw_link(w, l);
	for (size_t i = 0; r == 0 && i < w->spec->n_nodes; i++)
		if (!w->spec->joins_later[i])
			r = agent_boot(w, i);
	if (r == 0 && !pass(w, READY_US))
		r = -EIO;
	w->begin_us = r == 0 ? sim_now_us(w->sim) : 0;
	return r;
}

static void world_free(struct world *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < CHAOS_NODES_MAX; i++) {
		manager_free(w->agents[i].manager);
		json_decref(w->agents[i].ledger);
	}
	for (size_t i = 0; i < N_ELEMENTS(w->streams); i++) {
		free(w->streams[i].asked);
		json_decref(w->streams[i].after);
		json_decref(w->streams[i].took);
	}
	json_decref(w->fault_log);
	json_decref(w->label);
	json_decref(w->event_log);
	json_decref(w->incidents);
	json_decref(w->samples);
	sim_free(w->sim);
	free(w);
}

DEFINE_FREEP(struct world, world_free)

int chaos_run(struct sim_pki *pki, const struct chaos_spec *spec, json_t **ret,
	      char ret_why[CHAOS_WHY_SIZE])
{
	CLEANUP(world_freep) struct world *w = calloc(1, sizeof(*w));
	int r;

	ret_why[0] = '\0';
	if (!w)
		return -ENOMEM;
	w->spec = spec;
	w->why = ret_why;
	w->fault.what = "none";
	rng_seed(&w->rng, spec->seed ^ 0xc4a05);
	rng_seed(&w->drops, spec->seed ^ 0xd40b5);
	w->fault_log = json_object();
	w->label = json_object();
	w->event_log = json_array();
	w->incidents = json_array();
	w->samples = json_array();
	for (size_t i = 0; i < spec->n_nodes; i++)
		w->agents[i].ledger = json_array();
	r = begin(w, pki);
	if (r == 0)
		probes_begin(w);
	r = r < 0 ? r : go_on(w);
	if (r == 0)
		*ret = record_file(w);
	return r;
}

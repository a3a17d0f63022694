/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of an episode, each with the manager that its daemon would have. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "chaos/world.h"

#define HEALING_AFTER_US SECONDS(1) /* the daemon's */
#define DRIFT_PPM 20

int agent_boot(struct world *w, size_t node)
{
	struct agent *a = &w->agents[node];
	const char *text = w->spec->mandates[node];
	struct manager_config config = { .learn_s = UNUSUAL_LEARN_S };
	char why[MANDATES_WHY_SIZE];
	struct mandates mandates;
	int32_t drift_ppm = (int32_t)rng_below(&w->rng, 2 * DRIFT_PPM + 1) - DRIFT_PPM;
	int r = sim_boot(w->sim, node, 0, drift_ppm);

	if (r < 0)
		return r;
	config.node = sim_node(w->sim, node);
	config.first_id = ++a->boots << 20 | 1;
	config.seed = rng_next(&w->rng);
	r = manager_new(&config, &a->manager);
	if (r < 0)
		return r;
	mandates_default(&mandates);
	if (text && mandates_parse(SPAN(text, strlen(text)), &mandates, why) < 0) {
		(void)snprintf(w->why, CHAOS_WHY_SIZE, "mandates of %s: %.80s",
			       w->spec->names[node], why);
		return -EINVAL;
	}
	healing_set_mandates(manager_healing(a->manager), &mandates);
	healing_set_power(manager_healing(a->manager), true, "");
	a->due_us = sim_now_us(w->sim) + HEALING_AFTER_US;
	a->n_seen = 0;
	return 0;
}

void agent_end(struct world *w, size_t node, bool says_goodbye)
{
	struct agent *a = &w->agents[node];

	if (!a->manager)
		return;
	if (says_goodbye) {
		node_goodbye(sim_node(w->sim, node), sim_node_us(w->sim, node));
		sim_poke(w->sim, node);
	}
	manager_free(a->manager);
	a->manager = NULL;
	sim_crash(w->sim, node);
}

void agent_turn(struct world *w, size_t node)
{
	struct agent *a = &w->agents[node];
	uint64_t now_us = sim_node_us(w->sim, node);
	int64_t unix_s = (CHAOS_UNIX_MS_AT_0 + (int64_t)(now_us / US_PER_MS)) / 1000;
	struct healing *h = manager_healing(a->manager);
	struct healing_order o;

	(void)manager_look(a->manager, now_us);
	manager_turn(a->manager, now_us, unix_s);
	while (healing_next_order(h, &o, now_us)) {
		if (manager_obey(a->manager, &o, now_us))
			continue;
		record_order(w, node, &o);
		if (o.type == HEALING_RECORD)
			(void)healing_recorded(h, o.ticket, 0, now_us);
	}
	record_incidents(w, node);
	sim_poke(w->sim, node);
	a->due_us = sim_now_us(w->sim) + (manager_deadline_us(a->manager, now_us) - now_us);
}

void agent_event(void *arg, size_t node, const struct node_event *e, uint64_t now_us)
{
	struct world *w = arg;

	(void)now_us;
	if (w->agents[node].manager)
		manager_event(w->agents[node].manager, e);
}

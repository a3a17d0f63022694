/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the mesh: one fault, and what is harmless. It says what it did, to whom and when;
 * nobody else says what was wrong. Numbers are those of tests/chaos/faults.py. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "chaos/world.h"
#include "core/wire/wire.h"

#define SMALL_LEN 592 /* UDP payload: probes are smaller */
#define HOLE_LEN 992
#define HELD_US MS(5)
#define QUEUE_BITS (UINT64_C(32) * 1024 * 8)
#define KILLED_FOR_US MS(300) /* until the keeper has started the daemon again */
#define HUNG_FOR_US MS(2400)  /* and has noticed that it hangs */
#define SURGE_US SECONDS(6)
#define SURGE_EVERY_US (US_PER_S / 300)
#define SURGE_LEN 1000

/* ---- ways ---- */

size_t node_of_id(const struct world *w, uint64_t id)
{
	for (size_t i = 0; i < w->spec->n_nodes; i++)
		if (sim_id(w->sim, i) == id)
			return i;
	return w->spec->n_nodes;
}

size_t chaos_way(const struct world *w, size_t from, size_t to, size_t ret[CHAOS_NODES_MAX])
{
	size_t n = 0, at = from;

	while (n < w->spec->n_nodes && sim_is_running(w->sim, at)) {
		ret[n++] = at;
		if (at == to)
			return n;
		at = node_of_id(
			w, routes_next_hop(node_routes(sim_node(w->sim, at)), sim_id(w->sim, to)));
		if (at == w->spec->n_nodes)
			return 0;
	}
	return 0;
}

static size_t link_between(const struct world *w, size_t a, size_t b)
{
	for (size_t l = 0; l < w->spec->n_links; l++)
		if ((w->spec->links[l][0] == a && w->spec->links[l][1] == b) ||
		    (w->spec->links[l][0] == b && w->spec->links[l][1] == a))
			return l;
	return w->spec->n_links;
}

/* Is a link one that this fault takes away, or an end of it? */
static bool is_hit(const struct world *w, size_t link)
{
	const struct fault *f = &w->fault;
	const uint32_t *ends = w->spec->links[link];

	if (strcmp(f->what, "link") == 0)
		return link == f->link;
	if (strcmp(f->what, "node") == 0)
		return ends[0] == f->node || ends[1] == f->node;
	return strcmp(f->what, "part") == 0 && f->side[ends[0]] != f->side[ends[1]];
}

/* Whether two nodes reach each other without what the fault hits. */
static bool is_repairable(const struct world *w, const uint32_t pair[2])
{
	bool is_reached[CHAOS_NODES_MAX] = { false };
	bool grows = true;

	is_reached[pair[0]] = true;
	while (grows) {
		grows = false;
		for (size_t l = 0; l < w->spec->n_links; l++) {
			const uint32_t *e = w->spec->links[l];

			if (is_hit(w, l) || is_reached[e[0]] == is_reached[e[1]] ||
			    !sim_is_running(w->sim, e[0]) || !sim_is_running(w->sim, e[1]))
				continue;
			is_reached[e[0]] = is_reached[e[1]] = grows = true;
		}
	}
	return is_reached[pair[1]];
}

static bool is_through(const struct world *w, const size_t *way, size_t n)
{
	bool is_node = strcmp(w->fault.what, "node") == 0;

	for (size_t i = 0; i < n; i++) {
		if (is_node && way[i] == w->fault.node)
			return true;
		if (!is_node && i + 1 < n && is_hit(w, link_between(w, way[i], way[i + 1])))
			return true;
	}
	return false;
}

static json_t *name(const struct world *w, size_t node)
{
	return json_string(w->spec->names[node]);
}

static json_t *link_json(const struct world *w, size_t link)
{
	return json_pack("[o, o]", name(w, w->spec->links[link][0]),
			 name(w, w->spec->links[link][1]));
}

/* ---- whom it hits ---- */

static void shuffle(struct rng *rng, size_t *list, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t other = (size_t)rng_below(rng, i), kept = list[i - 1];

		list[i - 1] = list[other];
		list[other] = kept;
	}
}

/* The first of a shuffled list that another way goes around, if there is one. */
static int choose(struct world *w, const char *what, size_t *list, size_t n, size_t *hit)
{
	w->fault.what = what;
	if (n == 0)
		return -ENOENT;
	shuffle(&w->rng, list, n);
	for (size_t i = 0; i < n; i++) {
		*hit = list[i];
		if (is_repairable(w, w->spec->pairs[0]))
			return 0;
	}
	*hit = list[0];
	return 0;
}

static int choose_link(struct world *w, const size_t *way, size_t n)
{
	size_t list[CHAOS_NODES_MAX];
	int r;

	for (size_t i = 0; i + 1 < n; i++)
		list[i] = link_between(w, way[i], way[i + 1]);
	r = choose(w, "link", list, n - 1, &w->fault.link);
	w->fault.near_is_b = rng_below(&w->rng, 2) == 1;
	if (r == 0)
		(void)json_object_set_new(w->label, "link", link_json(w, w->fault.link));
	return r;
}

static int choose_node(struct world *w, const size_t *way, size_t n)
{
	size_t list[CHAOS_NODES_MAX];
	int r;

	for (size_t i = 1; i + 1 < n; i++)
		list[i - 1] = way[i];
	r = choose(w, "node", list, n > 2 ? n - 2 : 0, &w->fault.node);
	if (r == 0)
		(void)json_object_set_new(w->label, "node", name(w, w->fault.node));
	return r;
}

/* A third of the mesh around the first node of the way, without the others of it. */
static int choose_side(struct world *w, const size_t *way, size_t n)
{
	bool *side = w->fault.side, is_on_way[CHAOS_NODES_MAX] = { false };
	size_t at[CHAOS_NODES_MAX], n_at = 1, n_side = 1;
	json_t *links = json_array(), *names = json_array();

	w->fault.what = "part";
	for (size_t i = 0; i < n; i++)
		is_on_way[way[i]] = true;
	side[at[0] = way[0]] = true;
	for (size_t i = 0; i < n_at; i++)
		for (size_t b = 0; b < w->spec->n_nodes; b++)
			if (link_between(w, at[i], b) < w->spec->n_links && !is_on_way[b] &&
			    !side[b] && n_side < w->spec->n_nodes / 3) {
				side[at[n_at++] = b] = true;
				n_side++;
			}
	for (size_t i = 0; i < w->spec->n_nodes; i++)
		if (side[i])
			(void)json_array_append_new(names, name(w, i));
	for (size_t l = 0; l < w->spec->n_links; l++)
		if (is_hit(w, l))
			(void)json_array_append_new(links, link_json(w, l));
	(void)json_object_set_new(w->label, "links", links);
	(void)json_object_set_new(w->label, "side", names);
	return 0;
}

/* ---- what it does ---- */

static uint32_t one_of(struct rng *rng, const uint32_t *list, size_t n)
{
	return list[rng_below(rng, n)];
}

static void tell(struct world *w, const char *key, uint32_t value)
{
	(void)json_object_set_new(w->label, key, json_integer(value));
}

static void worsen(struct world *w)
{
	static const uint32_t delays_ms[] = { 80, 200, 400 }, rates_kbps[] = { 128, 256, 400 },
			      losses[] = { 2, 5, 10, 20, 30 }, held[] = { 5, 20 };
	struct fault *f = &w->fault;
	struct sim_link_quality q = w->usual[f->link];
	uint32_t chosen;

	switch (w->spec->kind) {
	case CHAOS_LOSS_ONE_WAY:
		chosen = one_of(&w->rng, losses, N_ELEMENTS(losses));
		f->loss_ppm = chosen * 10000;
		f->to_b = rng_below(&w->rng, 2) == 1;
		tell(w, "loss_percent", chosen);
		break;
	case CHAOS_DELAY_JITTER:
		chosen = one_of(&w->rng, delays_ms, N_ELEMENTS(delays_ms));
		q.delay_us += (uint32_t)MS(chosen) - (uint32_t)MS(chosen) / 4;
		q.jitter_us += (uint32_t)MS(chosen) / 2;
		tell(w, "delay_ms", chosen);
		break;
	case CHAOS_RATE_LIMIT:
		q.rate_kbps = one_of(&w->rng, rates_kbps, N_ELEMENTS(rates_kbps));
		q.queue_us = (uint32_t)(QUEUE_BITS * 1000 / q.rate_kbps);
		tell(w, "rate_kbps", q.rate_kbps);
		break;
	case CHAOS_REORDERING:
		chosen = one_of(&w->rng, held, N_ELEMENTS(held));
		f->loss_ppm = chosen * 10000;
		f->hold_us = HELD_US;
		tell(w, "held_percent", chosen);
		break;
	case CHAOS_MTU_BLACK_HOLE:
		q.size_max = HOLE_LEN;
		break;
	default:
		break;
	}
	sim_link_set(w->sim, f->link, &q);
}

static void cut(struct world *w, bool is_cut)
{
	for (size_t l = 0; l < w->spec->n_links; l++)
		if (is_hit(w, l))
			sim_link_cut(w->sim, l, is_cut);
}

static void lose_carrier(struct world *w)
{
	const uint32_t *ends = w->spec->links[w->fault.link];

	for (unsigned i = 0; i < 2; i++) {
		if (!sim_is_running(w->sim, ends[i]))
			continue;
		node_carrier_lost(sim_node(w->sim, ends[i]), sim_id(w->sim, ends[!i]),
				  sim_node_us(w->sim, ends[i]));
		sim_poke(w->sim, ends[i]);
	}
}

/* Whether the relay at fault passes this on for others, and does not send it for itself: outside
 * both look alike, but the node has just counted those. */
static bool is_relayed(struct world *w, struct span datagram)
{
	struct wire_transport t;
	struct node_counters c;

	if (wire_transport_decode(datagram, &t) < 0 || t.seal_len == 0)
		return false;
	node_counters(sim_node(w->sim, w->fault.node), &c);
	if (c.relayed <= w->fault.n_relayed)
		return false;
	w->fault.n_relayed++;
	return true;
}

bool fault_takes(void *arg, size_t link, bool to_b, struct span datagram)
{
	struct world *w = arg;
	struct fault *f = &w->fault;

	if (!f->is_on)
		return false;
	if (f->is_hung && is_hit(w, link))
		return true;
	switch (w->spec->kind) {
	case CHAOS_LOSS_ONE_WAY:
		return link == f->link && to_b == f->to_b &&
		       rng_below(&w->drops, US_PER_S) < f->loss_ppm;
	case CHAOS_REORDERING:
		if (link != f->link || rng_below(&w->drops, US_PER_S) >= f->loss_ppm)
			return false;
		sim_inject(w->sim, link, to_b, datagram, w->usual[link].delay_us + f->hold_us);
		return true;
	case CHAOS_SILENT_DROP:
	case CHAOS_LYING_NODE:
		if (w->spec->links[link][!to_b] != f->node || !is_relayed(w, datagram) ||
		    datagram.len <= f->len_min)
			return false;
		f->n_dropped++;
		return true;
	default:
		return false;
	}
}

static int hit(struct world *w, const size_t *way, size_t n)
{
	struct fault *f = &w->fault;
	struct node_counters c;
	int r;

	switch (w->spec->kind) {
	case CHAOS_LINK_CUT:
	case CHAOS_CARRIER_LOSS:
		r = choose_link(w, way, n);
		if (r == 0)
			cut(w, true);
		if (r == 0 && w->spec->kind == CHAOS_CARRIER_LOSS)
			lose_carrier(w);
		return r;
	case CHAOS_LOSS_ONE_WAY:
	case CHAOS_DELAY_JITTER:
	case CHAOS_RATE_LIMIT:
	case CHAOS_REORDERING:
	case CHAOS_MTU_BLACK_HOLE:
		r = choose_link(w, way, n);
		if (r == 0)
			worsen(w);
		return r;
	case CHAOS_SILENT_DROP:
	case CHAOS_LYING_NODE:
		f->len_min = w->spec->kind == CHAOS_LYING_NODE ? SMALL_LEN : 0;
		r = choose_node(w, way, n);
		if (r == 0) {
			node_counters(sim_node(w->sim, f->node), &c);
			f->n_relayed = c.relayed;
		}
		return r;
	case CHAOS_DAEMON_KILLED:
	case CHAOS_DAEMON_HUNG:
		r = choose_node(w, way, n);
		if (r < 0)
			return r;
		f->is_hung = w->spec->kind == CHAOS_DAEMON_HUNG;
		f->back_us = sim_now_us(w->sim) + (f->is_hung ? HUNG_FOR_US : KILLED_FOR_US);
		if (!f->is_hung)
			agent_end(w, f->node, false);
		return 0;
	case CHAOS_PARTITION:
		r = choose_side(w, way, n);
		cut(w, true);
		return r;
	case CHAOS_NONE:
	case CHAOS_N_KINDS:
		break;
	}
	f->what = "none";
	return 0;
}

static json_t *way_json(const struct world *w, const size_t *way, size_t n)
{
	json_t *list = n ? json_array() : json_null();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, name(w, way[i]));
	return list;
}

static bool is_grey(enum chaos_kind k)
{
	return k >= CHAOS_LOSS_ONE_WAY && k <= CHAOS_LYING_NODE;
}

static json_t *moment(const struct world *w)
{
	double at_s = (double)sim_now_us(w->sim) / US_PER_S;

	return json_pack("{s:f, s:f, s:f}", "at", at_s, "unix",
			 (double)CHAOS_UNIX_MS_AT_0 / 1000 + at_s, "took_s", 0.0);
}

int fault_inject(struct world *w)
{
	size_t ways[CHAOS_PAIRS_MAX][CHAOS_NODES_MAX], n[CHAOS_PAIRS_MAX] = { 0 };
	json_t *list = json_array(), *through = json_array(), *repairable = json_array();
	int r;

	for (size_t i = 0; i < w->spec->n_pairs; i++) {
		n[i] = chaos_way(w, w->spec->pairs[i][0], w->spec->pairs[i][1], ways[i]);
		(void)json_array_append_new(list, way_json(w, ways[i], n[i]));
	}
	if (n[0] == 0)
		(void)snprintf(w->why, CHAOS_WHY_SIZE, "the way of the first pair is not known");
	r = n[0] == 0 ? -ENOENT : hit(w, ways[0], n[0]);
	if (r < 0 && n[0])
		(void)snprintf(w->why, CHAOS_WHY_SIZE, "there is nothing on the way to be hit");
	for (size_t i = 0; r == 0 && i < w->spec->n_pairs; i++) {
		(void)json_array_append_new(through, json_boolean(is_through(w, ways[i], n[i])));
		(void)json_array_append_new(repairable,
					    json_boolean(is_repairable(w, w->spec->pairs[i])));
	}
	w->fault.is_on = r == 0;
	json_object_set_new(w->fault_log, "kind", json_string(chaos_kind_name(w->spec->kind)));
	json_object_set_new(w->fault_log, "what", json_string(w->fault.what ? w->fault.what : ""));
	json_object_set_new(w->fault_log, "is_grey", json_boolean(is_grey(w->spec->kind)));
	json_object_set_new(w->fault_log, "ways", list);
	json_object_set_new(w->fault_log, "is_through", through);
	json_object_set_new(w->fault_log, "is_repairable", repairable);
	json_object_set_new(w->fault_log, "injected", moment(w));
	json_object_set(w->fault_log, "label", w->label);
	return r;
}

void fault_lift(struct world *w)
{
	struct fault *f = &w->fault;

	f->is_on = false;
	if (strcmp(f->what, "link") == 0)
		sim_link_set(w->sim, f->link, &w->usual[f->link]);
	if (strcmp(f->what, "node") != 0)
		cut(w, false);
	if (w->spec->kind == CHAOS_SILENT_DROP || w->spec->kind == CHAOS_LYING_NODE)
		(void)json_object_set_new(w->label, "dropped",
					  json_integer((json_int_t)f->n_dropped));
	(void)json_object_set_new(w->fault_log, "lifted", moment(w));
}

int fault_turn(struct world *w)
{
	struct fault *f = &w->fault;

	if (f->back_us == 0 || sim_now_us(w->sim) < f->back_us)
		return 0;
	f->back_us = 0;
	f->is_hung = false;
	agent_end(w, f->node, false);
	return agent_boot(w, f->node);
}

/* ---- what is harmless ---- */

/* A node that the fault does not concern, and no probe begins or ends at; the last if there is
 * none. */
static size_t free_node(struct world *w)
{
	size_t list[CHAOS_NODES_MAX], n = 0;

	for (size_t i = 1; i < w->spec->n_nodes; i++) {
		bool is_free = w->agents[i].manager && !w->spec->joins_later[i];

		for (size_t p = 0; p < w->spec->n_pairs; p++)
			is_free &= w->spec->pairs[p][0] != i && w->spec->pairs[p][1] != i;
		for (size_t l = 0; w->fault.what && l < w->spec->n_links; l++)
			is_free &= !is_hit(w, l) ||
				   (w->spec->links[l][0] != i && w->spec->links[l][1] != i);
		if (is_free)
			list[n++] = i;
	}
	return n ? list[rng_below(&w->rng, n)] : w->spec->n_nodes - 1;
}

static int restart(struct world *w, json_t *label)
{
	size_t node = free_node(w);

	json_object_set_new(label, "node", name(w, node));
	agent_end(w, node, true);
	return agent_boot(w, node);
}

static int join(struct world *w, json_t *label)
{
	for (size_t i = 0; i < w->spec->n_nodes; i++) {
		if (!w->spec->joins_later[i] || w->agents[i].manager)
			continue;
		json_object_set_new(label, "node", name(w, i));
		return agent_boot(w, i);
	}
	return 0;
}

static void surge(struct world *w, json_t *label)
{
	size_t n = w->spec->n_nodes;

	w->surge.from = (size_t)rng_below(&w->rng, n);
	w->surge.to = (w->surge.from + 1 + (size_t)rng_below(&w->rng, n - 1)) % n;
	w->surge.next_us = sim_now_us(w->sim);
	w->surge.until_us = w->surge.next_us + SURGE_US;
	json_object_set_new(label, "from", name(w, w->surge.from));
	json_object_set_new(label, "to", name(w, w->surge.to));
}

int event_begin(struct world *w, const struct chaos_event *e)
{
	json_t *label = json_object();
	json_t *row = json_pack("{s:s, s:o, s:o, s:f}", "kind", chaos_event_name(e->kind), "began",
				moment(w), "label", label, "seconds",
				e->kind == CHAOS_SURGE ? (double)SURGE_US / US_PER_S : 0.0);
	int r = 0;

	(void)json_array_append_new(w->event_log, row);
	switch (e->kind) {
	case CHAOS_SURGE:
		surge(w, label);
		break;
	case CHAOS_RESTART:
		r = restart(w, label);
		break;
	case CHAOS_JOIN:
		r = join(w, label);
		break;
	case CHAOS_REKEY: /* all the time */
	case CHAOS_N_EVENTS:
		break;
	}
	return r;
}

void surge_turn(struct world *w)
{
	while (w->surge.next_us < w->surge.until_us && w->surge.next_us <= sim_now_us(w->sim)) {
		w->surge.next_us += SURGE_EVERY_US;
		if (sim_is_running(w->sim, w->surge.from))
			(void)sim_send(w->sim, w->surge.from, w->surge.to, SURGE_LEN);
	}
}

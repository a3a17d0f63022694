/* SPDX-License-Identifier: Apache-2.0 */
/* The room as its node sees it: neighbours, records, time, what is to be sent. */
#include "core/reach/reach.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/link/stream.h"
#include "core/reach/internal.h"

#define RTT_FIRST_US 100000
#define OUT_KEPT 8 /* places kept between calls */

DEFINE_FREEP(struct reach, reach_free)

static int check(const struct reach_config *c)
{
	if (c->self == 0 || !c->routes)
		return -EINVAL;
	if (c->flat_max > REACH_FLAT_MAX || (c->flat_max && c->flat_max < REACH_FLAT_MIN))
		return -EINVAL;
	if (c->zone_max > REACH_FLAT_MAX || (c->zone_max && c->zone_max < REACH_ZONE_MIN))
		return -EINVAL;
	return 0;
}

int reach_new(const struct reach_config *config, uint64_t now_us, struct reach **ret)
{
	CLEANUP(reach_freep) struct reach *r = NULL;
	int err = check(config);

	if (err < 0)
		return err;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->config = *config;
	if (r->config.flat_max == 0)
		r->config.flat_max = REACH_FLAT_MAX;
	if (r->config.zone_max == 0)
		r->config.zone_max = REACH_ZONE_MAX;
	r->routes = config->routes;
	r->now_us = r->born_us = now_us;
	r->wants_due_us = NEVER_US;
	r->rtt_us = RTT_FIRST_US;
	r->is_zoned = true;
	rng_seed(&r->rng, config->seed ^ UINT64_C(0x7265616368));
	r->next_id = (uint32_t)rng_next(&r->rng);
	err = map_new(sizeof(uint64_t), REACH_WANTS_MAX, config->hash_key, &r->wants);
	if (err < 0)
		return err;
	tree_begin(r);
	routes_set_zone(r->routes, r->config.zone_max, now_us);
	*ret = TAKE(r);
	return 0;
}

void reach_free(struct reach *r)
{
	struct want *w;
	size_t cursor = 0;

	if (!r)
		return;
	while (r->wants && (w = map_next(r->wants, &cursor)))
		free(w);
	map_free(r->wants);
	for (size_t i = 0; i < r->n_peers; i++)
		free(r->peers[i].filter);
	free(r->peers);
	free(r->tree.told_filter);
	free(r->seen);
	free(r->origins);
	free(r->answered);
	free(r->out);
	free(r);
}

/* ---- what goes out ---- */

struct reach_action *reach_out(struct reach *r, enum reach_action_type type)
{
	struct reach_action *a;

	if (r->n_out == r->out_size) {
		size_t n_new = r->out_size ? 2 * r->out_size : 4;

		a = realloc(r->out, n_new * sizeof(*a));
		if (!a)
			return NULL;
		r->out = a;
		r->out_size = n_new;
	}
	a = &r->out[r->n_out++];
	a->type = type;
	a->neighbour = 0;
	a->destination = 0;
	a->took_us = 0;
	a->len = 0;
	return a;
}

void reach_send(struct reach *r, uint64_t neighbour, uint8_t record_type, const struct writer *w)
{
	struct reach_action *a = reach_out(r, REACH_SEND);

	if (!a)
		return;
	a->neighbour = neighbour;
	a->record_type = record_type;
	a->len = w->len;
	memcpy(a->body, w->start, w->len);
	r->counters.bytes_sent += w->len;
}

bool reach_next_action(struct reach *r, struct reach_action *ret)
{
	if (r->next_out < r->n_out) {
		const struct reach_action *a = &r->out[r->next_out++];

		ret->type = a->type;
		ret->neighbour = a->neighbour;
		ret->destination = a->destination;
		ret->took_us = a->took_us;
		ret->record_type = a->record_type;
		ret->len = a->len;
		memcpy(ret->body, a->body, a->len);
		return true;
	}
	r->n_out = r->next_out = 0;
	if (r->out_size > OUT_KEPT) {
		free(r->out);
		r->out = NULL;
		r->out_size = 0;
	}
	return false;
}

bool bucket_take(struct bucket *b, unsigned rate, uint64_t now_us)
{
	uint64_t full = rate * UINT64_C(1000);

	if (!b->is_begun) {
		*b = (struct bucket){ .level = full, .filled_us = now_us, .is_begun = true };
	} else {
		uint64_t gained = min_u64(now_us - b->filled_us, US_PER_S) * rate / US_PER_MS;

		if (gained > 0) {
			b->level = min_u64(b->level + gained, full);
			b->filled_us = now_us;
		}
	}
	if (b->level < 1000)
		return false;
	b->level -= 1000;
	return true;
}

/* ---- neighbours ---- */

struct peer *peer_find(struct reach *r, uint64_t id)
{
	for (size_t i = 0; i < r->n_peers; i++) {
		if (r->peers[i].id == id)
			return &r->peers[i];
	}
	return NULL;
}

static int peer_add(struct reach *r, struct peer **ret)
{
	struct peer *p = peer_find(r, 0);

	if (!p && r->n_peers == r->peers_size) {
		size_t n_new = r->peers_size ? 2 * r->peers_size : 4;

		if (r->n_peers >= REACH_NEIGHBOURS_MAX)
			return -ENOBUFS;
		p = realloc(r->peers, n_new * sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->peers = p;
		r->peers_size = n_new;
		p = NULL;
	}
	if (!p)
		p = &r->peers[r->n_peers++];
	*p = (struct peer){ 0 };
	*ret = p;
	return 0;
}

int reach_neighbour_up(struct reach *r, uint64_t neighbour, uint32_t cost, uint64_t now_us)
{
	struct peer *p;
	int err;

	r->now_us = now_us;
	if (neighbour == 0 || neighbour == r->config.self)
		return -EINVAL;
	p = peer_find(r, neighbour);
	if (!p) {
		err = peer_add(r, &p);
		if (err < 0)
			return err;
		p->id = neighbour;
	}
	p->cost = cost ? cost : 1;
	p->is_up = true;
	r->tree.is_dirty = true;
	tree_review(r);
	return 0;
}

void reach_neighbour_cost(struct reach *r, uint64_t neighbour, uint32_t cost, uint64_t now_us)
{
	struct peer *p = neighbour ? peer_find(r, neighbour) : NULL;

	r->now_us = now_us;
	if (!p)
		return;
	p->cost = cost ? cost : 1;
	tree_review(r);
}

void reach_neighbour_down(struct reach *r, uint64_t neighbour, uint64_t now_us)
{
	struct peer *p = neighbour ? peer_find(r, neighbour) : NULL;

	r->now_us = now_us;
	if (!p)
		return;
	if (p->filter)
		r->tree.is_filter_dirty = true;
	free(p->filter);
	*p = (struct peer){ 0 };
	tree_review(r);
}

void reach_neighbour_resync(struct reach *r, uint64_t neighbour, uint64_t now_us)
{
	struct peer *p = neighbour ? peer_find(r, neighbour) : NULL;

	r->now_us = now_us;
	if (!p)
		return;
	p->has_told = false;
	r->tree.is_dirty = true;
	r->tree.flush_us = max_u64(r->tree.flush_us, now_us + 1); /* not in the drain under way */
	if (neighbour == r->tree.parent)
		filter_forget_told(r);
}

/* ---- input and time ---- */

static int input(struct reach *r, struct peer *p, uint8_t record_type, struct span body)
{
	switch (record_type) {
	case RECORD_TREE:
		return tree_input(r, p, body);
	case RECORD_TREE_FILTER:
		return filter_input(r, p, body);
	case RECORD_TREE_ASK:
		return tree_ask_input(r, p, body);
	case RECORD_ROUTE_REQUEST:
		return request_input(r, p, body);
	default:
		return -EPROTO;
	}
}

int reach_input(struct reach *r, uint64_t neighbour, uint8_t record_type, struct span body,
		uint64_t now_us)
{
	struct peer *p = neighbour ? peer_find(r, neighbour) : NULL;
	int err;

	r->now_us = now_us;
	if (!p) {
		if (neighbour == 0 || neighbour == r->config.self)
			return -EPROTO;
		err = peer_add(r, &p); /* it may speak before its link counts here */
		if (err < 0)
			return err;
		p->id = neighbour;
	}
	err = input(r, p, record_type, body);
	if (err < 0)
		r->counters.refused++;
	return err;
}

void reach_tick(struct reach *r, uint64_t now_us)
{
	r->now_us = now_us;
	tree_tick(r);
	wants_tick(r);
}

uint64_t reach_deadline_us(const struct reach *r)
{
	return min_u64(tree_deadline_us(r), r->wants_due_us);
}

/* ---- asked ---- */

void reach_view(const struct reach *r, struct reach_view *ret)
{
	const struct tree *t = &r->tree;
	const struct want *w;
	size_t cursor = 0;

	*ret = (struct reach_view){
		.is_zoned = r->is_zoned,
		.zone_max = routes_zone_max(r->routes),
		.zone = routes_zone_count(r->routes),
		.root = t->own.root,
		.parent = t->parent,
		.cost = t->own.cost,
		.n_nodes = t->n_nodes,
		.n_below = t->n_below,
		.n_wants = map_count(r->wants),
	};
	while ((w = map_next(r->wants, &cursor)))
		ret->n_looking += w->state == WANT_LOOKING;
}

void reach_counters(const struct reach *r, struct reach_counters *ret)
{
	*ret = r->counters;
}

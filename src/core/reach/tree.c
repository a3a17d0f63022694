/* SPDX-License-Identifier: Apache-2.0 */
/* One spanning tree over the mesh, for looking nodes up and for counting them. Packets do not
 * follow it. As in core/route a node takes a parent only if that is nearer to the root than it
 * ever told to be itself under the same stamp, so that the tree is one. */
#include <errno.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "base/units.h"
#include "core/link/stream.h"
#include "core/reach/internal.h"

#define TREE_PACING_US 50000
#define SETTLED_US 500000		  /* a number of nodes is believed to be small after this */
#define COUNT_US 10000000		  /* small changes of the number are told after this */
#define BUMP_MIN_US 5000000		  /* a root raises its stamp no faster when asked */
#define ASK_US 2000000			  /* how often a newer stamp is asked for */
#define ASK_ON_US 1000000		  /* and asked on */
#define STALE_MAX_US 5000000		  /* a parent may lag behind a new stamp so long */
#define EXPIRED_US (3 * REACH_REFRESH_US) /* a root not heard of for so long is gone */

static uint64_t root_hash(uint64_t id)
{
	static const uint8_t key[16] = "x0 reach root";
	uint8_t bytes[8];
	struct span part = SPAN_OF(bytes);

	store_u64(bytes, id);
	return siphash64(key, &part, 1);
}

static bool root_is_better(const struct tree_record *a, const struct tree_record *b)
{
	uint64_t x, y;

	if ((a->flags ^ b->flags) & TREE_MATURE)
		return a->flags & TREE_MATURE;
	if (a->root == b->root)
		return false;
	x = root_hash(a->root);
	y = root_hash(b->root);
	return x != y ? x < y : a->root < b->root;
}

bool tree_is_child(const struct peer *p)
{
	return p->has_info && p->info.flags & TREE_IS_PARENT;
}

/* ---- what may be believed ---- */

static struct root_seen *seen_root(struct reach *r, uint64_t root)
{
	for (unsigned i = 0; i < ROOTS_KEPT; i++) {
		if (r->tree.roots[i].root == root)
			return &r->tree.roots[i];
	}
	return NULL;
}

static void note_told(struct reach *r)
{
	const struct tree_record *own = &r->tree.own;
	struct root_seen *s = seen_root(r, own->root);

	if (own->root == r->config.self)
		return;
	if (!s) {
		s = &r->tree.roots[r->tree.next_root++ % ROOTS_KEPT];
		*s = (struct root_seen){ .root = own->root };
	}
	if (s->stamp != own->stamp)
		*s = (struct root_seen){ own->root, own->stamp, own->cost, r->now_us };
	else if (own->cost < s->cost)
		s->cost = own->cost;
}

/* The feasibility condition, for the tree. */
static bool is_feasible(struct reach *r, const struct peer *p)
{
	const struct root_seen *s = seen_root(r, p->info.root);

	if (!s || p->info.stamp > s->stamp)
		return true;
	return p->info.stamp == s->stamp && p->info.cost < s->cost &&
	       r->now_us - s->since_us < EXPIRED_US;
}

static bool may_keep(struct reach *r, const struct peer *p)
{
	const struct root_seen *s = seen_root(r, p->info.root);

	return p->id == r->tree.parent && p->info.root == r->tree.own.root &&
	       (!s || (p->info.stamp >= s->stamp && r->now_us - s->since_us < EXPIRED_US));
}

static bool is_candidate(struct reach *r, const struct peer *p)
{
	return p->is_up && p->has_info && !tree_is_child(p) && p->info.root != r->config.self &&
	       (may_keep(r, p) || is_feasible(r, p));
}

/* ---- choice ---- */

static uint32_t cost_through(const struct peer *p)
{
	return (uint32_t)min_u64((uint64_t)p->info.cost + p->cost, UINT32_MAX);
}

static const struct peer *best_through(struct reach *r, const struct tree_record *root)
{
	const struct peer *best = NULL;
	const struct peer *parent = NULL;
	bool is_stale = false;

	for (size_t i = 0; i < r->n_peers; i++) {
		const struct peer *p = &r->peers[i];

		if (!is_candidate(r, p) || p->info.root != root->root ||
		    (p->info.flags ^ root->flags) & TREE_MATURE)
			continue;
		if (!best || cost_through(p) < cost_through(best))
			best = p;
		if (p->id == r->tree.parent)
			parent = p;
	}
	for (size_t i = 0; parent && i < r->n_peers; i++)
		is_stale |= is_candidate(r, &r->peers[i]) && r->peers[i].info.root == root->root &&
			    r->peers[i].info.stamp > parent->info.stamp;
	if (!is_stale)
		r->tree.stale_us = 0;
	else if (!r->tree.stale_us)
		r->tree.stale_us = r->now_us;
	else if (r->now_us - r->tree.stale_us >= STALE_MAX_US)
		return best;
	if (parent && (uint64_t)cost_through(best) * 13 >= (uint64_t)cost_through(parent) * 10)
		return parent;
	return best;
}

static struct tree_record as_root(const struct reach *r)
{
	bool is_mature = r->now_us - r->born_us >= REACH_MATURE_US;

	return (struct tree_record){ .flags = is_mature ? TREE_MATURE : 0,
				     .root = r->config.self,
				     .stamp = r->tree.own_stamp };
}

static struct tree_record best_root(struct reach *r)
{
	struct tree_record best = as_root(r);

	for (size_t i = 0; i < r->n_peers; i++) {
		const struct peer *p = &r->peers[i];

		if (is_candidate(r, p) && root_is_better(&p->info, &best))
			best = p->info;
	}
	best.flags &= TREE_MATURE;
	return best;
}

/* What was told stays true enough while it is within an eighth and beyond what the parent told. */
static uint32_t cost_to_tell(const struct reach *r, const struct peer *p)
{
	const struct tree_record *own = &r->tree.own;
	uint32_t cost = cost_through(p);
	uint32_t off = cost > own->cost ? cost - own->cost : own->cost - cost;
	bool is_same = p->id == r->tree.parent && own->root == p->info.root;

	return is_same && off <= own->cost / 8 && own->cost > p->info.cost ? own->cost : cost;
}

static void set_number(struct reach *r, uint32_t n)
{
	if (n == r->tree.n_nodes)
		return;
	r->tree.n_nodes = n;
	r->tree.settled_us = r->now_us;
	r->tree.is_dirty = true;
}

/* The root tells small changes late, for they go to all. */
static void count(struct reach *r)
{
	struct tree *t = &r->tree;
	uint64_t n = 1;
	uint32_t off;

	for (size_t i = 0; i < r->n_peers; i++) {
		const struct peer *p = &r->peers[i];

		if (p->is_up && tree_is_child(p))
			n += p->info.n;
	}
	n = min_u64(n, UINT32_MAX);
	if (n != t->n_below)
		t->is_dirty = true;
	t->n_below = (uint32_t)n;
	if (t->parent)
		return;
	off = t->n_below > t->n_nodes ? t->n_below - t->n_nodes : t->n_nodes - t->n_below;
	if (off > t->n_nodes / 16 || (off && r->now_us - t->counted_us >= COUNT_US)) {
		t->counted_us = r->now_us;
		set_number(r, t->n_below);
	}
}

static void take(struct reach *r, const struct peer *p)
{
	struct tree *t = &r->tree;
	struct tree_record own = as_root(r);
	uint64_t parent = p ? p->id : 0;

	if (p) {
		own = p->info;
		own.flags &= TREE_MATURE;
		own.cost = cost_to_tell(r, p);
	}
	if (own.root != t->own.root)
		t->settled_us = r->now_us;
	if (parent != t->parent) {
		r->counters.parents++;
		filter_forget_told(r);
	}
	t->is_dirty |= parent != t->parent || own.root != t->own.root ||
		       own.stamp != t->own.stamp || own.cost != t->own.cost ||
		       own.flags != t->own.flags;
	t->parent = parent;
	t->own = own;
	note_told(r);
	if (p)
		set_number(r, p->info.n);
}

static bool is_better_out_of_reach(struct reach *r, const struct peer *p)
{
	return p->is_up && p->has_info && !tree_is_child(p) && !is_candidate(r, p) &&
	       root_is_better(&p->info, &r->tree.own);
}

static bool is_starved(struct reach *r)
{
	for (size_t i = 0; i < r->n_peers; i++) {
		if (is_better_out_of_reach(r, &r->peers[i]))
			return true;
	}
	return false;
}

static void send_ask(struct reach *r, uint64_t to, uint64_t root, uint64_t stamp)
{
	uint8_t bytes[TREE_ASK_LEN];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct tree_ask a = { root, stamp };

	tree_ask_encode(&w, &a);
	reach_send(r, to, RECORD_TREE_ASK, &w);
	r->tree.asked_us = r->now_us;
}

/* A neighbour is in a better tree, and for all we know through us: a newer stamp would tell. */
static void ask_for_stamps(struct reach *r)
{
	if (r->now_us - r->tree.asked_us < ASK_US)
		return;
	for (size_t i = 0; i < r->n_peers; i++) {
		const struct peer *p = &r->peers[i];

		if (is_better_out_of_reach(r, p))
			send_ask(r, p->id, p->info.root, p->info.stamp);
	}
}

static void set_zone(struct reach *r)
{
	size_t flat = r->config.flat_max;
	size_t more = flat + max_u64(flat / 10, 1);

	if (r->tree.n_nodes >= more)
		r->is_zoned = true;
	else if (r->tree.n_nodes <= flat && r->now_us - r->tree.settled_us >= SETTLED_US)
		r->is_zoned = false;
	routes_set_zone(r->routes, r->is_zoned ? r->config.zone_max : more, r->now_us);
}

void tree_review(struct reach *r)
{
	struct tree_record root = best_root(r);

	take(r, root.root == r->config.self ? NULL : best_through(r, &root));
	count(r);
	ask_for_stamps(r);
	set_zone(r);
}

void tree_begin(struct reach *r)
{
	struct tree *t = &r->tree;

	t->own_stamp = (uint64_t)r->config.epoch << 32 | 1;
	t->refresh_us = r->now_us + rng_jitter(&r->rng, REACH_REFRESH_US, 10);
	t->settled_us = r->now_us;
	t->asked_us = r->now_us;
	t->bumped_us = r->now_us;
	t->own = as_root(r);
	t->n_below = t->n_nodes = 1;
	t->is_dirty = true;
}

/* ---- records ---- */

static void tell_anew(struct reach *r, struct peer *p)
{
	p->has_told = false;
	r->tree.is_dirty = true;
	if (p->id == r->tree.parent)
		filter_forget_told(r);
}

int tree_input(struct reach *r, struct peer *p, struct span body)
{
	struct tree_record t;
	int err = tree_decode(body, &t);

	if (err < 0)
		return err;
	if ((t.root == p->id) != (t.cost == 0))
		return -EPROTO; /* only the root is at no cost from itself */
	/* somebody told a stamp of ours that never was: go beyond it, or who heard it waits */
	if (t.root == r->config.self && t.stamp > r->tree.own_stamp)
		r->tree.own_stamp = t.stamp;
	if (t.flags & TREE_ANEW)
		tell_anew(r, p);
	t.flags &= TREE_MATURE | TREE_IS_PARENT;
	p->info = t;
	p->has_info = true;
	if (!tree_is_child(p) && p->filter) {
		free(p->filter);
		p->filter = NULL;
		r->tree.is_filter_dirty = true;
	}
	tree_review(r);
	return 0;
}

static void bump(struct reach *r)
{
	r->tree.own_stamp++;
	r->tree.bumped_us = r->now_us;
	r->tree.refresh_us = r->now_us + rng_jitter(&r->rng, REACH_REFRESH_US, 10);
	tree_review(r);
}

int tree_ask_input(struct reach *r, struct peer *p, struct span body)
{
	struct tree *t = &r->tree;
	struct tree_ask a;
	int err = tree_ask_decode(body, &a);

	if (err < 0)
		return err;
	if (a.root != t->own.root || a.stamp < t->own.stamp || p->id == t->parent)
		return 0;
	if (t->parent) {
		if (r->now_us - t->asked_us >= ASK_ON_US)
			send_ask(r, t->parent, a.root, a.stamp);
	} else if (r->now_us - t->bumped_us >= BUMP_MIN_US) {
		bump(r);
	} else {
		t->refresh_us = min_u64(t->refresh_us, t->bumped_us + BUMP_MIN_US);
	}
	return 0;
}

/* ---- telling ---- */

static bool is_news(const struct peer *p, const struct tree_record *now)
{
	const struct tree_record *told = &p->told;

	if (!p->has_told || told->flags != now->flags || told->root != now->root ||
	    told->stamp != now->stamp || told->cost != now->cost)
		return true;
	return told->n != now->n && (now->flags & TREE_IS_PARENT || tree_is_child(p));
}

static void tell(struct reach *r, struct peer *p)
{
	const struct tree *t = &r->tree;
	struct tree_record now = t->own;
	uint8_t bytes[TREE_LEN];
	struct writer w = writer_of(bytes, sizeof(bytes));

	now.n = t->n_nodes;
	if (p->id == t->parent) {
		now.flags |= TREE_IS_PARENT;
		now.n = t->n_below;
	}
	if (!is_news(p, &now))
		return;
	p->told = now;
	p->has_told = true;
	now.flags |= p->has_info ? 0 : TREE_ANEW;
	tree_encode(&w, &now);
	reach_send(r, p->id, RECORD_TREE, &w);
}

/* The filter after the record that tells the parent that it is one. */
static void flush(struct reach *r)
{
	struct tree *t = &r->tree;

	if (t->is_dirty && r->now_us >= t->flush_us) {
		for (size_t i = 0; i < r->n_peers; i++) {
			if (r->peers[i].is_up)
				tell(r, &r->peers[i]);
		}
		t->is_dirty = false;
		t->flush_us = r->now_us + TREE_PACING_US;
	}
	if (!t->is_dirty)
		filter_tell(r);
}

/* Of the choice, what time alone may change. */
static uint64_t review_due_us(const struct reach *r)
{
	const struct tree *t = &r->tree;
	uint64_t due = NEVER_US;

	if (!t->parent)
		due = t->refresh_us;
	if (!t->parent && t->n_below != t->n_nodes)
		due = min_u64(due, t->counted_us + COUNT_US);
	if (r->now_us - r->born_us < REACH_MATURE_US)
		due = min_u64(due, r->born_us + REACH_MATURE_US);
	if (t->stale_us)
		due = min_u64(due, t->stale_us + STALE_MAX_US);
	if (r->is_zoned && t->n_nodes <= r->config.flat_max)
		due = min_u64(due, t->settled_us + SETTLED_US);
	for (unsigned i = 0; t->parent && i < ROOTS_KEPT; i++) {
		if (t->roots[i].root == t->own.root)
			due = min_u64(due, t->roots[i].since_us + EXPIRED_US);
	}
	if (is_starved((struct reach *)(uintptr_t)r))
		due = min_u64(due, t->asked_us + ASK_US);
	return due;
}

void tree_tick(struct reach *r)
{
	struct tree *t = &r->tree;

	if (!t->parent && r->now_us >= t->refresh_us)
		bump(r);
	else if (r->now_us >= review_due_us(r))
		tree_review(r);
	flush(r);
}

uint64_t tree_deadline_us(const struct reach *r)
{
	const struct tree *t = &r->tree;
	uint64_t due = review_due_us(r);

	if (t->is_dirty)
		due = min_u64(due, t->flush_us);
	else if (t->is_filter_dirty && t->parent)
		due = min_u64(due, t->filter_us);
	return due;
}

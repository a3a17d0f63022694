/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of reach/ share. Private to it. */
#pragma once

#include "base/map.h"
#include "base/rng.h"
#include "core/reach/reach.h"
#include "core/reach/record.h"

#define FILTER_WORDS (REACH_FILTER_BITS / 64)
#define ROOTS_KEPT 4 /* roots whose least cost we remember */

/* Tokens in thousandths; a second's worth is the most that is saved. */
struct bucket {
	uint64_t level;
	uint64_t filled_us;
	bool is_begun;
};

struct peer {
	uint64_t id; /* 0: free */
	uint32_t cost;
	bool is_up;
	bool has_info;
	struct tree_record info;
	bool has_told;
	struct tree_record told;
	uint64_t *filter; /* of what lies below it; NULL: nothing, or it is no child */
	struct bucket bucket;
};

struct root_seen {
	uint64_t root, stamp;
	uint32_t cost;	   /* the least we told of it under this stamp */
	uint64_t since_us; /* the stamp is known */
};

struct tree {
	/* What we stand for: root, stamp, cost as told to all. */
	struct tree_record own;
	uint64_t own_stamp; /* of the tree of which this node is the root */
	uint64_t parent;    /* 0: we are the root */
	struct root_seen roots[ROOTS_KEPT];
	unsigned next_root;
	uint32_t n_below;
	uint32_t n_nodes;    /* as the root said */
	uint64_t settled_us; /* root and number last changed */
	uint64_t counted_us; /* root: the number was last told anew */
	uint64_t refresh_us; /* root: next stamp */
	uint64_t bumped_us;
	uint64_t asked_us; /* a newer stamp was last asked for, or asked on */
	uint64_t stale_us; /* the parent lags behind a newer stamp since; 0: not */
	uint64_t flush_us; /* nothing is told before */
	bool is_dirty;
	uint64_t filter_us; /* the same for the filter */
	bool is_filter_dirty;
	uint64_t *told_filter; /* what the parent was told; NULL: nothing */
};

enum want_state {
	WANT_LOOKING,
	WANT_FOUND,
	WANT_FAILED,
};

struct want {
	uint64_t id;
	enum want_state state;
	uint8_t stage;
	uint64_t due_us;
	uint64_t began_us, asked_us, used_us;
	uint64_t hold_us; /* no new search for so long after one in vain */
};

struct seen {
	uint64_t origin;
	uint32_t id;
};

struct answered {
	uint64_t origin;
	uint32_t id;
	unsigned n;
	uint64_t first[REACH_ANSWERS_MAX], last[REACH_ANSWERS_MAX];
};

struct origin {
	uint64_t id;
	struct bucket bucket;
};

struct reach {
	struct reach_config config;
	struct routes *routes;
	struct rng rng;
	uint64_t now_us, born_us;
	struct peer *peers;
	size_t n_peers, peers_size;
	struct tree tree;
	bool is_zoned;

	struct map *wants;
	uint64_t wants_due_us;
	uint64_t rtt_us; /* of setting up a route, smoothed */
	uint32_t next_id;
	struct bucket own_bucket;

	struct seen *seen; /* REACH_SEEN_MAX, made when the first request comes */
	unsigned n_seen, next_seen;
	struct origin *origins; /* REACH_ORIGINS_MAX, likewise */
	unsigned n_origins;
	struct answered *answered; /* REACH_ANSWERED_MAX, likewise */
	unsigned n_answered, next_answered;

	struct reach_action *out; /* to be handed out */
	size_t n_out, out_size, next_out;
	struct reach_counters counters;
};

/* ---- reach.c ---- */
struct peer *peer_find(struct reach *r, uint64_t id);
/* A record to be sent; its body is then written. NULL: no memory. */
struct reach_action *reach_out(struct reach *r, enum reach_action_type type);
void reach_send(struct reach *r, uint64_t neighbour, uint8_t record_type, const struct writer *w);
bool bucket_take(struct bucket *b, unsigned rate, uint64_t now_us);

/* ---- filter.c ---- */
void filter_add(uint64_t *filter, uint64_t id);
bool filter_has(const uint64_t *filter, uint64_t id);
int filter_input(struct reach *r, struct peer *p, struct span body);
void filter_tell(struct reach *r); /* the parent, what changed */
void filter_forget_told(struct reach *r);

/* ---- tree.c ---- */
void tree_begin(struct reach *r);
void tree_review(struct reach *r); /* chooses the root and the parent again */
int tree_input(struct reach *r, struct peer *p, struct span body);
int tree_ask_input(struct reach *r, struct peer *p, struct span body);
void tree_tick(struct reach *r);
uint64_t tree_deadline_us(const struct reach *r);
bool tree_is_child(const struct peer *p);

/* ---- request.c ---- */
int request_input(struct reach *r, struct peer *from, struct span body);
/* Sends one of ours; true if it went to anybody. */
bool request_own(struct reach *r, struct want *w, enum request_kind kind, uint8_t hops);

/* ---- want.c ---- */
void wants_tick(struct reach *r);

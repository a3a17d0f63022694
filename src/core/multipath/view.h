/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - what this node has been told of the links of others: as much of the mesh as is needed to
 * find ways that share no node. Routing is by distances and knows no links, so they are asked for,
 * node by node, and only while somebody is sent to by more than one way (docs/multipath.md).
 *
 * It sends nothing itself: it says whom to ask. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "core/multipath/disjoint.h"

#define VIEW_NODES_MAX 64      /* whose links are known, or asked for */
#define VIEW_FRESH_US 10000000 /* an answer, or that there is none, is believed this long */
#define VIEW_RETRY_US 300000   /* asked again */
#define VIEW_TRIES 3	       /* and then it is silent, for: */
#define VIEW_SILENT_US 3000000
#define VIEW_ASKS_PER_SECOND 100 /* of this node, of all others together */
#define VIEW_COST_MAX 0xfffffeU

/* One link of a node. */
struct view_link {
	uint64_t id;
	uint32_t cost; /* 1 to VIEW_COST_MAX, 10 us */
};

/* nonce 4 | n 1 | n * (node id 8 | cost 3): what a node answers. */
#define VIEW_ANSWER_MAX (5 + 11 * GRAPH_DEGREE_MAX)

struct view_answer {
	uint32_t nonce;
	size_t n;
	struct view_link links[GRAPH_DEGREE_MAX];
};

/* -EBADMSG: not of this length; -EPROTO: node id 0, a cost out of range, more links than are kept,
 * a node twice. */
int view_answer_decode(struct span body, struct view_answer *ret);
size_t view_answer_encode(const struct view_answer *a, uint8_t ret[VIEW_ANSWER_MAX]);

struct view_node {
	uint64_t id;
	uint32_t nonce;	   /* of the question under way */
	unsigned n_asked;  /* since the last answer */
	uint64_t asked_us; /* 0 never */
	uint64_t told_us;  /* 0 never */
	size_t n_links;
	struct view_link links[GRAPH_DEGREE_MAX];
};

/* All zeros knows nothing. */
struct view {
	size_t n;
	struct view_node nodes[VIEW_NODES_MAX];
	uint64_t second_us; /* whose questions are counted */
	unsigned n_asks;
};

/* Who this node is and what its own links are. */
struct view_self {
	uint64_t id;
	size_t n_links;
	struct view_link links[GRAPH_DEGREE_MAX];
};

/* The graph of all that is fresh. A link counts where each of its two ends that has told names it,
 * at what the dearer says: nobody can claim a link to a node that was asked and does not know of
 * it. */
void view_graph(const struct view *v, const struct view_self *self, uint64_t now_us,
		struct graph *ret);

enum view_step {
	VIEW_ASK,  /* send a question with *ret_nonce to *ret_id, then call again */
	VIEW_WAIT, /* for answers; call again when one came, and at *ret_at_us */
	VIEW_DONE, /* there are two ways at least, or nobody more to ask */
};

/* What to do next to find ways to a node. Its own links and those of its surroundings and ours are
 * asked for, nearest to either end first. nonce: a random one. */
enum view_step view_explore(struct view *v, const struct view_self *self, uint64_t to,
			    uint32_t nonce, uint64_t now_us, uint64_t *ret_id, uint64_t *ret_at_us);
/* False: it was not asked, or not so. */
bool view_told(struct view *v, uint64_t id, const struct view_answer *a, uint64_t now_us);
/* What a node said is no longer believed: a way by it has failed. */
void view_doubt(struct view *v, uint64_t id);

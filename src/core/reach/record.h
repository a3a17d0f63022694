/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - the bytes of the records of core/reach (docs/reach.md). Private to reach/. */
#pragma once

#include "base/bytes.h"
#include "core/reach/reach.h"

#define TREE_LEN 25
#define TREE_ASK_LEN 16
#define REACH_REQUEST_LEN 37
#define TREE_STAMP_MAX (UINT64_MAX - ((uint64_t)1 << 32)) /* there is always a later one */
#define FILTER_POSITIONS_MAX 600			  /* of one record */

#define TREE_MATURE 0x01    /* the root has been up for more than an hour */
#define TREE_IS_PARENT 0x02 /* the receiver is the sender's parent */
#define TREE_ANEW 0x04	    /* the sender knows nothing of the receiver */

/* Where its sender stands in the tree. */
struct tree_record {
	uint8_t flags;
	uint64_t root;
	uint64_t stamp; /* epoch and count of the root: later ones win */
	uint32_t cost;	/* from the sender to the root */
	uint32_t n;	/* nodes below, for a parent; else all nodes, as the root said */
};

int tree_decode(struct span body, struct tree_record *ret);
void tree_encode(struct writer *w, const struct tree_record *t);

struct tree_ask {
	uint64_t root;
	uint64_t stamp; /* one newer than this is asked for */
};

int tree_ask_decode(struct span body, struct tree_ask *ret);
void tree_ask_encode(struct writer *w, const struct tree_ask *a);

/* kind 1 | positions of 2 each. */
enum filter_kind {
	FILTER_ANEW = 0, /* all bits are 0 but these */
	FILTER_SET = 1,
	FILTER_CLEAR = 2,
};

enum request_kind {
	REQUEST_TREE = 0,    /* up the tree, and down where a filter matches */
	REQUEST_RING = 1,    /* to all */
	REQUEST_CONFIRM = 2, /* along the route: it is in use */
};

struct reach_request {
	enum request_kind kind;
	uint8_t hops_left; /* not 0 */
	uint8_t hops_done;
	uint64_t destination, origin;
	uint32_t id;
	uint64_t first; /* the first node on its way */
	struct route_wanted wanted;
};

int reach_request_decode(struct span body, struct reach_request *ret);
void reach_request_encode(struct writer *w, const struct reach_request *q);

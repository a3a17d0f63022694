/* SPDX-License-Identifier: Apache-2.0 */
/* spread_internal.h - more than one way to a peer, and from it: what spread*.c share. */
#pragma once

#include "core/forward/labels.h"
#include "core/node/node_internal.h"

_Static_assert(PATH_NODES_MAX == LABELS_MAX, "a path is a stack of labels");
_Static_assert(WAYS_LANE_URGENT == LANE_URGENT, "reports tell lanes apart");

#define SPREAD_BULK_BPS 4000000 /* more bulk than this to one peer is worth a second way */
#define SPREAD_BULK_WINDOW_US MS(500)
#define SPREAD_IDLE_US SECONDS(20)   /* unused this long: forgotten */
#define SPREAD_PROBE_SOON_US MS(100) /* while one is not known, so many times */
#define SPREAD_PROBES_SOON 20
#define SPREAD_PROBE_US SECONDS(1)	 /* each way, while it is used */
#define SPREAD_EXPLORE_MIN_US SECONDS(4) /* where there was one way at most; doubling to: */
#define SPREAD_EXPLORE_US SECONDS(32)	 /* ways are looked for anew */
#define SPREAD_AGAIN_US SECONDS(2)	 /* the same, after one was lost or a route changed */
#define SPREAD_EXPLORES_FOR_US SECONDS(3)
#define SPREAD_ORDERS_US SECONDS(1) /* after the last labelled bulk packet */

struct spread {
	struct peer *peer;
	uint64_t used_us; /* last sent to, or heard by labels */
	/* sending: */
	uint64_t wanted_us;   /* by a packet; 0: never */
	uint64_t explore_us;  /* look for ways then; NEVER_US while it is being done */
	uint64_t explores_us; /* since when it is being done; 0: it is not */
	uint64_t explored_us;
	uint64_t again_us; /* the wait after the last one */
	uint64_t step_us;  /* the next step of that */
	uint64_t probe_us;
	unsigned n_probes_soon;
	size_t n_paths; /* as many as ways */
	struct path paths[PATHS_MAX];
	struct wire_hop labels[PATHS_MAX]; /* flow hash and options */
	struct ways ways;
	/* receiving: */
	struct inlet inlet;
	uint32_t index, index_before; /* end-to-end keys whose numbers are put in order */
	uint64_t ordered_us;	      /* last labelled bulk packet; 0 never */
	struct resequence *order;     /* NULL: none came yet */
	struct resequence_counters told;
};

/* spread_view.c: looks for ways; true: this has ended, by *ret_n paths. */
bool spread_explore(struct node *n, struct spread *sp, struct path ret[PATHS_MAX], size_t *ret_n);

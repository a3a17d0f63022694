/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - what the files of an episode share. */
#pragma once

#include "base/rng.h"
#include "base/units.h"
#include "chaos/chaos.h"
#include "core/manager/manager.h"
#include "sim/sim.h"

#define CHAOS_UNIX_MS_AT_0 INT64_C(1790000000000) /* the simulator's */

/* An incident as it was last written. */
struct seen {
	uint64_t id;
	enum healing_state state;
	uint64_t explained_us;
	json_t *json; /* borrowed of the list */
};

struct agent {
	struct manager *manager; /* NULL: its node is off */
	uint64_t due_us;	 /* true time */
	uint64_t boots;
	struct seen seen[HEALING_INCIDENTS_MAX];
	size_t n_seen; /* up to the room there is; then the oldest is written over */
	json_t *ledger;
};

/* Probes of one size between one pair, and their answers. */
struct stream {
	size_t from, to, len;
	uint64_t every_us, next_us, begin_us;
	struct asked {
		uint64_t sent_us, request, reply; /* 0: none */
		bool is_over;
	} * asked;
	size_t n, size, oldest;
	json_t *after, *took;
};

/* What a fault of this kind is about, and does to a datagram. */
struct fault {
	const char *what; /* "link", "node", "part", "none" */
	size_t link;
	bool near_is_b, is_on, to_b;
	size_t node;
	uint32_t loss_ppm;
	uint64_t hold_us; /* held back: reordering */
	size_t len_min;	  /* of what a relay throws away */
	bool side[CHAOS_NODES_MAX];
	uint64_t back_us; /* the daemon is started again; 0: it is there */
	bool is_hung;
	uint64_t n_relayed; /* of those that the node counted, looked at */
	uint64_t n_dropped;
};

struct world {
	const struct chaos_spec *spec;
	struct sim *sim;
	struct rng rng, drops;
	struct sim_link_quality usual[CHAOS_LINKS_MAX];
	struct agent agents[CHAOS_NODES_MAX];
	struct stream streams[2 * CHAOS_PAIRS_MAX];
	struct fault fault;
	struct {
		uint64_t until_us, next_us;
		size_t from, to;
	} surge;
	uint64_t begin_us; /* the mesh is up */
	json_t *fault_log, *label, *event_log, *incidents, *samples;
	char *why;
};

/* ---- faults.c ---- */

/* Where packets of a pair go now; 0: nowhere. */
size_t chaos_way(const struct world *w, size_t from, size_t to, size_t ret[CHAOS_NODES_MAX]);
/* Chooses whom it hits by the ways of the first pair, and hits. -ENOENT, -ENOMEM. */
int fault_inject(struct world *w);
void fault_lift(struct world *w);
/* The simulator's tap: true takes a datagram off the link. */
bool fault_takes(void *arg, size_t link, bool to_b, struct span datagram);
/* A daemon that was killed or hangs is started again. -ENOMEM and the like. */
int fault_turn(struct world *w);
int event_begin(struct world *w, const struct chaos_event *e);
void surge_turn(struct world *w);

/* ---- agents.c ---- */

/* Boots the node and gives it a manager. */
int agent_boot(struct world *w, size_t node);
void agent_end(struct world *w, size_t node, bool says_goodbye);
void agent_turn(struct world *w, size_t node);
void agent_event(void *arg, size_t node, const struct node_event *e, uint64_t now_us);

/* ---- record.c ---- */

void record_incidents(struct world *w, size_t node);
void record_order(struct world *w, size_t node, const struct healing_order *o);
void record_sample(struct world *w);
/* Seconds of true time, from the simulator's zero. */
json_t *record_time(const struct world *w);
json_t *record_file(struct world *w);
size_t node_of_id(const struct world *w, uint64_t id); /* n_nodes: nobody */

/* SPDX-License-Identifier: Apache-2.0 */
/* mesh_run.h - scenarios on a mesh, and what they measure. One run is a topology, a scenario and
 * a seed; runs of other seeds know nothing of each other and may be made anywhere, in any order. */
#pragma once

#include "sim/mesh.h"
#include "sim/statistics.h"

enum mesh_scenario {
	MESH_COLDSTART, /* all boot within a tenth of a second; then rest */
	MESH_FAILOVER,	/* elements in use fail, one or two at a time, and come back */
	MESH_CHURN,	/* nodes crash and boot */
	MESH_MOBILITY,	/* nodes wander, links come and go */
	MESH_PARTITION, /* the mesh falls in two and is joined again */
	MESH_LIARS,	/* a node lies */
	MESH_N_SCENARIOS,
};

enum mesh_fault {
	MESH_FAULT_LINK,
	MESH_FAULT_NODE,
	MESH_FAULT_DOUBLE, /* two links at the same instant */
	MESH_N_FAULTS,
};

struct mesh_options {
	const struct topology *topology;
	enum mesh_scenario scenario;
	uint64_t seed;
	uint32_t loss_ppm;
	unsigned check_every;
	uint64_t memory_max;
	uint64_t cold_max_us;	   /* a cold start is given up after this; 0: 60 s */
	size_t flat_max, zone_max; /* of core/reach; 0: its own */
	bool is_unproved;	   /* without epoch certificates, which cost memory for each pair */
	size_t n_failures;	   /* failover; 0: 20 */
	enum mesh_fault fault;	   /* failover */
	bool has_carrier_loss;	   /* failover: both ends know at once */
	uint64_t duration_us;	   /* churn, mobility, partition, liars; 0: chosen */
	unsigned liar;		   /* MESH_LIAR_*; 0: MESH_LIAR_METRIC */
	bool wants_trace;	   /* failover: of the first flow of the first failure */
};

/* For a picture: the first failure, or the liar, or the cut. */
struct mesh_picture {
	size_t failed_nodes[2], failed_links[2];
	size_t n_failed_nodes, n_failed_links;
	size_t *before, *after; /* paths of one flow */
	size_t n_before, n_after;
};

struct mesh_report {
	bool is_ok;	   /* no invariant broke, nothing stopped it, and what must be routed is */
	char failure[200]; /* the first broken invariant, or what was not reached */
	bool is_out_of_memory;
	size_t sampled;		/* pairs whose routing is watched */
	size_t routed;		/* of them, at the end */
	uint64_t booted_us;	/* when the last node had booted, from the first */
	uint64_t cold_99_us;	/* from then: 99 % of the sampled pairs; 0: never */
	uint64_t cold_all_us;	/* all of them */
	double cold_bytes_node; /* control, whole cold start */
	/* beyond the zone: pairs that had to be looked for */
	size_t n_zoned;	   /* nodes that know that they are not told of all */
	size_t tree_roots; /* different ones at the end of the cold start */
	size_t looked_for, looked_in_vain;
	size_t found_at_once;	      /* by the tree, without a ring */
	struct samples setup;	      /* us, until there was a route */
	struct samples setup_rtt;     /* us, of the way that it then led, there and back */
	struct samples setup_beyond;  /* us, the first less the second */
	struct samples reach_stretch; /* permille of the least delay, of that way */
	struct samples ping;	      /* us, first packet there and back less the RTT of the way */
	struct samples known;	      /* destinations in a table */
	/* at rest, a node and second */
	uint64_t rest_us;
	double rest_probe_bytes, rest_probe_packets, rest_stream_bytes, rest_stream_packets;
	struct samples stretch;	      /* permille of the best path's cost, of sampled pairs */
	struct samples delay_stretch; /* permille of the least delay */
	/* failover */
	size_t failures;
	size_t pairs, unrepairable;    /* flows watched; those nothing could have repaired */
	size_t unrepaired;	       /* still losing at the end of the window */
	struct samples outages;	       /* us, of repairable pairs */
	struct samples repair_stretch; /* permille, delay of the first delivered after an outage */
	/* churn, mobility, partition, liars */
	uint64_t joined_sent, joined_delivered; /* packets of pairs that the graph joined */
	uint64_t merge_us; /* partition: from the healing until all sampled are routed; 0: never */
	/* liars: through it, of what others could send another way: of sampled pairs' paths, and
	 * of packets in the last second; and what was lost in that */
	double share_before, share_after;
	double traffic_before, traffic_after, lost_after;
	size_t n_upheavals; /* crashes; link changes */
	struct mesh_totals totals;
	uint64_t virtual_us, trace;
	uint64_t memory_peak; /* bytes of the process, at the end of the run */
	double wall_s, cpu_s;
	struct mesh_picture picture;
	char *packet_trace; /* text; NULL for none */
};

const char *mesh_scenario_name(enum mesh_scenario s);
bool mesh_scenario_of(const char *name, enum mesh_scenario *ret);
const char *mesh_fault_name(enum mesh_fault f);
bool mesh_fault_of(const char *name, enum mesh_fault *ret);

/* -ENOMEM, -EINVAL (mobility without places). */
int mesh_run_scenario(const struct mesh_options *options, struct mesh_report *ret);
void mesh_report_done(struct mesh_report *r);

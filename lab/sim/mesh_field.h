/* SPDX-License-Identifier: Apache-2.0 */
/* mesh_field.h - what the scenarios share: the mesh of a run, sampled pairs, flows of packets. */
#pragma once

#include "base/rng.h"
#include "base/units.h"
#include "sim/mesh_run.h"

#define FIELD_FLOWS_MAX 64
#define FIELD_ROUND_US MS(10) /* each flow sends a packet this often */

struct field_pair {
	uint32_t from, to;
};

struct field {
	const struct mesh_options *options;
	struct mesh_report *report;
	struct mesh *mesh;
	struct rng rng;
	struct field_pair *sampled;
	size_t n_asked; /* of the sampled, those of which it was seen whether they need a look-up */
	uint32_t *part; /* scratch, n_nodes */
	size_t *path;	/* scratch, n_nodes + 1 */
	uint64_t *costs; /* scratch, n_nodes */
	/* Packet r * n_flows + i is flow i's of round r. */
	struct field_pair flows[FIELD_FLOWS_MAX];
	size_t n_flows;
	size_t n_rounds;
	bool *is_joined; /* when packet i was sent, its pair was joined */
	size_t joined_size;
};

/* Two nodes, one to be reached from the other over links that are up; false if hard to find. */
bool field_random_pair(struct field *f, struct field_pair *ret);
bool field_sample_pairs(struct field *f);
size_t field_count_routed(struct field *f); /* of the sampled */
void field_measure_stretch(struct field *f);

/* Forgets all packets and flows. */
void field_clear_flows(struct field *f);
/* Rounds of packets until then; false when the mesh stopped. */
bool field_run_flows(struct field *f, uint64_t until_us);
/* The longest row of lost packets of a flow while its pair was joined, from a round on. */
uint64_t field_outage_us(const struct field *f, size_t flow, size_t first_round);
/* Adds to joined_sent, joined_delivered and outages. Let everything arrive first. */
void field_count_flows(struct field *f);

bool field_cold_start(struct field *f);
/* field_reach.c: a step of looking for those sampled pairs that their tables do not know. */
void field_look(struct field *f, uint64_t start_us);
void field_note_found(struct field *f);
/* In a mesh of more than one zone: the sampled pairs are in use; else nothing. */
void field_use_sampled(struct field *f);
/* One of them, for few others have a route; in a mesh of one zone any. */
bool field_routed_pair(struct field *f, struct field_pair *ret);
/* Those that are not routed are looked for once more, as at the start. False: out of memory. */
bool field_look_again(struct field *f);
void field_describe_tree(struct field *f);
bool field_rest(struct field *f, uint64_t for_us);

bool run_failover(struct field *f);
bool run_churn(struct field *f);
bool run_mobility(struct field *f);
bool run_partition(struct field *f);
bool run_liars(struct field *f);

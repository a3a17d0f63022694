/* SPDX-License-Identifier: Apache-2.0 */
/* chaos.h - an episode of the fault bench in virtual time: whole nodes with their managers, one
 * fault, and what came of it.
 *
 * What happens is planned by tests/chaos, and so is what it is judged by: an episode goes in as its
 * specification and comes out as the file that a mesh of real daemons leaves (docs/chaos.md). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAOS_NODES_MAX 32
#define CHAOS_LINKS_MAX 128
#define CHAOS_PAIRS_MAX 8
#define CHAOS_EVENTS_MAX 8192
#define CHAOS_NAME_SIZE 64
#define CHAOS_SECONDS_MAX 700000.0 /* a week, and some */
#define CHAOS_WHY_SIZE 160

enum chaos_kind {
	CHAOS_NONE, /* nothing but what is harmless */
	CHAOS_LINK_CUT,
	CHAOS_CARRIER_LOSS,
	CHAOS_LOSS_ONE_WAY,
	CHAOS_DELAY_JITTER,
	CHAOS_RATE_LIMIT,
	CHAOS_REORDERING,
	CHAOS_MTU_BLACK_HOLE,
	CHAOS_SILENT_DROP,
	CHAOS_LYING_NODE,
	CHAOS_DAEMON_KILLED,
	CHAOS_DAEMON_HUNG,
	CHAOS_PARTITION,
	CHAOS_N_KINDS,
};

enum chaos_event_kind {
	CHAOS_REKEY, /* of all sessions, more often than usual, from the beginning */
	CHAOS_SURGE,
	CHAOS_RESTART,
	CHAOS_JOIN,
	CHAOS_N_EVENTS,
};

struct chaos_event {
	double at_s;
	enum chaos_event_kind kind;
};

struct chaos_spec {
	enum chaos_kind kind;
	size_t n_nodes, n_links, n_pairs, n_events;
	char names[CHAOS_NODES_MAX][CHAOS_NAME_SIZE];
	bool joins_later[CHAOS_NODES_MAX];
	uint32_t links[CHAOS_LINKS_MAX][2], pairs[CHAOS_PAIRS_MAX][2];
	const char *mandates[CHAOS_NODES_MAX]; /* of `json`; NULL: there is no such file */
	struct chaos_event events[CHAOS_EVENTS_MAX];
	double seconds, inject_s, lift_s;
	uint64_t seed;
	bool is_long; /* hours: probes and samples are rare */
	json_t *json;
};

/* Takes json. -EBADMSG: ret_why says what is wrong. */
int chaos_spec_parse(json_t *json, struct chaos_spec *ret, char ret_why[CHAOS_WHY_SIZE]);
void chaos_spec_done(struct chaos_spec *s);
const char *chaos_kind_name(enum chaos_kind k);
const char *chaos_event_name(enum chaos_event_kind k);

struct sim_pki;

/* Runs it; *ret is the whole file. -EIO: an invariant of the simulator broke; -ENOENT: there is
 * nothing in this mesh that the fault could hit; ret_why says more. */
int chaos_run(struct sim_pki *pki, const struct chaos_spec *spec, json_t **ret,
	      char ret_why[CHAOS_WHY_SIZE]);

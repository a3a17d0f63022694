/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - what the files of the simulated world share. */
#pragma once

#include "base/rng.h"
#include "base/units.h"
#include "sim/sim.h"

#define SIM_LINKS_MAX 8192
#define SIM_PORT 26969
#define SIM_INNER_HEADERS 48 /* IPv6 and UDP */

enum sim_happening_type {
	SIM_DATAGRAM,
	SIM_TIMER,
	SIM_JOB,
};

struct sim_happening {
	uint64_t at_us;
	uint64_t order; /* ties go by the order of making */
	enum sim_happening_type type;
	size_t node;
	uint32_t boot; /* of the node it was meant for */
	size_t link;
	bool to_b;
	uint8_t *bytes;
	size_t len;
	struct hs_job *job; /* owned */
};

struct sim_link {
	size_t a, b;
	bool both;
	bool is_cut;
	uint8_t address[2]; /* of end a, end b: counts up as they move */
	struct sim_link_quality quality;
	uint64_t idle_us[2]; /* when what was sent to end a, to end b has left */
};

struct sim_host {
	struct node *node;
	uint64_t id;
	uint32_t boot; /* counts boots: events of earlier ones are void */
	uint64_t boot_epoch;
	int64_t offset_us;
	int32_t drift_ppm;
	uint64_t armed_us; /* true time of the timer that is queued */
	struct rng entropy;
	struct rng work; /* how long jobs take */
};

struct sim_packet {
	struct sim_error error;
	size_t from, to;
	uint64_t sent_us, delivered_us;
	size_t payload_len;
};

struct sim {
	struct sim_config config;
	const struct crypto_ops *ops;
	struct rng rng;
	struct policy *policy;
	uint64_t now_us;
	uint64_t next_order;
	struct sim_happening *heap;
	size_t n_heap, heap_size;
	struct sim_host *hosts;
	struct sim_link *links;
	size_t n_links;
	struct sim_packet *packets; /* number - 1 */
	size_t n_packets, packets_size;
	char failure[256];
	uint64_t trace;
	struct sim_totals totals;
};

/* ---- queue.c: what will happen, by time and then by the order of making ---- */

/* Takes h.bytes. */
void sim_push(struct sim *s, struct sim_happening h);
struct sim_happening sim_pop(struct sim *s); /* of one that is not empty */

/* ---- sim.c ---- */

/* Adds what happened now to the hash of the run. */
void sim_note(struct sim *s, uint64_t a, uint64_t b, uint64_t c);
/* An invariant broke; the first one counts. */
void sim_fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Does what the node has queued, and arms its timer. */
void sim_drain(struct sim *s, size_t node);
/* What a node's clock shows at a true time. */
uint64_t sim_local_us(const struct sim_host *h, uint64_t true_us);

/* ---- net.c: the links ---- */

struct endpoint sim_endpoint(const struct sim *s, size_t link, bool is_b);
void sim_transmit(struct sim *s, size_t node, const struct endpoint *to, struct span datagram);

/* ---- check.c: the invariants ---- */

size_t sim_host_of(const struct sim *s, uint64_t id); /* SIM_NODES_MAX: nobody */
void sim_check_event(struct sim *s, size_t node, const struct node_event *e);
void sim_check_delivery(struct sim *s, size_t node, struct span packet);

/* SPDX-License-Identifier: Apache-2.0 */
/* test_world.h - for tests: hosts with handshakes, a network in virtual time between them, and
 * an AEAD that aborts when a key seals twice under one nonce. */
#pragma once

#include "base/map.h"
#include "core/handshake/handshake.h"

#define WORLD_HOSTS 8
#define WORLD_PACKETS 1024
#define WORLD_OUTCOMES 64
#define WORLD_STRAYS 32
#define WORLD_UNIX_S 1800000000
#define WORLD_JOBS 64
#ifndef WORLD_WORKERS /* some tests are built a second time, with workers */
#define WORLD_WORKERS 0
#endif

struct world;

struct host {
	struct world *world;
	unsigned number;
	struct handshakes *handshakes;
	struct endpoint endpoint;
	struct signing_key *key;
	uint8_t *cert;
	struct span chain[1];
	struct hs_identity identity;
	struct trust trust;
	uint8_t nk[2][NETWORK_KEY_LEN];
	uint64_t boots;
	bool refuses;	     /* the judge accepts nobody */
	unsigned n_verified; /* chains, by signature */
	bool says_hello;     /* as responder, answers HS_DONE with a first packet */
	bool has_token;
	struct token token;
	struct hs_done done[WORLD_OUTCOMES];
	uint64_t done_us[WORLD_OUTCOMES];
	unsigned n_done;
	struct hs_action failed[WORLD_OUTCOMES];
	unsigned n_failed;
	uint64_t sent_bytes;
	uint64_t received_bytes;
	unsigned n_sent;
	uint8_t csr_copy[8192]; /* of the last join */
	size_t csr_len;
};

struct packet {
	uint64_t at_us;
	uint64_t number;     /* ties go in the order of sending */
	struct hs_path path; /* as its receiver sees it */
	unsigned from;
	unsigned to;
	uint32_t hello_index; /* not a handshake datagram: the first packet of a session */
	size_t len;
	uint8_t bytes[WIRE_HS_DATAGRAM_SIZE];
};

/* With a worker: its result comes at at_us. */
struct world_job {
	struct hs_job *job;
	unsigned host;
	uint64_t at_us;
	uint64_t number;
};

struct world {
	const struct crypto_ops *ops;
	struct rng rng;
	uint64_t now_us;
	unsigned loss_percent;
	unsigned duplicate_percent;
	uint64_t delay_us;
	uint64_t jitter_us;
	bool through_mesh;
	struct host hosts[WORLD_HOSTS];
	unsigned n_hosts;
	struct signing_key *root_key;
	uint8_t *root_cert;
	unsigned n_workers; /* of hosts added from now on */
	uint64_t job_us;    /* a job takes up to this long */
	bool holds_jobs;    /* jobs are given out, and nothing comes back */
	struct world_job jobs[WORLD_JOBS];
	unsigned n_jobs;
	struct packet *packets;
	size_t n_packets;
	uint64_t n_sent;
	struct packet strays[WORLD_STRAYS]; /* the last sent to where no host is, a ring */
	unsigned n_strays;
	/* Sees each datagram as it is sent; false loses it. May change it, and p->len. */
	bool (*tamper)(struct world *w, struct packet *p, void *arg);
	void *tamper_arg;
};

void world_init(struct world *w, uint64_t seed);
void world_done(struct world *w);
/* Named n0, n1, ... in the domain "test.mesh". */
struct host *world_add(struct world *w);
/* Loses all state, as after a crash; the boot epoch rises. */
void world_restart(struct world *w, struct host *h, bool accept_joins);
struct hs_path world_path(const struct world *w, const struct host *to);
int world_start(struct world *w, struct host *from, const struct host *to);
/* Until nothing is left to happen before the time. */
void world_run(struct world *w, uint64_t until_us);
void world_send(struct world *w, const struct packet *p);
/* The next packet on its way to this host, now and whatever its time; false if there is none. */
bool world_deliver_to(struct world *w, const struct host *to);
/* A datagram by hand, without the network. */
void world_deliver(struct world *w, struct host *to, const struct hs_path *path,
		   struct span datagram);
/* Runs a job and brings it back, now. */
void world_finish_job(struct world *w, unsigned i);
/* Both have finished with the same secret. */
bool world_agree(const struct host *a, const struct host *b);

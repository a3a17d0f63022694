/* SPDX-License-Identifier: Apache-2.0 */
/* nat_world.h - whole nodes behind NATs of the usual kinds, in virtual time, from one seed.
 *
 * An internet of addresses instead of links: every host may send to every address, and what
 * arrives is decided by the NATs on the way. */
#pragma once

#include "core/node/node.h"
#include "sim/pki.h"

#define NAT_HOSTS_MAX 8
#define NAT_MAPPINGS_MAX 64
#define NAT_FILTERS_MAX 128
#define NAT_MAPPING_US UINT64_C(60000000) /* unused this long, a mapping goes */
#define NAT_HOST_PORT 26969
#define NAT_THIRD_PARTY 200 /* last byte of an address where nobody of the mesh is */

/* By the names that RFC 3489 gave them and everybody uses. */
enum nat_kind {
	NAT_OPEN, /* no NAT */
	NAT_FULL_CONE,
	NAT_RESTRICTED,
	NAT_PORT_RESTRICTED,
	NAT_SYMMETRIC,
	NAT_BLOCKED, /* a firewall: UDP to host 2 alone, and what it answers */
	NAT_N_KINDS,
};

const char *nat_kind_name(enum nat_kind k);

struct nat_mapping_entry {
	uint16_t port;		/* outside; 0: free */
	struct endpoint remote; /* symmetric: towards this one alone */
	uint64_t used_us;
};

struct nat_host {
	enum nat_kind kind;
	struct node *node;
	struct endpoint inside, outside; /* equal where there is no NAT */
	struct nat_mapping_entry mappings[NAT_MAPPINGS_MAX];
	uint16_t next_port;
	struct {
		struct endpoint remote;
		uint64_t used_us;
	} sent_to[NAT_FILTERS_MAX];
	size_t n_sent_to;
	struct rng entropy;
	uint64_t boot_epoch;
	uint64_t armed_us;
	unsigned traverse_links, traverse_links_max;
	unsigned n_replies;	 /* to pings, since it was set to 0 */
	uint64_t linked_us;	 /* a direct link with host 0 or 1 came up first; 0 never */
	uint64_t to_third_party; /* bytes that it sent there */
};

struct nat_world {
	struct nat_host hosts[NAT_HOSTS_MAX];
	size_t n;
	const struct crypto_ops *ops;
	struct sim_pki *pki;
	struct policy *policy;
	struct rng rng;
	uint64_t now_us;
	uint32_t loss_ppm;
	bool is_without_traversal;
	uint64_t delay_us;
	struct nat_flying *queue;
	size_t n_queue, queue_size;
	uint64_t order;
};

void nat_world_init(struct nat_world *w, const struct crypto_ops *ops, struct sim_pki *pki,
		    uint64_t seed);
void nat_world_done(struct nat_world *w);
/* A host of that kind, switched off. Its number. */
size_t nat_world_add(struct nat_world *w, enum nat_kind kind);
/* contact: a host to stay connected with, SIZE_MAX for none. */
void nat_world_boot(struct nat_world *w, size_t host, size_t contact);
void nat_world_halt(struct nat_world *w, size_t host);
void nat_world_run(struct nat_world *w, uint64_t until_us);
bool nat_world_is_direct(struct nat_world *w, size_t from, size_t to);
/* A ping and its answer, by whatever way. */
bool nat_world_reaches(struct nat_world *w, size_t from, size_t to, uint64_t within_us);
uint64_t nat_world_id(const struct nat_world *w, size_t host);
/* What host `from` says of host `to`; false: it knows nothing of it. */
bool nat_world_peer(struct nat_world *w, size_t from, size_t to, struct node_peer_view *ret);
/* One packet of a program at one to the other, as from the tunnel. */
void nat_world_use(struct nat_world *w, size_t from, size_t to);
/* A call as a member would make it that keeps no limit of its own. */
void nat_world_call(struct nat_world *w, size_t from, size_t to);
/* A command was given to the node itself: carries out what came of it. */
void nat_world_poke(struct nat_world *w, size_t host);

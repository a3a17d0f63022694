/* SPDX-License-Identifier: Apache-2.0 */
/* route_net.h - routing tables joined by reliable, ordered channels, with the invariants of
 * routing checked after every call. What happens when is its caller's to decide. */
#pragma once

#include "base/rng.h"
#include "core/route/route.h"

#define NET_METRIC_UNREACHABLE UINT64_MAX

struct net_message {
	struct net_message *next;
	uint64_t deliver_us;
	uint8_t type;
	size_t len;
	uint8_t body[];
};

struct net_channel {
	struct net_message *head, *tail;
	uint64_t last_us; /* no message overtakes the one before */
};

/* End 0 is node a, end 1 node b; channel i leads to end i. */
struct net_link {
	unsigned node[2];
	uint32_t cost[2]; /* as end i announces it to its table */
	uint64_t delay_us;
	bool is_cut;
	uint64_t cuts; /* how often it was cut or healed: dates what was scheduled before */
	uint32_t session;
	uint32_t end_session[2];
	bool is_up[2]; /* as end i believes */
	struct net_channel channel[2];
};

struct net_node {
	struct routes *routes; /* NULL while it is dead */
	uint64_t id;
	uint32_t epoch;
	uint64_t tick_us; /* the simulation's: when its tick is scheduled */
	unsigned n_links;
	unsigned *links;
};

struct net_fd {
	bool is_known;
	uint32_t epoch;
	uint16_t seqno;
	uint32_t metric;
};

struct net {
	uint64_t now_us;
	uint64_t jitter_us;
	size_t zone_max; /* of each table; 0: no limit */
	struct rng rng;
	unsigned n_nodes, n_links;
	struct net_node *nodes;
	struct net_link *links;
	struct net_fd *seen; /* n_nodes x n_nodes */
	uint64_t n_messages, n_bytes, n_checks, n_changes;
	/* Told of each message put into a channel, and each node called. */
	void (*sent)(struct net *net, unsigned link, unsigned to_end, uint64_t deliver_us);
	void (*called)(struct net *net, unsigned node);
	void *arg;
	char failure[256]; /* the first violation; empty for none */
};

int net_new(unsigned n_nodes, uint64_t seed, struct net **ret);
void net_free(struct net *net);
/* Returns the link's number. Before net_start(). */
unsigned net_add_link(struct net *net, unsigned a, unsigned b, uint32_t cost, uint64_t delay_us);

void net_node_start(struct net *net, unsigned node); /* with the next epoch */
void net_node_stop(struct net *net, unsigned node);  /* silently */
void net_tick(struct net *net, unsigned node);
/* Delivers the head of the channel; false if there is none. */
bool net_deliver(struct net *net, unsigned link, unsigned to_end);

/* A new session between both ends, which neither knows yet. */
void net_link_renew(struct net *net, unsigned link);
/* An end learns of the present session, or that the link is gone. */
void net_end_up(struct net *net, unsigned link, unsigned end);
void net_end_down(struct net *net, unsigned link, unsigned end);
void net_end_cost(struct net *net, unsigned link, unsigned end, uint32_t cost);
/* The limit of all tables, from now on. */
void net_set_zone(struct net *net, size_t zone_max);
/* Across a link the table at one end is asked for a route by the other, or told to tell of one. */
void net_ask(struct net *net, unsigned link, unsigned end, unsigned destination);
void net_subscribe(struct net *net, unsigned link, unsigned end, unsigned destination);
/* The session is replaced at both ends, nobody restarted. */
void net_link_rekey(struct net *net, unsigned link);

/* Every connected pair is routed at the cost of the shortest path, and no other pair. */
bool net_is_converged(struct net *net, char *ret_why, size_t size);
unsigned net_count_unrouted(struct net *net); /* connected pairs without any route */
uint64_t net_digest_mismatches(const struct net *net);

/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share of a node. */
#pragma once

#include "base/map.h"
#include "base/units.h"
#include "core/batman/batnode.h"
#include "core/batman/batwire.h"

#define ETHERNET_LEN 14
#define OGM_MAX_LAG 5			  /* a way this many messages behind is not used */
#define OGM_MAX_AGE 64			  /* further back than this the originator started anew */
#define RESTART_PROTECTION_US SECONDS(30) /* and it does so at most this often */
#define BCAST_PACE_US MS(10) /* we send fewer broadcasts than one in this time, in the long run */
#define NEIGHBOUR_SILENCE_US SECONDS(10)
#define ORIGINATOR_SILENCE_US SECONDS(60)
#define TT_REQUEST_WAIT_US SECONDS(3) /* between two requests to one originator */
#define TT_ANSWER_WAIT_US MS(100)     /* between two answers to one */
#define PURGE_US SECONDS(1)
#define TIMER_JITTER_PERCENT 10

struct neighbour {
	bool is_used;
	size_t interface;
	uint8_t address[6], originator[6];
	uint64_t heard_us;
};

struct way {
	bool is_used;
	size_t interface;
	uint8_t neighbour[6];
	uint32_t seqno;
	uint32_t throughput;
	uint64_t heard_us;
};

struct vlan_sum {
	uint16_t vid;
	unsigned n_clients;
	uint32_t crc;
};

struct originator {
	bool is_used;
	uint8_t address[6];
	uint32_t seqno;
	uint64_t heard_us, restarted_us;
	struct way ways[BATNODE_WAYS_MAX];
	const struct way *best; /* NULL where there is none */

	bool has_table;
	uint8_t tt_version;
	uint64_t asked_us;  /* 0: never */
	uint64_t answer_us; /* from then on it gets another answer */
	struct vlan_sum sums[BATWIRE_VLANS_MAX];
	unsigned n_clients;

	bool has_bcast;
	uint32_t bcast_seqno;
	uint64_t bcast_seen; /* bit 0 is bcast_seqno, bit 1 the one before */
};

/* A client of an originator. Several originators may announce one address: multicast, roaming. */
struct client {
	bool is_used;
	uint8_t key[14]; /* address, VLAN, originator */
	uint8_t flags;
	struct originator *of;
};

#define PARTS_SLOTS 16 /* packets being put together at a time; the oldest gives way */
#define PARTS_WAIT_US SECONDS(10)

struct parts {
	bool is_used;
	uint8_t from[6];
	uint16_t seqno, total_len;
	uint64_t since_us;
	size_t have_len;
	unsigned have; /* bit per number */
	uint16_t at[BATWIRE_FRAGMENTS_MAX], len[BATWIRE_FRAGMENTS_MAX];
	uint8_t bytes[BATNODE_FRAME_MAX];
};

struct queued {
	bool is_delivery;
	size_t interface, len;
	uint8_t bytes[BATNODE_FRAME_MAX];
};

struct batnode {
	struct batnode_config config;
	bool is_down[BATNODE_INTERFACES_MAX];
	struct rng *rng;
	uint64_t now_us;
	uint64_t elp_us, ogm_us, purge_us; /* when next */
	uint32_t elp_seqno, ogm_seqno, bcast_seqno;

	struct neighbour neighbours[BATNODE_NEIGHBOURS_MAX];
	struct originator originators[BATNODE_ORIGINATORS_MAX];
	struct map *by_address; /* originators */
	struct client clients[BATNODE_CLIENTS_MAX];
	struct map *by_key;    /* clients, by their key */
	struct map *by_client; /* by address and VLAN: the one to send to */
	struct parts parts[PARTS_SLOTS];

	struct queued queue[BATNODE_ACTIONS_MAX];
	size_t queue_first, n_queued;
};

static inline const uint8_t *own_address(const struct batnode *n)
{
	return n->config.interfaces[0].address;
}

static inline bool is_group(const uint8_t address[6])
{
	return address[0] & 1;
}

/* ---- batnode.c ---- */

/* Begins a frame to be sent; its Ethernet header is written. -ENOBUFS. */
int frame_begin(struct batnode *n, size_t interface, const uint8_t to[6], struct writer *ret);
/* Queues what was written. -EMSGSIZE where it did not fit. */
int frame_end(struct batnode *n, const struct writer *w);
/* A packet without its Ethernet header; handles what is for us. */
int packet_input(struct batnode *n, size_t interface, struct span packet, bool is_whole);

/* ---- routes.c ---- */

int elp_input(struct batnode *n, size_t interface, const uint8_t from[6], struct span packet);
int ogm_input(struct batnode *n, size_t interface, const uint8_t from[6], struct span packet);
struct originator *originator_find(const struct batnode *n, const uint8_t address[6]);
void routes_purge(struct batnode *n);
void interface_forget(struct batnode *n, size_t interface);

/* ---- clients.c ---- */

/* A table that came with an originator's message, or as an answer. */
void tt_input(struct batnode *n, struct originator *o, const struct batwire_tt *tt);
int tvlv_input(struct batnode *n, struct span packet);
/* Ours: version 1 always, for our one client never changes. */
void own_table(const struct batnode *n, uint8_t change[12], struct batwire_tt *ret);
void clients_forget(struct batnode *n, struct originator *o);
struct originator *client_find(const struct batnode *n, const uint8_t address[6], uint16_t vid);

/* ---- reassembly.c ---- */

/* 1: the packet is whole, in *ret; 0: not yet. */
int fragment_input(struct batnode *n, struct span packet, struct span *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* batnode.h - one end of a batman-adv mesh with B.A.T.M.A.N. V: known to the others as an
 * originator with one client, the address of its own network interface; it relays nothing.
 *
 * It is handed frames and the time, and hands back frames to send and frames to deliver. Frames
 * are Ethernet's, from the destination address on, without a checksum. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rng.h"

#define BATNODE_INTERFACES_MAX 4
#define BATNODE_NEIGHBOURS_MAX 128   /* on all interfaces */
#define BATNODE_ORIGINATORS_MAX 1024 /* more than batman-adv meshes have */
#define BATNODE_CLIENTS_MAX 2048     /* of all originators; looked through when one goes */
#define BATNODE_WAYS_MAX 4	     /* of one originator: the best neighbours towards it */
#define BATNODE_FRAME_MAX 2048	     /* a full frame with all headers is 1546 bytes */
#define BATNODE_ACTIONS_MAX 64	     /* drained after each call */

struct batnode_interface {
	uint8_t address[6];
	uint32_t throughput; /* of its links, in 100 kbit/s; at least 1 */
};

struct batnode_config {
	struct batnode_interface interfaces[BATNODE_INTERFACES_MAX];
	size_t n_interfaces; /* the first one's address is the originator's */
	uint8_t client[6];
	uint32_t elp_interval_ms; /* 500 is the kernel's default */
	uint32_t ogm_interval_ms; /* 1000 is the kernel's default */
};

struct batnode;

/* Keeps rng. -EINVAL for a configuration out of range, -ENOMEM. */
int batnode_new(const struct batnode_config *config, struct rng *rng, uint64_t now_us,
		struct batnode **ret);
void batnode_free(struct batnode *n);

/* A frame that came in. -EBADMSG, -EPROTO (another version, or not for us), -EAGAIN (no way back
 * yet), -ENOBUFS (a table or the queue is full, the frame was dropped). */
int batnode_input(struct batnode *n, size_t interface, struct span frame, uint64_t now_us);
/* A frame of our client. -EHOSTUNREACH: nobody has announced its destination; -EMSGSIZE. */
int batnode_output(struct batnode *n, struct span frame, uint64_t now_us);
void batnode_tick(struct batnode *n, uint64_t now_us);
uint64_t batnode_deadline_us(const struct batnode *n);

struct batnode_action {
	bool is_delivery; /* to our client; else to be sent */
	size_t interface;
	struct span frame; /* valid until the next call of any but this one */
};

/* Whether an interface is there: from the beginning all are. On one that is not, nothing is sent
 * and nobody is a neighbour. */
void batnode_set_link(struct batnode *n, size_t interface, bool is_up, uint64_t now_us);

bool batnode_next_action(struct batnode *n, struct batnode_action *ret); /* false once drained */

/* ---- what it knows ---- */

struct batnode_neighbour {
	uint8_t address[6], originator[6];
	size_t interface;
	uint64_t heard_us;
};

struct batnode_originator {
	uint8_t address[6], next_hop[6];
	size_t interface;
	uint32_t throughput; /* 100 kbit/s; 0 where there is no way at present */
	uint64_t heard_us;
	unsigned n_clients;
	bool is_in_step; /* its clients are known, by its own checksum */
};

/* Start with *cursor = 0; false at the end. */
bool batnode_next_neighbour(const struct batnode *n, size_t *cursor, struct batnode_neighbour *ret);
bool batnode_next_originator(const struct batnode *n, size_t *cursor,
			     struct batnode_originator *ret);
/* The originator that announces a client; false where none does. */
bool batnode_client(const struct batnode *n, const uint8_t client[6], uint8_t ret_originator[6]);

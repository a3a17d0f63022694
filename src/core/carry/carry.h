/* SPDX-License-Identifier: Apache-2.0 */
/* carry.h - what a packet thread does with a packet by itself: between this node's tunnel and a
 * neighbour, under keys that are in use, in flows that were let through.
 *
 * A table says how things stand; the owner (node/) makes it, and another when they change. A table
 * never changes, and any number of threads may use it. What a thread cannot decide by it goes to
 * the owner: as it came, or already opened. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"
#include "core/forward/marks.h"
#include "core/session/share.h"

#define CARRY_THREADS_MAX SHARE_THREADS_MAX
#define CARRY_DATAGRAM_MAX SHARE_PACKET_MAX

/* A neighbour. */
struct carry_way {
	uint64_t id;
	uint8_t address[16];	 /* in the overlay */
	struct endpoint at;	 /* where it is now */
	unsigned packet_max;	 /* inner packets up to this go straight to it; 0: none does */
	struct share *shares[2]; /* the current epoch's, which also sends, and the one before; NULL
				  */
};

struct carry_table;

/* What never changes while a node lives. */
struct carry_self {
	uint8_t address[16];
	size_t prefix_len;   /* to others that begin with as many of its bytes: they name a node
			      * by the eight behind them */
	size_t datagram_max; /* longer ones are no datagrams of the mesh to it */
	bool copies_dscp;
	struct marks *marks; /* borrowed */
};

/* Holds a reference to each share for itself. */
int carry_table_new(const struct carry_way *ways, size_t n, const struct carry_self *self,
		    struct carry_table **ret);
void carry_table_free(struct carry_table *t); /* by the shares' owner */
/* Whether another one made of these would say the same. */
bool carry_table_is_of(const struct carry_table *t, const struct carry_way *ways, size_t n);

/* What one thread did. Written by it alone, read by anyone. */
struct carry_counters {
	_Atomic uint64_t packets_from_tun, packets_to_tun;
	_Atomic uint64_t datagrams_in, datagrams_out, bytes_in, bytes_out;
	_Atomic uint64_t handed_over; /* to the owner, for it to decide */
	_Atomic uint64_t malformed, unknown_index, replayed, forged, ecn_marked, ecn_dropped;
};

struct carry {
	unsigned thread; /* its number from 0 */
	struct carry_counters counters;
};

enum carry_verdict {
	CARRY_DONE,    /* dropped and counted */
	CARRY_SEND,    /* out: the datagram to ret_to */
	CARRY_DELIVER, /* in: the packet to the tunnel */
	CARRY_OWNER,   /* the owner decides; nothing has been changed */
	CARRY_OPENED,  /* in: the owner decides about what was opened */
};

struct carry_result {
	uint8_t *bytes;
	size_t len;
	const struct endpoint *to; /* CARRY_SEND; the table's */
	uint8_t traffic_class;	   /* CARRY_SEND: for the IP header */
	uint32_t index;		   /* CARRY_OPENED: under which it came */
	bool is_newest;
};

/* A packet from the tunnel. room: CARRY_DATAGRAM_MAX bytes, where the datagram will lie. */
enum carry_verdict carry_out(struct carry *c, const struct carry_table *t, struct span packet,
			     uint64_t now_us, uint8_t *room, struct carry_result *ret);
/* A datagram, which is opened where it lies. */
enum carry_verdict carry_in(struct carry *c, const struct carry_table *t,
			    const struct endpoint *from, uint8_t traffic_class, uint8_t *datagram,
			    size_t len, uint64_t now_us, struct carry_result *ret);

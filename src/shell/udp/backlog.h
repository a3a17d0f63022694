/* SPDX-License-Identifier: Apache-2.0 */
/* backlog.h - datagrams that wait for room in the socket's buffer, a bounded queue for each class.
 * Inside the room only. */
#pragma once

#include "shell/udp/udp.h"

#define HELD_LEN_MAX                                                                \
	8952 /* the greatest of the mesh; of shorter ones the rest is never touched \
	      */

struct held {
	struct endpoint to;
	uint16_t len;
	uint8_t traffic_class;
	uint8_t bytes[HELD_LEN_MAX];
};

struct backlog {
	struct {
		struct held *of; /* a ring of UDP_BACKLOG_MAX */
		unsigned first, n;
		int credit; /* bytes it may send before it is another's turn */
	} classes[UDP_N_CLASSES];
	unsigned n; /* in all */
};

/* Takes memory for all there can be, which counts once it is used. -ENOMEM. */
int backlog_init(struct backlog *b);
void backlog_done(struct backlog *b);

/* Copies it. -ENOBUFS: the class is full, or it is longer than any datagram of the mesh. */
int backlog_push(struct backlog *b, enum udp_class class, const struct endpoint *to,
		 uint8_t traffic_class, struct span datagram);
/* Whose turn it is; only while b->n > 0. */
enum udp_class backlog_next(struct backlog *b);
const struct held *backlog_at(const struct backlog *b, enum udp_class class, unsigned i);
/* The first n of a class have been sent. */
void backlog_pop(struct backlog *b, enum udp_class class, unsigned n);

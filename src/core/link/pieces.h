/* SPDX-License-Identifier: Apache-2.0 */
/* pieces.h - datagrams that a link cannot carry whole: cut in two by one end and joined by the
 * other (type 17, docs/mtu.md).
 *
 * Always two: where even two are too long, the datagram is not sent. Each piece is sealed like any
 * other packet of the link, so that whoever fills this table is the neighbour itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define PIECES_PENDING_MAX 64  /* of one neighbour; of more the oldest goes */
#define PIECES_WAIT_US 1000000 /* for the other one */
#define PIECES_TOTAL_MIN 64    /* nobody has reason to cut less */
#define PIECE_HEADER_LEN 8     /* id 4 | total 2 | offset 2 */

struct piece {
	uint32_t id;	 /* of the datagram: counts up */
	uint16_t total;	 /* its length */
	uint16_t offset; /* of these bytes: 0, or they end it */
	struct span bytes;
	bool is_marked; /* not in it: it came with congestion experienced */
};

/* -EBADMSG: too short; -EPROTO: neither the beginning nor the end of a datagram of such a
 * length. */
int piece_decode(struct span body, struct piece *ret);
void piece_header_encode(const struct piece *p, uint8_t ret[PIECE_HEADER_LEN]);

/* How long the first of two is, so that neither datagram exceeds datagram_max, when around bytes
 * are put around each piece's own; 0 where two do not do. The first is as long as it can be. */
size_t pieces_cut_at(size_t total, size_t around, size_t datagram_max);

struct pieces_counters {
	uint64_t joined;
	uint64_t refused; /* a duplicate, an overlap, a gap, another length */
	uint64_t expired; /* the other one did not come, or the table was full */
};

struct pieces; /* what waits for its other half */

/* total_max: longer datagrams are refused. -ENOMEM. */
int pieces_new(unsigned total_max, struct pieces **ret);
void pieces_free(struct pieces *p);

/* 1 when the datagram is whole: *ret is valid until the next call. 0: it waits; -EPROTO: refused,
 * and what waited still waits. -ENOMEM. */
int pieces_input(struct pieces *p, const struct piece *piece, uint64_t now_us, struct span *ret);
/* Of the last one that was whole: whether either piece was marked (RFC 3168 section 5.3). */
bool pieces_is_marked(const struct pieces *p);
void pieces_tick(struct pieces *p, uint64_t now_us);
uint64_t pieces_deadline_us(const struct pieces *p); /* the oldest one's end */
size_t pieces_count(const struct pieces *p);
const struct pieces_counters *pieces_counters(const struct pieces *p);

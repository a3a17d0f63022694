/* SPDX-License-Identifier: Apache-2.0 */
/* cut.h - cuts what the kernel handed over whole (a super-packet of TSO or USO, or a packet whose
 * checksum it left to us) into packets as they go over a wire, with complete checksums. Inside
 * the room only. */
#pragma once

#include "shell/tun/vnet.h"

#define CUT_SEGMENTS_MAX 2048 /* of 64 KB that is 32 bytes each: no TCP cuts so small */

struct cut {
	uint8_t *packet; /* the whole, whose payload is cut where it lies */
	size_t len;
	struct headers headers;
	uint8_t first[HEADERS_MAX]; /* headers as they came */
	uint8_t gso_type;
	size_t gso_size; /* 0: nothing to cut, there is one packet */
	size_t done;	 /* bytes of payload handed out */
	unsigned n;	 /* packets handed out */
};

/* packet is borrowed and written to until the last segment is taken. -EBADMSG: header and packet do
 * not fit each other; -EPROTO: a kind of segmentation that was not asked for. */
int cut_begin(struct cut *c, const struct vnet_header *h, uint8_t *packet, size_t len);
/* The next packet, valid until the next call; false after the last. */
bool cut_next(struct cut *c, struct span *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* merge.h - puts consecutive packets of a flow together, so that the kernel takes them in one
 * write: the reverse of cut.h, by the rules of Linux's GRO. Inside the room only.
 *
 * Only what cutting would restore byte for byte is put together, and only where the checksum is
 * right: a packet that was damaged before it came to us is handed on damaged. */
#pragma once

#include <sys/uio.h>

#include "shell/tun/vnet.h"

#define MERGE_GROUPS_MAX 16 /* flows at once; of more the one that began first is written */
#define MERGE_PACKETS_MAX 64
#define MERGE_LEN_MAX 65535 /* of a packet put together: what its length field can say */

/* Packets of one flow, in order. */
struct merge_group {
	struct span packets[MERGE_PACKETS_MAX];
	unsigned n;
	struct headers headers; /* of each */
	size_t size;		/* payload of each but the last, which may have less */
	size_t payload;		/* of all */
	bool is_closed;		/* a short one or PSH has come: nothing may follow */
};

/* n_pieces is at most MERGE_PACKETS_MAX + 1; the bytes are valid during the call. 0, or a negative
 * errno: -EINVAL has the packets written one by one, and nothing be put together any more. */
typedef int merge_writer(void *arg, const struct vnet_header *h, const struct iovec *pieces,
			 unsigned n_pieces);

struct merge {
	bool is_tcp_on, is_udp_on;
	merge_writer *write;
	void *arg;
	struct merge_group groups[MERGE_GROUPS_MAX];
	struct merge_group *open[MERGE_GROUPS_MAX]; /* in the order they began */
	unsigned n_open;
	struct merge_group *spare[MERGE_GROUPS_MAX];
	unsigned n_spare;
	uint64_t n_merged; /* packets that were written together with others */
};

void merge_init(struct merge *m, bool is_tcp_on, bool is_udp_on, merge_writer *write, void *arg);
/* The bytes are borrowed until merge_flush(). What cannot wait is written at once, after the
 * packets of its flow that do. */
void merge_add(struct merge *m, struct span packet);
void merge_flush(struct merge *m);

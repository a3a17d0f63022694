/* SPDX-License-Identifier: Apache-2.0 */
/* tun.h - the TUN device: IP packets between the kernel and us.
 *
 * With offloads the kernel hands over and takes super-packets of up to 64 KB, which are cut into
 * packets and put together here, so that the rest of the program sees packets alone. The device
 * lives as long as its descriptor. Addresses, MTU and routes are the netlink room's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define TUN_PACKET_MAX 65535
#define TUN_NAME_SIZE 16 /* IFNAMSIZ */
#define TUN_WHY_SIZE 200
/* Payload of what the kernel hands over at once: 46 packets of the greatest MTU, which fit into
 * one UDP message with all that is put around them. */
#define TUN_GSO_MAX 59392

/* What the kernel can be asked for; of use only with the first. */
enum tun_offload {
	TUN_OFFLOAD_HEADER = 1, /* a virtio-net header before each packet; checksums left to us */
	TUN_OFFLOAD_TCP = 2,	/* super-packets of TCP, both ways */
	TUN_OFFLOAD_UDP = 4,	/* super-packets of UDP, both ways (Linux 6.2) */
};
/* Beside the offloads: the device has several queues. Opened again with the same name and offloads
 * it gives another queue of the same device, each with a share of the flows. */
#define TUN_MANY_QUEUES 8
#define TUN_OFFLOADS_ALL (TUN_OFFLOAD_HEADER | TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP)

/* Opens a new device, non-blocking and close-on-exec, with those of the offloads wanted that the
 * kernel has: ret_got. Returns the descriptor, or a negative errno with a sentence in why: -ENOENT,
 * -ENODEV (no TUN in this kernel), -EACCES, -EPERM (not permitted), -EBUSY (the name is taken by
 * a device in use), -EINVAL (by another kind). */
int tun_open_offload(const char *name, unsigned wanted, unsigned *ret_got, char why[TUN_WHY_SIZE]);
/* Without any: for tun_read() and tun_write(). */
int tun_open(const char *name, char why[TUN_WHY_SIZE]);

/* One packet into ret, its length in ret_len. -EAGAIN: nothing there. -EIO: device is down. */
int tun_read(int fd, uint8_t *ret, size_t size, size_t *ret_len);
/* -EAGAIN, -ENOBUFS: dropped; -EINVAL: not an IP packet; -EIO: the device is down. */
int tun_write(int fd, struct span packet);

/* ---- with or without offloads ---- */

struct tun;

/* Takes the descriptor, opened with these offloads. -ENOMEM. */
int tun_new(int fd, unsigned offloads, struct tun **ret);
void tun_free(struct tun *t); /* closes it */
int tun_fd(const struct tun *t);
unsigned tun_offloads(const struct tun *t);

typedef void tun_handler(void *arg, struct span packet);

/* Reads once and hands over the packet, or the packets that a super-packet was cut into; their
 * bytes are the handler's to use until it returns. Returns the bytes read, or -EAGAIN: nothing
 * there; -EIO: the device is down; -EBADFD: it is gone. */
int tun_receive(struct tun *t, tun_handler *handler, void *arg);

/* Writes it with tun_flush() at the latest; the bytes are borrowed until then. Packets of a flow
 * keep their order; fragments, which do not all say what flow they are of, go at once. What the
 * kernel does not take is counted. */
void tun_send(struct tun *t, struct span packet);
void tun_flush(struct tun *t);

struct tun_counters {
	uint64_t reads, writes;	 /* of the device: super-packets count once */
	uint64_t received, sent; /* packets */
	uint64_t malformed;	 /* super-packets that contradict themselves */
	uint64_t dropped;	 /* writes that the kernel refused */
};

void tun_counters(const struct tun *t, struct tun_counters *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* tun.h - the TUN device: IP packets between the kernel and us, one a read, one a write.
 *
 * The device lives as long as its descriptor. Addresses, MTU and routes are the netlink
 * room's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define TUN_PACKET_MAX 65535
#define TUN_NAME_SIZE 16 /* IFNAMSIZ */
#define TUN_WHY_SIZE 200

/* Opens a new device, non-blocking and close-on-exec. Returns the descriptor, or a negative
 * errno with a sentence in why: -ENOENT, -ENODEV (no TUN in this kernel), -EACCES, -EPERM
 * (not permitted), -EBUSY (the name is taken by a device in use), -EINVAL (by another kind). */
int tun_open(const char *name, char why[TUN_WHY_SIZE]);

/* One packet into ret, its length in ret_len. -EAGAIN: nothing there. -EIO: device is down. */
int tun_read(int fd, uint8_t *ret, size_t size, size_t *ret_len);
/* -EAGAIN, -ENOBUFS: dropped; -EINVAL: not an IP packet; -EIO: the device is down. */
int tun_write(int fd, struct span packet);

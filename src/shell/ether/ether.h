/* SPDX-License-Identifier: Apache-2.0 */
/* ether.h - Ethernet frames between the kernel and us: at one interface those of one protocol, and
 * all that the host sends to a TAP device of ours. Frames begin with the destination address and
 * have no checksum.
 *
 * Both are opened with privileges, by who keeps them; the descriptors can be passed on. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define ETHER_NAME_SIZE 16 /* IFNAMSIZ */
#define ETHER_WHY_SIZE 200

/* A packet socket (packet(7)), non-blocking and close-on-exec, bound to this interface and
 * protocol. A filter that cannot be taken off lets in nothing but frames of this protocol that came
 * in there for this machine or for all: not even after another bind(). -EPERM (CAP_NET_RAW),
 * -ENODEV, -ENETDOWN, -EINVAL (no Ethernet); why is a sentence. */
int ether_open_raw(const char *name, uint16_t protocol, uint8_t ret_address[6],
		   char why[ETHER_WHY_SIZE]);
/* A new TAP device, which lives as long as the descriptor, with this address. Errors as
 * tun_open(). */
int ether_open_tap(const char *name, const uint8_t address[6], char why[ETHER_WHY_SIZE]);

/* One frame. -EAGAIN: nothing there; -EMSGSIZE: longer than size, and dropped; -ENETDOWN: the
 * interface is down or gone; -EBADFD: the TAP device is gone; -EIO: it is down. */
int ether_read(int fd, uint8_t *ret, size_t size, size_t *ret_len);
/* -EAGAIN, -ENOBUFS: dropped; else as ether_read(), -EMSGSIZE: longer than the MTU. */
int ether_write(int fd, struct span frame);

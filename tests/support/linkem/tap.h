/* SPDX-License-Identifier: Apache-2.0 */
/* tap.h - one end of a link: a TAP device in some process's network namespace. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAP_FRAME_MAX (65536 + 64) /* a super-packet, its Ethernet and its virtio-net header */
#define TAP_VNET_LEN 10 /* of struct virtio_net_hdr, which kernels have agreed on first */

/* where is PID:NAME; the device is made in the network namespace of that process, and goes with
 * the descriptor. With gso frames carry a virtio-net header and may be super-packets. Returns the
 * descriptor or a negative errno. */
int tap_open(const char *where, bool is_gso);
int tap_carrier(int fd, bool is_up);

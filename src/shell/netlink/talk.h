/* SPDX-License-Identifier: Apache-2.0 */
/* talk.h - a request to the kernel and its answer, whichever part of it is asked. Inside the room
 * only. */
#pragma once

#include <libmnl/libmnl.h>

#include "shell/netlink/netlink.h"

#define NETLINK_REQUEST_SIZE 256 /* the longest request is a rule of some 100 bytes */

/* NETLINK_ROUTE, NETLINK_NETFILTER. */
int netlink_new_of(int bus, struct netlink **ret);
/* Sends and reads until the kernel's acknowledgement or the end of the dump. -EINTR: what was
 * listed changed meanwhile. */
int netlink_talk(struct netlink *n, struct nlmsghdr *h, mnl_cb_t callback, void *arg);

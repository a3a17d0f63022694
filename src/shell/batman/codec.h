/* SPDX-License-Identifier: Apache-2.0 */
/* codec.h - messages of the family "batadv" from and to bytes. Pure; for this room and its tests.
 */
#pragma once

#include <linux/netlink.h>

#include "shell/batman/batman.h"

#define BATMAN_REQUEST_SIZE 256 /* the longest has three attributes and a name */

/* A request of the family into a buffer of BATMAN_REQUEST_SIZE, aligned as a struct nlmsghdr. */
struct nlmsghdr *batman_request(void *buffer, uint16_t family, uint8_t command, uint16_t flags,
				uint32_t mesh_index);
/* Adds what batman_set() sends. */
void batman_put_setting(struct nlmsghdr *h, const struct batman_setting *s,
			const struct batman_value *value);

/* The body of an answer: all attributes are checked for their length. -EBADMSG where one is too
 * short or what has to be there is missing. */
int batman_read_family(const struct nlmsghdr *h, uint16_t *ret);
int batman_read_mesh(const struct nlmsghdr *h, struct batman_mesh *ret);
int batman_read_interface(const struct nlmsghdr *h, struct batman_interface *ret);
int batman_read_row(const struct nlmsghdr *h, enum batman_table table, struct batman_row *ret);

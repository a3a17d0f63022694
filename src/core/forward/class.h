/* SPDX-License-Identifier: Apache-2.0 */
/* class.h - what the traffic class field of an IP header (RFC 2474, RFC 3168) says: in which of
 * our classes a packet travels, and what its ECN mark is inside and outside the tunnel (RFC 6040).
 *
 * The table of codepoints is in docs/dataplane.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "core/forward/forward.h"
#include "core/wire/wire.h"

/* The two low bits of the field (RFC 3168 section 5). */
enum ecn {
	ECN_NOT_ECT = 0,
	ECN_ECT_1 = 1,
	ECN_ECT_0 = 2,
	ECN_CE = 3,
};
#define ECN_MASK 0x03
#define DSCP_MASK 0xfc	     /* the six others */
#define DSCP_CS6 (48U << 2)  /* network control (RFC 4594 section 3.1) */
#define CLASS_SMALL_MAX 256U /* bytes of an echo that is no load test */

/* The class of a codepoint, 0..63. Unknown ones are as the default (RFC 2474 section 3). */
enum wire_class class_of_dscp(uint8_t dscp);
/* The class of an inner packet: its codepoint's, and where that is the default, small echoes, DNS
 * and time are interactive. It depends on the flow and never on a packet's size within one, so that
 * a flow keeps its order. */
enum wire_class class_of_packet(struct span packet, const struct inner *i);

/* DSCP and ECN of an IPv4 or IPv6 packet; 0 where there is no such header. */
uint8_t traffic_class(struct span packet);

/* The mark of the packet that leaves a tunnel (RFC 6040 section 4.2, figure 4), or -1: drop it,
 * as the congestion could not be told. */
int ecn_decapsulated(enum ecn inner, enum ecn outer);
/* Puts it into the packet, with the checksum of an IPv4 header (RFC 1624). */
void ecn_set(uint8_t *packet, size_t len, enum ecn mark);

/* SPDX-License-Identifier: Apache-2.0 */
/* icmp.h - the errors that a router tells the source of a packet it could not forward: ICMPv6
 * (RFC 4443) and ICMP (RFC 792, RFC 1191), and how often it may. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* A message quotes as much of the packet as fits into the least MTU of IPv6 (RFC 4443 section
 * 3.1); of IPv4 into 576 bytes (RFC 1812 section 4.3.2.3). */
#define ICMP_ERROR_MAX 1280

enum icmp_reason {
	ICMP_TOO_BIG,	     /* Packet Too Big; fragmentation needed */
	ICMP_NO_ROUTE,	     /* Destination Unreachable, code 0; network unreachable */
	ICMP_PROHIBITED,     /* code 1; communication administratively prohibited, code 13 */
	ICMP_NO_ADDRESS,     /* code 3: nobody answered there; host unreachable */
	ICMP_HOPS_EXHAUSTED, /* Time Exceeded, code 0 */
};

/* Makes the error about packet, whole as it came, and returns its length; 0 where none may be told
 * (RFC 4443 section 2.4 e, RFC 1122 section 3.2.2): in answer to an error, to a packet to or from
 * more than one node or from none, to an IPv4 fragment but the first, and to what is no packet.
 * from: who tells, IPv4-mapped for IPv4; where it is of the other family the packet's destination
 * is taken. mtu: for ICMP_TOO_BIG. */
size_t icmp_error(enum icmp_reason reason, const uint8_t from[16], unsigned mtu, struct span packet,
		  uint8_t ret[ICMP_ERROR_MAX]);

/* A token bucket (RFC 4443 section 2.4 f). */
#define ICMP_BURST 50
#define ICMP_PER_SECOND 100

struct icmp_budget {
	uint64_t since_us; /* the bucket was as full as tokens says then */
	unsigned tokens;
	bool is_begun;
};

bool icmp_may_tell(struct icmp_budget *b, uint64_t now_us); /* takes one */

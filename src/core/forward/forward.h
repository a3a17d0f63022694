/* SPDX-License-Identifier: Apache-2.0 */
/* forward.h - the pure part of the packet path: what an inner packet is, whether its addresses
 * are those it may have, whether its flow is allowed, and which neighbours it goes to next.
 *
 * No socket, no key, no allocation per packet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "core/link/link.h"
#include "core/route/route.h"

#define FORWARD_OVERHEAD 106	 /* around an inner packet, in a datagram */
#define FORWARD_MTU_DEFAULT 1344 /* of an inner packet: 1,500 less IPv6, UDP and our 106 */
#define FORWARD_MTU_MAX 8846	 /* the same of 9,000, what jumbo frames carry */

/* An inner packet, as far as anything is decided by it. Addresses of IPv4 are kept IPv4-mapped,
 * which no IPv6 packet may have. */
struct inner {
	bool is_ipv4;
	uint8_t source[16];
	uint8_t destination[16];
	uint8_t hop_limit; /* IPv4: time to live */
	uint8_t protocol;  /* IPPROTO_TCP, _UDP, _ICMPV6, ...; 59 where there is none */
	bool has_ports;
	uint16_t source_port; /* echo: the identifier, in both */
	uint16_t destination_port;
	bool is_tcp_syn; /* SYN without ACK: begins a connection */
	bool is_echo_request;
	bool is_icmp_error; /* ICMPv6 types below 128; ICMP 3, 4, 5, 11 and 12 */
};

/* -EBADMSG: no IPv4 or IPv6 header, a length that is not the packet's, or a mapped address in
 * IPv6; -EPROTO: neither. Extension headers are walked, at most eight; IPv4 options are passed
 * over by the header's length, and its checksum is the receiver's to look at. Of a later fragment
 * no ports are known. */
int inner_parse(struct span packet, struct inner *ret);
uint16_t inner_flow_hash(const struct inner *i, const uint8_t key[16]);

/* Which flows are under way, so that answers to what went out are let in, and each new inbound
 * flow is asked of policy once. */
#define FLOWS_MAX 4096
#define FLOW_IDLE_US 180000000

struct flows;

int flows_new(const uint8_t hash_key[16], struct flows **ret);
void flows_free(struct flows *f);

enum flow_verdict {
	FLOW_KNOWN,  /* let it pass */
	FLOW_DENIED, /* denied before, and remembered */
	FLOW_NEW,    /* ask policy, then call flows_decide() */
};

/* An outbound packet: whatever answers it may come in. */
void flows_outbound(struct flows *f, const struct inner *i, uint64_t now_us);
enum flow_verdict flows_inbound(struct flows *f, const struct inner *i, uint64_t now_us);
/* Remembers the answer: an allowed flow until idle, a denial for a second. When the table is
 * full the flow longest idle is forgotten. */
void flows_decide(struct flows *f, const struct inner *i, bool is_allowed, uint64_t now_us);
/* Forgets all verdicts (the policy changed); outbound flows stay. */
void flows_forget(struct flows *f);
size_t flows_count(const struct flows *f);

/* "tcp:443", "udp:53", "icmpv6", "icmp", "proto:47": the resource of POLICY_CONNECT. */
#define FLOW_RESOURCE_SIZE 32
void inner_resource(const struct inner *i, char ret[FLOW_RESOURCE_SIZE]);

/* Where a packet goes next. */
struct forward_plan {
	uint64_t next;	    /* neighbour; 0: nowhere */
	uint64_t duplicate; /* a second neighbour to send a copy to, while next is suspect; 0: none
			     */
};

/* route: of the destination; from: the neighbour it came from, 0 for our own; state: asks for
 * the link to a neighbour. Takes the primary if its link is up, with a copy on the first usable
 * alternate while it is suspect, else the first alternate that is up; never back to from. */
struct forward_plan forward_next(const struct route *route, uint64_t from,
				 enum link_state (*state)(void *arg, uint64_t neighbour),
				 void *arg);

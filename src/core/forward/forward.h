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
#include "core/wire/wire.h"

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
	/* Of one of several fragments; one that is alone is none. */
	bool is_first_fragment, is_later_fragment;
	uint32_t fragment_id;
};

/* -EBADMSG: no IPv4 or IPv6 header, a length that is not the packet's, or a mapped address in
 * IPv6; -EPROTO: neither. Extension headers are walked, at most eight; IPv4 options are passed
 * over by the header's length, and its checksum is the receiver's to look at. Of a later fragment
 * no ports are known. */
int inner_parse(struct span packet, struct inner *ret);
uint16_t inner_flow_hash(const struct inner *i, const uint8_t key[16]);

/* The hash of the last flow asked for, all zeros before: packets of one flow mostly follow each
 * other, and to compare takes a tenth of the time. One key for as long as it lives. */
struct inner_hashed {
	struct inner of;
	uint16_t hash;
	bool is_there;
};

uint16_t inner_flow_hash_again(struct inner_hashed *h, const struct inner *i,
			       const uint8_t key[16]);

/* Which flows are under way, so that answers to what went out are let in, and each new inbound
 * flow is asked of policy once, for the node that it comes from. */
#define FLOWS_MAX 4096
/* Where the table is full, who began so many loses one of his own for each that he begins. */
#define FLOWS_BEGUN_MAX (FLOWS_MAX / 4)
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
/* An inbound one of this peer, by its node id. */
enum flow_verdict flows_inbound(struct flows *f, uint64_t peer, const struct inner *i,
				uint64_t now_us);
/* Remembers the answer for this peer: an allowed flow until idle, a denial for a second. When the
 * table is full the oldest denial is forgotten, else the flow longest idle. */
void flows_decide(struct flows *f, uint64_t peer, const struct inner *i, bool is_allowed,
		  uint64_t now_us);
/* Flows that packet threads carry under these marks are in use. Borrowed; NULL for none. */
struct marks;
void flows_watch(struct flows *f, struct marks *marks);
/* Forgets all verdicts (the policy changed); outbound flows stay. */
void flows_forget(struct flows *f);
size_t flows_count(const struct flows *f);

/* "tcp:443", "udp:53", "icmpv6", "icmp", "proto:47": the resource of POLICY_CONNECT. */
#define FLOW_RESOURCE_SIZE 32
void inner_resource(const struct inner *i, char ret[FLOW_RESOURCE_SIZE]);

/* Where a packet goes next. */
#define FORWARD_SETTLED_US 2000000  /* a next hop this old leads the packets that were before it */
#define FORWARD_DEFLECTS_US 1000000 /* so long after its route was lost a packet is deflected */
#define FORWARD_WANDERS_MAX 64	    /* hops after which a packet goes back no more by chance */

struct forward_question {
	uint64_t self;
	uint64_t from; /* the neighbour it came from, 0 for our own */
	uint64_t now_us;
	const struct route *route; /* of the destination */
	/* The link to a neighbour, and all neighbours with the last finite metric through them
	 * (ROUTE_METRIC_INFINITY for none), in an order that stays; start with *cursor = 0. */
	enum link_state (*state)(void *arg, uint64_t neighbour);
	bool (*neighbour)(void *arg, size_t *cursor, uint64_t *ret, uint32_t *ret_metric);
	/* It said that packets to there turn back where it is (hints.h); NULL: none did. */
	bool (*is_dead_end)(void *arg, uint64_t neighbour);
	/* The link to it has been suspect without reason too often of late; NULL: none has. */
	bool (*is_restless)(void *arg, uint64_t neighbour);
	void *arg;
};

enum forward_way {
	FORWARD_NOWHERE,
	FORWARD_PRIMARY,   /* the next hop */
	FORWARD_ALTERNATE, /* feasible or loop-free by what was last heard */
	FORWARD_DEFLECTED, /* the nearest neighbour that it has not been at */
	FORWARD_BACK,	   /* where it has been */
};

struct forward_plan {
	enum forward_way way;
	uint64_t next;	    /* neighbour; 0: nowhere */
	uint64_t duplicate; /* a second neighbour to send a copy to, while next is suspect; 0: none
			     */
	enum forward_way duplicate_way;
	uint64_t tell;	  /* a neighbour that should know that it turns here; 0: nobody */
	bool is_recorded; /* with the nodes it visited: forward_record() before it is sent */
};

/* The plan where the next hop will do and no copy is due; of the route only next_hop and since_us
 * are asked, so that for most packets no more of it need be looked up. Else false. */
bool forward_straight(const struct forward_question *q, const struct wire_hop *hop,
		      struct forward_plan *ret);
/* Takes the primary if its link is up and it is no dead end; else the first alternate that is up,
 * else the nearest other neighbour, else back; never where the packet has been, but back, and never
 * to from. While the primary is suspect it gets the packet and a copy goes as if it were down;
 * from restless links to alternates only, since such copies would be many. A copy itself is not
 * copied again, and goes round what is suspect where it can.
 *
 * Only a packet whose every next hop had been that for FORWARD_SETTLED_US goes without a record of
 * where it was: for such ones the next hops of one instant are the way, and they form no circle.
 * The copy is always recorded. */
struct forward_plan forward_next(const struct forward_question *q, const struct wire_hop *hop);
/* Writes down where the packet was: here, and at the first time also whence it came. */
void forward_record(const struct forward_question *q, struct wire_hop *hop);

/* SPDX-License-Identifier: Apache-2.0 */
/* message.h - what passes between keeper and child: messages of one size over a socketpair
 * (SOCK_SEQPACKET). Inside the room only. */
#pragma once

#include "shell/keeper/keeper.h"

#define REQUEST_SIZE 32
#define REPLY_SIZE (50 + KEEPER_WHY_SIZE)

enum verb {
	VERB_HEARTBEAT, /* without a reply */
	VERB_TUN_OPEN,	/* the descriptor comes with the reply */
	VERB_MTU,
	VERB_ADDRESS_ADD,
	VERB_LINK_UP,
	VERB_ROUTE_ADD,
	VERB_ROUTE_DELETE,
	VERB_GUARD_APPLY,
	VERB_GUARD_REMOVE,
	VERB_GUARD_READ,
	VERB_REALTIME,
	VERB_ADDRESS_DELETE,
	VERB_EXIT,	   /* bits of enum keeper_exit */
	VERB_FORWARD,	   /* 0 or 1 */
	VERB_NAMES_LISTEN, /* number 0: UDP, 1: TCP; the descriptor comes with the reply */
	VERB_NAMES_APPLY,  /* number 1: anew; the reply's number is an enum keeper_names */
	VERB_EBPF_REFRESH, /* without a reply */
	VERB_EBPF_FD,
	VERB_BATMAN_SOCKET, /* of which interface; the descriptor comes with the reply */
	VERB_BATMAN_TAP,    /* the same */
	N_VERBS,
};

struct request {
	enum verb verb;
	uint32_t sequence;
	uint32_t number; /* MTU, the thread, offloads wanted, which descriptor, or what is on */
	uint32_t priority;
	struct netlink_prefix prefix;
};

struct reply {
	uint32_t sequence;
	int result;
	uint32_t number;    /* offloads of the device, its MTU, or what the verb says */
	uint8_t address[6]; /* of the Ethernet device */
	struct nft_counters counters;
	char why[KEEPER_WHY_SIZE];
	int fd; /* -1 for none */
};

void keeper_request_encode(const struct request *r, uint8_t ret[REQUEST_SIZE]);
/* -EBADMSG: another length, no such verb, or a prefix longer than 128 bits. */
int keeper_request_decode(struct span bytes, struct request *ret);
void reply_encode(const struct reply *r, uint8_t ret[REPLY_SIZE]);
int reply_decode(struct span bytes, struct reply *ret); /* fd is -1 */

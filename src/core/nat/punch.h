/* SPDX-License-Identifier: Apache-2.0 */
/* punch.h - simultaneous open: two nodes that reach each other through the mesh send small probes
 * to each other's candidates at the same time, so that the NATs before both let the other's in.
 *
 * It sends nothing itself and proves nobody's identity: probes travel sealed under the keys of the
 * session that the two have already, and an address counts as found once a probe that was sent
 * there came back from there, with the number that was in it and in no other. A handshake with
 * that address follows, by the node. docs/nat.md describes the protocol. */
#pragma once

#include "core/nat/candidate.h"

#define PUNCH_CALLS_MAX 16	 /* under way at once, ours and others' */
#define PUNCH_ADDRESSES_MAX 12	 /* of one call: candidates, and where probes came from */
#define PUNCH_ROUNDS 9		 /* each address is probed so often at most */
#define PUNCH_PROBING_US 2500000 /* from the first probe on */
#define PUNCH_CALLING_US 1500000 /* a call unanswered this long has failed */
#define PUNCH_SPACING_US 5000	 /* between two probes of one call */
#define PUNCH_PROBES_PER_S 200	 /* of all calls together; as many at once */
#define PUNCH_ANSWERS_PER_S 400	 /* to probes: each as long as what it answers */
#define PUNCH_DEFER_US 300000	 /* the node with the higher id leaves the handshake to the other */
#define PUNCH_PROBE_LEN 8	 /* kind 1 | 0 3 | number 4 */
#define PUNCH_PROBE_KIND 0x12
#define PUNCH_ANSWER_KIND 0x13

enum punch_failure {
	PUNCH_NO_ANSWER, /* the call was not answered */
	PUNCH_REFUSED,	 /* it was, without candidates */
	PUNCH_NO_WAY,	 /* no probe came back */
};

enum punch_action_type {
	PUNCH_MESSAGE, /* to the peer, through the mesh: of this type, with our candidates */
	PUNCH_PROBE,   /* to the peer at this address, sealed: the body */
	PUNCH_FOUND,   /* this address works both ways: begin a handshake with it */
	PUNCH_FAILED,
};

struct punch_action {
	enum punch_action_type type;
	uint64_t peer;
	struct endpoint at;
	uint8_t body[PUNCH_PROBE_LEN];
	enum nat_message_type message; /* NAT_CALL or NAT_ANSWER */
	uint32_t call;
	bool is_refusal; /* without candidates */
	enum punch_failure failure;
	unsigned n_tried; /* addresses */
};

struct punch;

/* key: secret and new at each start; the numbers in probes come from it. -ENOMEM. */
int punch_new(uint64_t self, const uint8_t key[16], uint64_t now_us, struct punch **ret);
void punch_free(struct punch *p);

/* Begins to call a peer that we have a session with. -EALREADY, -ENOBUFS. */
int punch_call(struct punch *p, uint64_t peer, uint64_t now_us);
/* A NAT_CALL or NAT_ANSWER of this peer. is_welcome: whether a call of its is taken up; it is
 * refused otherwise. True: a call of the peer's has begun just now. */
bool punch_message(struct punch *p, uint64_t peer, const struct nat_message *m, bool is_welcome,
		   uint64_t now_us);
/* An authentic probe or answer of this peer came from there. -EBADMSG: neither. */
int punch_probe(struct punch *p, uint64_t peer, const struct endpoint *from, struct span body,
		uint64_t now_us);
/* There is a link now, or the peer is gone: silently. */
void punch_end(struct punch *p, uint64_t peer);
bool punch_is_calling(const struct punch *p, uint64_t peer);
size_t punch_count(const struct punch *p);

void punch_tick(struct punch *p, uint64_t now_us);
uint64_t punch_deadline_us(const struct punch *p);
bool punch_next_action(struct punch *p, struct punch_action *ret);

struct punch_counters {
	uint64_t calls, called, refused, found, failed, probes_sent, probes_heard, answers_sent,
		limited; /* probes and answers not sent, for there were too many */
};

const struct punch_counters *punch_counters(const struct punch *p);

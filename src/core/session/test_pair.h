/* SPDX-License-Identifier: Apache-2.0 */
/* test_pair.h - two sessions of one handshake, for this room's tests. */
#pragma once

#include "core/session/session.h"
#include "core/session/test_ops.h"

#define PAIR_PACKET_MAX 1280

/* A sealed packet; the text is the bytes given, or a rekey message, which is marked. */
struct packet {
	enum session_use use;
	uint32_t index;
	uint8_t lane;
	uint64_t sequence;
	bool is_rekey;
	uint8_t bytes[PAIR_PACKET_MAX];
	size_t len;
};

struct pair {
	struct rng rng[2];
	struct session *s[2]; /* 0 is the initiator */
	uint64_t now_us;
};

/* A config with this test's ops; the pair's rng must live as long as the session. */
struct session_config pair_config(struct rng *rng, const struct session_limits *limits);
/* limits may be NULL; four lanes each way. Asserts that it worked. */
void pair_new(struct pair *p, enum aead_algorithm aead, const struct session_limits *limits);
void pair_done(struct pair *p);

/* Seals bytes at one side: what session_reserve() says. */
int pair_seal(struct pair *p, unsigned from, enum session_use use, unsigned lane, struct span text,
	      bool is_rekey, struct packet *ret);
/* Opens at one side, into ret_text of PAIR_PACKET_MAX bytes (NULL: forget it), and hands a rekey
 * message to the session. */
enum session_verdict pair_open(struct pair *p, unsigned to, const struct packet *packet,
			       uint8_t *ret_text, bool *ret_is_newest);
/* A packet each way that is opened: afterwards both may send. */
void pair_greet(struct pair *p);
/* Sends one side's rekey messages until it has none left; other actions are counted by type,
 * where n_actions is not NULL. Returns how many messages went. */
unsigned pair_deliver(struct pair *p, unsigned from, unsigned n_actions[5]);
/* Ticks both sides and carries their messages, step by step, for a while. */
void pair_run(struct pair *p, uint64_t for_us, uint64_t step_us);
/* Both can send, and each opens what the other sends. */
void pair_assert_talks(struct pair *p);

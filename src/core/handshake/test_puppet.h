/* SPDX-License-Identifier: Apache-2.0 */
/* test_puppet.h - for tests: one side of a handshake by hand, who may break any rule. */
#pragma once

#include "core/handshake/internal.h"
#include "core/handshake/test_world.h"

struct puppet {
	struct world *w;
	struct host *target;
	struct hs_path path; /* where the puppet is, as the target sees it */
	struct network_keys nk;
	uint8_t cookie[COOKIE_LEN];
	uint8_t epoch;
	uint32_t index;
	uint32_t remote_index;
	struct exchange x;
	struct ephemeral ephemeral;
	struct params offer;
	uint8_t message[WIRE_HS_MESSAGE_MAX];
	size_t len;
};

/* At an address of its own for each number; the path may be changed after. */
void puppet_init(struct puppet *p, struct world *w, struct host *target, uint32_t number);
void puppet_fragment(struct puppet *p, uint8_t type, unsigned i);
/* All fragments of p->message. */
void puppet_message(struct puppet *p, uint8_t type);
void puppet_write_m1(struct puppet *p);
/* Sends the first fragment, takes the cookie out of the answer; false if there was none. */
bool puppet_fetch_cookie(struct puppet *p);
/* Puts the fragments of M2 that were sent to it together and opens it. */
bool puppet_read_m2(struct puppet *p, struct payload *payload, uint8_t *plaintext);

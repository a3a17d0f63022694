/* SPDX-License-Identifier: Apache-2.0 */
/* marks.h - which flows were let through, for packet threads to look up without a lock.
 *
 * The owner decides about a flow (forward.h, policy) and marks it; any thread asks. A mark is a
 * keyed 64-bit hash (SipHash) of direction, addresses, protocol and ports in a bucket of eight: a
 * flow that is not marked passes for one with a chance of 2^-61. A mark that is not there costs
 * time, never a packet: then the owner is asked. Marks end by themselves, so that the owner sees a
 * packet of each flow now and then, and remains the one who knows which flows are under way. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/forward/forward.h"

#define MARKS_MAX 8192 /* twice the flows: one mark for each direction */
#define MARK_US (FLOW_IDLE_US / 3)

enum mark_direction {
	MARK_OUT,
	MARK_IN,
};

struct marks;

int marks_new(const uint8_t hash_key[16], struct marks **ret);
void marks_free(struct marks *m);

/* ---- the owner ---- */

void marks_drop(struct marks *m, enum mark_direction d, const struct inner *i);
/* Whether a thread found it in a later second than this one. */
bool marks_used_since(const struct marks *m, enum mark_direction d, const struct inner *i,
		      uint64_t since_us);
/* For MARK_US from now on. Of a full bucket the oldest is forgotten. */
void marks_put(struct marks *m, enum mark_direction d, const struct inner *i, uint64_t now_us);
void marks_clear(struct marks *m);

/* ---- any thread ---- */

/* It is in use from then on. */
bool marks_has(struct marks *m, enum mark_direction d, const struct inner *i, uint64_t now_us);

/* SPDX-License-Identifier: Apache-2.0 */
/* resequence.h - puts the packets of one session back into the order in which they were sealed,
 * after ways of different delay (docs/multipath.md). A packet waits only behind one that is
 * missing, and that for RESEQUENCE_CAP_US at most. It loses none and makes none: what comes too
 * late goes on at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define RESEQUENCE_CAP_US 20000
#define RESEQUENCE_PACKETS_MAX 1024
#define RESEQUENCE_BYTES_MAX (3U << 19) /* 1.5 MB: 20 ms of 600 Mbit/s */

struct resequence;

/* packet_max: no longer one is ever held. -ENOMEM. */
int resequence_new(size_t packet_max, struct resequence **ret);
void resequence_free(struct resequence *q);

/* A packet with this sequence number is about to be put in: where it is too far ahead, what is
 * missing far behind it is given up. Drain resequence_next() between this and the input, and after
 * it. */
void resequence_expect(struct resequence *q, uint64_t sequence);
/* It came, once. True: hand it on now. False: it is held, a copy of it. tag: of the caller, kept
 * with it. */
bool resequence_input(struct resequence *q, uint64_t sequence, struct span packet, uint32_t tag,
		      uint64_t now_us);
/* All that is missing below this number is lost (inlet_floor()). */
void resequence_lost_below(struct resequence *q, uint64_t sequence);
/* The next one that is in order, or has waited long enough, or has to make room; until false. */
bool resequence_next(struct resequence *q, uint64_t now_us, struct span *ret, uint32_t *ret_tag);
/* When resequence_next() is to be asked again; NEVER_US: nothing is held. */
uint64_t resequence_deadline_us(const struct resequence *q);
/* Numbers begin anew: all that is held is in order now. Drain it before the next input. */
void resequence_restart(struct resequence *q);

struct resequence_counters {
	uint64_t held, late, lost, timed_out, full;
};

void resequence_counters(const struct resequence *q, struct resequence_counters *ret);

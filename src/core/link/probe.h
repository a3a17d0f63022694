/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - private to the room: what a probe says, and its bytes (docs/link.md). */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "core/link/link.h"

#define PROBE_READY 0x01  /* the sender hears us well enough to use the link */
#define PROBE_ANSWER 0x02 /* answer at once */
#define PROBE_ECHO 0x04	  /* the echo fields are filled in */

#define PROBE_INTERVAL_MIN_US 1000 /* what a neighbour may promise */
#define PROBE_INTERVAL_MAX_US 10000000

struct probe {
	uint8_t flags;
	uint32_t interval_us;
	uint32_t id;
	uint64_t timestamp_us;
	uint32_t echo_id;
	uint64_t echo_timestamp_us;
	uint32_t held_us;
	uint32_t loss_ppm;
};

/* -EBADMSG for another length, -EPROTO for what cannot be. */
int probe_decode(struct span body, struct probe *ret);
void probe_encode(const struct probe *p, uint8_t ret[LINK_PROBE_LEN]);

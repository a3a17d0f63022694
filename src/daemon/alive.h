/* SPDX-License-Identifier: Apache-2.0 */
/* alive.h - a thread that keeps the promises of the loop's probes while the loop is busy
 * (docs/link.md, "The liveness thread"). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ALIVE_LINKS_MAX 64 /* that are probed fast; more are left to the loop */
#define ALIVE_SIGNS 16	   /* sealed beforehand for each: 240 ms of a busy loop */
/* A loop that did not turn for so long carries nothing either, and is better thought dead. */
#define ALIVE_STUCK_US 1000000

struct daemon;
struct alive;

/* Once the node and its sockets are there. Says by daemon_feature() what is off. */
void alive_start(struct daemon *d);
/* After each call on the node, which next wants to be called at deadline_us. */
void alive_sync(struct daemon *d, uint64_t deadline_us);
void alive_tick(struct daemon *d); /* once a second */
void alive_end(struct daemon *d);  /* before the node and its sockets go */

struct alive_view {
	bool is_on;
	bool is_realtime;
	uint64_t signs_sent;
	uint64_t late_us; /* the latest it was in the last minute */
};

void alive_view(const struct daemon *d, struct alive_view *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* lateness.h - how late we are with what is due, because of other programs on this machine, and
 * how much of that neighbours are to be promised (link_set_lateness()). */
#pragma once

#include <stdint.h>

#define LATENESS_WINDOW_US 30000000 /* remembered for this long, and up to twice */

/* All zeros is a machine that never was late. */
struct lateness {
	uint64_t window_us;
	uint64_t latest_us[2]; /* of this window, and the one before */
};

void lateness_note(struct lateness *l, uint64_t late_us, uint64_t now_us);
uint64_t lateness_latest_us(const struct lateness *l);
/* Twice the latest, for as much again may come, as far as it is more than a neighbour doubts at
 * least before it gives a link up: what is within that costs it copies of some packets. */
uint32_t lateness_promise_us(const struct lateness *l);

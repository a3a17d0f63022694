/* SPDX-License-Identifier: Apache-2.0 */
/* How late we are, and what is promised for it. */
#include "core/link/lateness.h"

#include "base/units.h"
#include "core/link/link.h"

#define STEP_US MS(1) /* so that promises do not change all the time */

void lateness_note(struct lateness *l, uint64_t late_us, uint64_t now_us)
{
	if (now_us >= l->window_us + LATENESS_WINDOW_US) {
		l->latest_us[1] = l->latest_us[0];
		l->latest_us[0] = 0;
		l->window_us = now_us;
	}
	l->latest_us[0] = max_u64(l->latest_us[0], late_us);
}

uint64_t lateness_latest_us(const struct lateness *l)
{
	return max_u64(l->latest_us[0], l->latest_us[1]);
}

uint32_t lateness_promise_us(const struct lateness *l)
{
	uint64_t promise_us = 2 * lateness_latest_us(l);

	promise_us -= min_u64(promise_us, LINK_DOUBT_MIN_US);
	promise_us -= promise_us % STEP_US;
	return (uint32_t)min_u64(promise_us, LINK_LATENESS_MAX_US);
}

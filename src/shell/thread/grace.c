/* SPDX-License-Identifier: Apache-2.0 */
/* Periods: each publication begins one. */
#include "shell/thread/grace.h"

void grace_init(struct grace *g)
{
	atomic_init(&g->period, 1);
	for (unsigned i = 0; i < GRACE_USERS_MAX; i++)
		atomic_init(&g->users[i].entered, 0);
}

uint64_t grace_begin(struct grace *g)
{
	return atomic_fetch_add(&g->period, 1) + 1;
}

/* Who entered in that period or later read the period after the pointer was stored. */
bool grace_is_over(const struct grace *g, uint64_t since)
{
	for (unsigned i = 0; i < GRACE_USERS_MAX; i++) {
		uint64_t entered = atomic_load(&g->users[i].entered);

		if (entered != 0 && entered < since)
			return false;
	}
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/handshake/test_loss.h"

#include <stdlib.h>

#include "base/units.h"
#include "core/handshake/test_world.h"

#define RUNS_MAX 1000

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* As a node does: begins, and begins again a second after a failure. */
static uint64_t meet(struct world *w, struct host *a, struct host *b, unsigned *n_attempts)
{
	uint64_t limit_us = SECONDS(60);
	unsigned n_seen = 0;

	(void)world_start(w, a, b);
	++*n_attempts;
	while (w->now_us < limit_us) {
		world_run(w, w->now_us + MS(10));
		if (b->n_done > 0)
			return b->done_us[0];
		if (a->n_failed > n_seen ||
		    (a->n_done > 0 && w->now_us > a->done_us[a->n_done - 1] + SECONDS(9))) {
			n_seen = a->n_failed;
			world_run(w, w->now_us + SECONDS(1));
			*n_attempts += world_start(w, a, b) == 0;
		}
	}
	return NEVER_US;
}

void loss_run(unsigned n, unsigned loss_percent, bool through_mesh, uint64_t seed,
	      struct loss_result *ret)
{
	static uint64_t times[RUNS_MAX];

	*ret = (struct loss_result){ 0 };
	for (unsigned i = 0; i < n && i < RUNS_MAX; i++) {
		struct world w;
		struct host *a, *b;

		world_init(&w, seed + 1000 * i);
		w.loss_percent = loss_percent;
		w.duplicate_percent = 5;
		w.jitter_us = MS(10);
		w.through_mesh = through_mesh;
		a = world_add(&w);
		b = world_add(&w);
		times[i] = meet(&w, a, b, &ret->n_attempts);
		ret->n_complete += times[i] != NEVER_US && world_agree(a, b);
		world_done(&w);
	}
	qsort(times, n, sizeof(times[0]), by_time);
	ret->p50_us = times[n / 2];
	ret->p95_us = times[n * 95 / 100];
	ret->max_us = times[n - 1];
}

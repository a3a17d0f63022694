/* SPDX-License-Identifier: Apache-2.0 */
/* top.h - what `x0 top` shows of two looks at the daemon. Pure but for where it prints. */
#pragma once

#include "cli/cli.h"

#define TOP_PEERS_MAX 1000 /* as many as a node holds */

/* One look. */
struct top_look {
	uint64_t at_us;
	int64_t unix_ms;
	json_t *status, *peers; /* as the verbs of these names answer; owned */
};

void top_look_done(struct top_look *l);

/* From the one to the other, as one JSON object: x0 top --json. NULL when out of memory. */
json_t *top_json(const struct top_look *before, const struct top_look *now);

/* What a person sees, of top_json(); first: how many peers are left out at the top, rows: how many
 * lines there are in all (0: no limit). Returns how many peers there are. */
size_t top_view(struct cli *c, const json_t *top, size_t first, unsigned rows, bool is_paused);

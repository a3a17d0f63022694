/* SPDX-License-Identifier: Apache-2.0 */
/* Any report: what decodes says the same when encoded, and leaves ways that can be chosen among. */
#include <stdlib.h>

#include "core/multipath/ways.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[REPORT_LEN_MAX];
	struct ways w = { 0 };
	struct report r;
	size_t at;

	if (report_decode(SPAN(data, size), &r) < 0)
		return 0;
	if (report_encode(&r, again) != size || memcmp(again, data, size) != 0)
		abort();
	for (size_t i = 0; i < r.n && i < PATHS_MAX; i++) {
		if (ways_add(&w, r.ways[i].name, 1000, 1000) < 0)
			abort();
		ways_sent(&w, i, 0, r.ways[i].newest[REPORT_BULK], 1000, 2000);
		ways_sent(&w, i, WAYS_LANE_URGENT, r.ways[i].newest[REPORT_URGENT], 1000, 2000);
	}
	ways_reported(&w, &r, 5000);
	ways_reported(&w, &r, 100000);
	at = ways_bulk(&w, 1000, 100000);
	if (at != WAYS_NONE && at >= w.n)
		abort();
	ways_done(&w);
	return 0;
}

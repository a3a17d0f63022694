/* SPDX-License-Identifier: Apache-2.0 */
/* Any answer about links: what decodes encodes to the same bytes, and makes a graph in which ways
 * are looked for. */
#include <stdlib.h>

#include "core/multipath/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct view v;
	struct view_self self = { .id = 1, .n_links = 1, .links = { { 2, 3 } } };
	uint8_t again[VIEW_ANSWER_MAX];
	struct path paths[PATHS_MAX];
	struct view_answer a;
	struct graph g;
	uint64_t id, at_us;

	if (view_answer_decode(SPAN(data, size), &a) < 0)
		return 0;
	if (view_answer_encode(&a, again) != size || memcmp(again, data, size) != 0)
		abort();
	memset(&v, 0, sizeof(v));
	if (view_explore(&v, &self, 2, a.nonce, 1000, &id, &at_us) != VIEW_ASK || id != 2 ||
	    !view_told(&v, 2, &a, 1000))
		abort();
	view_graph(&v, &self, 1000, &g);
	if (disjoint_paths(&g, 1, 2, PATHS_MAX, paths) > 1)
		abort(); /* there is one link of ours */
	(void)view_explore(&v, &self, 2, 5, 1000, &id, &at_us);
	return 0;
}

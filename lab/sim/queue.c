/* SPDX-License-Identifier: Apache-2.0 */
/* What will happen in the simulated world: a heap by time. */
#include <assert.h>
#include <stdlib.h>

#include "sim/world.h"

static bool is_before(const struct sim_happening *a, const struct sim_happening *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void sim_push(struct sim *s, struct sim_happening h)
{
	size_t i;

	if (s->n_heap == s->heap_size) {
		size_t size = s->heap_size ? 2 * s->heap_size : 1024;
		struct sim_happening *heap = realloc(s->heap, size * sizeof(*heap));

		assert(heap);
		s->heap = heap;
		s->heap_size = size;
	}
	h.order = s->next_order++;
	for (i = s->n_heap++; i > 0 && is_before(&h, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = h;
}

struct sim_happening sim_pop(struct sim *s)
{
	struct sim_happening top = s->heap[0];
	struct sim_happening last = s->heap[--s->n_heap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->n_heap)
			break;
		if (child + 1 < s->n_heap && is_before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!is_before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	if (s->n_heap > 0)
		s->heap[i] = last;
	return top;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What will happen in the mesh: a heap by time. Four children to a node: half as deep as two, and
 * the children of one lie side by side. */
#include <stdlib.h>

#include "sim/mesh_world.h"

#define CHILDREN 4

static bool is_before(const struct mesh_event *a, const struct mesh_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void mesh_push(struct mesh *m, struct mesh_event e)
{
	size_t i;

	if (m->n_heap == m->heap_size) {
		m->heap_size = m->heap_size ? 2 * m->heap_size : 4096;
		m->heap = realloc(m->heap, m->heap_size * sizeof(*m->heap));
		if (!m->heap)
			abort();
	}
	e.order = m->next_order++;
	for (i = m->n_heap++; i > 0; i = (i - 1) / CHILDREN) {
		if (!is_before(&e, &m->heap[(i - 1) / CHILDREN]))
			break;
		m->heap[i] = m->heap[(i - 1) / CHILDREN];
	}
	m->heap[i] = e;
}

static size_t first_child(const struct mesh *m, size_t i)
{
	size_t child = CHILDREN * i + 1;
	size_t end = child + CHILDREN < m->n_heap ? child + CHILDREN : m->n_heap;
	size_t best = child;

	for (size_t k = child + 1; k < end; k++)
		if (is_before(&m->heap[k], &m->heap[best]))
			best = k;
	return best;
}

struct mesh_event mesh_pop(struct mesh *m)
{
	struct mesh_event top = m->heap[0];
	struct mesh_event last = m->heap[--m->n_heap];
	size_t i = 0;

	while (CHILDREN * i + 1 < m->n_heap) {
		size_t child = first_child(m, i);

		if (!is_before(&m->heap[child], &last))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	if (m->n_heap > 0)
		m->heap[i] = last;
	return top;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Slots for destinations and neighbours, and the queues of their numbers. */
#include "core/route/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/units.h"

#define SIZE_FIRST 16

/* A queue holds a number at most once, so size slots are enough once it is moved down. */
void queue_push(struct queue *q, size_t size, uint32_t item)
{
	if (q->tail == size) {
		memmove(q->items, q->items + q->head, (q->tail - q->head) * sizeof(*q->items));
		q->tail -= q->head;
		q->head = 0;
	}
	assert(q->tail < size);
	q->items[q->tail++] = item;
}

bool queue_pop(struct queue *q, uint32_t *ret)
{
	if (q->head == q->tail)
		return false;
	*ret = q->items[q->head++];
	if (q->head == q->tail)
		q->head = q->tail = 0;
	return true;
}

bool queue_is_empty(const struct queue *q)
{
	return q->head == q->tail;
}

/* Grows an array to n_new items, the new ones zero. */
static int grow(void *array, size_t item_size, size_t n_old, size_t n_new)
{
	void **p = array;
	uint8_t *grown = realloc(*p, n_new * item_size);

	if (!grown)
		return -ENOMEM;
	memset(grown + n_old * item_size, 0, (n_new - n_old) * item_size);
	*p = grown;
	return 0;
}

static int neighbour_grow(struct neighbour *n, size_t n_old, size_t n_new)
{
	if (grow(&n->heard, sizeof(*n->heard), n_old, n_new) < 0 ||
	    grow(&n->told, sizeof(*n->told), n_old, n_new) < 0 ||
	    grow(&n->updates.items, sizeof(uint32_t), n_old, n_new) < 0 ||
	    grow(&n->requests.items, sizeof(uint32_t), n_old, n_new) < 0)
		return -ENOMEM;
	for (size_t i = n_old; i < n_new; i++) {
		n->heard[i].at.metric = ROUTE_METRIC_INFINITY;
		n->heard[i].last_metric = ROUTE_METRIC_INFINITY;
	}
	return 0;
}

/* An array that grew before another could not is only larger than it need be. */
static int table_grow(struct routes *t)
{
	size_t n_old = t->n_size;
	size_t n_new = n_old ? 2 * n_old : SIZE_FIRST;

	if (grow(&t->destinations, sizeof(*t->destinations), n_old, n_new) < 0 ||
	    grow(&t->freed.items, sizeof(uint32_t), n_old, n_new) < 0 ||
	    grow(&t->changed.items, sizeof(uint32_t), n_old, n_new) < 0 ||
	    grow(&t->pending.items, sizeof(uint32_t), n_old, n_new) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		if (t->neighbours[i].heard && neighbour_grow(&t->neighbours[i], n_old, n_new) < 0)
			return -ENOMEM;
	}
	t->n_size = n_new;
	return 0;
}

int table_find(const struct routes *t, uint64_t id)
{
	uintptr_t slot = (uintptr_t)map_get(t->by_id, &id);

	return slot ? (int)(slot - 1) : NO_SLOT;
}

/* Places are kept for the neighbours themselves, and no neighbour fills the table alone. */
static bool has_room(const struct routes *t, uint64_t id, int introduced_by)
{
	const struct neighbour *n = &t->neighbours[introduced_by];

	if (id == n->id)
		return t->n_live < ROUTE_DESTINATIONS_MAX;
	return t->n_live < ROUTE_DESTINATIONS_MAX - ROUTE_NEIGHBOURS_MAX &&
	       n->n_introduced < ROUTE_INTRODUCED_MAX;
}

static int take_slot(struct routes *t, uint32_t *ret)
{
	if (queue_pop(&t->freed, ret))
		return 0;
	if (t->n_destinations == t->n_size && table_grow(t) < 0)
		return -ENOMEM;
	*ret = (uint32_t)t->n_destinations++;
	return 0;
}

int table_add(struct routes *t, uint64_t id, int introduced_by)
{
	int found = table_find(t, id);
	uint32_t slot;
	int r;

	if (found >= 0)
		return found;
	if (introduced_by >= 0 && !has_room(t, id, introduced_by))
		return -ENOBUFS;
	r = take_slot(t, &slot);
	if (r < 0)
		return r;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the map keeps a number */
	r = map_put(t->by_id, &id, (void *)(uintptr_t)(slot + 1));
	if (r < 0) {
		queue_push(&t->freed, t->n_size, slot);
		return r;
	}
	t->destinations[slot] = (struct destination){
		.id = id,
		.since_us = t->now_us,
		.next = NO_SLOT,
		.at.metric = ROUTE_METRIC_INFINITY,
		.last_metric = ROUTE_METRIC_INFINITY,
		.introduced_by = introduced_by,
		.better = NO_SLOT,
	};
	if (introduced_by >= 0)
		t->neighbours[introduced_by].n_introduced++;
	t->n_live++;
	t->n_unreachable++;
	if (t->sweep_us == NEVER_US)
		t->sweep_us = t->now_us + ROUTE_SWEEP_US;
	return (int)slot;
}

void table_forget(struct routes *t, uint32_t slot)
{
	struct destination *d = &t->destinations[slot];

	if (d->introduced_by >= 0)
		t->neighbours[d->introduced_by].n_introduced--;
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		if (!t->neighbours[i].heard)
			continue;
		t->neighbours[i].heard[slot].last_metric = ROUTE_METRIC_INFINITY;
		t->neighbours[i].heard[slot].is_beyond = false;
		t->neighbours[i].heard[slot].is_doubted = false;
	}
	(void)map_remove(t->by_id, &d->id);
	d->id = 0;
	t->n_live--;
	t->n_unreachable--;
	queue_push(&t->freed, t->n_size, slot);
}

int neighbour_find(const struct routes *t, uint64_t id)
{
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		if (t->neighbours[i].id == id)
			return (int)i;
	}
	return NO_SLOT;
}

void neighbour_done(struct routes *t, struct neighbour *n)
{
	for (size_t i = 0; n->heard && i < t->n_destinations; i++)
		free(n->heard[i].relayed);
	free(n->heard);
	free(n->told);
	free(n->updates.items);
	free(n->requests.items);
	*n = (struct neighbour){ 0 };
}

void neighbour_detach(struct routes *t, int slot)
{
	for (uint32_t i = 0; i < t->n_destinations; i++) {
		struct destination *d = &t->destinations[i];

		d->askers[slot / 64] &= ~(UINT64_C(1) << slot % 64);
		if (d->introduced_by == slot)
			d->introduced_by = NO_SLOT;
	}
	zone_detach(t, slot);
	t->neighbours[slot].n_introduced = 0;
}

static int new_slot(struct routes *t)
{
	unsigned n_new = t->neighbours_size ? 2 * t->neighbours_size : 4;

	if (t->n_neighbours == t->neighbours_size) {
		if (grow(&t->neighbours, sizeof(*t->neighbours), t->neighbours_size, n_new) < 0)
			return -ENOMEM;
		t->neighbours_size = n_new;
	}
	return (int)t->n_neighbours++;
}

/* A free slot, or that of a neighbour that is down. */
static int neighbour_slot(struct routes *t)
{
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		if (t->neighbours[i].id == 0)
			return (int)i;
	}
	if (t->n_neighbours < ROUTE_NEIGHBOURS_MAX)
		return new_slot(t);
	for (unsigned i = 0; i < t->n_neighbours; i++) {
		if (!t->neighbours[i].is_up) {
			unhear_all(t, (int)i);
			neighbour_detach(t, (int)i);
			for (size_t k = 0; k < t->n_destinations; k++)
				t->neighbours[i].heard[k].last_metric = ROUTE_METRIC_INFINITY;
			return (int)i;
		}
	}
	return -ENOBUFS;
}

int neighbour_add(struct routes *t, uint64_t id)
{
	int slot = neighbour_find(t, id);
	struct neighbour *n;

	if (slot >= 0)
		return slot;
	slot = neighbour_slot(t);
	if (slot < 0)
		return slot;
	n = &t->neighbours[slot];
	if (!n->heard && neighbour_grow(n, 0, t->n_size) < 0) {
		neighbour_done(t, n);
		return -ENOMEM;
	}
	n->id = id;
	n->metric = ROUTE_METRIC_INFINITY;
	n->epoch = 0;
	n->is_resyncing = false;
	n->was_dumped = false;
	n->resync_after_us = 0;
	n->resync_wait_us = ROUTE_DIGEST_US;
	return slot;
}

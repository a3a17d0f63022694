/* SPDX-License-Identifier: Apache-2.0 */
/* Records one behind the other; one that does not fit before the end lies at the beginning. */
#include "shell/thread/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define HEADER 8
#define SKIP UINT64_MAX /* instead of a length: go on at the beginning */

struct ring {
	size_t size;
	uint8_t *bytes;
	/* Positions count on for ever; where they are equal the ring is empty. */
	_Alignas(64) _Atomic size_t written; /* by the writer */
	size_t pending;			     /* the writer's own: behind the record being written */
	size_t seen_released;		     /* as the writer last looked */
	_Alignas(64) _Atomic size_t released; /* by the reader */
	size_t taken;			      /* the reader's own */
};

static size_t space_of(size_t len)
{
	return HEADER + ((len + 7) & ~(size_t)7);
}

int ring_new(size_t size, struct ring **ret)
{
	struct ring *r;

	if (size < 64 || (size & (size - 1)))
		return -EINVAL;
	r = aligned_alloc(64, sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct ring){ .size = size, .bytes = malloc(size) };
	if (!r->bytes) {
		free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	free(r->bytes);
	free(r);
}

static uint64_t *header_at(const struct ring *r, size_t at)
{
	return (uint64_t *)(void *)(r->bytes + (at & (r->size - 1)));
}

static bool has_room(struct ring *r, size_t end, size_t size)
{
	if (end - r->seen_released <= size)
		return true;
	r->seen_released = atomic_load_explicit(&r->released, memory_order_acquire);
	return end - r->seen_released <= size;
}

static void *room_of(struct ring *r, size_t len, size_t size)
{
	size_t at = atomic_load_explicit(&r->written, memory_order_relaxed);
	size_t left = r->size - (at & (r->size - 1)); /* before the end; 8 at least */
	size_t skipped = left < space_of(len) ? left : 0;

	if (len > r->size / 2 - HEADER || !has_room(r, at + skipped + space_of(len), size))
		return NULL;
	if (skipped)
		*header_at(r, at) = SKIP;
	at += skipped;
	*header_at(r, at) = len;
	r->pending = at + space_of(len);
	return header_at(r, at) + 1;
}

void *ring_room(struct ring *r, size_t len)
{
	return room_of(r, len, r->size);
}

void *ring_room_within(struct ring *r, size_t len, unsigned quarters)
{
	return room_of(r, len, r->size / 4 * quarters);
}

void ring_commit(struct ring *r)
{
	atomic_store_explicit(&r->written, r->pending, memory_order_release);
}

void *ring_next(struct ring *r, size_t *ret_len)
{
	uint64_t *header;

	if (r->taken == atomic_load_explicit(&r->written, memory_order_acquire))
		return NULL;
	header = header_at(r, r->taken);
	if (*header == SKIP) { /* never the last: a record follows it */
		r->taken += r->size - (r->taken & (r->size - 1));
		header = header_at(r, r->taken);
	}
	*ret_len = *header;
	r->taken += space_of(*header);
	return header + 1;
}

void ring_release(struct ring *r)
{
	atomic_store_explicit(&r->released, r->taken, memory_order_release);
}

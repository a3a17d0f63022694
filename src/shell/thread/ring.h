/* SPDX-License-Identifier: Apache-2.0 */
/* ring.h - a bounded queue of records from one thread to another, without a lock.
 *
 * One thread writes, one reads. A record lies in one piece, aligned to eight bytes, and stays where
 * it is until the reader gives it back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/* size: a power of two, of which a record can take a half at most. -EINVAL, -ENOMEM. */
int ring_new(size_t size, struct ring **ret);
void ring_free(struct ring *r);

/* ---- the writer ---- */

/* Room for a record of len bytes; NULL: there is none now. It is seen by the reader from
 * ring_commit() on. */
void *ring_room(struct ring *r, size_t len);
/* As ring_room(), for what may fill no more than so many quarters of the ring, so that the rest is
 * kept for records that matter more. */
void *ring_room_within(struct ring *r, size_t len, unsigned quarters);
void ring_commit(struct ring *r);

/* ---- the reader ---- */

/* The next record, or NULL. */
void *ring_next(struct ring *r, size_t *ret_len);
/* Gives back all that ring_next() has returned. */
void ring_release(struct ring *r);

/* SPDX-License-Identifier: Apache-2.0 */
/* grace.h - when nobody uses any more what was published before.
 *
 * One thread publishes pointers to what never changes and frees what they pointed to before;
 * others use it. A user enters, loads the pointer, and leaves when it is done with a batch. The
 * publisher never waits: it asks now and then whether all who may have seen the old pointer have
 * left (quiescent state based reclamation, as in liburcu; here without a library, so that the
 * thread sanitizer sees all of it, and without a thread or a system call of its own). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GRACE_USERS_MAX 4

struct grace {
	_Atomic uint64_t period; /* from 1 on */
	struct {
		_Alignas(64) _Atomic uint64_t entered; /* in this period; 0: is not in */
	} users[GRACE_USERS_MAX];
};

void grace_init(struct grace *g);

/* All are sequentially consistent: a user that the publisher believes not to be in loads the
 * pointer after it was published. */
static inline void grace_enter(struct grace *g, unsigned user)
{
	atomic_store(&g->users[user].entered, atomic_load(&g->period));
}

static inline void grace_leave(struct grace *g, unsigned user)
{
	atomic_store_explicit(&g->users[user].entered, 0, memory_order_release);
}

/* After the new pointer was stored: what is to be asked for about the old one. */
uint64_t grace_begin(struct grace *g);
bool grace_is_over(const struct grace *g, uint64_t since);

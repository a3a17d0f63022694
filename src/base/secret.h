/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - memory for what must stay secret for long: private keys, network keys, passphrases.
 *
 * Ordinary memory by default, wiped when given back. A program that calls secret_open() of
 * shell/secret at its start gets memory that is locked, in no core file, and fenced; cores ask
 * for it here without knowing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Zeros, aligned to 16. NULL where memory or the places for secrets are used up. */
void *secret_alloc(size_t len);
/* Wipes; NULL does nothing. */
void secret_free(void *p);

static inline void secret_freep(void *p)
{
	secret_free(*(void **)p);
}

/* Where else secrets are put; installed once, before there is a second thread. */
struct secret_memory {
	void *(*alloc)(size_t len);
	bool (*free)(void *p); /* false: not its own */
};

void secret_memory_use(const struct secret_memory *m);

/* For libraries that take an allocator: what malloc() gave is wiped whole before it goes back,
 * whatever lay in it. */
void heap_free_wiped(void *p);
void *heap_realloc_wiped(void *p, size_t len);

static inline void heap_free_wipedp(void *p)
{
	heap_free_wiped(*(void **)p);
}

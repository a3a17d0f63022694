/* SPDX-License-Identifier: Apache-2.0 */
/* window.h - which sequence numbers of one key, use and lane have been seen (RFC 6479).
 *
 * Any number of threads may call window_accept() at once: each number is accepted once. There is
 * no lock. A word of the ring holds which turn of the ring it belongs to beside the bits of that
 * turn, so that checking, clearing and marking are one compare-and-swap. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/session/session.h"

#define WINDOW_WORD_BITS 16 /* the other 48 hold the turn, which 2^56 numbers need 43 of */
/* One word more than the window has: it may begin in the middle of a word and end in another. */
#define WINDOW_WORDS (SESSION_WINDOW_BITS / WINDOW_WORD_BITS + 1)

/* All zeros is a window that has seen nothing. */
struct window {
	_Atomic uint64_t next; /* the newest seen + 1 */
	_Atomic uint64_t words[WINDOW_WORDS];
};

/* Checks, marks and slides in one step; to be called for authentic packets only. False: seen
 * before, or older than the window. *ret_is_newest: newer than all before. */
bool window_accept(struct window *w, uint64_t sequence, bool *ret_is_newest);

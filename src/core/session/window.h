/* SPDX-License-Identifier: Apache-2.0 */
/* window.h - which sequence numbers of one key, use and lane have been seen (RFC 6479). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/session/session.h"

/* One word more than the window has: it may begin in the middle of a word and end in another. */
#define WINDOW_WORDS (SESSION_WINDOW_BITS / 64 + 1)

/* All zeros is a window that has seen nothing. */
struct window {
	uint64_t next; /* the newest seen + 1 */
	uint64_t words[WINDOW_WORDS];
};

/* Checks, marks and slides in one step; to be called for authentic packets only. False: seen
 * before, or older than the window. *ret_is_newest: newer than all before. */
bool window_accept(struct window *w, uint64_t sequence, bool *ret_is_newest);

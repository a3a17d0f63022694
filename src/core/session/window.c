/* SPDX-License-Identifier: Apache-2.0 */
/* The replay window: a ring of words that are taken over one at a time by newer numbers, and never
 * shifted (RFC 6479). A number belongs to one bit of one turn of one word. A word's turn only
 * grows, and its bits are only ever set, so a number that was accepted is refused ever after. */
#include "core/session/window.h"

#define TURN_SHIFT WINDOW_WORD_BITS

/* False: its bit is set, or the word has gone on to a later turn. */
static bool mark(_Atomic uint64_t *word, uint64_t turn, uint64_t bit)
{
	uint64_t was = atomic_load_explicit(word, memory_order_relaxed);
	uint64_t is;

	do {
		if (was >> TURN_SHIFT > turn || (was >> TURN_SHIFT == turn && was & bit))
			return false;
		is = was >> TURN_SHIFT == turn ? was | bit : turn << TURN_SHIFT | bit;
	} while (!atomic_compare_exchange_weak_explicit(word, &was, is, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

/* True where it went forward by this call. */
static bool advance(struct window *w, uint64_t sequence)
{
	uint64_t next = atomic_load_explicit(&w->next, memory_order_relaxed);

	while (sequence >= next)
		if (atomic_compare_exchange_weak_explicit(&w->next, &next, sequence + 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

bool window_accept(struct window *w, uint64_t sequence, bool *ret_is_newest)
{
	uint64_t next = atomic_load_explicit(&w->next, memory_order_relaxed);
	uint64_t block = sequence / WINDOW_WORD_BITS;

	if (sequence < next && next - sequence > SESSION_WINDOW_BITS)
		return false;
	if (!mark(&w->words[block % WINDOW_WORDS], block / WINDOW_WORDS,
		  UINT64_C(1) << sequence % WINDOW_WORD_BITS))
		return false;
	*ret_is_newest = advance(w, sequence);
	return true;
}

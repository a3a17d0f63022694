/* SPDX-License-Identifier: Apache-2.0 */
/* The replay window: a ring of words that is cleared a word at a time as it slides, and never
 * shifted (RFC 6479). */
#include "core/session/window.h"

static void slide(struct window *w, uint64_t sequence)
{
	uint64_t from = w->next > 0 ? (w->next - 1) / 64 : 0;
	uint64_t n = sequence / 64 - from;

	if (n > WINDOW_WORDS)
		n = WINDOW_WORDS;
	for (uint64_t i = 1; i <= n; i++)
		w->words[(from + i) % WINDOW_WORDS] = 0;
	w->next = sequence + 1;
}

bool window_accept(struct window *w, uint64_t sequence, bool *ret_is_newest)
{
	bool is_newest = sequence >= w->next;
	uint64_t *word = &w->words[sequence / 64 % WINDOW_WORDS];
	uint64_t bit = UINT64_C(1) << sequence % 64;

	if (is_newest)
		slide(w, sequence);
	else if (w->next - sequence > SESSION_WINDOW_BITS || (*word & bit))
		return false;
	*word |= bit;
	*ret_is_newest = is_newest;
	return true;
}

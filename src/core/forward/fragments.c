/* SPDX-License-Identifier: Apache-2.0 */
#include "core/forward/fragments.h"

#include <string.h>

static bool is_of(const struct fragmented *f, uint64_t peer, const struct inner *i)
{
	return f->peer == peer && f->id == i->fragment_id && f->protocol == i->protocol &&
	       memcmp(f->source, i->source, sizeof(f->source)) == 0 &&
	       memcmp(f->destination, i->destination, sizeof(f->destination)) == 0;
}

void fragments_note(struct fragments *f, uint64_t peer, const struct inner *first, uint64_t now_us)
{
	unsigned set = (unsigned)(peer % FRAGMENTS_SETS);
	struct fragmented *to = NULL;

	for (unsigned k = 0; k < FRAGMENTS_OF_SET && !to; k++)
		if (is_of(&f->sets[set][k], peer, first))
			to = &f->sets[set][k];
	if (!to) {
		to = &f->sets[set][f->next[set]];
		f->next[set] = (uint8_t)((f->next[set] + 1) % FRAGMENTS_OF_SET);
	}
	to->peer = peer;
	to->until_us = now_us + FRAGMENTS_LIFE_US;
	memcpy(to->source, first->source, sizeof(to->source));
	memcpy(to->destination, first->destination, sizeof(to->destination));
	to->id = first->fragment_id;
	to->protocol = first->protocol;
}

bool fragments_follow(const struct fragments *f, uint64_t peer, const struct inner *later,
		      uint64_t now_us)
{
	const struct fragmented *set = f->sets[peer % FRAGMENTS_SETS];

	for (unsigned k = 0; k < FRAGMENTS_OF_SET; k++)
		if (is_of(&set[k], peer, later))
			return now_us < set[k].until_us;
	return false;
}

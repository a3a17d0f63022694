/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which IPv4 address. Each node has PREFIX_IPV4_CHOICES addresses that follow from its id
 * and says which it takes; where two take the same, all decide alike. */
#include <stdlib.h>

#include "core/node/node_internal.h"

static int compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int c = memcmp(x->address, y->address, sizeof(x->address));

	if (c != 0)
		return c;
	if (x->choice != y->choice)
		return x->choice < y->choice ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

size_t claims_settle(struct claim *list, size_t n)
{
	size_t kept = 0;

	if (n > 0)
		qsort(list, n, sizeof(*list), compare);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || memcmp(list[kept - 1].address, list[i].address, 16) != 0)
			list[kept++] = list[i];
	return kept;
}

static const struct claim *find(const struct claim *list, size_t n, const uint8_t address[16])
{
	size_t first = 0;

	while (first < n) {
		size_t middle = first + (n - first) / 2;
		int c = memcmp(address, list[middle].address, 16);

		if (c == 0)
			return &list[middle];
		if (c < 0)
			n = middle;
		else
			first = middle + 1;
	}
	return NULL;
}

uint64_t claims_find(const struct claim *list, size_t n, const uint8_t address[16])
{
	const struct claim *c = find(list, n, address);

	return c ? c->id : 0;
}

unsigned claims_choose(const struct claim *others, size_t n, const struct prefix *within,
		       uint64_t self, unsigned choice)
{
	struct claim mine = { .id = self, .choice = (uint8_t)choice };
	const struct claim *other;

	if (choice < PREFIX_IPV4_CHOICES) {
		prefix_ipv4_of(within, self, choice, mine.address);
		other = find(others, n, mine.address);
		if (!other || compare(&mine, other) < 0)
			return choice;
	}
	/* from the first on: one that was taken before may be free again */
	for (unsigned i = 0; i < PREFIX_IPV4_CHOICES; i++) {
		prefix_ipv4_of(within, self, i, mine.address);
		if (!find(others, n, mine.address))
			return i;
	}
	return PREFIX_IPV4_CHOICES;
}

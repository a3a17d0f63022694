/* SPDX-License-Identifier: Apache-2.0 */
/* Of which neighbours it is known that packets to a destination turn back there. */
#include "core/forward/hints.h"

#include "base/units.h"

/* Who chooses ids so that they share a bucket has hints forgotten, which cost a detour each. */
static unsigned bucket_of(uint64_t neighbour, uint64_t destination)
{
	uint64_t mixed = (neighbour * UINT64_C(0x9e3779b97f4a7c15)) ^
			 (destination * UINT64_C(0xc2b2ae3d27d4eb4f));

	return (unsigned)(mixed >> 32) % HINTS_BUCKETS;
}

bool hints_has(const struct hints *h, uint64_t neighbour, uint64_t destination, uint64_t now_us)
{
	const struct hint *bucket = h->of[bucket_of(neighbour, destination)];

	if (!hints_are_there(h, now_us))
		return false;
	for (unsigned i = 0; i < HINTS_WAYS; i++)
		if (bucket[i].neighbour == neighbour && bucket[i].destination == destination &&
		    now_us < bucket[i].until_us)
			return true;
	return false;
}

bool hints_put(struct hints *h, uint64_t neighbour, uint64_t destination, uint64_t now_us,
	       uint64_t for_us)
{
	struct hint *bucket = h->of[bucket_of(neighbour, destination)];
	struct hint *first = bucket;

	if (hints_has(h, neighbour, destination, now_us))
		return false;
	for (unsigned i = 1; i < HINTS_WAYS; i++)
		if (bucket[i].until_us < first->until_us)
			first = &bucket[i];
	*first = (struct hint){ neighbour, destination, now_us + for_us };
	h->until_us = max_u64(h->until_us, now_us + for_us);
	return true;
}

bool hints_may(struct hints_rate *r, uint64_t now_us)
{
	if (now_us >= r->second_us + SECONDS(1))
		*r = (struct hints_rate){ .second_us = now_us };
	if (r->n == HINTS_A_SECOND)
		return false;
	r->n++;
	return true;
}

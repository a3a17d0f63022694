/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: made once, looked up by any thread. */
#include "core/carry/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

DEFINE_FREEP(struct carry_table, carry_table_free)

/* Ids and indices are random, or were chosen by this node: no key is needed. Peers choose their
 * ids, but only those that the authority has admitted. */
static size_t slot_of(uint64_t key, size_t mask)
{
	return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & mask;
}

static void put(struct carry_slot *slots, size_t mask, uint64_t key, size_t way, unsigned share)
{
	size_t i = slot_of(key, mask);

	while (slots[i].is_used)
		i = (i + 1) & mask;
	slots[i] = (struct carry_slot){
		.key = key,
		.way = (uint32_t)way,
		.share = share,
		.is_used = true,
	};
}

static const struct carry_slot *find(const struct carry_slot *slots, size_t mask, uint64_t key)
{
	for (size_t i = slot_of(key, mask); slots[i].is_used; i = (i + 1) & mask)
		if (slots[i].key == key)
			return &slots[i];
	return NULL;
}

static void fill(struct carry_table *t, const struct carry_way *ways)
{
	for (size_t i = 0; i < t->n; i++) {
		struct carry_way *w = &t->ways[i];

		*w = ways[i];
		put(t->by_id, t->mask, w->id, i, 0);
		for (unsigned s = 0; s < 2; s++)
			if (w->shares[s])
				put(t->by_index, t->mask, share_ref(w->shares[s])->local_index, i,
				    s);
	}
}

int carry_table_new(const struct carry_way *ways, size_t n, const struct carry_self *self,
		    struct carry_table **ret)
{
	CLEANUP(carry_table_freep) struct carry_table *t = calloc(1, sizeof(*t));
	size_t n_slots = 8;

	if (!t)
		return -ENOMEM;
	while (n_slots < 8 * n)
		n_slots *= 2;
	t->mask = n_slots - 1;
	t->ways = calloc(n ? n : 1, sizeof(*t->ways));
	t->by_id = calloc(n_slots, sizeof(*t->by_id));
	t->by_index = calloc(n_slots, sizeof(*t->by_index));
	if (!t->ways || !t->by_id || !t->by_index)
		return -ENOMEM;
	t->self = *self;
	t->n = n;
	fill(t, ways);
	*ret = TAKE(t);
	return 0;
}

void carry_table_free(struct carry_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		for (unsigned s = 0; s < 2; s++)
			share_unref(t->ways[i].shares[s]);
	free(t->ways);
	free(t->by_id);
	free(t->by_index);
	free(t);
}

static bool is_same(const struct carry_way *a, const struct carry_way *b)
{
	return a->id == b->id && a->packet_max == b->packet_max && a->shares[0] == b->shares[0] &&
	       a->shares[1] == b->shares[1] && endpoint_equal(&a->at, &b->at);
}

bool carry_table_is_of(const struct carry_table *t, const struct carry_way *ways, size_t n)
{
	if (t->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_same(&t->ways[i], &ways[i]))
			return false;
	return true;
}

const struct carry_way *carry_way_to(const struct carry_table *t, uint64_t id)
{
	const struct carry_slot *s = find(t->by_id, t->mask, id);

	return s ? &t->ways[s->way] : NULL;
}

const struct carry_way *carry_way_at(const struct carry_table *t, uint32_t index,
				     struct share **ret_share)
{
	const struct carry_slot *s = find(t->by_index, t->mask, index);

	if (!s)
		return NULL;
	*ret_share = t->ways[s->way].shares[s->share];
	return &t->ways[s->way];
}

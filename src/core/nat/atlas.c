/* SPDX-License-Identifier: Apache-2.0 */
/* The map of last known addresses. */
#include "core/nat/atlas.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/map.h"

struct atlas {
	struct map *map; /* node id -> struct atlas_entry */
	uint64_t version;
};

DEFINE_FREEP(struct atlas, atlas_free)

int atlas_new(const uint8_t hash_key[16], struct atlas **ret)
{
	CLEANUP(atlas_freep) struct atlas *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	r = map_new(sizeof(uint64_t), ATLAS_NODES_MAX, hash_key, &a->map);
	if (r < 0)
		return r;
	*ret = TAKE(a);
	return 0;
}

void atlas_free(struct atlas *a)
{
	struct atlas_entry *e;
	size_t cursor = 0;

	if (!a)
		return;
	while (a->map && (e = map_next(a->map, &cursor)))
		free(e);
	map_free(a->map);
	free(a);
}

static int compare_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int atlas_compare(const struct atlas_entry *a, const struct atlas_entry *b)
{
	struct nat_message of_a = { .at = a->at };
	struct nat_message of_b = { .at = b->at };
	uint8_t bytes_a[NAT_MESSAGE_MAX] = { 0 };
	uint8_t bytes_b[NAT_MESSAGE_MAX] = { 0 };

	if (a->boot_epoch != b->boot_epoch)
		return compare_u32(a->boot_epoch, b->boot_epoch);
	if (a->counter != b->counter)
		return compare_u32(a->counter, b->counter);
	(void)nat_message_encode(&of_a, bytes_a);
	(void)nat_message_encode(&of_b, bytes_b);
	return memcmp(bytes_a, bytes_b, sizeof(bytes_a));
}

void atlas_forget(struct atlas *a, uint64_t node_id)
{
	struct atlas_entry *e = map_remove(a->map, &node_id);

	if (!e)
		return;
	free(e);
	a->version++;
}

static void forget_oldest(struct atlas *a)
{
	struct atlas_entry *oldest = NULL;
	struct atlas_entry *e;
	size_t cursor = 0;

	while ((e = map_next(a->map, &cursor)))
		if (!oldest || e->heard_us < oldest->heard_us)
			oldest = e;
	if (oldest)
		atlas_forget(a, oldest->node_id);
}

static struct atlas_entry *make(struct atlas *a, uint64_t node_id)
{
	struct atlas_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	if (map_count(a->map) == ATLAS_NODES_MAX)
		forget_oldest(a);
	e->node_id = node_id;
	if (map_put(a->map, &node_id, e) == 0)
		return e;
	free(e);
	return NULL;
}

bool atlas_merge(struct atlas *a, const struct atlas_entry *e)
{
	struct atlas_entry *have;

	if (e->node_id == 0)
		return false;
	have = map_get(a->map, &e->node_id);
	if (have && e->heard_us > have->heard_us)
		have->heard_us = e->heard_us;
	if (have && atlas_compare(e, have) <= 0)
		return false;
	if (!have)
		have = make(a, e->node_id);
	if (!have)
		return false;
	have->boot_epoch = e->boot_epoch;
	have->counter = e->counter;
	have->at = e->at;
	if (e->heard_us > have->heard_us)
		have->heard_us = e->heard_us;
	if (endpoint_is_null(&have->reached))
		have->reached = e->reached;
	a->version++;
	return true;
}

bool atlas_reached(struct atlas *a, uint64_t node_id, const struct endpoint *at, uint64_t now_us)
{
	struct atlas_entry *e = map_get(a->map, &node_id);

	if (node_id == 0 || at->scope != 0) /* a link-local one may be another's after a restart */
		return false;
	if (!e)
		e = make(a, node_id);
	if (!e)
		return false;
	e->heard_us = now_us;
	if (endpoint_equal(&e->reached, at))
		return false;
	e->reached = *at;
	a->version++;
	return true;
}

const struct atlas_entry *atlas_get(const struct atlas *a, uint64_t node_id)
{
	return map_get(a->map, &node_id);
}

const struct atlas_entry *atlas_next(const struct atlas *a, size_t *cursor)
{
	return map_next(a->map, cursor);
}

size_t atlas_count(const struct atlas *a)
{
	return map_count(a->map);
}

uint64_t atlas_version(const struct atlas *a)
{
	return a->version;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of certificates that several nodes of one process have alike. */
#include <errno.h>
#include <stdlib.h>

#include "core/origin/state.h"

struct origin_store {
	struct map *by_name;
};

struct shared {
	size_t n_users;
	uint8_t name[ORIGIN_HASH_LEN];
	uint8_t bytes[];
};

int origin_store_new(size_t n_max, const uint8_t hash_key[16], struct origin_store **ret)
{
	struct origin_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = map_new(ORIGIN_HASH_LEN, n_max, hash_key, &s->by_name);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void origin_store_free(struct origin_store *s)
{
	struct shared *shared;
	size_t cursor = 0;

	if (!s)
		return;
	while ((shared = map_next(s->by_name, &cursor)))
		free(shared);
	map_free(s->by_name);
	free(s);
}

size_t origin_store_count(const struct origin_store *s)
{
	return map_count(s->by_name);
}

uint8_t *store_take(struct origin_store *s, const uint8_t name[ORIGIN_HASH_LEN], struct span bytes)
{
	struct shared *shared = map_get(s->by_name, name);

	if (!shared) {
		shared = calloc(1, sizeof(*shared) + bytes.len);
		if (!shared)
			return NULL;
		memcpy(shared->name, name, ORIGIN_HASH_LEN);
		memcpy(shared->bytes, bytes.at, bytes.len);
		if (map_put(s->by_name, name, shared) < 0) {
			free(shared);
			return NULL;
		}
	}
	shared->n_users++;
	return shared->bytes;
}

void store_drop(struct origin_store *s, const uint8_t name[ORIGIN_HASH_LEN])
{
	struct shared *shared = map_get(s->by_name, name);

	if (--shared->n_users > 0)
		return;
	(void)map_remove(s->by_name, name);
	free(shared);
}

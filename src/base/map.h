/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - a bounded hash map from fixed-size byte keys to pointers.
 *
 * Keyed with SipHash, so that a peer who chooses the keys cannot choose the collisions.
 * The order of a walk is the order of insertion (removals keep it), so that no walk depends
 * on the hash key: the same inputs give the same run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;

/* key_len bytes a key, at most n_max entries. -ENOMEM. */
int map_new(size_t key_len, size_t n_max, const uint8_t hash_key[16], struct map **ret);
void map_free(struct map *m); /* the values are the caller's to free first */

/* NULL when absent. Remembers what was found last, so that not even look-ups may run on two
 * threads at once. */
void *map_get(const struct map *m, const void *key);
/* value must not be NULL. -EEXIST, -ENOBUFS when n_max are in, -ENOMEM. */
int map_put(struct map *m, const void *key, void *value);
void *map_remove(struct map *m, const void *key); /* what was there, or NULL */
size_t map_count(const struct map *m);

/* Walks in order of insertion: start with *cursor = 0; NULL at the end. Removing the entry
 * just returned is allowed during a walk; inserting is not. */
void *map_next(const struct map *m, size_t *cursor);

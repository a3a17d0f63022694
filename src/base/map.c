/* SPDX-License-Identifier: Apache-2.0 */
/* An open-addressing index over an insertion-ordered array of entries. */
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/siphash.h"

#define SLOTS_MIN 16
#define EMPTY UINT32_MAX

struct map {
	size_t key_len;
	size_t n_max;
	uint8_t hash_key[16];
	size_t n;	 /* live entries */
	size_t used;	 /* entries in use, the removed ones included */
	size_t first;	 /* all entries before this one are removed */
	size_t n_slots;	 /* a power of two, at least twice the size of the entry arrays */
	uint32_t *slots; /* entry number, or EMPTY */
	uint8_t *keys;
	void **values; /* NULL is a removed entry, which keeps its slot until the next rebuild */
	/* The entry found last: packets come in runs to one peer. A hint, no part of the value, so
	 * that a look-up in a constant map may write it. */
	uint32_t *last;
	uint32_t last_room;
};

static size_t first_slot(const struct map *m, const void *key)
{
	struct span s = SPAN(key, m->key_len);

	return (size_t)siphash64(m->hash_key, &s, 1) & (m->n_slots - 1);
}

/* Of 4 and 8 bytes, receiver indices and node ids, without a call: several for each packet. */
static inline bool is_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	switch (len) {
	case 4:
		return memcmp(a, b, 4) == 0;
	case 8:
		return memcmp(a, b, 8) == 0;
	default:
		return memcmp(a, b, len) == 0;
	}
}

static inline bool is_entry(const struct map *m, uint32_t e, const void *key)
{
	return e < m->used && m->values[e] && is_equal(m->keys + e * m->key_len, key, m->key_len);
}

static __attribute__((noinline)) size_t search(const struct map *m, const void *key)
{
	for (size_t i = first_slot(m, key);; i = (i + 1) & (m->n_slots - 1)) {
		uint32_t e = m->slots[i];

		if (e == EMPTY)
			return EMPTY;
		if (is_entry(m, e, key)) {
			*m->last = e;
			return e;
		}
	}
}

/* Mostly the one that was found before, without saving registers for the rest. */
static inline size_t find(const struct map *m, const void *key)
{
	if (m->n_slots == 0)
		return EMPTY;
	return is_entry(m, *m->last, key) ? *m->last : search(m, key);
}

static void insert_slot(struct map *m, uint32_t entry)
{
	size_t i = first_slot(m, m->keys + entry * m->key_len);

	while (m->slots[i] != EMPTY)
		i = (i + 1) & (m->n_slots - 1);
	m->slots[i] = entry;
}

/* Drops the removed entries, and grows when more than half of the room is live. */
static int rebuild(struct map *m)
{
	size_t n_slots = m->n_slots ? m->n_slots : SLOTS_MIN;

	while (m->n + 1 > n_slots / 4)
		n_slots *= 2;

	CLEANUP_FREE uint32_t *slots = malloc(n_slots * sizeof(*slots));
	CLEANUP_FREE uint8_t *keys = malloc(n_slots / 2 * m->key_len);
	CLEANUP_FREE void **values = calloc(n_slots / 2, sizeof(*values));
	size_t n = 0;

	if (!slots || !keys || !values)
		return -ENOMEM;
	memset(slots, 0xff, n_slots * sizeof(*slots));
	for (size_t i = 0; i < m->used; i++) {
		if (!m->values[i])
			continue;
		memcpy(keys + n * m->key_len, m->keys + i * m->key_len, m->key_len);
		values[n++] = m->values[i];
	}
	assert(n == m->n);
	free(m->slots);
	free(m->keys);
	free(m->values);
	m->slots = TAKE(slots);
	m->keys = TAKE(keys);
	m->values = TAKE(values);
	m->n_slots = n_slots;
	m->used = n;
	m->first = 0;
	for (size_t i = 0; i < n; i++)
		insert_slot(m, (uint32_t)i);
	return 0;
}

int map_new(size_t key_len, size_t n_max, const uint8_t hash_key[16], struct map **ret)
{
	struct map *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->key_len = key_len;
	m->n_max = n_max;
	memcpy(m->hash_key, hash_key, 16);
	m->last = &m->last_room;
	*ret = m;
	return 0;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m->keys);
	free(m->values);
	free(m);
}

void *map_get(const struct map *m, const void *key)
{
	size_t e = find(m, key);

	return e == EMPTY ? NULL : m->values[e];
}

int map_put(struct map *m, const void *key, void *value)
{
	assert(value);
	if (find(m, key) != EMPTY)
		return -EEXIST;
	if (m->n >= m->n_max)
		return -ENOBUFS;
	if (m->used + 1 > m->n_slots / 2) {
		int r = rebuild(m);

		if (r < 0)
			return r;
	}
	memcpy(m->keys + m->used * m->key_len, key, m->key_len);
	m->values[m->used] = value;
	insert_slot(m, (uint32_t)m->used);
	m->used++;
	m->n++;
	return 0;
}

void *map_remove(struct map *m, const void *key)
{
	size_t e = find(m, key);
	void *value;

	if (e == EMPTY)
		return NULL;
	value = m->values[e];
	m->values[e] = NULL;
	m->n--;
	/* A table that forgets its oldest entries is walked from them each time. */
	while (m->first < m->used && !m->values[m->first])
		m->first++;
	return value;
}

size_t map_count(const struct map *m)
{
	return m->n;
}

void *map_next(const struct map *m, size_t *cursor)
{
	if (*cursor < m->first)
		*cursor = m->first;
	while (*cursor < m->used) {
		void *value = m->values[(*cursor)++];

		if (value)
			return value;
	}
	return NULL;
}

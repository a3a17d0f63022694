/* SPDX-License-Identifier: Apache-2.0 */
/* The longest match: prefixes in order, longest first, and where each length begins. A look-up is
 * one binary search for each length that occurs, of which there are few. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/prefix/prefix.h"

#define LENGTHS 129

struct prefix_table {
	size_t n, size;
	struct prefix_entry *entries;
	size_t n_lengths;
	struct {
		uint8_t len;
		size_t first, end;
	} lengths[LENGTHS]; /* that occur, longest first */
};

int prefix_table_new(struct prefix_table **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void prefix_table_free(struct prefix_table *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t);
}

bool prefix_entry_has(const struct prefix_entry *e, uint64_t node_id)
{
	for (unsigned i = 0; i < e->n_nodes; i++)
		if (e->nodes[i] == node_id)
			return true;
	return false;
}

static int compare(const struct prefix *a, const struct prefix *b)
{
	if (a->len != b->len)
		return a->len > b->len ? -1 : 1;
	return memcmp(a->ip, b->ip, sizeof(a->ip));
}

static struct prefix_entry *append(struct prefix_table *t, const struct prefix *p)
{
	if (!t->entries || t->n == t->size) {
		size_t size = t->size ? 2 * t->size : 16;
		struct prefix_entry *entries = realloc(t->entries, size * sizeof(*entries));

		if (!entries)
			return NULL;
		t->entries = entries;
		t->size = size;
	}
	t->entries[t->n] = (struct prefix_entry){ .prefix = *p };
	return &t->entries[t->n++];
}

int prefix_table_add(struct prefix_table *t, const struct prefix *p, uint64_t node_id)
{
	struct prefix_entry *e = NULL;

	for (size_t i = 0; i < t->n && !e; i++)
		if (prefix_equal(&t->entries[i].prefix, p))
			e = &t->entries[i];
	if (!e) {
		if (t->n == PREFIX_TABLE_MAX)
			return -ENOBUFS;
		e = append(t, p);
		if (!e)
			return -ENOMEM;
	}
	if (prefix_entry_has(e, node_id))
		return -EEXIST;
	if (e->n_nodes == PREFIX_NODES_MAX)
		return -ENOBUFS;
	e->nodes[e->n_nodes++] = node_id;
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct prefix_entry *x = a, *y = b;

	return compare(&x->prefix, &y->prefix);
}

void prefix_table_sort(struct prefix_table *t)
{
	if (t->n > 0)
		qsort(t->entries, t->n, sizeof(t->entries[0]), compare_entries);
	t->n_lengths = 0;
	for (size_t i = 0; i < t->n; i++) {
		uint8_t len = t->entries[i].prefix.len;

		if (t->n_lengths == 0 || t->lengths[t->n_lengths - 1].len != len) {
			t->lengths[t->n_lengths].len = len;
			t->lengths[t->n_lengths++].first = i;
		}
		t->lengths[t->n_lengths - 1].end = i + 1;
	}
}

static const struct prefix_entry *search(const struct prefix_table *t, size_t first, size_t end,
					 const struct prefix *p)
{
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		int c = compare(p, &t->entries[middle].prefix);

		if (c == 0)
			return &t->entries[middle];
		if (c < 0)
			end = middle;
		else
			first = middle + 1;
	}
	return NULL;
}

/* The address without the bits behind len. */
static struct prefix masked(const uint8_t address[16], uint8_t len)
{
	struct prefix p = { .len = len };

	memcpy(p.ip, address, (len + 7U) / 8);
	if (len % 8)
		p.ip[len / 8] &= (uint8_t)(0xff00 >> len % 8);
	return p;
}

const struct prefix_entry *prefix_table_find(const struct prefix_table *t,
					     const uint8_t address[16])
{
	bool is_ipv4 = address_is_ipv4(address);

	for (size_t i = 0; i < t->n_lengths; i++) {
		struct prefix p = masked(address, t->lengths[i].len);
		const struct prefix_entry *e;

		if (is_ipv4 && p.len < PREFIX_IPV4_LEN)
			return NULL; /* the rest is IPv6 */
		e = search(t, t->lengths[i].first, t->lengths[i].end, &p);
		if (e && prefix_is_ipv4(&e->prefix) == is_ipv4)
			return e;
	}
	return NULL;
}

struct prefix_entry *prefix_table_exactly(struct prefix_table *t, const struct prefix *p)
{
	const struct prefix_entry *e = search(t, 0, t->n, p);

	return e ? &t->entries[e - t->entries] : NULL;
}

struct prefix_entry *prefix_table_at(struct prefix_table *t, size_t i)
{
	return i < t->n ? &t->entries[i] : NULL;
}

size_t prefix_table_count(const struct prefix_table *t)
{
	return t->n;
}

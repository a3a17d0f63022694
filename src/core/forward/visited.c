/* SPDX-License-Identifier: Apache-2.0 */
/* Where a packet has been: tags in order, then a Bloom filter of them. */
#include "core/forward/visited.h"

#include <errno.h>

#include "base/siphash.h"

#define FILTER_HASHES 3
#define SPREAD 0x9e3779b1U /* a prime near 2^32 over the golden ratio */

/* The same at all nodes and for ever: one that changed with the network key would make nodes with
 * the new one blind to the tags of those with the old. Who could choose ids so that tags collide
 * is a member, by whom packets can be dropped without that. */
static const uint8_t tag_key[16] = "x0 visited nodes";

/* Not 0, which is an empty place. */
uint16_t visited_tag(const struct wire_hop *h, uint64_t node)
{
	uint8_t bytes[10];
	struct span part = SPAN(bytes, sizeof(bytes));
	uint16_t tag;

	store_u64(bytes, node);
	store_u16(bytes + 8, h->flow_hash);
	tag = (uint16_t)(siphash64(tag_key, &part, 1) & UINT16_MAX);
	return tag ? tag : 1;
}

static uint16_t tag_at(const struct wire_hop *h, unsigned i)
{
	return load_u16(h->options + (size_t)2 * i);
}

static unsigned list_len(const struct wire_hop *h)
{
	unsigned n = 0;

	while (n < VISITED_TAGS_MAX && tag_at(h, n) != 0)
		n++;
	return n;
}

static int find(const struct wire_hop *h, unsigned n, uint16_t tag)
{
	for (unsigned i = 0; i < n; i++)
		if (tag_at(h, i) == tag)
			return (int)i;
	return -1;
}

/* ---- the filter: made of tags, so that a list can become one ---- */

static unsigned bit_of(uint16_t tag, unsigned i)
{
	uint32_t spread = tag * SPREAD;

	return (spread >> (24 - 8 * i) & 0xff) * VISITED_BITS / 256;
}

static void filter_add(uint8_t filter[HOP_OPTIONS_LEN], uint16_t tag)
{
	for (unsigned i = 0; i < FILTER_HASHES; i++) {
		unsigned bit = bit_of(tag, i);

		filter[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
}

static bool filter_has(const uint8_t filter[HOP_OPTIONS_LEN], uint16_t tag)
{
	for (unsigned i = 0; i < FILTER_HASHES; i++) {
		unsigned bit = bit_of(tag, i);

		if (!(filter[bit / 8] & 0x80 >> bit % 8))
			return false;
	}
	return true;
}

static void become_filter(struct wire_hop *h)
{
	uint8_t filter[HOP_OPTIONS_LEN] = { 0 };

	for (unsigned i = 0; i < VISITED_TAGS_MAX; i++)
		filter_add(filter, tag_at(h, i));
	memcpy(h->options, filter, sizeof(filter));
	h->is_filter = true;
}

/* ---- both ---- */

static bool is_empty(const struct wire_hop *h)
{
	for (unsigned i = 0; i < HOP_OPTIONS_LEN; i++)
		if (h->options[i] != 0)
			return false;
	return true;
}

int visited_check(const struct wire_hop *h)
{
	unsigned n;

	if (!h->has_options)
		return 0;
	if (is_empty(h))
		return -EBADMSG;
	if (h->is_filter)
		return 0;
	n = list_len(h);
	for (unsigned i = 0; i < n; i++)
		if (find(h, i, tag_at(h, i)) >= 0)
			return -EBADMSG;
	for (unsigned i = n; i < VISITED_TAGS_MAX; i++)
		if (tag_at(h, i) != 0)
			return -EBADMSG;
	return 0;
}

bool visited_has(const struct wire_hop *h, uint64_t node)
{
	if (!h->has_options)
		return false;
	if (h->is_filter)
		return filter_has(h->options, visited_tag(h, node));
	return visited_place(h, node) >= 0;
}

int visited_place(const struct wire_hop *h, uint64_t node)
{
	if (!h->has_options || h->is_filter)
		return -1;
	return find(h, list_len(h), visited_tag(h, node));
}

void visited_add(struct wire_hop *h, uint64_t node)
{
	uint16_t tag = visited_tag(h, node);
	unsigned n;

	if (visited_has(h, node))
		return;
	if (!h->has_options) {
		memset(h->options, 0, sizeof(h->options));
		h->has_options = true;
		h->is_filter = false;
	}
	n = list_len(h);
	if (!h->is_filter && n < VISITED_TAGS_MAX) {
		store_u16(h->options + (size_t)2 * n, tag);
		return;
	}
	if (!h->is_filter)
		become_filter(h);
	filter_add(h->options, tag);
}

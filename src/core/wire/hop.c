/* SPDX-License-Identifier: Apache-2.0 */
/* The hop header: what a relay opens, reads and seals anew. */
#include "core/wire/wire.h"

#include <errno.h>

#define CLASS_MASK 0x03
#define KIND_SHIFT 4
#define KIND_MASK 0x03
#define SEQUENCE_BITS 56
#define SEQUENCE_MASK ((UINT64_C(1) << SEQUENCE_BITS) - 1)

static uint8_t flags_of(const struct wire_hop *h)
{
	return (uint8_t)((h->class & CLASS_MASK) | (h->has_options ? HOP_FLAG_OPTIONS : 0) |
			 (h->has_options && h->is_filter ? HOP_FLAG_FILTER : 0) |
			 (h->has_options && h->is_labelled ? HOP_FLAG_LABELS : 0) |
			 (h->is_duplicate ? HOP_FLAG_DUPLICATE : 0) |
			 (h->kind & KIND_MASK) << KIND_SHIFT);
}

/* -EPROTO for what has no meaning: the fourth class, the fourth kind, a filter or labels without
 * options, and both at once. */
static int flags_check(uint8_t flags)
{
	unsigned class = flags & CLASS_MASK;
	unsigned kind = flags >> KIND_SHIFT & KIND_MASK;

	if (class > CLASS_CRITICAL || kind > KIND_CONTROL)
		return -EPROTO;
	if (flags & (HOP_FLAG_FILTER | HOP_FLAG_LABELS) && !(flags & HOP_FLAG_OPTIONS))
		return -EPROTO;
	if (flags & HOP_FLAG_FILTER && flags & HOP_FLAG_LABELS)
		return -EPROTO;
	return 0;
}

static void flags_write(uint8_t flags, struct wire_hop *ret)
{
	ret->class = (enum wire_class)(flags & CLASS_MASK);
	ret->kind = (enum wire_kind)(flags >> KIND_SHIFT & KIND_MASK);
	ret->has_options = flags & HOP_FLAG_OPTIONS;
	ret->is_filter = flags & HOP_FLAG_FILTER;
	ret->is_labelled = flags & HOP_FLAG_LABELS;
	ret->is_duplicate = flags & HOP_FLAG_DUPLICATE;
}

/* What both forms begin with, once its flags were checked; at has HOP_SHORT_LEN bytes. */
static void read_common(const uint8_t *at, struct wire_hop *ret)
{
	ret->link_sequence = load_u16(at);
	ret->ttl = at[2];
	ret->flow_hash = load_u16(at + 4);
	flags_write(at[3], ret);
}

/* By offsets, as the length is known at once, and right where it is wanted: every relay does this
 * for every packet. */
int wire_hop_decode(struct span sealed, struct wire_hop *ret)
{
	const uint8_t *at = sealed.at;
	bool has_options = sealed.len > HOP_LEN;
	int error;

	if (sealed.len != HOP_LEN && sealed.len != HOP_LEN + HOP_OPTIONS_LEN)
		return -EBADMSG;
	error = flags_check(at[3]);
	if (error < 0)
		return error;
	if (!(at[3] & HOP_FLAG_OPTIONS) == has_options)
		return -EBADMSG;
	read_common(at, ret);
	ret->destination = load_u64(at + 6);
	ret->source = load_u64(at + 14);
	ret->e2e_index = load_u32(at + 22);
	ret->e2e_lane = at[26];
	ret->e2e_sequence = load_u64(at + 26) & SEQUENCE_MASK;
	if (has_options)
		memcpy(ret->options, at + HOP_LEN, sizeof(ret->options));
	else
		memset(ret->options, 0, sizeof(ret->options));
	return 0;
}

int wire_hop_decode_short(struct span opened, struct wire_hop *ret, struct span *ret_inner)
{
	struct wire_hop h = { 0 };
	int error;

	if (opened.len < HOP_SHORT_LEN)
		return -EBADMSG;
	error = flags_check(opened.at[3]);
	if (error < 0)
		return error;
	read_common(opened.at, &h);
	if (h.has_options)
		return -EPROTO; /* options serve relays, and here there is none */
	*ret = h;
	*ret_inner = SPAN(opened.at + HOP_SHORT_LEN, opened.len - HOP_SHORT_LEN);
	return 0;
}

void wire_hop_encode_short(const struct wire_hop *h, uint8_t ret[HOP_SHORT_LEN])
{
	store_u16(ret, h->link_sequence);
	ret[2] = h->ttl;
	ret[3] = (uint8_t)(flags_of(h) & ~(HOP_FLAG_OPTIONS | HOP_FLAG_FILTER | HOP_FLAG_LABELS));
	store_u16(ret + 4, h->flow_hash);
}

size_t wire_hop_len(const struct wire_hop *h)
{
	return h->has_options ? HOP_LEN + HOP_OPTIONS_LEN : HOP_LEN;
}

size_t wire_hop_encode(const struct wire_hop *h, uint8_t ret[HOP_LEN + HOP_OPTIONS_LEN])
{
	uint64_t sequence = h->e2e_sequence & SEQUENCE_MASK;

	wire_hop_encode_short(h, ret);
	ret[3] = flags_of(h);
	store_u64(ret + 6, h->destination);
	store_u64(ret + 14, h->source);
	store_u32(ret + 22, h->e2e_index);
	store_u64(ret + 26, (uint64_t)h->e2e_lane << SEQUENCE_BITS | sequence);
	if (!h->has_options)
		return HOP_LEN;
	memcpy(ret + HOP_LEN, h->options, HOP_OPTIONS_LEN);
	return HOP_LEN + HOP_OPTIONS_LEN;
}

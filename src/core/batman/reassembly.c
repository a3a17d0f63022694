/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a packet together that was sent in parts, of which the last has number 0. */
#include <errno.h>
#include <string.h>

#include "core/batman/internal.h"

/* The slot of this packet; else a free one or the oldest, made empty. */
static struct parts *slot_of(struct batnode *n, const struct batwire_fragment *f)
{
	struct parts *oldest = &n->parts[0];

	for (size_t i = 0; i < PARTS_SLOTS; i++) {
		struct parts *p = &n->parts[i];

		if (p->is_used && n->now_us - p->since_us > PARTS_WAIT_US)
			p->is_used = false;
		if (p->is_used && p->seqno == f->seqno && p->total_len == f->total_len &&
		    memcmp(p->from, f->from, 6) == 0)
			return p;
		if (oldest->is_used && (!p->is_used || p->since_us < oldest->since_us))
			oldest = p;
	}
	*oldest = (struct parts){
		.is_used = true, .seqno = f->seqno, .total_len = f->total_len, .since_us = n->now_us
	};
	memcpy(oldest->from, f->from, 6);
	return oldest;
}

/* From the highest number down, into the room of another slot's size. */
static struct span join(struct parts *p)
{
	uint8_t whole[BATNODE_FRAME_MAX];
	struct writer w = writer_of(whole, sizeof(whole));

	for (unsigned i = BATWIRE_FRAGMENTS_MAX; i-- > 0;)
		if (p->have & 1U << i)
			write_bytes(&w, p->bytes + p->at[i], p->len[i]);
	memcpy(p->bytes, whole, w.len);
	p->is_used = false;
	return SPAN(p->bytes, w.len);
}

int fragment_input(struct batnode *n, struct span packet, struct span *ret)
{
	struct batwire_fragment f;
	struct parts *p;
	int r = batwire_fragment_read(packet, &f);

	if (r < 0)
		return r;
	if (memcmp(f.to, own_address(n), 6) != 0)
		return -EPROTO;
	if (f.total_len > BATNODE_FRAME_MAX)
		return -EMSGSIZE;
	p = slot_of(n, &f);
	if (p->have & 1U << f.number)
		return 0;
	if (p->have_len + f.part.len > p->total_len) {
		p->is_used = false;
		return -EBADMSG;
	}
	p->at[f.number] = (uint16_t)p->have_len;
	p->len[f.number] = (uint16_t)f.part.len;
	memcpy(p->bytes + p->have_len, f.part.at, f.part.len);
	p->have |= 1U << f.number;
	p->have_len += f.part.len;
	if (p->have_len < p->total_len)
		return 0;
	*ret = join(p);
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of the records of core/reach. */
#include "core/reach/record.h"

#include <errno.h>

int tree_decode(struct span body, struct tree_record *ret)
{
	struct reader r = reader_of(body);
	struct tree_record t = { .flags = read_u8(&r) };

	t.root = read_u64(&r);
	t.stamp = read_u64(&r);
	t.cost = read_u32(&r);
	t.n = read_u32(&r);
	if (r.overrun || r.left)
		return -EBADMSG;
	if (t.root == 0 || t.stamp > TREE_STAMP_MAX ||
	    t.flags & ~(TREE_MATURE | TREE_IS_PARENT | TREE_ANEW))
		return -EPROTO;
	*ret = t;
	return 0;
}

void tree_encode(struct writer *w, const struct tree_record *t)
{
	write_u8(w, t->flags);
	write_u64(w, t->root);
	write_u64(w, t->stamp);
	write_u32(w, t->cost);
	write_u32(w, t->n);
}

int tree_ask_decode(struct span body, struct tree_ask *ret)
{
	struct reader r = reader_of(body);
	struct tree_ask a = { .root = read_u64(&r) };

	a.stamp = read_u64(&r);
	if (r.overrun || r.left)
		return -EBADMSG;
	if (a.root == 0)
		return -EPROTO;
	*ret = a;
	return 0;
}

void tree_ask_encode(struct writer *w, const struct tree_ask *a)
{
	write_u64(w, a->root);
	write_u64(w, a->stamp);
}

int reach_request_decode(struct span body, struct reach_request *ret)
{
	struct reader r = reader_of(body);
	uint8_t kind = read_u8(&r);
	struct reach_request q = { .kind = (enum request_kind)kind };

	q.hops_left = read_u8(&r);
	q.hops_done = read_u8(&r);
	q.destination = read_u64(&r);
	q.origin = read_u64(&r);
	q.id = read_u32(&r);
	q.first = read_u64(&r);
	q.wanted.epoch = read_u32(&r);
	q.wanted.seqno = read_u16(&r);
	if (r.overrun || r.left)
		return -EBADMSG;
	if (kind > REQUEST_CONFIRM || q.hops_left == 0 || q.destination == 0 || q.origin == 0 ||
	    q.destination == q.origin)
		return -EPROTO;
	*ret = q;
	return 0;
}

void reach_request_encode(struct writer *w, const struct reach_request *q)
{
	write_u8(w, (uint8_t)q->kind);
	write_u8(w, q->hops_left);
	write_u8(w, q->hops_done);
	write_u64(w, q->destination);
	write_u64(w, q->origin);
	write_u32(w, q->id);
	write_u64(w, q->first);
	write_u32(w, q->wanted.epoch);
	write_u16(w, q->wanted.seqno);
}

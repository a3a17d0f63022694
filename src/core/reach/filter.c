/* SPDX-License-Identifier: Apache-2.0 */
/* Bloom filters on the links of the tree: each node tells its parent what lies below it, as the
 * bits that changed. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/siphash.h"
#include "base/units.h"
#include "core/link/stream.h"
#include "core/reach/internal.h"

/* Four positions for each node: at 10,000 nodes below one link one look-up in twenty-three takes
 * it in vain, at 5,000 one in two hundred. */
#define FILTER_HASHES 4
#define FILTER_PACING_US 100000

static uint64_t hash_of(uint64_t id)
{
	static const uint8_t key[16] = "x0 reach filter"; /* the same at all nodes */
	uint8_t bytes[8];
	struct span part = SPAN_OF(bytes);

	store_u64(bytes, id);
	return siphash64(key, &part, 1);
}

void filter_add(uint64_t *filter, uint64_t id)
{
	uint64_t hash = hash_of(id);

	for (unsigned i = 0; i < FILTER_HASHES; i++, hash >>= 16)
		filter[(hash & 0xffff) / 64] |= UINT64_C(1) << (hash & 63);
}

bool filter_has(const uint64_t *filter, uint64_t id)
{
	uint64_t hash = hash_of(id);

	for (unsigned i = 0; i < FILTER_HASHES; i++, hash >>= 16) {
		if (!(filter[(hash & 0xffff) / 64] >> (hash & 63) & 1))
			return false;
	}
	return true;
}

int filter_input(struct reach *r, struct peer *p, struct span body)
{
	struct reader in = reader_of(body);
	uint8_t kind = read_u8(&in);

	if (in.overrun || in.left % 2)
		return -EBADMSG;
	if (kind > FILTER_CLEAR)
		return -EPROTO;
	if (!tree_is_child(p))
		return 0; /* it has another parent by now */
	if (!p->filter) {
		p->filter = calloc(FILTER_WORDS, sizeof(*p->filter));
		if (!p->filter)
			return -ENOMEM;
	}
	if (kind == FILTER_ANEW)
		memset(p->filter, 0, FILTER_WORDS * sizeof(*p->filter));
	while (in.left > 0) {
		unsigned at = read_u16(&in);

		if (kind == FILTER_CLEAR)
			p->filter[at / 64] &= ~(UINT64_C(1) << at % 64);
		else
			p->filter[at / 64] |= UINT64_C(1) << at % 64;
	}
	r->tree.is_filter_dirty = true;
	return 0;
}

void filter_forget_told(struct reach *r)
{
	free(r->tree.told_filter);
	r->tree.told_filter = NULL;
	r->tree.is_filter_dirty = true;
}

struct changes {
	uint8_t bytes[1 + 2 * FILTER_POSITIONS_MAX];
	struct writer w;
};

static void changes_begin(struct changes *c, enum filter_kind kind)
{
	c->w = writer_of(c->bytes, sizeof(c->bytes));
	write_u8(&c->w, (uint8_t)kind);
}

static void changes_end(struct reach *r, struct changes *c, bool is_first)
{
	if (c->w.len > 1 || is_first)
		reach_send(r, r->tree.parent, RECORD_TREE_FILTER, &c->w);
}

/* All bits of from that to has not. */
static void tell_positions(struct reach *r, const uint64_t *from, const uint64_t *to,
			   enum filter_kind kind)
{
	struct changes c;
	bool is_first = kind == FILTER_ANEW;

	changes_begin(&c, kind);
	for (unsigned i = 0; i < FILTER_WORDS; i++) {
		for (uint64_t rest = from[i] & ~(to ? to[i] : 0); rest; rest &= rest - 1) {
			if (c.w.len == sizeof(c.bytes)) {
				changes_end(r, &c, is_first);
				is_first = false;
				changes_begin(&c, kind == FILTER_ANEW ? FILTER_SET : kind);
			}
			write_u16(&c.w, (uint16_t)(64 * i + (unsigned)__builtin_ctzll(rest)));
		}
	}
	changes_end(r, &c, is_first);
}

void filter_tell(struct reach *r)
{
	CLEANUP_FREE uint64_t *all = NULL;
	struct tree *t = &r->tree;

	if (!t->is_filter_dirty || !t->parent || r->now_us < t->filter_us)
		return;
	all = calloc(FILTER_WORDS, sizeof(*all));
	if (!all)
		return;
	filter_add(all, r->config.self);
	for (size_t i = 0; i < r->n_peers; i++) {
		const struct peer *p = &r->peers[i];

		for (unsigned k = 0; p->id && p->filter && k < FILTER_WORDS; k++)
			all[k] |= p->filter[k];
	}
	if (t->told_filter) {
		tell_positions(r, all, t->told_filter, FILTER_SET);
		tell_positions(r, t->told_filter, all, FILTER_CLEAR);
	} else {
		tell_positions(r, all, NULL, FILTER_ANEW);
	}
	free(t->told_filter);
	t->told_filter = TAKE(all);
	t->is_filter_dirty = false;
	t->filter_us = r->now_us + FILTER_PACING_US;
}

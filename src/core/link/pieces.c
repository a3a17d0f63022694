/* SPDX-License-Identifier: Apache-2.0 */
/* Joining what a link carried in two. */
#include "core/link/pieces.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"

/* A datagram of which one piece has come. */
struct half {
	uint8_t *bytes; /* total of them; NULL: this place is free */
	uint32_t id;
	uint16_t total;
	uint16_t start, end; /* of what is there */
	bool is_marked;
	uint64_t since_us;
};

struct pieces {
	struct half halves[PIECES_PENDING_MAX];
	size_t n;
	unsigned total_max;
	uint8_t *whole; /* the last one joined */
	bool is_marked;
	struct pieces_counters counters;
};

/* ---- the wire ---- */

int piece_decode(struct span body, struct piece *ret)
{
	struct reader r = reader_of(body);
	struct piece p = { 0 };

	p.id = read_u32(&r);
	p.total = read_u16(&r);
	p.offset = read_u16(&r);
	if (r.overrun || r.left == 0)
		return -EBADMSG;
	p.bytes = read_span(&r, r.left);
	if (p.total < PIECES_TOTAL_MIN || p.bytes.len >= p.total ||
	    (p.offset != 0 && p.offset + p.bytes.len != p.total))
		return -EPROTO;
	*ret = p;
	return 0;
}

void piece_header_encode(const struct piece *p, uint8_t ret[PIECE_HEADER_LEN])
{
	store_u32(ret, p->id);
	store_u16(ret + 4, p->total);
	store_u16(ret + 6, p->offset);
}

size_t pieces_cut_at(size_t total, size_t around, size_t datagram_max)
{
	size_t room;

	if (datagram_max <= around + PIECE_HEADER_LEN || total < PIECES_TOTAL_MIN)
		return 0;
	room = datagram_max - around - PIECE_HEADER_LEN;
	if (total > 2 * room || total > UINT16_MAX)
		return 0;
	return room < total ? room : total / 2;
}

/* ---- the table ---- */

int pieces_new(unsigned total_max, struct pieces **ret)
{
	struct pieces *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->total_max = total_max;
	*ret = p;
	return 0;
}

static void drop(struct pieces *p, struct half *h)
{
	free(h->bytes);
	*h = (struct half){ 0 };
	p->n--;
}

void pieces_free(struct pieces *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < PIECES_PENDING_MAX; i++)
		free(p->halves[i].bytes);
	free(p->whole);
	free(p);
}

static struct half *find(struct pieces *p, uint32_t id)
{
	for (size_t i = 0; i < PIECES_PENDING_MAX; i++)
		if (p->halves[i].bytes && p->halves[i].id == id)
			return &p->halves[i];
	return NULL;
}

/* A free place, or that of the one that waits longest: were newcomers refused, one lost piece in
 * a hundred would close a busy link for a second. */
static struct half *place(struct pieces *p)
{
	struct half *oldest = NULL;

	for (size_t i = 0; i < PIECES_PENDING_MAX; i++) {
		struct half *h = &p->halves[i];

		if (!h->bytes)
			return h;
		if (!oldest || h->since_us < oldest->since_us)
			oldest = h;
	}
	p->counters.expired++;
	drop(p, oldest);
	return oldest;
}

static int keep(struct pieces *p, const struct piece *piece, uint64_t now_us)
{
	struct half *h = place(p);
	uint8_t *bytes = malloc(piece->total);

	if (!bytes)
		return -ENOMEM;
	*h = (struct half){
		.bytes = bytes,
		.id = piece->id,
		.total = piece->total,
		.start = piece->offset,
		.end = (uint16_t)(piece->offset + piece->bytes.len),
		.is_marked = piece->is_marked,
		.since_us = now_us,
	};
	memcpy(bytes + piece->offset, piece->bytes.at, piece->bytes.len);
	p->n++;
	return 0;
}

static bool completes(const struct half *h, const struct piece *piece)
{
	if (piece->total != h->total)
		return false;
	if (h->start == 0)
		return piece->offset == h->end;
	return piece->offset == 0 && piece->bytes.len == h->start;
}

int pieces_input(struct pieces *p, const struct piece *piece, uint64_t now_us, struct span *ret)
{
	struct half *h;

	pieces_tick(p, now_us);
	if (piece->total > p->total_max) {
		p->counters.refused++;
		return -EPROTO;
	}
	h = find(p, piece->id);
	if (!h)
		return keep(p, piece, now_us);
	if (!completes(h, piece)) {
		p->counters.refused++;
		return -EPROTO;
	}
	memcpy(h->bytes + piece->offset, piece->bytes.at, piece->bytes.len);
	free(p->whole);
	p->whole = h->bytes;
	p->is_marked = h->is_marked || piece->is_marked;
	*ret = SPAN(p->whole, h->total);
	h->bytes = NULL;
	drop(p, h);
	p->counters.joined++;
	return 1;
}

bool pieces_is_marked(const struct pieces *p)
{
	return p->is_marked;
}

void pieces_tick(struct pieces *p, uint64_t now_us)
{
	for (size_t i = 0; p->n > 0 && i < PIECES_PENDING_MAX; i++) {
		struct half *h = &p->halves[i];

		if (!h->bytes || now_us < h->since_us + PIECES_WAIT_US)
			continue;
		p->counters.expired++;
		drop(p, h);
	}
}

uint64_t pieces_deadline_us(const struct pieces *p)
{
	uint64_t at = NEVER_US;

	for (size_t i = 0; p->n > 0 && i < PIECES_PENDING_MAX; i++)
		if (p->halves[i].bytes)
			at = min_u64(at, p->halves[i].since_us + PIECES_WAIT_US);
	return at;
}

size_t pieces_count(const struct pieces *p)
{
	return p->n;
}

const struct pieces_counters *pieces_counters(const struct pieces *p)
{
	return &p->counters;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Long objects in parts, in the records of a stream: total 4 | offset 4 | bytes. */
#include <stdlib.h>

#include "core/node/node_internal.h"

void blob_done(struct blob *b)
{
	if (b->bytes)
		bytes_wipe(b->bytes, b->total);
	free(b->bytes);
	*b = (struct blob){ 0 };
}

bool blob_input(struct blob *b, struct span part)
{
	struct reader r = reader_of(part);
	uint32_t total = read_u32(&r);
	uint32_t offset = read_u32(&r);

	if (r.overrun || r.left == 0 || total == 0 || total > BLOB_MAX) {
		blob_done(b);
		return false;
	}
	if (offset == 0) {
		blob_done(b);
		b->bytes = malloc(total);
		b->total = b->bytes ? total : 0;
	}
	if (!b->bytes || total != b->total || offset != b->have || r.left > b->total - b->have) {
		blob_done(b);
		return false;
	}
	memcpy(b->bytes + b->have, r.at, r.left);
	b->have += r.left;
	return b->have == b->total;
}

int control_push_blob(struct node *n, struct node_session *s, enum record_type type,
		      struct span bytes)
{
	uint8_t part[8 + BLOB_PART_MAX];

	for (size_t at = 0; at < bytes.len; at += BLOB_PART_MAX) {
		struct writer w = writer_of(part, sizeof(part));
		size_t len = min_u64(bytes.len - at, BLOB_PART_MAX);
		int r;

		write_u32(&w, (uint32_t)bytes.len);
		write_u32(&w, (uint32_t)at);
		write_bytes(&w, bytes.at + at, len);
		r = stream_push(s->stream, type, SPAN(part, w.len), true, n->now_us);
		if (r < 0)
			return r; /* the receiver discards the beginning when another comes */
	}
	return 0;
}

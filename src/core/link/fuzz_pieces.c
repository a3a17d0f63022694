/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces from a hostile neighbour: triples of a byte (how much time passes), a length, and the
 * body of a piece. Whatever is joined has the length that was told, and the table its bound. */
#include <assert.h>

#include "base/units.h"
#include "core/link/pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	uint64_t now_us = SECONDS(1);
	struct pieces *p;

	if (pieces_new(1500, &p) < 0)
		return 0;
	while (r.left > 0) {
		struct span whole;
		struct piece piece;
		size_t len;

		now_us += read_u8(&r) * MS(10);
		len = read_u8(&r);
		if (piece_decode(read_span(&r, r.left < len ? r.left : len), &piece) < 0)
			continue;
		if (pieces_input(p, &piece, now_us, &whole) == 1)
			assert(whole.len == piece.total && whole.len <= 1500);
		assert(pieces_count(p) <= PIECES_PENDING_MAX);
		assert(pieces_deadline_us(p) > now_us);
	}
	pieces_tick(p, now_us + PIECES_WAIT_US);
	assert(pieces_count(p) == 0);
	pieces_free(p);
	return 0;
}

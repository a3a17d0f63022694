/* SPDX-License-Identifier: Apache-2.0 */
/* Names and contents of tiles and bundles. */
#include <assert.h>
#include <stdio.h>

#include "core/ledger/tiles.h"

/* Three digits an element of the path, all but the last behind an "x". */
static void write_index(struct writer *w, uint64_t n)
{
	char digits[22];
	int len = snprintf(digits, sizeof(digits), "%021llu", (unsigned long long)n);
	int at = 0;

	while (at < len - 3 && memcmp(digits + at, "000", 3) == 0)
		at += 3;
	for (; at < len; at += 3) {
		if (at < len - 3)
			write_u8(w, 'x');
		write_bytes(w, (const uint8_t *)digits + at, 3);
		if (at < len - 3)
			write_u8(w, '/');
	}
}

void tile_path(const struct tile_id *id, char ret[TILE_PATH_SIZE])
{
	struct writer w = writer_of((uint8_t *)ret, TILE_PATH_SIZE);
	char text[16];

	assert(id->width >= 1 && id->width <= TILE_WIDTH && id->level < TILE_LEVELS);
	if (id->level == TILE_ENTRIES)
		(void)snprintf(text, sizeof(text), "entries/");
	else
		(void)snprintf(text, sizeof(text), "%d/", id->level);
	write_span(&w, SPAN_STR("tile/"));
	write_bytes(&w, (const uint8_t *)text, strlen(text));
	write_index(&w, id->n);
	if (id->width < TILE_WIDTH) {
		(void)snprintf(text, sizeof(text), ".p/%u", id->width);
		write_bytes(&w, (const uint8_t *)text, strlen(text));
	}
	write_u8(&w, 0);
	assert(!w.overrun);
}

void tile_of_node(uint64_t size, unsigned height, uint64_t n, struct tile_id *ret,
		  unsigned *ret_first, unsigned *ret_n)
{
	unsigned level = height / TILE_HEIGHT, inside = height % TILE_HEIGHT;
	uint64_t first = n << inside; /* of the hashes of that level */
	uint64_t in_level = size >> (TILE_HEIGHT * level);
	uint64_t in_tile = in_level - first / TILE_WIDTH * TILE_WIDTH;

	assert(((n + 1) << inside) <= in_level);
	*ret = (struct tile_id){
		.level = (int)level,
		.n = first / TILE_WIDTH,
		.width = in_tile < TILE_WIDTH ? (unsigned)in_tile : TILE_WIDTH,
	};
	*ret_first = (unsigned)(first % TILE_WIDTH);
	*ret_n = 1U << inside;
}

void tile_root(const struct crypto_ops *ops, const struct merkle_hash *hashes, unsigned n,
	       struct merkle_hash *ret)
{
	struct merkle_frontier f = { 0 };

	assert(n > 0);
	for (unsigned i = 0; i < n; i++)
		merkle_append(ops, &f, &hashes[i], NULL, NULL);
	merkle_root(ops, &f, ret);
}

bool bundle_next(struct reader *r, struct span *ret)
{
	if (r->left == 0)
		return false;
	*ret = read_span(r, read_u16(r));
	return !r->overrun;
}

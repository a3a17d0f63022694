/* SPDX-License-Identifier: Apache-2.0 */
/* tiles.h - the tree and its entries as files of bounded size (c2sp.org/tlog-tiles).
 *
 * A tile of level l holds up to 256 roots of subtrees of 256^l leaves, one behind the other; a
 * bundle holds the entries of a tile of level 0, each behind its length in 16 bits. */
#pragma once

#include "core/ledger/merkle.h"

#define TILE_HEIGHT 8
#define TILE_WIDTH 256
#define TILE_LEVELS 8	  /* 256^8 leaves are more than a size can say */
#define TILE_ENTRIES (-1) /* as a level: the bundles */
#define TILE_PATH_SIZE 64 /* "tile/entries/x018/x446/.../615.p/255" and the NUL */

struct tile_id {
	int level; /* TILE_ENTRIES, 0 to TILE_LEVELS - 1 */
	uint64_t n;
	unsigned width; /* 1 to TILE_WIDTH; below that it is partial */
};

void tile_path(const struct tile_id *id, char ret[TILE_PATH_SIZE]);

/* The tile that holds the root of a complete subtree, in a tree of that size. width is how much
 * of it there is; *ret_first and *ret_n say which of its hashes the root is made of. */
void tile_of_node(uint64_t size, unsigned height, uint64_t n, struct tile_id *ret,
		  unsigned *ret_first, unsigned *ret_n);
/* The root of n hashes, n a power of two up to TILE_WIDTH. */
void tile_root(const struct crypto_ops *ops, const struct merkle_hash *hashes, unsigned n,
	       struct merkle_hash *ret);

/* The next entry of a bundle; false at its end. A bundle that ends in an entry sets .overrun. */
bool bundle_next(struct reader *r, struct span *ret);

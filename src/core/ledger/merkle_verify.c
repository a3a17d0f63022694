/* SPDX-License-Identifier: Apache-2.0 */
/* Checking proofs, step by step as the standards write it. */
#include <errno.h>

#include "core/ledger/merkle.h"

static bool is_root(const struct merkle_hash *computed, struct span root)
{
	return root.len == sizeof(computed->bytes) &&
	       memcmp(computed->bytes, root.at, root.len) == 0;
}

int merkle_verify_inclusion(const struct crypto_ops *ops, const struct merkle_hash *leaf,
			    uint64_t index, uint64_t size, const struct merkle_hash *proof,
			    size_t n_proof, struct span root)
{
	uint64_t fn = index, sn = size - 1; /* the names of RFC 9162 section 2.1.3.2 */
	struct merkle_hash hash = *leaf;

	if (index >= size)
		return -EKEYREJECTED;
	for (size_t i = 0; i < n_proof; i++) {
		if (sn == 0)
			return -EKEYREJECTED;
		if (fn & 1 || fn == sn) {
			merkle_node_hash(ops, &proof[i], &hash, &hash);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			merkle_node_hash(ops, &hash, &proof[i], &hash);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && is_root(&hash, root) ? 0 : -EKEYREJECTED;
}

/* Whether start is a multiple of the least power of two that is not less than end - start. */
static bool is_subtree(uint64_t start, uint64_t end)
{
	uint64_t len = end - start;

	if (start >= end)
		return false;
	if (len > UINT64_C(1) << 63)
		return start == 0;
	return len == 1 || start % (UINT64_C(2) << (63 - __builtin_clzll(len - 1))) == 0;
}

int merkle_verify_subtree_inclusion(const struct crypto_ops *ops, const struct merkle_hash *leaf,
				    uint64_t index, uint64_t start, uint64_t end,
				    const struct merkle_hash *proof, size_t n_proof,
				    struct span root)
{
	if (!is_subtree(start, end) || index < start || index >= end)
		return -EKEYREJECTED;
	return merkle_verify_inclusion(ops, leaf, index - start, end - start, proof, n_proof, root);
}

static bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static int verify_empty(const struct crypto_ops *ops, struct span root, size_t n_proof)
{
	struct merkle_hash empty;

	ops->sha256(NULL, 0, empty.bytes);
	return n_proof == 0 && is_root(&empty, root) ? 0 : -EKEYREJECTED;
}

/* Where a walk up the tree stands: the first and the last leaf of the subtree, the last of the
 * tree, as seen from this height. */
struct walk {
	uint64_t fn, sn, tn;
};

static void step_up(struct walk *w)
{
	w->fn >>= 1;
	w->sn >>= 1;
	w->tn >>= 1;
}

/* Up to where the proof begins: the largest complete subtree at the right end of ours. */
static struct walk begin(uint64_t start, uint64_t end, uint64_t size)
{
	struct walk w = { .fn = start, .sn = end - 1, .tn = size - 1 };
	bool is_at_end = w.sn == w.tn;

	while (w.fn != w.sn && (is_at_end || w.sn & 1))
		step_up(&w);
	return w;
}

int merkle_verify_subtree_consistency(const struct crypto_ops *ops, uint64_t start, uint64_t end,
				      uint64_t size, struct span root1, struct span root2,
				      const struct merkle_hash *proof, size_t n_proof)
{
	struct merkle_hash first, second;
	struct walk w;
	size_t i = 0;

	if (start == end && end <= size)
		return verify_empty(ops, root1, n_proof);
	if (!is_subtree(start, end) || end > size)
		return -EKEYREJECTED;
	if (start == 0 && end == size)
		return n_proof == 0 && span_equal(root1, root2) ? 0 : -EKEYREJECTED;
	w = begin(start, end, size);
	if (w.fn == w.sn) { /* it is the whole of ours, whose root is known */
		if (root1.len != sizeof(first.bytes))
			return -EKEYREJECTED;
		memcpy(first.bytes, root1.at, sizeof(first.bytes));
	} else if (n_proof > 0) {
		first = proof[i++];
	} else {
		return -EKEYREJECTED;
	}
	second = first;
	for (; i < n_proof; i++) {
		if (w.tn == 0)
			return -EKEYREJECTED;
		if (w.sn & 1 || w.sn == w.tn) {
			if (w.fn < w.sn)
				merkle_node_hash(ops, &proof[i], &first, &first);
			merkle_node_hash(ops, &proof[i], &second, &second);
			while (!(w.sn & 1)) /* ends: sn is not 0, as tn is not */
				step_up(&w);
		} else {
			merkle_node_hash(ops, &second, &proof[i], &second);
		}
		step_up(&w);
	}
	return w.tn == 0 && is_root(&first, root1) && is_root(&second, root2) ? 0 : -EKEYREJECTED;
}

int merkle_verify_consistency(const struct crypto_ops *ops, uint64_t size1, uint64_t size2,
			      struct span root1, struct span root2, const struct merkle_hash *proof,
			      size_t n_proof)
{
	if (size1 == 0)
		return -EKEYREJECTED;
	return merkle_verify_subtree_consistency(ops, 0, size1, size2, root1, root2, proof,
						 n_proof);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Growing the tree, and making proofs. */
#include <assert.h>
#include <errno.h>

#include "core/ledger/merkle.h"

void merkle_leaf_hash(const struct crypto_ops *ops, struct span entry, struct merkle_hash *ret)
{
	struct span parts[] = { SPAN("\0", 1), entry };

	ops->sha256(parts, 2, ret->bytes);
}

void merkle_node_hash(const struct crypto_ops *ops, const struct merkle_hash *left,
		      const struct merkle_hash *right, struct merkle_hash *ret)
{
	struct span parts[] = { SPAN("\1", 1), SPAN_OF(left->bytes), SPAN_OF(right->bytes) };

	ops->sha256(parts, 3, ret->bytes);
}

bool merkle_hash_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void merkle_append(const struct crypto_ops *ops, struct merkle_frontier *f,
		   const struct merkle_hash *leaf, merkle_completed *completed, void *user)
{
	struct merkle_hash root = *leaf;
	unsigned height = 0;

	assert(f->size < UINT64_MAX);
	if (completed)
		completed(user, 0, f->size, &root);
	/* As in counting: each bit that is set joins what is carried. */
	for (; f->size >> height & 1; height++) {
		struct merkle_hash left = f->roots[height];

		merkle_node_hash(ops, &left, &root, &root);
		if (completed)
			completed(user, height + 1, f->size >> (height + 1), &root);
	}
	f->roots[height] = root;
	f->size++;
}

void merkle_root(const struct crypto_ops *ops, const struct merkle_frontier *f,
		 struct merkle_hash *ret)
{
	bool is_first = true;

	if (f->size == 0) {
		ops->sha256(NULL, 0, ret->bytes);
		return;
	}
	for (unsigned height = 0; height < MERKLE_HEIGHTS; height++) {
		if (!(f->size >> height & 1))
			continue;
		if (is_first)
			*ret = f->roots[height];
		else
			merkle_node_hash(ops, &f->roots[height], ret, ret);
		is_first = false;
	}
}

int merkle_frontier_load(const struct merkle_source *source, uint64_t size,
			 struct merkle_frontier *ret)
{
	struct merkle_frontier f = { .size = size };

	for (unsigned height = 0; height < MERKLE_HEIGHTS; height++) {
		int r;

		if (!(size >> height & 1))
			continue;
		/* Before the leaves of this bit lie those of the higher bits. */
		r = source->node(source->user, height, (size >> height) - 1, &f.roots[height]);
		if (r < 0)
			return r;
	}
	*ret = f;
	return 0;
}

/* The largest power of two below n, which is at least 2. */
static uint64_t split_of(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

int merkle_range(const struct crypto_ops *ops, const struct merkle_source *source, uint64_t start,
		 uint64_t end, struct merkle_hash *ret)
{
	struct merkle_hash parts[MERKLE_HEIGHTS];
	size_t n = 0;

	/* Complete subtrees from the left, each half as long as the one before at most. */
	while (start < end) {
		unsigned height = 63 - (unsigned)__builtin_clzll(end - start);
		int r = source->node(source->user, height, start >> height, &parts[n++]);

		if (r < 0)
			return r;
		start += UINT64_C(1) << height;
	}
	assert(n > 0);
	for (*ret = parts[--n]; n > 0; n--)
		merkle_node_hash(ops, &parts[n - 1], ret, ret);
	return 0;
}

static void reverse(struct merkle_hash *hashes, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct merkle_hash other = hashes[n - 1 - i];

		hashes[n - 1 - i] = hashes[i];
		hashes[i] = other;
	}
}

int merkle_inclusion_proof(const struct crypto_ops *ops, const struct merkle_source *source,
			   uint64_t index, uint64_t size, struct merkle_hash ret[MERKLE_PROOF_MAX],
			   size_t *ret_n)
{
	uint64_t start = 0, end = size;
	size_t n = 0;

	if (index >= size)
		return -EINVAL;
	while (end - start > 1) { /* PATH of RFC 9162 section 2.1.3.1, from the root down */
		uint64_t middle = start + split_of(end - start);
		bool is_left = index < middle;
		int r = is_left ? merkle_range(ops, source, middle, end, &ret[n++])
				: merkle_range(ops, source, start, middle, &ret[n++]);

		if (r < 0)
			return r;
		if (is_left)
			end = middle;
		else
			start = middle;
	}
	reverse(ret, n);
	*ret_n = n;
	return 0;
}

int merkle_consistency_proof(const struct crypto_ops *ops, const struct merkle_source *source,
			     uint64_t size1, uint64_t size2,
			     struct merkle_hash ret[MERKLE_PROOF_MAX], size_t *ret_n)
{
	uint64_t start = 0, end = size2;
	size_t n = 0;
	int r = 0;

	if (size1 == 0 || size1 > size2)
		return -EINVAL;
	while (size1 != end && r == 0) { /* SUBPROOF of RFC 9162 section 2.1.4.1 */
		uint64_t middle = start + split_of(end - start);

		if (size1 <= middle) {
			r = merkle_range(ops, source, middle, end, &ret[n++]);
			end = middle;
		} else {
			r = merkle_range(ops, source, start, middle, &ret[n++]);
			start = middle;
		}
	}
	if (r == 0 && start != 0) /* else the verifier has it: it is the first root */
		r = merkle_range(ops, source, start, end, &ret[n++]);
	if (r < 0)
		return r;
	reverse(ret, n);
	*ret_n = n;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* merkle.h - the Merkle tree over a list that only grows, and its proofs.
 *
 * Follows RFC 6962 section 2.1 and RFC 9162 section 2.1, with SHA-256: a leaf is hashed behind a
 * byte 0, a node behind a byte 1, so that neither can be taken for the other. Proofs of subtrees
 * are those of draft-ietf-plants-merkle-tree-certs, section 4. Nothing is allocated.
 *
 * Errors of the verifiers: -EKEYREJECTED, the proof does not prove it. */
#pragma once

#include "core/crypto/crypto.h"

struct merkle_hash {
	uint8_t bytes[SHA256_LEN];
};

#define MERKLE_HEIGHTS 64 /* a size has 64 bits */
#define MERKLE_PROOF_MAX \
	65 /* hashes: one a height, and one more where a consistency proof starts */

void merkle_leaf_hash(const struct crypto_ops *ops, struct span entry, struct merkle_hash *ret);
void merkle_node_hash(const struct crypto_ops *ops, const struct merkle_hash *left,
		      const struct merkle_hash *right, struct merkle_hash *ret);
bool merkle_hash_equal(const struct merkle_hash *a, const struct merkle_hash *b);

/* The right edge of a tree: all it takes to grow and to know the root. All zeros is empty. */
struct merkle_frontier {
	uint64_t size;
	/* [h], where bit h of size is set: the root of the 2^h leaves that this bit stands for */
	struct merkle_hash roots[MERKLE_HEIGHTS];
};

/* Told of each complete subtree as it comes to be, leaves first: the n-th of 2^height leaves. */
typedef void merkle_completed(void *user, unsigned height, uint64_t n,
			      const struct merkle_hash *root);

/* completed may be NULL. */
void merkle_append(const struct crypto_ops *ops, struct merkle_frontier *f,
		   const struct merkle_hash *leaf, merkle_completed *completed, void *user);
/* Of the empty tree: the hash of nothing. */
void merkle_root(const struct crypto_ops *ops, const struct merkle_frontier *f,
		 struct merkle_hash *ret);

/* Where the roots of complete subtrees are found: node() gives that of leaves n * 2^height up to
 * (n + 1) * 2^height, or a negative errno, which the caller of the functions below gets. */
struct merkle_source {
	int (*node)(void *user, unsigned height, uint64_t n, struct merkle_hash *ret);
	void *user;
};

/* The edge of the tree of that size. */
int merkle_frontier_load(const struct merkle_source *source, uint64_t size,
			 struct merkle_frontier *ret);
/* The hash of leaves [start, end), of which start is a multiple of a power of two that is not
 * less than end - start; start < end. */
int merkle_range(const struct crypto_ops *ops, const struct merkle_source *source, uint64_t start,
		 uint64_t end, struct merkle_hash *ret);
/* -EINVAL for an index not below size, or a first size of 0 or above the second. */
int merkle_inclusion_proof(const struct crypto_ops *ops, const struct merkle_source *source,
			   uint64_t index, uint64_t size, struct merkle_hash ret[MERKLE_PROOF_MAX],
			   size_t *ret_n);
int merkle_consistency_proof(const struct crypto_ops *ops, const struct merkle_source *source,
			     uint64_t size1, uint64_t size2,
			     struct merkle_hash ret[MERKLE_PROOF_MAX], size_t *ret_n);

/* Roots are spans: one of another length than a hash is equal to no root that is computed. */
int merkle_verify_inclusion(const struct crypto_ops *ops, const struct merkle_hash *leaf,
			    uint64_t index, uint64_t size, const struct merkle_hash *proof,
			    size_t n_proof, struct span root);
/* size1 is not 0: of the empty tree there is nothing to prove. */
int merkle_verify_consistency(const struct crypto_ops *ops, uint64_t size1, uint64_t size2,
			      struct span root1, struct span root2, const struct merkle_hash *proof,
			      size_t n_proof);
/* The same in and of the subtree [start, end), where start is a multiple of the least power of
 * two that is not less than end - start. */
int merkle_verify_subtree_inclusion(const struct crypto_ops *ops, const struct merkle_hash *leaf,
				    uint64_t index, uint64_t start, uint64_t end,
				    const struct merkle_hash *proof, size_t n_proof,
				    struct span root);
/* root1 is that of the subtree, root2 that of the tree of size leaves. */
int merkle_verify_subtree_consistency(const struct crypto_ops *ops, uint64_t start, uint64_t end,
				      uint64_t size, struct span root1, struct span root2,
				      const struct merkle_hash *proof, size_t n_proof);

/* SPDX-License-Identifier: Apache-2.0 */
/* Judging another log's checkpoints. */
#include <errno.h>

#include "core/ledger/witness.h"

static void keep(struct witness_evidence *e, struct span note)
{
	memcpy(e->bytes, note.at, note.len);
	e->len = note.len;
}

static void keep_both(struct witness *w, struct span note)
{
	w->evidence[0] = w->latest_note;
	keep(&w->evidence[1], note);
}

static enum witness_verdict judge_same_size(struct witness *w, const struct checkpoint *c,
					    struct span note)
{
	if (merkle_hash_equal(&c->root, &w->latest.root))
		return WITNESS_SAME;
	keep_both(w, note);
	w->is_split = true;
	return WITNESS_SPLIT;
}

/* The empty tree is the beginning of each other: nothing is owed for it. */
static bool is_proved(const struct crypto_ops *ops, const struct checkpoint *small,
		      const struct checkpoint *large, const struct merkle_hash *proof,
		      size_t n_proof)
{
	struct merkle_hash empty;

	if (small->size == 0) {
		ops->sha256(NULL, 0, empty.bytes);
		return n_proof == 0 && merkle_hash_equal(&small->root, &empty);
	}
	return merkle_verify_consistency(ops, small->size, large->size, SPAN_OF(small->root.bytes),
					 SPAN_OF(large->root.bytes), proof, n_proof) == 0;
}

static enum witness_verdict judge_other_size(struct witness *w, const struct crypto_ops *ops,
					     const struct checkpoint *c, struct span note,
					     const struct merkle_hash *proof, size_t n_proof)
{
	bool is_newer = c->size > w->latest.size;
	const struct checkpoint *small = is_newer ? &w->latest : c;
	const struct checkpoint *large = is_newer ? c : &w->latest;

	if (is_proved(ops, small, large, proof, n_proof))
		return is_newer ? WITNESS_NEWER : WITNESS_OLDER;
	if (!w->is_suspect)
		keep_both(w, note);
	w->is_suspect = true;
	return WITNESS_UNPROVEN;
}

int witness_judge(struct witness *w, const struct crypto_ops *ops, const struct note_crypto *crypto,
		  struct span note, const struct merkle_hash *proof, size_t n_proof,
		  enum witness_verdict *ret)
{
	enum witness_verdict verdict = WITNESS_NEWER;
	struct checkpoint c;
	int r;

	if (note.len > CHECKPOINT_SIGNED_MAX)
		return -ENOBUFS;
	r = checkpoint_verify(crypto, note, w->keys, 2, &c);
	if (r < 0)
		return r;
	if (w->is_split)
		verdict = WITNESS_SPLIT;
	else if (w->has_latest && c.size == w->latest.size)
		verdict = judge_same_size(w, &c, note);
	else if (w->has_latest)
		verdict = judge_other_size(w, ops, &c, note, proof, n_proof);
	if (verdict == WITNESS_NEWER) {
		w->latest = c;
		w->has_latest = true;
		keep(&w->latest_note, note);
	}
	*ret = verdict;
	return 0;
}

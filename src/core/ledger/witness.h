/* SPDX-License-Identifier: Apache-2.0 */
/* witness.h - what a witness knows of another node's log: the largest tree it has vouched for, and
 * the evidence if that log told two stories.
 *
 * A log that shows one history to some and another to others must sign two checkpoints that no
 * proof joins. Of one size with two roots, the two signatures are the proof of it; of two sizes,
 * the log owes a consistency proof, and a log that has none to give is kept with both checkpoints
 * as suspect. Checkpoints come by the messages of core/cosign. */
#pragma once

#include "core/ledger/checkpoint.h"

enum witness_verdict {
	WITNESS_NEWER,	  /* is now the latest; may be cosigned */
	WITNESS_SAME,	  /* the latest again; may be cosigned */
	WITNESS_OLDER,	  /* an earlier state of the latest, as proved: nothing to do */
	WITNESS_UNPROVEN, /* signed by the log, but not proved to fit the latest; both are kept */
	WITNESS_SPLIT,	  /* one size, two roots, both signed: both are kept, for good */
};

/* What was signed, as it came: for whoever will judge. */
struct witness_evidence {
	uint8_t bytes[CHECKPOINT_SIGNED_MAX];
	size_t len; /* 0: none */
};

/* Of one log. All zeros is a log never seen, once keys are set. */
struct witness {
	struct note_key keys[2]; /* as ledger_keys_public() gives them */
	bool has_latest;
	struct checkpoint latest;
	struct witness_evidence latest_note;
	/* The first pair that does not fit; a proven split replaces an unproven one. */
	bool is_split, is_suspect;
	struct witness_evidence evidence[2];
};

/* Judges a note of that log. The proof is from the smaller to the larger of its size and the
 * latest's; empty where the sizes are the same or nothing was seen before. Negative, and nothing
 * changes: what checkpoint_verify() returns, -ENOBUFS for a note longer than one signed by the
 * log alone. After a split only WITNESS_SPLIT is returned: a log that lied is not vouched for. */
int witness_judge(struct witness *w, const struct crypto_ops *ops, const struct note_crypto *crypto,
		  struct span note, const struct merkle_hash *proof, size_t n_proof,
		  enum witness_verdict *ret);

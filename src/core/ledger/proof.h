/* SPDX-License-Identifier: Apache-2.0 */
/* proof.h - a proof that an entry is in the log, as one file for whoever knows the log's keys
 * (c2sp.org/tlog-proof). The entry itself goes along as extra data, in base64. */
#pragma once

#include "core/ledger/checkpoint.h"
#include "core/ledger/entry.h"

struct ledger_proof {
	struct span entry; /* as encoded */
	uint64_t index;
	struct merkle_hash hashes[MERKLE_PROOF_MAX];
	size_t n_hashes;
	struct span checkpoint; /* a signed note */
};

#define LEDGER_PROOF_MAX \
	(256 + 4 * (LEDGER_ENTRY_MAX + 2) / 3 + MERKLE_PROOF_MAX * 45 + NOTE_LEN_MAX)

void ledger_proof_write(struct writer *w, const struct ledger_proof *p);
/* -EBADMSG, -ENOBUFS. The entry lies in room, of LEDGER_ENTRY_MAX bytes; the checkpoint in text. */
int ledger_proof_decode(struct span text, uint8_t *room, struct ledger_proof *ret);
/* Signatures of all keys, then the path from entry to root. As checkpoint_verify(). */
int ledger_proof_verify(const struct crypto_ops *ops, const struct note_crypto *crypto,
			const struct ledger_proof *p, const struct note_key *keys, size_t n_keys,
			struct checkpoint *ret);

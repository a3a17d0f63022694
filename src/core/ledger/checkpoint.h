/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h - the root of a log at one size, signed by the log and by its witnesses.
 *
 * The text is that of c2sp.org/tlog-checkpoint without extension lines, which would be covered by
 * one of the signatures only. The log signs twice: with Ed25519 as every auditor's tool knows it,
 * and with ML-DSA-44 as c2sp.org/tlog-cosignature has it, which no quantum computer forges. A
 * witness signs with the latter two of enum note_algorithm. */
#pragma once

#include "core/ledger/merkle.h"
#include "core/ledger/note.h"

struct checkpoint {
	char origin[NOTE_NAME_MAX + 1]; /* names the log; its key name too */
	uint64_t size;
	struct merkle_hash root;
};

#define CHECKPOINT_TEXT_MAX (NOTE_NAME_MAX + 1 + 20 + 1 + 44 + 1)
/* One signed by the log alone. */
#define CHECKPOINT_SIGNED_MAX \
	(CHECKPOINT_TEXT_MAX + 2 * (NOTE_NAME_MAX + 8) + 4 * (MLDSA44_SIG_LEN + 200) / 3)

/* The private half of a log's or witness's keys. */
struct ledger_keys {
	char name[NOTE_NAME_MAX + 1];
	uint8_t ed25519[ED25519_SEED_LEN];
	uint8_t mldsa44[MLDSA44_SEED_LEN];
};

void checkpoint_write_text(struct writer *w, const struct checkpoint *c);
/* -EBADMSG, or -EPROTO for extension lines. */
int checkpoint_decode_text(struct span text, struct checkpoint *ret);

/* The verifiers' half: NOTE_ED25519 and NOTE_COSIGN_MLDSA44, in this order. */
int ledger_keys_public(const struct crypto_ops *ops, const struct note_crypto *crypto,
		       const struct ledger_keys *keys, struct note_key ret[2]);
/* Both private keys, a line each, in the form of Go's sumdb/note. */
#define LEDGER_KEYS_TEXT_MAX (2 * (NOTE_NAME_MAX + 80))
int ledger_keys_encode(const struct crypto_ops *ops, const struct note_crypto *crypto,
		       const struct ledger_keys *keys, struct writer *w);
/* -EBADMSG; also where an id is not that of its key. The caller wipes what it gave and got. */
int ledger_keys_decode(const struct crypto_ops *ops, const struct note_crypto *crypto,
		       struct span text, struct ledger_keys *ret);
/* The whole note. -ENOBUFS where the writer has no room, or as the crypto fails. */
int checkpoint_sign(const struct crypto_ops *ops, const struct note_crypto *crypto,
		    const struct ledger_keys *keys, const struct checkpoint *c, uint64_t unix_s,
		    const struct entropy *entropy, struct writer *w);
/* Whether the note carries a signature of that key that verifies: -ENOENT, -EKEYREJECTED or as
 * note_signature_of(). The time that it says in *ret_unix_s, if not NULL. */
int checkpoint_verify_signature(const struct note_crypto *crypto, const struct note *n,
				const struct checkpoint *c, const struct note_key *k,
				uint64_t *ret_unix_s);
/* A note whose text is a checkpoint of the keys' name and that each of them has signed. -EBADMSG,
 * -EPROTO; -EKEYREJECTED for a signature that is missing or wrong. */
int checkpoint_verify(const struct note_crypto *crypto, struct span bytes,
		      const struct note_key *keys, size_t n_keys, struct checkpoint *ret);

/* One line of cosignature for the checkpoint, by a witness: NOTE_COSIGN_ED25519 or
 * NOTE_COSIGN_MLDSA44. What it says is that at unix_s this was the largest tree seen of this log,
 * and one with all that was seen before. */
int checkpoint_cosign(const struct crypto_ops *ops, const struct note_crypto *crypto,
		      const struct ledger_keys *keys, enum note_algorithm algorithm,
		      const struct checkpoint *c, uint64_t unix_s, const struct entropy *entropy,
		      struct writer *w);

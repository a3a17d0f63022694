/* SPDX-License-Identifier: Apache-2.0 */
/* The log: offers its checkpoint, and checks what witnesses say of it. */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "core/cosign/cosign.h"

static const enum note_algorithm algorithms[2] = { NOTE_COSIGN_ED25519, NOTE_COSIGN_MLDSA44 };

void cosign_write_offer(struct writer *w, const struct note_key keys[2], struct span note,
			uint64_t size, const struct merkle_hash *proof, size_t n_proof)
{
	struct cosign_message m = {
		.type = COSIGN_OFFER,
		.size = size,
		.ed25519 = SPAN(keys[0].pk, ED25519_PK_LEN),
		.mldsa44 = SPAN(keys[1].pk, MLDSA44_PK_LEN),
		.text = note,
		.n_proof = n_proof,
	};

	if (n_proof > 0)
		memcpy(m.proof, proof, n_proof * sizeof(*proof));
	cosign_encode(&m, w);
}

/* Both, or it counts for nothing: one of them a quantum computer could forge. */
static int verify_both(const struct note_crypto *crypto, struct span note,
		       const struct note_key witness[2], const struct checkpoint *c,
		       uint64_t *ret_unix_s)
{
	uint64_t times[2] = { 0 };
	struct note n;
	int r = note_decode(note, &n);

	for (size_t i = 0; r == 0 && i < 2; i++)
		r = checkpoint_verify_signature(crypto, &n, c, &witness[i], &times[i]);
	if (r == 0 && (times[0] != times[1] || times[0] > COSIGN_UNIX_S_MAX))
		r = -EBADMSG;
	if (r == 0)
		*ret_unix_s = times[0];
	return r == -ENOENT ? -EKEYREJECTED : r;
}

int cosign_take(const struct crypto_ops *ops, const struct note_crypto *crypto,
		const struct note_key keys[2], struct span note, const char *witness,
		const struct cosign_message *m, uint64_t *ret_unix_s, struct writer *w)
{
	uint8_t room[CHECKPOINT_SIGNED_MAX + COSIGN_LINES_MAX];
	struct writer whole = writer_of(room, sizeof(room));
	const struct span pks[2] = { m->ed25519, m->mldsa44 };
	struct note_key public[2];
	struct checkpoint c;
	int r = checkpoint_verify(crypto, note, keys, 2, &c);

	if (r == 0 && c.size != m->size)
		return -ESTALE;
	for (size_t i = 0; r == 0 && i < 2; i++)
		r = note_key_init(ops, witness, algorithms[i], pks[i].at, &public[i]);
	write_span(&whole, note);
	write_span(&whole, m->text);
	if (r == 0 && whole.overrun)
		r = -EBADMSG;
	/* Its lines may also be an empty one, or the log's: then the whole is not the log's any
	 * more, and would be found damaged when it is read. */
	if (r == 0)
		r = checkpoint_verify(crypto, SPAN(room, whole.len), keys, 2, &c);
	if (r == 0)
		r = verify_both(crypto, SPAN(room, whole.len), public, &c, ret_unix_s);
	if (r < 0)
		return r;
	cosign_record_write(w, public, SPAN(room, whole.len));
	return w->overrun ? -ENOBUFS : 0;
}

int cosign_record_verify(const struct crypto_ops *ops, const struct note_crypto *crypto,
			 const struct note_key keys[2], struct span record, struct checkpoint *ret,
			 char *ret_witness, uint64_t *ret_unix_s)
{
	struct note_key public[2];
	struct span note;
	int r = cosign_record_decode(ops, record, public, &note);

	if (r == 0 &&
	    (public[0].algorithm != algorithms[0] || public[1].algorithm != algorithms[1]))
		r = -EBADMSG;
	if (r == 0)
		r = checkpoint_verify(crypto, note, keys, 2, ret);
	if (r == 0)
		r = verify_both(crypto, note, public, ret, ret_unix_s);
	if (r == 0)
		(void)snprintf(ret_witness, NOTE_NAME_MAX + 1, "%s", public[0].name);
	return r;
}

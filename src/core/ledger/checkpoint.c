/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints, and what exactly each signature below one signs. */
#include <errno.h>

#include "core/ledger/checkpoint.h"
#include "core/ledger/text.h"

/* The longest message that is signed: one of the two below. */
#define MESSAGE_MAX (64 + 2 * NOTE_NAME_MAX + CHECKPOINT_TEXT_MAX)

void checkpoint_write_text(struct writer *w, const struct checkpoint *c)
{
	text_write(w, c->origin);
	text_write(w, "\n");
	text_write_decimal(w, c->size);
	text_write(w, "\n");
	text_write_base64(w, SPAN_OF(c->root.bytes));
	text_write(w, "\n");
}

int checkpoint_decode_text(struct span text, struct checkpoint *ret)
{
	struct reader r = reader_of(text);
	struct checkpoint c = { .size = 0 };
	struct span origin, size, root;
	struct reader digits;
	size_t len;

	if (!text_read_line(&r, &origin) || !text_read_line(&r, &size) ||
	    !text_read_line(&r, &root) || !note_name_is_sound(origin))
		return -EBADMSG;
	digits = reader_of(size);
	if (!text_read_decimal(&digits, &c.size) || digits.left > 0 ||
	    text_base64_decode(root, c.root.bytes, sizeof(c.root.bytes), &len) < 0 ||
	    len != sizeof(c.root.bytes))
		return -EBADMSG;
	if (r.left > 0)
		return -EPROTO;
	memcpy(c.origin, origin.at, origin.len);
	*ret = c;
	return 0;
}

/* "cosignature/v1", the time, and the text. */
static void write_cosignature_v1(struct writer *w, const struct checkpoint *c, uint64_t unix_s)
{
	text_write(w, "cosignature/v1\ntime ");
	text_write_decimal(w, unix_s);
	text_write(w, "\n");
	checkpoint_write_text(w, c);
}

static void write_short(struct writer *w, const char *text)
{
	write_u8(w, (uint8_t)strlen(text));
	text_write(w, text);
}

/* struct cosigned_message of c2sp.org/tlog-cosignature, for a whole tree. */
static void write_subtree_v1(struct writer *w, const char *cosigner, const struct checkpoint *c,
			     uint64_t unix_s)
{
	write_span(w, SPAN_STR0("subtree/v1\n"));
	write_short(w, cosigner);
	write_u64(w, unix_s);
	write_short(w, c->origin);
	write_u64(w, 0);
	write_u64(w, c->size);
	write_span(w, SPAN_OF(c->root.bytes));
}

static struct span message_of(enum note_algorithm a, const char *signer, const struct checkpoint *c,
			      uint64_t unix_s, uint8_t room[MESSAGE_MAX])
{
	struct writer w = writer_of(room, MESSAGE_MAX);

	switch (a) {
	case NOTE_ED25519:
		checkpoint_write_text(&w, c);
		break;
	case NOTE_COSIGN_ED25519:
		write_cosignature_v1(&w, c, unix_s);
		break;
	case NOTE_COSIGN_MLDSA44:
		write_subtree_v1(&w, signer, c, unix_s);
		break;
	}
	return SPAN(room, w.len);
}

static int key_of(const struct crypto_ops *ops, const struct note_crypto *crypto,
		  const struct ledger_keys *keys, enum note_algorithm a, struct note_key *ret)
{
	uint8_t pk[MLDSA44_PK_LEN];
	int r = a == NOTE_COSIGN_MLDSA44 ? crypto->mldsa44_public(keys->mldsa44, pk)
					 : crypto->ed25519_public(keys->ed25519, pk);

	return r < 0 ? r : note_key_init(ops, keys->name, a, pk, ret);
}

int ledger_keys_public(const struct crypto_ops *ops, const struct note_crypto *crypto,
		       const struct ledger_keys *keys, struct note_key ret[2])
{
	int r = key_of(ops, crypto, keys, NOTE_ED25519, &ret[0]);

	return r < 0 ? r : key_of(ops, crypto, keys, NOTE_COSIGN_MLDSA44, &ret[1]);
}

int checkpoint_cosign(const struct crypto_ops *ops, const struct note_crypto *crypto,
		      const struct ledger_keys *keys, enum note_algorithm algorithm,
		      const struct checkpoint *c, uint64_t unix_s, const struct entropy *entropy,
		      struct writer *w)
{
	uint8_t room[MESSAGE_MAX], sig[MLDSA44_SIG_LEN], rnd[32];
	struct span message = message_of(algorithm, keys->name, c, unix_s, room);
	struct note_key key;
	int r = key_of(ops, crypto, keys, algorithm, &key);

	if (r < 0)
		return r;
	if (algorithm == NOTE_COSIGN_MLDSA44) {
		entropy_fill(entropy, rnd, sizeof(rnd));
		r = crypto->mldsa44_sign(keys->mldsa44, message, rnd, sig);
		bytes_wipe(rnd, sizeof(rnd));
	} else {
		r = crypto->ed25519_sign(keys->ed25519, message, sig);
	}
	if (r < 0)
		return r;
	note_write_signature(w, &key, unix_s, sig);
	return w->overrun ? -ENOBUFS : 0;
}

int checkpoint_sign(const struct crypto_ops *ops, const struct note_crypto *crypto,
		    const struct ledger_keys *keys, const struct checkpoint *c, uint64_t unix_s,
		    const struct entropy *entropy, struct writer *w)
{
	int r;

	checkpoint_write_text(w, c);
	text_write(w, "\n");
	r = checkpoint_cosign(ops, crypto, keys, NOTE_ED25519, c, unix_s, entropy, w);
	return r < 0 ? r
		     : checkpoint_cosign(ops, crypto, keys, NOTE_COSIGN_MLDSA44, c, unix_s, entropy,
					 w);
}

int checkpoint_verify_signature(const struct note_crypto *crypto, const struct note *n,
				const struct checkpoint *c, const struct note_key *k,
				uint64_t *ret_unix_s)
{
	uint8_t room[MESSAGE_MAX], sig[MLDSA44_SIG_LEN];
	struct span message;
	uint64_t unix_s;
	int r = note_signature_of(n, k, &unix_s, sig);

	if (r < 0)
		return r;
	if (unix_s > INT64_MAX)
		return -EBADMSG;
	message = message_of(k->algorithm, k->name, c, unix_s, room);
	r = k->algorithm == NOTE_COSIGN_MLDSA44 ? crypto->mldsa44_verify(k->pk, message, sig)
						: crypto->ed25519_verify(k->pk, message, sig);
	if (r == 0 && ret_unix_s)
		*ret_unix_s = unix_s;
	return r;
}

int checkpoint_verify(const struct note_crypto *crypto, struct span bytes,
		      const struct note_key *keys, size_t n_keys, struct checkpoint *ret)
{
	struct checkpoint c = { .size = 0 };
	struct note n;
	int r = note_decode(bytes, &n);

	if (r == 0)
		r = checkpoint_decode_text(n.text, &c);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_keys; i++) {
		if (strcmp(keys[i].name, c.origin) != 0)
			return -EPROTO;
		if (checkpoint_verify_signature(crypto, &n, &c, &keys[i], NULL) < 0)
			return -EKEYREJECTED;
	}
	*ret = c;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and records as bytes (docs/ledger.md). */
#include <errno.h>

#include "core/cosign/cosign.h"

#define VERSION 1

/* Keys and a text; REFUSED and HAVE are a size and a reason. */
static bool has_text(enum cosign_type t)
{
	return t == COSIGN_OFFER || t == COSIGN_SIGNED || t == COSIGN_SEEN;
}

static size_t text_max(enum cosign_type t)
{
	return t == COSIGN_SIGNED ? COSIGN_LINES_MAX : CHECKPOINT_SIGNED_MAX;
}

static void read_text(struct reader *r, struct cosign_message *m)
{
	m->ed25519 = read_span(r, ED25519_PK_LEN);
	m->mldsa44 = read_span(r, MLDSA44_PK_LEN);
	m->text = read_span(r, read_u16(r));
	if (m->type != COSIGN_OFFER)
		return;
	m->n_proof = read_u8(r);
	for (size_t i = 0; i < m->n_proof && i < MERKLE_PROOF_MAX; i++)
		read_copy(r, m->proof[i].bytes, sizeof(m->proof[i].bytes));
}

static bool is_sound(const struct cosign_message *m)
{
	if ((m->why != COSIGN_NOT_REFUSED) != (m->type == COSIGN_REFUSED) ||
	    m->why >= COSIGN_N_REFUSALS || m->n_proof > MERKLE_PROOF_MAX)
		return false;
	if (m->type == COSIGN_SEEN && m->size != 0) /* the note says it */
		return false;
	return !has_text(m->type) || (m->text.len > 0 && m->text.len <= text_max(m->type));
}

int cosign_decode(struct span bytes, struct cosign_message *ret)
{
	struct reader r = reader_of(bytes);
	uint8_t version = read_u8(&r);
	struct cosign_message m = { .type = (enum cosign_type)read_u8(&r) };

	m.size = read_u64(&r);
	m.why = (enum cosign_refusal)read_u8(&r);
	if (r.overrun || version != VERSION)
		return -EBADMSG;
	if (m.type < COSIGN_OFFER || m.type >= COSIGN_N_TYPES)
		return -EPROTO;
	if (has_text(m.type))
		read_text(&r, &m);
	if (!is_sound(&m))
		return -EPROTO;
	if (r.overrun || r.left > 0)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void cosign_encode(const struct cosign_message *m, struct writer *w)
{
	write_u8(w, VERSION);
	write_u8(w, (uint8_t)m->type);
	write_u64(w, m->size);
	write_u8(w, (uint8_t)m->why);
	if (!has_text(m->type))
		return;
	write_span(w, m->ed25519);
	write_span(w, m->mldsa44);
	write_u16(w, (uint16_t)m->text.len);
	write_span(w, m->text);
	if (m->type != COSIGN_OFFER)
		return;
	write_u8(w, (uint8_t)m->n_proof);
	for (size_t i = 0; i < m->n_proof; i++)
		write_bytes(w, m->proof[i].bytes, sizeof(m->proof[i].bytes));
}

const char *cosign_refusal_name(enum cosign_refusal r)
{
	static const char *const names[COSIGN_N_REFUSALS] = {
		[COSIGN_NOT_REFUSED] = "",
		[COSIGN_SPLIT] = "two histories, both signed",
		[COSIGN_UNPROVEN] = "not proved to go on from what was seen",
		[COSIGN_SHORTER] = "fewer entries than were seen",
		[COSIGN_OTHER_KEYS] = "other keys than were seen first",
		[COSIGN_FULL] = "the witness has no room for one more log",
		[COSIGN_NOT_KEPT] = "the witness could not keep it",
	};

	return r < COSIGN_N_REFUSALS ? names[r] : "unknown";
}

/* ---- records ---- */

void cosign_record_write(struct writer *w, const struct note_key keys[2], struct span note)
{
	for (size_t i = 0; i < 2; i++) {
		char line[NOTE_KEY_TEXT_SIZE];

		note_key_encode(&keys[i], line);
		write_span(w, SPAN(line, strlen(line)));
		write_u8(w, '\n');
	}
	write_u8(w, '\n');
	write_span(w, note);
}

static bool read_line(struct reader *r, struct span *ret)
{
	const uint8_t *end = r->left > 0 ? memchr(r->at, '\n', r->left) : NULL;

	if (!end)
		return false;
	*ret = read_span(r, (size_t)(end - r->at));
	(void)read_u8(r);
	return true;
}

int cosign_record_decode(const struct crypto_ops *ops, struct span bytes,
			 struct note_key ret_keys[2], struct span *ret_note)
{
	struct reader r = reader_of(bytes);
	struct note_key keys[2];
	struct span line;

	if (bytes.len > COSIGN_RECORD_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < 2; i++)
		if (!read_line(&r, &line) || note_key_decode(ops, line, &keys[i]) < 0)
			return -EBADMSG;
	if (!read_line(&r, &line) || line.len > 0 || r.left == 0 ||
	    strcmp(keys[0].name, keys[1].name) != 0)
		return -EBADMSG;
	memcpy(ret_keys, keys, sizeof(keys));
	*ret_note = SPAN(r.at, r.left);
	return 0;
}

/* ---- what is remembered of a log ---- */

static int decode_one(const struct crypto_ops *ops, const struct note_crypto *crypto,
		      struct span record, struct cosign_log *l, struct checkpoint *ret,
		      struct witness_evidence *ret_note)
{
	struct note_key keys[2];
	struct span note;

	if (cosign_record_decode(ops, record, keys, &note) < 0 ||
	    note.len > sizeof(ret_note->bytes) || checkpoint_verify(crypto, note, keys, 2, ret) < 0)
		return -EUCLEAN;
	if (l->of.keys[0].name[0] == '\0')
		memcpy(l->of.keys, keys, sizeof(keys));
	for (size_t i = 0; i < 2; i++)
		if (l->of.keys[i].id != keys[i].id || strcmp(l->of.keys[i].name, keys[i].name) != 0)
			return -EUCLEAN;
	memcpy(ret_note->bytes, note.at, note.len);
	ret_note->len = note.len;
	return 0;
}

int cosign_log_decode(const struct crypto_ops *ops, const struct note_crypto *crypto,
		      const struct span records[COSIGN_N_RECORDS], struct cosign_log *ret)
{
	struct witness_evidence *const notes[COSIGN_N_RECORDS] = {
		&ret->of.latest_note,
		&ret->rumour_note,
		&ret->of.evidence[0],
		&ret->of.evidence[1],
	};
	struct checkpoint c[COSIGN_N_RECORDS];

	for (size_t i = 0; i < COSIGN_N_RECORDS; i++)
		if (records[i].len > 0 &&
		    decode_one(ops, crypto, records[i], ret, &c[i], notes[i]) < 0)
			return -EUCLEAN;
	ret->of.has_latest = records[COSIGN_LATEST].len > 0;
	if (ret->of.has_latest)
		ret->of.latest = c[COSIGN_LATEST];
	ret->has_rumour = records[COSIGN_RUMOUR].len > 0;
	if (ret->has_rumour)
		ret->rumour = c[COSIGN_RUMOUR];
	/* The second is written last: both are there, or nothing was promised. */
	ret->of.is_suspect =
		records[COSIGN_EVIDENCE_1].len > 0 && records[COSIGN_EVIDENCE_2].len > 0;
	ret->of.is_split =
		ret->of.is_suspect && c[COSIGN_EVIDENCE_1].size == c[COSIGN_EVIDENCE_2].size;
	return 0;
}

void cosign_log_encode(const struct cosign_log *l, enum cosign_record which, struct writer *w)
{
	const struct witness_evidence *const notes[COSIGN_N_RECORDS] = {
		l->of.has_latest ? &l->of.latest_note : NULL,
		l->has_rumour ? &l->rumour_note : NULL,
		&l->of.evidence[0],
		&l->of.evidence[1],
	};

	if (notes[which] && notes[which]->len > 0)
		cosign_record_write(w, l->of.keys, SPAN(notes[which]->bytes, notes[which]->len));
}

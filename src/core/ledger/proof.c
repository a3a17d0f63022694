/* SPDX-License-Identifier: Apache-2.0 */
/* Inclusion proofs as files. */
#include <errno.h>

#include "core/ledger/proof.h"
#include "core/ledger/text.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1\n"

void ledger_proof_write(struct writer *w, const struct ledger_proof *p)
{
	text_write(w, FIRST_LINE "extra ");
	text_write_base64(w, p->entry);
	text_write(w, "\nindex ");
	text_write_decimal(w, p->index);
	text_write(w, "\n");
	for (size_t i = 0; i < p->n_hashes; i++) {
		text_write_base64(w, SPAN_OF(p->hashes[i].bytes));
		text_write(w, "\n");
	}
	text_write(w, "\n");
	write_span(w, p->checkpoint);
}

static int read_extra(struct reader *r, uint8_t *room, struct span *ret)
{
	struct span line;
	size_t len;

	if (!text_skip(r, "extra ") || !text_read_line(r, &line) ||
	    text_base64_decode(line, room, LEDGER_ENTRY_MAX, &len) < 0)
		return -EBADMSG;
	*ret = SPAN(room, len);
	return 0;
}

static int read_hashes(struct reader *r, struct ledger_proof *p)
{
	struct span line;
	size_t len;

	while (text_read_line(r, &line)) {
		struct merkle_hash *to = &p->hashes[p->n_hashes];

		if (line.len == 0)
			return 0;
		if (p->n_hashes == MERKLE_PROOF_MAX)
			return -ENOBUFS;
		if (text_base64_decode(line, to->bytes, sizeof(to->bytes), &len) < 0 ||
		    len != sizeof(to->bytes))
			return -EBADMSG;
		p->n_hashes++;
	}
	return -EBADMSG;
}

int ledger_proof_decode(struct span text, uint8_t *room, struct ledger_proof *ret)
{
	struct reader r = reader_of(text);
	struct ledger_proof p = { .n_hashes = 0 };
	int error;

	if (!text_skip(&r, FIRST_LINE))
		return -EBADMSG;
	error = read_extra(&r, room, &p.entry);
	if (error < 0)
		return error;
	if (!text_skip(&r, "index ") || !text_read_decimal(&r, &p.index) || !text_skip(&r, "\n"))
		return -EBADMSG;
	error = read_hashes(&r, &p);
	if (error < 0)
		return error;
	p.checkpoint = SPAN(r.at, r.left);
	*ret = p;
	return 0;
}

int ledger_proof_verify(const struct crypto_ops *ops, const struct note_crypto *crypto,
			const struct ledger_proof *p, const struct note_key *keys, size_t n_keys,
			struct checkpoint *ret)
{
	struct checkpoint c = { .size = 0 };
	struct merkle_hash leaf;
	int r = checkpoint_verify(crypto, p->checkpoint, keys, n_keys, &c);

	if (r < 0)
		return r;
	merkle_leaf_hash(ops, p->entry, &leaf);
	r = merkle_verify_inclusion(ops, &leaf, p->index, c.size, p->hashes, p->n_hashes,
				    SPAN_OF(c.root.bytes));
	if (r == 0)
		*ret = c;
	return r;
}

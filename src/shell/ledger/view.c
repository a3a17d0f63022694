/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a ledger, also while another process appends to it. */
#include <errno.h>
#include <stdio.h>

#include "shell/ledger/internal.h"

#define TRIES 5 /* to read journal and tiles while they change */

struct ledger_view {
	const struct crypto_ops *ops;
	int directory;
	struct ledger_view_facts facts;
	struct bytes note;
	struct journal_read journal;
	struct bytes bundle; /* the last one that was read, and which */
	uint64_t bundle_n;
	bool has_bundle;
};

DEFINE_FREEP(struct ledger_view, ledger_view_close)

struct tile_source {
	const struct crypto_ops *ops;
	int directory;
	uint64_t size;
};

static int node_of_tiles(void *user, unsigned height, uint64_t n, struct merkle_hash *ret)
{
	const struct tile_source *s = user;
	CLEANUP(bytes_done) struct bytes b = { 0 };
	struct merkle_hash hashes[TILE_WIDTH];
	struct tile_id id;
	unsigned first, n_hashes;
	int r;

	tile_of_node(s->size, height, n, &id, &first, &n_hashes);
	r = tile_read(s->directory, &id, &b);
	if (r < 0)
		return r;
	if (b.len > sizeof(hashes) || b.len < (first + n_hashes) * sizeof(hashes[0]))
		return -EUCLEAN;
	memcpy(hashes, b.at, b.len);
	tile_root(s->ops, hashes + first, n_hashes, ret);
	return 0;
}

int tiles_root(const struct crypto_ops *ops, int directory, uint64_t size, struct merkle_hash *ret)
{
	struct tile_source s = { .ops = ops, .directory = directory, .size = size };
	struct merkle_source source = { .node = node_of_tiles, .user = &s };

	if (size == 0) {
		ops->sha256(NULL, 0, ret->bytes);
		return 0;
	}
	return merkle_range(ops, &source, 0, size, ret);
}

static int read_journal(struct ledger_view *v, struct ledger_error *ret_error)
{
	int r = -EAGAIN;

	for (unsigned i = 0; r < 0 && i < TRIES; i++) {
		CLEANUP(bytes_done) struct bytes file = { 0 };

		r = file_read(v->directory, LEDGER_JOURNAL, JOURNAL_LEN_MAX, &file);
		if (r < 0)
			return ledger_fail(ret_error, r, "cannot read the ledger's %s: %s",
					   LEDGER_JOURNAL, strerror(-r));
		r = journal_decode(v->ops, SPAN(file.at, file.len), &v->journal, ret_error);
	}
	return r;
}

/* The checkpoint first: what is signed is in tiles by then, and the journal is read after. */
static int read_all(struct ledger_view *v, const struct note_crypto *crypto, bool only_signed,
		    struct ledger_error *ret_error)
{
	struct ledger_view_facts *f = &v->facts;
	int r = verifiers_read(v->ops, v->directory, f->keys);

	if (r < 0)
		return ledger_fail(ret_error, r == -EBADMSG ? -EUCLEAN : r,
				   "cannot read the ledger's %s: %s", LEDGER_VERIFIERS,
				   strerror(-r));
	r = file_read(v->directory, LEDGER_CHECKPOINT, NOTE_LEN_MAX, &v->note);
	if (r == 0) {
		f->note = SPAN(v->note.at, v->note.len);
		r = checkpoint_verify(crypto, f->note, f->keys, 2, &f->checkpoint);
		f->has_checkpoint = r == 0;
	}
	if (r < 0 && r != -ENOENT)
		return ledger_fail(ret_error, -EUCLEAN, "%s: its signatures do not verify: %s",
				   LEDGER_CHECKPOINT, strerror(-r));
	if (only_signed) {
		f->size = f->n_in_tiles = f->has_checkpoint ? f->checkpoint.size : 0;
		return 0;
	}
	r = read_journal(v, ret_error);
	f->n_in_tiles = v->journal.head.base;
	f->size = f->n_in_tiles + v->journal.n_entries;
	return r;
}

static int open_view(const char *directory, const struct crypto_ops *ops,
		     const struct note_crypto *crypto, bool only_signed, struct ledger_view **ret,
		     struct ledger_error *ret_error)
{
	CLEANUP(ledger_view_closep) struct ledger_view *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return ledger_fail(ret_error, -ENOMEM, "out of memory");
	v->ops = ops;
	v->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->directory < 0)
		return ledger_fail(ret_error, -errno, "there is no ledger in %s: %s", directory,
				   strerror(errno));
	r = read_all(v, crypto, only_signed, ret_error);
	if (r < 0)
		return r;
	*ret = TAKE(v);
	return 0;
}

int ledger_view_open(const char *directory, const struct crypto_ops *ops,
		     const struct note_crypto *crypto, struct ledger_view **ret,
		     struct ledger_error *ret_error)
{
	return open_view(directory, ops, crypto, false, ret, ret_error);
}

int ledger_view_open_signed(const char *directory, const struct crypto_ops *ops,
			    const struct note_crypto *crypto, struct ledger_view **ret,
			    struct ledger_error *ret_error)
{
	return open_view(directory, ops, crypto, true, ret, ret_error);
}

void ledger_view_close(struct ledger_view *v)
{
	if (!v)
		return;
	close_fdp(&v->directory);
	bytes_done(&v->note);
	bytes_done(&v->bundle);
	journal_read_done(&v->journal);
	free(v);
}

const struct ledger_view_facts *ledger_view_facts(const struct ledger_view *v)
{
	return &v->facts;
}

static int load_bundle(struct ledger_view *v, uint64_t n)
{
	uint64_t left = v->facts.n_in_tiles - n * TILE_WIDTH;
	struct tile_id id = { TILE_ENTRIES, n, left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH };
	int r;

	if (v->has_bundle && v->bundle_n == n)
		return 0;
	bytes_done(&v->bundle);
	v->has_bundle = false;
	r = tile_read(v->directory, &id, &v->bundle);
	v->has_bundle = r == 0;
	v->bundle_n = n;
	return r;
}

static int nth_entry(struct span bundle, uint64_t n, struct span *ret)
{
	struct reader r = reader_of(bundle);

	for (uint64_t i = 0; i <= n; i++)
		if (!bundle_next(&r, ret))
			return -EUCLEAN;
	return 0;
}

int ledger_view_entry(struct ledger_view *v, uint64_t index, struct span *ret)
{
	const struct ledger_view_facts *f = &v->facts;
	int r;

	if (index >= f->size)
		return -ERANGE;
	if (index >= f->n_in_tiles)
		return nth_entry(SPAN(v->journal.entries.at, v->journal.entries.len),
				 index - f->n_in_tiles, ret);
	r = load_bundle(v, index / TILE_WIDTH);
	return r < 0 ? r : nth_entry(SPAN(v->bundle.at, v->bundle.len), index % TILE_WIDTH, ret);
}

int ledger_view_find(struct ledger_view *v, uint64_t incident, uint64_t *ret, size_t max,
		     size_t *ret_n, bool *ret_is_all)
{
	uint64_t end = v->facts.size, first = end > LEDGER_LOOK_BACK ? end - LEDGER_LOOK_BACK : 0;
	struct ledger_entry e = { 0 };
	struct ledger_entry_texts texts;
	struct span bytes = { 0 };
	uint64_t at = end;
	size_t n = 0;

	while (at > first && n < max) {
		int r = ledger_view_entry(v, --at, &bytes);

		if (r == 0)
			r = ledger_entry_decode(bytes, &texts, &e);
		if (r < 0)
			return r == -EBADMSG ? -EUCLEAN : r;
		if (e.incident == incident)
			ret[n++] = at;
	}
	for (size_t i = 0; i < n / 2; i++) {
		uint64_t newer = ret[i];

		ret[i] = ret[n - 1 - i];
		ret[n - 1 - i] = newer;
	}
	*ret_n = n;
	*ret_is_all = at == 0;
	return 0;
}

int ledger_view_prove(struct ledger_view *v, uint64_t index, struct ledger_proof *ret)
{
	const struct ledger_view_facts *f = &v->facts;
	struct tile_source s = { v->ops, v->directory, f->checkpoint.size };
	struct merkle_source source = { .node = node_of_tiles, .user = &s };
	int r;

	if (!f->has_checkpoint || index >= f->checkpoint.size)
		return -ERANGE;
	ret->index = index;
	ret->checkpoint = f->note;
	r = merkle_inclusion_proof(v->ops, &source, index, f->checkpoint.size, ret->hashes,
				   &ret->n_hashes);
	return r < 0 ? r : ledger_view_entry(v, index, &ret->entry);
}

int ledger_view_consistency(struct ledger_view *v, uint64_t size1, uint64_t size2,
			    struct merkle_hash ret[MERKLE_PROOF_MAX], size_t *ret_n)
{
	struct tile_source s = { v->ops, v->directory, size2 };
	struct merkle_source source = { .node = node_of_tiles, .user = &s };

	if (size2 > v->facts.n_in_tiles)
		return -ERANGE;
	return merkle_consistency_proof(v->ops, &source, size1, size2, ret, ret_n);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The process that appends: opening after anything, committing, writing tiles, signing. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shell/ledger/internal.h"

#define FIRST_TILES 2 /* generation of the journal behind the first tiles; a new one has 1 */

struct ledger {
	struct ledger_config config;
	struct ledger_keys keys;
	int directory, lock_fd, journal_fd;
	struct journal_head head;
	size_t used;		/* bytes of records in the journal */
	struct bytes committed; /* entries that are in the journal, not in tiles */
	uint64_t n_committed;
	struct bytes pending; /* room for a record's head, then entries */
	uint32_t n_pending;
	uint64_t last_unix_ms; /* of the last entry */
	uint64_t signed_size;
	struct edge edge;
	bool is_edge_lost; /* a fold failed half-way: it must be loaded again */
	bool is_broken;	   /* what the journal has is not known: only opening again helps */
	bool is_torn;	   /* a commit failed: some of what is pending may be in the journal */
	int tile_error;
	size_t n_dropped;
};

static size_t capacity(const struct ledger *l)
{
	return l->head.len - JOURNAL_START;
}

static uint64_t committed_size(const struct ledger *l)
{
	return l->head.base + l->n_committed;
}

static int read_unix_ms(struct ledger *l, struct span entry)
{
	struct ledger_entry_texts texts;
	struct ledger_entry e;
	int r = ledger_entry_decode(entry, &texts, &e);

	if (r == 0)
		l->last_unix_ms = e.unix_ms;
	return r;
}

/* ---- opening ---- */

static int take_lock(struct ledger *l, struct ledger_error *ret_error)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	l->lock_fd =
		openat(l->directory, LEDGER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock_fd < 0)
		return ledger_fail(ret_error, -errno, "cannot write to the ledger's directory: %s",
				   strerror(errno));
	if (fcntl(l->lock_fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return ledger_fail(ret_error, -EBUSY, "another process appends to this ledger");
	return ledger_fail(ret_error, -errno, "cannot lock the ledger's file %s: %s", LEDGER_LOCK,
			   strerror(errno));
}

/* A journal that is missing beside a checkpoint or tiles was there once. */
static int open_journal(struct ledger *l, struct ledger_error *ret_error)
{
	bool is_old = faccessat(l->directory, LEDGER_CHECKPOINT, F_OK, 0) == 0 ||
		      faccessat(l->directory, "tile", F_OK, 0) == 0;
	int r = 0;

	if (faccessat(l->directory, LEDGER_JOURNAL, F_OK, 0) < 0) {
		if (is_old)
			return ledger_fail(ret_error, -EUCLEAN,
					   "the ledger has tiles, but the file %s is missing",
					   LEDGER_JOURNAL);
		r = journal_create(&l->config, l->directory, ret_error);
	}
	if (r < 0)
		return r;
	l->journal_fd = openat(l->directory, LEDGER_JOURNAL, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return l->journal_fd < 0 ? ledger_fail(ret_error, -errno, "cannot open %s: %s",
					       LEDGER_JOURNAL, strerror(errno))
				 : 0;
}

static int write_zeros(const struct ledger *l, size_t at, size_t len)
{
	static const uint8_t zeros[65536];
	const struct ledger_files *f = l->config.files;
	int r = 0;

	while (r == 0 && len > 0) {
		size_t n = len < sizeof(zeros) ? len : sizeof(zeros);

		r = f->write(f->user, l->journal_fd, zeros, n, at);
		at += n;
		len -= n;
	}
	return r;
}

static int write_head(const struct ledger *l, const struct journal_head *h)
{
	const struct ledger_files *f = l->config.files;
	uint8_t bytes[JOURNAL_HEAD_LEN];
	int r;

	journal_write_head(l->config.ops, h, bytes);
	r = f->write(f->user, l->journal_fd, bytes, sizeof(bytes),
		     h->generation % 2 * JOURNAL_BLOCK);
	return r < 0 ? r : f->sync(f->user, l->journal_fd);
}

/* After a crash: the rest of what was never promised goes, and a torn head is the next to be
 * written. Nothing may be appended in front of old bytes. */
static int clean_journal(struct ledger *l, const struct journal_read *j)
{
	const struct ledger_files *f = l->config.files;
	struct journal_head other = j->head;
	int r = 0;

	l->n_dropped = j->n_dropped;
	if (j->n_dropped > 0)
		r = write_zeros(l, j->dropped_from, j->n_dropped);
	if (r == 0 && j->n_dropped > 0)
		r = f->sync(f->user, l->journal_fd);
	if (r == 0 && j->wrong_head >= 0) {
		/* One generation older than the whole one: it only has to be readable. */
		other.generation = j->head.generation > 0 ? j->head.generation - 1 : 1;
		if (other.generation < j->head.generation)
			r = write_head(l, &other);
	}
	return r;
}

static int take_journal(struct ledger *l, struct ledger_error *ret_error)
{
	CLEANUP(bytes_done) struct bytes file = { 0 };
	struct journal_read j = { 0 };
	struct reader reader;
	struct span entry;
	int r = file_read(l->directory, LEDGER_JOURNAL, JOURNAL_LEN_MAX, &file);

	if (r < 0)
		return ledger_fail(ret_error, r, "cannot read %s: %s", LEDGER_JOURNAL,
				   strerror(-r));
	r = journal_decode(l->config.ops, SPAN(file.at, file.len), &j, ret_error);
	if (r < 0)
		return r;
	l->head = j.head;
	l->used = j.used;
	l->committed = j.entries;
	l->n_committed = j.n_entries;
	reader = reader_of(SPAN(j.entries.at, j.entries.len));
	while (r == 0 && bundle_next(&reader, &entry))
		r = read_unix_ms(l, entry);
	if (r < 0)
		return ledger_fail(ret_error, -EUCLEAN, "journal: it holds what is no entry");
	r = clean_journal(l, &j);
	return r < 0 ? ledger_fail(ret_error, r, "cannot write to %s: %s", LEDGER_JOURNAL,
				   strerror(-r))
		     : 0;
}

static int take_edge(struct ledger *l, struct ledger_error *ret_error)
{
	int r = edge_load(l->config.ops, l->directory, l->head.base, &l->edge);

	return r < 0 ? ledger_fail(ret_error, r == -ENOENT ? -EUCLEAN : r,
				   "the tiles of the ledger's %llu entries cannot be read: %s",
				   (unsigned long long)l->head.base, strerror(-r))
		     : 0;
}

/* What was signed must be there, and be the same. */
static int check_checkpoint(struct ledger *l, struct ledger_error *ret_error)
{
	const struct ledger_config *c = &l->config;
	CLEANUP(bytes_done) struct bytes b = { 0 };
	struct note_key keys[2];
	struct checkpoint signed_one = { .size = 0 };
	struct merkle_hash root;
	int r = file_read(l->directory, LEDGER_CHECKPOINT, NOTE_LEN_MAX, &b);

	/* A crash may have come between the first tiles and their checkpoint. */
	if (r == -ENOENT && l->head.generation <= FIRST_TILES)
		return 0;
	if (r == 0)
		r = ledger_keys_public(c->ops, c->crypto, &l->keys, keys);
	if (r == 0)
		r = checkpoint_verify(c->crypto, SPAN(b.at, b.len), keys, 2, &signed_one);
	if (r < 0)
		return ledger_fail(ret_error, -EUCLEAN,
				   "%s: it is missing, or its signatures do not verify: %s",
				   LEDGER_CHECKPOINT, strerror(-r));
	if (signed_one.size > l->head.base)
		return ledger_fail(
			ret_error, -EUCLEAN,
			"entries from %llu on are missing: the checkpoint was signed for "
			"%llu",
			(unsigned long long)l->head.base, (unsigned long long)signed_one.size);
	r = tiles_root(c->ops, l->directory, signed_one.size, &root);
	if (r < 0 || !merkle_hash_equal(&root, &signed_one.root))
		return ledger_fail(ret_error, -EUCLEAN,
				   "the tiles of the first %llu entries are not those that were "
				   "signed; run: x0 ledger verify",
				   (unsigned long long)signed_one.size);
	l->signed_size = signed_one.size;
	return 0;
}

static int open_directory(struct ledger *l, const char *directory, struct ledger_error *ret_error)
{
	const struct ledger_files *f = l->config.files;
	CLEANUP_FD int parent = -1;
	bool is_new = mkdir(directory, 0700) == 0;
	int r = is_new || errno == EEXIST ? 0 : -errno;

	if (r == 0)
		l->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && l->directory < 0)
		r = -errno;
	if (r == 0 && is_new) {
		parent = openat(l->directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = parent < 0 ? -errno : f->sync(f->user, parent);
	}
	return r < 0 ? ledger_fail(ret_error, r, "cannot open the directory %s: %s", directory,
				   strerror(-r))
		     : 0;
}

static int open_all(struct ledger *l, struct ledger_error *ret_error)
{
	int r = take_lock(l, ret_error);

	if (r == 0)
		r = keys_open(&l->config, l->directory, &l->keys, ret_error);
	if (r == 0)
		r = open_journal(l, ret_error);
	if (r == 0)
		r = take_journal(l, ret_error);
	if (r == 0)
		r = take_edge(l, ret_error);
	return r < 0 ? r : check_checkpoint(l, ret_error);
}

static void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	close_fdp(&l->journal_fd);
	close_fdp(&l->lock_fd);
	close_fdp(&l->directory);
	bytes_done(&l->committed);
	bytes_done(&l->pending);
	edge_done(&l->edge);
	bytes_wipe(&l->keys, sizeof(l->keys));
	free(l);
}

DEFINE_FREEP(struct ledger, ledger_free)

int ledger_open(const char *directory, const struct ledger_config *config, struct ledger **ret,
		struct ledger_error *ret_error)
{
	CLEANUP(ledger_freep) struct ledger *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return ledger_fail(ret_error, -ENOMEM, "out of memory");
	l->config = *config;
	if (!l->config.files)
		l->config.files = &ledger_system_files;
	l->directory = l->lock_fd = l->journal_fd = -1;
	r = open_directory(l, directory, ret_error);
	if (r == 0)
		r = open_all(l, ret_error);
	if (r < 0)
		return r;
	*ret = TAKE(l);
	return 0;
}

/* ---- appending ---- */

/* An eighth of the journal a commit, a quarter before tiles are written: so half is not reached
 * unless tiles cannot be written. */
static size_t pending_max(const struct ledger *l)
{
	return capacity(l) / 8;
}

int ledger_append(struct ledger *l, const struct ledger_entry *e, uint64_t *ret_index)
{
	uint8_t bytes[2 + LEDGER_ENTRY_MAX];
	size_t len, payload, total;
	int r = ledger_entry_encode(e, bytes + 2, sizeof(bytes) - 2, &len);

	if (r < 0)
		return r;
	store_u16(bytes, (uint16_t)len);
	if (l->pending.len == 0) {
		r = bytes_add(&l->pending, (uint8_t[JOURNAL_RECORD_HEAD_LEN]){ 0 },
			      JOURNAL_RECORD_HEAD_LEN);
		if (r < 0)
			return r;
	}
	payload = l->pending.len - JOURNAL_RECORD_HEAD_LEN + 2 + len;
	total = l->used + journal_record_len(payload);
	if (total > capacity(l) ||
	    (total > capacity(l) / 2 && !e->is_disk && e->kind != LEDGER_NOTICE))
		return -ENOSPC;
	if (l->n_pending > 0 && payload > pending_max(l))
		return -EAGAIN;
	r = bytes_add(&l->pending, bytes, 2 + len);
	if (r < 0)
		return r;
	l->last_unix_ms = e->unix_ms;
	if (ret_index)
		*ret_index = committed_size(l) + l->n_pending;
	l->n_pending++;
	return 0;
}

static int write_record(struct ledger *l)
{
	const struct ledger_files *f = l->config.files;
	size_t payload = l->pending.len - JOURNAL_RECORD_HEAD_LEN;
	size_t len = journal_record_len(payload);
	int r = bytes_add(&l->pending, (uint8_t[JOURNAL_ALIGNMENT]){ 0 },
			  len - l->pending.len); /* room for the padding */

	if (r < 0)
		return r;
	l->pending.len = JOURNAL_RECORD_HEAD_LEN + payload;
	journal_seal(l->config.ops, &l->head, committed_size(l), l->n_pending, l->pending.at,
		     payload);
	r = f->write(f->user, l->journal_fd, l->pending.at, len, JOURNAL_START + l->used);
	return r < 0 ? r : f->sync(f->user, l->journal_fd);
}

static int commit_pending(struct ledger *l)
{
	size_t payload = l->pending.len - JOURNAL_RECORD_HEAD_LEN;
	size_t len_before = l->committed.len;
	int r;

	if (l->n_pending == 0)
		return 0;
	if (l->is_broken)
		return -EIO;
	/* The copy first: it may lack memory, and then nothing has been written. */
	r = bytes_add(&l->committed, l->pending.at + JOURNAL_RECORD_HEAD_LEN, payload);
	if (r == 0) {
		r = write_record(l);
		l->is_torn = r < 0;
		if (r < 0)
			l->committed.len = len_before;
	}
	if (r < 0)
		return r;
	l->used += journal_record_len(payload);
	l->n_committed += l->n_pending;
	l->n_pending = 0;
	l->pending.len = 0;
	return 0;
}

int ledger_drop(struct ledger *l)
{
	const struct ledger_files *f = l->config.files;
	size_t payload = l->n_pending > 0 ? l->pending.len - JOURNAL_RECORD_HEAD_LEN : 0;
	int r = 0;

	if (l->is_torn) {
		r = write_zeros(l, JOURNAL_START + l->used, journal_record_len(payload));
		if (r == 0)
			r = f->sync(f->user, l->journal_fd);
	}
	l->is_broken = l->is_broken || r < 0;
	l->is_torn = false;
	l->n_pending = 0;
	l->pending.len = 0;
	return r;
}

/* ---- tiles and checkpoint ---- */

static int sign(struct ledger *l)
{
	const struct ledger_config *c = &l->config;
	uint8_t note[CHECKPOINT_SIGNED_MAX];
	struct writer w = writer_of(note, sizeof(note));
	struct checkpoint checkpoint = { .size = l->head.base };
	int r;

	if (l->signed_size == l->head.base)
		return 0; /* of an empty log there is nothing to say */
	memcpy(checkpoint.origin, l->keys.name, sizeof(checkpoint.origin));
	merkle_root(c->ops, &l->edge.frontier, &checkpoint.root);
	r = checkpoint_sign(c->ops, c->crypto, &l->keys, &checkpoint, l->last_unix_ms / 1000,
			    c->entropy, &w);
	if (r == 0)
		r = file_replace(c->files, l->directory, LEDGER_CHECKPOINT, 0644,
				 SPAN(note, w.len));
	if (r < 0)
		return r;
	l->signed_size = l->head.base;
	return 0;
}

/* The tiles are durable: the journal starts again behind them. */
static int restart_journal(struct ledger *l)
{
	struct journal_head h = l->head;
	size_t used = l->used;
	int r;

	h.base = committed_size(l);
	h.generation++;
	r = write_head(l, &h);
	l->is_broken = r < 0; /* a record behind the wrong head would be lost */
	if (r < 0)
		return r;
	l->head = h;
	l->used = 0;
	l->n_committed = 0;
	l->committed.len = 0;
	/* If a crash keeps some of them, they are of another generation. */
	return write_zeros(l, JOURNAL_START, used);
}

static int fold(struct ledger *l)
{
	uint64_t before = l->head.base;
	int r;

	l->is_edge_lost = true;
	r = edge_fold(l->config.ops, l->config.files, l->directory, &l->edge,
		      SPAN(l->committed.at, l->committed.len), l->n_committed);
	if (r == 0)
		r = restart_journal(l);
	if (r < 0)
		return r;
	l->is_edge_lost = false;
	edge_remove_partial(l->directory, before, l->head.base);
	return 0;
}

static int find_edge(struct ledger *l)
{
	int r = 0;

	if (l->is_edge_lost)
		r = edge_load(l->config.ops, l->directory, l->head.base, &l->edge);
	l->is_edge_lost = r < 0;
	return r;
}

/* What is in tiles is signed before more goes there: so a checkpoint lags by one step at most. */
static int fold_and_sign(struct ledger *l)
{
	int r = l->is_broken ? -EIO : find_edge(l);

	if (r == 0)
		r = sign(l);
	if (r == 0 && l->n_committed > 0) {
		r = fold(l);
		if (r == 0)
			r = sign(l);
	}
	l->tile_error = r;
	return r;
}

int ledger_commit(struct ledger *l)
{
	int r = commit_pending(l);

	/* What follows is no part of the promise: ledger_status() says if it fails. */
	if (r == 0 && l->n_committed > 0 && (l->tile_error < 0 || l->used > capacity(l) / 4))
		(void)fold_and_sign(l);
	return r;
}

int ledger_checkpoint(struct ledger *l)
{
	int r = commit_pending(l);

	return r < 0 ? r : fold_and_sign(l);
}

void ledger_status(const struct ledger *l, struct ledger_status *ret)
{
	*ret = (struct ledger_status){
		.size = committed_size(l),
		.n_pending = l->n_pending,
		.n_in_tiles = l->head.base,
		.signed_size = l->signed_size,
		.reserve_bytes = capacity(l),
		.reserve_used_bytes = l->used,
		.dropped_bytes = l->n_dropped,
		.is_broken = l->is_broken,
		.tile_error = l->tile_error,
	};
}

void ledger_close(struct ledger *l)
{
	if (l)
		(void)ledger_checkpoint(l); /* if not, the journal keeps what was committed */
	ledger_free(l);
}

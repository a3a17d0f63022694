/* SPDX-License-Identifier: Apache-2.0 */
/* Computing a whole ledger again, and comparing it with each byte of its files. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "shell/ledger/internal.h"
#include "shell/ledger/witness.h"

#define SHOWN_MAX 1000 /* told of; all are counted */

struct verify {
	const struct crypto_ops *ops;
	const struct note_crypto *crypto;
	int directory;
	void (*found)(void *user, const char *text);
	void *user;
	int n_found;
	struct note_key keys[2];
	bool has_keys, has_checkpoint;
	struct checkpoint checkpoint;
	uint64_t base; /* entries that must be in tiles */
	struct merkle_frontier frontier;
	struct merkle_hash tiles[TILE_LEVELS][TILE_WIDTH]; /* as computed, the last of each level */
};

static void find(struct verify *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void find(struct verify *v, const char *format, ...)
{
	char text[LEDGER_ERROR_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (v->n_found < SHOWN_MAX)
		v->found(v->user, text);
	if (v->n_found < INT32_MAX)
		v->n_found++;
}

static void verify_keys(struct verify *v)
{
	struct ledger_keys keys;
	struct note_key expected[2];
	int r = verifiers_read(v->ops, v->directory, v->keys);

	v->has_keys = r == 0;
	if (r < 0)
		find(v, "%s: cannot be read: %s", LEDGER_VERIFIERS, strerror(-r));
	r = keys_read(v->ops, v->crypto, v->directory, &keys);
	if (r == -EACCES || r == -ENOENT)
		return; /* an auditor does not have it, and need not */
	if (r == 0)
		r = ledger_keys_public(v->ops, v->crypto, &keys, expected);
	if (r < 0)
		find(v, "%s: cannot be read: %s", LEDGER_KEY, strerror(-r));
	else if (v->has_keys && (memcmp(expected[0].pk, v->keys[0].pk, ED25519_PK_LEN) != 0 ||
				 memcmp(expected[1].pk, v->keys[1].pk, MLDSA44_PK_LEN) != 0))
		find(v, "%s: the keys are not those of %s", LEDGER_KEY, LEDGER_VERIFIERS);
	bytes_wipe(&keys, sizeof(keys));
}

static void verify_checkpoint(struct verify *v)
{
	CLEANUP(bytes_done) struct bytes b = { 0 };
	int r = file_read(v->directory, LEDGER_CHECKPOINT, NOTE_LEN_MAX, &b);

	if (r == -ENOENT || !v->has_keys)
		return; /* a missing one is noticed where there are tiles */
	if (r == 0)
		r = checkpoint_verify(v->crypto, SPAN(b.at, b.len), v->keys, 2, &v->checkpoint);
	if (r < 0)
		find(v, "%s: its signatures do not verify: %s", LEDGER_CHECKPOINT, strerror(-r));
	v->has_checkpoint = r == 0;
}

static void verify_block(struct verify *v, struct span file, size_t from, size_t to)
{
	for (; from < to; from++)
		if (file.at[from] != 0)
			find(v, "journal: byte %zu is not zero", from);
}

/* -errno: nothing more can be said. */
static int verify_journal(struct verify *v, struct journal_read *j, struct ledger_error *ret_error)
{
	CLEANUP(bytes_done) struct bytes file = { 0 };
	struct reader reader;
	struct ledger_entry_texts texts;
	struct ledger_entry e;
	struct span entry;
	uint64_t index, next;
	int r = file_read(v->directory, LEDGER_JOURNAL, JOURNAL_LEN_MAX, &file);

	if (r < 0)
		return ledger_fail(ret_error, r, "cannot read %s: %s", LEDGER_JOURNAL,
				   strerror(-r));
	r = journal_decode(v->ops, SPAN(file.at, file.len), j, ret_error);
	if (r < 0) {
		find(v, "%s", ret_error->text);
		return r;
	}
	v->base = j->head.base;
	next = v->base + j->n_entries;
	if (j->wrong_head >= 0)
		find(v, "journal: the head at byte %d was changed, or its writing interrupted",
		     j->wrong_head * JOURNAL_BLOCK);
	for (size_t i = 0; i < 2; i++)
		verify_block(v, SPAN(file.at, file.len), i * JOURNAL_BLOCK + JOURNAL_HEAD_LEN,
			     (i + 1) * JOURNAL_BLOCK);
	if (j->n_dropped > 0)
		find(v,
		     "journal: bytes %zu to %zu behind entry %llu are no record: the rest of an "
		     "interrupted write, or changed",
		     j->dropped_from, j->dropped_from + j->n_dropped - 1, (unsigned long long)next);
	reader = reader_of(SPAN(j->entries.at, j->entries.len));
	for (index = v->base; bundle_next(&reader, &entry); index++)
		if (ledger_entry_decode(entry, &texts, &e) < 0)
			find(v, "journal: entry %llu is none", (unsigned long long)index);
	return 0;
}

static void compare(struct verify *v, const char *path, struct span file, struct span expected)
{
	size_t n = file.len < expected.len ? file.len : expected.len;

	for (size_t i = 0; i < n; i++)
		if (file.at[i] != expected.at[i]) {
			find(v, "%s: byte %zu was changed", path, i);
			return;
		}
	if (file.len != expected.len)
		find(v, "%s: it ends at byte %zu instead of %zu", path, file.len, expected.len);
}

/* One of the files of a tile, if it is there. */
static void verify_file(struct verify *v, const struct tile_id *id, struct span expected,
			bool must_be)
{
	CLEANUP(bytes_done) struct bytes b = { 0 };
	char path[TILE_PATH_SIZE];
	int r;

	tile_path(id, path);
	r = file_read(v->directory, path, BUNDLE_LEN_MAX, &b);
	if (r == -ENOENT && !must_be)
		return;
	if (r < 0)
		find(v, "%s: cannot be read: %s", path, strerror(-r));
	else
		compare(v, path, SPAN(b.at, b.len), expected);
}

/* The file of a tile and all narrower ones. lengths[w] is how long the one of width w is. */
static void verify_widths(struct verify *v, int level, uint64_t n, unsigned width,
			  const uint8_t *content, const size_t *lengths)
{
	for (unsigned w = 1; w <= width; w++) {
		struct tile_id id = { level, n, w };

		verify_file(v, &id, SPAN(content, lengths[w]), w == width);
	}
}

static void verify_tile(struct verify *v, int level, uint64_t n, unsigned width)
{
	size_t lengths[TILE_WIDTH + 1];

	for (unsigned w = 0; w <= width; w++)
		lengths[w] = w * sizeof(struct merkle_hash);
	verify_widths(v, level, n, width, v->tiles[level][0].bytes, lengths);
}

static void on_completed(void *user, unsigned height, uint64_t n, const struct merkle_hash *root)
{
	struct verify *v = user;
	unsigned level = height / TILE_HEIGHT;

	if (height % TILE_HEIGHT != 0 || level >= TILE_LEVELS)
		return;
	v->tiles[level][n % TILE_WIDTH] = *root;
	if (n % TILE_WIDTH == TILE_WIDTH - 1)
		verify_tile(v, (int)level, n / TILE_WIDTH, TILE_WIDTH);
}

static void verify_signed_root(struct verify *v)
{
	struct merkle_hash root;

	if (!v->has_checkpoint || v->frontier.size != v->checkpoint.size)
		return;
	merkle_root(v->ops, &v->frontier, &root);
	if (!merkle_hash_equal(&root, &v->checkpoint.root))
		find(v,
		     "checkpoint: the root of the first %llu entries, as they are, is not the one "
		     "that was signed",
		     (unsigned long long)v->checkpoint.size);
}

/* Where the tile of leaf hashes, as it is on the disk, says something else of an entry. */
static void verify_leaf(struct verify *v, const struct bytes *leaves, uint64_t index, size_t at,
			struct span entry)
{
	size_t offset = index % TILE_WIDTH * sizeof(struct merkle_hash);
	struct ledger_entry_texts texts;
	struct ledger_entry e;
	struct merkle_hash leaf;

	merkle_leaf_hash(v->ops, entry, &leaf);
	if (offset + sizeof(leaf) > leaves->len ||
	    memcmp(leaves->at + offset, leaf.bytes, sizeof(leaf)) != 0)
		find(v,
		     "entry %llu, at bytes %zu to %zu of its bundle, has not the hash that its "
		     "tile "
		     "says",
		     (unsigned long long)index, at, at + 2 + entry.len - 1);
	if (ledger_entry_decode(entry, &texts, &e) < 0)
		find(v, "entry %llu, at byte %zu of its bundle, is none", (unsigned long long)index,
		     at);
	merkle_append(v->ops, &v->frontier, &leaf, on_completed, v);
	verify_signed_root(v);
}

static int verify_bundle(struct verify *v, uint64_t n, unsigned width)
{
	struct tile_id id = { TILE_ENTRIES, n, width }, leaf_id = { 0, n, width };
	CLEANUP(bytes_done) struct bytes b = { 0 };
	CLEANUP(bytes_done) struct bytes leaves = { 0 };
	size_t lengths[TILE_WIDTH + 1] = { 0 };
	struct reader r;
	struct span entry;
	char path[TILE_PATH_SIZE];
	int error = tile_read(v->directory, &id, &b);

	tile_path(&id, path);
	if (error < 0) {
		find(v, "%s: cannot be read: %s", path, strerror(-error));
		return error;
	}
	(void)tile_read(v->directory, &leaf_id, &leaves); /* missing: each hash differs */
	r = reader_of(SPAN(b.at, b.len));
	for (unsigned i = 0; i < width; i++) {
		uint64_t index = n * TILE_WIDTH + i;

		if (!bundle_next(&r, &entry)) {
			find(v, "%s: entry %llu, at byte %zu, is cut short", path,
			     (unsigned long long)index, lengths[i]);
			return -EUCLEAN;
		}
		verify_leaf(v, &leaves, index, lengths[i], entry);
		lengths[i + 1] = b.len - r.left;
	}
	if (r.left > 0)
		find(v, "%s: it goes on behind byte %zu", path, lengths[width]);
	verify_widths(v, TILE_ENTRIES, n, width, b.at, lengths);
	return 0;
}

static void verify_tiles(struct verify *v)
{
	uint64_t done = 0;

	while (done < v->base) {
		uint64_t left = v->base - done;
		unsigned width = left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;

		if (verify_bundle(v, done / TILE_WIDTH, width) < 0)
			return; /* without these entries no hash can be computed */
		done += width;
	}
	for (int level = 0; level < TILE_LEVELS; level++) {
		uint64_t in_level = v->base >> (TILE_HEIGHT * level);

		if (in_level % TILE_WIDTH != 0)
			verify_tile(v, level, in_level / TILE_WIDTH,
				    (unsigned)(in_level % TILE_WIDTH));
	}
	if (v->has_checkpoint && v->checkpoint.size > v->base)
		find(v, "entries from %llu on are missing: the checkpoint was signed for %llu",
		     (unsigned long long)v->base, (unsigned long long)v->checkpoint.size);
	if (!v->has_checkpoint && v->base > 0)
		find(v, "%s: there is none, or none that verifies, for %llu entries",
		     LEDGER_CHECKPOINT, (unsigned long long)v->base);
}

/* ---- witnesses ---- */

/* What a neighbour has cosigned must be the beginning of what is here. */
static void verify_fact(struct verify *v, const struct witness_fact *f)
{
	struct merkle_hash root;

	if (f->error < 0)
		find(v, "witnesses/%016llx: it does not verify: %s", (unsigned long long)f->id,
		     strerror(-f->error));
	else if (f->of.size > v->base)
		find(v, "witnesses/%016llx: %s has signed %llu entries, there are %llu",
		     (unsigned long long)f->id, f->name, (unsigned long long)f->of.size,
		     (unsigned long long)v->base);
	else if (tiles_root(v->ops, v->directory, f->of.size, &root) == 0 &&
		 !merkle_hash_equal(&root, &f->of.root))
		find(v,
		     "witnesses/%016llx: %s has signed another root of the first %llu entries "
		     "than they have",
		     (unsigned long long)f->id, f->name, (unsigned long long)f->of.size);
}

static void verify_logs(struct verify *v, const struct witness_files *f)
{
	CLEANUP_FREE struct cosign_log *l = calloc(1, sizeof(*l));
	uint64_t ids[COSIGN_LOGS_MAX];
	int n = l ? witness_logs(f, ids, N_ELEMENTS(ids)) : 0;

	for (int i = 0; i < n && i < COSIGN_LOGS_MAX; i++) {
		int r;

		memset(l, 0, sizeof(*l));
		r = witness_log_load(f, ids[i], l);
		if (r < 0)
			find(v, "logs/%016llx: what was seen of that log is damaged: %s",
			     (unsigned long long)ids[i], strerror(-r));
	}
}

static int verify_all(struct verify *v, const char *directory, struct ledger_error *ret_error)
{
	const struct witness_files f = { directory, v->ops, v->crypto, NULL };
	CLEANUP_FREE struct witness_fact *facts = calloc(COSIGN_PEERS_MAX, sizeof(*facts));
	struct journal_read j = { 0 };
	int n_facts, r;

	verify_keys(v);
	/* Before the tiles: beside a process that appends, these then have at least as much. */
	n_facts = facts && v->has_keys ? witness_list(&f, v->keys, facts, COSIGN_PEERS_MAX) : 0;
	verify_checkpoint(v);
	verify_signed_root(v); /* of no entries */
	r = verify_journal(v, &j, ret_error);
	journal_read_done(&j);
	if (r == 0)
		verify_tiles(v);
	for (int i = 0; r == 0 && i < n_facts; i++)
		verify_fact(v, &facts[i]);
	if (r == 0)
		verify_logs(v, &f);
	return r < 0 && r != -EUCLEAN ? r : v->n_found;
}

static void say_nothing(void *user, const char *text)
{
	(void)user;
	(void)text;
}

#define TRIES 5

/* A process that appends may be between two files: a ledger in order says so at some time. Only
 * asked: a lock that an auditor took, however shortly, could keep that process from starting. */
static bool is_in_use(int directory)
{
	CLEANUP_FD int fd =
		openat(directory, LEDGER_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &held) == 0 && held.l_type != F_UNLCK;
}

int ledger_verify(const char *directory, const struct crypto_ops *ops,
		  const struct note_crypto *crypto, void (*found)(void *user, const char *text),
		  void *user, struct ledger_error *ret_error)
{
	CLEANUP_FD int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct verify *v = calloc(1, sizeof(*v));
	unsigned n_tries = fd >= 0 && is_in_use(fd) ? TRIES : 1;
	int r = -ENOMEM;

	if (fd < 0 || !v) {
		free(v);
		return ledger_fail(ret_error, fd < 0 ? -ENOENT : -ENOMEM,
				   "there is no ledger in %s", directory);
	}
	for (unsigned i = 1; i <= n_tries; i++) {
		*v = (struct verify){
			.ops = ops,
			.crypto = crypto,
			.directory = fd,
			.found = i < n_tries ? say_nothing : found,
			.user = user,
		};
		r = verify_all(v, directory, ret_error);
		if (r <= 0)
			break;
	}
	free(v);
	return r;
}

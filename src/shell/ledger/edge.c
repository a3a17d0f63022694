/* SPDX-License-Identifier: Apache-2.0 */
/* The growing end of the tree, and writing it as tiles. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shell/ledger/internal.h"

#define BULK_ENTRIES (16 * TILE_WIDTH) /* from here on one sync for all files costs less */

void edge_done(struct edge *e)
{
	bytes_done(&e->bundle);
}

int tile_read(int directory, const struct tile_id *id, struct bytes *ret)
{
	size_t len_max = id->level == TILE_ENTRIES ? BUNDLE_LEN_MAX
						   : TILE_WIDTH * sizeof(struct merkle_hash);
	struct tile_id full = { .level = id->level, .n = id->n, .width = TILE_WIDTH };
	char path[TILE_PATH_SIZE];
	int r;

	tile_path(id, path);
	r = file_read(directory, path, len_max, ret);
	if (r != -ENOENT || id->width == TILE_WIDTH)
		return r;
	tile_path(&full, path); /* the partial one may be gone once this is there */
	return file_read(directory, path, len_max, ret);
}

static unsigned width_of(uint64_t size, int level)
{
	return level == TILE_ENTRIES ? (unsigned)(size % TILE_WIDTH)
				     : (unsigned)(size >> (TILE_HEIGHT * level) & (TILE_WIDTH - 1));
}

static int load_level(int directory, uint64_t size, int level, struct edge *e)
{
	unsigned width = width_of(size, level);
	struct tile_id id = {
		.level = level,
		.n = size >> (TILE_HEIGHT * level) >> TILE_HEIGHT,
		.width = width,
	};
	CLEANUP(bytes_done) struct bytes b = { 0 };
	int r;

	if (width == 0)
		return 0;
	r = tile_read(directory, &id, &b);
	if (r == 0 && b.len < width * sizeof(struct merkle_hash))
		r = -EUCLEAN;
	if (r == 0)
		memcpy(e->tiles[level], b.at, width * sizeof(struct merkle_hash));
	return r;
}

/* The first width entries of the last bundle. */
static int load_bundle(int directory, uint64_t size, struct edge *e)
{
	struct tile_id id = { .level = TILE_ENTRIES,
			      .n = size / TILE_WIDTH,
			      .width = width_of(size, TILE_ENTRIES) };
	CLEANUP(bytes_done) struct bytes b = { 0 };
	struct reader reader;
	struct span entry;
	int r;

	if (id.width == 0)
		return 0;
	r = tile_read(directory, &id, &b);
	reader = reader_of(SPAN(b.at, b.len));
	for (unsigned i = 0; r == 0 && i < id.width; i++)
		if (!bundle_next(&reader, &entry))
			r = -EUCLEAN;
	return r < 0 ? r : bytes_add(&e->bundle, b.at, b.len - reader.left);
}

struct edge_source {
	const struct crypto_ops *ops;
	const struct edge *edge;
	uint64_t size;
};

/* What a bit of the size stands for is in the last tile of its level. */
static int node_of_edge(void *user, unsigned height, uint64_t n, struct merkle_hash *ret)
{
	const struct edge_source *s = user;
	struct tile_id id;
	unsigned first, n_hashes;

	tile_of_node(s->size, height, n, &id, &first, &n_hashes);
	tile_root(s->ops, &s->edge->tiles[id.level][first], n_hashes, ret);
	return 0;
}

int edge_load(const struct crypto_ops *ops, int directory, uint64_t size, struct edge *ret)
{
	struct edge_source s = { .ops = ops, .edge = ret, .size = size };
	struct merkle_source source = { .node = node_of_edge, .user = &s };
	int r = 0;

	bytes_done(&ret->bundle);
	for (int level = 0; r == 0 && level < TILE_LEVELS; level++)
		r = load_level(directory, size, level, ret);
	if (r == 0)
		r = load_bundle(directory, size, ret);
	return r < 0 ? r : merkle_frontier_load(&source, size, &ret->frontier);
}

/* ---- writing ---- */

struct fold {
	const struct crypto_ops *ops;
	const struct ledger_files *files;
	int directory;
	struct edge *edge;
	uint64_t base; /* entries that were in tiles before */
	bool is_bulk;  /* all is synced at the end */
	bool is_changed[TILE_LEVELS];
	int error; /* of a callback */
};

/* Each directory on the way, made where it is missing. */
static int make_parents(const struct fold *f, const char *path)
{
	char part[TILE_PATH_SIZE];

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		if (mkdirat(f->directory, part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int sync_parents(const struct fold *f, const char *path)
{
	char part[TILE_PATH_SIZE];
	int r = f->files->sync(f->files->user, f->directory);

	for (const char *at = strchr(path, '/'); r == 0 && at; at = strchr(at + 1, '/')) {
		CLEANUP_FD int fd = -1;

		(void)snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		fd = openat(f->directory, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 ? -errno : f->files->sync(f->files->user, fd);
	}
	return r;
}

/* Partial forms that a fold wrote which a crash cut off: no size that counts has them. */
static void remove_left_over(const struct fold *f, const struct tile_id *id)
{
	unsigned shift = id->level == TILE_ENTRIES ? 0 : TILE_HEIGHT * (unsigned)id->level;
	bool is_old = id->n == f->base >> shift >> TILE_HEIGHT;
	unsigned width = is_old ? width_of(f->base, id->level) : 0;
	struct tile_id partial = { id->level, id->n, 1 };
	char path[TILE_PATH_SIZE];
	const struct dirent *entry;
	DIR *d;
	int fd;

	tile_path(&partial, path);
	*strrchr(path, '/') = '\0';
	fd = openat(f->directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		close_fdp(&fd);
		return;
	}
	while ((entry = readdir(d)))
		if (strtoul(entry->d_name, NULL, 10) > width)
			(void)unlinkat(fd, entry->d_name, 0);
	(void)closedir(d);
}

/* In its place at once: no tile counts before the journal says so. */
static int write_tile(const struct fold *f, const struct tile_id *id, struct span content)
{
	char path[TILE_PATH_SIZE];
	CLEANUP_FD int fd = -1;
	int r;

	remove_left_over(f, id);
	tile_path(id, path);
	r = make_parents(f, path);
	if (r < 0)
		return r;
	fd = openat(f->directory, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0644);
	if (fd < 0)
		return -errno;
	r = f->files->write(f->files->user, fd, content.at, content.len, 0);
	if (r < 0 || f->is_bulk)
		return r;
	r = f->files->sync(f->files->user, fd);
	return r < 0 ? r : sync_parents(f, path);
}

static int write_level(const struct fold *f, int level, uint64_t n, unsigned width)
{
	struct tile_id id = { .level = level, .n = n, .width = width };

	return write_tile(f, &id, SPAN(f->edge->tiles[level], width * sizeof(struct merkle_hash)));
}

/* A hash that some tile holds: all heights that are a multiple of a tile's. */
static void on_completed(void *user, unsigned height, uint64_t n, const struct merkle_hash *root)
{
	struct fold *f = user;
	unsigned level = height / TILE_HEIGHT;

	if (height % TILE_HEIGHT != 0 || level >= TILE_LEVELS || f->error < 0)
		return;
	f->edge->tiles[level][n % TILE_WIDTH] = *root;
	f->is_changed[level] = true;
	if (n % TILE_WIDTH == TILE_WIDTH - 1)
		f->error = write_level(f, (int)level, n / TILE_WIDTH, TILE_WIDTH);
}

static int fold_entry(struct fold *f, struct span entry)
{
	struct edge *e = f->edge;
	uint64_t index = e->frontier.size;
	uint8_t len[2];
	struct tile_id id = { TILE_ENTRIES, index / TILE_WIDTH, TILE_WIDTH };
	struct merkle_hash leaf;

	store_u16(len, (uint16_t)entry.len);
	if (bytes_add(&e->bundle, len, sizeof(len)) < 0 ||
	    bytes_add(&e->bundle, entry.at, entry.len) < 0)
		return -ENOMEM;
	merkle_leaf_hash(f->ops, entry, &leaf);
	merkle_append(f->ops, &e->frontier, &leaf, on_completed, f);
	if (f->error < 0 || index % TILE_WIDTH != TILE_WIDTH - 1)
		return f->error;
	f->error = write_tile(f, &id, SPAN(e->bundle.at, e->bundle.len));
	e->bundle.len = 0;
	return f->error;
}

static int write_partial(const struct fold *f)
{
	const struct edge *e = f->edge;
	uint64_t size = e->frontier.size;
	struct tile_id id = { TILE_ENTRIES, size / TILE_WIDTH, width_of(size, TILE_ENTRIES) };
	int r = 0;

	for (int level = 0; r == 0 && level < TILE_LEVELS; level++)
		if (f->is_changed[level] && width_of(size, level) > 0)
			r = write_level(f, level, size >> (TILE_HEIGHT * level) >> TILE_HEIGHT,
					width_of(size, level));
	if (r == 0 && id.width > 0)
		r = write_tile(f, &id, SPAN(e->bundle.at, e->bundle.len));
	return r;
}

int edge_fold(const struct crypto_ops *ops, const struct ledger_files *files, int directory,
	      struct edge *e, struct span entries, uint64_t n)
{
	struct fold f = { .ops = ops,
			  .files = files,
			  .directory = directory,
			  .edge = e,
			  .base = e->frontier.size,
			  .is_bulk = n >= BULK_ENTRIES };
	struct reader reader = reader_of(entries);
	struct span entry;
	int r = 0;

	while (r == 0 && bundle_next(&reader, &entry))
		r = fold_entry(&f, entry);
	if (r == 0)
		r = write_partial(&f);
	return r == 0 && f.is_bulk ? files->sync_all(files->user, directory) : r;
}

static void remove_directory_of_partial(int directory, int level, uint64_t n)
{
	struct tile_id id = { .level = level, .n = n, .width = 1 };
	char path[TILE_PATH_SIZE];

	for (; id.width < TILE_WIDTH; id.width++) {
		tile_path(&id, path);
		(void)unlinkat(directory, path, 0);
	}
	*strrchr(path, '/') = '\0';
	(void)unlinkat(directory, path, AT_REMOVEDIR);
}

void edge_remove_partial(int directory, uint64_t from_size, uint64_t to_size)
{
	for (int level = TILE_ENTRIES; level < TILE_LEVELS; level++) {
		unsigned shift =
			level == TILE_ENTRIES ? TILE_HEIGHT : TILE_HEIGHT * ((unsigned)level + 1);
		uint64_t from = shift < 64 ? from_size >> shift : 0;
		uint64_t to = shift < 64 ? to_size >> shift : 0;

		/* Only the tile that was growing before had partial forms. */
		if (from < to && width_of(from_size, level) > 0)
			remove_directory_of_partial(directory, level, from);
	}
}

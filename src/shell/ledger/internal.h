/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the sources of this room share: the journal's form, files, keys, tiles. */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/ledger/tiles.h"
#include "shell/ledger/ledger.h"

#define LEDGER_LOCK "lock"
#define LEDGER_KEY "key"
#define LEDGER_VERIFIERS "verifiers"
#define LEDGER_JOURNAL "journal"
#define LEDGER_CHECKPOINT "checkpoint"

static inline void close_fdp(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

#define CLEANUP_FD CLEANUP(close_fdp)

int ledger_fail(struct ledger_error *ret, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- files.c ---- */

extern const struct ledger_files ledger_system_files;

/* Owned bytes that grow. All zeros is empty. */
struct bytes {
	uint8_t *at;
	size_t len, size;
};

void bytes_done(struct bytes *b);
int bytes_add(struct bytes *b, const void *from, size_t len); /* -ENOMEM */

/* The whole file. -EFBIG above len_max. */
int file_read(int directory, const char *path, size_t len_max, struct bytes *ret);
/* By a new file that takes the place of the old one. */
int file_replace(const struct ledger_files *f, int directory, const char *name, mode_t mode,
		 struct span content);

/* ---- keys.c ---- */

/* Reads the two files, or makes them. */
int keys_open(const struct ledger_config *c, int directory, struct ledger_keys *ret,
	      struct ledger_error *ret_error);
int keys_read(const struct crypto_ops *ops, const struct note_crypto *crypto, int directory,
	      struct ledger_keys *ret);
int verifiers_read(const struct crypto_ops *ops, int directory, struct note_key ret[2]);

/* ---- journal.c: two heads in turn, so that one is whole at any time, then records ---- */

#define JOURNAL_BLOCK 4096
#define JOURNAL_START (2 * (size_t)JOURNAL_BLOCK)
#define JOURNAL_HEAD_LEN 64
#define JOURNAL_RECORD_HEAD_LEN 64
#define JOURNAL_ALIGNMENT 64
#define JOURNAL_LEN_MIN (JOURNAL_START + (64U << 10))
#define JOURNAL_LEN_MAX (1U << 30)

struct journal_head {
	uint64_t generation; /* one higher each time the journal starts again */
	uint64_t base;	     /* entries before its first one: those in tiles */
	uint64_t len;	     /* of the file */
};

/* What a journal says. */
struct journal_read {
	struct journal_head head;
	struct bytes entries; /* each behind its length in 16 bits, as in a bundle */
	uint64_t n_entries;
	size_t used;	     /* bytes of records */
	size_t dropped_from; /* offset of bytes behind the last record that are not zero */
	size_t n_dropped;    /* up to the last of them; 0: none */
	int wrong_head;	     /* index of a head that is damaged; -1: none */
};

size_t journal_record_len(size_t payload_len);
void journal_write_head(const struct crypto_ops *ops, const struct journal_head *h,
			uint8_t ret[JOURNAL_HEAD_LEN]);
/* Fills the head of a record and the zeros behind its payload, which is already in place. */
void journal_seal(const struct crypto_ops *ops, const struct journal_head *h, uint64_t first,
		  uint32_t n, uint8_t *record, size_t payload_len);
/* -EUCLEAN, and what is wrong at which byte. */
int journal_decode(const struct crypto_ops *ops, struct span file, struct journal_read *ret,
		   struct ledger_error *ret_error);
void journal_read_done(struct journal_read *j);
/* A new one, empty, all its blocks written. */
int journal_create(const struct ledger_config *c, int directory, struct ledger_error *ret_error);

/* ---- edge.c: the growing end of the tree and its tiles ---- */

struct edge {
	struct merkle_frontier frontier;
	struct merkle_hash tiles[TILE_LEVELS][TILE_WIDTH]; /* the last of each level */
	struct bytes bundle;				   /* the last one */
};

void edge_done(struct edge *e);
/* From the tiles of that size. */
int edge_load(const struct crypto_ops *ops, int directory, uint64_t size, struct edge *ret);
/* Appends entries and writes the tiles that change; all durable when it returns 0. After a failure
 * the edge must be loaded again. */
int edge_fold(const struct crypto_ops *ops, const struct ledger_files *f, int directory,
	      struct edge *e, struct span entries, uint64_t n);
/* Partial tiles of which the full one is there. */
void edge_remove_partial(int directory, uint64_t from_size, uint64_t to_size);
/* A tile as of a tree in which it has that width: its own file, or the beginning of a wider one. */
int tile_read(int directory, const struct tile_id *id, struct bytes *ret);

/* ---- view.c ---- */

int tiles_root(const struct crypto_ops *ops, int directory, uint64_t size, struct merkle_hash *ret);

#define BUNDLE_LEN_MAX (TILE_WIDTH * (size_t)(LEDGER_ENTRY_MAX + 2))

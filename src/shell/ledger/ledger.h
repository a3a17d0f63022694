/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h - the ledger's directory: one process appends, anybody who may read it checks it.
 *
 *	lock		held by the process that appends
 *	key		private keys, mode 0600
 *	verifiers	the public keys, one a line
 *	journal		preallocated: entries that are committed, but not yet in tiles
 *	tile/...	the tree and its entries, as c2sp.org/tlog-tiles has them
 *	checkpoint	the latest signed root
 *
 * What ledger_commit() returned 0 for survives any crash. Entries go to the journal first, and
 * its room is taken from the disk in advance: so a full disk does not keep what heals it from
 * being recorded. No function may be called from two threads at once. */
#pragma once

#include "core/ledger/entry.h"
#include "core/ledger/proof.h"

#define LEDGER_RESERVE_BYTES (16U << 20)
#define LEDGER_ERROR_SIZE 512

struct ledger_error {
	char text[LEDGER_ERROR_SIZE]; /* a sentence for people */
};

/* What makes bytes durable, so that a test may die at each of them. All as the system calls, but
 * with a negative errno; write() writes all or fails. */
struct ledger_files {
	int (*write)(void *user, int fd, const void *from, size_t len, uint64_t at);
	int (*sync)(void *user, int fd);
	int (*sync_all)(void *user, int fd); /* the file system of fd */
	int (*rename)(void *user, int directory, const char *from, const char *to);
	void *user;
};

struct ledger_config {
	const char *origin; /* names the log where it is new; later the key file does */
	const struct crypto_ops *ops;
	const struct note_crypto *crypto;
	const struct entropy *entropy;
	size_t reserve_bytes;		  /* of a new journal; 0: LEDGER_RESERVE_BYTES */
	const struct ledger_files *files; /* NULL: the system's */
};

struct ledger;

struct ledger_status {
	uint64_t size;	      /* committed entries */
	uint64_t n_pending;   /* appended, not committed */
	uint64_t n_in_tiles;  /* of the committed ones */
	uint64_t signed_size; /* of the latest checkpoint */
	size_t reserve_bytes, reserve_used_bytes;
	uint64_t dropped_bytes; /* of a write that a crash interrupted, at opening */
	bool is_broken;		/* nothing is taken until it is opened again */
	int tile_error;		/* 0, or why the last attempt to write tiles failed: -ENOSPC */
};

/* Makes what is missing of an empty directory. -EBUSY: another process has it. -EUCLEAN: what is
 * there is not what was signed or committed, and the text says where. */
int ledger_open(const char *directory, const struct ledger_config *config, struct ledger **ret,
		struct ledger_error *ret_error);
/* In memory until the commit. -EINVAL as ledger_entry_encode(); -EAGAIN: commit first; -ENOSPC: no
 * tiles can be written and half of the reserve is used, then only entries with is_disk and notices
 * are taken, or all of it. */
int ledger_append(struct ledger *l, const struct ledger_entry *e, uint64_t *ret_index);
/* One write and one fsync: all that was appended is durable. After a failure the entries are
 * still pending, and the next commit writes them. */
int ledger_commit(struct ledger *l);
/* Instead of that next commit: forgets what is pending, also on the disk, where the commit may have
 * written it before it failed. After a failure it is not known what a later ledger_open() finds;
 * nothing more is taken until then. */
int ledger_drop(struct ledger *l);
/* Commits, writes tiles and signs. The time it says is that of the last entry. 0 where nothing is
 * new. */
int ledger_checkpoint(struct ledger *l);
void ledger_status(const struct ledger *l, struct ledger_status *ret);
/* Removes the directory and all in it, the keys first. No process may have it open. 0 where there
 * is none. */
int ledger_remove(const char *directory);
/* Checkpoints if it can; frees. NULL does nothing. */
void ledger_close(struct ledger *l);

/* ---- for auditors: reads only, also beside the process that appends ---- */

struct ledger_view;

struct ledger_view_facts {
	uint64_t size;	     /* entries, in tiles and journal */
	uint64_t n_in_tiles; /* of them */
	bool has_checkpoint;
	struct checkpoint checkpoint;
	struct span note; /* of it; lives as long as the view */
	struct note_key keys[2];
};

/* -ENOENT: no ledger there. Judges nothing but what it needs to read. */
int ledger_view_open(const char *directory, const struct crypto_ops *ops,
		     const struct note_crypto *crypto, struct ledger_view **ret,
		     struct ledger_error *ret_error);
/* Of what is signed only: the journal, which is long, is not read. */
int ledger_view_open_signed(const char *directory, const struct crypto_ops *ops,
			    const struct note_crypto *crypto, struct ledger_view **ret,
			    struct ledger_error *ret_error);
void ledger_view_close(struct ledger_view *v);
const struct ledger_view_facts *ledger_view_facts(const struct ledger_view *v);
/* As encoded; until the next call. -ERANGE beyond the end. */
int ledger_view_entry(struct ledger_view *v, uint64_t index, struct span *ret);
/* Where the entries of an incident are, the oldest first: of the latest LEDGER_LOOK_BACK entries,
 * and of those found the last max. *ret_is_all is false where there may be more. -EUCLEAN. */
#define LEDGER_LOOK_BACK 65536
int ledger_view_find(struct ledger_view *v, uint64_t incident, uint64_t *ret, size_t max,
		     size_t *ret_n, bool *ret_is_all);
/* In the tree of the latest checkpoint. -ERANGE for an entry that is not in it. The spans of ret
 * live until the next call. */
int ledger_view_prove(struct ledger_view *v, uint64_t index, struct ledger_proof *ret);
/* That the tree of size1 is the beginning of that of size2, both at most n_in_tiles. */
int ledger_view_consistency(struct ledger_view *v, uint64_t size1, uint64_t size2,
			    struct merkle_hash ret[MERKLE_PROOF_MAX], size_t *ret_n);

/* Computes all again: each entry, hash and signature, each byte of each file. found() is told of
 * each thing that is not as it must be, with the file and the byte. Returns how many, or a
 * negative errno where the ledger cannot be read at all. */
int ledger_verify(const char *directory, const struct crypto_ops *ops,
		  const struct note_crypto *crypto, void (*found)(void *user, const char *text),
		  void *user, struct ledger_error *ret_error);

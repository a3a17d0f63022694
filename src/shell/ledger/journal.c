/* SPDX-License-Identifier: Apache-2.0 */
/* The form of the journal, and reading one after anything may have happened to it.
 *
 * Each commit is one record, with a hash over all of it: after a crash it is there or it is not.
 * The next record is written only after this one is durable. So a record that is damaged and has a
 * whole one behind it was not torn by a crash, but changed. */
#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "shell/ledger/internal.h"

#define HEAD_MAGIC UINT64_C(0x78306c6564676572) /* "x0ledger" */
#define RECORD_MAGIC 0x78306a72U		/* "x0jr" */
#define VERSION 1
#define HASHED_LEN 32 /* bytes of a head before its hash; of both kinds */

size_t journal_record_len(size_t payload_len)
{
	size_t len = JOURNAL_RECORD_HEAD_LEN + payload_len;

	return (len + JOURNAL_ALIGNMENT - 1) / JOURNAL_ALIGNMENT * JOURNAL_ALIGNMENT;
}

void journal_write_head(const struct crypto_ops *ops, const struct journal_head *h,
			uint8_t ret[JOURNAL_HEAD_LEN])
{
	struct writer w = writer_of(ret, JOURNAL_HEAD_LEN);
	struct span hashed = SPAN(ret, HASHED_LEN);

	write_u64(&w, HEAD_MAGIC);
	write_u64(&w, (uint64_t)VERSION << 32 | (uint32_t)h->len);
	write_u64(&w, h->generation);
	write_u64(&w, h->base);
	ops->sha256(&hashed, 1, ret + HASHED_LEN);
}

void journal_seal(const struct crypto_ops *ops, const struct journal_head *h, uint64_t first,
		  uint32_t n, uint8_t *record, size_t payload_len)
{
	struct writer w = writer_of(record, JOURNAL_RECORD_HEAD_LEN);
	size_t len = journal_record_len(payload_len), end = JOURNAL_RECORD_HEAD_LEN + payload_len;
	struct span hashed[] = { SPAN(record, HASHED_LEN),
				 SPAN(record + JOURNAL_RECORD_HEAD_LEN, payload_len) };

	write_u32(&w, RECORD_MAGIC);
	write_u32(&w, (uint32_t)payload_len);
	write_u64(&w, h->generation);
	write_u64(&w, first);
	write_u32(&w, n);
	write_u32(&w, 0);
	ops->sha256(hashed, 2, record + HASHED_LEN);
	memset(record + end, 0, len - end);
}

static bool read_head(const struct crypto_ops *ops, struct span file, unsigned which,
		      struct journal_head *ret)
{
	const uint8_t *at = file.at + which * JOURNAL_BLOCK;
	uint8_t again[JOURNAL_HEAD_LEN];

	*ret = (struct journal_head){
		.len = load_u32(at + 12),
		.generation = load_u64(at + 16),
		.base = load_u64(at + 24),
	};
	journal_write_head(ops, ret, again);
	return memcmp(again, at, sizeof(again)) == 0 && ret->len == file.len &&
	       ret->generation % 2 == which;
}

struct record {
	uint64_t first;
	uint32_t n;
	struct span payload;
};

/* A whole record of this generation at that offset. */
static bool read_record(const struct crypto_ops *ops, const struct journal_head *h,
			struct span file, size_t at, struct record *ret)
{
	struct reader r = reader_of(SPAN(file.at + at, file.len - at));
	uint8_t hash[SHA256_LEN];
	uint32_t magic = read_u32(&r), len = read_u32(&r);
	uint64_t generation = read_u64(&r);
	struct span hashed[2];

	ret->first = read_u64(&r);
	ret->n = read_u32(&r);
	(void)read_u32(&r);
	(void)read_bytes(&r, SHA256_LEN);
	ret->payload = read_span(&r, len);
	if (r.overrun || magic != RECORD_MAGIC || generation != h->generation ||
	    file.len - at < journal_record_len(len))
		return false;
	hashed[0] = SPAN(file.at + at, HASHED_LEN);
	hashed[1] = ret->payload;
	ops->sha256(hashed, 2, hash);
	return memcmp(hash, file.at + at + HASHED_LEN, sizeof(hash)) == 0;
}

static bool is_zero(const uint8_t *at, size_t len)
{
	return len == 0 || (at[0] == 0 && memcmp(at, at + 1, len - 1) == 0);
}

static int take_record(struct span file, const struct record *record, size_t at,
		       struct journal_read *j, struct ledger_error *ret_error)
{
	struct reader r = reader_of(record->payload);
	struct span entry;
	uint32_t n = 0;
	size_t end = JOURNAL_RECORD_HEAD_LEN + record->payload.len;

	while (bundle_next(&r, &entry))
		n++;
	if (r.overrun || n != record->n || record->first != j->head.base + j->n_entries)
		return ledger_fail(ret_error, -EUCLEAN,
				   "journal: the record at byte %zu does not follow the one before",
				   at);
	if (!is_zero(file.at + at + end, journal_record_len(record->payload.len) - end))
		return ledger_fail(ret_error, -EUCLEAN,
				   "journal: bytes behind the record at byte %zu are not zero", at);
	j->n_entries += n;
	j->used += journal_record_len(record->payload.len);
	return bytes_add(&j->entries, record->payload.at, record->payload.len);
}

/* A head is torn by a crash before any record of its generation is written. */
static int judge_head(const struct crypto_ops *ops, struct span file, const struct journal_read *j,
		      struct ledger_error *ret_error)
{
	struct journal_head next = { .generation = j->head.generation + 1 };
	struct record record;

	if (j->wrong_head < 0 || !read_record(ops, &next, file, JOURNAL_START, &record))
		return 0;
	return ledger_fail(ret_error, -EUCLEAN, "journal: the head at byte %d was changed",
			   j->wrong_head * JOURNAL_BLOCK);
}

/* What lies behind the last record: nothing, the rest of a write that a crash cut off, or records
 * that were whole once. */
static int judge_rest(const struct crypto_ops *ops, struct span file, struct journal_read *j,
		      struct ledger_error *ret_error)
{
	size_t start = JOURNAL_START + j->used, end = file.len;
	uint64_t next = j->head.base + j->n_entries;
	struct record record;

	while (end > start && file.at[end - 1] == 0)
		end--;
	for (size_t at = start + JOURNAL_ALIGNMENT; at + JOURNAL_RECORD_HEAD_LEN <= file.len;
	     at += JOURNAL_ALIGNMENT)
		if (load_u32(file.at + at) == RECORD_MAGIC &&
		    read_record(ops, &j->head, file, at, &record))
			return ledger_fail(ret_error, -EUCLEAN,
					   "journal: the record of entry %llu at byte %zu was "
					   "changed: a whole one follows at byte %zu",
					   (unsigned long long)next, start, at);
	while (start < end && file.at[start] == 0)
		start++;
	j->dropped_from = start;
	j->n_dropped = end - start;
	return 0;
}

static int read_records(const struct crypto_ops *ops, struct span file, struct journal_read *j,
			struct ledger_error *ret_error)
{
	struct record record;
	int r = 0;

	while (r == 0 && JOURNAL_START + j->used + JOURNAL_RECORD_HEAD_LEN <= file.len &&
	       read_record(ops, &j->head, file, JOURNAL_START + j->used, &record))
		r = take_record(file, &record, JOURNAL_START + j->used, j, ret_error);
	return r < 0 ? r : judge_rest(ops, file, j, ret_error);
}

int journal_decode(const struct crypto_ops *ops, struct span file, struct journal_read *ret,
		   struct ledger_error *ret_error)
{
	CLEANUP(journal_read_done) struct journal_read j = { .wrong_head = -1 };
	struct journal_head heads[2];
	bool is_whole[2];
	int r;

	if (file.len < JOURNAL_LEN_MIN)
		return ledger_fail(ret_error, -EUCLEAN, "journal: it is cut short at byte %zu",
				   file.len);
	for (unsigned i = 0; i < 2; i++) {
		is_whole[i] = read_head(ops, file, i, &heads[i]);
		if (!is_whole[i])
			j.wrong_head = (int)i;
	}
	if (!is_whole[0] && !is_whole[1])
		return ledger_fail(ret_error, -EUCLEAN,
				   "journal: both heads, at bytes 0 and %d, were changed",
				   JOURNAL_BLOCK);
	if (is_whole[0] && is_whole[1])
		j.head = heads[0].generation > heads[1].generation ? heads[0] : heads[1];
	else
		j.head = heads[is_whole[0] ? 0 : 1];
	r = judge_head(ops, file, &j, ret_error);
	if (r == 0)
		r = read_records(ops, file, &j, ret_error);
	if (r < 0)
		return r;
	*ret = j;
	j = (struct journal_read){ 0 };
	return 0;
}

void journal_read_done(struct journal_read *j)
{
	bytes_done(&j->entries);
}

/* Without it nearly all that others have left would be taken for a moment, only to fail. A file
 * system without blocks to count says 0 of 0. */
static int check_room(int directory, size_t len)
{
	struct statvfs s;

	if (fstatvfs(directory, &s) < 0)
		return -errno;
	return s.f_blocks > 0 && s.f_frsize > 0 && s.f_bavail < len / s.f_frsize + 1 ? -ENOSPC : 0;
}

/* Written, not only reserved: then no later write needs room for blocks or their table. */
int journal_create(const struct ledger_config *c, int directory, struct ledger_error *ret_error)
{
	size_t len = c->reserve_bytes > 0 ? c->reserve_bytes : LEDGER_RESERVE_BYTES;
	uint8_t *all;
	int r;

	if (len < JOURNAL_LEN_MIN || len > JOURNAL_LEN_MAX)
		return ledger_fail(ret_error, -EINVAL, "a reserve has %zu to %u bytes, and not %zu",
				   JOURNAL_LEN_MIN, JOURNAL_LEN_MAX, len);
	r = check_room(directory, len);
	all = r < 0 ? NULL : calloc(1, len);
	if (!all && r == 0)
		return ledger_fail(ret_error, -ENOMEM, "out of memory");
	for (unsigned i = 0; all && i < 2; i++) {
		struct journal_head h = { .generation = i, .len = len };

		journal_write_head(c->ops, &h, all + i * JOURNAL_BLOCK);
	}
	if (all)
		r = file_replace(c->files, directory, LEDGER_JOURNAL, 0644, SPAN(all, len));
	free(all);
	return r < 0 ? ledger_fail(ret_error, r, "cannot reserve %zu bytes for the ledger: %s", len,
				   strerror(-r))
		     : 0;
}

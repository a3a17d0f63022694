/* SPDX-License-Identifier: Apache-2.0 */
/* Putting incidents, counting what actions achieved, and making room. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shell/knowledge/internal.h"

#define PRUNE_MAX 64 /* incidents that one put removes: it does not take long */
#define PAGES_PRUNE (KNOWLEDGE_BYTES_MAX / 4096 / 4 * 3) /* in use; room stays for the next */

static int put_row(struct knowledge *k, const struct knowledge_incident *i)
{
	sqlite3_stmt *s = sql(k, PUT_INCIDENT);

	(void)sqlite3_bind_int64(s, 1, (int64_t)i->id);
	sql_bind_text(s, 2, i->key);
	sql_bind_text(s, 3, i->kind);
	sql_bind_text(s, 4, i->subject);
	sql_bind_text(s, 5, i->state);
	sql_bind_text(s, 6, i->why);
	(void)sqlite3_bind_int64(s, 7, i->severity);
	(void)sqlite3_bind_int64(s, 8, i->opened_ms);
	(void)sqlite3_bind_int64(s, 9, i->closed_ms);
	return sql_run(k, s);
}

static int run_with(struct knowledge *k, enum statement which, uint64_t id)
{
	sqlite3_stmt *s = sql(k, which);

	(void)sqlite3_bind_int64(s, 1, (int64_t)id);
	return sql_run(k, s);
}

static int put_evidence(struct knowledge *k, const struct knowledge_incident *i)
{
	int r = run_with(k, DROP_EVIDENCE, i->id);

	for (size_t n = 0; r == 0 && n < i->n_evidence; n++) {
		const struct knowledge_evidence *e = &i->evidence[n];
		sqlite3_stmt *s = sql(k, PUT_EVIDENCE);

		(void)sqlite3_bind_int64(s, 1, (int64_t)i->id);
		(void)sqlite3_bind_int64(s, 2, (int64_t)n);
		sql_bind_text(s, 3, e->signal);
		sql_bind_text(s, 4, e->subject);
		sql_bind_text(s, 5, e->source);
		if (!isnan(e->value))
			(void)sqlite3_bind_double(s, 6, e->value);
		(void)sqlite3_bind_int64(s, 7, e->unix_ms);
		r = sql_run(k, s);
	}
	return r;
}

static int put_causes(struct knowledge *k, const struct knowledge_incident *i)
{
	int r = run_with(k, DROP_CAUSES, i->id);

	for (size_t n = 0; r == 0 && n < i->n_causes; n++) {
		const struct knowledge_cause *c = &i->causes[n];
		sqlite3_stmt *s = sql(k, PUT_CAUSE);

		(void)sqlite3_bind_int64(s, 1, (int64_t)i->id);
		(void)sqlite3_bind_int64(s, 2, (int64_t)n);
		sql_bind_text(s, 3, c->kind);
		sql_bind_text(s, 4, c->subject);
		(void)sqlite3_bind_double(s, 5, isnan(c->confidence) ? 0 : c->confidence);
		r = sql_run(k, s);
	}
	return r;
}

static int count_action(struct knowledge *k, uint64_t incident, const struct knowledge_action *a)
{
	sqlite3_stmt *s = sql(k, COUNT_ACTION);
	int r;

	(void)sqlite3_bind_int64(s, 1, (int64_t)incident);
	(void)sqlite3_bind_int64(s, 2, (int64_t)a->id);
	(void)sqlite3_bind_int64(s, 3, a->outcome == KNOWLEDGE_CONFIRMED);
	(void)sqlite3_bind_int64(s, 4, KNOWLEDGE_RATES_MAX);
	r = sql_run(k, s);
	if (r < 0)
		return r;
	s = sql(k, MARK_ACTION);
	(void)sqlite3_bind_int64(s, 1, (int64_t)incident);
	(void)sqlite3_bind_int64(s, 2, (int64_t)a->id);
	return sql_run(k, s);
}

static int put_action(struct knowledge *k, uint64_t incident, const struct knowledge_action *a)
{
	sqlite3_stmt *s = sql(k, PUT_ACTION);
	int r;

	(void)sqlite3_bind_int64(s, 1, (int64_t)incident);
	(void)sqlite3_bind_int64(s, 2, (int64_t)a->id);
	sql_bind_text(s, 3, a->action);
	sql_bind_text(s, 4, a->subject);
	sql_bind_text(s, 5, a->cause_kind);
	sql_bind_text(s, 6, a->result);
	(void)sqlite3_bind_int64(s, 7, a->outcome);
	(void)sqlite3_bind_int64(s, 8, a->began_ms);
	(void)sqlite3_bind_int64(s, 9, a->ended_ms);
	r = sql_run(k, s);
	if (r == 0)
		r = run_with(k, RAISE_LAST, a->id);
	if (r == 0 && a->outcome != KNOWLEDGE_PENDING)
		r = count_action(k, incident, a);
	return r;
}

static int put_words(struct knowledge *k, uint64_t id)
{
	int r = run_with(k, DROP_WORDS, id);

	return r < 0 ? r : run_with(k, PUT_WORDS, id);
}

/* Of one that was pruned the actions are counted: put again, they would be a second time. */
static int refuse_pruned(struct knowledge *k, uint64_t id)
{
	sqlite3_stmt *s = sql(k, GET_PRUNED);
	int r;

	(void)sqlite3_bind_int64(s, 1, (int64_t)id);
	r = sql_step(k, s);
	(void)sqlite3_reset(s);
	return r == 1 ? -ESTALE : r;
}

static int put(struct knowledge *k, const struct knowledge_incident *i)
{
	int r = refuse_pruned(k, i->id);

	if (r == 0)
		r = put_row(k, i);
	if (r == 0)
		r = run_with(k, RAISE_LAST, i->id);
	if (r == 0)
		r = put_evidence(k, i);
	if (r == 0)
		r = put_causes(k, i);
	for (size_t n = 0; r == 0 && n < i->n_actions; n++)
		r = put_action(k, i->id, &i->actions[n]);
	return r < 0 ? r : put_words(k, i->id);
}

/* ---- room ---- */

static int first_number(struct knowledge *k, enum statement which, int64_t *ret)
{
	sqlite3_stmt *s = sql(k, which);
	int r = sql_step(k, s);

	if (r == 1)
		*ret = sqlite3_column_int64(s, 0);
	(void)sqlite3_reset(s);
	return r == 1 ? 0 : r < 0 ? r : -EIO;
}

static int drop_oldest(struct knowledge *k, uint64_t but_id)
{
	sqlite3_stmt *s = sql(k, OLDEST);
	int64_t id = 0;
	int r;

	(void)sqlite3_bind_int64(s, 1, (int64_t)but_id);
	r = sql_step(k, s);
	if (r == 1)
		id = sqlite3_column_int64(s, 0);
	(void)sqlite3_reset(s);
	if (r <= 0)
		return r;
	r = run_with(k, RAISE_PRUNED, (uint64_t)id);
	if (r == 0)
		r = run_with(k, DROP_WORDS, (uint64_t)id);
	if (r == 0)
		r = run_with(k, DROP_INCIDENT, (uint64_t)id); /* its parts go by a trigger */
	return r;
}

static int prune(struct knowledge *k, uint64_t but_id)
{
	int64_t n = 0, pages = 0;
	int r = first_number(k, COUNT_INCIDENTS, &n);

	for (unsigned i = 0; r == 0 && i < PRUNE_MAX; i++, n--) {
		r = first_number(k, PAGES, &pages);
		if (r < 0 || (n <= (int64_t)k->incidents_max && pages <= PAGES_PRUNE))
			break;
		r = drop_oldest(k, but_id);
	}
	return r;
}

/* ---- transactions ---- */

static int end(struct knowledge *k, int r)
{
	if (r == 0)
		r = sql_run(k, sql(k, COMMIT));
	/* a full disk may have ended it already */
	if (r < 0 && !sqlite3_get_autocommit(k->db))
		(void)sql_run(k, sql(k, ROLLBACK));
	return r;
}

static bool is_id(uint64_t id)
{
	return id > 0 && id <= INT64_MAX;
}

static bool is_valid(const struct knowledge_incident *i)
{
	if (!is_id(i->id) || i->n_evidence > KNOWLEDGE_EVIDENCE_MAX ||
	    i->n_causes > KNOWLEDGE_CAUSES_MAX || i->n_actions > KNOWLEDGE_ACTIONS_MAX)
		return false;
	for (size_t n = 0; n < i->n_actions; n++)
		if (!is_id(i->actions[n].id) || i->actions[n].outcome >= KNOWLEDGE_N_OUTCOMES)
			return false;
	return true;
}

int knowledge_put_incident(struct knowledge *k, const struct knowledge_incident *i)
{
	int r;

	if (!is_valid(i))
		return -EINVAL;
	(void)pthread_mutex_lock(&k->lock);
	r = sql_run(k, sql(k, BEGIN));
	if (r == 0)
		r = put(k, i);
	if (r == 0)
		r = prune(k, i->id);
	r = end(k, r);
	(void)pthread_mutex_unlock(&k->lock);
	return r;
}

int knowledge_abandon_open(struct knowledge *k, int64_t unix_ms, const char *state, size_t *ret_n)
{
	sqlite3_stmt *s;
	int r;

	(void)pthread_mutex_lock(&k->lock);
	s = sql(k, ABANDON);
	(void)sqlite3_bind_int64(s, 1, unix_ms);
	sql_bind_text(s, 2, state);
	r = sql_run(k, s);
	if (r == 0)
		*ret_n = (size_t)sqlite3_changes(k->db);
	(void)pthread_mutex_unlock(&k->lock);
	return r;
}

/* ---- giving back ---- */

#define SHRINK_STEP 32	   /* incidents of one transaction: its log is well below the spare room */
#define SHRINK_MS_MAX 5000 /* whoever waits for it gives up after eight seconds */

void spare_make(const struct knowledge *k)
{
	static const uint8_t zeros[65536];
	struct stat before;
	bool is_whole = true;
	int fd;

	/* a crash while it was made has left a part of it */
	if (lstat(k->spare, &before) == 0 && before.st_size < (off_t)KNOWLEDGE_SPARE_BYTES)
		(void)unlink(k->spare);
	fd = open(k->spare, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return; /* it is there, or cannot be */
	for (size_t at = 0; is_whole && at < KNOWLEDGE_SPARE_BYTES; at += sizeof(zeros))
		is_whole = write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros);
	(void)close(fd);
	if (!is_whole)
		(void)unlink(k->spare);
}

static int run_text(struct knowledge *k, const char *text)
{
	return sql_error(k, sqlite3_exec(k->db, text, NULL, NULL, NULL));
}

/* Pages that are free leave the file, and the log becomes empty. */
static int give_back(struct knowledge *k)
{
	int r = run_text(k, "PRAGMA incremental_vacuum");

	return r < 0 ? r : run_text(k, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static int64_t monotonic_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int drop_some(struct knowledge *k, int64_t n)
{
	int r = sql_run(k, sql(k, BEGIN));

	for (int64_t i = 0; r == 0 && i < n && i < SHRINK_STEP; i++)
		r = drop_oldest(k, 0);
	return end(k, r);
}

/* How many closed ones are too many. */
static int count_spare(struct knowledge *k, int64_t *ret)
{
	sqlite3_stmt *s = sql(k, COUNT_INCIDENTS);
	int r = sql_step(k, s);

	if (r == 1)
		*ret = sqlite3_column_int64(s, 0) - sqlite3_column_int64(s, 1) - KNOWLEDGE_KEEP;
	(void)sqlite3_reset(s);
	return r == 1 ? 0 : r < 0 ? r : -EIO;
}

int knowledge_shrink(struct knowledge *k)
{
	int64_t n = 0, ends_ms = monotonic_ms() + SHRINK_MS_MAX;
	int r;

	(void)pthread_mutex_lock(&k->lock);
	(void)unlink(k->spare);
	(void)give_back(k); /* room for what follows, if there is any to be had */
	do {
		r = count_spare(k, &n);
		if (r == 0 && n > 0)
			r = drop_some(k, n);
		if (r == 0 && n > 0)
			r = give_back(k);
	} while (r == 0 && n > SHRINK_STEP && monotonic_ms() < ends_ms);
	spare_make(k);
	(void)pthread_mutex_unlock(&k->lock);
	return r;
}

int knowledge_size(const char *directory, uint64_t *ret_bytes)
{
	static const char *const names[] = { KNOWLEDGE_FILE, KNOWLEDGE_FILE "-wal" };
	char path[PATH_MAX];
	struct stat status;
	uint64_t bytes = 0;

	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		if (stat(path, &status) == 0)
			bytes += (uint64_t)status.st_blocks * 512;
		else if (errno != ENOENT)
			return -errno;
	}
	*ret_bytes = bytes;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The file: opening, checking, setting aside, its version; and statements in short. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/knowledge/internal.h"

#define APPLICATION_ID 0x78306b6e /* "x0kn" */
#define PAGE_BYTES 4096
#define CACHE_KIB 64		/* incidents are rare: what it would save is not worth its memory */
#define WAL_BYTES_MAX (4 << 20) /* what is left of the log when it was written back */

/* Version i is made of i - 1 by the text at i - 1. What was released is not changed: a text is
 * added. */
static const char *const migrations[] = {
	"CREATE TABLE incidents ("
	" id INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,"
	" state TEXT NOT NULL, why TEXT NOT NULL, severity INTEGER NOT NULL,"
	" opened_ms INTEGER NOT NULL, closed_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX incidents_closed ON incidents (closed_ms = 0, id);"
	"CREATE TABLE evidence ("
	" incident INTEGER NOT NULL, nth INTEGER NOT NULL, signal TEXT NOT NULL,"
	" subject TEXT NOT NULL, source TEXT NOT NULL, value REAL, unix_ms INTEGER NOT NULL,"
	" PRIMARY KEY (incident, nth)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE causes ("
	" incident INTEGER NOT NULL, rank INTEGER NOT NULL, kind TEXT NOT NULL,"
	" subject TEXT NOT NULL, confidence REAL NOT NULL,"
	" PRIMARY KEY (incident, rank)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE actions ("
	" incident INTEGER NOT NULL, id INTEGER NOT NULL, action TEXT NOT NULL,"
	" subject TEXT NOT NULL, cause_kind TEXT NOT NULL, result TEXT NOT NULL,"
	" outcome INTEGER NOT NULL, began_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL,"
	" is_counted INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (incident, id)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE rates ("
	" cause_kind TEXT NOT NULL, action TEXT NOT NULL, n_tried INTEGER NOT NULL,"
	" n_worked INTEGER NOT NULL, PRIMARY KEY (cause_kind, action)) STRICT, WITHOUT ROWID;"
	/* last: the greatest id ever; pruned: the greatest of an incident that was */
	"CREATE TABLE ids (name TEXT PRIMARY KEY, id INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO ids VALUES ('last', 0), ('pruned', 0);"
	"CREATE VIRTUAL TABLE words USING fts5 (text);"
	"CREATE TRIGGER incidents_drop AFTER DELETE ON incidents BEGIN"
	" DELETE FROM evidence WHERE incident = old.id;"
	" DELETE FROM causes WHERE incident = old.id;"
	" DELETE FROM actions WHERE incident = old.id;"
	"END;",
};

static const char *const texts[N_STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[PUT_INCIDENT] = "INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
			 " ON CONFLICT (id) DO UPDATE SET key = excluded.key,"
			 " kind = excluded.kind, subject = excluded.subject,"
			 " state = excluded.state, why = excluded.why,"
			 " severity = excluded.severity, opened_ms = excluded.opened_ms,"
			 " closed_ms = excluded.closed_ms",
	[DROP_EVIDENCE] = "DELETE FROM evidence WHERE incident = ?",
	[DROP_CAUSES] = "DELETE FROM causes WHERE incident = ?",
	[DROP_WORDS] = "DELETE FROM words WHERE rowid = ?",
	[PUT_EVIDENCE] = "INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?)",
	[PUT_CAUSE] = "INSERT INTO causes VALUES (?, ?, ?, ?, ?)",
	[PUT_ACTION] = "INSERT INTO actions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
		       " ON CONFLICT (incident, id) DO UPDATE SET action = excluded.action,"
		       " subject = excluded.subject, cause_kind = excluded.cause_kind,"
		       " result = excluded.result, outcome = excluded.outcome,"
		       " began_ms = excluded.began_ms, ended_ms = excluded.ended_ms",
	/* once for each action, and no new pair where there are too many */
	[COUNT_ACTION] = "INSERT INTO rates SELECT cause_kind, action, 1, ?3 FROM actions"
			 " WHERE incident = ?1 AND id = ?2 AND is_counted = 0 AND"
			 " (EXISTS (SELECT 1 FROM rates r WHERE r.cause_kind = actions.cause_kind"
			 "  AND r.action = actions.action)"
			 "  OR (SELECT count(*) FROM rates) < ?4)"
			 " ON CONFLICT (cause_kind, action) DO UPDATE SET"
			 " n_tried = n_tried + 1, n_worked = n_worked + excluded.n_worked",
	[MARK_ACTION] = "UPDATE actions SET is_counted = 1 WHERE incident = ? AND id = ?",
	[PUT_WORDS] = "INSERT INTO words (rowid, text) SELECT i.id, i.key || ' ' || i.kind || ' '"
		      " || i.subject || ' ' || i.state || ' ' || i.why || ' ' || coalesce("
		      "(SELECT group_concat(kind || ' ' || subject, ' ') FROM causes"
		      " WHERE incident = i.id), '') || ' ' || coalesce("
		      "(SELECT group_concat(action || ' ' || subject || ' ' || result, ' ')"
		      " FROM actions WHERE incident = i.id), '') || ' ' || coalesce("
		      "(SELECT group_concat(signal || ' ' || subject, ' ') FROM evidence"
		      " WHERE incident = i.id), '') FROM incidents i WHERE i.id = ?",
	[GET_PRUNED] = "SELECT id FROM ids WHERE name = 'pruned' AND id >= ?1"
		       " AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = ?1)",
	[RAISE_LAST] = "UPDATE ids SET id = max(id, ?) WHERE name = 'last'",
	[COUNT_INCIDENTS] = "SELECT count(*), coalesce(sum(closed_ms = 0), 0) FROM incidents",
	[OLDEST] = "SELECT id FROM incidents WHERE id <> ? ORDER BY closed_ms = 0, id LIMIT 1",
	[DROP_INCIDENT] = "DELETE FROM incidents WHERE id = ?",
	[RAISE_PRUNED] = "UPDATE ids SET id = max(id, ?) WHERE name = 'pruned'",
	[ABANDON] = "UPDATE incidents SET closed_ms = max(?, opened_ms, 1), state = ?"
		    " WHERE closed_ms = 0",
	[GET_LAST] = "SELECT id FROM ids WHERE name = 'last'",
	[GET_INCIDENT] = "SELECT * FROM incidents WHERE id = ?",
	[GET_EVIDENCE] = "SELECT signal, subject, source, value, unix_ms FROM evidence"
			 " WHERE incident = ? ORDER BY nth",
	[GET_CAUSES] = "SELECT kind, subject, confidence FROM causes WHERE incident = ?"
		       " ORDER BY rank",
	[GET_ACTIONS] = "SELECT id, action, subject, cause_kind, result, outcome, began_ms,"
			" ended_ms FROM actions WHERE incident = ? ORDER BY id DESC",
	[FIND] = "SELECT * FROM incidents WHERE id < ?1 AND opened_ms >= ?2"
		 " AND (?3 IS NULL OR kind = ?3)"
		 " AND (?4 IS NULL OR id IN (SELECT rowid FROM words WHERE words MATCH ?4))"
		 " ORDER BY id DESC LIMIT ?5",
	[RATES] = "SELECT * FROM rates WHERE ?1 IS NULL OR cause_kind = ?1"
		  " ORDER BY cause_kind, action LIMIT ?2",
	[PAGES] = "SELECT page_count - freelist_count"
		  " FROM pragma_page_count(), pragma_freelist_count()",
};

/* ---- statements ---- */

static int error_of(int code, int system_error)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_INTERRUPT:
		return -ETIMEDOUT;
	case SQLITE_CANTOPEN:
		return system_error ? -system_error : -EACCES;
	default:
		return -EIO;
	}
}

int sql_error(const struct knowledge *k, int code)
{
	return error_of(code, k->db ? sqlite3_system_errno(k->db) : 0);
}

sqlite3_stmt *sql(struct knowledge *k, enum statement s)
{
	(void)sqlite3_reset(k->statements[s]);
	(void)sqlite3_clear_bindings(k->statements[s]);
	return k->statements[s];
}

int sql_step(struct knowledge *k, sqlite3_stmt *s)
{
	int code = sqlite3_step(s);
	int r = sql_error(k, code); /* before anything else is asked of the system */

	if (code == SQLITE_ROW)
		return 1;
	(void)sqlite3_reset(s);
	return r;
}

int sql_run(struct knowledge *k, sqlite3_stmt *s)
{
	int r;

	do
		r = sql_step(k, s);
	while (r == 1);
	return r;
}

void sql_bind_text(sqlite3_stmt *s, int at, const char *text)
{
	(void)sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

/* Cut where a character begins. */
void sql_copy_text(sqlite3_stmt *s, int column, char *ret, size_t size)
{
	const unsigned char *found = sqlite3_column_text(s, column);
	const char *text = found ? (const char *)found : "";
	size_t len = strnlen(text, size - 1);

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	memcpy(ret, text, len);
	ret[len] = '\0';
}

/* ---- opening ---- */

DEFINE_FREEP(struct knowledge, knowledge_close)

static int fail(struct knowledge_notice *n, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct knowledge_notice *n, int r, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(n->text, sizeof(n->text), format, arguments);
	va_end(arguments);
	return r;
}

static int run_text(struct knowledge *k, const char *text)
{
	return sql_error(k, sqlite3_exec(k->db, text, NULL, NULL, NULL));
}

static int64_t number(struct knowledge *k, const char *text, int *ret_error)
{
	sqlite3_stmt *s = NULL;
	int64_t n = 0;
	int code = sqlite3_prepare_v2(k->db, text, -1, &s, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	*ret_error = sql_error(k, code);
	(void)sqlite3_finalize(s);
	return n;
}

/* Our own, so that it is closed to others from its first byte on. */
static int make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

/* One process has it for good: the log's index is in our memory then and no third file. NORMAL
 * syncs when the log is written back, not at each commit: a power cut may take the last incidents,
 * which the ledger has too. */
static int settle(struct knowledge *k)
{
	char bound[128];
	int r;

	(void)sqlite3_db_config(k->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
	(void)sqlite3_db_config(k->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(k->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)snprintf(bound, sizeof(bound),
		       "PRAGMA max_page_count=%u; PRAGMA cache_size=-%d;"
		       "PRAGMA journal_size_limit=%d",
		       KNOWLEDGE_BYTES_MAX / PAGE_BYTES, CACHE_KIB, WAL_BYTES_MAX);
	r = run_text(k,
		     "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=4096;"
		     "PRAGMA auto_vacuum=INCREMENTAL;" /* of a new file; see knowledge_shrink() */
		     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		     "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON");
	return r < 0 ? r : run_text(k, bound);
}

/* Damage of pages, indices and values, and of the words' own index where there is one. */
static int check(struct knowledge *k)
{
	sqlite3_stmt *s = NULL;
	int r = sql_error(k, sqlite3_prepare_v2(k->db, "PRAGMA integrity_check(1)", -1, &s, NULL));

	if (r == 0)
		r = sql_step(k, s);
	if (r == 1)
		r = strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0 ? 0 : -EUCLEAN;
	(void)sqlite3_finalize(s);
	if (r == 0 && number(k, "PRAGMA user_version", &r) > 0 && r == 0)
		r = run_text(k, "INSERT INTO words (words) VALUES ('integrity-check')");
	return r;
}

static int migrate(struct knowledge *k, const char *path, struct knowledge_notice *n)
{
	char end[96];
	int r = 0, r_id = 0, r_tables = 0;
	int64_t version = number(k, "PRAGMA user_version", &r);
	int64_t id = number(k, "PRAGMA application_id", &r_id);
	int64_t n_tables = number(k, "SELECT count(*) FROM sqlite_schema", &r_tables);

	if (r < 0 || r_id < 0 || r_tables < 0)
		return r < 0 ? r : r_id < 0 ? r_id : r_tables;
	if (id != APPLICATION_ID && (id != 0 || version != 0 || n_tables != 0))
		return fail(n, -EPROTO, "%s is a database, but not one of x0", path);
	if (version > (int64_t)N_ELEMENTS(migrations))
		return fail(n, -EPROTO,
			    "%s is of version %lld, and this x0 knows up to %zu: run a later x0",
			    path, (long long)version, N_ELEMENTS(migrations));
	for (size_t v = version < 0 ? 0 : (size_t)version; r == 0 && v < N_ELEMENTS(migrations);
	     v++) {
		(void)snprintf(end, sizeof(end),
			       "PRAGMA application_id=%d; PRAGMA user_version=%zu; COMMIT",
			       APPLICATION_ID, v + 1);
		r = run_text(k, "BEGIN IMMEDIATE");
		if (r == 0)
			r = run_text(k, migrations[v]);
		if (r == 0)
			r = run_text(k, end);
	}
	return r;
}

static int prepare(struct knowledge *k)
{
	for (unsigned i = 0; i < N_STATEMENTS; i++) {
		int code = sqlite3_prepare_v3(k->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					      &k->statements[i], NULL);

		if (code != SQLITE_OK)
			return sql_error(k, code);
	}
	return 0;
}

static int open_file(const char *path, struct knowledge **ret, struct knowledge_notice *n)
{
	CLEANUP(knowledge_closep) struct knowledge *k = calloc(1, sizeof(*k));
	int r = k ? make_file(path) : -ENOMEM;

	if (r < 0)
		return r;
	(void)pthread_mutex_init(&k->lock, NULL);
	k->incidents_max = KNOWLEDGE_INCIDENTS_MAX;
	r = sql_error(k, sqlite3_open_v2(path, &k->db,
					 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW |
						 SQLITE_OPEN_NOMUTEX,
					 NULL));
	if (r == 0)
		r = settle(k);
	if (r == 0)
		r = check(k);
	if (r == 0)
		r = migrate(k, path, n);
	if (r == 0)
		r = prepare(k);
	if (r < 0 && r != -EUCLEAN && !n->text[0])
		(void)fail(n, r, "%.200s cannot be used: %.200s", path,
			   r == -EBUSY ? "another process has it"
			   : k->db     ? sqlite3_errmsg(k->db)
				       : strerror(-r));
	if (r == 0)
		*ret = TAKE(k);
	return r;
}

/* The log goes along: only both together are what there was. */
static int set_aside(const char *path, struct knowledge_notice *n)
{
	char to[PATH_MAX + 16], log[PATH_MAX + 16], log_to[PATH_MAX + 32];

	for (unsigned i = 1; i <= KNOWLEDGE_ASIDE_MAX; i++) {
		(void)snprintf(to, sizeof(to), "%s.damaged-%u", path, i);
		if (access(to, F_OK) == 0)
			continue;
		(void)snprintf(log, sizeof(log), "%s-wal", path);
		(void)snprintf(log_to, sizeof(log_to), "%s-wal", to);
		if ((rename(log, log_to) < 0 && errno != ENOENT) || rename(path, to) < 0)
			return fail(n, -errno, "%.200s is damaged and cannot be renamed: %s", path,
				    strerror(errno));
		(void)snprintf(n->aside, sizeof(n->aside),
			       "%.200s was damaged: it is kept as %.220s, and an empty one begun",
			       path, to);
		return 0;
	}
	return fail(n, -EUCLEAN,
		    "%.200s is damaged, as were the %d before it: look at the disk, then remove "
		    "%.200s.damaged-*",
		    path, KNOWLEDGE_ASIDE_MAX, path);
}

static int remove_with_logs(const char *path)
{
	static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
	char name[PATH_MAX + 32];

	for (size_t i = 0; i < N_ELEMENTS(endings); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, endings[i]);
		if (unlink(name) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int knowledge_remove(const char *directory)
{
	char path[PATH_MAX], aside[PATH_MAX + 16];
	int len = snprintf(path, sizeof(path), "%s/" KNOWLEDGE_SPARE, directory);
	int r;

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/" KNOWLEDGE_FILE, directory);
	r = remove_with_logs(path);
	for (unsigned i = 1; r == 0 && i <= KNOWLEDGE_ASIDE_MAX; i++) {
		(void)snprintf(aside, sizeof(aside), "%s.damaged-%u", path, i);
		r = remove_with_logs(aside);
	}
	return r;
}

int knowledge_open(const char *directory, struct knowledge **ret,
		   struct knowledge_notice *ret_notice)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/" KNOWLEDGE_FILE, directory);
	int r;

	*ret_notice = (struct knowledge_notice){ 0 };
	if (len < 0 || (size_t)len >= sizeof(path))
		return fail(ret_notice, -ENAMETOOLONG, "the path of the directory is too long");
	r = open_file(path, ret, ret_notice);
	if (r == -EUCLEAN) {
		r = set_aside(path, ret_notice);
		if (r == 0)
			r = open_file(path, ret, ret_notice);
	}
	if (r < 0 && !ret_notice->text[0])
		(void)fail(ret_notice, r, "%.200s cannot be used: %s", path, strerror(-r));
	if (r < 0)
		return r;
	(void)snprintf((*ret)->spare, sizeof((*ret)->spare), "%s/" KNOWLEDGE_SPARE, directory);
	spare_make(*ret);
	return 0;
}

void knowledge_close(struct knowledge *k)
{
	if (!k)
		return;
	for (unsigned i = 0; i < N_STATEMENTS; i++)
		(void)sqlite3_finalize(k->statements[i]);
	(void)sqlite3_close(k->db); /* of which nothing is open now */
	(void)pthread_mutex_destroy(&k->lock);
	free(k);
}

void knowledge_bound(struct knowledge *k, size_t n_incidents)
{
	assert(n_incidents > 0 && n_incidents <= KNOWLEDGE_INCIDENTS_MAX);
	k->incidents_max = n_incidents;
}

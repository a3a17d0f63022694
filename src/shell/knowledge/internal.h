/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>

#include "base/cleanup.h"
#include "shell/knowledge/knowledge.h"

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	PUT_INCIDENT,
	DROP_EVIDENCE,
	DROP_CAUSES,
	DROP_WORDS,
	PUT_EVIDENCE,
	PUT_CAUSE,
	PUT_ACTION,
	COUNT_ACTION,
	MARK_ACTION,
	PUT_WORDS,
	GET_PRUNED,
	RAISE_LAST,
	COUNT_INCIDENTS,
	OLDEST,
	DROP_INCIDENT,
	RAISE_PRUNED,
	ABANDON,
	GET_LAST,
	GET_INCIDENT,
	GET_EVIDENCE,
	GET_CAUSES,
	GET_ACTIONS,
	FIND,
	RATES,
	PAGES,
	N_STATEMENTS,
};

struct knowledge {
	pthread_mutex_t lock;
	sqlite3 *db;
	sqlite3_stmt *statements[N_STATEMENTS];
	size_t incidents_max;
	char spare[PATH_MAX]; /* the file's name */
};

/* ---- database.c ---- */

int sql_error(const struct knowledge *k, int code);
sqlite3_stmt *sql(struct knowledge *k, enum statement s); /* reset, nothing bound */
int sql_run(struct knowledge *k, sqlite3_stmt *s);	  /* to its end; 0 or an error */
/* One row: 1, none: 0, or an error. */
int sql_step(struct knowledge *k, sqlite3_stmt *s);
void sql_bind_text(sqlite3_stmt *s, int at, const char *text); /* borrowed until it has run */
void sql_copy_text(sqlite3_stmt *s, int column, char *ret, size_t size);

/* ---- write.c ---- */

/* Room that is kept from the disk, and let go when it is full: without any nothing can be deleted
 * either, for that is written to the log first. Where there is no room for it there is none. */
void spare_make(const struct knowledge *k);

/* ---- query.c ---- */

/* Each byte may be a letter, which gets two quotes and an asterisk and a space. */
#define MATCH_SIZE (KNOWLEDGE_QUERY_MAX + 4 * KNOWLEDGE_WORDS_MAX + 1)

/* An expression of FTS5 for the words of a text, which says nothing but these words; "" for none.
 */
void query_match(const char *text, char ret[MATCH_SIZE]);

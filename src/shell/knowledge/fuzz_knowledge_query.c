/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is searched for, it is an expression that FTS5 takes. */
#include <assert.h>
#include <string.h>

#include "shell/knowledge/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sqlite3_stmt *look;

static void open_once(void)
{
	static sqlite3 *db;

	if (db)
		return;
	assert(sqlite3_open(":memory:", &db) == SQLITE_OK);
	assert(sqlite3_exec(db,
			    "CREATE VIRTUAL TABLE words USING fts5 (text);"
			    "INSERT INTO words VALUES ('link-down berlin-2 \"OR\" NEAR')",
			    NULL, NULL, NULL) == SQLITE_OK);
	assert(sqlite3_prepare_v2(db, "SELECT count(*) FROM words WHERE words MATCH ?", -1, &look,
				  NULL) == SQLITE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * KNOWLEDGE_QUERY_MAX], match[MATCH_SIZE];
	size_t len = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	open_once();
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	query_match(text, match);
	assert(strlen(match) < sizeof(match));
	if (!match[0])
		return 0;
	(void)sqlite3_reset(look);
	assert(sqlite3_bind_text(look, 1, match, -1, SQLITE_STATIC) == SQLITE_OK);
	assert(sqlite3_step(look) == SQLITE_ROW);
	return 0;
}

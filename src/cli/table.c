/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns. */
#include "cli/table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/text.h"

#define GAP 2
#define CELL_SIZE 128

struct cell {
	char *text;
	enum cli_colour colour;
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
	struct cell *cells;
	size_t n_cells;
};

int table_new(const struct table_column *columns, size_t n_columns, struct table **ret)
{
	struct table *t;

	if (n_columns == 0 || n_columns > TABLE_COLUMNS_MAX)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->columns = columns;
	t->n_columns = n_columns;
	*ret = t;
	return 0;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

int table_cell(struct table *t, const char *text, enum cli_colour colour)
{
	char plain[CELL_SIZE];
	struct cell *more = realloc(t->cells, (t->n_cells + 1) * sizeof(*more));
	char *copy;

	if (!more)
		return -ENOMEM;
	t->cells = more;
	text_plain(text[0] ? text : "-", plain, sizeof(plain));
	copy = strdup(plain);
	if (!copy)
		return -ENOMEM;
	t->cells[t->n_cells++] = (struct cell){ .text = copy, .colour = colour };
	return 0;
}

int table_cellf(struct table *t, const char *format, ...)
{
	char text[CELL_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return table_cell(t, text, CLI_PLAIN);
}

/* Characters, not bytes: UTF-8's continuation bytes are not counted. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS_MAX])
{
	assert(t->n_columns > 0 || t->n_cells == 0);
	for (size_t i = 0; i < t->n_columns; i++)
		widths[i] = width_of(t->columns[i].heading);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t w = width_of(t->cells[i].text);

		if (w > widths[i % t->n_columns])
			widths[i % t->n_columns] = w;
	}
}

/* Leaves out the least important column; false when all that are left have to stay. */
static bool drop_one(const struct table *t, bool is_shown[TABLE_COLUMNS_MAX])
{
	size_t worst = t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++)
		if (is_shown[i] && t->columns[i].drop > 0 &&
		    (worst == t->n_columns || t->columns[i].drop > t->columns[worst].drop))
			worst = i;
	if (worst == t->n_columns)
		return false;
	is_shown[worst] = false;
	return true;
}

static void fit(const struct table *t, const size_t widths[TABLE_COLUMNS_MAX], unsigned columns,
		bool is_shown[TABLE_COLUMNS_MAX])
{
	size_t total;

	for (size_t i = 0; i < t->n_columns; i++)
		is_shown[i] = true;
	do {
		total = 0;
		for (size_t i = 0; i < t->n_columns; i++)
			if (is_shown[i])
				total += widths[i] + (total > 0 ? GAP : 0);
	} while (columns > 0 && total > columns && drop_one(t, is_shown));
}

struct line {
	struct cli *c;
	bool is_begun;
	size_t owed; /* blanks, written only if something follows */
};

static void put(struct line *l, const char *text, enum cli_colour colour, size_t width,
		bool is_right)
{
	size_t blanks = width - width_of(text);

	l->owed += (l->is_begun ? GAP : 0) + (is_right ? blanks : 0);
	(void)fprintf(l->c->out, "%*s%s%s%s", (int)l->owed, "",
		      colour ? cli_colour(l->c, colour) : "", text,
		      colour ? cli_colour(l->c, CLI_PLAIN) : "");
	l->owed = is_right ? 0 : blanks;
	l->is_begun = true;
}

void table_print(const struct table *t, struct cli *c)
{
	size_t widths[TABLE_COLUMNS_MAX];
	bool is_shown[TABLE_COLUMNS_MAX];

	measure(t, widths);
	fit(t, widths, c->columns, is_shown);
	struct line heading = { .c = c };

	for (size_t i = 0; i < t->n_columns; i++)
		if (is_shown[i])
			put(&heading, t->columns[i].heading, CLI_BOLD, widths[i],
			    t->columns[i].is_right);
	(void)fputc('\n', c->out);
	for (size_t row = 0; row + t->n_columns <= t->n_cells; row += t->n_columns) {
		struct line l = { .c = c };

		for (size_t i = 0; i < t->n_columns; i++)
			if (is_shown[i])
				put(&l, t->cells[row + i].text, t->cells[row + i].colour, widths[i],
				    t->columns[i].is_right);
		(void)fputc('\n', c->out);
	}
}

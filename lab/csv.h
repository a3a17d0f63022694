/* SPDX-License-Identifier: Apache-2.0 */
/* csv.h - a comma-separated table from a plain or gzip file, whole in memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct csv {
	char *text;
	char **cells; /* row-major, into text; "" for an empty one */
	size_t n_rows, n_columns;
};

/* Reads path, or path with .gz behind where there is no such file. -ENOENT and what else opening
 * it fails with, -EBADMSG where
 * rows have different numbers of cells or a cell is quoted, -EFBIG, -ENOMEM. */
int csv_read(const char *path, struct csv *ret);
/* The same; on failure ret_line is the line that is wrong, 0 where it is the whole file. */
int csv_read_telling(const char *path, struct csv *ret, size_t *ret_line);
void csv_done(struct csv *c);

static inline const char *csv_cell(const struct csv *c, size_t row, size_t column)
{
	return c->cells[row * c->n_columns + column];
}

/* NaN for a cell that is empty or no number. */
double csv_number(const struct csv *c, size_t row, size_t column);
/* Of the first row; -ENOENT for none. */
int csv_column(const struct csv *c, const char *name, size_t *ret);

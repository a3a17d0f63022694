/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - rows of text in aligned columns that fit a terminal. Pure. */
#pragma once

#include "cli/cli.h"

#define TABLE_COLUMNS_MAX 12

struct table_column {
	const char *heading;
	bool is_right; /* numbers */
	unsigned drop; /* where the terminal is narrow the highest goes first; 0 never goes */
};

struct table;

/* The columns are borrowed. -EINVAL for too many, -ENOMEM. */
int table_new(const struct table_column *columns, size_t n_columns, struct table **ret);
void table_free(struct table *t);

/* The next cell, copied; row after row. An empty text shows as "-". -ENOMEM. */
int table_cell(struct table *t, const char *text, enum cli_colour colour);
int table_cellf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

void table_print(const struct table *t, struct cli *c);

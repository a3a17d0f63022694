/* SPDX-License-Identifier: Apache-2.0 */
/* graph.h - tables of numbers, of which the graphs of x0-lab train graph and eval graph are made.
 */
#pragma once

#include <stddef.h>

/* Numbers of a CSV file without a header, row by row. */
struct table {
	double *values;
	size_t n_rows, n_columns;
};

#define TABLE_VALUES_MAX ((size_t)1 << 27)

/* DIR/NAME.csv, or DIR/NAME.csv.gz. -ENOENT, -EBADMSG for what is no number or a row that is
 * longer or shorter than the first, -ENOBUFS beyond the bound; it has been said on standard error
 * then, with the line. */
int table_read(const char *dir, const char *name, struct table *ret);
void table_done(struct table *t);

/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of numbers from CSV files, compressed or not. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "csv.h"
#include "graph/graph.h"

#define PATH_SIZE 4096

void table_done(struct table *t)
{
	free(t->values);
	*t = (struct table){ 0 };
}

static int take_numbers(const struct csv *c, struct table *ret, size_t *ret_line)
{
	size_t n = c->n_rows * c->n_columns;
	CLEANUP_FREE double *values = n > TABLE_VALUES_MAX ? NULL : calloc(n + 1, sizeof(double));

	if (!values)
		return n > TABLE_VALUES_MAX ? -ENOBUFS : -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		values[i] = csv_number(c, i / c->n_columns, i % c->n_columns);
		if (isnan(values[i])) {
			*ret_line = i / c->n_columns + 1;
			return -EBADMSG;
		}
	}
	*ret = (struct table){ TAKE(values), c->n_rows, c->n_columns };
	return 0;
}

int table_read(const char *dir, const char *name, struct table *ret)
{
	CLEANUP(csv_done) struct csv c = { 0 };
	char path[PATH_SIZE];
	size_t line = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s.csv", dir, name);
	r = csv_read_telling(path, &c, &line);
	if (r == 0)
		r = take_numbers(&c, ret, &line);
	if (r == -ENOENT)
		(void)fprintf(stderr, "x0-lab: no %s, nor %s.gz\n", path, path);
	else if (r < 0 && line > 0)
		(void)fprintf(stderr, "x0-lab: %s:%zu: %s\n", path, line, strerror(-r));
	else if (r < 0)
		(void)fprintf(stderr, "x0-lab: %s: %s\n", path, strerror(-r));
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads comma-separated tables, plain or gzip. */
#include "csv.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"

#define TEXT_MAX ((size_t)256 << 20)
#define TEXT_START ((size_t)1 << 16)

void csv_done(struct csv *c)
{
	free(c->text);
	free(c->cells);
	*c = (struct csv){ 0 };
}

/* The whole file with a NUL behind; zlib reads a plain file as it is. */
static int read_text(const char *path, char **ret, size_t *ret_len)
{
	size_t size = TEXT_START, len = 0;
	CLEANUP_FREE char *text = malloc(size);
	int n = 1, r = 0;

	if (!text)
		return -ENOMEM;
	errno = 0;
	gzFile f = gzopen(path, "rbe");

	if (!f)
		return errno ? -errno : -ENOMEM; /* zlib has no errno of its own for memory */
	while (n > 0 && r == 0) {
		if (len + 1 >= size) {
			size *= 2;
			char *grown = size > TEXT_MAX ? NULL : realloc(text, size);
			if (!grown) {
				r = size > TEXT_MAX ? -EFBIG : -ENOMEM;
				break;
			}
			text = grown;
		}
		n = gzread(f, text + len, (unsigned)(size - len - 1));
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		r = -EBADMSG;
	if (gzclose(f) != Z_OK && r == 0)
		r = -EBADMSG; /* truncated */
	if (r < 0)
		return r;
	text[len] = '\0';
	*ret = TAKE(text);
	*ret_len = len;
	return 0;
}

static size_t count(const char *text, char what)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == what;
	return n;
}

/* Ends every cell with a NUL and notes where it begins. */
static int split(struct csv *c, size_t n_cells_max)
{
	size_t n_cells = 0, in_row = 0;
	char *at = c->text;

	while (*at) {
		char *end = at + strcspn(at, ",\r\n");
		char what = *end;

		if (n_cells == n_cells_max)
			return -EBADMSG;
		c->cells[n_cells++] = at;
		in_row++;
		*end = '\0';
		if (what == '\r' && end[1] == '\n')
			end++;
		if (what != ',') {
			if (c->n_rows > 0 && in_row != c->n_columns)
				return -EBADMSG;
			c->n_columns = in_row;
			c->n_rows++;
			in_row = 0;
		}
		at = what ? end + 1 : end;
		if (what == ',' && *at == '\0')
			return -EBADMSG; /* the last row ends in its middle */
	}
	return 0;
}

int csv_read(const char *path, struct csv *ret)
{
	size_t line;

	return csv_read_telling(path, ret, &line);
}

int csv_read_telling(const char *path, struct csv *ret, size_t *ret_line)
{
	struct csv c = { 0 };
	char gz[4096];
	size_t len;
	int r;

	(void)snprintf(gz, sizeof(gz), "%s.gz", path);
	*ret_line = 0;
	r = read_text(access(path, F_OK) == 0 ? path : gz, &c.text, &len);
	if (!c.text)
		return r;

	size_t n_cells_max = count(c.text, ',') + count(c.text, '\n') + 1;
	c.cells = strlen(c.text) == len && !strchr(c.text, '"')
			  ? calloc(n_cells_max, sizeof(char *))
			  : NULL;
	r = c.cells ? split(&c, n_cells_max) : -EBADMSG;
	if (r < 0) {
		*ret_line = c.cells ? c.n_rows + 1 : 0;
		csv_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

double csv_number(const struct csv *c, size_t row, size_t column)
{
	const char *cell = csv_cell(c, row, column);
	char *end;
	double v = strtod(cell, &end);

	return end == cell || *end ? NAN : v;
}

int csv_column(const struct csv *c, const char *name, size_t *ret)
{
	for (size_t i = 0; c->n_rows > 0 && i < c->n_columns; i++)
		if (strcmp(csv_cell(c, 0, i), name) == 0) {
			*ret = i;
			return 0;
		}
	return -ENOENT;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a data set has, in an order of its own. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "eval/eval.h"

#define DEPTH_MAX 8

struct list {
	char **names;
	size_t n;
};

void eval_dirs_free(char **dirs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(dirs[i]);
	free(dirs);
}

void eval_complain(const char *path, int error)
{
	(void)fprintf(stderr, "x0-lab eval: %s: %s\n", path, strerror(-error));
}

static int by_name(const void *a, const void *b)
{
	char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static int add(struct list *l, const char *name, size_t len)
{
	if (l->n == EVAL_DIRS_MAX)
		return -ENOBUFS;
	if (!l->names)
		l->names = calloc(EVAL_DIRS_MAX, sizeof(char *));
	if (!l->names)
		return -ENOMEM;
	l->names[l->n] = strndup(name, len);
	return l->names[l->n++] ? 0 : -ENOMEM;
}

static int finish(struct list *l, int r, char ***ret, size_t *ret_n)
{
	if (r < 0) {
		eval_dirs_free(l->names, l->n);
		return r;
	}
	if (l->n > 0)
		qsort(l->names, l->n, sizeof(char *), by_name);
	*ret = l->names;
	*ret_n = l->n;
	return 0;
}

/* Some file systems do not say in a folder what its entries are. */
static bool is_folder(const char *path, unsigned char type)
{
	struct stat info;

	if (type != DT_UNKNOWN)
		return type == DT_DIR;
	return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int walk(const char *dir, const char *file, unsigned depth, struct list *l)
{
	char path[EVAL_PATH_MAX];
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool has_file = false;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (entry = readdir(d))) {
		size_t len = strlen(file);

		if (strncmp(entry->d_name, file, len) == 0 &&
		    (!entry->d_name[len] || strcmp(entry->d_name + len, ".gz") == 0))
			has_file = true;
		if (entry->d_name[0] == '.' || depth == DEPTH_MAX)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) >= (int)sizeof(path))
			r = -ENAMETOOLONG;
		else if (is_folder(path, entry->d_type))
			r = walk(path, file, depth + 1, l);
	}
	(void)closedir(d);
	return r == 0 && has_file ? add(l, dir, strlen(dir)) : r;
}

int eval_dirs(const char *dir, const char *file, char ***ret, size_t *ret_n)
{
	struct list l = { 0 };
	char start[EVAL_PATH_MAX];
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	(void)snprintf(start, sizeof(start), "%.*s", (int)len, dir);
	return finish(&l, walk(start, file, 0, &l), ret, ret_n);
}

int eval_names(const char *dir, const char *ending, char ***ret, size_t *ret_n)
{
	struct list l = { 0 };
	DIR *d = opendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (entry = readdir(d))) {
		size_t len = strlen(entry->d_name), gz = 0;

		if (len > 3 && strcmp(entry->d_name + len - 3, ".gz") == 0)
			gz = 3;
		if (len > strlen(ending) + gz &&
		    strncmp(entry->d_name + len - gz - strlen(ending), ending, strlen(ending)) == 0)
			r = add(&l, entry->d_name, len - gz - strlen(ending));
	}
	(void)closedir(d);
	return finish(&l, r, ret, ret_n);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - what the verbs of x0-lab eval share. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define EVAL_PATH_MAX 4096
#define EVAL_DIRS_MAX 4096

/* Folders at or below dir that hold the file, or the file with .gz behind; sorted by name, so
 * that no result depends on the order of the disk. Symbolic links are not followed. Returns how
 * many, at most EVAL_DIRS_MAX; *ret is freed with eval_dirs_free(). */
int eval_dirs(const char *dir, const char *file, char ***ret, size_t *ret_n);
void eval_dirs_free(char **dirs, size_t n);

/* Names in a folder with this ending, the ending (and .gz) cut off; sorted. */
int eval_names(const char *dir, const char *ending, char ***ret, size_t *ret_n);

/* Each evaluates a directory and returns what it found; NULL after saying why not. */
json_t *eval_timeseries(const char *dir);
json_t *eval_rca(const char *dir);
json_t *eval_fabric(const char *dir);

/* Says on standard error what is wrong with a file. */
void eval_complain(const char *path, int error);

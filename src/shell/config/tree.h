/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - the file as a tree with line numbers, and the list of what is wrong with it. Inside
 * the room only. */
#pragma once

#include "shell/config/config.h"

enum tree_kind {
	TREE_NULL, /* nothing, or ~ or null */
	TREE_SCALAR,
	TREE_LIST,
	TREE_MAP,
};

struct tree {
	enum tree_kind kind;
	char *key;  /* inside a map: owned */
	char *text; /* of a scalar: owned, without NUL bytes inside */
	bool is_quoted;
	unsigned line;
	struct tree *parent;
	struct tree *first, *last; /* children of a list or map */
	struct tree *next;
};

void tree_free(struct tree *t);

/* Parses one YAML document. What is wrong goes to the report: -EINVAL then, or -ENOMEM. An
 * empty file is an empty map. */
int tree_parse(const char *text, size_t len, struct tree **ret, struct config_report *report);

/* Adds to the report; more than CONFIG_PROBLEMS_MAX are counted only. Control characters in
 * the text become "?". Returns -EINVAL, for the caller to return. */
__attribute__((format(printf, 3, 4))) int report_error(struct config_report *r, unsigned line,
						       const char *format, ...);
__attribute__((format(printf, 3, 4))) void report_warning(struct config_report *r, unsigned line,
							  const char *format, ...);

/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the sources of this room share. */
#pragma once

#include <jansson.h>

#include "shell/store/store.h"

/* Writes the sentence and returns error. */
int store_fail(struct store_error *ret, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One list in one file: {"version": 1, "<key>": [ ... ]}. */
struct list_format {
	const char *key;
	size_t n_max;
	size_t entry_size;
	/* -EBADMSG for an entry that is not exactly as the other one makes it. */
	int (*decode)(json_t *entry, void *ret, struct store_error *ret_error);
	json_t *(*encode)(const void *entry); /* NULL when memory is short */
};

extern const struct list_format tokens_format;
extern const struct list_format peers_format;
extern const struct list_format issued_format;

int list_decode(const struct list_format *f, struct span text, void *ret, size_t *ret_n,
		struct store_error *ret_error);
int list_load(const struct store *s, enum store_file file, const struct list_format *f, void *ret,
	      size_t *ret_n, struct store_error *ret_error);
int list_save(struct store *s, enum store_file file, const struct list_format *f,
	      const void *entries, size_t n, struct store_error *ret_error);

/* A string of 2 n lower-case hexadecimal digits. */
json_t *json_hex(const uint8_t *from, size_t n);
/* false for anything else; upper case too, so that a value has one text. */
bool json_hex_value(const char *text, uint8_t *ret, size_t n);

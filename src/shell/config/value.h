/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - reading and printing the value of one key. Inside the room only. */
#pragma once

#include "shell/config/tree.h"

/* Checks the value against its row of the table and keeps it. -EINVAL: reported; -ENOMEM. */
int value_set(struct config *c, const struct config_key *key, const struct tree *t,
	      struct config_report *report);
void value_print(const struct config *c, const struct config_key *key, FILE *to);
/* Items of a list, one a line, each behind indent spaces and "- ". */
void value_print_items(const struct config *c, const struct config_key *key, unsigned indent,
		       FILE *to);
size_t value_count(const struct config *c, const struct config_key *key); /* of a list; else 1 */
bool value_is_list(const struct config_key *key);

/* "1280 to 1344 bytes", "one of auto, text, json", ...: what the row allows. */
void value_print_allowed(const struct config_key *key, char *ret, size_t size);

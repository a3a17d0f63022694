/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - UTF-8, decimals and base64 as the formats of this room have them. Not for others. */
#pragma once

#include "base/bytes.h"

/* Length of the UTF-8 sequence at s (RFC 3629: no overlong form, no surrogate, nothing above
 * U+10FFFF); 0 for none. left is at least 1. */
size_t text_utf8_len(const uint8_t *s, size_t left);

void text_write(struct writer *w, const char *text);
void text_write_decimal(struct writer *w, uint64_t v);
/* Digits at the cursor, at least one, without leading zeros. */
bool text_read_decimal(struct reader *r, uint64_t *ret);
bool text_skip(struct reader *r, const char *literal);
/* The bytes up to the next newline, which is skipped too. */
bool text_read_line(struct reader *r, struct span *ret);

/* Base64 with padding (RFC 4648 section 4), in the one canonical form. */
void text_write_base64(struct writer *w, struct span from);
/* -EBADMSG for another text, -ENOBUFS where it is longer than size. */
int text_base64_decode(struct span text, uint8_t *ret, size_t size, size_t *ret_len);

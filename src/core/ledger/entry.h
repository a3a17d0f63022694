/* SPDX-License-Identifier: Apache-2.0 */
/* entry.h - one entry of the ledger: who did what, when, where, why, and with what result.
 *
 * An entry is one object of JSON in the canonical form of RFC 8785 (keys sorted, no white space,
 * one way to escape), so that an auditor reads it with any tool and each entry has exactly one
 * encoding, which is what the tree hashes. Members that say nothing are left out:
 *
 *	{"action":"7","incident":"41","kind":"intent","v":1,"what":"...","when":1763766000000,...}
 *
 * "when" is milliseconds since 1970; incident and action are decimal strings, because a number of
 * JSON is exact to 53 bits only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum ledger_kind {
	LEDGER_INTENT = 1, /* an action will be taken; durable before it is */
	LEDGER_RESULT,	   /* what became of it */
	LEDGER_NOTICE,	   /* something that happened or was told to a person */
};

/* Bytes of UTF-8 without the NUL. */
#define LEDGER_NAME_MAX 255  /* who, what, where: the longest SPIFFE ID fits */
#define LEDGER_TEXT_MAX 1023 /* why, result */
/* The longest encoding: each byte of text may become six ("\u001f"). A bundle has 16 bits for it.
 */
#define LEDGER_ENTRY_MAX (6 * (3 * LEDGER_NAME_MAX + 2 * LEDGER_TEXT_MAX) + 256)
#define LEDGER_UNIX_MS_MAX ((UINT64_C(1) << 53) - 1)

struct ledger_entry {
	enum ledger_kind kind;
	bool is_disk;		   /* an action that frees disk space, or its result */
	uint64_t unix_ms;	   /* at most LEDGER_UNIX_MS_MAX */
	uint64_t incident, action; /* 0: none */
	/* UTF-8, borrowed; NULL for nothing to say. who and what are never NULL. */
	const char *who, *what, *where, *why, *result;
};

/* Where the texts of a decoded entry lie. */
struct ledger_entry_texts {
	char bytes[3 * (LEDGER_NAME_MAX + 1) + 2 * (LEDGER_TEXT_MAX + 1)];
};

/* -EINVAL for a text that is too long, empty or not UTF-8, for who or what missing, for a number
 * out of range; -ENOBUFS where size is short (LEDGER_ENTRY_MAX always suffices). */
int ledger_entry_encode(const struct ledger_entry *e, uint8_t *to, size_t size, size_t *ret_len);
/* Strict: only what the encoder makes. -EBADMSG otherwise. The texts of ret lie in texts. */
int ledger_entry_decode(struct span bytes, struct ledger_entry_texts *texts,
			struct ledger_entry *ret);

const char *ledger_kind_name(enum ledger_kind kind); /* "intent"; NULL for none of them */

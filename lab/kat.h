/* SPDX-License-Identifier: Apache-2.0 */
/* kat.h - what the readers of test vectors share: cases, fields, verdicts. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define KAT_FIELDS_MAX 32     /* hexadecimal fields read for one case */
#define KAT_REASONS_MAX 64    /* different reasons for skipping; further ones share one line */
#define KAT_FAILURES_SHOWN 20 /* of one file; all are counted */

struct kat_counts {
	unsigned passed, failed, skipped;
};

struct kat_reason {
	char *text;
	unsigned n;
};

/* One file being read. Fields live until kat_case_done(). */
struct kat {
	const char *path;
	struct kat_counts file;
	struct kat_reason reasons[KAT_REASONS_MAX];
	unsigned n_reasons;
	json_t *failures; /* texts */
	uint8_t *fields[KAT_FIELDS_MAX];
	unsigned n_fields;
	bool malformed; /* a field of this case is no hexadecimal string */
};

/* One test of one group. For ACVP, expected holds the results; otherwise it is test itself. */
struct kat_case {
	const json_t *group, *test, *expected;
};

typedef void kat_run(struct kat *k, const struct kat_case *c);

/* The verdict on a case, or on n of them. */
void kat_check(struct kat *k, const struct kat_case *c, bool ok, const char *what);
void kat_fail(struct kat *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
void kat_skip(struct kat *k, unsigned n, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The bytes of a hexadecimal string; .at is NULL where there is none, never for an empty one. */
struct span kat_hex(struct kat *k, const json_t *object, const char *name);
/* Room for n bytes that lives as long as the fields do; NULL when they are too many. */
uint8_t *kat_room(struct kat *k, size_t n);
/* A string, or "" where there is none. */
const char *kat_text(const json_t *object, const char *name);
bool kat_equal(struct span a, struct span b);
void kat_case_done(struct kat *k);

/* Judges by Wycheproof's "result": refused, or accepted with the right output or not. */
void kat_judge(struct kat *k, const struct kat_case *c, bool refused, bool right);

/* The four families. Each reads a whole file and leaves the verdicts in k. */
void kat_acvp(struct kat *k, const json_t *root);
void kat_wycheproof(struct kat *k, const json_t *root);
void kat_noise(struct kat *k, const json_t *root);
void kat_merkle(struct kat *k, const json_t *root);

/* Runners of rows in kat_wycheproof.c's table. */
kat_run kat_mlkem_decaps_seed, kat_mlkem_encaps, kat_mlkem_keygen, kat_mlkem_decaps;
kat_run kat_mldsa_sign, kat_mldsa_verify;
kat_run kat_aes_gcm, kat_chacha20_poly1305, kat_ed25519, kat_x25519;
kat_run kat_hkdf_sha256, kat_hkdf_sha384, kat_hkdf_sha512;

/* A runner of kat_acvp.c's table. */
kat_run kat_acvp_aes_gcm;

/* Parameter sets by name: the row of mlkem_sizes or mldsa_sizes, or -1. */
int kat_mlkem_set(const char *name);
int kat_mldsa_set(const char *name);

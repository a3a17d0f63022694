/* SPDX-License-Identifier: Apache-2.0 */
/* test_certificates.h - a small P-256 authority for tests, which also signs what it should not. */
#pragma once

#include "shell/openssl/pki.h"

#define TEST_DOMAIN "test.mesh"
#define TEST_ID "spiffe://test.mesh/node/alpha"

struct test_authority {
	struct signing_key *key;
	struct buffer root; /* DER */
	struct span root_span;
};

struct test_leaf {
	const char *uris[2]; /* those that are not NULL */
	bool is_ca;
	int64_t not_before_s, not_after_s;
};

struct test_identity {
	struct signing_key *key;
	struct buffer cert; /* DER */
	struct span chain;
};

/* -1 when something fails. */
int test_authority_make(const char *domain, int64_t now_s, struct test_authority *ret);
void test_authority_done(struct test_authority *a);
int test_identity_make(const struct test_authority *a, const struct test_leaf *leaf,
		       struct test_identity *ret);
void test_identity_done(struct test_identity *i);

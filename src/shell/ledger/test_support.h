/* SPDX-License-Identifier: Apache-2.0 */
/* test_support.h - a ledger in a directory of its own, for the tests of this room. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shell/ledger/internal.h"
#include "shell/openssl/crypto_openssl.h"

#define SMALL_RESERVE (128U << 10)

static inline void fill_sevens(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 7, len);
}

static const struct entropy test_entropy = { .fill = fill_sevens };

static inline struct ledger_config test_config(void)
{
	return (struct ledger_config){
		.origin = "mesh.example/ledger/alice",
		.ops = openssl_crypto_ops(NULL),
		.crypto = openssl_note_crypto(),
		.entropy = &test_entropy,
		.reserve_bytes = SMALL_RESERVE,
	};
}

static inline void run_command(const char *format, const char *a, const char *b)
{
	char command[1024];

	/* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): two formats below */
	(void)snprintf(command, sizeof(command), format, a, b);
	/* NOLINTNEXTLINE(cert-env33-c): directories that this test made */
	(void)!system(command);
}

/* In memory where it can be: an fsync() of each of hundreds of ledgers would take minutes. */
static inline int set_up_directory(void **state)
{
	char *directory = strdup(access("/dev/shm", W_OK) == 0 ? "/dev/shm/x0-test-ledger-XXXXXX"
							       : "/tmp/x0-test-ledger-XXXXXX");

	*state = directory;
	return directory && mkdtemp(directory) && openssl_crypto_ops(NULL) ? 0 : -1;
}

static inline int tear_down_directory(void **state)
{
	run_command("rm -rf %s%s", *state, "");
	free(*state);
	return 0;
}

static inline struct ledger *open_ledger_of(const char *directory, size_t reserve_bytes)
{
	struct ledger_config config = test_config();
	struct ledger_error error = { "" };
	struct ledger *l = NULL;
	int r;

	config.reserve_bytes = reserve_bytes;
	r = ledger_open(directory, &config, &l, &error);
	if (r < 0)
		print_message("%s\n", error.text);
	assert_int_equal(r, 0);
	return l;
}

static inline struct ledger *open_ledger(const char *directory)
{
	return open_ledger_of(directory, SMALL_RESERVE);
}

/* The n-th entry of all tests. */
static inline struct ledger_entry nth(uint64_t n, char room[32])
{
	(void)snprintf(room, 32, "test.%llu", (unsigned long long)n);
	return (struct ledger_entry){
		.kind = LEDGER_NOTICE, .unix_ms = 1763766000000 + n, .who = "alice", .what = room
	};
}

static inline void append(struct ledger *l, uint64_t from, uint64_t to)
{
	char room[32];
	uint64_t index;

	for (; from < to; from++) {
		struct ledger_entry e = nth(from, room);

		int r = ledger_append(l, &e, &index);

		if (r == -EAGAIN && ledger_commit(l) == 0)
			r = ledger_append(l, &e, &index);
		assert_int_equal(r, 0);
		assert_int_equal(index, from);
	}
}

/* At least that many entries, each the one that was appended. Returns how many there are. */
static inline uint64_t check_entries(const char *directory, uint64_t n_min)
{
	struct ledger_config c = test_config();
	struct ledger_error error = { "" };
	struct ledger_view *v = NULL;
	uint64_t size;
	int r = ledger_view_open(directory, c.ops, c.crypto, &v, &error);

	if (r < 0)
		print_message("%s\n", error.text);
	assert_int_equal(r, 0);
	size = ledger_view_facts(v)->size;
	assert_true(size >= n_min);
	for (uint64_t i = 0; i < size; i++) {
		char room[32];
		struct ledger_entry_texts texts;
		struct ledger_entry e, expected = nth(i, room);
		struct span bytes;

		assert_int_equal(ledger_view_entry(v, i, &bytes), 0);
		assert_int_equal(ledger_entry_decode(bytes, &texts, &e), 0);
		assert_string_equal(e.what, expected.what);
	}
	ledger_view_close(v);
	return size;
}

static inline void print_found(void *user, const char *text)
{
	if (user)
		print_message("  %s\n", text);
}

static inline int verify_directory(const char *directory, bool is_loud)
{
	struct ledger_config c = test_config();
	struct ledger_error error = { "" };

	return ledger_verify(directory, c.ops, c.crypto, print_found, is_loud ? &c : NULL, &error);
}

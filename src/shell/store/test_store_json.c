/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "shell/store/store.h"

static char directory[64];
static struct store *store;
static struct store_error error;
static struct token_entry tokens[TOKENS_MAX + 1];
static struct token_entry tokens_back[TOKENS_MAX];
static struct store_peer peers[STORE_PEERS_MAX + 1];
static struct store_peer peers_back[STORE_PEERS_MAX];
#define REQUEST "0000000000000000000000000000000000000000000000000000000000000000"

static struct store_issued issued[STORE_ISSUED_MAX + 1];
static struct store_issued issued_back[STORE_ISSUED_MAX];

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(directory, "/tmp/x0-test-store-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	return store_open(directory, STORE_OWN, &store, &error);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	store_close(store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	(void)!system(command);
	return 0;
}

static void lists_that_were_never_saved_are_empty(void **state)
{
	(void)state;
	size_t n = 9;

	assert_int_equal(store_load_tokens(store, tokens_back, &n, &error), 0);
	assert_int_equal(n, 0);
	n = 9;
	assert_int_equal(store_load_peers(store, peers_back, &n, &error), 0);
	assert_int_equal(n, 0);
	n = 9;
	assert_int_equal(store_load_issued(store, issued_back, &n, &error), 0);
	assert_int_equal(n, 0);
}

static void a_full_register_of_tokens_is_read_back_and_one_more_is_refused(void **state)
{
	(void)state;
	size_t n = 0;

	for (size_t i = 0; i <= TOKENS_MAX; i++) {
		store_u64(tokens[i].id, i);
		memset(tokens[i].join_key, (int)i, sizeof(tokens[i].join_key));
		tokens[i].expires_s = (int64_t)1 << 40;
		tokens[i].n_uses = TOKEN_USES_MAX;
		tokens[i].n_uses_left = (uint32_t)i % (TOKEN_USES_MAX + 1);
		memset(tokens[i].uses, 0xaa, sizeof(tokens[i].uses));
		(void)snprintf(tokens[i].name, sizeof(tokens[i].name), "%s", i % 2 ? "roof-1" : "");
	}
	assert_int_equal(store_save_tokens(store, tokens, TOKENS_MAX + 1, &error), -ENOBUFS);
	assert_int_equal(store_save_tokens(store, tokens, TOKENS_MAX, &error), 0);
	assert_int_equal(store_load_tokens(store, tokens_back, &n, &error), 0);
	assert_int_equal(n, TOKENS_MAX);
	assert_memory_equal(tokens, tokens_back, sizeof(tokens_back));
}

static void a_full_list_of_peers_is_read_back_and_one_more_is_refused(void **state)
{
	(void)state;
	size_t n = 0;

	for (size_t i = 0; i <= STORE_PEERS_MAX; i++) {
		(void)snprintf(peers[i].spiffe_id, sizeof(peers[i].spiffe_id),
			       "spiffe://example.mesh/node/n%zu", i);
		peers[i].seen_s = (int64_t)i;
		peers[i].n_endpoints = i % (STORE_PEER_ENDPOINTS_MAX + 1);
		for (size_t e = 0; e < peers[i].n_endpoints; e++)
			assert_int_equal(endpoint_parse(e % 2 ? "[fe80::1%3]:26969" : "192.0.2.7:1",
							0, &peers[i].endpoints[e]),
					 0);
	}
	assert_int_equal(store_save_peers(store, peers, STORE_PEERS_MAX + 1, &error), -ENOBUFS);
	assert_int_equal(store_save_peers(store, peers, STORE_PEERS_MAX, &error), 0);
	assert_int_equal(store_load_peers(store, peers_back, &n, &error), 0);
	assert_int_equal(n, STORE_PEERS_MAX);
	assert_memory_equal(peers, peers_back, sizeof(peers_back));
}

static void a_full_list_of_certified_nodes_is_read_back_and_one_more_is_refused(void **state)
{
	(void)state;
	size_t n = 0;

	for (size_t i = 0; i <= STORE_ISSUED_MAX; i++) {
		(void)snprintf(issued[i].name, sizeof(issued[i].name), "n%zu", i);
		issued[i].node_id = UINT64_MAX - i;
		memset(issued[i].serial, (int)i, sizeof(issued[i].serial));
		issued[i].not_after_s = (int64_t)i;
		issued[i].is_revoked = i % 3 == 0;
		memset(issued[i].request, (int)i, sizeof(issued[i].request));
	}
	assert_int_equal(store_save_issued(store, issued, STORE_ISSUED_MAX + 1, &error), -ENOBUFS);
	assert_int_equal(store_save_issued(store, issued, STORE_ISSUED_MAX, &error), 0);
	assert_int_equal(store_load_issued(store, issued_back, &n, &error), 0);
	assert_int_equal(n, STORE_ISSUED_MAX);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(issued_back[i].name, issued[i].name);
		assert_true(issued_back[i].node_id == issued[i].node_id);
		assert_memory_equal(issued_back[i].serial, issued[i].serial, SERIAL_LEN);
		assert_int_equal(issued_back[i].not_after_s, issued[i].not_after_s);
		assert_int_equal(issued_back[i].is_revoked, issued[i].is_revoked);
		assert_memory_equal(issued_back[i].request, issued[i].request, SHA256_LEN);
	}
}

#define KEY "\"join_key\": \"0000000000000000000000000000000000000000000000000000000000000000\""
#define TOKEN(id, name, left, expires, uses)                                      \
	"{\"version\": 1, \"tokens\": [{\"id\": " id ", " KEY ", \"name\": " name \
	", \"uses_left\": " left ", \"expires\": " expires ", \"uses\": " uses "}]}"
#define ID "\"0102030405060708\""

static void a_register_that_is_not_as_written_is_refused_with_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part_of_error;
	} cases[] = {
		{ "", "line 1" },
		{ "{\n\"version\": 1,\n", "line 3" },
		{ "[]", "" },
		{ "{\"version\": 1}", "tokens" },
		{ "{\"version\": 2, \"tokens\": []}", "version 2" },
		{ "{\"version\": 1, \"tokens\": {}}", "not an array" },
		{ "{\"version\": 1, \"tokens\": [], \"more\": 1}", "more" },
		{ "{\"version\": 1, \"version\": 1, \"tokens\": []}", "duplicate" },
		{ "{\"version\": 1, \"tokens\": []} x", "line 1" },
		{ "{\"version\": 1, \"tokens\": [7]}", "entry 1" },
		{ "{\"version\": 1, \"tokens\": [{}]}", "entry 1" },
		{ TOKEN("7", "\"\"", "1", "1", "[]"), "Expected string" },
		{ TOKEN("\"01\"", "\"\"", "1", "1", "[]"), "\"id\"" },
		{ TOKEN("\"AA02030405060708\"", "\"\"", "1", "1", "[]"), "\"id\"" },
		{ TOKEN(ID, "\"-x\"", "1", "1", "[]"), "\"name\"" },
		{ TOKEN(ID, "\"\"", "17", "1", "[]"), "\"uses_left\"" },
		{ TOKEN(ID, "\"\"", "-1", "1", "[]"), "\"uses_left\"" },
		{ TOKEN(ID, "\"\"", "1.5", "1", "[]"), "Expected integer" },
		{ TOKEN(ID, "\"\"", "1", "-1", "[]"), "\"expires\"" },
		{ TOKEN(ID, "\"\"", "1", "1", "7"), "\"uses\"" },
		{ TOKEN(ID, "\"\"", "1", "1", "[7]"), "\"uses\"" },
		{ TOKEN(ID, "\"\"", "1", "1", "[\"00\"]"), "\"uses\"" },
		{ TOKEN(ID, "\"\"", "1", "1", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"), "at most" },
	};
	size_t n = 9;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span text = SPAN(cases[i].text, strlen(cases[i].text));

		assert_int_equal(store_decode_tokens(text, tokens_back, &n, &error), -EBADMSG);
		if (!strstr(error.text, cases[i].part_of_error))
			fail_msg("%s: %s", cases[i].text, error.text);
	}
	assert_int_equal(n, 9);
	struct span good = SPAN_STR(TOKEN(ID, "\"roof\"", "1", "1", "[]"));

	assert_int_equal(store_decode_tokens(good, tokens_back, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_string_equal(tokens_back[0].name, "roof");
}

static void peers_and_certified_nodes_are_read_as_strictly(void **state)
{
	(void)state;
	static const char *const bad_peers[] = {
		"{\"id\": \"spiffe://d/node/A\", \"seen\": 1, \"endpoints\": []}",
		"{\"id\": \"spiffe://d/node/a\", \"seen\": -1, \"endpoints\": []}",
		"{\"id\": \"spiffe://d/node/a\", \"seen\": 1, \"endpoints\": 1}",
		"{\"id\": \"spiffe://d/node/a\", \"seen\": 1, \"endpoints\": [1]}",
		"{\"id\": \"spiffe://d/node/a\", \"seen\": 1, \"endpoints\": [\"192.0.2.1\"]}",
		"{\"id\": \"spiffe://d/node/a\", \"seen\": 1, \"endpoints\": [\"h:1\"]}",
		"{\"id\": \"spiffe://d/node/a\", \"seen\": 1}",
	};
	static const char *const bad_issued[] = {
		"{\"name\": \"A\", \"node_id\": \"0000000000000001\", \"serial\": "
		"\"0000000000000000000000000000000000000000\", \"not_after\": 1, \"revoked\": "
		"true, \"request\": \"" REQUEST "\"}",
		"{\"name\": \"a\", \"node_id\": \"0000000000000000\", \"serial\": "
		"\"0000000000000000000000000000000000000000\", \"not_after\": 1, \"revoked\": "
		"true, \"request\": \"" REQUEST "\"}",
		"{\"name\": \"a\", \"node_id\": \"0000000000000001\", \"serial\": "
		"\"00\", \"not_after\": 1, \"revoked\": true, \"request\": \"" REQUEST "\"}",
		"{\"name\": \"a\", \"node_id\": \"0000000000000001\", \"serial\": "
		"\"0000000000000000000000000000000000000000\", \"not_after\": 1, \"revoked\": 1, "
		"\"request\": \"" REQUEST "\"}",
		"{\"name\": \"a\", \"node_id\": \"0000000000000001\", \"serial\": "
		"\"0000000000000000000000000000000000000000\", \"not_after\": 1, \"revoked\": "
		"true, \"request\": \"00\"}",
	};
	char text[1024];
	size_t n;

	for (size_t i = 0; i < sizeof(bad_peers) / sizeof(bad_peers[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"version\": 1, \"peers\": [%s]}",
			       bad_peers[i]);
		if (store_decode_peers(SPAN(text, strlen(text)), peers_back, &n, &error) !=
		    -EBADMSG)
			fail_msg("accepted: %s", text);
	}
	for (size_t i = 0; i < sizeof(bad_issued) / sizeof(bad_issued[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"version\": 1, \"issued\": [%s]}",
			       bad_issued[i]);
		if (store_decode_issued(SPAN(text, strlen(text)), issued_back, &n, &error) !=
		    -EBADMSG)
			fail_msg("accepted: %s", text);
	}
}

static void a_damaged_list_is_told_with_its_path_and_stays(void **state)
{
	(void)state;
	struct store_value v = { 0 };
	size_t n = 9;

	assert_int_equal(store_write(store, STORE_TOKENS, SPAN_STR("{\"version\""), &error), 0);
	assert_int_equal(store_load_tokens(store, tokens_back, &n, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "/tokens.json: line 1"));
	assert_int_equal(n, 9);
	assert_int_equal(store_read(store, STORE_TOKENS, &v, &error), 0);
	assert_int_equal(v.len, 10);
	store_value_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_that_were_never_saved_are_empty),
		cmocka_unit_test(a_full_register_of_tokens_is_read_back_and_one_more_is_refused),
		cmocka_unit_test(a_full_list_of_peers_is_read_back_and_one_more_is_refused),
		cmocka_unit_test(
			a_full_list_of_certified_nodes_is_read_back_and_one_more_is_refused),
		cmocka_unit_test(a_register_that_is_not_as_written_is_refused_with_what_is_wrong),
		cmocka_unit_test(peers_and_certified_nodes_are_read_as_strictly),
		cmocka_unit_test(a_damaged_list_is_told_with_its_path_and_stays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

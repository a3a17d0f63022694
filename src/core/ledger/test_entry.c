/* SPDX-License-Identifier: Apache-2.0 */
/* One encoding for one entry, and nothing else is read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ledger/entry.h"

static const struct ledger_entry whole = {
	.kind = LEDGER_RESULT,
	.is_disk = true,
	.unix_ms = 1763766000123,
	.incident = UINT64_MAX,
	.action = 7,
	.who = "spiffe://mesh.example/node/alice",
	.what = "disk.clean",
	.where = "alice",
	.why = "the disk is \"full\":\n\\ \x01 \x7f \xc3\xa9 \xf0\x9f\x98\x80",
	.result = "done",
};
static const char whole_text[] =
	"{\"action\":\"7\",\"disk\":true,\"incident\":\"18446744073709551615\",\"kind\":\"result\","
	"\"result\":\"done\",\"v\":1,\"what\":\"disk.clean\",\"when\":1763766000123,"
	"\"where\":\"alice\",\"who\":\"spiffe://mesh.example/node/alice\","
	"\"why\":\"the disk is \\\"full\\\":\\n\\\\ \\u0001 \x7f \xc3\xa9 \xf0\x9f\x98\x80\"}";

static void an_entry_has_the_text_of_rfc_8785(void **state)
{
	(void)state;
	uint8_t text[LEDGER_ENTRY_MAX];
	size_t len;

	assert_int_equal(ledger_entry_encode(&whole, text, sizeof(text), &len), 0);
	assert_int_equal(len, strlen(whole_text));
	assert_memory_equal(text, whole_text, len);
	assert_int_equal(ledger_entry_encode(&whole, text, len - 1, &len), -ENOBUFS);
}

static void an_entry_comes_back_as_it_was(void **state)
{
	(void)state;
	struct ledger_entry_texts texts;
	struct ledger_entry e;

	assert_int_equal(ledger_entry_decode(SPAN_STR(whole_text), &texts, &e), 0);
	assert_int_equal(e.kind, whole.kind);
	assert_true(e.is_disk);
	assert_int_equal(e.unix_ms, whole.unix_ms);
	assert_int_equal(e.incident, whole.incident);
	assert_int_equal(e.action, whole.action);
	assert_string_equal(e.who, whole.who);
	assert_string_equal(e.what, whole.what);
	assert_string_equal(e.where, whole.where);
	assert_string_equal(e.why, whole.why);
	assert_string_equal(e.result, whole.result);
}

static void members_that_say_nothing_are_left_out(void **state)
{
	(void)state;
	static const char expected[] =
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"join\",\"when\":0,\"who\":\"a\"}";
	struct ledger_entry e = { .kind = LEDGER_NOTICE, .who = "a", .what = "join" };
	struct ledger_entry_texts texts;
	uint8_t text[LEDGER_ENTRY_MAX];
	size_t len;

	assert_int_equal(ledger_entry_encode(&e, text, sizeof(text), &len), 0);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(text, expected, len);
	assert_int_equal(ledger_entry_decode(SPAN(text, len), &texts, &e), 0);
	assert_null(e.where);
	assert_null(e.why);
	assert_null(e.result);
}

static void the_longest_entry_fits(void **state)
{
	(void)state;
	char name[LEDGER_NAME_MAX + 2], text[LEDGER_TEXT_MAX + 2];
	struct ledger_entry e = whole;
	struct ledger_entry_texts texts;
	uint8_t to[LEDGER_ENTRY_MAX];
	size_t len;

	memset(name, 1, sizeof(name));
	memset(text, 2, sizeof(text));
	name[LEDGER_NAME_MAX] = text[LEDGER_TEXT_MAX] = '\0';
	e.unix_ms = LEDGER_UNIX_MS_MAX;
	e.action = UINT64_MAX;
	e.who = e.what = e.where = name;
	e.why = e.result = text;
	assert_int_equal(ledger_entry_encode(&e, to, sizeof(to), &len), 0);
	assert_int_equal(ledger_entry_decode(SPAN(to, len), &texts, &e), 0);
	assert_int_equal(strlen(e.result), LEDGER_TEXT_MAX);
}

static void what_cannot_be_written_is_refused(void **state)
{
	(void)state;
	char name[LEDGER_NAME_MAX + 2];
	uint8_t to[LEDGER_ENTRY_MAX];
	size_t len;
	static const char *const not_text[] = {
		"",
		"\xff",
		"\xc3",
		"\xc0\x80",
		"\xed\xa0\x80",
		"\xe2\x82",
		"\xf5\x80\x80\x80",
		"\xf4\x90\x80\x80",
		"\xe0\x80\xaf",
		"a\x80",
	};

	memset(name, 'n', sizeof(name));
	name[LEDGER_NAME_MAX + 1] = '\0';
	for (size_t i = 0; i < sizeof(not_text) / sizeof(not_text[0]); i++) {
		struct ledger_entry e = whole;

		e.why = not_text[i];
		assert_int_equal(ledger_entry_encode(&e, to, sizeof(to), &len), -EINVAL);
	}
	struct ledger_entry e = whole;
	e.where = name;
	assert_int_equal(ledger_entry_encode(&e, to, sizeof(to), &len), -EINVAL);
	e = whole;
	e.who = NULL;
	assert_int_equal(ledger_entry_encode(&e, to, sizeof(to), &len), -EINVAL);
	e = whole;
	e.unix_ms = LEDGER_UNIX_MS_MAX + 1;
	assert_int_equal(ledger_entry_encode(&e, to, sizeof(to), &len), -EINVAL);
	e = whole;
	e.kind = (enum ledger_kind)0;
	assert_int_equal(ledger_entry_encode(&e, to, sizeof(to), &len), -EINVAL);
	e.kind = (enum ledger_kind)4;
	assert_int_equal(ledger_entry_encode(&e, to, sizeof(to), &len), -EINVAL);
}

static void other_texts_of_the_same_entry_are_refused(void **state)
{
	(void)state;
	static const char *const others[] = {
		"{\"v\":1,\"kind\":\"notice\",\"what\":\"j\",\"when\":0,\"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"j\",\"when\":00,\"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"j\",\"when\":0, \"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"j\",\"when\":0,\"who\":\"\\u0061\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"\\u000a\",\"when\":0,\"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"\\u001F\",\"when\":0,\"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"\\u0000\",\"when\":0,\"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"j\",\"when\":0,\"who\":\"a\"}\n",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"\n\",\"when\":0,\"who\":\"a\"}",
		"{\"incident\":\"0\",\"kind\":\"notice\",\"v\":1,\"what\":\"j\",\"when\":0,\"who\":"
		"\"a\"}",
		"{\"disk\":false,\"kind\":\"notice\",\"v\":1,\"what\":\"j\",\"when\":0,\"who\":"
		"\"a\"}",
		"{\"incident\":\"18446744073709551616\",\"kind\":\"notice\",\"v\":1,\"what\":\"j\","
		"\"when\":0,\"who\":\"a\"}",
		"{\"kind\":\"other\",\"v\":1,\"what\":\"j\",\"when\":0,\"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":2,\"what\":\"j\",\"when\":0,\"who\":\"a\"}",
		"{\"kind\":\"notice\",\"v\":1,\"what\":\"j\",\"when\":9007199254740992,\"who\":"
		"\"a\"}",
		"",
	};
	struct ledger_entry_texts texts;
	struct ledger_entry e;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(
			ledger_entry_decode(SPAN(others[i], strlen(others[i])), &texts, &e),
			-EBADMSG);
}

static void no_beginning_of_an_entry_is_one(void **state)
{
	(void)state;
	struct ledger_entry_texts texts;
	struct ledger_entry e;

	for (size_t n = 0; n < strlen(whole_text); n++)
		assert_int_equal(ledger_entry_decode(SPAN(whole_text, n), &texts, &e), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_has_the_text_of_rfc_8785),
		cmocka_unit_test(an_entry_comes_back_as_it_was),
		cmocka_unit_test(members_that_say_nothing_are_left_out),
		cmocka_unit_test(the_longest_entry_fits),
		cmocka_unit_test(what_cannot_be_written_is_refused),
		cmocka_unit_test(other_texts_of_the_same_entry_are_refused),
		cmocka_unit_test(no_beginning_of_an_entry_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

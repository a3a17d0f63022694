/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON and as mail, whatever is in them. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "shell/notify/format.h"

static struct note note_of(const char *title, const char *text)
{
	const struct notify_message m = {
		.severity = NOTIFY_SERIOUS,
		.incident = 7,
		.title = title,
		.text = text,
		.unix_ms = 1795219200000,
	};
	struct note n;

	format_note(&m, 0xabc, &n);
	return n;
}

static void a_webhook_gets_json_with_a_number_of_its_own(void **state)
{
	(void)state;
	struct note n = note_of("berlin-2 drops packets", "It takes \"all\" and\nhands on none.");
	CLEANUP_FREE char *text = format_webhook(&n, "spiffe://x/node/a");
	json_t *j = json_loads(text, 0, NULL);

	assert_string_equal(json_string_value(json_object_get(j, "id")), "0000000000000abc");
	assert_string_equal(json_string_value(json_object_get(j, "severity")), "serious");
	assert_string_equal(json_string_value(json_object_get(j, "text")),
			    "It takes \"all\" and\nhands on none.");
	assert_int_equal(json_integer_value(json_object_get(j, "incident")), 7);
	json_decref(j);
}

static void a_mail_has_its_head_and_short_lines(void **state)
{
	(void)state;
	struct note n = note_of("t", ".\nFrom: x\n=5 caf\xc3\xa9 \nend");
	CLEANUP_FREE char *text = format_mail(&n, "node", "a@b.example", "c@d.example");

	assert_non_null(strstr(text, "From: <a@b.example>\r\nTo: <c@d.example>\r\n"));
	assert_non_null(strstr(text, "Subject: [x0] serious: t\r\n"));
	assert_non_null(strstr(text, "Date: Sat, 21 Nov 2026 00:00:00 +0000\r\n"));
	assert_non_null(strstr(text, "Message-ID: <x0.0000000000000abc@b.example>\r\n"));
	assert_non_null(strstr(text, "\r\n=2E\r\nFrom: x\r\n=3D5 caf=C3=A9=20\r\nend\r\n"));
}

static void no_title_makes_a_head_line(void **state)
{
	(void)state;
	struct note n = note_of("x\r\nBcc: <e@f.example>\r\n\r\nhello", "");
	CLEANUP_FREE char *text = format_mail(&n, "node", "a@b.example", "c@d.example");

	assert_null(strstr(text, "\nBcc"));
	assert_non_null(strstr(text, "serious: x??Bcc: <e@f.example>????hello\r\n"));
}

static void what_is_no_utf_8_becomes_question_marks(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x01", "\x7f",
	};

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		struct note n = note_of(wrong[i], "\xc3\xa9\t");

		assert_int_equal(strspn(n.title, "?"), strlen(wrong[i]));
		assert_string_equal(n.text, "\xc3\xa9?");
	}
}

static void what_is_too_long_is_cut_between_characters(void **state)
{
	(void)state;
	static char text[3 * NOTIFY_TEXT_SIZE];
	struct note n;

	for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
		text[i] = (char)0xc3;
		text[i + 1] = (char)0xa9;
	}
	n = note_of(text, text);
	assert_int_equal(strlen(n.title), NOTIFY_TITLE_SIZE - 2);
	assert_int_equal(strlen(n.text), NOTIFY_TEXT_SIZE - 2);
}

static void addresses_are_one_address(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"", "a", "@b", "a@", "a@b c", "a@b>\r\nDATA", "a b@c", "a@b,c@d", "-a@b", "a@b@c",
	};
	char long_one[400];

	assert_true(format_is_address("first.last+x0@mail.example.org"));
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		assert_false(format_is_address(wrong[i]));
	memset(long_one, 'a', sizeof(long_one));
	long_one[2] = '@';
	long_one[sizeof(long_one) - 1] = '\0';
	assert_false(format_is_address(long_one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_webhook_gets_json_with_a_number_of_its_own),
		cmocka_unit_test(a_mail_has_its_head_and_short_lines),
		cmocka_unit_test(no_title_makes_a_head_line),
		cmocka_unit_test(what_is_no_utf_8_becomes_question_marks),
		cmocka_unit_test(what_is_too_long_is_cut_between_characters),
		cmocka_unit_test(addresses_are_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

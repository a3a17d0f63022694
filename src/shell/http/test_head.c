/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests: those that are taken, and each way in which one is not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "shell/http/head.h"

#define LINE "GET / HTTP/1.1\r\n"

/* 0, the status of the refusal, or -EAGAIN. */
static int read_bytes_as_head(struct span in, struct head *ret)
{
	struct head_scan scan = { 0 };
	struct http_refusal why = { 0 };
	size_t len = 0;
	int r = head_scan(&scan, in, &len, &why);

	if (r == -EAGAIN)
		return r;
	if (r == 0)
		r = head_parse(SPAN(in.at + scan.begin, len - scan.begin), ret, &why);
	return r < 0 ? (int)why.status : 0;
}

static int read_head(const char *text, struct head *ret)
{
	return read_bytes_as_head(SPAN(text, strlen(text)), ret);
}

static void assert_span(struct span s, const char *expected)
{
	assert_int_equal(s.len, strlen(expected));
	assert_memory_equal(s.at, expected, s.len);
}

static void a_head_is_taken_apart(void **state)
{
	struct head h = { .n = 0 };
	struct span value = { 0 };

	(void)state;
	assert_int_equal(
		read_head("POST /a?b=c HTTP/1.1\r\nHost: x\r\nEmpty:\r\nX-A: \t b  c \r\n\r\n"
			  "GET /next",
			  &h),
		0);
	assert_span(h.method, "POST");
	assert_span(h.target, "/a?b=c");
	assert_false(h.is_old);
	assert_int_equal(h.n, 3);
	assert_int_equal(head_find(&h, "x-a", &value), 1);
	assert_span(value, "b  c");
	assert_int_equal(head_find(&h, "EMPTY", &value), 1);
	assert_span(value, "");
	assert_int_equal(head_find(&h, "absent", &value), 0);
	assert_int_equal(read_head("GET / HTTP/1.0\r\n\r\n", &h), 0);
	assert_true(h.is_old);
}

static void the_end_is_found_in_whatever_pieces_it_comes(void **state)
{
	static const char text[] = "\r\n" LINE "Host: localhost\r\n\r\nbody";
	struct head_scan scan = { 0 };
	struct http_refusal why;
	size_t end = strlen(text) - 4;
	size_t len = 0;

	(void)state;
	for (size_t n = 0; n < end; n++)
		assert_int_equal(head_scan(&scan, SPAN(text, n), &len, &why), -EAGAIN);
	assert_int_equal(head_scan(&scan, SPAN(text, end + 2), &len, &why), 0);
	assert_int_equal(len, end);
	assert_int_equal(scan.begin, 2); /* one empty line before it is read over */
	assert_int_equal(read_head("\r\n\r\n" LINE "\r\n", &(struct head){ .n = 0 }), 400);
}

static void what_is_no_head_is_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "GET / HTTP/1.1\nHost: x\n\n", 400 },	    /* LF alone */
		{ LINE "Host: x\r\rX: y\r\n\r\n", 400 },    /* CR alone */
		{ LINE "Host: x\r\n folded\r\n\r\n", 400 }, /* obs-fold */
		{ LINE "\tHost: x\r\n\r\n", 400 },
		{ LINE "Host : x\r\n\r\n", 400 }, /* a space before the colon */
		{ LINE ": x\r\n\r\n", 400 },
		{ LINE "no colon\r\n\r\n", 400 },
		{ LINE "X: a\x01\r\n\r\n", 400 },
		{ LINE "X: a\x7f\r\n\r\n", 400 },
		{ LINE "X\xc3\xa4: a\r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1 \r\n\r\n", 400 },
		{ " GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET /a b HTTP/1.1\r\n\r\n", 400 },
		{ "GET\t/ HTTP/1.1\r\n\r\n", 400 },
		{ "GET / http/1.1\r\n\r\n", 400 },
		{ "GET /\r\n\r\n", 400 }, /* HTTP/0.9 */
		{ "GET / HTTP/1.10\r\n\r\n", 400 },
		{ "GET /\xff HTTP/1.1\r\n\r\n", 400 },
		{ "GET /#a HTTP/1.1\r\n\r\n", 400 },
		{ "G(T / HTTP/1.1\r\n\r\n", 400 },
		{ "\x16\x03\x01", 400 }, /* TLS */
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
	};
	struct head h;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		if (read_head(cases[i].text, &h) != cases[i].status)
			fail_msg("%zu: %d", i, read_head(cases[i].text, &h));
	assert_int_equal(read_bytes_as_head(SPAN_STR(LINE "X: a\0b\r\n\r\n"), &h), 400);
}

static void a_head_has_8_kib_and_64_lines(void **state)
{
	static char text[HTTP_HEADERS_MAX + 64];
	struct head h;
	size_t len;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(read_bytes_as_head(SPAN(text, HTTP_HEADERS_MAX), &h), -EAGAIN);
	assert_int_equal(read_bytes_as_head(SPAN(text, HTTP_HEADERS_MAX + 1), &h), 414);
	for (size_t more = 0; more < 2; more++) {
		len = HTTP_HEADERS_MAX + more;
		assert_int_equal(snprintf(text, sizeof(text), LINE "X:%0*u\r\n\r\n",
					  (int)(len - strlen(LINE "X:\r\n\r\n")), 0U),
				 len);
		assert_int_equal(read_head(text, &h), more ? 431 : 0);
	}
	len = (size_t)snprintf(text, sizeof(text), LINE);
	for (unsigned i = 0; i < HEAD_FIELDS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "X:\r\n");
	(void)snprintf(text + len, sizeof(text) - len, "\r\n");
	assert_int_equal(read_head(text, &h), 0);
	assert_int_equal(h.n, HEAD_FIELDS_MAX);
	(void)snprintf(text + len, sizeof(text) - len, "X:\r\n\r\n");
	assert_int_equal(read_head(text, &h), 431);
}

static void the_body_has_one_length_of_digits(void **state)
{
	static const struct {
		const char *fields;
		bool takes_body;
		int status;
		size_t len;
	} cases[] = {
		{ "Content-Length: 5\r\n", true, 0, 5 },
		{ "content-length:\t5 \r\n", true, 0, 5 },
		{ "Content-Length: 00005\r\n", true, 0, 5 },
		{ "Content-Length: 65536\r\n", true, 0, 65536 },
		{ "Content-Length: 65537\r\n", true, 413, 0 },
		{ "Content-Length: 99999999999999999999999999999999\r\n", true, 413, 0 },
		{ "Content-Length: 5\r\nContent-Length: 5\r\n", true, 400, 0 },
		{ "Content-Length: 5, 5\r\n", true, 400, 0 },
		{ "Content-Length: 0x10\r\n", true, 400, 0 },
		{ "Content-Length: +5\r\n", true, 400, 0 },
		{ "Content-Length: -5\r\n", true, 400, 0 },
		{ "Content-Length: 5 5\r\n", true, 400, 0 },
		{ "Content-Length:\r\n", true, 400, 0 },
		{ "", true, 411, 0 },
		{ "", false, 0, 0 },
		{ "Content-Length: 0\r\n", false, 0, 0 },
		{ "Content-Length: 1\r\n", false, 400, 0 },
		{ "Transfer-Encoding: chunked\r\n", true, 501, 0 },
		{ "Transfer-Encoding:\r\n", false, 501, 0 },
		{ "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n", true, 501, 0 },
		{ "Expect: 100-continue\r\nContent-Length: 5\r\n", true, 417, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct http_refusal why = { 0 };
		char text[256];
		struct head h;
		size_t len;
		int r;

		(void)snprintf(text, sizeof(text), LINE "%s\r\n", cases[i].fields);
		assert_int_equal(read_head(text, &h), 0);
		r = head_body_len(&h, cases[i].takes_body, &len, &why);
		if ((r < 0 ? (int)why.status : 0) != cases[i].status || len != cases[i].len)
			fail_msg("%s: %d %u %zu", cases[i].fields, r, why.status, len);
	}
}

static void fields_of_one_name_are_one_list(void **state)
{
	char text[16];
	struct head h;

	(void)state;
	assert_int_equal(read_head(LINE "A: b\r\nConnection: x ,Close\r\na: c\r\n"
					"Connection: upgrade\r\nB: \x01\r\n\r\n",
				   &h),
			 400);
	assert_int_equal(read_head(LINE "A: b\r\nConnection: x ,Close\r\na: c\r\n"
					"Connection: upgrade\r\nB: \xff\r\n\r\n",
				   &h),
			 0);
	assert_int_equal(head_find(&h, "a", NULL), 2);
	assert_int_equal(head_copy(&h, "a", text, 5), 0);
	assert_string_equal(text, "b, c");
	assert_int_equal(head_copy(&h, "a", text, 4), -EMSGSIZE);
	assert_int_equal(head_copy(&h, "b", text, sizeof(text)), -EBADMSG);
	assert_int_equal(head_copy(&h, "c", text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_true(head_has_member(&h, "connection", "close"));
	assert_true(head_has_member(&h, "connection", "upgrade"));
	assert_true(head_has_member(&h, "connection", "X"));
	assert_false(head_has_member(&h, "connection", "clos"));
}

static int decode(const char *text, bool is_argument, char *ret, size_t size)
{
	return head_decode(SPAN(text, strlen(text)), is_argument, ret, size);
}

static void a_target_is_decoded_once_and_climbs_nowhere(void **state)
{
	static const char *const wrong[] = { "/%",   "/%4",  "/%4g",   "/%00",	"/%0a",
					     "/%7f", "/%ff", "/a%2fb", "/a%2Fb" };
	char text[16];

	(void)state;
	assert_int_equal(decode("/a%20b%2525+", false, text, sizeof(text)), 0);
	assert_string_equal(text, "/a b%25+");
	assert_int_equal(decode("a=b+%3d%C3%A4", true, text, sizeof(text)), 0);
	assert_string_equal(text, "a=b =\xc3\xa4");
	assert_int_equal(decode("a=b%2fc", true, text, sizeof(text)), 0);
	assert_string_equal(text, "a=b/c");
	assert_int_equal(decode("a%3db=c", true, text, sizeof(text)), -EBADMSG);
	assert_int_equal(decode("/23456789abcdef", false, text, sizeof(text)), 0);
	assert_int_equal(decode("/23456789abcdefg", false, text, sizeof(text)), -EMSGSIZE);
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		assert_int_equal(decode(wrong[i], false, text, sizeof(text)), -EBADMSG);
	assert_true(head_path_climbs("/a/.."));
	assert_true(head_path_climbs("/./a"));
	assert_true(head_path_climbs("/../"));
	assert_false(head_path_climbs("/"));
	assert_false(head_path_climbs("/.a/..b/c./..."));
}

static void look_at_target(const char *text, const char *authority, const char *path,
			   const char *query)
{
	const struct head h = { .target = SPAN(text, strlen(text)) };
	struct head_target t;

	head_target(&h, "http", &t);
	assert_span(t.authority, authority);
	assert_span(t.path, path);
	assert_span(t.query, query);
}

static void a_target_is_a_path_or_a_whole_url(void **state)
{
	(void)state;
	look_at_target("/a?b?c", "", "/a", "b?c");
	look_at_target("/", "", "/", "");
	look_at_target("?a", "", "", "a");
	look_at_target("http://x:1/a/b?c=/d", "x:1", "/a/b", "c=/d");
	look_at_target("HTTP://x", "x", "/", "");
	look_at_target("http://x?a", "x", "/", "a");
	look_at_target("http://u@x/", "u@x", "/", "");
	look_at_target("http:///a", "", "http:///a", "");
	look_at_target("http://", "", "http://", "");
	look_at_target("http:/", "", "http:/", "");
	look_at_target("https://x/a?b", "", "https://x/a", "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_taken_apart),
		cmocka_unit_test(the_end_is_found_in_whatever_pieces_it_comes),
		cmocka_unit_test(what_is_no_head_is_refused),
		cmocka_unit_test(a_head_has_8_kib_and_64_lines),
		cmocka_unit_test(the_body_has_one_length_of_digits),
		cmocka_unit_test(fields_of_one_name_are_one_list),
		cmocka_unit_test(a_target_is_decoded_once_and_climbs_nowhere),
		cmocka_unit_test(a_target_is_a_path_or_a_whole_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the demo's file server: it answers every request that ends, and only for its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/demo_internal.h"

#define BODY "what is in the file"

/* The whole answer to a request, after which the client says no more. */
static void ask(const char *request, size_t len, char ret[4096])
{
	char path[] = "/tmp/x0-test-http-XXXXXX";
	size_t at = 0;
	ssize_t n;
	int ends[2];
	int file = mkstemp(path);

	assert_true(file >= 0);
	assert_int_equal(write(file, BODY, strlen(BODY)), strlen(BODY));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(write(ends[0], request, len), len);
	(void)shutdown(ends[0], SHUT_WR);
	http_serve(ends[1], path);
	(void)close(ends[1]);
	while ((n = read(ends[0], ret + at, 4095 - at)) > 0)
		at += (size_t)n;
	ret[at] = '\0';
	(void)close(ends[0]);
	(void)close(file);
	(void)unlink(path);
}

static void get_brings_the_file_and_head_only_its_length(void **state)
{
	static const char get[] = "GET /file HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char head[] = "HEAD /file HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[4096];

	(void)state;
	ask(get, strlen(get), answer);
	assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
	assert_non_null(strstr(answer, "Content-Length: 19\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n" BODY);
	ask(head, strlen(head), answer);
	assert_non_null(strstr(answer, "Content-Length: 19\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

static void what_it_does_not_have_or_understand_is_refused(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
		{ "GET /other HTTP/1.1\r\n\r\n", "HTTP/1.1 404 " },
		{ "GET /file/../../etc/passwd HTTP/1.1\r\n\r\n", "HTTP/1.1 40" },
		{ "POST /file HTTP/1.1\r\n\r\n", "HTTP/1.1 405 " },
		{ "GET /file\r\n\r\n", "HTTP/1.1 400 " },
		{ "GET /file SPDY/3\r\n\r\n", "HTTP/1.1 400 " },
		{ "\r\n\r\n", "HTTP/1.1 400 " },
	};
	char answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(cases[i].request, strlen(cases[i].request), answer);
		assert_int_equal(strncmp(answer, cases[i].status, strlen(cases[i].status)), 0);
		assert_null(strstr(answer, BODY));
	}
}

static void a_request_that_does_not_end_gets_no_file(void **state)
{
	static char endless[9000];
	char answer[4096];

	(void)state;
	ask("GET /file HTTP/1.1\r\n", 20, answer);
	assert_string_equal(answer, "");
	memset(endless, 'a', sizeof(endless));
	ask(endless, sizeof(endless), answer);
	assert_ptr_equal(strstr(answer, "HTTP/1.1 431 "), answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_brings_the_file_and_head_only_its_length),
		cmocka_unit_test(what_it_does_not_have_or_understand_is_refused),
		cmocka_unit_test(a_request_that_does_not_end_gets_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

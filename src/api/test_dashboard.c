/* SPDX-License-Identifier: Apache-2.0 */
/* The dashboard's files as they are in the program: whole, or none and why. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/dashboard.h"

static void skip_where_it_is_off(void)
{
	if (!dashboard_why_off())
		return;
	print_message("SKIPPED: the dashboard's files were NOT tested: %s\n", dashboard_why_off());
	skip();
}

static void it_is_there_or_says_why_not(void **state)
{
	(void)state;
	if (dashboard_why_off())
		assert_true(strlen(dashboard_why_off()) > 10 && dashboard_n_files == 0);
	else
		assert_non_null(dashboard_find(DASHBOARD_PAGE));
	assert_null(dashboard_find("nothing.js"));
	assert_null(dashboard_find(""));
}

static void each_file_has_a_type_an_etag_and_content(void **state)
{
	(void)state;
	skip_where_it_is_off();
	for (size_t i = 0; i < dashboard_n_files; i++) {
		const struct dashboard_file *f = &dashboard_files[i];

		assert_true(f->plain.len > 0);
		assert_non_null(strchr(f->content_type, '/'));
		assert_memory_equal(f->etag, "W/\"", 3);
		assert_int_equal(f->etag[strlen(f->etag) - 1], '"');
		assert_ptr_equal(dashboard_find(f->name), f); /* no name twice */
		if (f->gzip.len > 0) {
			assert_memory_equal(f->gzip.at, "\x1f\x8b", 2); /* RFC 1952 2.3.1 */
			assert_true(f->gzip.len < f->plain.len);
		}
	}
}

static void the_page_names_nothing_from_elsewhere(void **state)
{
	const struct dashboard_file *page;
	char text[16384] = "";

	(void)state;
	skip_where_it_is_off();
	page = dashboard_find(DASHBOARD_PAGE);
	assert_true(page->plain.len < sizeof(text));
	memcpy(text, page->plain.at, page->plain.len);
	assert_null(strstr(text, "http:"));
	assert_null(strstr(text, "https:"));
	assert_null(strstr(text, "style=")); /* which the policy forbids, as what follows */
	assert_null(strstr(text, "<style"));
	assert_non_null(strstr(text, "src=\"/dashboard/app.js\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_there_or_says_why_not),
		cmocka_unit_test(each_file_has_a_type_an_etag_and_content),
		cmocka_unit_test(the_page_names_nothing_from_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

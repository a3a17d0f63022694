/* SPDX-License-Identifier: Apache-2.0 */
/* Which Hosts, Origins and lengths are believed; and token buckets. */
#include <stdarg.h>
#include <setjmp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/http/guard.h"

static const struct guard_hosts hosts = { .n = 2, .names = { "fd00::1", "roof.x0.internal" } };

static void our_own_names_are_believed(void **state)
{
	static const char *const ours[] = {
		"127.0.0.1",	    "127.0.0.1:26970",	 "localhost",
		"LOCALHOST:80",	    "[::1]:26970",	 "[::1]",
		"127.9.9.9",	    "[fd00::1]:26970",	 "[FD00:0:0::1]:1",
		"roof.x0.internal", "Roof.X0.Internal.", "localhost.",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(ours); i++)
		assert_true(guard_host_is_ours(ours[i], &hosts));
}

static void a_foreign_name_that_points_here_is_not(void **state)
{
	static const char *const foreign[] = {
		"",
		"evil.example",
		"127.0.0.1.evil.example",
		"localhost.evil",
		"evil.example:26970",
		"127.0.0.1@evil.example",
		"localhost:port",
		"localhost:",
		"localhost:1:2",
		"[::1",
		"[::1]x",
		"[fd00::2]",
		"roof.x0.internal..",
		"roof",
		"128.0.0.1",
		"0.0.0.0",
		"2130706433",
		"localhost/",
		"localhost, evil",
		"localhost:999999",
		".",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(foreign); i++)
		assert_false(guard_host_is_ours(foreign[i], &hosts));
}

static void a_name_as_long_as_memory_is_refused(void **state)
{
	char name[HTTP_HOST_MAX + 8];
	char ret[HTTP_HOST_MAX];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(guard_host_name(name, ret), -EBADMSG);
}

static void a_page_of_another_site_may_not_ask(void **state)
{
	(void)state;
	assert_true(guard_origin_is_ours("", "127.0.0.1:26970"));
	assert_true(guard_origin_is_ours("http://127.0.0.1:26970", "127.0.0.1:26970"));
	assert_true(guard_origin_is_ours("HTTPS://Roof:1", "roof:1"));
	assert_false(guard_origin_is_ours("http://127.0.0.1:8080", "127.0.0.1:26970"));
	assert_false(guard_origin_is_ours("http://localhost:26970", "127.0.0.1:26970"));
	assert_false(guard_origin_is_ours("http://evil.example", "127.0.0.1:26970"));
	assert_false(guard_origin_is_ours("http://127.0.0.1:26970.evil", "127.0.0.1:26970"));
	assert_false(guard_origin_is_ours("null", "null"));
	assert_false(guard_origin_is_ours("file://", ""));
}

static void a_length_is_digits_alone(void **state)
{
	static const char *const bad[] = {
		"", "+1", "-1", "1, 1", "1,1", "0x1", " 1", "1 ", "1e3"
	};
	size_t n = 7;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(guard_content_length(bad[i], 100, &n), -EBADMSG);
	assert_int_equal(guard_content_length("101", 100, &n), -EMSGSIZE);
	assert_int_equal(guard_content_length("18446744073709551617", 100, &n), -EMSGSIZE);
	assert_int_equal(n, 7);
	assert_int_equal(guard_content_length("0100", 100, &n), 0);
	assert_int_equal(n, 100);
}

static void texts_are_utf8_without_control_characters(void **state)
{
	(void)state;
	assert_true(guard_text_is_plain(SPAN_STR("")));
	assert_true(guard_text_is_plain(SPAN_STR("D\xc3\xa4 \xf0\x9f\x8f\xa0")));
	assert_false(guard_text_is_plain(SPAN_STR("a\nb")));
	assert_false(guard_text_is_plain(SPAN_STR("a\0b")));
	assert_false(guard_text_is_plain(SPAN_STR("\x7f")));
	assert_false(guard_text_is_plain(SPAN_STR("\xc0\xaf"))); /* overlong */
	assert_false(guard_text_is_plain(SPAN_STR("\xe0\x80\xaf")));
	assert_false(guard_text_is_plain(SPAN_STR("\xed\xa0\x80")));	 /* a surrogate */
	assert_false(guard_text_is_plain(SPAN_STR("\xf4\x90\x80\x80"))); /* beyond U+10FFFF */
	assert_false(guard_text_is_plain(SPAN_STR("\xc3")));
}

/* ---- rates ---- */

static void gzip_is_taken_where_it_is_named(void **state)
{
	static const char *const yes[] = { "gzip", "deflate, gzip;q=1.0, *;q=0.5", "GZIP",
					   "br , gzip" };
	static const char *const no[] = {
		"", "*", "deflate", "gzip;q=0", "gzip ; q=0.000", "gzipx", "x-gzip", ",,,", ";q=1"
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(yes); i++)
		assert_true(guard_accepts_gzip(yes[i]));
	for (size_t i = 0; i < N_ELEMENTS(no); i++)
		assert_false(guard_accepts_gzip(no[i]));
}

static struct rate_table *table(uint32_t per_second, uint32_t burst)
{
	static const uint8_t secret[16] = { 7 };
	struct rate_table *t = malloc(sizeof(*t));

	assert_non_null(t);
	rate_init(t, (struct rate_limit){ per_second, burst }, secret);
	return t;
}

static void a_burst_is_let_through_and_then_the_rate(void **state)
{
	struct rate_table *t = table(10, 5);
	uint64_t wait_us = 0;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(rate_take(t, SPAN_STR("a"), SECONDS(1), &wait_us));
	assert_false(rate_take(t, SPAN_STR("a"), SECONDS(1), &wait_us));
	assert_int_equal(wait_us, MS(100));
	assert_true(rate_take(t, SPAN_STR("b"), SECONDS(1), &wait_us)); /* of its own */
	assert_true(rate_take(t, SPAN_STR("a"), SECONDS(1) + MS(100), &wait_us));
	assert_false(rate_take(t, SPAN_STR("a"), SECONDS(1) + MS(100), &wait_us));
	free(t);
}

static void a_full_table_slows_strangers_down_and_does_not_grow(void **state)
{
	struct rate_table *t = table(1, 1);
	unsigned n_let = 0;
	uint64_t wait_us;

	(void)state;
	for (uint32_t i = 0; i < 20 * RATE_KEYS_MAX; i++)
		n_let += rate_take(t, SPAN(&i, sizeof(i)), SECONDS(1), &wait_us);
	assert_true(n_let <= RATE_KEYS_MAX + 1); /* and the shared one's */
	assert_true(n_let > RATE_KEYS_MAX / 2);
	/* who has a place keeps it */
	assert_false(rate_take(t, SPAN(&(uint32_t){ 0 }, 4), SECONDS(1), &wait_us));
	/* and all is forgotten once paid */
	assert_true(rate_take(t, SPAN(&(uint32_t){ 0 }, 4), SECONDS(3), &wait_us));
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_names_are_believed),
		cmocka_unit_test(a_foreign_name_that_points_here_is_not),
		cmocka_unit_test(a_name_as_long_as_memory_is_refused),
		cmocka_unit_test(a_page_of_another_site_may_not_ask),
		cmocka_unit_test(a_length_is_digits_alone),
		cmocka_unit_test(texts_are_utf8_without_control_characters),
		cmocka_unit_test(gzip_is_taken_where_it_is_named),
		cmocka_unit_test(a_burst_is_let_through_and_then_the_rate),
		cmocka_unit_test(a_full_table_slows_strangers_down_and_does_not_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

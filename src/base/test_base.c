/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/endpoint.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/siphash.h"

static void a_reader_never_leaves_the_buffer(void **state)
{
	(void)state;
	const uint8_t bytes[] = { 1, 2, 3 };
	struct reader r = reader_of(SPAN_OF(bytes));

	assert_int_equal(read_u16(&r), 0x0102);
	assert_int_equal(read_u16(&r), 0);
	assert_true(r.overrun);
	assert_int_equal(read_u8(&r), 0); /* and it stays that way */
	assert_null(read_bytes(&r, 1));
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	uint8_t buffer[32];
	struct writer w = writer_of(buffer, sizeof(buffer));

	write_u8(&w, 0xab);
	write_u16(&w, 0xcdef);
	write_u24(&w, 0x123456);
	write_u32(&w, 0x789abcde);
	write_u64(&w, 0xf0e1d2c3b4a59687);
	assert_false(w.overrun);
	assert_int_equal(w.len, 18);

	struct reader r = reader_of(SPAN(buffer, w.len));

	assert_int_equal(read_u8(&r), 0xab);
	assert_int_equal(read_u16(&r), 0xcdef);
	assert_int_equal(read_u24(&r), 0x123456);
	assert_int_equal(read_u32(&r), 0x789abcde);
	assert_true(read_u64(&r) == 0xf0e1d2c3b4a59687);
	assert_int_equal(r.left, 0);
	assert_false(r.overrun);
}

static void a_full_writer_writes_nothing_more(void **state)
{
	(void)state;
	uint8_t buffer[4] = { 9, 9, 9, 9 };
	struct writer w = writer_of(buffer, 3);

	write_u16(&w, 1);
	write_u16(&w, 2);
	assert_true(w.overrun);
	write_u8(&w, 7);
	assert_int_equal(w.len, 2);
	assert_int_equal(buffer[2], 9);
	assert_int_equal(buffer[3], 9);
}

static void base64url_has_one_text_for_one_value(void **state)
{
	(void)state;
	char text[64];
	uint8_t back[32];
	size_t len;

	for (size_t n = 0; n < 32; n++) {
		uint8_t bytes[32];

		memset(bytes, (int)(0xf0 + n), sizeof(bytes));
		assert_int_equal(bytes_to_base64url(SPAN(bytes, n), text, sizeof(text)), 0);
		assert_int_equal(bytes_from_base64url(text, back, sizeof(back), &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(back, bytes, n);
	}
	assert_int_equal(bytes_from_base64url("AB", back, sizeof(back), &len), -EINVAL);
	assert_int_equal(bytes_from_base64url("A", back, sizeof(back), &len), -EINVAL);
	assert_int_equal(bytes_from_base64url("AA==", back, sizeof(back), &len), -EINVAL);
	assert_int_equal(bytes_from_base64url("AAAA", back, 2, &len), -ENOBUFS);
	assert_int_equal(bytes_to_base64url(SPAN_STR("abc"), text, 4), -ENOBUFS);
}

static void hex_goes_both_ways_and_refuses_the_rest(void **state)
{
	(void)state;
	char text[9];
	uint8_t back[4];

	bytes_to_hex((const uint8_t *)"\x00\x7f\x80\xff", 4, text);
	assert_string_equal(text, "007f80ff");
	assert_int_equal(bytes_from_hex("007F80ff", back, 4), 0);
	assert_memory_equal(back, "\x00\x7f\x80\xff", 4);
	assert_int_equal(bytes_from_hex("007f80f", back, 4), -EINVAL);
	assert_int_equal(bytes_from_hex("007f80fg", back, 4), -EINVAL);
}

/* The first rows of the tables in the authors' reference implementation: key 00 01 .. 0f,
 * messages of 0, 1 and 8 bytes counting up. */
static void siphash_agrees_with_its_authors(void **state)
{
	(void)state;
	uint8_t key[16];
	uint8_t message[16];
	uint8_t out[16];
	struct span parts[2] = { SPAN(message, 0), SPAN(message, 0) };

	for (uint8_t i = 0; i < 16; i++)
		key[i] = message[i] = i;
	assert_true(siphash64(key, parts, 1) == 0x726fdb47dd0e0e31);
	parts[0].len = 15;
	assert_true(siphash64(key, parts, 1) == 0xa129ca6149be45e5); /* the paper's appendix A */
	parts[0].len = 3;
	parts[1] = SPAN(message + 3, 12);
	assert_true(siphash64(key, parts, 2) == 0xa129ca6149be45e5);
	siphash128(key, parts, 0, out);
	assert_memory_equal(out, "\xa3\x81\x7f\x04\xba\x25\xa8\xe6\x6d\xf6\x72\x14\xc7\x55\x02\x93",
			    16);
}

static void endpoints_survive_text(void **state)
{
	(void)state;
	const char *good[] = { "192.0.2.1:26969", "[2001:db8::1]:1", "[fe80::1%3]:65535" };
	const char *bad[] = { "",	  "192.0.2.1:0",   "192.0.2.1:65536",	    "[2001:db8::1",
			      "[::1]x",	  "192.0.2.256:1", "192.0.2.1%3:1",	    "host:1",
			      "[::1]:-1", "[fe80::1%x]:1", "[fe80::1%4294967296]:1" };
	struct endpoint e;
	char text[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		assert_int_equal(endpoint_parse(good[i], 7, &e), 0);
		endpoint_format(&e, text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(endpoint_parse(bad[i], 7, &e), -EINVAL);
	assert_int_equal(endpoint_parse("2001:db8::1", 7, &e), 0);
	assert_int_equal(e.port, 7);
	assert_int_equal(endpoint_parse("192.0.2.1", 7, &e), 0);
	assert_true(endpoint_is_ipv4(&e));
}

static void a_map_holds_what_was_put_and_no_more_than_its_bound(void **state)
{
	(void)state;
	static const uint8_t key[16] = { 1 };
	static int values[1000];
	struct map *m;

	assert_int_equal(map_new(4, 1000, key, &m), 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(map_put(m, &i, &values[i]), 0);
	uint32_t more = 1000;

	assert_int_equal(map_put(m, &more, &values[0]), -ENOBUFS);
	for (uint32_t i = 0; i < 1000; i++)
		assert_ptr_equal(map_get(m, &i), &values[i]);
	for (uint32_t i = 0; i < 1000; i += 2)
		assert_ptr_equal(map_remove(m, &i), &values[i]);
	assert_int_equal(map_count(m), 500);
	uint32_t gone = 4;
	uint32_t here = 5;

	assert_null(map_get(m, &gone));
	assert_null(map_remove(m, &gone));
	assert_int_equal(map_put(m, &here, &values[0]), -EEXIST);

	size_t cursor = 0;
	for (uint32_t i = 1; i < 1000; i += 2) /* in order of insertion */
		assert_ptr_equal(map_next(m, &cursor), &values[i]);
	assert_null(map_next(m, &cursor));
	for (unsigned round = 0; round < 10000; round++) { /* churn does not fill it */
		assert_int_equal(map_put(m, &gone, &values[4]), 0);
		assert_ptr_equal(map_remove(m, &gone), &values[4]);
	}
	map_free(m);
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
	(void)state;
	struct rng a;
	struct rng b;

	rng_seed(&a, 42);
	rng_seed(&b, 42);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(rng_next(&a) == rng_next(&b));
		assert_true(rng_below(&a, 7) < 7);
		(void)rng_below(&b, 7);
		uint64_t j = rng_jitter(&a, 1000, 20);

		assert_in_range(j, 800, 1200);
		(void)rng_jitter(&b, 1000, 20);
	}
	assert_int_equal(rng_below(&a, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_never_leaves_the_buffer),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_full_writer_writes_nothing_more),
		cmocka_unit_test(base64url_has_one_text_for_one_value),
		cmocka_unit_test(hex_goes_both_ways_and_refuses_the_rest),
		cmocka_unit_test(siphash_agrees_with_its_authors),
		cmocka_unit_test(endpoints_survive_text),
		cmocka_unit_test(a_map_holds_what_was_put_and_no_more_than_its_bound),
		cmocka_unit_test(the_same_seed_gives_the_same_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "core/prefix/prefix.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void a_prefix_is_printed_as_it_was_read(void **state)
{
	(void)state;
	static const char *const texts[] = { "192.168.7.0/24", "0.0.0.0/0",   "::/0",
					     "fd12::/48",      "10.1.2.3/32", "2001:db8::1/128" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct prefix p = prefix(texts[i]);
		char text[PREFIX_TEXT_SIZE];

		prefix_format(&p, text);
		assert_string_equal(text, texts[i]);
	}
	assert_int_equal(prefix("10.1.2.3").len, 128);
}

static void what_is_no_prefix_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"/",
		"192.168.7.1/24",
		"192.168.7.0/33",
		"fd12::1/48",
		"fd12::/129",
		"::ffff:10.0.0.0/104",
		"10.0.0.0/08",
		"10.0.0.0/",
		"10.0.0.0/8/8",
		"10.0.0.0/-1",
		"a",
		"10.0.0.0/99999999999999999999",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999/1",
	};
	struct prefix p;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(prefix_parse(texts[i], &p), -EINVAL);
}

static void a_family_does_not_cover_the_other(void **state)
{
	(void)state;
	struct prefix all4 = prefix("0.0.0.0/0"), all6 = prefix("::/0");
	struct prefix one4 = prefix("192.0.2.1"), one6 = prefix("2001:db8::1");

	assert_true(prefix_covers(&all4, one4.ip));
	assert_false(prefix_covers(&all6, one4.ip));
	assert_true(prefix_covers(&all6, one6.ip));
	assert_false(prefix_covers(&all4, one6.ip));
	assert_false(prefix_overlaps(&all4, &all6));
	assert_true(prefix_is_default(&all4) && prefix_is_default(&all6));
}

static void a_network_is_inside_another_of_its_family(void **state)
{
	(void)state;
	struct prefix outer = prefix("192.168.0.0/16"), inner = prefix("192.168.7.0/24");
	struct prefix wider = prefix("192.168.0.0/13"), all6 = prefix("::/0");

	assert_true(prefix_contains(&outer, &inner) && prefix_contains(&outer, &outer));
	assert_false(prefix_contains(&inner, &outer) || prefix_contains(&outer, &wider));
	assert_false(prefix_contains(&all6, &inner));
}

static void what_is_too_short_for_a_network_is_an_exit(void **state)
{
	(void)state;
	static const char *const exits[] = { "0.0.0.0/0",  "::/0",	"2000::/3", "10.0.0.0/7",
					     "64.0.0.0/3", "2000::/15", "f000::/4" };
	static const char *const networks[] = { "10.0.0.0/8", "2a00::/16", "fc00::/7", "fd00::/8",
						"10.1.2.3/32" };

	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
		struct prefix p = prefix(exits[i]);

		assert_true(prefix_is_exit(&p));
	}
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		struct prefix p = prefix(networks[i]);

		assert_false(prefix_is_exit(&p));
	}
}

static void what_nobody_routes_may_not_be_offered(void **state)
{
	(void)state;
	static const char *const bad[] = { "127.0.0.0/8", "127.0.0.1",	 "169.254.0.0/16",
					   "224.0.0.0/4", "128.0.0.0/1", "ff00::/8",
					   "fe80::/64",	  "::1",	 "::/1" };
	static const char *const good[] = { "10.0.0.0/8", "192.168.0.0/16", "0.0.0.0/0",
					    "::/0",	  "fd00::/8",	    "2000::/3" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prefix p = prefix(bad[i]);

		assert_non_null(prefix_fault(&p));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct prefix p = prefix(good[i]);

		assert_null(prefix_fault(&p));
	}
}

static void private_addresses_are_told_from_the_internets(void **state)
{
	(void)state;
	static const char *const inside[] = { "10.9.9.9",
					      "172.31.0.1",
					      "192.168.1.1",
					      "100.127.0.1",
					      "127.0.0.1",
					      "fd00::1",
					      "fe80::1",
					      "0.0.0.0",
					      "198.18.0.1",
					      "198.19.255.255",
					      "192.0.0.170",
					      "64:ff9b:1::1",
					      "100::1",
					      "2001::1",
					      "::10.1.2.3",
					      "64:ff9b::10.1.2.3",
					      "64:ff9b::127.0.0.1",
					      "2002:c0a8:101::1",
					      "2002:7f00:1::" };
	static const char *const outside[] = {
		"172.32.0.1",	"100.128.0.1",	   "8.8.8.8",	"2001:db8::1",
		"203.0.113.9",	"198.20.0.1",	   "192.0.1.1", "64:ff9b::8.8.8.8",
		"64:ff9b:2::1", "2002:808:808::1", "2001:1::1"
	};

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_true(address_is_private(prefix(inside[i]).ip));
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_false(address_is_private(prefix(outside[i]).ip));
}

static const struct prefix_entry *find(const struct prefix_table *t, const char *address)
{
	return prefix_table_find(t, prefix(address).ip);
}

static void the_longest_wins(void **state)
{
	(void)state;
	static const char *const texts[] = { "0.0.0.0/0",   "10.0.0.0/8", "10.1.0.0/16",
					     "10.1.2.0/24", "::/0",	  "fd12::/48" };
	struct prefix_table *t;

	assert_int_equal(prefix_table_new(&t), 0);
	assert_null(find(t, "10.1.2.3"));
	for (unsigned i = 0; i < 6; i++) {
		struct prefix p = prefix(texts[i]);

		assert_int_equal(prefix_table_add(t, &p, i + 1), 0);
		assert_int_equal(prefix_table_add(t, &p, i + 1), -EEXIST);
	}
	prefix_table_sort(t);
	assert_int_equal(find(t, "10.1.2.3")->nodes[0], 4);
	assert_int_equal(find(t, "10.1.3.3")->nodes[0], 3);
	assert_int_equal(find(t, "10.2.3.3")->nodes[0], 2);
	assert_int_equal(find(t, "11.2.3.3")->nodes[0], 1);
	assert_int_equal(find(t, "2001:db8::1")->nodes[0], 5);
	assert_int_equal(find(t, "fd12::7")->nodes[0], 6);
	prefix_table_free(t);
}

static void a_full_table_refuses_the_next(void **state)
{
	(void)state;
	struct prefix p = prefix("2001:db8::1");
	struct prefix_table *t;

	assert_int_equal(prefix_table_new(&t), 0);
	for (unsigned i = 0; i < PREFIX_TABLE_MAX; i++) {
		store_u32(p.ip + 12, i);
		assert_int_equal(prefix_table_add(t, &p, 1), 0);
	}
	for (unsigned i = 2; i <= PREFIX_NODES_MAX; i++)
		assert_int_equal(prefix_table_add(t, &p, i), 0);
	assert_int_equal(prefix_table_add(t, &p, 99), -ENOBUFS);
	store_u32(p.ip + 12, PREFIX_TABLE_MAX);
	assert_int_equal(prefix_table_add(t, &p, 1), -ENOBUFS);
	prefix_table_sort(t);
	for (unsigned i = 0; i < PREFIX_TABLE_MAX; i++) {
		store_u32(p.ip + 12, i);
		assert_non_null(prefix_table_exactly(t, &p));
		assert_non_null(prefix_table_find(t, p.ip));
	}
	prefix_table_free(t);
}

static void a_node_takes_addresses_inside_the_prefix_alone(void **state)
{
	(void)state;
	struct prefix within = prefix("10.86.0.0/28");
	uint8_t first[16], address[16];

	prefix_ipv4_of(&within, 77, 0, first);
	for (uint64_t id = 1; id < 500; id++) {
		prefix_ipv4_of(&within, id, (unsigned)id % PREFIX_IPV4_CHOICES, address);
		assert_true(prefix_covers(&within, address));
		assert_in_range(address[15], 1, 14);
	}
	prefix_ipv4_of(&within, 77, 0, address);
	assert_memory_equal(address, first, 16); /* the same for everybody */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prefix_is_printed_as_it_was_read),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(a_family_does_not_cover_the_other),
		cmocka_unit_test(a_network_is_inside_another_of_its_family),
		cmocka_unit_test(what_is_too_short_for_a_network_is_an_exit),
		cmocka_unit_test(what_nobody_routes_may_not_be_offered),
		cmocka_unit_test(private_addresses_are_told_from_the_internets),
		cmocka_unit_test(the_longest_wins),
		cmocka_unit_test(a_full_table_refuses_the_next),
		cmocka_unit_test(a_node_takes_addresses_inside_the_prefix_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

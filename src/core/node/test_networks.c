/* SPDX-License-Identifier: Apache-2.0 */
/* Offers as bytes, and who holds which IPv4 address. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/node/node_internal.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void offers_come_back_as_they_went(void **state)
{
	(void)state;
	struct prefix list[NODE_OFFERS_MAX], back[NODE_OFFERS_MAX];
	uint8_t bytes[OFFERS_LEN_MAX];
	size_t n;

	for (unsigned i = 0; i < NODE_OFFERS_MAX; i++) {
		list[i] = prefix("10.0.0.0/24");
		list[i].ip[14] = (uint8_t)i;
	}
	size_t len = offers_encode(list, NODE_OFFERS_MAX, bytes);

	assert_int_equal(len, OFFERS_LEN_MAX);
	assert_int_equal(offers_decode(SPAN(bytes, len), back, &n), 0);
	assert_int_equal(n, NODE_OFFERS_MAX);
	assert_memory_equal(back, list, sizeof(list));
}

static void offers_that_are_cut_short_or_too_many_are_refused(void **state)
{
	(void)state;
	struct prefix list[2] = { prefix("10.0.0.0/24"), prefix("fd12::/48") };
	uint8_t bytes[OFFERS_LEN_MAX + 17] = { 0 };
	struct prefix back[NODE_OFFERS_MAX];
	size_t n, len = offers_encode(list, 2, bytes);

	for (size_t i = 0; i < len; i++)
		assert_int_equal(offers_decode(SPAN(bytes, i), back, &n), -EBADMSG);
	assert_int_equal(offers_decode(SPAN(bytes, len + 1), back, &n), -EBADMSG);
	bytes[0] = OFFERS_VERSION + 1;
	assert_int_equal(offers_decode(SPAN(bytes, len), back, &n), -EBADMSG);
	bytes[0] = OFFERS_VERSION;
	bytes[2] = 129; /* longer than an address */
	assert_int_equal(offers_decode(SPAN(bytes, len), back, &n), -EBADMSG);
	bytes[2] = 118; /* bits behind the length: 10.0.0.0/22 has none, 10.0.1.0/22 has */
	bytes[2 + 15] = 1;
	assert_int_equal(offers_decode(SPAN(bytes, len), back, &n), -EBADMSG);
	bytes[1] = NODE_OFFERS_MAX + 1;
	assert_int_equal(offers_decode(SPAN(bytes, 2 + 17 * (NODE_OFFERS_MAX + 1)), back, &n),
			 -EBADMSG);
}

static void of_two_claims_the_earlier_choice_counts_then_the_lower_id(void **state)
{
	(void)state;
	static const uint8_t address[16] = { [10] = 0xff, [11] = 0xff, 10, 86, 0, 9 };
	struct claim list[4] = { { .id = 5, .choice = 1 },
				 { .id = 9, .choice = 0 },
				 { .id = 7, .choice = 0 },
				 { .id = 1, .choice = 2 } };

	for (unsigned i = 0; i < 4; i++)
		memcpy(list[i].address, address, 16);
	assert_int_equal(claims_settle(list, 4), 1);
	assert_int_equal(claims_find(list, 1, address), 7);
}

/* Nodes that each see the claims of all others settle on an address each, with a prefix that has
 * hardly more addresses than there are nodes. */
static void nodes_end_with_an_address_each(void **state)
{
	(void)state;
	enum {
		N = 10
	};
	struct prefix within = prefix("10.86.0.0/27"); /* 30 addresses */
	unsigned choice[N] = { 0 };
	struct claim list[N];
	unsigned rounds = 0;
	bool is_changed = true;

	for (; is_changed && rounds < 100; rounds++) {
		is_changed = false;
		for (uint64_t i = 0; i < N; i++) {
			size_t n = 0;

			for (uint64_t j = 0; j < N; j++) {
				if (j == i || choice[j] == PREFIX_IPV4_CHOICES)
					continue;
				list[n] = (struct claim){ .id = 1000 + j,
							  .choice = (uint8_t)choice[j] };
				prefix_ipv4_of(&within, 1000 + j, choice[j], list[n++].address);
			}
			n = claims_settle(list, n);
			unsigned c = claims_choose(list, n, &within, 1000 + i, choice[i]);

			is_changed |= c != choice[i];
			choice[i] = c;
		}
	}
	assert_true(rounds < 20);
	for (uint64_t i = 0; i < N; i++) {
		assert_in_range(choice[i], 0, PREFIX_IPV4_CHOICES - 1);
		for (uint64_t j = 0; j < i; j++) {
			uint8_t a[16], b[16];

			prefix_ipv4_of(&within, 1000 + i, choice[i], a);
			prefix_ipv4_of(&within, 1000 + j, choice[j], b);
			assert_memory_not_equal(a, b, 16);
		}
	}
}

static void a_node_whose_addresses_are_all_taken_has_none(void **state)
{
	(void)state;
	struct prefix within = prefix("10.86.0.0/28"); /* 14 addresses */
	struct claim list[14];

	for (unsigned i = 0; i < 14; i++) {
		list[i] = (struct claim){ .id = i + 1 };
		memcpy(list[i].address, within.ip, 16);
		list[i].address[15] = (uint8_t)(i + 1);
	}
	assert_int_equal(claims_settle(list, 14), 14);
	assert_int_equal(claims_choose(list, 14, &within, 1000, 0), PREFIX_IPV4_CHOICES);
	assert_int_not_equal(claims_choose(list, 10, &within, 1000, PREFIX_IPV4_CHOICES),
			     PREFIX_IPV4_CHOICES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_come_back_as_they_went),
		cmocka_unit_test(offers_that_are_cut_short_or_too_many_are_refused),
		cmocka_unit_test(of_two_claims_the_earlier_choice_counts_then_the_lower_id),
		cmocka_unit_test(nodes_end_with_an_address_each),
		cmocka_unit_test(a_node_whose_addresses_are_all_taken_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/node/membership.h"
#include "core/node/node_internal.h"

static uint8_t bytes[MEMBERSHIP_LEN_MAX];

static int make(struct membership *m)
{
	*m = (struct membership){ .spiffe_id = "spiffe://d/node/a",
				  .authority = "spiffe://d/node/b",
				  .n_roots = 2,
				  .roots = { SPAN_STR("root 1"), SPAN_STR("root 2") },
				  .n_chain = 1,
				  .chain = { SPAN_STR("leaf") },
				  .n_chain_p256 = 1,
				  .chain_p256 = { SPAN_STR("leaf 2") },
				  .n_keys = 1,
				  .keys = { { .generation = 3, .key = { 9 } } },
				  .revocations = SPAN_STR("list") };
	return membership_encode(m, bytes, sizeof(bytes));
}

static void an_answer_survives_the_wire(void **state)
{
	(void)state;
	struct membership m;
	struct membership back;
	int len = make(&m);

	assert_true(len > 0);
	assert_int_equal(membership_decode(SPAN(bytes, (size_t)len), &back), 0);
	assert_string_equal(back.spiffe_id, m.spiffe_id);
	assert_string_equal(back.authority, m.authority);
	assert_int_equal(back.n_roots, 2);
	assert_memory_equal(back.roots[1].at, "root 2", 6);
	assert_int_equal(back.keys[0].generation, 3);
	assert_int_equal(back.keys[0].key[0], 9);
	assert_memory_equal(back.revocations.at, "list", 4);
}

static void an_answer_cut_short_or_too_long_is_refused(void **state)
{
	(void)state;
	struct membership m;
	int len = make(&m);

	for (size_t i = 0; i < (size_t)len; i++)
		assert_int_equal(membership_decode(SPAN(bytes, i), &m), -EBADMSG);
	assert_int_equal(membership_decode(SPAN(bytes, (size_t)len + 1), &m), -EBADMSG);
	bytes[0] = MEMBERSHIP_N_STATUSES;
	assert_int_equal(membership_decode(SPAN(bytes, 1), &m), -EBADMSG);
}

static void the_authority_is_a_spiffe_id_or_the_answer_is_none(void **state)
{
	static const char *const wrong[] = { "", "b", "spiffe://d/node/b\"\nuser: root\n",
					     "spiffe://d/node/\033[2J" };
	struct membership m;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int len;

		(void)make(&m);
		(void)snprintf(m.authority, sizeof(m.authority), "%s", wrong[i]);
		len = membership_encode(&m, bytes, sizeof(bytes));
		assert_int_equal(membership_decode(SPAN(bytes, (size_t)len), &m), -EBADMSG);
	}
}

static void every_refusal_has_a_sentence_that_says_what_to_do(void **state)
{
	(void)state;
	for (unsigned i = 1; i < MEMBERSHIP_N_STATUSES; i++) {
		struct membership m = { .status = (enum membership_status)i };
		struct membership back;

		assert_int_equal(membership_encode(&m, bytes, sizeof(bytes)), 1);
		assert_int_equal(membership_decode(SPAN(bytes, 1), &back), 0);
		assert_int_equal(back.status, i);
		assert_true(strlen(membership_status_text(back.status)) > 20);
	}
}

static void a_long_object_comes_together_from_its_parts_in_order(void **state)
{
	(void)state;
	struct blob b = { 0 };
	uint8_t part[8 + 4] = { 0, 0, 0, 6, 0, 0, 0, 0, 'a', 'b', 'c', 'd' };
	uint8_t end[8 + 2] = { 0, 0, 0, 6, 0, 0, 0, 4, 'e', 'f' };

	assert_false(blob_input(&b, SPAN_OF(part)));
	assert_true(blob_input(&b, SPAN_OF(end)));
	assert_memory_equal(b.bytes, "abcdef", 6);
	assert_false(blob_input(&b, SPAN_OF(end))); /* beyond: all is discarded */
	assert_null(b.bytes);
	assert_false(blob_input(&b, SPAN_OF(end))); /* the beginning is missing */
	assert_false(blob_input(&b, SPAN_OF(part)));
	assert_false(blob_input(&b, SPAN_OF(part))); /* it begins again */
	assert_true(blob_input(&b, SPAN_OF(end)));
	blob_done(&b);
	uint8_t huge[9] = { 0xff, 0xff, 0xff, 0xff };

	assert_false(blob_input(&b, SPAN_OF(huge)));
	assert_null(b.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_survives_the_wire),
		cmocka_unit_test(an_answer_cut_short_or_too_long_is_refused),
		cmocka_unit_test(the_authority_is_a_spiffe_id_or_the_answer_is_none),
		cmocka_unit_test(every_refusal_has_a_sentence_that_says_what_to_do),
		cmocka_unit_test(a_long_object_comes_together_from_its_parts_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

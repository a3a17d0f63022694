/* SPDX-License-Identifier: Apache-2.0 */
/* Which class a codepoint is of, and the whole table of RFC 6040. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/forward/class.h"

static void codepoints_have_their_class(void **state)
{
	(void)state;
	static const uint8_t critical[] = { 40, 44, 46, 48, 56 };
	static const uint8_t interactive[] = { 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38 };
	unsigned n_bulk = 0;

	for (size_t i = 0; i < sizeof(critical); i++)
		assert_int_equal(class_of_dscp(critical[i]), CLASS_CRITICAL);
	for (size_t i = 0; i < sizeof(interactive); i++)
		assert_int_equal(class_of_dscp(interactive[i]), CLASS_INTERACTIVE);
	for (unsigned dscp = 0; dscp < 64; dscp++)
		n_bulk += class_of_dscp((uint8_t)dscp) == CLASS_BULK;
	assert_int_equal(n_bulk, 64 - sizeof(critical) - sizeof(interactive));
	assert_int_equal(class_of_dscp(0), CLASS_BULK); /* default */
	assert_int_equal(class_of_dscp(1), CLASS_BULK); /* LE */
	assert_int_equal(class_of_dscp(8), CLASS_BULK); /* CS1 */
}

static void the_field_is_read_from_both_families(void **state)
{
	(void)state;
	uint8_t six[40] = { 0x6b, 0x9a, 0xbc }, four[20] = { 0x45, 0xb9 };

	assert_int_equal(traffic_class(SPAN_OF(six)), 0xb9);
	assert_int_equal(traffic_class(SPAN_OF(four)), 0xb9);
	assert_int_equal(traffic_class(SPAN(six, 39)), 0);
	assert_int_equal(traffic_class(SPAN(four, 19)), 0);
	assert_int_equal(traffic_class(SPAN(six, 0)), 0);
	six[0] = 0x50;
	assert_int_equal(traffic_class(SPAN_OF(six)), 0);
}

static void small_services_are_interactive_where_nothing_is_said(void **state)
{
	(void)state;
	uint8_t packet[300] = { 0x60 };
	struct inner i = { .protocol = IPPROTO_ICMPV6, .has_ports = true };

	assert_int_equal(class_of_packet(SPAN(packet, 104), &i), CLASS_INTERACTIVE);
	assert_int_equal(class_of_packet(SPAN(packet, CLASS_SMALL_MAX + 1), &i), CLASS_BULK);
	i = (struct inner){ .protocol = IPPROTO_UDP, .has_ports = true, .destination_port = 53 };
	assert_int_equal(class_of_packet(SPAN_OF(packet), &i), CLASS_INTERACTIVE);
	i = (struct inner){ .protocol = IPPROTO_UDP, .has_ports = true, .source_port = 123 };
	assert_int_equal(class_of_packet(SPAN_OF(packet), &i), CLASS_INTERACTIVE);
	i.source_port = 4500;
	assert_int_equal(class_of_packet(SPAN_OF(packet), &i), CLASS_BULK);
	i = (struct inner){ .protocol = IPPROTO_TCP, .has_ports = true, .source_port = 53 };
	assert_int_equal(class_of_packet(SPAN_OF(packet), &i), CLASS_BULK);
	packet[1] = 1 << 6; /* LE is what was asked for */
	i = (struct inner){ .protocol = IPPROTO_ICMPV6, .has_ports = true };
	assert_int_equal(class_of_packet(SPAN(packet, 104), &i), CLASS_BULK);
}

/* RFC 6040, figure 4: rows are the arriving inner header, columns the outer one. */
static void marks_leave_the_tunnel_as_rfc_6040_says(void **state)
{
	(void)state;
	static const enum ecn order[] = { ECN_NOT_ECT, ECN_ECT_0, ECN_ECT_1, ECN_CE };
	static const int table[4][4] = {
		{ ECN_NOT_ECT, ECN_NOT_ECT, ECN_NOT_ECT, -1 },
		{ ECN_ECT_0, ECN_ECT_0, ECN_ECT_1, ECN_CE },
		{ ECN_ECT_1, ECN_ECT_1, ECN_ECT_1, ECN_CE },
		{ ECN_CE, ECN_CE, ECN_CE, ECN_CE },
	};

	for (unsigned inner = 0; inner < 4; inner++)
		for (unsigned outer = 0; outer < 4; outer++)
			assert_int_equal(ecn_decapsulated(order[inner], order[outer]),
					 table[inner][outer]);
}

static uint16_t checksum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += load_u16(header + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void a_mark_changes_nothing_else(void **state)
{
	(void)state;
	uint8_t six[40], four[20] = { 0x45, 0xb8, 0, 20, 1, 2, 0, 0, 64, 17, 0, 0, 10, 1, 2, 3, 4 };
	uint8_t before[40];

	for (unsigned fill = 0; fill < 256; fill++) {
		memset(six, (int)fill, sizeof(six));
		six[0] = (uint8_t)(0x60 | (fill & 0x0f));
		memcpy(before, six, sizeof(six));
		for (unsigned mark = 0; mark < 4; mark++) {
			ecn_set(six, sizeof(six), (enum ecn)mark);
			assert_int_equal(traffic_class(SPAN_OF(six)),
					 (traffic_class(SPAN_OF(before)) & DSCP_MASK) | mark);
		}
		ecn_set(six, sizeof(six), (enum ecn)(traffic_class(SPAN_OF(before)) & ECN_MASK));
		assert_memory_equal(six, before, sizeof(six));
	}
	store_u16(four + 10, (uint16_t)~checksum(four));
	for (unsigned mark = 0; mark < 16; mark++) {
		ecn_set(four, sizeof(four), (enum ecn)(mark & 3));
		assert_int_equal(traffic_class(SPAN_OF(four)), 0xb8 | (mark & 3));
		assert_int_equal(checksum(four), 0xffff);
	}
	ecn_set(four, sizeof(four), ECN_ECT_0);
	ecn_set(four, 19, ECN_CE); /* no header: nothing is touched */
	assert_int_equal(four[1] & ECN_MASK, ECN_ECT_0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codepoints_have_their_class),
		cmocka_unit_test(the_field_is_read_from_both_families),
		cmocka_unit_test(small_services_are_interactive_where_nothing_is_said),
		cmocka_unit_test(marks_leave_the_tunnel_as_rfc_6040_says),
		cmocka_unit_test(a_mark_changes_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

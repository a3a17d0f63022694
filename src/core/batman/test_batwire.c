/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of batman-adv, there and back, as they lie on the wire, and cut short. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/batman/batwire.h"

#define A 0x02, 0, 0, 0, 0, 0x0a
#define B 0x02, 0, 0, 0, 0, 0x0b

static const uint8_t a[6] = { A };
static const uint8_t b[6] = { B };

static void a_neighbours_packet_of_the_kernel_is_read_by_its_header(void **state)
{
	/* four bytes of zero follow in what the kernel sends */
	static const uint8_t bytes[] = { 3, 15, A, 0, 0, 1, 2, 0, 0, 1, 0xf4, 0, 0, 0, 0 };
	struct batwire_elp elp;
	uint8_t room[64];
	struct writer w = writer_of(room, sizeof(room));

	(void)state;
	assert_int_equal(batwire_elp_read(SPAN_OF(bytes), &elp), 0);
	assert_memory_equal(elp.originator, a, 6);
	assert_int_equal(elp.seqno, 0x102);
	assert_int_equal(elp.interval_ms, 500);
	batwire_elp_write(&w, &elp);
	assert_int_equal(w.len, BATWIRE_ELP_LEN);
	assert_memory_equal(room, bytes, w.len);
	for (size_t len = 0; len < BATWIRE_ELP_LEN; len++)
		assert_int_equal(batwire_elp_read(SPAN(bytes, len), &elp), -EBADMSG);
}

static void another_version_is_refused_by_name(void **state)
{
	static const uint8_t bytes[20] = { 3, 14, A };
	struct batwire_elp elp;
	uint8_t type;

	(void)state;
	assert_int_equal(batwire_elp_read(SPAN_OF(bytes), &elp), -EPROTO);
	assert_int_equal(batwire_type(SPAN_OF(bytes), &type), -EPROTO);
}

static void messages_of_originators_ride_together(void **state)
{
	static const uint8_t bytes[] = {
		4, 15, 50, 0, 0, 0, 0, 7, A, 0, 4, 0,	 0,    0,    100,  9, 1, 0,
		0, /* an empty container */
		4, 15, 49, 0, 0, 0, 0, 8, B, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, /* padding */
	};
	struct reader r = reader_of(SPAN_OF(bytes));
	struct reader inner;
	struct batwire_tvlv tvlv;
	struct batwire_ogm ogm;
	uint8_t room[64];
	struct writer w = writer_of(room, sizeof(room));

	(void)state;
	assert_int_equal(batwire_ogm_next(&r, &ogm), 1);
	assert_memory_equal(ogm.originator, a, 6);
	assert_int_equal(ogm.throughput, 100);
	inner = reader_of(ogm.tvlvs);
	assert_int_equal(batwire_tvlv_next(&inner, &tvlv), 1);
	assert_int_equal(tvlv.type, 9);
	assert_int_equal(tvlv.body.len, 0);
	assert_int_equal(batwire_tvlv_next(&inner, &tvlv), 0);
	batwire_ogm_write(&w, &ogm);
	assert_memory_equal(room, bytes, 24);
	assert_int_equal(batwire_ogm_next(&r, &ogm), 1);
	assert_int_equal(ogm.seqno, 8);
	assert_true(ogm.throughput == BATWIRE_THROUGHPUT_MAX);
	assert_int_equal(batwire_ogm_next(&r, &ogm), 0);
	r = reader_of(SPAN(bytes, 22)); /* the container is cut */
	assert_int_equal(batwire_ogm_next(&r, &ogm), -EBADMSG);
}

static void a_container_that_is_cut_is_refused(void **state)
{
	static const uint8_t bytes[] = { 4, 1, 0, 5, 1, 2, 3, 4 };
	struct batwire_tvlv tvlv;

	(void)state;
	for (size_t len = 1; len <= sizeof(bytes); len++) {
		struct reader r = reader_of(SPAN(bytes, len));

		assert_int_equal(batwire_tvlv_next(&r, &tvlv), -EBADMSG);
	}
}

static void a_translation_table_is_read_back(void **state)
{
	struct batwire_tt_change change = { .flags = 0x10, .address = { B }, .vid = 0x8007 };
	struct batwire_tt tt = { .flags = 0x14,
				 .version = 9,
				 .n_vlans = 2,
				 .vlans = { { 1, 0 }, { 0xdeadbeef, 0x8007 } } };
	struct batwire_tt_change read;
	struct batwire_tt got;
	struct batwire_tvlv tvlv;
	uint8_t changes[12], room[128];
	struct writer c = writer_of(changes, sizeof(changes));
	struct writer w = writer_of(room, sizeof(room));
	struct reader r;

	(void)state;
	batwire_tt_change_write(&c, &change);
	tt.changes = SPAN_OF(changes);
	batwire_tt_write(&w, &tt);
	r = reader_of(SPAN(room, w.len));
	assert_int_equal(batwire_tvlv_next(&r, &tvlv), 1);
	assert_int_equal(tvlv.type, BATWIRE_TVLV_TT);
	assert_int_equal(batwire_tt_read(tvlv.body, &got), 0);
	assert_int_equal(got.n_vlans, 2);
	assert_int_equal(got.vlans[1].crc, 0xdeadbeef);
	assert_int_equal(got.vlans[1].vid, 0x8007);
	r = reader_of(got.changes);
	assert_true(batwire_tt_change_next(&r, &read));
	assert_memory_equal(read.address, b, 6);
	assert_int_equal(read.vid, 0x8007);
	assert_int_equal(read.flags, 0x10);
	assert_false(batwire_tt_change_next(&r, &read));
	for (size_t len = 0; len < 4 + 2 * 8; len++)
		assert_int_equal(batwire_tt_read(SPAN(tvlv.body.at, len), &got), -EBADMSG);
}

static void a_table_of_too_many_vlans_is_refused(void **state)
{
	uint8_t body[4 + 8 * (BATWIRE_VLANS_MAX + 1)] = { 1, 1, 0, BATWIRE_VLANS_MAX + 1 };
	struct batwire_tt tt;

	(void)state;
	assert_int_equal(batwire_tt_read(SPAN_OF(body), &tt), -ENOBUFS);
}

/* 0x21d5b8d8 is what Debian's kernel 6.1 showed (batctl tg) for this client, untagged. */
static void the_checksum_of_a_client_is_the_kernels(void **state)
{
	struct batwire_tt_change client = { .address = { 0xbe, 0xa8, 0x70, 0xa5, 0x9e, 0x05 } };

	(void)state;
	assert_int_equal(batwire_client_crc(&client), 0x21d5b8d8);
	client.flags = 0x0f; /* these stay at one node and are not part of it */
	assert_int_equal(batwire_client_crc(&client), 0x21d5b8d8);
	client.flags = 0x10;
	assert_int_not_equal(batwire_client_crc(&client), 0x21d5b8d8);
}

static void an_echo_with_its_route_is_read_back(void **state)
{
	struct batwire_icmp icmp = { .ttl = 50,
				     .kind = BATWIRE_ECHO_REQUEST,
				     .uid = 3,
				     .seqno = 4,
				     .has_records = true,
				     .n_records = 2 };
	struct batwire_icmp got;
	uint8_t room[128];
	struct writer w = writer_of(room, sizeof(room));

	(void)state;
	memcpy(icmp.to, a, 6);
	memcpy(icmp.from, b, 6);
	memcpy(icmp.records[1], b, 6);
	batwire_icmp_write(&w, &icmp);
	assert_int_equal(w.len, BATWIRE_ICMP_RECORD_LEN);
	assert_int_equal(batwire_icmp_read(SPAN(room, w.len), &got), 0);
	assert_memory_equal(&got, &icmp, sizeof(got));
	assert_int_equal(batwire_icmp_read(SPAN(room, BATWIRE_ICMP_LEN), &got), 0);
	assert_false(got.has_records);
	assert_int_equal(got.n_records, 0);
	room[17] = BATWIRE_RECORDS_MAX + 1;
	assert_int_equal(batwire_icmp_read(SPAN(room, w.len), &got), -EBADMSG);
	assert_int_equal(batwire_icmp_read(SPAN(room, BATWIRE_ICMP_LEN - 1), &got), -EBADMSG);
}

static void data_is_told_apart_by_its_type(void **state)
{
	static const uint8_t frame[14] = { A, B, 0x86, 0xdd };
	struct batwire_data data = { .type = BATWIRE_BCAST,
				     .ttl = 50,
				     .seqno = 77,
				     .from = { A },
				     .frame = SPAN_OF(frame) };
	static const uint8_t four[18 + 14] = { 0x42, 15, 50, 3, A, B, 1, 0 };
	struct batwire_data got;
	uint8_t room[64];
	struct writer w = writer_of(room, sizeof(room));

	(void)state;
	batwire_data_write(&w, &data);
	assert_int_equal(w.len, BATWIRE_BCAST_LEN + sizeof(frame));
	assert_int_equal(batwire_data_read(SPAN(room, w.len), &got), 0);
	assert_int_equal(got.seqno, 77);
	assert_memory_equal(got.from, a, 6);
	assert_int_equal(batwire_data_read(SPAN(room, w.len - 1), &got), -EBADMSG);
	assert_int_equal(batwire_data_read(SPAN_OF(four), &got), 0);
	assert_int_equal(got.tt_version, 3);
	assert_memory_equal(got.to, a, 6);
	assert_memory_equal(got.from, b, 6);
	assert_int_equal(got.subtype, BATWIRE_SUBTYPE_DATA);
	assert_int_equal(got.frame.len, 14);
}

static void a_part_greater_than_its_whole_is_refused(void **state)
{
	uint8_t bytes[] = { 0x41, 15, 50, 0x30, A, B, 0, 9, 0, 3, 1, 2, 3 };
	struct batwire_fragment f;

	(void)state;
	assert_int_equal(batwire_fragment_read(SPAN_OF(bytes), &f), 0);
	assert_int_equal(f.number, 3);
	assert_int_equal(f.seqno, 9);
	assert_int_equal(f.total_len, 3);
	bytes[19] = 2;
	assert_int_equal(batwire_fragment_read(SPAN_OF(bytes), &f), -EBADMSG);
	assert_int_equal(batwire_fragment_read(SPAN(bytes, 20), &f), -EBADMSG); /* of nothing */
}

static void throughput_and_metric_go_opposite_ways(void **state)
{
	uint32_t before = UINT32_MAX;

	(void)state;
	for (uint32_t t = 1; t < 100000; t *= 3) {
		assert_true(batwire_metric_of(t) <= before);
		before = batwire_metric_of(t);
	}
	assert_int_equal(batwire_metric_of(10), 10 + 1120); /* 1 Mbit/s: 11.2 ms and 0.1 ms */
	assert_int_equal(batwire_throughput_of(batwire_metric_of(10)), 10);
	assert_int_equal(batwire_throughput_of(batwire_metric_of(1000)), 1018); /* rounded */
	assert_int_equal(batwire_metric_of(0), (1 << 24) - 1);
	assert_int_equal(batwire_throughput_of((1 << 24) - 1), 1);
	assert_true(batwire_throughput_of(0) == batwire_throughput_of(11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_neighbours_packet_of_the_kernel_is_read_by_its_header),
		cmocka_unit_test(another_version_is_refused_by_name),
		cmocka_unit_test(messages_of_originators_ride_together),
		cmocka_unit_test(a_container_that_is_cut_is_refused),
		cmocka_unit_test(a_translation_table_is_read_back),
		cmocka_unit_test(a_table_of_too_many_vlans_is_refused),
		cmocka_unit_test(the_checksum_of_a_client_is_the_kernels),
		cmocka_unit_test(an_echo_with_its_route_is_read_back),
		cmocka_unit_test(data_is_told_apart_by_its_type),
		cmocka_unit_test(a_part_greater_than_its_whole_is_refused),
		cmocka_unit_test(throughput_and_metric_go_opposite_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/wire/wire.h"

static const uint8_t bitmap[4] = { 0, 0, 0, 5 };

static size_t encode_fragment(uint8_t type, size_t body_len, uint8_t ret[WIRE_DATAGRAM_MAX])
{
	uint8_t body[WIRE_HS_BODY_LINK];
	struct wire_handshake h = {
		.type = type,
		.version = WIRE_HS_VERSION,
		.flags = 3,
		.cookie_epoch = 77,
		.sender_index = 0x01020304,
		.receiver_index = 0xa0b0c0d0,
		.message_len = 10067,
		.offset = 2368,
		.body = SPAN(body, body_len),
	};
	int len;

	memset(body, 0x5a, sizeof(body));
	memset(ret, 0xff, WIRE_DATAGRAM_MAX);
	len = wire_handshake_encode(&h, ret, WIRE_DATAGRAM_MAX);
	assert_int_equal(len, 16 + body_len + 32);
	return (size_t)len;
}

static void a_fragment_is_read_back_with_its_macs_at_the_end(void **state)
{
	(void)state;
	uint8_t datagram[WIRE_DATAGRAM_MAX];
	struct wire_handshake h;
	size_t len = encode_fragment(WIRE_M2, 700, datagram);
	static const uint8_t header[16] = { 2,	  1,	3,    77,   1,	  2,	3,    4,
					    0xa0, 0xb0, 0xc0, 0xd0, 0x27, 0x53, 0x09, 0x40 };

	assert_memory_equal(datagram, header, sizeof(header));
	datagram[16 + 700] = 1;
	datagram[16 + 700 + 16] = 2;
	assert_int_equal(wire_handshake_decode(SPAN(datagram, len), &h), 0);
	assert_int_equal(h.type, WIRE_M2);
	assert_int_equal(h.version, 1);
	assert_int_equal(h.flags, 3);
	assert_int_equal(h.cookie_epoch, 77);
	assert_int_equal(h.sender_index, 0x01020304);
	assert_int_equal(h.receiver_index, 0xa0b0c0d0);
	assert_int_equal(h.message_len, 10067);
	assert_int_equal(h.offset, 2368);
	assert_ptr_equal(h.body.at, datagram + 16);
	assert_int_equal(h.body.len, 700);
	assert_int_equal(h.mac1[0], 1);
	assert_int_equal(h.mac2[0], 2);
	assert_ptr_equal(h.mac2 + 16, datagram + len);
}

static void room_for_the_macs_is_left_as_zeros(void **state)
{
	(void)state;
	uint8_t datagram[WIRE_DATAGRAM_MAX];
	static const uint8_t zeros[32];
	size_t len = encode_fragment(WIRE_M1, WIRE_HS_BODY_LINK, datagram);

	assert_int_equal(len, 1232);
	assert_memory_equal(datagram + 16 + WIRE_HS_BODY_LINK, zeros, 32);
	assert_int_equal(datagram[len], 0xff);
}

static void an_ack_has_a_bitmap_of_exactly_four_bytes(void **state)
{
	(void)state;
	uint8_t datagram[WIRE_DATAGRAM_MAX] = { 0 };
	struct wire_handshake ack = { .type = WIRE_ACK, .body = SPAN_OF(bitmap) };
	struct wire_handshake h;

	assert_int_equal(wire_handshake_encode(&ack, datagram, sizeof(datagram)), 52);
	for (size_t len = 0; len < 80; len++)
		assert_int_equal(wire_handshake_decode(SPAN(datagram, len), &h),
				 len == 52 ? 0 : -EBADMSG);
	assert_int_equal(wire_handshake_decode(SPAN(datagram, 52), &h), 0);
	assert_memory_equal(h.body.at, bitmap, 4);
	ack.body.len = 3;
	assert_int_equal(wire_handshake_encode(&ack, datagram, sizeof(datagram)), -EINVAL);
}

static void a_fragment_has_a_body_and_not_too_long_a_one(void **state)
{
	(void)state;
	uint8_t datagram[WIRE_DATAGRAM_MAX];
	struct wire_handshake h = { .type = 99 };

	(void)encode_fragment(WIRE_M3, 1, datagram);
	for (size_t len = 0; len <= sizeof(datagram); len++) {
		bool is_valid = len >= 16 + 1 + 32 && len <= 16 + WIRE_HS_BODY_LINK + 32;

		assert_int_equal(wire_handshake_decode(SPAN(datagram, len), &h),
				 is_valid ? 0 : -EBADMSG);
	}
	h.type = 99;
	assert_int_equal(wire_handshake_decode(SPAN(datagram, 48), &h), -EBADMSG);
	assert_int_equal(h.type, 99); /* untouched on failure */
}

static void encoding_into_too_little_room_fails(void **state)
{
	(void)state;
	uint8_t datagram[64];
	struct wire_handshake ack = { .type = WIRE_ACK, .body = SPAN_OF(bitmap) };
	struct wire_handshake other = { .type = WIRE_TRANSPORT, .body = SPAN_OF(bitmap) };

	for (size_t size = 0; size < 52; size++)
		assert_int_equal(wire_handshake_encode(&ack, datagram, size), -ENOBUFS);
	assert_int_equal(wire_handshake_encode(&ack, datagram, 52), 52);
	assert_int_equal(wire_handshake_encode(&other, datagram, 64), -EINVAL);
}

static void only_the_types_of_a_decoder_are_decoded(void **state)
{
	(void)state;
	uint8_t datagram[56] = { 0 };
	struct wire_handshake h;
	struct wire_cookie c;
	struct wire_transport t;

	for (unsigned type = 0; type < 256; type++) {
		datagram[0] = (uint8_t)type;
		assert_int_equal(wire_handshake_decode(SPAN(datagram, 52), &h),
				 type >= 1 && type <= 4 ? 0 : -EBADMSG);
		assert_int_equal(wire_cookie_decode(SPAN_OF(datagram), &c),
				 type == 5 ? 0 : -EBADMSG);
		assert_int_equal(wire_transport_decode(SPAN_OF(datagram), &t),
				 type >= 16 && type <= 18 ? 0 : -EBADMSG);
	}
}

static void a_cookie_reply_is_56_bytes_with_its_zeros(void **state)
{
	(void)state;
	uint8_t datagram[64] = { WIRE_COOKIE, 9, 0, 0, 1, 2, 3, 4 };
	struct wire_cookie c;

	for (size_t len = 0; len <= sizeof(datagram); len++)
		assert_int_equal(wire_cookie_decode(SPAN(datagram, len), &c),
				 len == WIRE_COOKIE_REPLY_LEN ? 0 : -EBADMSG);
	assert_int_equal(wire_cookie_decode(SPAN(datagram, 56), &c), 0);
	assert_int_equal(c.epoch, 9);
	assert_int_equal(c.receiver_index, 0x01020304);
	assert_ptr_equal(c.nonce, datagram + 8);
	assert_ptr_equal(c.sealed, datagram + 24);
	assert_ptr_equal(c.clear.at, datagram);
	assert_int_equal(c.clear.len, 24);
	datagram[3] = 1;
	assert_int_equal(wire_cookie_decode(SPAN(datagram, 56), &c), -EBADMSG);
}

static void a_transport_header_is_read_back(void **state)
{
	(void)state;
	uint8_t header[WIRE_HEADER_LEN];
	struct wire_transport t = {
		.type = WIRE_TRANSPORT,
		.seal_len = HOP_LEN,
		.receiver_index = 0xdeadbeef,
		.lane = 15,
		.sequence = 0x00123456789abcde,
	};
	struct wire_transport back = { 0 };
	static const uint8_t expected[] = { 16, 0,    0,    34,	  0xde, 0xad, 0xbe, 0xef,
					    15, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde };

	wire_transport_encode(&t, header);
	assert_memory_equal(header, expected, sizeof(expected));
	for (size_t len = 0; len < sizeof(header); len++)
		assert_int_equal(wire_transport_decode(SPAN(header, len), &back), -EBADMSG);
	assert_int_equal(wire_transport_decode(SPAN_OF(header), &back), 0);
	assert_memory_equal(&back, &t, sizeof(t));
}

static void unknown_transport_flags_are_dropped(void **state)
{
	(void)state;
	uint8_t header[WIRE_HEADER_LEN] = { WIRE_TRANSPORT };
	struct wire_transport t;

	for (unsigned flags = 1; flags < 256; flags++) {
		header[1] = (uint8_t)flags;
		assert_int_equal(wire_transport_decode(SPAN_OF(header), &t), -EPROTO);
	}
}

static void a_probe_always_ends_here(void **state)
{
	(void)state;
	uint8_t header[WIRE_HEADER_LEN] = { WIRE_PROBE };
	struct wire_transport t;

	assert_int_equal(wire_transport_decode(SPAN_OF(header), &t), 0);
	header[3] = HOP_LEN;
	assert_int_equal(wire_transport_decode(SPAN_OF(header), &t), -EPROTO);
}

static struct wire_hop some_hop(bool has_options)
{
	struct wire_hop h;

	memset(&h, 0, sizeof(h)); /* compared as memory below */
	h.link_sequence = 0xfffe;
	h.ttl = 63;
	h.class = CLASS_CRITICAL;
	h.kind = KIND_CONTROL;
	h.has_options = has_options;
	h.is_duplicate = true;
	h.flow_hash = 0xabcd;
	h.destination = 0x1122334455667788;
	h.source = 0x99aabbccddeeff00;
	h.e2e_index = 0x0badcafe;
	h.e2e_lane = 3;
	h.e2e_sequence = 0x00ffffffffffffff;
	if (has_options)
		memset(h.options, 0x77, sizeof(h.options));
	return h;
}

static void assert_same_hop(const struct wire_hop *a, const struct wire_hop *b)
{
	assert_int_equal(a->link_sequence, b->link_sequence);
	assert_int_equal(a->ttl, b->ttl);
	assert_int_equal(a->class, b->class);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->has_options, b->has_options);
	assert_int_equal(a->is_filter, b->is_filter);
	assert_int_equal(a->is_labelled, b->is_labelled);
	assert_int_equal(a->is_duplicate, b->is_duplicate);
	assert_int_equal(a->flow_hash, b->flow_hash);
	assert_true(a->destination == b->destination);
	assert_true(a->source == b->source);
	assert_int_equal(a->e2e_index, b->e2e_index);
	assert_int_equal(a->e2e_lane, b->e2e_lane);
	assert_true(a->e2e_sequence == b->e2e_sequence);
	assert_memory_equal(a->options, b->options, sizeof(a->options));
}

static void a_hop_header_is_read_back_with_and_without_options(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		bool has_options = kind > 0;
		uint8_t bytes[HOP_LEN + HOP_OPTIONS_LEN + 1] = { 0 };
		struct wire_hop h = some_hop(has_options);
		struct wire_hop back;
		size_t len;

		h.is_filter = kind == 2;
		h.is_labelled = kind == 3;
		len = wire_hop_encode(&h, bytes);
		assert_int_equal(len, has_options ? 58 : 34);
		for (size_t n = 0; n <= sizeof(bytes); n++)
			assert_int_equal(wire_hop_decode(SPAN(bytes, n), &back),
					 n == len ? 0 : -EBADMSG);
		assert_int_equal(wire_hop_decode(SPAN(bytes, len), &back), 0);
		assert_same_hop(&back, &h);
	}
}

static void a_short_hop_header_carries_no_ids_and_leaves_the_inner_packet(void **state)
{
	(void)state;
	uint8_t bytes[HOP_SHORT_LEN + 3] = { 0 };
	struct wire_hop h = some_hop(true);
	struct wire_hop back;
	struct span inner;

	wire_hop_encode_short(&h, bytes);
	for (size_t n = 0; n < HOP_SHORT_LEN; n++)
		assert_int_equal(wire_hop_decode_short(SPAN(bytes, n), &back, &inner), -EBADMSG);
	assert_int_equal(wire_hop_decode_short(SPAN_OF(bytes), &back, &inner), 0);
	assert_ptr_equal(inner.at, bytes + HOP_SHORT_LEN);
	assert_int_equal(inner.len, 3);
	assert_int_equal(back.link_sequence, 0xfffe);
	assert_int_equal(back.class, CLASS_CRITICAL);
	assert_int_equal(back.flow_hash, 0xabcd);
	assert_false(back.has_options); /* the short form has no room for them */
	assert_true(back.destination == 0);
	bytes[3] |= HOP_FLAG_OPTIONS;
	assert_int_equal(wire_hop_decode_short(SPAN_OF(bytes), &back, &inner), -EPROTO);
}

static void unknown_hop_flags_classes_and_kinds_are_dropped(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		uint8_t bytes[HOP_LEN + HOP_OPTIONS_LEN] = { 0 };
		size_t len = flags & HOP_FLAG_OPTIONS ? 58 : 34;
		bool has_options = flags & HOP_FLAG_OPTIONS;
		unsigned what = flags & (HOP_FLAG_FILTER | HOP_FLAG_LABELS);
		bool is_known = (flags & 3) != 3 && (flags >> 4 & 3) != 3 &&
				(what == 0 || (has_options && (what & (what - 1)) == 0));
		struct wire_hop h;
		struct span inner;

		bytes[3] = (uint8_t)flags;
		assert_int_equal(wire_hop_decode(SPAN(bytes, len), &h), is_known ? 0 : -EPROTO);
		if (!is_known)
			assert_int_equal(wire_hop_decode_short(SPAN_OF(bytes), &h, &inner),
					 -EPROTO);
	}
}

static void a_service_message_is_read_back_and_fits_exactly(void **state)
{
	(void)state;
	static const uint8_t body[WIRE_SERVICE_MAX + 1] = { 1, 2, 3 };
	uint8_t bytes[WIRE_SERVICE_MAX + 16];
	struct wire_service_message m = { .service = SERVICE_ECHO_REPLY, .body = SPAN(body, 3) };
	struct wire_service_message back;

	assert_int_equal(wire_service_encode(&m, bytes, sizeof(bytes)), 8);
	for (size_t n = 0; n < 12; n++)
		assert_int_equal(wire_service_decode(SPAN(bytes, n), &back), n == 8 ? 0 : -EBADMSG);
	assert_int_equal(wire_service_decode(SPAN(bytes, 8), &back), 0);
	assert_int_equal(back.service, SERVICE_ECHO_REPLY);
	assert_int_equal(back.body.len, 3);
	assert_memory_equal(back.body.at, body, 3);
	bytes[0] = PLAIN_CONTROL;
	assert_int_equal(wire_service_decode(SPAN(bytes, 8), &back), -EBADMSG);
}

static void a_service_message_has_at_most_1024_bytes(void **state)
{
	(void)state;
	static const uint8_t body[WIRE_SERVICE_MAX + 1];
	uint8_t bytes[WIRE_SERVICE_MAX + 16] = { PLAIN_SERVICE, 0, 1, 4, 1 };
	struct wire_service_message m = { .service = 1, .body = SPAN(body, WIRE_SERVICE_MAX) };

	assert_int_equal(wire_service_encode(&m, bytes, 5 + WIRE_SERVICE_MAX), 1029);
	assert_int_equal(wire_service_decode(SPAN(bytes, 1029), &m), 0);
	assert_int_equal(wire_service_encode(&m, bytes, 1028), -ENOBUFS);
	m.body = SPAN_OF(body);
	assert_int_equal(wire_service_encode(&m, bytes, sizeof(bytes)), -ENOBUFS);
	store_u16(bytes + 3, WIRE_SERVICE_MAX + 1);
	assert_int_equal(wire_service_decode(SPAN(bytes, 1030), &m), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fragment_is_read_back_with_its_macs_at_the_end),
		cmocka_unit_test(room_for_the_macs_is_left_as_zeros),
		cmocka_unit_test(an_ack_has_a_bitmap_of_exactly_four_bytes),
		cmocka_unit_test(a_fragment_has_a_body_and_not_too_long_a_one),
		cmocka_unit_test(encoding_into_too_little_room_fails),
		cmocka_unit_test(only_the_types_of_a_decoder_are_decoded),
		cmocka_unit_test(a_cookie_reply_is_56_bytes_with_its_zeros),
		cmocka_unit_test(a_transport_header_is_read_back),
		cmocka_unit_test(unknown_transport_flags_are_dropped),
		cmocka_unit_test(a_probe_always_ends_here),
		cmocka_unit_test(a_hop_header_is_read_back_with_and_without_options),
		cmocka_unit_test(a_short_hop_header_carries_no_ids_and_leaves_the_inner_packet),
		cmocka_unit_test(unknown_hop_flags_classes_and_kinds_are_dropped),
		cmocka_unit_test(a_service_message_is_read_back_and_fits_exactly),
		cmocka_unit_test(a_service_message_has_at_most_1024_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

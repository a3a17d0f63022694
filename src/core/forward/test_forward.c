/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/forward/forward.h"
#include "core/forward/marks.h"

static const uint8_t key[16] = { 7 };

static size_t make_packet(uint8_t *ret, uint8_t protocol, const uint8_t *payload, size_t len)
{
	memset(ret, 0, 40);
	ret[0] = 0x60;
	store_u16(ret + 4, (uint16_t)len);
	ret[6] = protocol;
	memset(ret + 8, 0xa1, 16);
	memset(ret + 24, 0xb2, 16);
	memcpy(ret + 40, payload, len);
	return 40 + len;
}

static struct inner tcp_packet(uint16_t source, uint16_t destination, uint8_t flags)
{
	uint8_t tcp[20] = { 0 };
	uint8_t packet[60];
	struct inner i;

	store_u16(tcp, source);
	store_u16(tcp + 2, destination);
	tcp[13] = flags;
	(void)make_packet(packet, 6, tcp, sizeof(tcp));
	assert_int_equal(inner_parse(SPAN_OF(packet), &i), 0);
	return i;
}

static struct inner reversed(struct inner i)
{
	struct inner r = i;

	memcpy(r.source, i.destination, 16);
	memcpy(r.destination, i.source, 16);
	r.source_port = i.destination_port;
	r.destination_port = i.source_port;
	return r;
}

static void a_flow_hash_is_remembered_for_that_flow_alone(void **state)
{
	(void)state;
	struct inner_hashed hashed = { 0 };
	struct inner flow = { .protocol = 6, .source_port = 1, .destination_port = 2 };
	struct inner others[5];

	for (size_t k = 0; k < 5; k++)
		others[k] = flow;
	others[0].source[15] = 1;
	others[1].destination[0] = 1;
	others[2].protocol = 17;
	others[3].source_port = 2;
	others[4].destination_port = 1;
	for (size_t k = 0; k < 5; k++) {
		for (unsigned again = 0; again < 2; again++) {
			flow.hop_limit++; /* is no part of it */
			assert_int_equal(inner_flow_hash_again(&hashed, &flow, key),
					 inner_flow_hash(&flow, key));
		}
		assert_int_equal(inner_flow_hash_again(&hashed, &others[k], key),
				 inner_flow_hash(&others[k], key));
	}
}

static void ports_are_found_behind_extension_headers(void **state)
{
	(void)state;
	uint8_t payload[8 + 8 + 20] = { 60, 0, 0, 0, 0, 0, 0, 0, /* destination options next */
					6,  0, 0, 0, 0, 0, 0, 0 };
	uint8_t packet[100];
	struct inner i;

	store_u16(payload + 16, 1000);
	store_u16(payload + 18, 443);
	size_t len = make_packet(packet, 0, payload, sizeof(payload));

	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_int_equal(i.protocol, 6);
	assert_true(i.has_ports);
	assert_int_equal(i.destination_port, 443);
}

static size_t make_ipv4(uint8_t *ret, uint8_t protocol, unsigned options, const uint8_t *payload,
			size_t len)
{
	size_t header_len = 20 + 4U * options;

	memset(ret, 0, header_len);
	ret[0] = (uint8_t)(0x40 | header_len / 4);
	store_u16(ret + 2, (uint16_t)(header_len + len));
	ret[8] = 64;
	ret[9] = protocol;
	memcpy(ret + 12, (const uint8_t[]){ 10, 86, 0, 1, 10, 86, 0, 2 }, 8);
	memcpy(ret + header_len, payload, len);
	return header_len + len;
}

static void ipv4_is_read_with_options_and_mapped_addresses(void **state)
{
	(void)state;
	static const uint8_t from[16] = { [10] = 0xff, [11] = 0xff, 10, 86, 0, 1 };
	uint8_t tcp[20] = { 0x12, 0x34, 0x01, 0xbb, [13] = 0x02 };
	char resource[FLOW_RESOURCE_SIZE];
	uint8_t packet[100];
	struct inner i;

	for (unsigned options = 0; options <= 10; options++) {
		size_t len = make_ipv4(packet, 6, options, tcp, sizeof(tcp));

		assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
		assert_true(i.is_ipv4 && i.has_ports && i.is_tcp_syn);
		assert_int_equal(i.destination_port, 443);
		assert_int_equal(i.hop_limit, 64);
		assert_memory_equal(i.source, from, 16);
		inner_resource(&i, resource);
		assert_string_equal(resource, "tcp:443");
	}
}

static void ipv4_with_lengths_that_do_not_fit_is_refused(void **state)
{
	(void)state;
	uint8_t tcp[20] = { 0 };
	uint8_t packet[100], bad[100];
	struct inner i;
	size_t len = make_ipv4(packet, 6, 0, tcp, sizeof(tcp));

	for (size_t n = 1; n < len; n++)
		assert_int_equal(inner_parse(SPAN(packet, n), &i), -EBADMSG);
	assert_int_equal(inner_parse(SPAN(packet, len + 1), &i), -EBADMSG);
	memcpy(bad, packet, len);
	bad[0] = 0x44; /* a header of 16 bytes */
	assert_int_equal(inner_parse(SPAN(bad, len), &i), -EBADMSG);
	bad[0] = 0x4f; /* of 60, longer than all of it */
	assert_int_equal(inner_parse(SPAN(bad, len), &i), -EBADMSG);
	bad[0] = 0x55;
	assert_int_equal(inner_parse(SPAN(bad, len), &i), -EPROTO);
}

static void a_later_ipv4_fragment_has_no_ports(void **state)
{
	(void)state;
	uint8_t udp[8] = { 0, 53, 0, 53 };
	uint8_t packet[100];
	struct inner i;
	size_t len = make_ipv4(packet, 17, 0, udp, sizeof(udp));

	store_u16(packet + 6, 0x2000); /* the first of several */
	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_true(i.has_ports);
	store_u16(packet + 6, 0x0001);
	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_false(i.has_ports);
	assert_int_equal(i.protocol, 17);
}

static void icmp_belongs_to_its_version(void **state)
{
	(void)state;
	uint8_t echo[8] = { 8, 0, 0, 0, 0x12, 0x34 };
	char resource[FLOW_RESOURCE_SIZE];
	uint8_t packet[100];
	struct inner i;
	size_t len = make_ipv4(packet, 1, 0, echo, sizeof(echo));

	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_true(i.is_echo_request);
	assert_int_equal(i.source_port, 0x1234);
	inner_resource(&i, resource);
	assert_string_equal(resource, "icmp");
	len = make_packet(packet, 1, echo, sizeof(echo));
	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_false(i.is_echo_request || i.has_ports);
	inner_resource(&i, resource);
	assert_string_equal(resource, "proto:1");
	echo[0] = 3;
	len = make_ipv4(packet, 1, 0, echo, sizeof(echo));
	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_true(i.is_icmp_error);
}

static void a_mapped_address_in_ipv6_is_refused(void **state)
{
	(void)state;
	uint8_t udp[8] = { 0 };
	uint8_t packet[100];
	struct inner i;
	size_t len = make_packet(packet, 17, udp, sizeof(udp));

	memset(packet + 8, 0, 16);
	packet[18] = packet[19] = 0xff;
	assert_int_equal(inner_parse(SPAN(packet, len), &i), -EBADMSG);
}

static void a_flow_to_one_address_here_is_not_one_to_another(void **state)
{
	(void)state;
	struct inner i = tcp_packet(1000, 22, 0x02);
	struct flows *f;

	assert_int_equal(flows_new(key, &f), 0);
	flows_decide(f, 1, &i, true, 1);
	assert_int_equal(flows_inbound(f, 1, &i, 2), FLOW_KNOWN);
	i.destination[15] ^= 1;
	assert_int_equal(flows_inbound(f, 1, &i, 3), FLOW_NEW);
	flows_free(f);
}

static void a_later_fragment_has_no_ports(void **state)
{
	(void)state;
	uint8_t payload[8 + 20] = { 6, 0, 0, 8 };
	uint8_t packet[100];
	struct inner i;
	size_t len = make_packet(packet, 44, payload, sizeof(payload));

	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_int_equal(i.protocol, 6);
	assert_false(i.has_ports);
}

/* RFC 1858 section 3: the ports are in the first fragment, but not the flags. */
static void a_tiny_first_fragment_shows_its_ports(void **state)
{
	(void)state;
	uint8_t tcp[8];
	uint8_t v6[16] = { 6, 0, 0, 1 }; /* a fragment header: the first, more to come */
	uint8_t packet[60];
	struct inner i;
	size_t len;

	store_u16(tcp, 1000);
	store_u16(tcp + 2, 22);
	len = make_ipv4(packet, 6, 0, tcp, sizeof(tcp));
	store_u16(packet + 6, 0x2000);
	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_true(i.has_ports && i.is_tcp_syn); /* it may be one */
	assert_int_equal(i.destination_port, 22);
	memcpy(v6 + 8, tcp, sizeof(tcp));
	len = make_packet(packet, 44, v6, sizeof(v6));
	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_true(i.has_ports);
	assert_int_equal(i.destination_port, 22);
}

/* Policy would be asked about the protocol of an extension header, and allow what is behind it. */
static void headers_that_hide_what_is_behind_them_are_refused(void **state)
{
	(void)state;
	uint8_t payload[9 * 8 + 20] = { 0 };
	uint8_t packet[160];
	struct inner i;
	size_t len;

	for (unsigned n = 0; n < 9; n++)
		payload[8 * n] = n < 8 ? 60 : 6;
	store_u16(payload + 9 * 8 + 2, 22);
	len = make_packet(packet, 60, payload, sizeof(payload));
	assert_int_equal(inner_parse(SPAN(packet, len), &i), -EBADMSG);
	/* eight of them are read */
	len = make_packet(packet, 60, payload + 8, sizeof(payload) - 8);
	assert_int_equal(inner_parse(SPAN(packet, len), &i), 0);
	assert_int_equal(i.destination_port, 22);
	/* a chain that goes on in another fragment (RFC 7112 section 5) */
	payload[1] = 20;
	len = make_packet(packet, 60, payload, sizeof(payload));
	assert_int_equal(inner_parse(SPAN(packet, len), &i), -EBADMSG);
}

static void a_packet_of_another_length_than_it_says_is_refused(void **state)
{
	(void)state;
	uint8_t packet[60];
	uint8_t tcp[20] = { 0 };
	struct inner i;

	(void)make_packet(packet, 6, tcp, sizeof(tcp));
	for (size_t len = 0; len < sizeof(packet); len++)
		assert_int_equal(inner_parse(SPAN(packet, len), &i), -EBADMSG);
	packet[0] = 0x55;
	assert_int_equal(inner_parse(SPAN_OF(packet), &i), -EPROTO);
}

static void answers_pass_and_new_connections_are_asked_about(void **state)
{
	(void)state;
	struct flows *f;
	struct inner out = tcp_packet(1000, 80, 0x02);
	struct inner answer = reversed(out);
	struct inner in = reversed(tcp_packet(22, 5555, 0x02));

	assert_int_equal(flows_new(key, &f), 0);
	flows_outbound(f, &out, 0);
	answer.is_tcp_syn = false;
	assert_int_equal(flows_inbound(f, 1, &answer, 1), FLOW_KNOWN);
	assert_int_equal(flows_inbound(f, 1, &in, 1), FLOW_NEW);
	flows_decide(f, 1, &in, false, 1);
	assert_int_equal(flows_inbound(f, 1, &in, 2), FLOW_DENIED);
	assert_int_equal(flows_inbound(f, 1, &in, SECONDS(2)), FLOW_NEW); /* may ask again */
	flows_decide(f, 1, &in, true, SECONDS(2));
	assert_int_equal(flows_inbound(f, 1, &in, SECONDS(3)), FLOW_KNOWN);
	flows_forget(f);
	assert_int_equal(flows_inbound(f, 1, &in, SECONDS(3)), FLOW_NEW);
	assert_int_equal(flows_inbound(f, 1, &answer, SECONDS(3)), FLOW_KNOWN);
	/* and idle flows are forgotten */
	assert_int_equal(flows_inbound(f, 1, &answer, SECONDS(4) + FLOW_IDLE_US), FLOW_NEW);
	flows_free(f);
}

static void an_outbound_flow_opens_no_door_for_a_connection_back(void **state)
{
	(void)state;
	struct flows *f;
	struct inner out = tcp_packet(1000, 80, 0x02);
	struct inner back = reversed(out);

	assert_int_equal(flows_new(key, &f), 0);
	flows_outbound(f, &out, 0);
	back.is_tcp_syn = true;
	assert_int_equal(flows_inbound(f, 1, &back, 1), FLOW_NEW);
	flows_free(f);
}

static void a_full_table_forgets_the_flow_longest_idle(void **state)
{
	(void)state;
	struct flows *f;

	assert_int_equal(flows_new(key, &f), 0);
	for (unsigned i = 0; i < FLOWS_MAX + 1; i++) {
		struct inner in = tcp_packet((uint16_t)(i + 1), (uint16_t)(80 + i / 65000), 0x02);

		flows_decide(f, 1, &in, true, i);
	}
	struct inner first = tcp_packet(1, 80, 0x02);
	struct inner second = tcp_packet(2, 80, 0x02);

	assert_int_equal(flows_count(f), FLOWS_MAX);
	assert_int_equal(flows_inbound(f, 1, &first, FLOWS_MAX + 1), FLOW_NEW);
	assert_int_equal(flows_inbound(f, 1, &second, FLOWS_MAX + 1), FLOW_KNOWN);
	flows_free(f);
}

/* Two nodes of one offered network: what one may, the other has to be allowed too. */
static void a_verdict_is_of_the_peer_that_it_was_made_for(void **state)
{
	(void)state;
	struct flows *f;
	struct inner in = tcp_packet(1000, 22, 0x10);
	struct inner syn = tcp_packet(1000, 22, 0x02);
	struct inner out;

	assert_int_equal(flows_new(key, &f), 0);
	flows_decide(f, 1, &in, true, 1);
	assert_int_equal(flows_inbound(f, 1, &in, 2), FLOW_KNOWN);
	assert_int_equal(flows_inbound(f, 2, &in, 2), FLOW_NEW);
	flows_decide(f, 2, &in, false, 2);
	assert_int_equal(flows_inbound(f, 1, &in, 3), FLOW_KNOWN);
	assert_int_equal(flows_inbound(f, 2, &in, 3), FLOW_NEW);
	in.source_port = 1001;
	flows_decide(f, 2, &in, false, 4);
	assert_int_equal(flows_inbound(f, 2, &in, 5), FLOW_DENIED);
	assert_int_equal(flows_inbound(f, 1, &in, 5), FLOW_NEW);
	/* what answers us may come by either, and begin nothing */
	in.source_port = syn.source_port = 1002;
	out = reversed(in);
	flows_outbound(f, &out, 6);
	assert_int_equal(flows_inbound(f, 1, &in, 7), FLOW_KNOWN);
	assert_int_equal(flows_inbound(f, 2, &in, 7), FLOW_KNOWN);
	assert_int_equal(flows_inbound(f, 2, &syn, 7), FLOW_NEW);
	flows_decide(f, 1, &syn, true, 8);
	assert_int_equal(flows_inbound(f, 1, &syn, 9), FLOW_KNOWN);
	assert_int_equal(flows_inbound(f, 2, &syn, 9), FLOW_NEW);
	flows_free(f);
}

static void denials_push_no_flow_out(void **state)
{
	(void)state;
	struct flows *f;
	struct inner out = tcp_packet(1, 80, 0x10), answer = reversed(out);

	assert_int_equal(flows_new(key, &f), 0);
	flows_outbound(f, &out, 0);
	for (unsigned i = 0; i < 2 * FLOWS_MAX; i++) {
		struct inner in = tcp_packet((uint16_t)(i + 2), 81, 0x02);

		flows_decide(f, 1, &in, false, 10);
	}
	assert_int_equal(flows_count(f), FLOWS_MAX);
	assert_int_equal(flows_inbound(f, 2, &answer, 10), FLOW_KNOWN);
	flows_free(f);
}

static void who_begins_too_many_flows_loses_his_own(void **state)
{
	(void)state;
	struct flows *f;
	struct inner first = tcp_packet(1, 80, 0x10), second = tcp_packet(1, 81, 0x10);

	assert_int_equal(flows_new(key, &f), 0);
	flows_decide(f, 2, &first, true, 0);
	for (unsigned i = 0; i < 2 * FLOWS_MAX; i++) {
		struct inner in = tcp_packet((uint16_t)i, 82, 0x02);
		struct inner back = reversed(in);

		flows_decide(f, 1, &in, true, 10);
		flows_outbound(f, &back, 10); /* what answers it is not begun by us */
	}
	assert_int_equal(flows_count(f), FLOWS_MAX);
	assert_int_equal(flows_inbound(f, 2, &first, 10), FLOW_KNOWN);
	flows_decide(f, 2, &second, true, 11); /* the first: there is nobody else's */
	assert_int_equal(flows_inbound(f, 2, &second, 12), FLOW_KNOWN);
	assert_int_equal(flows_inbound(f, 2, &first, 12), FLOW_KNOWN);
	flows_free(f);
}

/* They look idle to the owner, who sees a packet of each a minute. */
static void flows_that_threads_carry_are_not_idle(void **state)
{
	(void)state;
	struct inner out = tcp_packet(1, 80, 0x10), answer = reversed(out);
	struct inner idle = tcp_packet(2, 80, 0x10);
	struct flows *f;
	struct marks *m;

	assert_int_equal(flows_new(key, &f), 0);
	assert_int_equal(marks_new(key, &m), 0);
	flows_watch(f, m);
	flows_outbound(f, &out, SECONDS(1));
	marks_put(m, MARK_OUT, &out, SECONDS(1));
	marks_put(m, MARK_OUT, &idle, SECONDS(1));
	flows_outbound(f, &idle, SECONDS(1));
	assert_true(marks_has(m, MARK_OUT, &out, SECONDS(5)));
	for (unsigned i = 0; i < FLOWS_MAX; i++) {
		struct inner other = tcp_packet((uint16_t)i, 81, 0x10);

		flows_outbound(f, &other, SECONDS(6));
	}
	assert_int_equal(flows_inbound(f, 1, &answer, SECONDS(7)), FLOW_KNOWN);
	/* and of what is forgotten the owner sees the next packet */
	assert_true(marks_has(m, MARK_OUT, &out, SECONDS(7)));
	assert_false(marks_has(m, MARK_OUT, &idle, SECONDS(7)));
	flows_free(f);
	marks_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_hash_is_remembered_for_that_flow_alone),
		cmocka_unit_test(ports_are_found_behind_extension_headers),
		cmocka_unit_test(a_later_fragment_has_no_ports),
		cmocka_unit_test(a_tiny_first_fragment_shows_its_ports),
		cmocka_unit_test(headers_that_hide_what_is_behind_them_are_refused),
		cmocka_unit_test(ipv4_is_read_with_options_and_mapped_addresses),
		cmocka_unit_test(ipv4_with_lengths_that_do_not_fit_is_refused),
		cmocka_unit_test(a_later_ipv4_fragment_has_no_ports),
		cmocka_unit_test(icmp_belongs_to_its_version),
		cmocka_unit_test(a_mapped_address_in_ipv6_is_refused),
		cmocka_unit_test(a_flow_to_one_address_here_is_not_one_to_another),
		cmocka_unit_test(a_packet_of_another_length_than_it_says_is_refused),
		cmocka_unit_test(answers_pass_and_new_connections_are_asked_about),
		cmocka_unit_test(an_outbound_flow_opens_no_door_for_a_connection_back),
		cmocka_unit_test(a_full_table_forgets_the_flow_longest_idle),
		cmocka_unit_test(a_verdict_is_of_the_peer_that_it_was_made_for),
		cmocka_unit_test(denials_push_no_flow_out),
		cmocka_unit_test(who_begins_too_many_flows_loses_his_own),
		cmocka_unit_test(flows_that_threads_carry_are_not_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

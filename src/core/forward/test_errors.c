/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/forward/icmp.h"
#include "core/forward/mss.h"

static const uint8_t self[16] = { 0xfd, 0x11, [15] = 9 };

/* The sum over everything, pseudo-header included, is all ones where a checksum is right. */
static uint16_t sum_of(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t upper_sum(const uint8_t *packet, size_t len)
{
	bool is_v4 = packet[0] >> 4 == 4;
	size_t at = is_v4 ? (size_t)(packet[0] & 0xf) * 4 : 40;
	uint32_t sum = (uint32_t)(len - at) + (is_v4 ? packet[9] : packet[6]);

	sum = sum_of(packet + (is_v4 ? 12 : 8), is_v4 ? 8 : 32, sum);
	return sum_of(packet + at, len - at, sum);
}

/* UDP, without extension headers. */
static size_t packet_v6(uint8_t ret[1344], size_t len)
{
	memset(ret, 0, len);
	ret[0] = 0x60;
	store_u16(ret + 4, (uint16_t)(len - 40));
	ret[6] = 17;
	ret[7] = 64;
	memcpy(ret + 8, self, 16);
	memcpy(ret + 24, self, 16);
	ret[39] = 7;
	return len;
}

static size_t packet_v4(uint8_t ret[1344], size_t len)
{
	static const uint8_t addresses[] = { 10, 0, 0, 1, 10, 0, 0, 2 };

	memset(ret, 0, len);
	ret[0] = 0x45;
	store_u16(ret + 2, (uint16_t)len);
	ret[8] = 64;
	ret[9] = 17;
	memcpy(ret + 12, addresses, sizeof(addresses));
	return len;
}

static void packet_too_big_tells_the_mtu_and_quotes_the_packet(void **state)
{
	(void)state;
	uint8_t packet[1344], error[ICMP_ERROR_MAX];
	size_t len = packet_v6(packet, 1344);

	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 1300, SPAN(packet, len), error), 1280);
	assert_int_equal(error[40], 2);
	assert_int_equal(error[41], 0);
	assert_int_equal(load_u32(error + 44), 1300);
	assert_memory_equal(error + 8, self, 16);
	assert_memory_equal(error + 24, packet + 8, 16);
	assert_memory_equal(error + 48, packet, 1280 - 48);
	assert_int_equal(upper_sum(error, 1280), 0xffff);
	len = packet_v6(packet, 61); /* odd, and short: quoted whole */
	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 1300, SPAN(packet, len), error), 109);
	assert_int_equal(upper_sum(error, 109), 0xffff);
}

static void each_reason_has_its_type_and_code(void **state)
{
	(void)state;
	static const uint8_t v6[][2] = { { 2, 0 }, { 1, 0 }, { 1, 1 }, { 1, 3 }, { 3, 0 } };
	static const uint8_t v4[][2] = { { 3, 4 }, { 3, 0 }, { 3, 13 }, { 3, 1 }, { 11, 0 } };
	uint8_t packet[1344], error[ICMP_ERROR_MAX];

	for (unsigned r = ICMP_TOO_BIG; r <= ICMP_HOPS_EXHAUSTED; r++) {
		size_t len = packet_v6(packet, 100);

		assert_true(icmp_error((enum icmp_reason)r, self, 1280, SPAN(packet, len), error));
		assert_memory_equal(error + 40, v6[r], 2);
		len = packet_v4(packet, 100);
		assert_int_equal(
			icmp_error((enum icmp_reason)r, self, 1280, SPAN(packet, len), error), 128);
		assert_memory_equal(error + 20, v4[r], 2);
		assert_memory_equal(error + 12, packet + 16, 4); /* we have no IPv4 address */
		assert_memory_equal(error + 16, packet + 12, 4);
		assert_int_equal(sum_of(error, 20, 0), 0xffff);
		assert_int_equal(sum_of(error + 20, 108, 0), 0xffff);
		if (r == ICMP_TOO_BIG)
			assert_int_equal(load_u16(error + 26), 1280);
	}
	size_t len = packet_v4(packet, 1344);

	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 1280, SPAN(packet, len), error), 576);
}

static void errors_and_multicast_are_not_answered(void **state)
{
	(void)state;
	uint8_t packet[1344], error[ICMP_ERROR_MAX];
	size_t len = packet_v6(packet, 100);
	static const uint8_t types[] = { 1, 2, 3, 4, 127, 137 };

	packet[6] = 58;
	for (unsigned i = 0; i < sizeof(types); i++) {
		packet[40] = types[i];
		assert_int_equal(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error), 0);
	}
	packet[40] = 128; /* an echo request is */
	assert_true(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error) > 0);
	packet[6] = 0; /* an error behind a hop-by-hop header */
	packet[40] = 58;
	packet[48] = 1;
	assert_int_equal(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error), 0);
	packet[41] = 255; /* a header that is longer than the packet might hide one */
	assert_int_equal(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error), 0);
	packet[6] = 44; /* a later fragment of ICMPv6 */
	packet[43] = 8;
	assert_int_equal(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error), 0);
	packet[40] = 17; /* of UDP */
	assert_true(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error) > 0);

	len = packet_v6(packet, 100);
	packet[24] = 0xff;
	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 0, SPAN(packet, len), error), 0);
	len = packet_v6(packet, 100);
	packet[8] = 0xff;
	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 0, SPAN(packet, len), error), 0);
	memset(packet + 8, 0, 16);
	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 0, SPAN(packet, len), error), 0);
	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 0, SPAN(packet, 39), error), 0);
	assert_int_equal(icmp_error(ICMP_TOO_BIG, self, 0, SPAN(packet, 0), error), 0);

	len = packet_v4(packet, 100);
	packet[9] = 1;
	packet[20] = 3;
	assert_int_equal(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error), 0);
	len = packet_v4(packet, 100);
	packet[7] = 1; /* a later fragment */
	assert_int_equal(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error), 0);
	len = packet_v4(packet, 100);
	packet[16] = 224;
	assert_int_equal(icmp_error(ICMP_NO_ROUTE, self, 0, SPAN(packet, len), error), 0);
}

static void errors_are_rationed(void **state)
{
	(void)state;
	struct icmp_budget b = { 0 };
	unsigned n = 0;

	while (icmp_may_tell(&b, SECONDS(1)))
		n++;
	assert_int_equal(n, ICMP_BURST);
	assert_false(icmp_may_tell(&b, SECONDS(1) + 9999));
	assert_true(icmp_may_tell(&b, SECONDS(1) + 10000));
	assert_false(icmp_may_tell(&b, SECONDS(1) + 10001));
	for (n = 0; icmp_may_tell(&b, SECONDS(100)); n++)
		;
	assert_int_equal(n, ICMP_BURST);
}

/* ---- MSS ---- */

/* A SYN with these options, its checksum right. */
static size_t syn(uint8_t *ret, bool is_v4, const uint8_t *options, size_t n)
{
	size_t ip_len =
		is_v4 ? packet_v4(ret, 20 + 20 + n) - 20 - n : packet_v6(ret, 60 + n) - 20 - n;
	uint8_t *tcp = ret + ip_len;

	ret[is_v4 ? 9 : 6] = 6;
	tcp[12] = (uint8_t)((20 + n) / 4 << 4);
	tcp[13] = 0x02;
	memcpy(tcp + 20, options, n);
	store_u16(tcp + 16, (uint16_t)~upper_sum(ret, ip_len + 20 + n));
	return ip_len + 20 + n;
}

static void an_mss_beyond_the_mtu_is_lowered_and_the_checksum_with_it(void **state)
{
	(void)state;
	static const uint8_t aligned[] = { 2, 4, 5, 0xb4, 1, 3, 3, 7 };
	static const uint8_t odd[] = { 1, 2, 4, 5, 0xb4, 1, 1, 1 }; /* across two words */
	uint8_t packet[200];

	for (unsigned is_v4 = 0; is_v4 < 2; is_v4++) {
		for (unsigned is_odd = 0; is_odd < 2; is_odd++) {
			size_t len = syn(packet, is_v4, is_odd ? odd : aligned, 8);
			size_t at = len - 8 + (is_odd ? 3 : 2);

			assert_int_equal(upper_sum(packet, len), 0xffff);
			assert_true(mss_is_syn(SPAN(packet, len)));
			assert_true(mss_clamp(packet, len, 1300));
			assert_int_equal(load_u16(packet + at), 1300 - (is_v4 ? 40 : 60));
			assert_int_equal(upper_sum(packet, len), 0xffff);
			assert_false(mss_clamp(packet, len, 1300));
			assert_true(mss_clamp(packet, len, 100)); /* never below 536 */
			assert_int_equal(load_u16(packet + at), 536);
			assert_int_equal(upper_sum(packet, len), 0xffff);
		}
	}
}

static void what_is_no_syn_or_has_no_such_option_stays(void **state)
{
	(void)state;
	static const uint8_t mss[] = { 2, 4, 5, 0xb4 };
	static const uint8_t none[] = { 1, 1, 1, 0 };
	uint8_t packet[200], before[200];
	size_t len = syn(packet, false, mss, 4);

	packet[53] = 0x10; /* ACK alone */
	assert_false(mss_is_syn(SPAN(packet, len)));
	assert_false(mss_clamp(packet, len, 1300));
	packet[53] = 0x12; /* the answer to a SYN counts as one */
	assert_true(mss_clamp(packet, len, 1300));
	len = syn(packet, false, none, 4);
	memcpy(before, packet, len);
	assert_false(mss_clamp(packet, len, 1300));
	assert_memory_equal(packet, before, len);
	len = syn(packet, true, mss, 4);
	packet[7] = 2; /* a later fragment is no TCP header */
	assert_false(mss_clamp(packet, len, 1300));
	len = syn(packet, false, mss, 4);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(mss_clamp(packet, cut, 1300));
}

static void hostile_options_end_the_search(void **state)
{
	(void)state;
	static const uint8_t bad[][8] = {
		{ 3, 0, 2, 4, 5, 0xb4, 0, 0 }, /* a length of none */
		{ 3, 1, 2, 4, 5, 0xb4, 0, 0 }, /* of itself alone */
		{ 3, 9, 2, 4, 5, 0xb4, 0, 0 }, /* beyond the header */
		{ 2, 3, 5, 0xb4, 0, 0, 0, 0 }, /* an MSS too short */
		{ 2, 8, 5, 0xb4, 0, 0, 0, 0 }, /* and too long */
		{ 0, 2, 4, 5, 0xb4, 0, 0, 0 }, /* behind the end */
		{ 1, 1, 1, 1, 1, 1, 1, 2 },    /* cut off */
		{ 1, 1, 1, 1, 1, 2, 4, 5 },    /* in its middle */
	};
	uint8_t packet[200], before[200];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = syn(packet, false, bad[i], 8);

		memcpy(before, packet, len);
		assert_false(mss_clamp(packet, len, 1300));
		assert_memory_equal(packet, before, len);
	}
	size_t len = syn(packet, false, bad[0], 8);

	packet[52] = 0xf0; /* a header longer than the packet */
	assert_false(mss_clamp(packet, len, 1300));
	packet[52] = 0x40; /* shorter than a header */
	assert_false(mss_clamp(packet, len, 1300));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_too_big_tells_the_mtu_and_quotes_the_packet),
		cmocka_unit_test(each_reason_has_its_type_and_code),
		cmocka_unit_test(errors_and_multicast_are_not_answered),
		cmocka_unit_test(errors_are_rationed),
		cmocka_unit_test(an_mss_beyond_the_mtu_is_lowered_and_the_checksum_with_it),
		cmocka_unit_test(what_is_no_syn_or_has_no_such_option_stays),
		cmocka_unit_test(hostile_options_end_the_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a router says about a packet that it does not forward. */
#include "core/forward/icmp.h"

#include <netinet/in.h>

#include "base/units.h"

#define IPV6_HEADER_LEN 40
#define IPV4_HEADER_LEN 20
#define ICMP_HEADER_LEN 8
#define IPV4_ERROR_MAX 576
#define IPV4_OFFSET_MASK 0x1fff
#define HOP_LIMIT 64
#define ICMPV6_REDIRECT 137
#define EXTENSIONS_MAX 8

/* ---- the Internet checksum (RFC 1071) ---- */

static uint32_t add(uint32_t sum, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += load_u16(at + i);
	if (len % 2)
		sum += (uint32_t)at[len - 1] << 8;
	return sum;
}

static uint16_t finish(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* ---- what may be answered ---- */

static bool is_zero(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i])
			return false;
	return true;
}

/* An error or a redirect, or hidden so that it might be one. */
static bool is_error_v6(struct span packet)
{
	struct reader r = reader_of(packet);
	uint8_t next = packet.at[6];

	(void)read_bytes(&r, IPV6_HEADER_LEN);
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		uint8_t protocol = next;

		if (protocol == IPPROTO_ICMPV6) {
			uint8_t type = read_u8(&r);

			return r.overrun || type < 128 || type == ICMPV6_REDIRECT;
		}
		if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING &&
		    protocol != IPPROTO_DSTOPTS && protocol != IPPROTO_FRAGMENT)
			return false;
		next = read_u8(&r);
		uint8_t len = read_u8(&r);
		uint16_t offset = read_u16(&r);

		(void)read_bytes(&r, 4);
		if (r.overrun)
			return true;
		if (protocol != IPPROTO_FRAGMENT)
			(void)read_bytes(&r, (size_t)len * 8);
		else if (offset >> 3) /* a later fragment shows no type */
			return next == IPPROTO_ICMPV6;
	}
	return true;
}

static bool may_answer_v6(struct span packet)
{
	const uint8_t *source = packet.at + 8;

	return packet.len >= IPV6_HEADER_LEN && source[0] != 0xff && !is_zero(source, 16) &&
	       packet.at[24] != 0xff && !is_error_v6(packet);
}

static bool is_single_v4(const uint8_t a[4])
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224; /* from class D on: many, or none */
}

static bool may_answer_v4(struct span packet)
{
	size_t len = packet.len ? (size_t)(packet.at[0] & 0x0f) * 4 : 0;
	uint8_t type;

	if (len < IPV4_HEADER_LEN || packet.len < len + 1 || !is_single_v4(packet.at + 12) ||
	    !is_single_v4(packet.at + 16) || load_u16(packet.at + 6) & IPV4_OFFSET_MASK)
		return false;
	type = packet.at[len];
	return packet.at[9] != IPPROTO_ICMP || type == 0 || type == 8 || type >= 13;
}

/* ---- making it ---- */

static size_t make_v6(enum icmp_reason reason, const uint8_t from[16], unsigned mtu,
		      struct span packet, uint8_t *ret)
{
	static const uint8_t type_and_code[][2] = {
		[ICMP_TOO_BIG] = { 2, 0 },	  [ICMP_NO_ROUTE] = { 1, 0 },
		[ICMP_PROHIBITED] = { 1, 1 },	  [ICMP_NO_ADDRESS] = { 1, 3 },
		[ICMP_HOPS_EXHAUSTED] = { 3, 0 },
	};
	const size_t quote_max = ICMP_ERROR_MAX - IPV6_HEADER_LEN - ICMP_HEADER_LEN;
	size_t quoted = packet.len < quote_max ? packet.len : quote_max;
	size_t len = ICMP_HEADER_LEN + quoted;
	uint8_t *icmp = ret + IPV6_HEADER_LEN;

	memset(ret, 0, IPV6_HEADER_LEN + ICMP_HEADER_LEN);
	ret[0] = 0x60;
	store_u16(ret + 4, (uint16_t)len);
	ret[6] = IPPROTO_ICMPV6;
	ret[7] = HOP_LIMIT;
	memcpy(ret + 8, from, 16);
	memcpy(ret + 24, packet.at + 8, 16);
	memcpy(icmp, type_and_code[reason], 2);
	if (reason == ICMP_TOO_BIG)
		store_u32(icmp + 4, mtu);
	memcpy(icmp + ICMP_HEADER_LEN, packet.at, quoted);
	/* with the pseudo-header: both addresses, length, next header (RFC 8200 section 8.1) */
	store_u16(icmp + 2,
		  finish(add(add((uint32_t)len + IPPROTO_ICMPV6, ret + 8, 32), icmp, len)));
	return IPV6_HEADER_LEN + len;
}

static size_t make_v4(enum icmp_reason reason, const uint8_t from[4], unsigned mtu,
		      struct span packet, uint8_t *ret)
{
	static const uint8_t type_and_code[][2] = {
		[ICMP_TOO_BIG] = { 3, 4 },	   [ICMP_NO_ROUTE] = { 3, 0 },
		[ICMP_PROHIBITED] = { 3, 13 },	   [ICMP_NO_ADDRESS] = { 3, 1 },
		[ICMP_HOPS_EXHAUSTED] = { 11, 0 },
	};
	const size_t quote_max = IPV4_ERROR_MAX - IPV4_HEADER_LEN - ICMP_HEADER_LEN;
	size_t quoted = packet.len < quote_max ? packet.len : quote_max;
	size_t len = IPV4_HEADER_LEN + ICMP_HEADER_LEN + quoted;
	uint8_t *icmp = ret + IPV4_HEADER_LEN;

	memset(ret, 0, IPV4_HEADER_LEN + ICMP_HEADER_LEN);
	ret[0] = 0x45;
	ret[1] = 0xc0; /* internetwork control (RFC 1812 section 4.3.2.5) */
	store_u16(ret + 2, (uint16_t)len);
	ret[8] = HOP_LIMIT;
	ret[9] = IPPROTO_ICMP;
	memcpy(ret + 12, from, 4);
	memcpy(ret + 16, packet.at + 12, 4);
	store_u16(ret + 10, finish(add(0, ret, IPV4_HEADER_LEN)));
	memcpy(icmp, type_and_code[reason], 2);
	if (reason == ICMP_TOO_BIG)
		store_u16(icmp + 6, (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX));
	memcpy(icmp + ICMP_HEADER_LEN, packet.at, quoted);
	store_u16(icmp + 2, finish(add(0, icmp, ICMP_HEADER_LEN + quoted)));
	return len;
}

size_t icmp_error(enum icmp_reason reason, const uint8_t from[16], unsigned mtu, struct span packet,
		  uint8_t ret[ICMP_ERROR_MAX])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool is_v4 = memcmp(from, mapped, sizeof(mapped)) == 0;

	if (packet.len == 0)
		return 0;
	switch (packet.at[0] >> 4) {
	case 6:
		if (!may_answer_v6(packet))
			return 0;
		return make_v6(reason, is_v4 ? packet.at + 24 : from, mtu, packet, ret);
	case 4:
		if (!may_answer_v4(packet))
			return 0;
		return make_v4(reason, is_v4 ? from + 12 : packet.at + 16, mtu, packet, ret);
	default:
		return 0;
	}
}

/* ---- how often ---- */

bool icmp_may_tell(struct icmp_budget *b, uint64_t now_us)
{
	const uint64_t each_us = US_PER_S / ICMP_PER_SECOND;
	uint64_t more;

	if (!b->is_begun)
		*b = (struct icmp_budget){ now_us, ICMP_BURST, true };
	more = (now_us - b->since_us) / each_us;
	if (more + b->tokens >= ICMP_BURST) {
		b->tokens = ICMP_BURST;
		b->since_us = now_us;
	} else {
		b->tokens += (unsigned)more;
		b->since_us += more * each_us;
	}
	if (b->tokens == 0)
		return false;
	b->tokens--;
	return true;
}

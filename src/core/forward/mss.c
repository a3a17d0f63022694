/* SPDX-License-Identifier: Apache-2.0 */
/* Lowering the MSS option of a SYN. */
#include "core/forward/mss.h"

#include <netinet/in.h>

#define IPV6_HEADER_LEN 40
#define IPV4_HEADER_MIN 20
#define IPV4_FRAGMENT_MASK 0x3fff /* offset, and more fragments */
#define TCP_HEADER_MIN 20
#define TCP_FLAGS_AT 13
#define TCP_CHECKSUM_AT 16
#define TCP_SYN 0x02
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define MSS_LEN 4
#define MSS_MIN 536 /* what every host takes (RFC 9293 section 3.7.1): never below */

/* Length of the IP header where TCP with SYN follows; 0 for anything else. */
static size_t syn_at(const uint8_t *p, size_t len)
{
	size_t at = IPV6_HEADER_LEN;
	uint8_t protocol;

	if (len < IPV4_HEADER_MIN + TCP_HEADER_MIN)
		return 0;
	if (p[0] >> 4 == 4) {
		at = (size_t)(p[0] & 0x0f) * 4;
		protocol = p[9];
		if (at < IPV4_HEADER_MIN || load_u16(p + 6) & IPV4_FRAGMENT_MASK)
			return 0;
	} else if (p[0] >> 4 == 6) {
		protocol = p[6];
	} else {
		return 0;
	}
	if (protocol != IPPROTO_TCP || len < at + TCP_HEADER_MIN)
		return 0;
	return p[at + TCP_FLAGS_AT] & TCP_SYN ? at : 0;
}

bool mss_is_syn(struct span packet)
{
	return syn_at(packet.at, packet.len) > 0;
}

/* Offset of the value inside the TCP header; 0 where there is none. Forty bytes of options at
 * most, each at least one long, so that it ends. */
static size_t find_mss(const uint8_t *tcp, size_t header_len)
{
	size_t at = TCP_HEADER_MIN;

	while (at < header_len && tcp[at] != OPTION_END) {
		size_t len = 1;

		if (tcp[at] != OPTION_NOP) {
			if (at + 1 >= header_len)
				return 0;
			len = tcp[at + 1];
			if (len < 2 || len > header_len - at)
				return 0;
		}
		if (tcp[at] == OPTION_MSS)
			return len == MSS_LEN ? at + 2 : 0;
		at += len;
	}
	return 0;
}

/* HC' = ~(~HC + ~m + m') (RFC 1624 section 3), for 16 bits that may lie across two words: then
 * both change. */
static void replace_u16(uint8_t *tcp, size_t at, uint16_t value)
{
	size_t first = at & ~(size_t)1;
	size_t words = at % 2 ? 2 : 1;
	uint32_t sum = (uint16_t)~load_u16(tcp + TCP_CHECKSUM_AT);

	for (size_t i = 0; i < words; i++)
		sum += (uint16_t)~load_u16(tcp + first + 2 * i);
	store_u16(tcp + at, value);
	for (size_t i = 0; i < words; i++)
		sum += load_u16(tcp + first + 2 * i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	store_u16(tcp + TCP_CHECKSUM_AT, (uint16_t)~sum);
}

bool mss_clamp(uint8_t *packet, size_t len, unsigned mtu)
{
	size_t ip_len = syn_at(packet, len);
	uint8_t *tcp = packet + ip_len;
	size_t header_len, at;
	unsigned mss;

	if (ip_len == 0)
		return false;
	header_len = (size_t)(tcp[12] >> 4) * 4;
	if (header_len < TCP_HEADER_MIN || header_len > len - ip_len)
		return false;
	at = find_mss(tcp, header_len);
	mss = packet[0] >> 4 == 4 ? IPV4_HEADER_MIN : IPV6_HEADER_LEN;
	mss = mtu > mss + TCP_HEADER_MIN + MSS_MIN ? mtu - mss - TCP_HEADER_MIN : MSS_MIN;
	if (at == 0 || load_u16(tcp + at) <= mss)
		return false;
	replace_u16(tcp, at, (uint16_t)mss);
	return true;
}

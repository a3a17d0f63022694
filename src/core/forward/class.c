/* SPDX-License-Identifier: Apache-2.0 */
/* Classes out of codepoints, and marks through a tunnel. */
#include "core/forward/class.h"

#include <netinet/in.h>

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40
#define IPV4_CHECKSUM_AT 10
#define PORT_DNS 53
#define PORT_NTP 123

/* RFC 4594 section 2.3 (figure 3), RFC 5865 (VOICE-ADMIT), RFC 8622 (LE). Of those not named here
 * the default, CS1 and LE are meant to be bulk, and all others have no meaning. */
static const uint8_t classes[64] = {
	[56] = CLASS_CRITICAL,	  /* CS7 */
	[48] = CLASS_CRITICAL,	  /* CS6: network control */
	[46] = CLASS_CRITICAL,	  /* EF: telephony */
	[44] = CLASS_CRITICAL,	  /* VA */
	[40] = CLASS_CRITICAL,	  /* CS5: signalling */
	[32] = CLASS_INTERACTIVE, /* CS4: real-time interactive */
	[34] = CLASS_INTERACTIVE, [36] = CLASS_INTERACTIVE, [38] = CLASS_INTERACTIVE, /* AF4x */
	[24] = CLASS_INTERACTIVE, /* CS3: broadcast video */
	[26] = CLASS_INTERACTIVE, [28] = CLASS_INTERACTIVE, [30] = CLASS_INTERACTIVE, /* AF3x */
	[16] = CLASS_INTERACTIVE, /* CS2: operation and management */
	[18] = CLASS_INTERACTIVE, [20] = CLASS_INTERACTIVE, [22] = CLASS_INTERACTIVE, /* AF2x */
};

enum wire_class class_of_dscp(uint8_t dscp)
{
	return (enum wire_class)classes[dscp & 0x3f];
}

uint8_t traffic_class(struct span packet)
{
	if (packet.len >= IPV6_HEADER_LEN && packet.at[0] >> 4 == 6)
		return (uint8_t)(load_u16(packet.at) >> 4);
	if (packet.len >= IPV4_HEADER_LEN && packet.at[0] >> 4 == 4)
		return packet.at[1];
	return 0;
}

static bool is_port(const struct inner *i, uint16_t port)
{
	return i->source_port == port || i->destination_port == port;
}

static bool is_small_service(size_t len, const struct inner *i)
{
	if (!i->has_ports)
		return false;
	switch (i->protocol) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return len <= CLASS_SMALL_MAX;
	case IPPROTO_UDP:
		return is_port(i, PORT_DNS) || is_port(i, PORT_NTP);
	default:
		return false;
	}
}

enum wire_class class_of_packet(struct span packet, const struct inner *i)
{
	uint8_t dscp = traffic_class(packet) >> 2;

	if (dscp == 0 && is_small_service(packet.len, i))
		return CLASS_INTERACTIVE;
	return class_of_dscp(dscp);
}

int ecn_decapsulated(enum ecn inner, enum ecn outer)
{
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? -1 : ECN_CE;
	if (inner == ECN_ECT_0 && outer == ECN_ECT_1)
		return ECN_ECT_1;
	return (int)inner;
}

void ecn_set(uint8_t *packet, size_t len, enum ecn mark)
{
	uint16_t before, after;
	uint32_t sum;

	if (len >= IPV6_HEADER_LEN && packet[0] >> 4 == 6) {
		packet[1] = (uint8_t)((packet[1] & 0xcf) | (unsigned)mark << 4);
		return;
	}
	if (len < IPV4_HEADER_LEN || packet[0] >> 4 != 4)
		return;
	before = load_u16(packet);
	packet[1] = (uint8_t)((packet[1] & DSCP_MASK) | mark);
	after = load_u16(packet);
	/* HC' = ~(~HC + ~m + m'), equation 3 of RFC 1624 */
	sum = (uint16_t)~load_u16(packet + IPV4_CHECKSUM_AT) + (uint32_t)(uint16_t)~before + after;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	store_u16(packet + IPV4_CHECKSUM_AT, (uint16_t)~sum);
}

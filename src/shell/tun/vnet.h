/* SPDX-License-Identifier: Apache-2.0 */
/* vnet.h - the header that the kernel puts before a packet of a TUN device with IFF_VNET_HDR, and
 * what a packet's headers are: shared by the cutter and the merger. Inside the room only.
 *
 * The header is struct virtio_net_hdr (virtio 1.2, section 5.1.6), 10 bytes, little-endian as we
 * ask with TUNSETVNETLE. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define VNET_HEADER_LEN 10

#define VNET_NEEDS_CSUM 1 /* flags: what csum_start and csum_offset say is to be completed */
#define VNET_GSO_NONE 0
#define VNET_GSO_TCP4 1
#define VNET_GSO_TCP6 4
#define VNET_GSO_UDP 5	  /* segments of UDP, both families */
#define VNET_GSO_ECN 0x80 /* with TCP: the first segment carries CWR */

struct vnet_header {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

/* from has VNET_HEADER_LEN bytes. */
struct vnet_header vnet_decode(const uint8_t *from);
void vnet_encode(const struct vnet_header *h, uint8_t ret[VNET_HEADER_LEN]);

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define TCP_CHECKSUM_AT 16
#define UDP_CHECKSUM_AT 6
#define HEADERS_MAX 192 /* IP with extension headers, and 60 of TCP */

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

/* Where the headers of a TCP or UDP packet end. */
struct headers {
	bool is_ipv6;
	uint8_t protocol;
	size_t ip_len; /* IPv6: with extension headers */
	size_t len;    /* with those of TCP or UDP */
};

/* Reads them. -EBADMSG: truncated or impossible; -EPROTO: not plain TCP or UDP: another protocol,
 * a fragment, an extension header other than options. The lengths inside IP and UDP are not
 * looked at: a super-packet's are those of the whole. */
int headers_read(struct span packet, struct headers *ret);
/* The sum over the pseudo-header, for so many bytes of TCP or UDP. */
uint64_t headers_pseudo_sum(const struct headers *h, const uint8_t *packet, size_t upper_len);
size_t headers_checksum_at(const struct headers *h); /* from the start of the packet */

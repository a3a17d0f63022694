/* SPDX-License-Identifier: Apache-2.0 */
/* mss.h - the last resort where Packet Too Big is not heard: TCP is told at its beginning how long
 * its segments may be (the option MSS of a SYN, RFC 9293 section 3.7.1). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* A whole IPv4 or IPv6 packet of TCP with SYN, right behind its IP header; one with IPv6 extension
 * headers, which no stack sends with a SYN, is left alone. */
bool mss_is_syn(struct span packet);

/* Lowers the option so that a segment fits into mtu with plain headers, and the checksum with it
 * (RFC 1624). True where it did. What is no SYN, has no such option, or options that contradict
 * themselves stays as it is; nothing is added. */
bool mss_clamp(uint8_t *packet, size_t len, unsigned mtu);

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Forges ICMPv6 Packet Too Big (RFC 4443 section 3.2) about a UDP datagram.

    packet_too_big.py SENDER RECEIVER PORT MTU

Sent to SENDER, as if a datagram of it to RECEIVER, both at PORT, had been longer than MTU.
"""
import socket
import struct
import sys

TOO_BIG, UDP, LENGTH = 2, 17, 1450

sender, receiver, port, mtu = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
quoted = struct.pack("!IHBB", 6 << 28, LENGTH, UDP, 64)
quoted += socket.inet_pton(socket.AF_INET6, sender) + socket.inet_pton(socket.AF_INET6, receiver)
quoted += struct.pack("!HHHH", port, port, LENGTH, 0)
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
    s.sendto(struct.pack("!BBHI", TOO_BIG, 0, 0, mtu) + quoted, (sender, 0))

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an outsider on a LAN can do to discovery: record, look, replay and flood. See
tests/e2e/discovery.sh."""
import os
import select
import socket
import struct
import sys
import time

PORT = 7777
LEN = 76
GROUP6 = "ff12::7830"
GROUP4 = "239.255.77.77"
INTERFACE = "eth0"


def open_six():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(INTERFACE))
    s.bind(("::", PORT))
    return s


def record(path):
    index = socket.if_nametoindex(INTERFACE)
    six = open_six()
    group = socket.inet_pton(socket.AF_INET6, GROUP6)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", index))
    four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    four.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    request = socket.inet_aton(GROUP4) + struct.pack("@4xi", index)
    four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    four.bind(("", PORT))
    with open(path, "wb", buffering=0) as tape:
        while True:
            for s in select.select([six, four], [], [])[0]:
                data = s.recv(2048)
                tape.write(struct.pack("!H", len(data)) + data)


def beacons(path):
    with open(path, "rb") as tape:
        data = tape.read()
    while len(data) >= 2:
        length = struct.unpack("!H", data[:2])[0]
        yield data[2 : 2 + length]
        data = data[2 + length :]


def look(path, ids):
    seen = set()
    n = 0
    for b in beacons(path):
        n += 1
        if len(b) != LEN:
            sys.exit("a beacon of %d bytes" % len(b))
        for node_id in ids:
            if bytes.fromhex(node_id) in b:
                sys.exit("a node id in clear")
        for word in (b"test.mesh", b"spiffe", b"x0"):
            if word in b and len(word) > 2:
                sys.exit("a name in clear")
        for at in range(0, LEN - 7):
            if b[at : at + 8] in seen:
                sys.exit("eight bytes come twice")
        seen.update(b[at : at + 8] for at in range(0, LEN - 7))
    if n < 6:
        sys.exit("only %d beacons were recorded" % n)
    print("ok: %d beacons, each %d bytes of noise" % (n, LEN))


def replay(path, rounds):
    s = open_six()
    tape = list(beacons(path))
    for _ in range(rounds):
        for b in tape:
            s.sendto(b, (GROUP6, PORT))
            time.sleep(0.001)
    time.sleep(0.5)


def flood(seconds):
    s = open_six()
    junk = [os.urandom(LEN) for _ in range(256)]
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        try:
            s.sendto(junk[n & 255], (GROUP6, PORT))
            n += 1
        except OSError:
            pass
    print("%d forged beacons" % n)


def main():
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "record":
        record(args[0])
    elif verb == "look":
        look(args[0], args[1:])
    elif verb == "replay":
        replay(args[0], int(args[1]))
    elif verb == "flood":
        flood(float(args[0]))


main()

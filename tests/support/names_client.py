# SPDX-License-Identifier: Apache-2.0
"""What the test of names asks of a name server, and what an upstream name server would be.

    names_client.py resolve NAME          the addresses of getaddrinfo(), a line each
    names_client.py hostile ADDRESS       malformed, huge and looping messages, floods, idle TCP
    names_client.py tcp ADDRESS NAME      the response code and number of answers by TCP
    names_client.py udp ADDRESS NAME [SOURCE]   the same by UDP, or "silence"
    names_client.py upstream ADDRESS      answers 192.0.2.80 for every A question, until killed
"""
import os
import random
import socket
import struct
import sys
import time


def question(name, kind=28, ident=0x1234):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".") if p)
    return struct.pack(">6H", ident, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)


def open_udp(address, source=None):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    if source:
        s.bind((source, 0))
    s.settimeout(2)
    s.connect((address, 53))
    return s


def told(answer):
    return f"rcode={answer[3] & 15} answers={struct.unpack('>H', answer[6:8])[0]}"


def ask_udp(address, name, source=None):
    s = open_udp(address, source)
    try:
        s.send(question(name))
        return told(s.recv(4096))
    except OSError:
        return "silence"


def receive(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        if not piece:
            return b""
        data += piece
    return data


def ask_tcp(address, name):
    with socket.create_connection((address, 53), 3) as s:
        q = question(name)
        s.sendall(struct.pack(">H", len(q)) + q)
        length = struct.unpack(">H", receive(s, 2))[0]
        return told(receive(s, length))


def hostile(address):
    random.seed(1)
    s = open_udp(address)
    loop = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\x1c\0\1"
    pair = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\xc0\x0e\xc0\x0c\0\x1c\0\1"
    many = struct.pack(">6H", 1, 0x100, 65535, 65535, 65535, 65535) + b"\0" * 64
    messages = [b"", b"\0", b"\0" * 11, b"\xff" * 12, loop, pair, many, b"\xff" * 4096,
                b"\0" * 65000, question("a" * 63 + ".x0.internal"), question("x0.internal", 255),
                question("x0.internal", 252)]
    whole = question("a.x0.internal")
    messages += [whole[:n] for n in range(len(whole))]
    for _ in range(2000):
        m = bytearray(whole)
        for _ in range(random.randrange(1, 6)):
            m[random.randrange(len(m))] = random.randrange(256)
        messages.append(bytes(m))
    for _ in range(500):
        messages.append(os.urandom(random.randrange(1, 600)))
    for m in messages:
        try:
            s.send(m)
        except OSError:
            pass
    end = time.time() + 1
    n = 0
    while time.time() < end:
        try:
            s.send(whole)
            n += 1
        except OSError:
            pass
    idle = []
    for i in range(40):
        try:
            c = socket.create_connection((address, 53), 2)
            c.sendall([b"", b"\0", b"\xff\xff" + b"a" * 300, b"\0\x0c" + b"\0" * 12][i % 4])
            idle.append(c)
        except OSError:
            pass
    print(f"{len(messages)} bad messages, a flood of {n}, {len(idle)} connections")
    time.sleep(1)


def upstream(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 53))
    while True:
        m, to = s.recvfrom(4096)
        end = 12
        while m[end]:
            end += 1 + m[end]
        end += 5
        is_a = m[end - 4:end - 2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x50" if is_a else b""
        head = m[:2] + struct.pack(">5H", 0x8180, 1, int(is_a), 0, 0)
        s.sendto(head + m[12:end] + answer, to)


def main(argv):
    if argv[0] == "resolve":
        for found in socket.getaddrinfo(argv[1], 22, type=socket.SOCK_STREAM):
            print(found[4][0])
    elif argv[0] == "hostile":
        hostile(argv[1])
    elif argv[0] == "tcp":
        print(ask_tcp(*argv[1:]))
    elif argv[0] == "udp":
        print(ask_udp(*argv[1:]))
    elif argv[0] == "upstream":
        upstream(argv[1])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])

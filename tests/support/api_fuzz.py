# SPDX-License-Identifier: Apache-2.0
"""Random requests and WebSocket frames for the API of a running daemon, right ones broken here and
there, over several connections at once; meanwhile an honest client asks and must be answered.

api_fuzz.py PORT SECONDS SEED TOKEN-FILE
Prints what was sent and "ok", or what went wrong and ends with 1. The same seed makes the same bytes
for each connection; what they meet depends on the rest.
"""

import json
import random
import re
import socket
import struct
import sys
import threading
import time
import urllib.request

PORT, SECONDS, SEED = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
TOKEN = open(sys.argv[4], encoding="ascii").read().strip()
SENDERS = 4
SLOWEST_S = 5.0  # that an honest client waits; it shares the processors with this program
NAMES = ["b", "a", "n" * 300, "..", "%00", "%ff%fe", "0", "-1", "::1", "b?x=1", "\u00e4", "{}", ""]
VALUES = [None, True, 0, -1, 2**63, 1.5e308, "", "b", "x" * 5000, [], {}, [[[[[[[[[[1]]]]]]]]]], {"a": {"b": {}}}]
HEADERS = [
    "Content-Length: 0", "Content-Length: 18446744073709551616", "Transfer-Encoding: chunked", "Expect: 100-continue",
    "Connection: close", "Connection: keep-alive, Upgrade", "Upgrade: h2c", "Accept-Encoding: gzip;q=0.1, *;q=0",
    "If-None-Match: W/\"x\"", "Origin: null", "Sec-Fetch-Site: cross-site", "Accept: application/openmetrics-text",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "traceparent: 00-zz", "Cookie: " + "c" * 900,
    "X: " + "y" * 3000, "Content-Type: text/plain", " folded: header", "Range: bytes=0-1", "Host: evil.example",
]
wrong = []
sent = {"requests": 0, "frames": 0}


def operations():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/openapi.json", timeout=10) as answer:
        paths = json.load(answer)["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item]
    return found + [("GET", "/"), ("GET", "/dashboard/app.js"), ("BREW", "/x"), ("GET", "/metrics")]


def body(r):
    if r.random() < 0.1:
        return bytes(r.randrange(256) for _ in range(r.randrange(200)))
    keys = ["name", "uses", "peer", "via", "rules", "from", "to", "action", "prefix", "id", "topics", "__proto__"]
    made = {r.choice(keys): r.choice(VALUES) for _ in range(r.randrange(5))}
    text = json.dumps(r.choice([made, made, made, [made], r.choice(VALUES)]))
    if r.random() < 0.1:
        text = text.replace("}", ', "name": 1, "name": 2}', 1)
    return text.encode()


def request(r, known):
    method, path = r.choice(known)
    path = re.sub(r"\{[^}]*\}", lambda _: r.choice(NAMES), path)
    if r.random() < 0.3:
        path += "?" + "&".join(r.choice(["since", "limit", "topics", "seconds", "x"]) + "=" + r.choice(NAMES)
                               for _ in range(r.randrange(1, 20)))
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{PORT}"]
    if r.random() < 0.6:
        lines.append(f"Authorization: Bearer {TOKEN}")
    content = b""
    if method not in ("GET", "DELETE") or r.random() < 0.1:
        content = body(r)
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    while r.random() < 0.3:
        lines.insert(r.randrange(1, len(lines) + 1), r.choice(HEADERS))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogatepass") + content


def upgrade():
    return (f"GET /ws?since=0 HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()


def frame(r):
    content = r.choice([b'{"topics": ["links"]}', b"", b"x" * r.randrange(6000), bytes(r.randrange(256) for _ in range(9))])
    first = r.choice([0x81, 0x81, 0x82, 0x88, 0x89, 0x8A, 0x01, 0x80, r.randrange(256)])
    length = r.choice([len(content)] * 4 + [0, 125, 65536, 2**62])
    mask = bytes(r.randrange(256) for _ in range(4))
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    elif length < 65536:
        head = struct.pack("!BBH", first, 0xFE, length)
    else:
        head = struct.pack("!BBQ", first, 0xFF, length)
    return head + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(content))


def break_it(r, data):
    data = bytearray(data)
    for _ in range(r.choice([0, 0, 1, 1, 2, 8])):
        at = r.randrange(len(data) + 1)
        kind = r.randrange(5)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << r.randrange(8)
        elif kind == 1:
            data[at:at] = bytes([r.choice([0, 10, 13, 32, 255, r.randrange(256)])])
        elif kind == 2:
            del data[at:at + r.randrange(1, 20)]
        elif kind == 3:
            data[at:at] = data[at:at + r.randrange(1, 60)]
        else:
            del data[at:]
    return bytes(data)


def converse(r, known):
    """One connection: some requests, behind each other or not, or a WebSocket."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=2) as s:
        s.settimeout(r.choice([0.005, 0.02, 0.1]))
        is_socket = r.random() < 0.25
        if is_socket:
            s.sendall(upgrade())
        for _ in range(r.randrange(1, 6)):
            data = break_it(r, frame(r) if is_socket else request(r, known))
            cut = r.randrange(len(data) + 1)
            sent["frames" if is_socket else "requests"] += 1
            for part in (data[:cut], data[cut:]) if r.random() < 0.2 else (data,):
                s.sendall(part)
            if r.random() < 0.7:
                s.recv(65536)


def send(number, known, until):
    r = random.Random(SEED * 1000 + number)
    while time.monotonic() < until and not wrong:
        try:
            converse(r, known)
        except (ConnectionError, TimeoutError, BlockingIOError):
            pass  # it may refuse, close, or have nothing to say to half a request
        except OSError as e:
            wrong.append(f"a connection: {e}")


def honest(until):
    slowest = 0.0
    while time.monotonic() < until and not wrong:
        began = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/v1/status", timeout=SLOWEST_S) as answer:
                if "version" not in json.load(answer):
                    wrong.append("an honest client got another answer than it asked for")
        except (OSError, ValueError) as e:
            wrong.append(f"an honest client got no answer: {e}")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.05)
    return slowest


def main():
    known = operations()
    until = time.monotonic() + SECONDS
    senders = [threading.Thread(target=send, args=(i, known, until)) for i in range(SENDERS)]
    for t in senders:
        t.start()
    slowest = honest(until)
    for t in senders:
        t.join()
    print(f"seed {SEED}: {sent['requests']} requests and {sent['frames']} frames; an honest client waited "
          f"{slowest * 1000:.0f} ms at most")
    if sent["requests"] < 10 * SECONDS or sent["frames"] < SECONDS:
        wrong.append("too little was sent: nothing is proved")
    for what in wrong:
        print(what)
    if wrong:
        sys.exit(1)
    print("ok")


main()

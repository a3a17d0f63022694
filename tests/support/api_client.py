# SPDX-License-Identifier: Apache-2.0
"""A client of the API that does what curl does not: broken requests, slow ones, WebSockets.

api_client.py PORT framing|slow|events|frames|many [PLACES [SECONDS]]
api_client.py PORT member|crowd|hasty|revoked ADDRESS CERTIFICATE KEY
Prints what went wrong and ends with 1, or prints "ok".
"""

import base64
import json
import os
import socket
import ssl
import struct
import sys
import time

PORT = int(sys.argv[1])
IS_MEMBER = sys.argv[2] in ("member", "crowd", "hasty", "revoked")
ADDRESS = sys.argv[3] if IS_MEMBER else "127.0.0.1"
HOST = f"[{ADDRESS}]:{PORT}" if IS_MEMBER else f"127.0.0.1:{PORT}"
wrong = []


def expect(is_so, what):
    if not is_so:
        wrong.append(what)


def connect(timeout=15):
    s = socket.create_connection((ADDRESS, PORT), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if IS_MEMBER:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
        tls.load_cert_chain(sys.argv[4], sys.argv[5])
        s = tls.wrap_socket(s)
    return s


def read_all(s, limit=1 << 20):
    got = b""
    try:
        while len(got) < limit:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except (ConnectionResetError, TimeoutError):
        pass
    return got


def statuses(answer):
    """The status of each answer in what came."""
    found = []
    while answer.startswith(b"HTTP/1.1 "):
        found.append(int(answer[9:12]))
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answer = rest[length:]
    return found


def ask(request):
    with connect(3) as s:
        try:
            s.sendall(request)
        except OSError:
            pass
        return read_all(s)


def ask_in_pieces(request, pieces):
    size = -(-len(request) // pieces)
    with connect(10) as s:
        for at in range(0, len(request), size):
            s.sendall(request[at:at + size])
            time.sleep(0.02)
        return read_all(s)


def get(path="/api/v1/status", headers="", method="GET", version="1.1", host=HOST):
    return f"{method} {path} HTTP/{version}\r\nHost: {host}\r\n{headers}\r\n".encode()


def framing():
    """What a proxy and we could read differently (RFC 9112 11.2), and what is simply wrong."""
    body = b'{"from":"a","action":"ping"}'
    post = "POST /api/v1/policies:evaluate HTTP/1.1\r\nHost: " + HOST
    json_type = "\r\nContent-Type: application/json\r\n"
    n = len(body)
    hidden = get("/api/v1/peers")
    # (what, bytes, statuses allowed)
    cases = [
        ("two lengths", f"{post}{json_type}Content-Length: {n}\r\nContent-Length: 5\r\n\r\n".encode() + body + hidden, [[400]]),
        ("two lengths in one", f"{post}{json_type}Content-Length: {n}, {n}\r\n\r\n".encode() + body + hidden, [[400]]),
        ("length and chunks", f"{post}{json_type}Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"0\r\n\r\n" + hidden, [[501]]),
        ("chunks", f"{post}{json_type}Transfer-Encoding: chunked\r\n\r\n".encode() + b"5\r\nhello\r\n0\r\n\r\n" + hidden, [[501]]),
        ("chunks by another name", f"{post}{json_type}Transfer-Encoding: xchunked\r\n\r\n".encode() + hidden, [[501]]),
        ("signed length", f"{post}{json_type}Content-Length: +{n}\r\n\r\n".encode() + body + hidden, [[400]]),
        ("negative length", f"{post}{json_type}Content-Length: -1\r\n\r\n".encode() + body + hidden, [[400]]),
        ("hexadecimal length", f"{post}{json_type}Content-Length: 0x10\r\n\r\n".encode() + body + hidden, [[400]]),
        ("length beyond numbers", f"{post}{json_type}Content-Length: 99999999999999999999999\r\n\r\n".encode(), [[413]]),
        ("too long a body", f"{post}{json_type}Content-Length: 65537\r\n\r\n".encode() + b"x" * 65537, [[413]]),
        ("no length", f"{post}{json_type}\r\n".encode(), [[411]]),
        ("a body to GET", get(headers="Content-Length: 5\r\n") + b"hello" + hidden, [[400]]),
        ("expectations", f"{post}{json_type}Expect: 100-continue\r\nContent-Length: {n}\r\n\r\n".encode() + body, [[417]]),
        ("no Host", b"GET /api/v1/status HTTP/1.1\r\n\r\n", [[400]]),
        ("two Hosts", b"GET /api/v1/status HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nHost: evil.example\r\n\r\n", [[400]]),
        ("a foreign Host", get(host="evil.example"), [[421]]),
        ("a foreign Host with our port", get(host=f"evil.example:{PORT}"), [[421]]),
        ("an unknown method", get(method="BREW"), [[501]]),
        ("TRACE", get(method="TRACE"), [[501]]),
        ("OPTIONS", get(method="OPTIONS"), [[501]]),
        ("CONNECT", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n", [[501]]),
        ("HTTP/2 as it begins", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [[505]]),
        ("an upgrade to HTTP/2", get(headers="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), [[426]]),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00" + bytes(64), [[400]]),
        ("a path without /", b"GET api/v1/status HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n", [[400]]),
        ("a whole URL", get(f"http://{HOST}/api/v1/status", "Connection: close\r\n"), [[200]]),
        ("a whole URL from elsewhere", get("http://evil.example/api/v1/status") + hidden, [[421]]),
        ("a whole URL with a user", get(f"http://{HOST}@evil.example/api/v1/status") + hidden, [[421]]),
        ("a whole URL of another scheme", get(f"ftp://{HOST}/api/v1/status") + hidden, [[400]]),
        ("a long path", get("/" + "a" * 3000), [[414]]),
        ("a long head", get(headers="X-Filler: " + "b" * 20000 + "\r\n"), [[431]]),
        ("many arguments", get("/api/v1/events?" + "&".join(f"a{i}=1" for i in range(40))), [[400]]),
        ("a NUL in the path", get("/api/v1/status%00"), [[400]]),
        ("out of the tree", get("/api/../../etc/passwd"), [[400]]),
        ("out of the tree, encoded", get("/api/%2e%2e/%2e%2e/etc/passwd"), [[400]]),
        ("a slash, encoded", get("/api%2fv1%2Fstatus"), [[400]]),
        ("broken UTF-8", get("/api/v1/names/%ff%fe"), [[400]]),
        ("a space before the colon", get(headers="Content-Length : 5\r\n") + b"hello" + hidden, [[400]]),
        ("a folded line", get(headers="X-A: b\r\n Content-Length: 5\r\n") + hidden, [[400]]),
        ("lines that end in LF", get().replace(b"\r\n", b"\n") + hidden, [[400]]),
        ("a CR alone", get(headers="X-A: b\rTransfer-Encoding: chunked\r\n") + hidden, [[400]]),
        ("a NUL in a header", get(headers="X-A: b\0c\r\n") + hidden, [[400]]),
        ("two spaces", b"GET  /api/v1/status HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n", [[400]]),
        ("65 headers", get(headers="X:\r\n" * 65) + hidden, [[431]]),
        ("HTTP/1.0", get(version="1.0") + hidden, [[200]]),
        ("a method in small letters", get(method="get") + hidden, [[501]]),
        ("frames before the answer", get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") + b"\x81\x80\0\0\0\0", [[400]]),
        ("another version of WebSocket", get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n"
                                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), [[426]]),
        ("no key", get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), [[400]]),
    ]
    for what, request, allowed in cases:
        answer = ask(request)
        expect(statuses(answer) in allowed, f"{what}: {statuses(answer)} instead of {allowed}: {answer[:200]!r}")
    # a body that is wrong has an answer that says so, and spoils nothing of what is behind it
    for what, wrong_body, status, code in [
        ("half of it", b'{"from":"a"', 400, "bad_json"),
        ("a key twice", b'{"from":"a","from":"b","action":"ping"}', 400, "bad_json"),
        ("nine levels", b'{"from":' + b"[" * 8 + b"]" * 8 + b',"action":"ping"}', 400, "bad_json"),
        ("a number beyond numbers", b'{"from":99999999999999999999,"action":"ping"}', 400, "bad_json"),
        ("a fraction beyond numbers", b'{"from":1e999,"action":"ping"}', 400, "bad_json"),
        ("no UTF-8", b'{"from":"\xff\xfe","action":"ping"}', 400, "bad_json"),
        ("half of a pair", b'{"from":"\\ud800","action":"ping"}', 400, "bad_json"),
        ("a NUL", b'{"from":"a\\u0000b","action":"ping"}', 400, "bad_json"),
        ("more behind it", body + b"{}", 400, "bad_json"),
        ("no object", b'["from"]', 422, "wrong_type"),
        ("another type", b'{"from":5,"action":"ping"}', 422, "wrong_type"),
        ("null", b'{"from":null,"action":"ping"}', 422, "wrong_type"),
        ("an empty text", b'{"from":"","action":"ping"}', 422, "out_of_range"),
        ("a long text", b'{"from":"' + b"a" * 256 + b'","action":"ping"}', 422, "out_of_range"),
        ("something missing", b'{"from":"a"}', 422, "missing_field"),
        ("nothing", b"", 422, "missing_field"),
        ("something more", b'{"from":"a","action":"ping","more":1}', 422, "unknown_field"),
    ]:
        request = f"{post}{json_type}Content-Length: {len(wrong_body)}\r\n\r\n".encode() + wrong_body
        answer = ask(request + get("/health", "Connection: close\r\n"))
        expect(statuses(answer) == [status, 200], f"a body with {what}: {statuses(answer)}")
        expect(f'"code":"{code}"'.encode() in answer and b"application/problem+json" in answer,
               f"a body with {what} is not {code}: {answer[:700]!r}")
    # one behind the other is no smuggling: each is answered, in order, whatever has a body
    answer = ask(get() + get("/api/v1/peers") + get("/nowhere", "Connection: close\r\n"))
    expect(statuses(answer) == [200, 200, 404], f"pipelined: {statuses(answer)}")
    evaluate = (f"{post}{json_type}Content-Length: {n}\r\n\r\n").encode() + body
    unknown = evaluate.replace(b'"ping"', b'"none"')  # as long, and refused
    last = get("/nowhere", "Connection: close\r\n")
    for what, many, wanted in [
        ("gets and posts", (get() + evaluate + get("/nowhere") + unknown) * 3, [200, 200, 404, 422] * 3),
        ("posts", evaluate * 8, [200] * 8),
        ("answered later", get("/api/v1/ping/b?count=1") + evaluate + get("/api/v1/ping/b?count=1") + get(), [200] * 4),
        ("more than is held", (get("/health") + evaluate) * 200, [200] * 400),
        ("an empty line between", get() + b"\r\n" + evaluate + b"\r\n" + get(), [200] * 3),
    ]:
        for pieces in (1, 2, 7):
            got = statuses(ask_in_pieces(many + last, pieces))
            expect(got == wanted + [404], f"{what} in {pieces}: {got}")
    # what is broken behind others ends the connection when they are answered
    for broken, status in [(b"\x16\x03\x01", 400), (get(headers="Content-Length: 1, 1\r\n"), 400), (get(method="get"), 501)]:
        got = statuses(ask(get() + evaluate + broken + hidden))
        expect(got == [200, 200, status], f"broken behind others: {got}")
    # half a request behind another is no reason to wait with the answer, nor to answer it
    with connect(3) as s:
        s.sendall(evaluate + evaluate[:-1])
        first = s.recv(65536)
        expect(statuses(first) == [200], f"half a request behind: {statuses(first)}")
        s.sendall(evaluate[-1:] + last)
        expect(statuses(read_all(s)) == [200, 404], "the other half of it")
    # in pieces of one byte
    with connect() as s:
        for byte in get(headers="Connection: close\r\n"):
            s.sendall(bytes([byte]))
        expect(statuses(read_all(s)) == [200], "byte by byte")


def slow():
    """Who sends nothing, half a head, or half a body, is closed; others do not notice."""
    began = time.monotonic()
    idle = [connect(40) for _ in range(20)]
    half = [connect(40) for _ in range(20)]
    body = [connect(40) for _ in range(20)]
    for s in half:
        s.sendall(b"GET /api/v1/status HTTP/1.1\r\nX-A: ")
    for s in body:
        s.sendall(b"POST /api/v1/policies:evaluate HTTP/1.1\r\nHost: " + HOST.encode()
                  + b"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    open_ones = idle + half + body
    while open_ones and time.monotonic() < began + 35:
        for s in half:  # a byte a second keeps nobody here
            try:
                s.send(b"a")
            except OSError:
                pass
        with connect(8) as s:  # less than any of them is given, more than a busy machine takes
            s.sendall(get(headers="Connection: close\r\n"))
            expect(statuses(read_all(s)) == [200], "others wait for slow clients")
        time.sleep(1)
        still = []
        for s in open_ones:
            s.setblocking(False)
            try:
                if s.recv(4096) == b"":
                    continue
            except BlockingIOError:
                still.append(s)
            except OSError:
                continue
            else:
                still.append(s)
        open_ones = still
    expect(not open_ones, f"{len(open_ones)} slow clients are still connected after 35 s")


def crowd():
    """Of one address at most 64 connections are taken, and who says nothing is closed."""
    silent = socket.create_connection((ADDRESS, PORT), timeout=20)  # it never begins with TLS
    held = []
    began = time.monotonic()
    try:
        for _ in range(70):
            held.append(connect())
    except OSError:
        pass
    if time.monotonic() - began < 8:  # later the first of them are closed for having asked nothing
        expect(55 <= len(held) < 70, f"{len(held)} connections of one address")
    for s in held:
        s.close()
    expect(read_all(silent) == b"", "who never begins with TLS is answered")
    expect(time.monotonic() - began < 18, "who never begins with TLS is kept")
    expect(statuses(ask(get("/health", "Connection: close\r\n"))) == [200], "when they are gone there is no place")


# ---- WebSockets ----


class Socket:
    def __init__(self, path="/ws", headers="", key=None):
        self.s = connect()
        self.key = key or base64.b64encode(os.urandom(16)).decode()
        self.s.sendall((f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {self.key}\r\n{headers}\r\n").encode())
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            more = self.s.recv(4096)
            if not more:
                break
            self.bytes += more
        self.head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        self.status = int(self.head[9:12]) if self.head.startswith(b"HTTP/1.1 ") else 0

    def need(self, n):
        while len(self.bytes) < n:
            more = self.s.recv(65536)
            if not more:
                raise EOFError
            self.bytes += more

    def frame(self):
        """(opcode, payload)"""
        self.need(2)
        n = self.bytes[1] & 0x7F
        at = 2
        if n == 126:
            self.need(4)
            n, at = struct.unpack(">H", self.bytes[2:4])[0], 4
        elif n == 127:
            self.need(10)
            n, at = struct.unpack(">Q", self.bytes[2:10])[0], 10
        opcode = self.bytes[0] & 0x0F
        self.need(at + n)
        payload, self.bytes = self.bytes[at:at + n], self.bytes[at + n:]
        return opcode, payload

    def message(self):
        opcode, payload = self.frame()
        return json.loads(payload) if opcode == 1 else (opcode, payload)

    def send(self, payload, opcode=1, fin=True, masked=True, reserved=0):
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        bit = 0x80 if masked else 0
        n = len(payload)
        if n < 126:
            head = bytes([first, bit | n])
        elif n < 65536:
            head = bytes([first, bit | 126]) + struct.pack(">H", n)
        else:
            head = bytes([first, bit | 127]) + struct.pack(">Q", n)
        mask = b"\x01\x02\x03\x04"
        if masked:
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.s.sendall(head + (mask if masked else b"") + payload)

    def pong(self, payload):
        """Asks and waits for the answer; answers what it is asked itself, or the server gives it up."""
        self.send(payload, opcode=9)
        while True:
            opcode, got = self.frame()
            if opcode == 8:
                raise EOFError(f"closed with {got!r} instead of a pong")
            if opcode == 9:
                self.send(got, opcode=10)
            if opcode == 10:
                expect(got == payload, f"a pong holds {got!r} and not {payload!r}")
                return

    def closed_with(self):
        """The close code, 0 for none; messages before it are read over."""
        try:
            while True:
                opcode, payload = self.frame()
                if opcode == 8:
                    return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 0
        except (EOFError, OSError):
            return 0


def frames():
    """What breaks RFC 6455 closes the one connection, and nothing else."""
    with_key = Socket()
    expect(with_key.status == 101, f"a WebSocket is answered {with_key.status}")
    expect(with_key.message().get("type") == "hello", "no hello")
    for what, path, headers, allowed in [
        ("a foreign Origin", "/ws", "Origin: http://evil.example\r\n", [403]),
        ("an Origin of null", "/ws", "Origin: null\r\n", [403]),
        ("another path", "/elsewhere", "", [404]),
        ("a path that is no WebSocket", "/api/v1/status", "", [404]),
        ("unknown topics", "/ws?topics=nonsense", "", [422]),
        ("a since that is no number", "/ws?since=x", "", [422]),
    ]:
        s = Socket(path, headers)
        expect(s.status in allowed, f"{what}: {s.status}")
    own = Socket("/ws", f"Origin: http://{HOST}\r\n")
    expect(own.status == 101, f"our own Origin: {own.status}")
    for what, send, codes in [
        ("no mask", lambda s: s.send(b'{"topics":["links"]}', masked=False), [1002, 0]),
        ("binary", lambda s: s.send(b"\x00\x01", opcode=2), [1003]),
        ("no JSON", lambda s: s.send(b"hello"), [1008]),
        ("unknown topic", lambda s: s.send(b'{"topics":["nonsense"]}'), [1008]),
        ("broken UTF-8", lambda s: s.send(b"\xff\xfe\xfd"), [1007, 1008, 0]),
        ("too long", lambda s: s.send(b"x" * 100000), [1009, 0]),
        ("in pieces", lambda s: (s.send(b'{"topics":', fin=False), s.send(b'["links"]}', opcode=0)), [1009, 0]),
        ("reserved bits", lambda s: s.send(b"{}", reserved=7), [1002, 0]),
        ("unknown opcode", lambda s: s.send(b"{}", opcode=5), [1002, 1003, 0]),
        ("a continuation of nothing", lambda s: s.send(b"{}", opcode=0), [1002, 0]),
        ("a long ping", lambda s: s.send(b"x" * 200, opcode=9), [1002, 0]),
        ("a close of one byte", lambda s: s.send(b"\x03", opcode=8), [1002, 0]),
        ("a proper close", lambda s: s.send(struct.pack(">H", 1000) + b"bye", opcode=8), [1000]),
    ]:
        s = Socket()
        expect(s.message().get("type") == "hello", f"{what}: no hello")
        try:
            send(s)
        except OSError:
            pass
        code = s.closed_with()
        expect(code in codes, f"{what}: closed with {code} instead of {codes}")
        s.s.close()
        with_key.pong(b"beside")
    ping = Socket()
    ping.message()
    ping.pong(b"are you there")
    with_key.send(b'{"topics":["links"]}')
    with_key.pong(b"still here?")


def events():
    """Events come with numbers that grow; a second connection goes on where the first ended."""
    first = Socket("/ws?since=0")
    hello = first.message()
    expect(hello["type"] == "hello" and hello["next"] >= hello["oldest"], f"hello: {hello}")
    seqs = []
    while len(seqs) < 3:
        message = first.message()
        expect(message["type"] == "event" and message["topic"], f"event: {message}")
        seqs.append(message["seq"])
    expect(seqs == sorted(set(seqs)), f"numbers: {seqs}")
    again = Socket(f"/ws?since={seqs[0]}")
    hello = again.message()
    expect(not hello["is_gap"], f"a gap where there is none: {hello}")
    expect([again.message()["seq"] for _ in seqs] == seqs, "a resumed connection gets others")
    filtered = Socket("/ws?since=0&topics=links")
    filtered.message()
    for _ in range(1):
        message = filtered.message()
        expect(message["topic"] == "links", f"filtered: {message}")
    ahead = Socket(f"/ws?since={seqs[-1] + 10 ** 9}")
    expect(ahead.message()["is_gap"], "numbers that were never given are no gap")


def member():
    """Over TLS as a member: requests behind each other, large bodies, and a WebSocket."""
    body = b'{"from":"a","action":"ping"}'
    long = b" " * (65536 - len(body)) + body
    post = "POST /api/v1/policies:evaluate HTTP/1.1\r\nHost: " + HOST + "\r\nContent-Type: application/json\r\n"
    evaluate, large = ((f"{post}Content-Length: {len(b)}\r\n\r\n").encode() + b for b in (body, long))
    last = get("/nowhere", "Connection: close\r\n")
    for pieces in (1, 5):
        got = statuses(ask_in_pieces(get() + evaluate + large + get("/health") + evaluate + last, pieces))
        expect(got == [200] * 5 + [404], f"over TLS in {pieces}: {got}")
        time.sleep(0.5)  # the rate of one member
    got = statuses(ask(get() + b"GET / HTTP/1.1\r\nHost : x\r\n\r\n" + get()))
    expect(got == [200, 400], f"broken over TLS: {got}")
    s = Socket()
    expect(s.status == 101, f"a WebSocket over TLS is answered {s.status}")
    s.message()
    s.send(b"x" * 100, opcode=9)
    while s.frame() != (10, b"x" * 100):
        pass
    s.send(struct.pack(">H", 1000), opcode=8)
    expect(s.closed_with() == 1000, "a WebSocket over TLS does not end")


def revoked():
    """Whose certificate is revoked once this says ready: its open connections end with it."""
    kept = connect()
    kept.sendall(get())
    expect(kept.recv(12) == b"HTTP/1.1 200", "a member is not answered")
    follower = Socket()
    expect(follower.status == 101 and follower.message()["type"] == "hello", f"no WebSocket: {follower.status}")
    print("ready", flush=True)
    began = time.monotonic()
    code = follower.closed_with()
    expect(code == 1008, f"a WebSocket of who was revoked ends with {code} after {time.monotonic() - began:.1f} s")
    kept.sendall(get("/health", "Connection: close\r\n"))
    rest = read_all(kept)
    expect(b"HTTP/1.1 401" in rest and b"bad_certificate" in rest, f"who was revoked is answered {rest[-300:]}")
    try:
        got = ask(get("/health", "Connection: close\r\n"))
    except OSError:
        got = b""
    expect(got == b"", f"who was revoked is let in: {got}")


def hasty():
    """Connections one after the other, more than handshakes are begun: the rest is closed at once."""
    for _ in range(400):
        with socket.create_connection((ADDRESS, PORT), timeout=15) as s:
            try:
                s.shutdown(socket.SHUT_WR)
                s.recv(1)
            except OSError:
                pass


def many():
    """As many as there are places, and one that comes when some go."""
    held = []
    try:
        for _ in range(int(sys.argv[3])):
            s = Socket()
            if s.status != 101:
                break
            held.append(s)
    except OSError:
        pass
    print(len(held))
    time.sleep(float(sys.argv[4]) if len(sys.argv) > 4 else 0)


if __name__ == "__main__":
    {"framing": framing, "slow": slow, "frames": frames, "events": events, "many": many,
     "member": member, "crowd": crowd, "revoked": revoked, "hasty": hasty}[sys.argv[2]]()
    for what in wrong:
        print(f"WRONG: {what}")
    if wrong:
        sys.exit(1)
    print("ok")

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A collector of spans, as a test wants it.

serve PORT DIR [CERTIFICATE KEY]: keeps the body of each request that it takes as DIR/NUMBER.bin (OTLP) or .json (Zipkin).
    How it answers is in DIR/answer: a status, and for Retry-After seconds behind it; or "slow".
    Each request is a line in DIR/requests: time, status.
decode DIR: prints all spans of the .bin files as a JSON list, by the field numbers of
    opentelemetry-proto's trace.proto (another decoder says the same: tests/interop/otlp.mjs)."""

import http.server
import json
import pathlib
import ssl
import struct
import sys
import time


def serve(port, directory, identity):
    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                answer = (directory / "answer").read_text().split()
            except FileNotFoundError:
                answer = ["200"]
            number = len(list(directory.glob("*.bin"))) + len(list(directory.glob("*.json")))
            if answer[0] == "200":
                kind = {"application/x-protobuf": ("/v1/traces", "bin"), "application/json": ("/api/v2/spans", "json")}
                path, suffix = kind[self.headers["Content-Type"]]
                assert self.path == path, self.path
                partial = directory / "partial"
                partial.write_bytes(body)
                partial.rename(directory / f"{number:04}.{suffix}")
            with open(directory / "requests", "a") as out:
                print(time.monotonic(), *answer, file=out)
            if answer[0] == "slow":
                time.sleep(5)
                answer = ["503"]
            self.send_response(int(answer[0]))
            if len(answer) > 1:
                self.send_header("Retry-After", answer[1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Collector)
    if identity:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*identity)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def fields(message):
    """(number, value) of a protobuf message: int for varints and fixed64, bytes for the rest."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            value = varint()
        elif tag & 7 == 1:
            (value,) = struct.unpack_from("<Q", message, at)
            at += 8
        elif tag & 7 == 2:
            size = varint()
            value = message[at : at + size]
            assert len(value) == size
            at += size
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def attribute(message):
    pair = dict(fields(message))
    ((kind, value),) = fields(pair[2])
    if kind == 3 and value >= 1 << 63:
        value -= 1 << 64
    return pair[1].decode(), {1: lambda v: v.decode(), 2: bool, 3: int}[kind](value)


def decode(directory):
    spans = []
    for path in sorted(directory.glob("*.bin")):
        for _, resource_spans in fields(path.read_bytes()):
            parts = list(fields(resource_spans))
            resource = dict(attribute(v) for n, v in fields(dict(parts)[1]) if n == 1)
            for _, scope_spans in (p for p in parts if p[0] == 2):
                for _, message in (f for f in fields(scope_spans) if f[0] == 2):
                    one = [(n, v) for n, v in fields(message)]
                    first = dict(one)
                    status = dict(fields(first.get(15, b"")))
                    spans.append({
                        "trace": first[1].hex(), "span": first[2].hex(), "parent": first.get(4, b"").hex(),
                        "name": first[5].decode(), "kind": first[6], "start": first[7], "end": first[8],
                        "attributes": dict(attribute(v) for n, v in one if n == 9),
                        "error": status.get(2, b"").decode() if status.get(3) == 2 else None,
                        "resource": resource,
                    })
    return spans


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4:])
else:
    json.dump(decode(pathlib.Path(sys.argv[2])), sys.stdout)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes what nodes tell people: HTTP (webhooks, Telegram's API) and mail, well or badly.

Argument: a certificate with its key, for TLS as well; or none. Prints "ports HTTP SMTP HTTPS"
(0: none), then a line of JSON for each thing received. What it does with it the path says, or what is
before the @ of the recipient: refuse, once (busy the first time), later (busy, and says for how long),
hang, slow, huge; all else is taken."""

import http.server
import json
import socketserver
import ssl
import sys
import threading
import time

seen = set()
printing = threading.Lock()


def tell(**what):
    with printing:
        print(json.dumps(what), flush=True)


def is_first(what):
    with printing:
        return what not in seen and (seen.add(what) or True)


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, **heads):
        self.send_response(status)
        for name, value in heads.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.respond()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        tell(path=self.path, type=self.headers["Content-Type"], body=json.loads(body),
             authorization=self.headers["Authorization"])
        self.respond()

    def respond(self):
        how = self.path.split("/")[1]
        if how == "refuse":
            self.answer(400)
        elif how == "once" and is_first(self.path):
            self.answer(503)
        elif how == "later" and is_first(self.path):
            self.answer(429, Retry_After="1")
        elif how == "move":
            self.answer(307, Location="/ok")
        elif how == "hang":
            time.sleep(60)
        elif how == "huge":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(65536))
        else:
            if how == "slow":
                time.sleep(1)
            self.answer(200)

    def log_message(self, *_):
        pass


class Mail(socketserver.StreamRequestHandler):
    """What RFC 5321 asks of a server at least."""

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def data(self):
        lines = []
        while True:
            line = self.rfile.readline()
            if not line or line == b".\r\n":
                return b"".join(lines).decode()
            lines.append(line[1:] if line.startswith(b".") else line)

    def recipient(self, line):
        how = line.split("<")[1].split("@")[0]
        if how == "refuse":
            self.say("550 nobody here")
        elif how == "once" and is_first(line):
            self.say("450 later")
        elif how == "hang":
            time.sleep(60)
        else:
            self.say("250 ok")

    def handle(self):
        self.say("220 sink")
        envelope = []
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb in ("MAIL", "RCPT"):
                envelope.append(line)
            if verb == "RCPT":
                self.recipient(line)
            elif verb == "DATA":
                self.say("354 go on")
                tell(envelope=envelope, mail=self.data())
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 sink")


class Threads(socketserver.ThreadingMixIn):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass  # who hangs up on what is huge does so on purpose


class HttpServer(Threads, http.server.HTTPServer):
    pass


class MailServer(Threads, socketserver.TCPServer):
    pass


def main():
    servers = [HttpServer(("127.0.0.1", 0), Http), MailServer(("127.0.0.1", 0), Mail)]
    ports = [s.server_address[1] for s in servers] + [0]
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
        secure = HttpServer(("127.0.0.1", 0), Http)
        secure.socket = context.wrap_socket(secure.socket, server_side=True,
                                            do_handshake_on_connect=False)
        servers.append(secure)
        ports[2] = secure.server_address[1]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ports", *ports, flush=True)
    sys.stdin.read()  # until who began it has ended


main()

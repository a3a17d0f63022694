#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes what Alertmanager posts: one line "STATUS ALERTNAME" for each alert, into a file.
Arguments: port, file."""

import http.server
import json
import sys


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as out:
            for alert in posted["alerts"]:
                print(alert["status"], alert["labels"]["alertname"], file=out)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()

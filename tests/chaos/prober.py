# SPDX-License-Identifier: Apache-2.0
"""The outside prober: UDP through the overlay between pairs of hosts, echoed, and when it was answered.

    python3 prober.py '[{"from": PID, "to": PID, "address": ADDRESS, "from_address": ADDRESS}]'

Every pair has a small datagram every 10 ms and a large one every 50 ms. On SIGTERM it waits for what is on its way
and prints one object: for each pair and size when it was sent and after how long it was answered. It
knows nothing of daemons: its sockets are those of the hosts, and what cannot be sent is lost.

Beside them, on each processor of this machine, an ordinary process echoes small datagrams without any mesh: while
that is late, the machine and not the mesh is what was measured ("controls")."""
import json
import os
import select
import signal
import socket
import struct
import sys
import time

from mesh import inside

PORT = 7007
SIZES = {"small": (64, 0.010), "large": (1200, 0.050)}
GRACE_S = 1.0
CONTROLS_MAX = 4
HEAD = struct.Struct("!HBI")  # pair, size, number


def open_socket(pid, port):
    with inside(pid):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind(("::", port))
    s.setblocking(False)
    return s


def control_start(cpu):
    """Returns the address of a process that echoes; it ends with this one."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::1", 0))
    parent = os.getpid()
    if os.fork() > 0:
        address = s.getsockname()[:2]
        s.close()
        return address
    os.sched_setaffinity(0, {cpu})
    s.settimeout(1.0)
    while os.getppid() == parent:
        try:
            data, peer = s.recvfrom(2048)
            s.sendto(data, peer)
        except OSError:
            pass
    os._exit(0)


def is_ours(data, n_pairs):
    return len(data) >= HEAD.size and HEAD.unpack_from(data)[0] < n_pairs and data[2] < len(SIZES)


class Prober:
    def __init__(self, pairs, controls):
        self.pairs = pairs + [{"from": os.getpid(), "address": a, "port": port} for a, port in controls]
        self.n_controls = len(controls)
        self.sockets, self.echoes = {}, {}
        for p in self.pairs:
            if p["from"] not in self.sockets:
                self.sockets[p["from"]] = open_socket(p["from"], PORT + 1)
            if "to" in p and p["to"] not in self.echoes:
                self.echoes[p["to"]] = open_socket(p["to"], PORT)
        self.sent = [[[] for _ in SIZES] for _ in self.pairs]
        self.took = [[[] for _ in SIZES] for _ in self.pairs]
        self.poll = select.epoll()
        self.by_fd = {}
        for role, of in (("echo", self.echoes), ("reply", self.sockets)):
            for s in of.values():
                self.by_fd[s.fileno()] = (role, s)
                self.poll.register(s, select.EPOLLIN)

    def send(self, size, length):
        for i, p in enumerate(self.pairs):
            if size > 0 and "to" not in p:
                continue  # small ones are enough of a control
            number = len(self.sent[i][size])
            self.sent[i][size].append(time.monotonic())
            self.took[i][size].append(None)
            try:
                self.sockets[p["from"]].sendto(
                    HEAD.pack(i, size, number).ljust(length, b"x"), (p["address"], p.get("port", PORT)))
            except OSError:
                pass  # it is lost, and counted so

    def receive(self, wait_s):
        for fd, _ in self.poll.poll(max(0.0, wait_s)):
            role, s = self.by_fd[fd]
            for _ in range(64):
                try:
                    data, peer = s.recvfrom(2048)
                except OSError:
                    break
                if not is_ours(data, len(self.pairs)):
                    continue
                if role == "echo":
                    try:
                        s.sendto(data, peer)
                    except OSError:
                        pass
                    continue
                i, size, number = HEAD.unpack_from(data)
                if number < len(self.took[i][size]) and self.took[i][size][number] is None:
                    self.took[i][size][number] = time.monotonic() - self.sent[i][size][number]

    def run(self, is_over):
        due = [time.monotonic()] * len(SIZES)
        while not is_over():
            now = time.monotonic()
            for size, (length, every_s) in enumerate(SIZES.values()):
                if now >= due[size]:
                    self.send(size, length)
                    due[size] = max(due[size] + every_s, now - every_s)
            self.receive(min(due) - time.monotonic())
        end = time.monotonic() + GRACE_S
        while time.monotonic() < end:
            self.receive(end - time.monotonic())

    def result(self):
        """Times in tenths of a millisecond: sent since the one before, and until answered (-1: never)."""
        out = []
        for sent, took in zip(self.sent, self.took):
            of = {}
            for name, s, t in zip(SIZES, sent, took):
                of[name] = {"begin": s[0] if s else 0,
                            "after": [round(1e4 * (b - a)) for a, b in zip(s, s[1:])],
                            "took": [-1 if x is None else round(1e4 * x) for x in t]}
            out.append(of)
        n = len(out) - self.n_controls
        return {"pairs": out[:n], "controls": [of["small"] for of in out[n:]]}


def main():
    stopped = []
    signal.signal(signal.SIGTERM, lambda *a: stopped.append(True))
    controls = [control_start(cpu) for cpu in sorted(os.sched_getaffinity(0))[:CONTROLS_MAX]]
    try:  # what is measured is the daemons' delay and not this program's
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(3))
    except OSError:
        pass
    prober = Prober(json.loads(sys.argv[1]), controls)
    print("ready", file=sys.stderr, flush=True)
    prober.run(lambda: stopped)
    json.dump(prober.result(), sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()

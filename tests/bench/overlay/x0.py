# SPDX-License-Identifier: Apache-2.0
"""x0 for the overlay benchmark: OV_ADAPTERS=tests/bench/overlay bench.py direct -d veth,x0

The program is $X0, or build/src/cli/x0 of this tree. All members are made before the clock
starts, in the first host's namespace; then each node is given its neighbours' addresses.
"""
import json
import os
import time

from adapters import Adapter
from ovlib import sh

HERE = os.path.dirname(os.path.abspath(__file__))
X0 = os.path.realpath(os.environ.get("X0", HERE + "/../../../build/src/cli/x0"))
PORT = 26969


def children(pid):
    """The process and all its descendants."""
    found = [pid]
    for p in found:
        try:
            with open("/proc/%d/task/%d/children" % (p, p)) as f:
                found += map(int, f.read().split())
        except OSError:
            pass
    return found


def cpu(host):
    """Seconds of both processes of the daemon; the benchmark itself would see the keeper only."""
    ticks = 0
    for p in (c for d in host.procs for c in children(d.pid)):
        try:
            with open("/proc/%d/stat" % p) as f:
                words = f.read().rsplit(")", 1)[1].split()
            ticks += int(words[11]) + int(words[12])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def rss(host):
    """KiB of both processes; what they share counts twice."""
    kib = 0
    for p in (c for d in host.procs for c in children(d.pid)):
        try:
            with open("/proc/%d/status" % p) as f:
                kib += sum(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
        except OSError:
            pass
    return kib


class X0Mesh(Adapter):
    caps = {"direct", "relay", "failover", "scale"}

    def __init__(self, name="x0", lines=(), program=X0, environment=()):
        self.name, self.lines, self.program = name, list(lines), program
        self.environment = list(environment)
        self.config = "; ".join(["defaults, MTU 1344"] + self.lines + self.environment)

    def version(self):
        return sh([self.program, "version"], check=False).split("\n")[0]

    def configure(self, h, peers):
        with open(h.dir + "/x0.yaml", "w") as f:
            f.write("\n".join(["domain: bench.mesh", "name: %s" % h.name.lower(),
                               "state_dir: %s/state" % h.dir, "run_dir: %s/r" % h.dir,
                               "discovery: {lan: off, links: 0, links_max: 0}",
                               "peers: %s" % json.dumps(peers)] + self.lines) + "\n")

    def run(self, h, verb, *args, at=None):
        return sh([self.program, verb, "--config", h.dir + "/x0.yaml"] + list(args), ns=(at or h).ns)

    def prepare(self, net):
        hosts = list(net)
        first = hosts[0]
        for h in hosts:
            h.cpu, h.rss = (lambda h=h: cpu(h)), (lambda h=h: rss(h))
            self.configure(h, [])
        self.run(first, "init", "--no-start", "--domain", "bench.mesh", "--name", first.name.lower())
        self.up(first)
        self.wait(first)
        for h in hosts[1:]:
            invitation = json.loads(self.run(first, "invite", "--json", "--name", h.name.lower(),
                                             "--endpoint", "[::1]:%d" % PORT))["invitation"]
            self.run(h, "join", "--no-start", invitation, at=first)
        first.stop_all()
        for h in hosts:
            h.x0_address = self.address_of(h)
            self.configure(h, ["%s:%d" % (l.peer_addr, PORT) for l in h.links])

    def address_of(self, h):
        """It lies in the certificate; a daemon that runs for a moment tells it."""
        self.up(h)
        try:
            return self.wait(h)["address"]
        finally:
            h.stop_all()

    def wait(self, h):
        for _ in range(100):
            try:
                return json.loads(self.run(h, "status", "--json"))
            except RuntimeError:
                time.sleep(0.05)
        raise RuntimeError("x0 did not start on " + h.name)

    def usable(self, net):
        """Whether every link is up at both ends."""
        for h in net:
            peers = json.loads(self.run(h, "peers", "--json"))
            up = [p for p in peers if p.get("is_neighbour") and p.get("state") == "up"]
            if len(up) < len(h.links):
                return False
        return True

    def state(self, net):
        """What each host believes of its links, to explain a measurement."""
        keys = ("node", "doubts", "is_restless", "promised_us", "flaps")
        return {h.name: {"late_us": json.loads(self.run(h, "status", "--json"))["liveness"]["late_us"],
                         "peers": [{k: p.get(k) for k in keys}
                                   for p in json.loads(self.run(h, "peers", "--json"))]}
                for h in net}

    def addr(self, host):
        return host.x0_address

    def up(self, host):
        host.start((["env"] + self.environment if self.environment else []) + [self.program, "up", "--foreground", "--config", host.dir + "/x0.yaml"])


OFF = "offload: {tun: false, udp_gso: false, udp_gro: false, batch: false, urgent: false}"
ADAPTERS = {
    "x0": X0Mesh,
    "x0-realtime": lambda: X0Mesh("x0-realtime", ["qos: {scheduling: realtime}"]),
    "x0-nooffload": lambda: X0Mesh("x0-nooffload", [OFF]),
    "x0-nogso": lambda: X0Mesh("x0-nogso", ["offload: {tun: false, udp_gso: false, udp_gro: false}"]),
    "x0-threads": lambda: X0Mesh("x0-threads", ["threads: 2"]),
    "x0-noebpf": lambda: X0Mesh("x0-noebpf", ["ebpf: {guard: off, meter: off, flow: off, enforce: off}"]),
    "x0-library": lambda: X0Mesh("x0-library", environment=["X0_AES_GCM=library"]),
    "x0-chacha": lambda: X0Mesh("x0-chacha", ["aead: chacha20-poly1305"]),
}

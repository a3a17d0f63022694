# SPDX-License-Identifier: Apache-2.0
"""What is done to a mesh: one fault, and harmless events. Each says what it did, to whom and when; nobody else
says what was wrong (labels)."""
import signal
import subprocess
import time

from topology import edge, is_repairable

# The first byte of a relayed packet, and its hop header's hop count: what leaves a relay as such.
RELAYED = "udp dport 26969 @th,64,8 0x10 @th,80,16 != 0"
SMALL_BYTES = 600  # of a datagram: probes are smaller
HOLE_BYTES = 1000
HOGS = 4
HOG_BYTES = 108 << 20  # of mesh.MEMORY_BYTES, in which daemon and keeper are too: more and it is ended
MEMORY_HOG = """
import time
held = bytearray(%d)
held[::4096] = b"x" * len(held[::4096])
time.sleep(100000)
""" % HOG_BYTES


def drops(table, devices, also=""):
    """nftables: what comes in by these devices or leaves by them, and matches, is dropped."""
    names = ", ".join('"%s"' % d for d in devices)
    return ("table inet %s {\n"
            " chain i { type filter hook input priority -300; iifname { %s } %s drop; }\n"
            " chain o { type filter hook output priority 300; oifname { %s } %s drop; }\n"
            "}\n" % (table, names, also, names, also))


class Impossible(Exception):
    """It cannot be injected on this machine, or nowhere in this mesh; says why."""


class Fault:
    """What a fault is about: "link" (label u, v), "node", "host" or "part"."""
    what = "link"
    is_grey = False
    needs_groups = False
    needs_emulated = False

    def __init__(self, mesh, rng):
        self.mesh, self.rng = mesh, rng
        self.label = {}

    def choose(self, ways):
        """ways: where packets of each pair go now; the first is the one to hit. Sets the label."""
        links = [edge(a, b) for a, b in zip(ways[0], ways[0][1:])]
        if self.needs_emulated:
            links = [e for e in links if e in self.mesh.emulated]
        self.rng.shuffle(links)
        pair = (ways[0][0], ways[0][-1])
        links.sort(key=lambda e: not is_repairable(self.mesh.links, pair, cut=[e]))
        if not links:
            raise Impossible("no link in use that could be hit")
        self.link = links[0]
        self.label["link"] = list(self.link)
        self.near, self.far = self.link if self.rng.random() < 0.5 else self.link[::-1]

    def is_through(self, way):
        return self.link in [edge(a, b) for a, b in zip(way, way[1:])]

    def without(self):
        return {"cut": [self.link]}

    def inject(self):
        raise NotImplementedError

    def lift(self):
        raise NotImplementedError


class NodeFault(Fault):
    what = "node"

    def choose(self, ways):
        inner = ways[0][1:-1]
        self.rng.shuffle(inner)
        pair = (ways[0][0], ways[0][-1])
        inner.sort(key=lambda n: not is_repairable(self.mesh.links, pair, nodes=[n]))
        if not inner:
            raise Impossible("no relay on the way")
        self.node = inner[0]
        self.host = self.mesh[self.node]
        self.label["node"] = self.node

    def is_through(self, way):
        return self.node in way

    def without(self):
        return {"nodes": [self.node]}


class Nothing(Fault):
    """No fault: whatever is said or done is a false alarm."""
    what = "none"

    def choose(self, ways):
        pass

    def is_through(self, way):
        return False

    def without(self):
        return {}

    def inject(self):
        pass

    def lift(self):
        pass


# ---- links ----

class LinkCut(Fault):
    """Nothing passes, and nobody is told."""
    def inject(self):
        self.mesh[self.near].nft(drops("cut", ["to-" + self.far]))

    def lift(self):
        self.mesh[self.near].on("nft", "delete", "table", "inet", "cut")


class CarrierLoss(Fault):
    def inject(self):
        self.mesh[self.near].on("ip", "link", "set", "to-" + self.far, "down")

    def lift(self):
        host = self.mesh[self.near]
        host.on("ip", "link", "set", "to-" + self.far, "up")
        host.on("ip", "addr", "replace", self.mesh.end(self.link, self.near) + "/64",
                "dev", "to-" + self.far, "nodad")  # the kernel forgets it


class Emulated(Fault):
    """By linkem, in one direction or both."""
    is_grey = True
    needs_emulated = True

    def words(self):
        raise NotImplementedError

    def inject(self):
        self.label["words"] = self.words()
        self.mesh.link_says(self.link, self.label["words"])

    def lift(self):
        self.mesh.link_says(self.link, "clear both")


class LossOneWay(Emulated):
    def words(self):
        self.label["loss_percent"] = self.rng.choice((2, 5, 10, 20, 30))
        return "set %s loss=%d%%" % (self.rng.choice(("ab", "ba")), self.label["loss_percent"])


class DelayJitter(Emulated):
    def words(self):
        ms = self.rng.choice((80, 200, 400))
        return "set both delay=%dms jitter=%dms" % (ms, ms // 4)


class RateLimit(Emulated):
    def words(self):  # the prober alone sends some 260 kbit/s each way
        return "set both rate=%dkbit queue=32k" % self.rng.choice((128, 256, 400))


class Reordering(Emulated):
    def words(self):
        return "set both reorder=%d%% reorder_by=5ms" % self.rng.choice((5, 20))


class MtuBlackHole(Fault):
    """Large datagrams are lost and nobody is told; small ones pass."""
    is_grey = True

    def inject(self):
        self.mesh[self.near].nft(drops("hole", ["to-" + self.far], "udp length > %d" % HOLE_BYTES))

    def lift(self):
        self.mesh[self.near].on("nft", "delete", "table", "inet", "hole")


# ---- nodes ----

class SilentDrop(NodeFault):
    """It takes part in everything and throws away what it should pass on."""
    is_grey = True
    rule = RELAYED

    def inject(self):
        self.host.nft("table inet liar {\n chain out {\n type filter hook output priority 0;\n"
                      " %s counter drop\n }\n}\n" % self.rule)

    def lift(self):
        told = self.host.on("nft", "list", "table", "inet", "liar").stdout
        self.label["dropped"] = int(told.split("packets ")[1].split()[0])
        self.host.on("nft", "delete", "table", "inet", "liar")


class LyingNode(SilentDrop):
    """It passes on what is as small as a probe, and throws away the rest."""
    rule = RELAYED + " udp length > %d" % SMALL_BYTES


class DaemonKilled(NodeFault):
    def inject(self):
        self.pid = self.host.daemon_pid()
        if not self.pid:
            raise Impossible("the daemon of %s does not answer" % self.node)
        subprocess.run(["kill", "-KILL", str(self.pid)], check=True)

    def lift(self):
        pass


class DaemonHung(DaemonKilled):
    def inject(self):
        self.pid = self.host.daemon_pid()
        if not self.pid:
            raise Impossible("the daemon of %s does not answer" % self.node)
        subprocess.run(["kill", "-STOP", str(self.pid)], check=True)

    def lift(self):
        subprocess.run(["kill", "-CONT", str(self.pid)], stderr=subprocess.DEVNULL)


# ---- hosts ----

class HostFault(NodeFault):
    what = "host"
    is_grey = True
    needs_groups = True

    def begin(self, *argv, n=1):
        self.processes = [self.host.spawn(*argv, start_new_session=True) for _ in range(n)]

    def lift(self):
        self.label["ended_early"] = sum(p.poll() is not None for p in self.processes)
        for p in self.processes:
            p.send_signal(signal.SIGKILL)
            p.wait()


class CpuHog(HostFault):
    """Others want the host's processor, all of it."""
    def inject(self):
        self.begin("sh", "-c", "while :; do :; done", n=HOGS)


class MemoryPressure(HostFault):
    def inject(self):
        self.begin("python3", "-c", MEMORY_HOG)


class DiskFull(HostFault):
    needs_groups = False

    def inject(self):
        self.file = self.host.dir + "/state/filler"
        self.host.on("dd", "if=/dev/zero", "of=" + self.file, "bs=1M", check=False)

    def lift(self):
        self.host.on("rm", "-f", self.file)


class Partition(Fault):
    """One side of the mesh no longer hears the other, and nobody is told."""
    what = "part"

    def choose(self, ways):
        super().choose(ways)
        side, at = {ways[0][0]}, [ways[0][0]]
        around = {}
        for a, b in self.mesh.links:
            around.setdefault(a, []).append(b)
            around.setdefault(b, []).append(a)
        while at and len(side) < len(self.mesh.names) // 3:
            for b in sorted(around[at.pop(0)]):
                if b not in ways[0] and len(side) < len(self.mesh.names) // 3:
                    side.add(b)
                    at.append(b)
        self.side = side
        self.cuts = [e for e in self.mesh.links if (e[0] in side) != (e[1] in side)]
        self.label = {"links": [list(e) for e in self.cuts], "side": sorted(side)}

    def is_through(self, way):
        return any((a in self.side) != (b in self.side) for a, b in zip(way, way[1:]))

    def without(self):
        return {"cut": self.cuts}

    def inject(self):
        for name in sorted(self.side):
            to = ["to-" + (b if a == name else a) for a, b in self.cuts if name in (a, b)]
            if to:
                self.mesh[name].nft(drops("cut", to))

    def lift(self):
        for name in sorted(self.side):
            self.mesh[name].on("nft", "delete", "table", "inet", "cut", check=False)


KINDS = {
    "none": Nothing,
    "link_cut": LinkCut, "carrier_loss": CarrierLoss, "loss_one_way": LossOneWay, "delay_jitter": DelayJitter,
    "rate_limit": RateLimit, "reordering": Reordering, "silent_drop": SilentDrop, "mtu_black_hole": MtuBlackHole,
    "cpu_hog": CpuHog, "memory_pressure": MemoryPressure, "daemon_killed": DaemonKilled, "daemon_hung": DaemonHung,
    "disk_full": DiskFull, "lying_node": LyingNode, "partition": Partition,
}

# Those of x0-lab chaos: what is a host's own is none of the simulator's.
SIMULATED = ("none", "link_cut", "carrier_loss", "loss_one_way", "delay_jitter", "rate_limit", "reordering", "silent_drop",
             "mtu_black_hole", "daemon_killed", "daemon_hung", "lying_node", "partition")


# ---- harmless events ----

class Event:
    seconds = 0

    def __init__(self, mesh, rng, free, spec):
        """free: nodes that the fault does not concern and no probe begins or ends at."""
        self.mesh, self.rng, self.free, self.spec = mesh, rng, free, spec
        self.label = {}

    def begin(self):
        raise NotImplementedError

    def end(self):
        pass


class Surge(Event):
    """Much traffic between two nodes for a while, and nobody is to blame."""
    seconds = 6
    rate = 300

    def begin(self):
        a, b = self.rng.sample(self.mesh.names, 2)
        self.label = {"from": a, "to": b, "packets_per_s": self.rate}
        tool, address = self.spec["tool"], self.mesh[b].address
        self.processes = [self.mesh[b].spawn(tool, "sink", address, "9000", stdout=subprocess.DEVNULL,
                                             stderr=subprocess.DEVNULL)]
        self.processes.append(self.mesh[a].spawn(
            tool, "stream", address, "9000", str(self.rate), "1000000000", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))

    def end(self):
        for p in self.processes:
            p.terminate()
            p.wait()


class Restart(Event):
    def begin(self):
        name = self.rng.choice(self.free)
        self.label = {"node": name}
        self.mesh[name].x0("down")
        self.mesh[name].x0("up")


class Join(Event):
    def begin(self):
        name = self.spec["joins"][0]
        self.label = {"node": name}
        self.mesh.join(name)
        self.mesh.up(name)


class Backup(Event):
    """A program of the same host reads all there is and packs it."""
    seconds = 6

    def begin(self):
        name = self.rng.choice(self.free)
        self.label = {"node": name}
        host = self.mesh[name]
        self.process = host.spawn("nice", "timeout", str(self.seconds), "sh", "-c",
                                  'while :; do tar cf - "$1" 2>/dev/null | gzip -1 >"$1/../backup"; sleep 0.2; done',
                                  "sh", host.dir + "/state", stderr=subprocess.DEVNULL)

    def end(self):
        self.process.terminate()
        self.process.wait()


class Rekey(Event):
    """Sessions of some nodes get new keys every REKEY_AFTER_S, all the time."""
    def begin(self):
        self.label = {"nodes": self.spec["rekeys"]}


EVENTS = {"surge": Surge, "restart": Restart, "join": Join, "backup": Backup, "rekey": Rekey}


def timed(action):
    """When it was begun, by the monotonic clock, and by the wall clock."""
    at = time.monotonic(), time.time()
    action()
    return {"at": at[0], "unix": at[1], "took_s": time.monotonic() - at[0]}

# SPDX-License-Identifier: Apache-2.0
"""One episode: a mesh is made, harmless things happen, one fault is injected and lifted, and all that the nodes
and the outside prober said meanwhile is written to one file. Runs inside namespaces of its own (chaos.py)."""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import faults
import topology
from mesh import Mesh

FORMAT = 1
INJECT_AT = (0.30, 0.40)  # of the episode's length
LIFT_AT = 0.85
EVENT_BEFORE = (0.05, 0.15)
EVENT_DURING = (0.45, 0.70)
EVENT_EVERY_S = 120
SHORT_S = 45  # an episode as short has no event that takes a node away
SAMPLE_S = 1.0
PAIRS = 4
MANDATES = ("# nothing\n", "allow avoid rate 2\n", "allow rehandshake\n")  # at some nodes, beside the default
JOINER = "joiner"
COUNTERS = ("relayed", "delivery_probes", "delivery_probes_lost", "ways_doubted", "neighbours_doubted",
            "no_route", "deflected", "route_updates_received", "packets_from_tun", "packets_to_tun")
HERE = os.path.dirname(os.path.abspath(__file__))


def choose_pairs(names, links, rng, n):
    """Pairs as far from each other as two hops at least, that another way joins too where there are such."""
    pairs = [(a, b) for a in names for b in names
             if a != b and topology.distances(links, a).get(b, 0) >= 2]

    def strength(p):
        inner = [a for a in names if a not in p]
        return sum(topology.is_repairable(links, p, nodes=[a]) for a in inner)
    rng.shuffle(pairs)
    pairs.sort(key=lambda p: -strength(p))
    chosen = pairs[:1]
    rng.shuffle(pairs)
    return chosen + [p for p in pairs if p not in chosen][:n - 1]


def plan(args):
    """Everything that chance decides before the mesh is there; the same arguments, the same plan."""
    rng = random.Random("%s/%s/%s" % (args["seed"], args["kind"], args["topology"]))
    names, links = topology.make(args["topology"], args["nodes"], rng)
    pairs = choose_pairs(names, links, rng, PAIRS)
    if not pairs:
        raise SystemExit("no two nodes of this topology are two hops apart")
    kind = faults.KINDS[args["kind"]]
    is_short = args["seconds"] < SHORT_S
    backup = () if args.get("is_simulated") else ("backup",)  # a host's own affair
    events = [("surge", EVENT_DURING)] if is_short else \
        [(rng.choice(("restart", "join") + backup), EVENT_BEFORE), (rng.choice(("surge",) + backup), EVENT_DURING)]
    joins = [JOINER] if any(e == "join" for e, _ in events) else []
    links = sorted(links + [topology.edge(joins[0], names[0])] if joins else links)
    # In hours nothing else would happen: a restart or a surge every two minutes.
    more = [[at + rng.uniform(0, EVENT_EVERY_S / 2), rng.choice(("restart", "surge"))]
            for at in range(EVENT_EVERY_S, int(args["seconds"]) - EVENT_EVERY_S, EVENT_EVERY_S)]
    spec = dict(args)
    spec.update({
        "nodes": names, "links": links, "joins": joins, "pairs": pairs,
        "emulated": sorted(topology.on_shortest(links, *pairs[0])) if kind.needs_emulated else [],
        "rekeys": sorted(rng.sample(names, 2)),
        "mandates": {n: rng.choice(MANDATES) for n in rng.sample(names, max(1, len(names) // 5))},
        "inject_at": rng.uniform(*INJECT_AT) * args["seconds"], "lift_at": LIFT_AT * args["seconds"],
        "events": sorted([[rng.uniform(*at) * args["seconds"], e] for e, at in events] + more + [[0.0, "rekey"]]),
        "fault_seed": rng.getrandbits(32),
    })
    return spec


class Sampler(threading.Thread):
    """What every node says, once a second, as long as it says something."""
    def __init__(self, mesh, begin):
        super().__init__(daemon=True)
        self.mesh, self.begin = mesh, begin
        self.samples, self.incidents = [], {}
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    def incident(self, host, i):
        key = (host.name, i["id"])
        known = self.incidents.get(key)
        if known and (known["state"], known["closed"]) == (i["state"], i["closed"]):
            return
        whole = host.get("incidents/" + i["id"]) or i
        history = known["history"] if known else []
        whole["node"] = host.name
        whole["history"] = history + [[round(time.monotonic() - self.begin, 3), i["state"], i["remedy"]]]
        self.incidents[key] = whole

    def look(self, host):
        status = host.get("status")
        if status is None:
            return None
        peers = host.get("peers") or []
        for i in host.get("incidents?since_s=600") or []:
            self.incident(host, i)
        return {"mode": status["healing"]["mode"] if status["healing"] else None,
                "restarts": status["restarts"],
                "actions": status["healing"]["actions"] if status["healing"] else None,
                "counters": {c: status["counters"].get(c) for c in COUNTERS},
                "peers": {p["node"]: [p["state"], p["rtt_us"], p["loss_ppm"]]
                          for p in peers if p["is_neighbour"]}}

    def sample(self):
        row = {"t": round(time.monotonic() - self.begin, 3), "nodes": {}}
        for name, host in self.mesh.hosts.items():
            share, memory = host.show_use() if host.group else (None, None)
            said = self.look(host)
            row["nodes"][name] = said and dict(said, host=[share, memory, host.disk_use()])
        with self.lock:
            self.samples.append(row)

    def run(self):
        due = time.monotonic()
        while not self.stopped.is_set():
            self.sample()
            due = max(due + SAMPLE_S, time.monotonic())
            self.stopped.wait(due - time.monotonic())


def prober_start(mesh, pairs):
    told = [{"from": mesh[a].pid, "to": mesh[b].pid, "address": mesh[b].address} for a, b in pairs]
    p = subprocess.Popen([sys.executable, os.path.join(HERE, "prober.py"), json.dumps(told)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.stderr.readline().strip() != b"ready":
        raise RuntimeError("the prober does not start: %s" % p.stderr.read()[-300:])
    return p


def prober_end(p):
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=60)
    if p.returncode != 0:
        raise RuntimeError("the prober ended badly: %s" % err[-300:])
    return json.loads(out)


def ledger_of(host):
    """Its entries, and whether they are intact, by the program that needs no daemon."""
    shown = host.x0("ledger", "show", "--json", check=False)
    verified = host.x0("ledger", "verify", "--json", check=False)
    try:
        entries, verdict = json.loads(shown.stdout), json.loads(verified.stdout)
    except ValueError:
        return {"error": (shown.stderr + shown.stdout)[-300:]}
    if not isinstance(entries, list):
        return {"error": str(entries)[:300]}
    return {"entries": entries, "is_intact": verdict.get("is_intact"), "findings": verdict.get("findings")}


class Episode:
    def __init__(self, spec, tell):
        self.spec, self.tell = spec, tell
        self.rng = random.Random(spec["fault_seed"])
        self.events, self.fault_log = [], {}

    def wait_until(self, at):
        time.sleep(max(0.0, self.begin + at - time.monotonic()))

    def inject(self):
        ways = [self.mesh.path(a, b) for a, b in self.spec["pairs"]]
        if not ways[0]:
            raise RuntimeError("the way of the first pair is not known")
        self.fault.choose(ways)
        log = self.fault_log
        log.update(kind=self.spec["kind"], what=self.fault.what, is_grey=self.fault.is_grey, ways=ways,
                   is_through=[bool(w) and self.fault.is_through(w) for w in ways],
                   is_repairable=[topology.is_repairable(self.mesh.links, p, **self.fault.without())
                                  for p in self.spec["pairs"]])
        log["injected"] = faults.timed(self.fault.inject)
        log["label"] = self.fault.label
        self.tell("injected %s: %s" % (self.spec["kind"], self.fault.label))

    def lift(self):
        self.fault_log["lifted"] = faults.timed(self.fault.lift)
        self.tell("lifted")

    def event(self, name):
        busy = {n for p in self.spec["pairs"] for n in p} | {self.spec["nodes"][0]}
        victim = self.fault.label.get("node")
        around = set(self.fault.label.get("link", [])) | {victim}
        free = [n for n in self.spec["nodes"] if n not in busy | around] or self.spec["nodes"][-1:]
        e = faults.EVENTS[name](self.mesh, self.rng, free, self.spec)
        log = {"kind": name}
        try:
            log["began"] = faults.timed(e.begin)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            log["failed"] = str(error)[:300]
        log["label"] = e.label
        log["seconds"] = e.seconds
        self.events.append(log)
        self.tell("harmless: %s %s" % (name, log.get("failed") or e.label))
        return (self.begin_s() + e.seconds, e.end) if e.seconds and "failed" not in log else None

    def begin_s(self):
        return time.monotonic() - self.begin

    def timeline(self):
        due = [(self.spec["inject_at"], self.inject), (self.spec["lift_at"], self.lift)]
        due += [(at, lambda name=name: self.event(name)) for at, name in self.spec["events"]]
        while due:
            due.sort(key=lambda d: d[0])
            at, action = due.pop(0)
            self.wait_until(at)
            after = action()
            if after:
                due.append(after)
        self.wait_until(self.spec["seconds"])

    def run(self, work):
        spec = self.spec
        self.mesh = Mesh(spec, work, spec["tag"])
        self.fault = faults.KINDS[spec["kind"]](self.mesh, self.rng)
        started = time.monotonic()
        self.mesh.begin(self.tell)
        self.tell("the mesh is up after %.1f s" % (time.monotonic() - started))
        prober = prober_start(self.mesh, spec["pairs"])
        self.begin = time.monotonic()
        wall = time.time()
        sampler = Sampler(self.mesh, self.begin)
        load = os.getloadavg()[0]
        sampler.start()
        self.timeline()
        sampler.stopped.set()
        sampler.join()
        probes = prober_end(prober)
        ended = time.monotonic()
        members = spec["nodes"] + [e["label"]["node"] for e in self.events if e["kind"] == "join" and "began" in e]
        ledgers = {name: ledger_of(self.mesh[name]) for name in members}
        return {
            "format": FORMAT, "spec": spec, "begin": self.begin, "begin_unix": wall, "ended": ended,
            "load": [load, os.getloadavg()[0]],
            "injector": {"fault": self.fault_log, "events": self.events, "mandates": spec["mandates"],
                         "links": self.mesh.links, "nodes": members, "begin_unix": wall,
                         "ended_unix": wall + ended - self.begin},
            "samples": sampler.samples, "incidents": list(sampler.incidents.values()),
            "ledgers": ledgers, "probes": probes,
        }


def main(spec_path, work, out):
    """Prints progress; writes the file in one step, so that what is there is whole."""
    with open(spec_path) as f:
        spec = json.load(f)

    def tell(text):
        print(text, flush=True)
    try:
        data = Episode(spec, tell).run(work)
    except faults.Impossible as e:
        tell("not possible: %s" % e)
        return 77
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        tell("failed: %s" % e)
        return 1
    with open(out + ".part", "w") as f:
        json.dump(data, f, separators=(",", ":"))
    os.rename(out + ".part", out)
    return 0

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long packets are lost when a link in use is cut: a diamond A-{B,C}-D of network namespaces.

    OV_ADAPTERS=tests/bench/overlay PYTHONPATH=.../overlay tests/bench/failover.py \\
        [-d x0,babeld-fast,...] [--cuts 50] [--seconds 420] [-o FILE] [--json]

The overlay benchmark's folder has to be in PYTHONPATH; takes root. A pings D every 10 ms. The link
from the middle host in use to D is cut at the middle host, in turn silently (nftables drops all in,
out and through) and by taking the interface down, which takes the carrier from D. The outage is the
longest gap between pings sent that were answered; without any loss it is 10 ms. Then the link comes
back, and the next cut comes when both ways were there again for a while.

All daemons run at the same time, each in its own namespaces: this only waits for timers. Cuts are
appended to FILE one by one, so that a run that ends, or is ended, goes on with the next call where
it was: until each daemon has had --cuts of each kind, or --seconds are over.
"""
import argparse
import json
import os
import signal
import sys
import threading
import time
import traceback

import adapters
from bench import NFT, cold
from ovlib import WORK, Net, Probe, Prober

INTERVAL_S = 0.01
PINGS_A_SECOND = 90
BEFORE_S = 1.0	  # pings before the cut: the links are active ones
QUIET_S = 1.0	  # answered without a gap: it is over
PER_NET = 6
KINDS = ("silent", "carrier")
# Seconds until both ways are usable again after the link is back; x0 is asked.
REST_S = {"babeld-fast": 5, "batmand-fast": 8, "yggdrasil": 10, "tinc-fast": 6}
lock = threading.Lock()


class Pinger(Prober):
    """Before all other programs, so that what is measured is the daemons' delay and not its own."""
    def run(self):
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(3))
        except OSError:
            pass
        super().run()


def middle_in_use(net):
    use = {m: net[m].dev_bytes()[net[m].link_to("D").dev] for m in ("B", "C")}
    time.sleep(BEFORE_S)
    for m in use:
        now = net[m].dev_bytes()[net[m].link_to("D").dev]
        use[m] = now[1] + now[3] - use[m][1] - use[m][3]
    mid = max(use, key=use.get)
    return net[mid], use[mid]


def cut(host, dev, kind):
    if kind == "silent":
        host.sh(["nft", "-f", "-"], stdin=NFT % {"d": dev})
    else:
        host.sh(["ip", "link", "set", dev, "down"])


def mend(host, dev, kind):
    if kind == "silent":
        host.sh(["nft", "delete", "table", "inet", "cut"])
    else:
        host.sh(["ip", "link", "set", dev, "up"])


def answered_since(probe, since):
    return sorted(probe.sent[s] for s in probe.got if probe.sent[s] >= since)


def is_over(probe, since):
    now = time.monotonic()
    times = answered_since(probe, max(since, now - QUIET_S - 0.3))
    return len(times) > 0.9 * QUIET_S / INTERVAL_S and now - since > QUIET_S + 0.5


def outage_of(probe, since):
    times = answered_since(probe, since - 0.5)
    return max((b - a for a, b in zip(times, times[1:])), default=None)


def one_cut(ad, net, kind):
    a, d = net["A"], net["D"]
    probe = Probe(a.ns, ad.addr(d), ad.src(a))
    pinger = Pinger([probe], INTERVAL_S)
    pinger.start()
    try:
        mid, used = middle_in_use(net)
        dev = mid.link_to("D").dev
        state = ad.state(net) if hasattr(ad, "state") else None
        at = time.monotonic()
        cut(mid, dev, kind)
        while not is_over(probe, at) and time.monotonic() < at + ad.failover_wait:
            time.sleep(0.1)
        back = is_over(probe, at)
    finally:
        pinger.stop()
    record = {"name": ad.name, "kind": kind, "mid": mid.name, "use": used,
              "state": state,
              "outage": outage_of(probe, at) if back else None}
    mend(mid, dev, kind)
    return record


def rest(ad, net):
    if not hasattr(ad, "usable"):
        time.sleep(REST_S.get(ad.name, 10))
        return
    end = time.monotonic() + 70
    while time.monotonic() < end and not ad.usable(net):
        time.sleep(0.2)
    time.sleep(0.5)


def run_net(args, ad, tag, todo, end):
    with Net(tag, ["A", "B", "C", "D"],
             [("A", "B"), ("A", "C"), ("B", "D"), ("C", "D")]) as net:
        ad.prepare(net)
        if cold(ad, net, net["A"], net["D"]) is None:
            raise RuntimeError("no ping")
        time.sleep(args.settle)
        for _ in range(args.per_net):
            kind = min(KINDS, key=lambda k: -todo[k])
            if todo[kind] <= 0 or time.monotonic() > end:
                return
            record = one_cut(ad, net, kind)
            todo[kind] -= 1
            emit(args, record, todo)
            rest(ad, net)


def emit(args, record, todo):
    record["time"] = round(time.time())
    record["load"] = os.getloadavg()[0]
    with lock:
        with open(args.out, "a") as f:
            f.write(json.dumps(record) + "\n")
        outage = record["outage"]
        print("%-14s %-8s %10s   to do: %s" % (
            record["name"], record["kind"],
            "never" if outage is None else "%.0f ms" % (1000 * outage),
            ", ".join("%d %s" % (max(0, n), k) for k, n in todo.items())),
            file=sys.stderr, flush=True)


def work(args, make, tag, todo, end):
    while max(todo.values()) > 0 and time.monotonic() < end:
        try:
            run_net(args, make(), tag, todo, end)
        except Exception:
            print(tag, traceback.format_exc()[-600:], file=sys.stderr)
            time.sleep(2)


def load(path):
    try:
        with open(path) as f:
            return [json.loads(line) for line in f]
    except OSError:
        return []


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def figures(records):
    """By daemon and kind; who never came back counts as the longest. Not counted are cuts of links
    that carried fewer packets than there were pings: some daemons' ways are hard to tell."""
    out = {}
    for r in records:
        if r.get("use", PINGS_A_SECOND) < PINGS_A_SECOND:
            continue
        of = out.setdefault(r["name"], {}).setdefault(r["kind"], [])
        of.append(float("inf") if r["outage"] is None else 1000 * r["outage"])
    for kinds in out.values():
        for kind, v in kinds.items():
            kinds[kind] = {"n": len(v), "median_ms": percentile(v, 50),
                           "p95_ms": percentile(v, 95), "max_ms": max(v)}
    return out


def tell(result):
    print("%-14s %-8s %5s %12s %10s %10s" % ("", "cut", "n", "median ms", "p95 ms", "max ms"))
    for name, kinds in result.items():
        for kind, f in kinds.items():
            print("%-14s %-8s %5d %12.0f %10.0f %10.0f" % (
                name, kind, f["n"], f["median_ms"], f["p95_ms"], f["max_ms"]))


def main():
    ap = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                 description=__doc__)
    ap.add_argument("-d", "--daemons", default="x0,x0-realtime,babeld-fast,batmand-fast,tinc-fast,yggdrasil")
    ap.add_argument("--cuts", type=int, default=50, help="of each kind, for each daemon")
    ap.add_argument("--seconds", type=float, default=420)
    ap.add_argument("--settle", type=float, default=3)
    ap.add_argument("-o", "--out", default=os.path.join(WORK, "failover.jsonl"))
    ap.add_argument("--per-net", type=int, default=PER_NET,
                    help="cuts before all daemons are started anew: hold-downs grow with each")
    ap.add_argument("--tag", default="o", help="of namespaces, for two runs at a time")
    ap.add_argument("--json", action="store_true")
    args = ap.parse_args()
    for sig in (signal.SIGTERM, signal.SIGINT):  # leave through the clean-up
        signal.signal(sig, lambda *a: sys.exit(1))
    os.makedirs(WORK, exist_ok=True)

    known = adapters.load()
    names = args.daemons.split(",")
    for n in names:
        if n not in known:
            sys.exit("unknown daemon " + n)
    done = load(args.out)
    end = time.monotonic() + args.seconds
    threads = []
    for i, n in enumerate(names):
        todo = {k: args.cuts - sum(r["name"] == n and r["kind"] == k for r in done) for k in KINDS}
        threads.append(threading.Thread(target=work, args=(args, known[n], "%s%d" % (args.tag, i), todo, end)))
        threads[-1].start()
    for t in threads:
        t.join()
    result = figures(load(args.out))
    if args.json:
        print(json.dumps(result))
    else:
        tell(result)


if __name__ == "__main__":
    main()

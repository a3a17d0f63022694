#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The round trip of a small packet, idle and beside a TCP stream that takes all it can get.

    OV_ADAPTERS=tests/bench/overlay PYTHONPATH=.../overlay tests/bench/loaded_rtt.py x0 [ROUNDS [realtime]]

The overlay benchmark's folder has to be in PYTHONPATH. A ping every 10 ms, 4 s idle, 4 s loaded. With "realtime" the daemons and who pings have real-time
priority: what is left is the queues, and not who waits for a processor of a busy machine.
"""
import os
import sys
import threading
import time

import adapters
from bench import cold
from ovlib import WORK, Net, Probe, Prober, iperf

PROBE_S, INTERVAL_S = 4, 0.01
REALTIME = "realtime" in sys.argv[3:]


def children(pid):
    """The process and all its descendants."""
    found = [pid]
    for p in found:
        with open("/proc/%d/task/%d/children" % (p, p)) as f:
            found += map(int, f.read().split())
    return found


class Pinger(Prober):
    def run(self):
        if REALTIME:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
        super().run()


def percentiles(probe):
    rtt = sorted(1000 * (probe.got[s] - probe.sent[s]) for s in probe.got)
    at = {q: rtt[min(len(rtt) - 1, int(len(rtt) * q))] for q in (0.5, 0.9, 0.99, 1)}
    return "p50 %.2f, p90 %.2f, p99 %.2f, max %.2f ms, %d of %d lost" % (
        at[0.5], at[0.9], at[0.99], at[1], len(probe.sent) - len(rtt), len(probe.sent))


def probe(ad, a, b):
    p = Probe(a.ns, ad.addr(b), ad.src(a))
    prober = Pinger([p], INTERVAL_S)
    prober.start()
    time.sleep(PROBE_S)
    prober.stop()
    return percentiles(p)


def measure(ad):
    with Net("p", ["A", "B"], [("A", "B")]) as net:
        a, b = net["A"], net["B"]
        ad.prepare(net)
        cold(ad, net, a, b)
        time.sleep(1)
        for pid in (c for h in net for d in h.procs for c in children(d.pid)) if REALTIME else ():
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
        idle = probe(ad, a, b)
        end = {}
        load = threading.Thread(target=lambda: end.update(
            iperf(a.ns, b.ns, ad.addr(b), [], PROBE_S + 2, ad.src(a)) or {}))
        load.start()
        time.sleep(1)
        loaded = probe(ad, a, b)
        load.join()
        rate = end["sum_received"]["bits_per_second"] / 1e9 if end else 0
        print("%s\n  idle   %s\n  loaded %s, beside %.2f Gbit/s" % (ad.name, idle, loaded, rate),
              flush=True)


if __name__ == "__main__":
    os.makedirs(WORK, exist_ok=True)
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        for name in sys.argv[1].split(","):
            measure(adapters.load()[name]())

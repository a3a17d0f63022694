#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The round trip of a small packet through tunnels that have nothing else to carry.

    OV_ADAPTERS=tests/bench/overlay PYTHONPATH=.../overlay tests/bench/idle_rtt.py tun-udp,x0,fastd-aesgcm [ROUNDS [PINGS]]

The overlay benchmark's folder has to be in PYTHONPATH. All tunnels stand at the same time, each
between two hosts of its own, and are pinged in turn, every 10 ms, each round beginning with another
one: what the machine does meanwhile meets them alike. Prints percentiles of all pings, and each
round's median.
"""
import contextlib
import os
import re
import sys
import time

import adapters
from bench import cold
from ovlib import WORK, Net, sh

SETTLE_S = 4  # a daemon does some work just after it has started
INTERVAL_S = 0.01
SHOWN = (("least", 0), ("p5", 0.05), ("p25", 0.25), ("median", 0.5), ("p90", 0.9), ("p99", 0.99))


def percentile(times, q):
    times = sorted(times)
    return times[min(len(times) - 1, int(q * len(times)))]


def ping(ad, net, count):
    """Round trips in ms, of those that were answered."""
    a, b = net["A"], net["B"]
    command = ["ping", "-n", "-c", str(count), "-i", str(INTERVAL_S), "-W", "1"]
    source = ad.src(a)
    if source:
        command += ["-I", source]
    out = sh(command + [ad.addr(b)], ns=a.ns, check=False, timeout=count * INTERVAL_S + 30)
    return [float(t) for t in re.findall(r"time=([\d.]+)", out)]


def begin(stack, number, name):
    """Two hosts with that tunnel between them; None where nothing came through."""
    net = stack.enter_context(Net("i%d" % number, ["A", "B"], [("A", "B")]))
    ad = adapters.load()[name]()
    ad.prepare(net)
    return None if cold(ad, net, net["A"], net["B"]) is None else (ad, net)


def report(name, rounds, sent):
    times = [t for r in rounds for t in r]
    if not times:
        print("%-16s nothing came back" % name)
        return
    figures = " ".join("%s %.3f" % (word, percentile(times, q)) for word, q in SHOWN)
    medians = " ".join("%.3f" % percentile(r, 0.5) if r else "-" for r in rounds)
    print("%-16s %s ms, %d of %d lost; medians %s" % (
        name, figures, sent - len(times), sent, medians), flush=True)


def main(names, rounds, count):
    with contextlib.ExitStack() as stack:
        tunnels = {n: begin(stack, i, n) for i, n in enumerate(names)}
        silent = [n for n in names if tunnels[n] is None]
        if silent:
            sys.exit("no ping came through: " + ", ".join(silent))
        time.sleep(SETTLE_S)
        times = {n: [] for n in names}
        for r in range(rounds):
            first = r % len(names)
            for n in names[first:] + names[:first]:
                times[n].append(ping(*tunnels[n], count))
        for n in names:
            report(n, times[n], rounds * count)


if __name__ == "__main__":
    os.makedirs(WORK, exist_ok=True)
    main(sys.argv[1].split(","), int(sys.argv[2]) if len(sys.argv) > 2 else 5,
         int(sys.argv[3]) if len(sys.argv) > 3 else 200)

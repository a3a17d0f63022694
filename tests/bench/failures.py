#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand simulated failures on each topology, in pieces that can be interrupted and gone on with.

    tests/bench/failures.py [--lab build/lab/x0-lab] [--topologies DIR] [--names a,b,...]
        [--faults link,double] [--failures 10000] [--seconds S] [--out DIR] [--json]

Each piece is one seed with 100 failures, 1 % of loss added to every link; its figures are a file in
--out, written when it is done, so that a call goes on where the one before ended. Runs made on
several machines are put together by copying their files. Pieces go over the topologies in turn.
"""
import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EACH = 100  # failures of one seed
SMALL = ["zoo-geant2012", "zoo-uscarrier", "zoo-cogentco", "syn-geo-50", "freifunk-stuttgart",
         "freifunk-leipzig", "freifunk-bielefeld", "freifunk-cologne-bonn-area", "freifunk-berlin",
         "nycmesh", "syn-gabriel-500", "syn-geo-1000", "backbone-emea"]
LARGE = {"syn-tiers-3000": 300}


def wanted(args, name):
    return -(-min(args.failures, LARGE.get(name, args.failures)) // EACH)


def path_of(args, name, fault, seed):
    return os.path.join(args.out, "%s-%s-%d.json" % (name, fault, seed))


def run(args, name, fault, seed):
    path = path_of(args, name, fault, seed)
    r = subprocess.run([args.lab, "sim", "--level", "route", "--scenario", "failover", "--topology",
                        os.path.join(args.topologies, name + ".json"), "--failures", str(EACH),
                        "--loss", "1", "--fault", fault, "--seed", str(seed), "--samples", "--json"],
                       stdout=subprocess.PIPE)
    try:
        figures = json.loads(r.stdout)
    except ValueError:
        print("%s, %s, seed %d: no figures" % (name, fault, seed), file=sys.stderr)
        return
    with open(path + ".part", "w") as f:
        json.dump(figures, f)
    os.replace(path + ".part", path)


def pieces(args):
    """Not done yet, the topologies in turn."""
    most = max(wanted(args, n) for n in args.names)
    for seed in range(1, most + 1):
        for name in args.names:
            for fault in args.faults:
                if seed <= wanted(args, name) and not os.path.exists(path_of(args, name, fault, seed)):
                    yield name, fault, seed


def percentile(values, p):
    return values[max(0, -(-len(values) * p // 100) - 1)] if values else 0


def figures_of(args, name, fault):
    out = {"topology": name, "fault": fault, "failures": 0, "repairable": 0, "unrepaired": 0,
           "packet_loops": 0, "violations": 0, "failed_seeds": []}
    outages = []
    for seed in range(1, wanted(args, name) + 1):
        try:
            with open(path_of(args, name, fault, seed)) as f:
                r = json.load(f)
        except OSError:
            continue
        total = r["total"]
        out["failures"] += total["failures"]
        out["repairable"] += total["pairs"] - total["unrepairable"]
        for k in ("unrepaired", "packet_loops", "violations"):
            out[k] += total[k]
        for one in r["runs"]:
            outages += one["outages_us"]
            if not one["is_ok"]:
                out["failed_seeds"].append(one["seed"])
    outages.sort()
    out["outage_ms"] = {k: percentile(outages, p) / 1000
                        for k, p in (("median", 50), ("p95", 95), ("p99", 99), ("max", 100))}
    return out


def tell(rows):
    print("%-28s %-7s %9s %11s %8s %6s %6s %6s %7s %6s" % (
        "topology", "fault", "failures", "repairable", "median", "p95", "p99", "max", "loops", "other"))
    for r in rows:
        o = r["outage_ms"]
        print("%-28s %-7s %9d %11d %8.0f %6.0f %6.0f %6.0f %7d %6d%s" % (
            r["topology"], r["fault"], r["failures"], r["repairable"], o["median"], o["p95"],
            o["p99"], o["max"], r["packet_loops"], r["violations"],
            "  FAILED: seeds %s" % r["failed_seeds"] if r["failed_seeds"] else ""))


def main():
    ap = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                 description=__doc__)
    ap.add_argument("--lab", default=HERE + "/../../build/lab/x0-lab")
    ap.add_argument("--topologies", default=os.path.join(
        os.environ.get("X0_SHARED", HERE + "/../../../shared"), "topologies"))
    ap.add_argument("--names", type=lambda t: t.split(","), default=SMALL + list(LARGE))
    ap.add_argument("--faults", type=lambda t: t.split(","), default=["link", "double"])
    ap.add_argument("--failures", type=int, default=10000)
    ap.add_argument("--seconds", type=float, default=float("inf"))
    ap.add_argument("--out", default="failures")
    ap.add_argument("--json", action="store_true")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    end = time.monotonic() + args.seconds
    for name, fault, seed in pieces(args):
        if time.monotonic() > end:
            break
        print("%s, %s, seed %d" % (name, fault, seed), file=sys.stderr, flush=True)
        run(args, name, fault, seed)
    rows = [figures_of(args, n, f) for n in args.names for f in args.faults]
    rows = [r for r in rows if r["failures"]]
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        tell(rows)
    sys.exit(1 if any(r["failed_seeds"] for r in rows) else 0)


if __name__ == "__main__":
    main()

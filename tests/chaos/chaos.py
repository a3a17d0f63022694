#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fault bench: real daemons in namespaces, or whole nodes in virtual time, one fault an episode, and what came of
it.

    tests/chaos/chaos.py run    [--simulated [--jobs N]] [--kinds K,K] [--episodes N] [--seconds S] [--seed N] [--nodes A-B] [--topologies T,T]
                                [--topology-dir DIR] [--minutes M] [--out DIR] [--json]
    tests/chaos/chaos.py report [--out DIR] [--json]
    tests/chaos/chaos.py check  [--out DIR] [--json]

run: --episodes of each kind; those that are on the disk already are not run again (by seed, kind, topology, length
and program), so the same command goes on where it was ended. It ends by itself after --minutes. Takes root or user
namespaces; control groups are used where they can be made. --simulated: by `x0-lab chaos`, several at a time, of the
kinds that the simulator has. --kinds none: no fault, so that each alarm is a false one. docs/chaos.md says what is
measured."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import audit
import episode
import faults
import mesh
import judge
import report
import topology

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SETUP_S = 150  # until a mesh is up, and afterwards
PUBLISHED_KEPT = 200000  # bytes of a published graph at most; larger ones take long to read


def say(text):
    print(text, file=sys.stderr, flush=True)


def program_hash(paths):
    h = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as f:
            h.update(f.read())
    return h.hexdigest()


def topologies(args):
    if args.topologies:
        return args.topologies.split(",")
    found = list(topology.GENERATED)
    if args.topology_dir:
        for name in sorted(os.listdir(args.topology_dir)):
            path = os.path.join(args.topology_dir, name)
            if name.endswith(".json") and os.path.getsize(path) < PUBLISHED_KEPT:
                found.append(path)
    return found


def wanted(args):
    """One row for each episode, kinds in turn, so that a run that is ended early has some of each."""
    shapes = topologies(args)
    low, high = (int(x) for x in (args.nodes + "-" + args.nodes).split("-")[:2])
    for n in range(args.episodes):
        for kind in args.kinds.split(","):
            rng = random.Random("%d/%d/%s" % (args.seed, n, kind))
            row = {"seed": args.seed * 1000 + n, "kind": kind, "topology": rng.choice(shapes),
                   "nodes": rng.randint(low, high), "seconds": args.seconds}
            yield dict(row, is_simulated=True) if args.simulated else row


def name_of(row, program):
    shape = os.path.basename(row["topology"]).replace(".json", "")
    key = hashlib.sha256(json.dumps([row, program], sort_keys=True).encode()).hexdigest()[:10]
    return "%s-%s-%d-%s.json" % (row["kind"], shape, row["seed"], key)


def run_one(args, row, out, has_groups):
    """In namespaces that end with it, whatever happens. Returns its exit status."""
    work = tempfile.mkdtemp(prefix="x0-chaos-")
    os.chmod(work, 0o755)  # daemons run as nobody
    tag = "x0-chaos-%d" % os.getpid()
    spec = episode.plan(row)
    spec.update(x0=args.x0, tool=args.tool, linkem=args.linkem, tag=tag, has_groups=has_groups)
    spec_path = os.path.join(work, "spec.json")
    with open(spec_path, "w") as f:
        json.dump(spec, f)
    user = [] if os.getuid() == 0 else ["--map-root-user"]
    child = subprocess.Popen(
        ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", sys.executable,
         os.path.abspath(__file__), "inside", spec_path, work, out],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    timer = kill_after(child, row["seconds"] + SETUP_S)
    try:
        last = []
        for line in child.stdout:
            last = (last + [line.rstrip()])[-12:]
            if args.verbose:
                say("    " + line.rstrip())
        status = child.wait()
        if status not in (0, 77):
            if not args.verbose:
                say("    " + "\n    ".join(last))
            keep_logs(args, work)
        elif status == 77:
            say("    " + (last or [""])[-1])
        return status
    finally:
        timer.cancel()
        if child.poll() is None:
            child.kill()
            child.wait()
        mesh.remove_groups(tag)
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


def simulate_one(args, row, out):
    """In virtual time. Returns its exit status."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(episode.plan(row), f)
        f.flush()
        done = subprocess.run([args.lab, "chaos", f.name, out], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        say("    %s: %s" % (os.path.basename(out), done.stderr.strip()[-300:]))
    return done.returncode


def keep_logs(args, work):
    """Of an episode that failed: the last lines of each daemon's log."""
    with open(os.path.join(args.out, "failed.log"), "w") as f:
        for name in sorted(os.listdir(work)):
            path = os.path.join(work, name, "state", "x0.log")
            if os.path.exists(path):
                with open(path) as log:
                    f.write("--- %s\n%s" % (name, "".join(log.readlines()[-40:])))


def kill_after(process, seconds):
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def why_not(args):
    """Why episodes cannot be run here, or an empty text."""
    if args.simulated:
        return "" if os.access(args.lab, os.X_OK) else "%s is missing: ninja -C build lab/x0-lab" % args.lab
    for path in (args.x0, args.tool, args.linkem):
        if not os.access(path, os.X_OK):
            return "%s is missing: ninja -C build src/cli/x0 tests/e2e/e2e_tool tests/support/linkem" % path
    for program in ("ip", "nft", "unshare", "nsenter"):
        if not shutil.which(program):
            return "the program %s is missing" % program
    try:
        with open("/dev/net/tun", "r+b", buffering=0):
            pass
    except OSError as e:
        return "/dev/net/tun cannot be opened: %s" % e
    user = [] if os.getuid() == 0 else ["--map-root-user"]
    if subprocess.run(["unshare", *user, "--net", "--mount", "--pid", "--fork", "true"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        return "namespaces are refused: be root, or allow user namespaces"
    return ""


class Counts:
    """What became of the episodes, by several threads."""
    def __init__(self, n):
        self.n, self.lock = n, threading.Lock()
        self.of = {"run": 0, "kept": 0, "failed": 0, "left_out": 0, "not_run": 0}

    def add(self, what):
        with self.lock:
            self.of[what] += 1


def do_row(args, n, row, out, groups, end, counts):
    """groups: why there are none, or an empty text."""
    if os.path.exists(out):
        return counts.add("kept")
    if not args.simulated and faults.KINDS[row["kind"]].needs_groups and groups:
        return counts.add("left_out")
    if time.monotonic() + (0 if args.simulated else row["seconds"]) > end:
        return counts.add("not_run")
    say("%d of %d: %s, %d nodes of %s, seed %d, %d s" % (
        n + 1, counts.n, row["kind"], row["nodes"], os.path.basename(row["topology"]), row["seed"], row["seconds"]))
    status = simulate_one(args, row, out) if args.simulated else run_one(args, row, out, not groups)
    return counts.add("run" if status == 0 else "left_out" if status == 77 else "failed")


def do_run(args):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    why = why_not(args)
    if why:
        say("SKIPPED: the fault bench was NOT run: " + why)
        return 77
    os.makedirs(args.out, exist_ok=True)
    args.out = os.path.abspath(args.out)
    groups = "" if args.simulated else mesh.groups_allowed("x0-chaos-%d" % os.getpid())
    if groups:
        say("kinds that need them are left out: " + groups)
    program = program_hash([args.lab if args.simulated else args.x0])
    rows = list(wanted(args))
    end = time.monotonic() + 60 * args.minutes
    counts = Counts(len(rows))
    with concurrent.futures.ThreadPoolExecutor(args.jobs if args.simulated else 1) as pool:
        list(pool.map(lambda at: do_row(args, at[0], at[1], os.path.join(args.out, name_of(at[1], program)), groups,
                                        end, counts), enumerate(rows)))
    if args.json:
        print(json.dumps(counts.of))
    else:
        print(", ".join("%d %s" % (v, k.replace("_", " ")) for k, v in counts.of.items()))
    return 1 if counts.of["failed"] else 0


def episodes(args):
    names = sorted(n for n in os.listdir(args.out) if n.endswith(".json")) if os.path.isdir(args.out) else []
    begin = time.monotonic()
    for i, name in enumerate(names):
        if time.monotonic() - begin > 2:
            begin = time.monotonic()
            say("%d of %d" % (i, len(names)))
        with open(os.path.join(args.out, name)) as f:
            data = json.load(f)
        if data.get("format") != episode.FORMAT:
            say("%s is of another format: left out" % name)
            continue
        data["file"] = name
        yield data


def do_report(args):
    figures = report.figures(judge.judge(e) for e in episodes(args))
    print(json.dumps(figures, indent=1) if args.json else report.text(figures))
    return 0


def do_check(args):
    found = []
    n = 0
    for e in episodes(args):
        n += 1
        found += [dict(f, file=e["file"]) for f in audit.check(e["injector"], e["ledgers"])]
    bad = [f for f in found if f["is_violation"]]
    if args.json:
        print(json.dumps({"episodes": n, "violations": len(bad), "findings": found}, indent=1))
    else:
        for f in found:
            print("%s %s: %s: %s" % ("VIOLATION" if f["is_violation"] else "note", f["file"], f["node"], f["what"]))
        print("%d episodes, %d violations" % (n, len(bad)))
    return 1 if bad or n == 0 else 0


def inside(argv):
    mesh.libc.mount(b"none", b"/", None, 1 << 18 | 1 << 14, None)  # MS_PRIVATE | MS_REC
    subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return episode.main(*argv)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "inside":
        sys.exit(inside(sys.argv[2:]))
    ap = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    ap.add_argument("verb", choices=("run", "report", "check"))
    ap.add_argument("--simulated", action="store_true", help="in virtual time, by x0-lab chaos")
    ap.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="simulated episodes at a time")
    ap.add_argument("--kinds", default="", help="all but none, unless given")
    ap.add_argument("--episodes", type=int, default=5, help="of each kind")
    ap.add_argument("--seconds", type=float, default=90, help="of each episode, from when its mesh is up")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--nodes", default="10-14", help="of a mesh: a number, or two with a dash")
    ap.add_argument("--topologies", default="", help="only these: names of generated ones, or files")
    ap.add_argument("--topology-dir", default="", help="published ones, of which parts are taken too")
    ap.add_argument("--minutes", type=float, default=300, help="after which no episode is begun any more")
    ap.add_argument("--out", default=os.path.join(TOP, "build", "chaos"), help="folder of the episodes")
    ap.add_argument("--x0", default=os.path.join(TOP, "build/src/cli/x0"))
    ap.add_argument("--lab", default=os.path.join(TOP, "build/lab/x0-lab"))
    ap.add_argument("--tool", default=os.path.join(TOP, "build/tests/e2e/e2e_tool"))
    ap.add_argument("--linkem", default=os.path.join(TOP, "build/tests/support/linkem"))
    ap.add_argument("--json", action="store_true")
    ap.add_argument("--verbose", action="store_true", help="what happens within each episode")
    ap.add_argument("--keep", action="store_true", help="the daemons' folders are not deleted")
    args = ap.parse_args()
    kinds = faults.SIMULATED if args.simulated else list(faults.KINDS)
    args.kinds = args.kinds or ",".join(k for k in kinds if k != "none")
    unknown = [k for k in args.kinds.split(",") if k not in kinds]
    if unknown:
        ap.error("unknown kind %s; there are: %s" % (unknown[0], ", ".join(kinds)))
    for sig in (signal.SIGTERM, signal.SIGINT):  # leave through the clean-up
        signal.signal(sig, lambda *a: sys.exit(1))
    args.x0, args.lab, args.tool, args.linkem = (
        os.path.realpath(p) for p in (args.x0, args.lab, args.tool, args.linkem))
    sys.exit({"run": do_run, "report": do_report, "check": do_check}[args.verb](args))


if __name__ == "__main__":
    main()

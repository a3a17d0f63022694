#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One short episode of the fault bench, end to end: in a ring of six daemons a relay drops what it should pass on.
The file has what the injector did, what the nodes and the outside prober saw, and intact ledgers in which nothing
was done without a mandate, an intent or a result; the same command again keeps it."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 18


def chaos(out, *argv):
    return subprocess.run([sys.executable, os.path.join(HERE, "chaos.py"), *argv, "--out", out, "--json"],
                          stdout=subprocess.PIPE, text=True)


def run(out):
    x0, tool, linkem = sys.argv[1:4]
    return chaos(out, "run", "--kinds", "silent_drop", "--episodes", "1", "--seconds", str(SECONDS), "--nodes", "6",
                 "--topologies", "ring", "--x0", x0, "--tool", tool, "--linkem", linkem, "--verbose")


def check(holds, what):
    if not holds:
        sys.exit("FAILED: chaos: " + what)


def main():
    with tempfile.TemporaryDirectory(prefix="x0-chaos-test-") as out:
        ran = run(out)
        if ran.returncode == 77:
            sys.exit(77)
        log = os.path.join(out, "failed.log")
        check(json.loads(ran.stdout)["run"] == 1, open(log).read()[-4000:] if os.path.exists(log) else ran.stdout)
        (name,) = [n for n in os.listdir(out) if n.endswith(".json")]
        with open(os.path.join(out, name)) as f:
            episode = json.load(f)
        fault = episode["injector"]["fault"]
        check(fault["label"]["dropped"] > 0, "nothing was dropped: %s" % fault["label"])
        check(fault["label"]["node"] in fault["ways"][0][1:-1], "the one at fault was no relay in use")
        check(sum(bool(v) for row in episode["samples"] for v in row["nodes"].values()) > 6 * SECONDS // 3,
              "most nodes said nothing")
        check(all(n["is_intact"] for n in episode["ledgers"].values()), "ledgers: %s" % episode["ledgers"])

        report = json.loads(chaos(out, "report").stdout)
        pairs = report["kinds"]["silent_drop"]
        check(pairs["episodes"] == 1 and pairs["mttr"]["n"] >= 1, "the prober did not see it: %s" % report)
        checked = chaos(out, "check")
        check(checked.returncode == 0, "the check found: " + checked.stdout)
        check(json.loads(run(out).stdout)["kept"] == 1, "the episode was run again")
        print("the prober saw service again after %s s" % pairs["mttr"]["max_s"])


if __name__ == "__main__":
    main()

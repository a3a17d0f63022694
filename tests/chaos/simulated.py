# SPDX-License-Identifier: Apache-2.0
"""Two short episodes in virtual time by `x0-lab chaos`, from plan to report: a dropper is found and named, and where
nothing is wrong nothing is said. Takes the program x0-lab as its argument."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def chaos(lab, out, *argv):
    done = subprocess.run([sys.executable, os.path.join(HERE, "chaos.py"), *argv, "--out", out, "--lab", lab],
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("chaos.py %s ended with %d" % (" ".join(argv), done.returncode))
    return done.stdout


def main(lab):
    run = ("run", "--simulated", "--json", "--seconds", "50", "--nodes", "8", "--topologies", "ladder", "--episodes", "1",
           "--kinds", "silent_drop,none", "--seed", "3")
    with tempfile.TemporaryDirectory(prefix="x0-chaos-") as out:
        counts = json.loads(chaos(lab, out, *run))
        assert counts["run"] == 2 and counts["failed"] == 0, counts
        again = json.loads(chaos(lab, out, *run))
        assert again["kept"] == 2 and again["run"] == 0, again
        figures = json.loads(chaos(lab, out, "report", "--json"))
        dropper, clean = figures["kinds"]["silent_drop"], figures["kinds"]["none"]
        assert dropper["healing"]["detected"] == 1 and dropper["healing"]["ac1"] == 1.0, dropper
        assert dropper["actions"] >= 1, dropper
        assert clean["incidents"] == 0 and clean["actions"] == 0, clean
        assert json.loads(chaos(lab, out, "check", "--json"))["violations"] == 0
    print("two simulated episodes: found, named, checked; and nothing said where nothing was wrong")


if __name__ == "__main__":
    main(os.path.realpath(sys.argv[1]))

# SPDX-License-Identifier: Apache-2.0
"""Of some tests the names, for meson, or what ninja has to build for them.

    choose.py BUILD names|targets WORD...

A word is a suite, the name of a test, or "all"; "-WORD" leaves out. A test with both is left out.
"""
import json
import os
import subprocess
import sys


def introspect(build, what):
    run = ["meson", "introspect", "--" + what, build]
    return json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def main(build, what, *words):
    wanted = {w for w in words if not w.startswith("-")}
    unwanted = {w[1:] for w in words if w.startswith("-")}
    names, ids = [], set()
    for test in introspect(build, "tests"):
        has = {suite.partition(":")[2] for suite in test["suite"]} | {test["name"], "all"}
        if has & wanted and not has & unwanted:
            names.append(test["name"])
            ids.update(test["depends"])
    if what == "names":
        print(*names, sep="\n")
        return
    for target in introspect(build, "targets"):
        if target["id"] in ids:
            print(*(os.path.relpath(f, os.path.realpath(build)) for f in target["filename"]), sep="\n")


main(*sys.argv[1:])

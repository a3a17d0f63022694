# SPDX-License-Identifier: Apache-2.0
"""Of some tests the names, for meson, or what ninja has to build for them.

    choose.py BUILD names|targets WORD...

A word is a suite, a folder of the program's own sources with a slash at its end, the name of a test,
or "all"; "-WORD" leaves out. A test with both is left out.
"""
import json
import os
import subprocess
import sys


def introspect(build, what):
    run = ["meson", "introspect", "--" + what, build]
    return json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def folders(target):
    """With all that they are in: src/core/link/ is also in src/core/ and src/."""
    top = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    for group in target["target_sources"]:
        for source in group.get("sources", []):
            folder = os.path.relpath(os.path.dirname(source), top)
            while folder and not folder.startswith(".."):
                yield folder + "/"
                folder = os.path.dirname(folder)


def main(build, what, *words):
    wanted = {w for w in words if not w.startswith("-")}
    unwanted = {w[1:] for w in words if w.startswith("-")}
    targets = introspect(build, "targets")
    folders_of = {target["id"]: set(folders(target)) for target in targets if target["type"] == "executable"}
    names, ids = [], set()
    for test in introspect(build, "tests"):
        has = {suite.partition(":")[2] for suite in test["suite"]} | {test["name"], "all"}
        # those that are given another's program, as end-to-end tests, have no sources of their own
        if len(test["depends"]) == 1 and test["cmd"][0].endswith(test["name"]):
            has |= folders_of.get(test["depends"][0], set())
        if has & wanted and not has & unwanted:
            names.append(test["name"])
            ids.update(test["depends"])
    if what == "names":
        print(*names, sep="\n")
        return
    for target in targets:
        if target["id"] in ids:
            print(*(os.path.relpath(f, os.path.realpath(build)) for f in target["filename"]), sep="\n")


main(*sys.argv[1:])

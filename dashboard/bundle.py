#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the dashboard's files, and the C file that holds them in the program.

Where a package cannot be fetched the C file says so instead, and the build goes on; with --required
it ends."""
import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
import packages  # noqa: E402

HERE = packages.HERE
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def esbuild(modules):
    cpu = packages.CPUS.get(packages.platform.machine())
    program = os.path.join(modules, "@esbuild", "linux-%s" % cpu, "bin", "esbuild")
    if not os.path.exists(program):
        raise packages.Trouble("esbuild has no program for this machine (%s)" % packages.platform.machine())
    return program


def bundle(modules, out):
    """Returns the files that it was made from."""
    os.makedirs(out, exist_ok=True)
    meta = os.path.join(out, "meta.json")
    # By their places: else a node_modules beside or above the source tree would come first.
    places = ["--alias:%s=%s" % (p.name, os.path.join(modules, p.name)) for p in packages.read_lock(False)
              if not p.name.startswith("@esbuild/")]
    command = [
        esbuild(modules), "app=" + os.path.join(HERE, "src", "main.ts"), "app=" + os.path.join(HERE, "styles.css"),
        "--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--log-level=warning",
        "--legal-comments=none", "--tsconfig-raw={}", "--outdir=" + out, "--metafile=" + meta] + places
    try:
        done = subprocess.run(command, cwd=HERE, env=dict(os.environ, NODE_PATH=modules), check=False)
    except OSError as e:
        raise packages.Trouble("esbuild cannot be run: %s" % e)
    if done.returncode:
        sys.exit("the dashboard cannot be bundled: see above")
    with open(meta, encoding="utf-8") as f:
        inputs = json.load(f)["inputs"]
    found = [os.path.normpath(os.path.join(HERE, name)) for name in inputs]
    for name in found:
        if not name.startswith((os.path.join(HERE, "src") + os.sep, os.path.join(HERE, "styles.css"), modules + os.sep)):
            sys.exit("the dashboard would hold %s, which is not of it" % name)
    return found


def licences(modules, inputs):
    """The licence of each package that has a part in the bundle, which goes with it."""
    text = ["The dashboard of x0tta6bl4 holds parts of these packages.\n"]
    for package in packages.read_lock(False):
        folder = os.path.join(modules, *package.name.split("/")) + os.sep
        if not any(name.startswith(folder) for name in inputs):
            continue
        text.append("\n%s %s\n\n" % (package.name, package.version))
        for name in sorted(os.listdir(folder)):
            if name.upper().startswith(("LICENSE", "LICENCE")):
                with open(folder + name, encoding="utf-8") as f:
                    text.append(f.read().strip() + "\n")
    return "".join(text).encode()


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def c_text(text):
    """A reason may quote what a server said: all but plain letters is written as octal numbers."""
    return '"%s"' % "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else " " if b < 32 else "\\%03o" % b
        for b in text.encode(errors="replace"))


def c_bytes(name, content):
    rows = [",".join(str(b) for b in content[i:i + 32]) for i in range(0, len(content), 32)]
    return "static const uint8_t %s[] = {\n%s\n};\n" % (name, ",\n".join(rows))


def c_file(files, why):
    text = ["/* SPDX-License-Identifier: Apache-2.0 */\n"
            "/* The dashboard's files; made by dashboard/bundle.py. */\n"
            '#include "api/dashboard.h"\n']
    rows = []
    for i, (name, content) in enumerate(sorted(files.items())):
        packed = gzip.compress(content, 9, mtime=0)
        text.append(c_bytes("plain_%d" % i, content))
        is_shorter = len(packed) < len(content)
        if is_shorter:
            text.append(c_bytes("gzip_%d" % i, packed))
        rows.append('\t{ "%s", "%s", "W/\\"%s\\"", { plain_%d, %d }, { %s } },\n' % (
            name, TYPES[os.path.splitext(name)[1]], hashlib.sha256(content).hexdigest()[:32], i, len(content),
            "gzip_%d, %d" % (i, len(packed)) if is_shorter else "NULL, 0"))
    text.append("const struct dashboard_file dashboard_files[%d] = {\n%s};\n" % (max(len(rows), 1), "".join(rows)))
    text.append("const size_t dashboard_n_files = %d;\n" % len(rows))
    text.append("const char *const dashboard_why = %s;\n" % (c_text(why) if why else "NULL"))
    return "".join(text)


def make(options):
    """The files, and what they were made from."""
    with packages.held(options.packages) as modules:
        inputs = bundle(modules, options.build)
        notices = licences(modules, inputs)
    files = {name: read(options.build, name) for name in ("app.js", "app.css")}
    files["index.html"] = read(HERE, "index.html")
    files["icon.svg"] = read(HERE, "icon.svg")
    files["licenses.txt"] = notices
    return files, inputs + [os.path.join(HERE, name) for name in ("index.html", "icon.svg")]


def write_changed(path, text):
    """One that is the same already stays as old as it is, and nothing is compiled for it."""
    try:
        if read(path) == text.encode():
            return
    except OSError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--packages", required=True, help="where packages are kept; $X0_PACKAGES counts more")
    parser.add_argument("--build", required=True, help="where the bundle is made")
    parser.add_argument("--output", required=True)
    parser.add_argument("--depfile", required=True)
    parser.add_argument("--required", action="store_true")
    options = parser.parse_args()
    options.packages = os.environ.get("X0_PACKAGES") or options.packages
    files, why = {}, None
    depends = [packages.LOCK, packages.__file__]
    try:
        files, inputs = make(options)
        depends += inputs
    except packages.Trouble as e:
        if options.required:
            sys.exit("the dashboard was asked for, but: %s" % e)
        why = "this program was built without the dashboard: %s" % e
        print("the dashboard is OFF in this build: %s" % e, file=sys.stderr)
        # no such file will ever be there: so the next build looks again
        depends.append(os.path.join(os.path.abspath(options.build), "look-again"))
    write_changed(options.output, c_file(files, why))
    with open(options.depfile, "w", encoding="utf-8") as f:
        f.write("%s: %s\n" % (options.output, " ".join(d.replace(" ", "\\ ") for d in depends)))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches the packages of package-lock.json into a folder, each checked against its SHA-512.

    packages.py --into DIR [--all]     prints DIR/node_modules; --all: those of the tests too

No script of a package is run. What is there already is not fetched again, so that this works
without a network from the second time on. The registry is $npm_config_registry, or npm's own."""
import argparse
import base64
import contextlib
import fcntl
import hashlib
import http.client
import io
import json
import os
import platform
import re
import shutil
import sys
import tarfile
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
LOCK = os.path.join(HERE, "package-lock.json")
REGISTRY = "https://registry.npmjs.org/"
TIMEOUT_S = 20  # of silence
FETCH_MAX_S = 300  # of one package, however slowly it comes
TARBALL_MAX = 64 << 20
UNPACKED_MAX = 256 << 20
FILES_MAX = 20000
AGAIN_S = 600
CPUS = {"x86_64": "x64", "aarch64": "arm64"}


class Trouble(Exception):
    """A sentence: what is missing and why."""


class Package:
    def __init__(self, name, entry):
        self.name = name
        self.version = entry["version"]
        self.integrity = entry.get("integrity", "")
        self.is_for_tests = entry.get("dev", False)
        self.cpus = entry.get("cpu")
        self.systems = entry.get("os")

    def is_for_here(self):
        cpu = CPUS.get(platform.machine(), platform.machine())
        return (not self.cpus or cpu in self.cpus) and (not self.systems or "linux" in self.systems)

    def url(self):
        registry = os.environ.get("npm_config_registry") or os.environ.get("NPM_CONFIG_REGISTRY")
        base = (registry or REGISTRY).rstrip("/") + "/"
        file = "%s-%s.tgz" % (self.name.rsplit("/", 1)[-1], self.version)
        return base + urllib.parse.quote(self.name, safe="@/") + "/-/" + urllib.parse.quote(file)


def read_lock(wants_tests):
    with open(LOCK, encoding="utf-8") as f:
        entries = json.load(f)["packages"]
    packages = []
    for path, entry in entries.items():
        if not path:
            continue
        if not path.startswith("node_modules/") or "/node_modules/" in path[1:]:
            raise Trouble("package-lock.json: %s lies in another package" % path)
        package = Package(path[len("node_modules/"):], entry)
        if not package.integrity.startswith("sha512-"):
            raise Trouble("package-lock.json: %s has no SHA-512" % package.name)
        if (wants_tests or not package.is_for_tests) and package.is_for_here():
            packages.append(package)
    return packages


def download(url):
    """At most one byte more than is allowed. TimeoutError is an OSError too."""
    content = bytearray()
    end = time.monotonic() + FETCH_MAX_S
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        while len(content) <= TARBALL_MAX:
            part = answer.read1(1 << 20)
            if not part:
                break
            content += part
            if time.monotonic() > end:
                raise TimeoutError("it took more than %d s" % FETCH_MAX_S)
    return bytes(content)


def without_password(url):
    """As it is told: the text ends up in logs, and in the program."""
    return re.sub(r"^(https?://)[^/]*@", r"\1", url)


def fetch(package):
    url = package.url()
    shown = without_password(url)
    if not url.startswith(("https://", "http://")):
        raise Trouble("the registry is no address of HTTP")
    print("fetching %s %s" % (package.name, package.version), file=sys.stderr, flush=True)
    try:
        tarball = download(url)
    except (OSError, http.client.HTTPException, ValueError) as e:  # ValueError: of the address
        # what an address with a password is refused for quotes it
        why = type(e).__name__ if shown != url else getattr(e, "reason", None) or str(e) or type(e).__name__
        raise Trouble("%s cannot be fetched from %s: %s" % (package.name, shown, why))
    if len(tarball) > TARBALL_MAX:
        raise Trouble("%s is longer than %d bytes" % (shown, TARBALL_MAX))
    digest = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if "sha512-" + digest not in package.integrity.split():
        raise Trouble("%s is not what package-lock.json says: its SHA-512 is %s" % (shown, digest))
    return tarball


def place_in(folder, member):
    """Where a file of a package goes; npm leaves out the first folder of each path. Nothing may
    point anywhere else, and links are not made."""
    parts = member.name.split("/")[1:]
    if not parts or any(p in ("", ".", "..") for p in parts) or "\0" in member.name:
        raise Trouble("a package has a file %r" % member.name)
    return os.path.join(folder, *parts)


def unpack(tarball, folder):
    n_bytes = n_files = 0
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as tar:
        for member in tar:
            if member.isdir():
                continue
            if not member.isreg():
                raise Trouble("a package has %r, which is no file" % member.name)
            n_bytes += member.size
            n_files += 1
            if n_bytes > UNPACKED_MAX or n_files > FILES_MAX:
                raise Trouble("a package is larger than any of ours")
            path = place_in(folder, member)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with tar.extractfile(member) as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out)
            os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)


def install(package, modules, may_fetch):
    folder = os.path.join(modules, *package.name.split("/"))
    mark = os.path.join(folder, ".x0-integrity")
    try:
        with open(mark, encoding="ascii") as f:
            if f.read() == package.integrity:
                return
    except OSError:
        pass
    if not may_fetch:
        raise Trouble("%s is not there" % package.name)
    tarball = fetch(package)
    fresh = folder + ".new"
    for old in (fresh, folder):
        shutil.rmtree(old, ignore_errors=True)
    os.makedirs(fresh)
    try:
        unpack(tarball, fresh)
    except (tarfile.TarError, EOFError, OSError) as e:
        raise Trouble("%s cannot be unpacked: %s" % (package.name, e))
    with open(os.path.join(fresh, ".x0-integrity"), "w", encoding="ascii") as f:
        f.write(package.integrity)
    os.rename(fresh, folder)


def recent_trouble(record):
    """Why the last try failed, where that was so short ago that another one would too."""
    try:
        if 0 <= time.time() - os.path.getmtime(record) < AGAIN_S:  # a clock that was set back is no reason
            with open(record, encoding="utf-8") as f:
                return f.read()
    except OSError:
        pass
    return None


def ensure_locked(into, modules, wants_tests, tries_again):
    record = os.path.join(into, "trouble")
    before = None if tries_again else recent_trouble(record)
    try:
        for package in read_lock(wants_tests):
            install(package, modules, before is None)
    except Trouble as e:
        if before is not None:
            raise Trouble(before)
        with open(record, "w", encoding="utf-8", errors="replace") as f:
            f.write(str(e))
        raise
    if os.path.exists(record):
        os.unlink(record)


def lock_of(into):
    try:
        os.makedirs(os.path.join(into, "node_modules"), exist_ok=True)
        return open(os.path.join(into, "lock"), "w", encoding="ascii")
    except OSError as e:
        raise Trouble("the folder %s cannot be used: %s" % (into, e))


@contextlib.contextmanager
def held(into, wants_tests=False, tries_again=False):
    """The folder node_modules with all of them, which no other build changes meanwhile; Trouble where
    one cannot be had. What could not be fetched is tried again after ten minutes, or where that is
    asked for."""
    into = os.path.realpath(into)  # esbuild names files by where they are
    modules = os.path.join(into, "node_modules")
    with lock_of(into) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several builds may share the folder
        try:
            ensure_locked(into, modules, wants_tests, tries_again)
        except OSError as e:
            raise Trouble("the folder %s cannot be used: %s" % (into, e))
        yield modules


def ensure(into, wants_tests=False, tries_again=False):
    with held(into, wants_tests, tries_again) as modules:
        return modules


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--into", required=True)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    try:
        print(ensure(options.into, options.all, tries_again=True))
    except Trouble as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

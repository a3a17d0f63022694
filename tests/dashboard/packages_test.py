# SPDX-License-Identifier: Apache-2.0
"""What fetches the dashboard's packages, against a registry of its own: only what package-lock.json
names is taken, and nothing of it gets outside its folder. Arguments: the source tree,
and the folder where this build has its packages."""
import base64
import hashlib
import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
from unittest import mock

ROOT = sys.argv.pop(1)
PACKAGES = sys.argv.pop(1)
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "dashboard"))
import packages  # noqa: E402


def tarball(*members, kind=tarfile.SYMTYPE):
    """Of (name, content) pairs; a content that is no bytes is the target of a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = kind, content
                tar.addfile(info)
    return out.getvalue()


class Registry(http.server.BaseHTTPRequestHandler):
    files = {}
    asked = []

    def do_GET(self):
        Registry.asked.append(self.path)
        content = Registry.files.get(self.path)
        self.send_response(200 if content else 404)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_):
        pass


class Fetching(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        os.environ["npm_config_registry"] = "http://127.0.0.1:%d/npm" % self.server.server_port
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.into = os.path.join(self.folder, "into")
        packages.LOCK = os.path.join(self.folder, "package-lock.json")
        Registry.files, Registry.asked = {}, []

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def lock(self, content, name="@scope/one", served=None, **more):
        Registry.files["/npm/%s/-/%s-1.0.0.tgz" % (name, name.rsplit("/", 1)[-1])] = served or content
        digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
        entry = dict({"version": "1.0.0", "integrity": "sha512-" + digest}, **more)
        with open(packages.LOCK, "w", encoding="utf-8") as f:
            json.dump({"packages": {"": {}, "node_modules/" + name: entry}}, f)

    def refused(self, words):
        with self.assertRaisesRegex(packages.Trouble, words):
            packages.ensure(self.into, tries_again=True)
        for found in ("evil", "node_modules/evil", "into/evil", "into/node_modules/evil"):
            self.assertFalse(os.path.lexists(os.path.join(self.folder, found)))

    def test_a_package_is_there_and_needs_no_network_again(self):
        self.lock(tarball(("package/index.js", b"1"), ("package/lib/deep.js", b"2")))
        modules = packages.ensure(self.into)
        with open(os.path.join(modules, "@scope/one/lib/deep.js"), "rb") as f:
            self.assertEqual(f.read(), b"2")
        os.environ["npm_config_registry"] = "http://127.0.0.1:9/"
        self.assertEqual(packages.ensure(self.into), modules)
        self.assertEqual(len(Registry.asked), 1)

    def test_other_bytes_than_those_of_the_list_are_refused(self):
        self.lock(tarball(("package/a", b"1")), served=tarball(("package/a", b"2")))
        self.refused("SHA-512")
        self.assertFalse(os.path.exists(os.path.join(self.into, "node_modules/@scope/one")))

    def test_nothing_gets_outside_its_folder(self):
        for name in ("package/../../evil", "package/../evil", "/evil/../../evil", "package//evil", "evil"):
            self.lock(tarball((name, b"1")))
            self.refused("has a file")
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            self.lock(tarball(("package/link", "/etc/passwd"), kind=kind))
            self.refused("no file")

    def test_one_with_too_many_or_too_large_files_is_refused(self):
        for limit in ("FILES_MAX", "UNPACKED_MAX"):
            self.lock(tarball(("package/a", b"1"), ("package/b", b"2")))
            with mock.patch.object(packages, limit, 1):
                self.refused("larger than any")
        with mock.patch.object(packages, "TARBALL_MAX", 1):
            self.refused("longer than 1 bytes")

    def test_a_server_that_is_slow_or_speaks_no_http_is_a_trouble_told(self):
        self.lock(tarball(("package/a", b"1")))
        with mock.patch.object(packages, "FETCH_MAX_S", -1):
            self.refused("more than -1 s")
        with socket.create_server(("127.0.0.1", 0)) as server:
            def answer():
                one, _ = server.accept()
                one.recv(1000)
                one.sendall(b"no HTTP at all\r\n\r\n")
                one.close()
            threading.Thread(target=answer, daemon=True).start()
            os.environ["npm_config_registry"] = "http://127.0.0.1:%d/" % server.getsockname()[1]
            self.refused("cannot be fetched")

    def test_the_password_of_a_registry_is_told_nobody(self):
        self.lock(tarball(("package/a", b"1")))
        os.environ["npm_config_registry"] = "http://me:hunter2@127.0.0.1:9/"
        with self.assertRaises(packages.Trouble) as told:
            packages.ensure(self.into)
        self.assertIn("127.0.0.1:9", str(told.exception))
        self.assertNotIn("hunter", str(told.exception))

    def test_what_one_build_uses_no_other_replaces_meanwhile(self):
        self.lock(tarball(("package/a", b"1")))
        tries = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        command = [sys.executable, "-c", tries, os.path.join(self.into, "lock")]
        with packages.held(self.into):
            self.assertNotEqual(subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode, 0)
        subprocess.run(command, check=True)

    def test_a_failure_of_the_future_does_not_keep_from_trying(self):
        self.lock(tarball(("package/a", b"1")))
        good = dict(Registry.files)
        Registry.files.clear()
        self.refused("cannot be fetched")
        os.utime(os.path.join(self.into, "trouble"), (time.time() + 9e6,) * 2)
        Registry.files.update(good)
        packages.ensure(self.into)

    def test_what_is_no_archive_is_refused(self):
        self.lock(b"no archive")
        self.refused("unpacked")

    def test_one_without_a_hash_or_inside_another_is_refused(self):
        self.lock(tarball(("package/a", b"1")), integrity="sha1-abc")
        self.refused("no SHA-512")
        self.lock(tarball(("package/a", b"1")), name="one/node_modules/two")
        self.refused("another package")

    def test_those_of_tests_and_of_other_machines_are_left_out(self):
        self.lock(tarball(("package/a", b"1")), dev=True)
        packages.ensure(self.into)
        self.lock(tarball(("package/a", b"1")), cpu=["s390x"])
        packages.ensure(self.into)
        self.assertEqual(Registry.asked, [])

    def test_a_try_that_failed_is_not_repeated_at_once(self):
        self.lock(tarball(("package/a", b"1")))
        good = dict(Registry.files)
        Registry.files.clear()
        for _ in range(3):
            with self.assertRaisesRegex(packages.Trouble, "cannot be fetched"):
                packages.ensure(self.into)
        self.assertEqual(len(Registry.asked), 1)
        Registry.files.update(good)
        packages.ensure(self.into, tries_again=True)
        packages.ensure(self.into)

    def test_without_packages_the_program_is_told_why(self):
        env = dict(os.environ, npm_config_registry="http://127.0.0.1:9/", X0_PACKAGES=self.into)
        out = os.path.join(self.folder, "files.c")
        command = [sys.executable, os.path.join(ROOT, "dashboard/bundle.py"), "--packages", "-", "--build",
                   os.path.join(self.folder, "build"), "--output", out, "--depfile", out + ".d"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        self.assertIn("OFF in this build", done.stderr)
        with open(out, encoding="utf-8") as f:
            text = f.read()
        self.assertIn("dashboard_n_files = 0;", text)
        self.assertRegex(text, 'dashboard_why = "this program was built without the dashboard: .* cannot be fetched')
        before = os.stat(out).st_mtime_ns
        subprocess.run(command, env=env, capture_output=True, check=True)
        self.assertEqual(os.stat(out).st_mtime_ns, before)  # nothing is compiled for the same reason
        done = subprocess.run(command + ["--required"], env=env, capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)


class Bundling(unittest.TestCase):
    def test_no_package_above_the_source_tree_gets_into_the_program(self):
        kept = os.environ.get("X0_PACKAGES") or PACKAGES
        if not os.path.exists(os.path.join(kept, "node_modules", "d3-force", ".x0-integrity")):
            print("SKIPPED: bundling was NOT tested: the packages are not in %s" % kept, file=sys.stderr)
            self.skipTest("no packages")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(os.path.join(ROOT, "dashboard"), os.path.join(folder, "dashboard"))
            evil = os.path.join(folder, "node_modules", "d3-force")
            os.makedirs(evil)
            names = ("forceCollide", "forceLink", "forceManyBody", "forceSimulation", "forceX", "forceY")
            with open(os.path.join(evil, "index.js"), "w", encoding="ascii") as f:
                f.writelines("export const %s = () => EVIL();\n" % name for name in names)
            os.symlink(os.path.abspath(kept), os.path.join(folder, "kept"))
            out = os.path.join(folder, "files.c")
            subprocess.run([sys.executable, os.path.join(folder, "dashboard/bundle.py"), "--packages", "-", "--required",
                            "--build", os.path.join(folder, "build"), "--output", out, "--depfile", out + ".d"],
                           env=dict(os.environ, X0_PACKAGES=os.path.join(folder, "kept")), check=True)
            with open(os.path.join(folder, "build", "app.js"), encoding="utf-8") as f:
                self.assertNotIn("EVIL", f.read())
            with open(out, encoding="utf-8") as f:
                self.assertRegex(f.read(), r'"licenses.txt", .*gzip_')  # those of packages behind a link too
            with open(out + ".d", encoding="utf-8") as f:
                self.assertIn(os.path.join(os.path.realpath(kept), "node_modules/d3-force/"), f.read())


if __name__ == "__main__":
    unittest.main()

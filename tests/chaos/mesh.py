# SPDX-License-Identifier: Apache-2.0
"""Hosts of a bench as namespaces, their cables, their daemons, and what these say over their API.

All runs in a user, network, mount and process namespace of its own (chaos.py), with which it ends. Each host
is besides a control group of its own, where that is allowed: then it has so much of a processor and of
memory, and its /proc/stat and /proc/meminfo are of that alone (as lxcfs makes them), so that the daemons do
not take each other's load, or that of other programs of this machine, for their own."""
import concurrent.futures
import contextlib
import ctypes
import http.client
import json
import os
import socket
import subprocess
import time

CLONE_NEWNET = 0x40000000
CGROUPS = "/sys/fs/cgroup"
CPU_SHARE = 0.3  # of one processor, that each host has
CPU_WEIGHT = 16384  # against other programs of this machine, which have 1024: so that it gets that much
CPU_PERIOD_US = 100000
REALTIME_US = 30000  # of each second, for the liveness thread: all groups share 950,000
MEMORY_BYTES = 128 << 20
STATE_BYTES = 48 << 20  # of the small disk, where there is one: 16 MiB of it are the ledger's
TICKS = os.sysconf("SC_CLK_TCK")
API_PORT = 26970
API_TIMEOUT_S = 2.0
REKEY_AFTER_S = 15
START_TIMEOUT_S = 90
REMOVE_S = 5  # until the processes of a control group are gone

libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(pid):
    """This thread's sockets are made in the network of that process."""
    with open("/proc/thread-self/ns/net") as here, open("/proc/%d/ns/net" % pid) as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if libc.setns(here.fileno(), CLONE_NEWNET) != 0:
                os._exit(1)  # nothing that follows would be where it should


def run(argv, timeout=30, stdin=None, check=True):
    done = subprocess.run(argv, input=stdin, text=True, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(argv[-6:]), (done.stderr or done.stdout).strip()[-300:]))
    return done


class Group:
    """A control group (version 1) of one host, or None of it where they cannot be made."""
    def __init__(self, tag):
        self.tag = tag
        self.paths = {c: os.path.join(CGROUPS, c, tag) for c in ("cpu", "cpuacct", "memory")}
        self.busy_s, self.looked = 0.0, time.monotonic()
        self.share = None
        self.shown = [0.0, 0.0]  # busy and idle seconds of its processor; neither ever goes back
        for path in self.paths.values():
            os.mkdir(path)
        self.write("memory", "memory.limit_in_bytes", MEMORY_BYTES)
        self.write("cpu", "cpu.shares", CPU_WEIGHT)
        with contextlib.suppress(OSError):  # kernels without real-time groups have no such file
            self.write("cpu", "cpu.rt_runtime_us", REALTIME_US)

    def write(self, controller, name, value):
        with open(os.path.join(self.paths[controller], name), "w") as f:
            f.write(str(value))

    def read(self, controller, name):
        with open(os.path.join(self.paths[controller], name)) as f:
            return f.read()

    def limit(self):
        self.write("cpu", "cpu.cfs_period_us", CPU_PERIOD_US)
        self.write("cpu", "cpu.cfs_quota_us", int(CPU_PERIOD_US * CPU_SHARE))

    def into(self, argv):
        """The command, in this group from its first instruction on."""
        words = " ".join("%s/cgroup.procs" % p for p in self.paths.values())
        return ["sh", "-c", 'for f in %s; do echo $$ >"$f"; done; exec "$@"' % words, "sh"] + argv

    def use(self):
        """Share of its processor since the last time, and bytes that are not merely cached."""
        now, busy = time.monotonic(), int(self.read("cpuacct", "cpuacct.usage")) / 1e9
        if now - self.looked > 0.05:
            self.share = min(1.0, (busy - self.busy_s) / (now - self.looked) / CPU_SHARE)
            self.shown[0] += self.share * (now - self.looked)
            self.shown[1] += (1 - self.share) * (now - self.looked)
            self.busy_s, self.looked = busy, now
        stat = dict(line.split() for line in self.read("memory", "memory.stat").splitlines())
        return self.share, int(stat["total_rss"]) + int(stat["total_shmem"])


def groups_allowed(tag):
    try:
        group = Group(tag + "-try")
    except OSError as e:
        return "control groups cannot be made here: %s" % e
    finally:
        remove_groups(tag + "-try")
    return "" if group else "none"


def remove_groups(tag):
    """Of all hosts with this tag, also those of an episode that ended early, once their processes are gone."""
    end = time.monotonic() + REMOVE_S
    while True:
        left = []
        for controller in ("cpu", "cpuacct", "memory"):
            top = os.path.join(CGROUPS, controller)
            for name in os.listdir(top) if os.path.isdir(top) else ():
                if name == tag or name.startswith(tag + "-"):
                    try:
                        os.rmdir(os.path.join(top, name))
                    except OSError:
                        left.append(name)
        if not left or time.monotonic() > end:
            return
        time.sleep(0.05)


class Host:
    def __init__(self, mesh, name):
        self.mesh, self.name = mesh, name
        self.dir = os.path.join(mesh.work, name)
        self.group = Group("%s-%s" % (mesh.tag, name)) if mesh.has_groups else None
        self.connection = None
        self.rekeys = False
        self.mandates = None
        self.address = None
        self.peers = []
        for d in ("lib", "run", "etc", "state"):
            os.makedirs(os.path.join(self.dir, d))
        script = ('mount --bind "$1/lib" /var/lib && mount --bind "$1/run" /run && '
                  '{ [ ! -d /etc/x0 ] || mount --bind "$1/etc" /etc/x0; } && ')
        if mesh.small_disks:
            script += 'mount -t tmpfs -o size=%d,mode=0700 state "$1/state" && ' % STATE_BYTES
        if self.group:
            self.show_use()
            script += 'mount --bind "$1/stat" /proc/stat && mount --bind "$1/meminfo" /proc/meminfo && '
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c",
             script + 'ip link set dev lo up && : >"$1/ready" && exec sleep 100000', "sh", self.dir])
        self.pid = self.holder.pid

    # ---- what it is ----

    def show_use(self):
        """/proc/stat and /proc/meminfo, rewritten in place: the daemon keeps them open."""
        share, used = self.group.use()
        busy, idle = (int(s * TICKS) for s in self.group.shown)
        free = max(0, MEMORY_BYTES - used) // 1024
        self.put("stat", "cpu  %12d 0 0 %12d 0 0 0 0 0 0\n" % (busy, idle))
        self.put("meminfo", "MemTotal: %12d kB\nMemFree: %12d kB\nMemAvailable: %12d kB\n"
                 % (MEMORY_BYTES // 1024, free, free))
        return share, used / MEMORY_BYTES

    def put(self, name, text):
        fd = os.open(os.path.join(self.dir, name), os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, text.encode(), 0)
        os.close(fd)

    def disk_use(self):
        """Through the door of the holder's mount namespace, where the small disk is."""
        st = os.statvfs("/proc/%d/root%s/state" % (self.pid, self.dir))
        return 1 - st.f_bavail / st.f_blocks

    # ---- commands ----

    def enter(self, argv):
        return ["nsenter", "--target", str(self.pid), "--net", "--mount"] + argv

    def on(self, *argv, **kw):
        return run(self.enter(list(argv)), **kw)

    def spawn(self, *argv, **kw):
        argv = list(argv)
        return subprocess.Popen(self.enter(self.group.into(argv) if self.group else argv), **kw)

    def x0(self, verb, *argv, **kw):
        argv = [self.mesh.x0, verb, "--config", self.dir + "/x0.yaml"] + list(argv)
        return self.on(*(self.group.into(argv) if self.group else argv), **kw)

    def nft(self, text):
        self.on("nft", "-f", "-", stdin=text)

    def configure(self):
        lines = ["domain: test.mesh", "name: " + self.name, "state_dir: %s/state" % self.dir,
                 "run_dir: %s/run/x0" % self.dir, "discovery: {lan: off, links: 0, links_max: 0}",
                 "names: {responder: false}", "ebpf: {guard: off, meter: off, flow: off, enforce: off}"]
        if self.rekeys:
            lines.append("limits: {rekey_after: %d}" % REKEY_AFTER_S)
        lines.append("peers: [%s]" % ", ".join('{endpoint: "[%s]:26969"}' % p for p in self.peers))
        with open(self.dir + "/x0.yaml", "w") as f:
            f.write("\n".join(lines) + "\n")
        if self.mandates is not None:
            with open(self.dir + "/mandates", "w") as f:
                f.write(self.mandates)

    # ---- the API ----

    def get(self, path):
        """The answer, or None where there is none in time."""
        for _ in range(2):  # a connection that was idle may be closed: then once more
            is_new = self.connection is None
            try:
                if is_new:
                    self.connection = http.client.HTTPConnection("127.0.0.1", API_PORT)
                    with inside(self.pid):
                        self.connection.sock = socket.create_connection(
                            ("127.0.0.1", API_PORT), API_TIMEOUT_S)
                self.connection.request("GET", "/api/v1/" + path)
                answer = self.connection.getresponse()
                body = answer.read()
                return json.loads(body) if answer.status == 200 else None
            except (OSError, http.client.HTTPException, ValueError):
                if self.connection:
                    self.connection.close()
                self.connection = None
                if is_new:
                    return None
        return None

    def daemon_pid(self):
        status = self.get("status")
        return status["pid"] if status else None


class Mesh:
    def __init__(self, spec, work, tag):
        self.x0, self.linkem, self.work, self.tag = spec["x0"], spec["linkem"], work, tag
        self.names, self.links = spec["nodes"], [tuple(e) for e in spec["links"]]
        self.emulated = {tuple(e) for e in spec["emulated"]}
        self.small_disks = spec["kind"] == "disk_full"
        self.has_groups = spec["has_groups"]
        self.seed = spec["seed"]
        self.hosts = {}
        self.number = {e: i + 1 for i, e in enumerate(self.links)}
        for name in self.names + spec["joins"]:
            self.hosts[name] = Host(self, name)
            self.hosts[name].rekeys = name in spec["rekeys"]
            self.hosts[name].mandates = spec["mandates"].get(name)
        for host in self.hosts.values():
            end = time.monotonic() + 10
            while not os.path.exists(host.dir + "/ready"):
                if time.monotonic() > end or host.holder.poll() is not None:
                    raise RuntimeError("the host %s is not there" % host.name)
                time.sleep(0.01)

    def __getitem__(self, name):
        return self.hosts[name]

    # ---- cables ----

    def end(self, e, name):
        return "2001:db8:0:%x::%d" % (self.number[e], 1 if name == e[0] else 2)

    def lay(self):
        batch, own = [], {name: [] for name in self.hosts}
        for e in self.links:
            a, b = e
            if e in self.emulated:
                self.emulate(e)
            else:
                batch.append("link add to-%s netns %d type veth peer name to-%s netns %d"
                             % (b, self[a].pid, a, self[b].pid))
        for i, name in enumerate(self.hosts):  # to join by: the first is the authority
            if i > 0:
                batch.append("link add join%d netns %d type veth peer name join netns %d"
                             % (i, self[self.names[0]].pid, self[name].pid))
                own[self.names[0]] += ["addr add 2001:db8:1:%x::1/64 dev join%d nodad" % (i, i),
                                       "link set join%d up" % i]
                own[name] += ["addr add 2001:db8:1:%x::2/64 dev join nodad" % i, "link set join up"]
        for e in self.links:
            for name, other in (e, e[::-1]):
                own[name] += ["addr add %s/64 dev to-%s nodad" % (self.end(e, name), other),
                              "link set to-%s up" % other]
                self[name].peers.append(self.end(e, other))
        run(["ip", "-batch", "-"], stdin="\n".join(batch) + "\n")
        for name, lines in own.items():
            self[name].on("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def emulate(self, e):
        sock = "%s/link-%s-%s.sock" % (self.work, *e)
        with open(sock + ".out", "w") as out:
            subprocess.Popen([self.linkem, "run", sock, str(self.seed % 1000 + 1), "%d:to-%s"
                              % (self[e[0]].pid, e[1]), "%d:to-%s" % (self[e[1]].pid, e[0])],
                             stdout=out, stderr=subprocess.STDOUT)
        end = time.monotonic() + 5
        while "ready" not in open(sock + ".out").read():
            if time.monotonic() > end:
                raise RuntimeError("no emulated link: " + open(sock + ".out").read()[-200:])
            time.sleep(0.01)

    def link_says(self, e, words):
        run([self.linkem, "ctl", "%s/link-%s-%s.sock" % (self.work, *e)] + words.split(), timeout=5)

    # ---- daemons ----

    def join(self, name):
        authority, host = self[self.names[0]], self[name]
        i = list(self.hosts).index(name)
        told = authority.x0("invite", "--json", "--name", name, "--endpoint",
                            "[2001:db8:1:%x::1]:26969" % i)
        host.x0("join", "--no-start", json.loads(told.stdout)["invitation"])
        host.configure()

    def up(self, name):
        self[name].x0("up")

    def begin(self, tell):
        self.lay()
        for host in self.hosts.values():
            host.configure()
        first = self.names[0]
        self[first].x0("init", "--domain", "test.mesh", "--name", first)
        tell("%d nodes join" % len(self.names))
        for name in self.names[1:]:
            self.join(name)
        self[first].on("ip", "-batch", "-", stdin="".join(
            "link set join%d down\n" % i for i in range(1, len(self.names))))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.up, self.names[1:]))
        self[first].x0("down", check=False)  # init has started it, before its peers were there
        self[first].configure()
        self.up(first)
        end = time.monotonic() + START_TIMEOUT_S
        wanted = len(self.names) - 1
        for name in self.names:
            while True:
                status = self[name].get("status")
                routes = (self[name].get("routes") or []) if status else []
                if status and sum(r["is_reachable"] for r in routes) >= wanted:
                    break
                if time.monotonic() > end:
                    raise RuntimeError("%s does not reach all others after %d s" % (name, START_TIMEOUT_S))
                time.sleep(0.2)
            self[name].address = status["address"]
            if self[name].group:
                self[name].group.limit()

    def path(self, a, b):
        """Where packets from a to b go now, as each node on the way says; None where one does not know."""
        way = [a]
        while way[-1] != b:
            routes = self[way[-1]].get("routes") or []
            via = [r["via"] for r in routes if r["node"] == b and r["is_reachable"]]
            if not via or via[0] in way or via[0] not in self.hosts:
                return None
            way.append(via[0])
        return way

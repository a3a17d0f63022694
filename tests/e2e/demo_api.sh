#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `x0 demo` serves its API in the network that it was started in, and a daemon takes a listening socket
# only if it is what it has to be. Enter at its terminal cuts a link, which heals.
X0=$(realpath "$1")
TEST=$(basename "$0" .sh)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/x0-demo-api-XXXXXX")
DEMO=

stop() {
	[ -z "$DEMO" ] || kill -INT "$DEMO" 2>/dev/null
	[ -z "$DEMO" ] || wait "$DEMO"
	rm -rf "$WORK"
}
trap stop EXIT
trap 'exit 1' INT TERM

skip() {
	echo "SKIPPED: $TEST was NOT run: $*"
	exit 77
}

fail() {
	echo "FAILED: $TEST: $*"
	[ -f "$WORK/out" ] && tail -n 30 "$WORK/out"
	exit 1
}

for program in curl python3 ip; do
	command -v $program >/dev/null || [ -x "/usr/sbin/$program" ] || [ -x "/sbin/$program" ] ||
		skip "$program is not installed"
done
(: <>/dev/net/tun) 2>/dev/null || skip "/dev/net/tun cannot be opened: be root, or chmod 0666"
unshare --user --map-root-user --net --pid --fork true 2>/dev/null || [ "$(id -u)" = 0 ] ||
	skip "namespaces are refused"

# ---- a socket that is handed to the daemon ----
# try WHAT: starts `x0 up --foreground` with such a descriptor 3; its words in $WORK/said
try() {
	mkdir -p "$WORK/state" "$WORK/run"
	printf 'domain: test.mesh\nname: a\nstate_dir: %s/state\nrun_dir: %s/run\n' "$WORK" "$WORK" >"$WORK/x0.yaml"
	timeout 20 python3 - "$1" "$X0" "$WORK/x0.yaml" >"$WORK/said" 2>&1 <<-'END'
		import os, socket, sys
		what, x0, config = sys.argv[1:]
		n = "1"
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if what == "datagrams" else socket.SOCK_STREAM)
		s.bind(("0.0.0.0" if what == "everywhere" else "127.0.0.1", 0))
		if what not in ("datagrams", "deaf"):
		    s.listen(1)
		if what == "file":
		    fd = os.open("/dev/null", os.O_RDONLY)
		else:
		    fd = s.fileno()
		if what == "two":
		    n = "2"
		os.dup2(fd, 3)
		os.set_inheritable(3, True)
		if what == "closed":
		    os.close(3)
		os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=n)
		os.execv(x0, ["x0", "up", "--foreground", "--config", config])
	END
}

for what in 'two:one listening socket' 'everywhere:another address' 'datagrams:no TCP socket' \
	'deaf:does not listen' 'closed:is not open' 'file:no TCP socket'; do
	try "${what%%:*}" && fail "a daemon starts with a descriptor that is ${what%%:*}"
	grep -q "LISTEN_FDS.*${what#*:}" "$WORK/said" || fail "${what%%:*}: $(cat "$WORK/said")"
done

# ---- the demo ----
# At a terminal, where Enter is pressed as soon as there is a file "press".
: >"$WORK/out"
python3 - "$X0" "$WORK" <<-'END' &
	import os, pty, signal, subprocess, sys, time
	x0, work = sys.argv[1:]
	keyboard, terminal = pty.openpty()
	demo = subprocess.Popen([x0, "demo", "--scenario", "cut"], stdin=terminal,
	                        stdout=open(work + "/out", "w"), stderr=subprocess.STDOUT)
	signal.signal(signal.SIGINT, lambda *_: demo.send_signal(signal.SIGINT))
	while demo.poll() is None:
	    if os.path.exists(work + "/press"):
	        os.unlink(work + "/press")
	        os.write(keyboard, b"\n")
	    time.sleep(0.1)
	sys.exit(demo.returncode)
END
DEMO=$!
tries=0
until grep -q '^dashboard: http://127.0.0.1:[0-9]*/$' "$WORK/out"; do
	kill -0 "$DEMO" 2>/dev/null || fail "the demo ended"
	tries=$((tries + 1))
	[ $tries -lt 600 ] || fail "no dashboard after 60 s"
	sleep 0.1
done
[ "$(grep -c . "$WORK/out")" -gt 10 ] || fail "it says little"
# It is the last line until something happens, and what happens begins with the time.
if sed '1,/^dashboard:/d' "$WORK/out" | grep -m 1 . | grep -qv '^\['; then
	fail "the dashboard is not in the last line"
fi
base=$(sed -n 's/^dashboard: \(.*\)\/$/\1/p' "$WORK/out")
# links_up N: within 20 s the topology is complete and so many links are up
links_up() {
	tries=0
	until curl -s -m 5 "$base/api/v1/topology" >"$WORK/topology" && python3 -c '
import json, sys
t = json.load(open(sys.argv[1]))
up = [l for l in t["links"] if all(s and s["state"] == "up" for s in (l["ab"], l["ba"]))]
sys.exit(not (t["is_complete"] and len(t["nodes"]) == 6 and len(up) == int(sys.argv[2])))
' "$WORK/topology" "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "not $1 links among six nodes: $(cat "$WORK/topology")"
		sleep 0.1
	done
}
links_up 7
echo "$base/api/v1/topology shows six nodes and seven links, complete"

# ---- Enter ----
grep -B 1 '^dashboard:' "$WORK/out" | grep -q 'press Enter' || fail "Enter is not offered"
: >"$WORK/press"
links_up 6
links_up 7
grep -q 'cutting the link n1-' "$WORK/out" || fail "it does not say what is cut"
echo "Enter cut a link, and it healed"
# said TEXT: it is told within 10 s
said() {
	tries=0
	until grep -q "$1" "$WORK/out"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "not told: $1: $(tail -n 5 "$WORK/out")"
		sleep 0.1
	done
}
# While another link of n1 is not in use, none is cut: n1 would be alone.
"$X0" down --config "$(sed -n 's/.*--config \(.*\/n4\/x0.yaml\)$/\1/p' "$WORK/out")" >/dev/null || fail "x0 down of n4"
said 'n4 has ended'
: >"$WORK/press"
said 'n1-n4 is not in use, so no other is cut'
echo "Enter does not leave n1 alone"
kill -INT "$DEMO"
wait "$DEMO" || fail "the demo ends with status $?"
DEMO=
curl -s -m 2 "$base/health" >/dev/null 2>&1 && fail "something still answers at $base"
echo "ok: $TEST"

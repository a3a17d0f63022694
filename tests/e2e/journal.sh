#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The log as journald and as programs get it: each field a field, from keeper and daemon alike, after
# privileges were given up; and by standard error when journald goes away.
command -v python3 >/dev/null || {
	echo "SKIPPED: the journal was NOT tested: python3 is not installed"
	exit 77
}
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

host a
mkdir -p "$WORK/a/run/systemd/journal"
chmod 755 "$WORK/a/run/systemd" "$WORK/a/run/systemd/journal"
spawn a python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/systemd/journal/socket")
os.chmod("/run/systemd/journal/socket", 0o666)
with open(sys.argv[1], "wb", 0) as out:
    while True:
        out.write(s.recv(65536) + b"\n")' "$WORK/journal"
journald=$SPAWNED
within 5 test -S "$WORK/a/run/systemd/journal/socket" || fail "no journal"
configure a 'log: {format: journal}'
x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
within 10 grep -q '^X0_EVENT=started$' "$WORK/journal" || fail "the daemon tells journald nothing: $(cat "$WORK/journal")"
grep -q '^X0_EVENT=daemon_started$' "$WORK/journal" || fail "the keeper tells journald nothing"
grep -q '^X0_SPIFFE_ID=spiffe://test.mesh/node/a$' "$WORK/journal" || fail "a field is missing: $(cat "$WORK/journal")"
grep -q '^MESSAGE=started .*authority=true$' "$WORK/journal" || fail "no message"
grep -q '^PRIORITY=5$' "$WORK/journal" || fail "no priority"
! grep -q 'started spiffe_id' "$WORK/a/state/x0.log" || fail "the log has it as well"

# journald is gone: standard error, behind the priority
kill "$journald"
rm "$WORK/a/run/systemd/journal/socket"
kill -HUP "$(x a status --json | json_value pid)"
within 5 grep -q '^<6>reloaded' "$WORK/a/state/x0.log" || fail "it is lost: $(cat "$WORK/a/state/x0.log")"

# JSON: one object a line
x a down >/dev/null 2>&1 || fail "down"
rm -f "$WORK/a/state/x0.log"
configure a 'log: {format: json}'
x a up >/dev/null 2>&1 || fail "up"
python3 - "$WORK/a/state/x0.log" <<-'END' || fail "no JSON: $(cat "$WORK/a/state/x0.log")"
	import json, sys
	events = [json.loads(l) for l in open(sys.argv[1])]
	(started,) = [e for e in events if e["event"] == "started"]
	assert started["level"] == "notice" and started["time"].endswith("Z") and started["authority"] is True
END

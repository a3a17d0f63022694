#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `x0 top` against a node: as JSON, once, and at a terminal (terminal.py, after the arguments of every
# test); with a daemon that goes and comes back.
command -v python3 >/dev/null || {
	echo "SKIPPED: x0 top was NOT tested: python3 is not installed"
	exit 77
}
TERMINAL=$(realpath "$3")
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

two_nodes cable

# ---- one look ----
x a ping b -c 30 -i 0.05 >/dev/null &
x a top --once --json -i 0.5 >"$WORK/top" || fail "top --once --json"
wait $!
python3 - "$WORK/top" <<-'END' || fail "it says $(cat "$WORK/top")"
	import json, sys
	t = json.load(open(sys.argv[1]))
	(peer,) = t["peers"]
	assert t["name"] == "a" and t["reachable"] == 1 and 450 <= t["interval_ms"] < 5000
	assert t["traffic"]["sent_bps"] > 0 and t["traffic"]["received_bps"] > 0
	assert peer["node"] == "b" and peer["state"] == "up" and peer["sent_bps"] > 0
END
x a top --once -i 0.2 >"$WORK/top" || fail "top --once"
grep -q '^b .*up' "$WORK/top" || fail "it shows $(cat "$WORK/top")"
! grep -q "$(printf '\033')" "$WORK/top" || fail "control sequences in a file"

# ---- a stream of looks ----
on a timeout 3 "$X0" top --config "$WORK/a/x0.yaml" --json -i 0.3 >"$WORK/top" || :
python3 -c 'import json, sys
looks = [json.loads(l) for l in open(sys.argv[1])]
assert len(looks) >= 2 and all(l["interval_ms"] > 0 for l in looks)' "$WORK/top" || fail "looks: $(cat "$WORK/top")"

# shellcheck disable=SC2016 # for the inner shell
on a timeout 20 sh -c '"$1" top --config "$2" --json -i 0.1 2>"$3"; echo $? >"$4"' sh \
	"$X0" "$WORK/a/x0.yaml" "$WORK/errors" "$WORK/status" | head -n 1 >"$WORK/top"
[ "$(cat "$WORK/status" 2>/dev/null)" = 1 ] || fail "it goes on when nobody reads"
grep -q 'could not be written' "$WORK/errors" || fail "it says $(cat "$WORK/errors")"

# ---- a daemon that hangs keeps nobody ----
daemon=$(x a status --json | json_value pid)
spawn a "$X0" top --config "$WORK/a/x0.yaml" --json -i 0.1 >"$WORK/top"
within 5 test -s "$WORK/top" || fail "no look"
kill -STOP "$daemon"
sleep 0.5
kill -TERM "$SPAWNED"
r=0
within 2 sh -c "! kill -0 $SPAWNED 2>/dev/null" || r=1
kill -CONT "$daemon" 2>/dev/null || :
[ $r = 0 ] || fail "it waits for a daemon that hangs"

# ---- wrong uses ----
! x a top >"$WORK/top" 2>&1 || fail "it runs without a terminal"
grep -q 'no terminal' "$WORK/top" || fail "it says $(cat "$WORK/top")"
! x a top --once -i 0 >"$WORK/top" 2>&1 || fail "an interval of 0"

# ---- a terminal ----
on a timeout 60 python3 "$TERMINAL" "$X0" top --config "$WORK/a/x0.yaml" -i 0.3 || fail "at a terminal"

# ---- without a daemon ----
x a down >/dev/null 2>&1 || fail "down"
r=0
x a top --once >"$WORK/top" 2>&1 || r=$?
[ $r = 3 ] || fail "without a daemon it ends with $r"

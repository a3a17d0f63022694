#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole demo: six nodes, thirty pairs, hybrid sessions, a file, two faults of at most a second, and a
# relay that drops packets, which is named, avoided and proved in the ledger.
# Arguments: the program x0. Runs it X0_DEMO_RUNS times (1).
set -u

x0=$1
runs=${X0_DEMO_RUNS:-1}
out=$(mktemp)
err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT

fail() {
	echo "FAILED: demo_once: $*"
	tail -n 40 "$err"
	cat "$out"
	exit 1
}

has() {
	grep -q "$1" "$out" || fail "the JSON lacks: $1"
}

if ! (: <>/dev/net/tun) 2>/dev/null; then
	echo "SKIPPED: demo_once was NOT run: /dev/net/tun cannot be opened: be root, or chmod 0666"
	exit 77
fi
run=1
while [ "$run" -le "$runs" ]; do
	timeout 240 "$x0" demo --once --json >"$out" 2>"$err"
	status=$?
	if grep -q "this machine refuses" "$err"; then
		cat "$err"
		echo "SKIPPED: demo_once was NOT run: no namespaces here"
		exit 77
	fi
	[ $status -eq 0 ] || fail "run $run: exit status $status"
	has '^  "nodes": 6,$'
	has '^  "pairs_reachable": 30,$'
	has '^  "pairs": 30,$'
	has '^  "all_hybrid": true,$'
	has '^    "bytes": 67108864,$'
	has '^    "sha256_ok": true,$'
	has '^  "ok": true$'
	sessions=$(grep -c '"key_exchange": "X25519MLKEM768"' "$out")
	signatures=$(grep -c '"signature": "ML-DSA-65"' "$out")
	if [ "$sessions" -ne 30 ] || [ "$signatures" -ne 30 ]; then
		fail "run $run: $sessions session ends hybrid, $signatures signed by ML-DSA-65, not 30"
	fi
	[ "$(head -c 1 "$out")" = "{" ] || fail "stdout holds more than the JSON object"
	outages=$(sed -n 's/^ *"ms": \([0-9]*\).*/\1/p' "$out" | tr '\n' ' ')
	n=0
	for ms in $outages; do
		n=$((n + 1))
		# That the fault struck the demo sees by the way that changed.
		[ "$ms" -le 1000 ] || fail "run $run: an outage of $ms ms"
	done
	if grep -q '^    "left_out": ' "$out"; then
		echo "NOT TESTED: the relay that drops packets: $(grep left_out "$out")"
	else
		has '^    "is_found": true,$'
		has '^    "remedy": "avoid",$'
		has '^    "is_confirmed": true,$'
		has '^      "is_proved": true$'
		node=$(sed -n 's/^    "node": "\(.*\)",$/\1/p' "$out")
		grep -q "^    \"cause\": \".*$node" "$out" || fail "run $run: $node is not named: $(grep cause "$out")"
		echo "run $run: $(grep '"cause"\|"named_s"\|"healed_s"\|"around_s"' "$out" | tr -d '\n ')"
	fi
	[ $n -eq 2 ] || fail "run $run: $n outages measured, not 2"
	echo "run $run: outages in ms: $outages; $(grep mbit_s "$out" | tr -d ' ')"
	run=$((run + 1))
done
TMPDIR=$(mktemp -d)
chmod 755 "$TMPDIR" # the daemons are of another user where root runs this
export TMPDIR
timeout 100 "$x0" demo --once --scenario cut >/dev/null 2>"$err" || fail "the scenario cut alone"
rmdir "$TMPDIR" || fail "it left something: $(find "$TMPDIR" | head)"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Floods a daemon's handshake port from one host while another one, which it has never met since
# it started, makes a handshake with it: forged M1 by a stranger, M1 without cookies and then whole
# valid ones by a member. The honest one completes, and the daemon's memory stays within bounds.
#
# X0_FLOOD_RUNS (1) handshakes in each flood; X0_FLOOD_MS (5000) is what one may take: with 5 and
# 1000 these are the figures of docs/benchmarks.md. The result is a line of JSON for each flood.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

RUNS=${X0_FLOOD_RUNS:-1}
LIMIT_MS=${X0_FLOOD_MS:-5000}
MEMORY_KB=65536

ms() {
	echo $(($(date +%s%N) / 1000000))
}

# ms_of EVENT LOG: when it was last logged, in ms of the day.
ms_of() {
	grep -w "$1" "$2" | tail -n 1 | awk '{
		split($1, t, "[:.]")
		print ((t[1] * 60 + t[2]) * 60 + t[3]) * 1000 + t[4]
	}'
}

count() {
	grep -cw "$1" "$2" || :
}

met() {
	[ "$(count peer_up "$WORK/a/state/x0.log")" -gt "$1" ]
}

# one_handshake: the honest host starts anew; prints how long until the other had met it.
one_handshake() {
	before=$(count peer_up "$WORK/a/state/x0.log")
	x b up >/dev/null 2>&1
	within 20 met "$before" || return 1
	echo $(($(ms_of peer_up "$WORK/a/state/x0.log") - $(ms_of started "$WORK/b/state/x0.log")))
	x b down >/dev/null 2>&1
}

# kb FIELD: of the daemon of host a, the keeper's child.
kb() {
	for p in /proc/[0-9]*; do
		tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "x0 up.*$WORK/a/x0.yaml" || continue
		awk -v field="$1:" '$1 == field { print $2 }' "$p/status"
	done | sort -n | tail -n 1
}

# flood MODE SOURCE...: with its handshakes.
flood() {
	mode=$1
	shift
	: >"$WORK/times"
	spawn m "$TOOL" "$mode" $((RUNS * 4 + 2)) 2001:db8:0:1::1 26969 "$invitation" "$@" \
		>"$WORK/flood" 2>"$WORK/flood.err"
	flooder=$SPAWNED
	within 20 grep -q ready "$WORK/flood.err" || fail "the flood does not begin: $mode"
	sleep 0.5
	for _ in $(seq "$RUNS"); do
		took=$(one_handshake) || fail "no handshake during the flood: $mode"
		echo "$took" >>"$WORK/times"
		kill -0 "$flooder" 2>/dev/null || fail "the flood ended before the handshake: $mode"
		[ "$took" -le "$LIMIT_MS" ] || fail "a handshake took $took ms: $mode"
	done
	kill "$flooder" 2>/dev/null || :
	wait "$flooder" 2>/dev/null || :
	sort -n "$WORK/times" >"$WORK/sorted"
	peak=$(kb VmHWM)
	rate=$(awk '{ print $1 }' "$WORK/flood")
	echo "{\"flood\": \"$mode\", \"datagrams_per_second\": $rate, \"runs\": $RUNS," \
		"\"median_ms\": $(sed -n "$(((RUNS + 1) / 2))p" "$WORK/sorted")," \
		"\"max_ms\": $(tail -n 1 "$WORK/sorted"), \"peak_kb\": $peak}"
	[ "$peak" -lt $MEMORY_KB ] || fail "the daemon has used $peak kB: $mode"
}

host a
host b
host m
cable a m 1
cable a b 2
# The daemon by itself; ebpf.sh has a flood that the kernel's guard takes.
configure a 'ebpf: {guard: off}'
configure b 'peers: [{endpoint: "[2001:db8:0:2::1]:26969"}]'
x a init --domain test.mesh --name a >/dev/null 2>&1
x a up >/dev/null 2>&1
x b join "$(invitation a --name b --endpoint '[2001:db8:0:2::1]:26969')" >/dev/null 2>&1
x b down >/dev/null 2>&1
invitation=$(invitation a --endpoint '[2001:db8:0:2::1]:26969')
echo "{\"flood\": \"none\", \"ms\": $(one_handshake)}"
flood forged 2001:db8:0:1::2
flood cookies 2001:db8:0:1::2
flood valid 2001:db8:0:1::2

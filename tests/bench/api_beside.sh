#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the data plane notices of a busy API: a transfer, and the outage when the link in use is cut
# silently, with and without X0_REQUESTS (2000) requests a second at the node that sends, in turn.
#
#	sudo tests/bench/api_beside.sh build/src/cli/x0 build/tests/e2e/e2e_tool build/tests/bench/api_load
#
# X0_ROUNDS (10) transfers and X0_CUTS (30) cuts of each; X0_RATE (0: as the machine can) Mbit/s of every
# cable. Where a transfer takes all processors, what answers and what asks takes its share. The outage is the longest gap in a stream of 500 packets a second.
# A link that falls again and again is held down for longer each time, up to a minute (docs/link.md); so the
# daemons begin anew after every six cuts, and what is waited for is the longest hold-down and half of that.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"
X0_RATE=${X0_RATE:-0}
# shellcheck source=tests/support/diamond.sh
. "$(dirname "$0")/../support/diamond.sh"

LOAD=$(realpath "$3")
REQUESTS=${X0_REQUESTS:-2000}
ROUNDS=${X0_ROUNDS:-10}
CUTS=${X0_CUTS:-30}
PPS=500
ROUNDS_A_START=3 # of two cuts each, so some three of each link; odd, so that either is the first
SETTLED_S=8      # after a start: what loads late is there, and memory is given back
UP_S=90

# ask SECONDS, asked: the requests, and what became of them
ask() {
	spawn a "$LOAD" paced 127.0.0.1 26970 8 "$1" /api/v1/peers "$REQUESTS" >>"$WORK/asked"
	ASKED=$SPAWNED
}

asked() {
	wait "$ASKED" || fail "requests failed: $(cat "$WORK/asked")"
}

# megabits: of one transfer from a to d
megabits() {
	spawn a "$TOOL" serve "$ADDRESS_a" 8080 "$WORK/sent"
	server=$SPAWNED
	sleep 0.2
	begin=$(date +%s%N)
	on d timeout 60 "$TOOL" fetch "$ADDRESS_a" 8080 | wc -c >"$WORK/received"
	ns=$(($(date +%s%N) - begin))
	wait "$server"
	[ "$(cat "$WORK/received")" = "$(wc -c <"$WORK/sent")" ] || fail "the file did not arrive"
	awk -v ns=$ns -v bytes="$(cat "$WORK/received")" 'BEGIN { printf "%.0f\n", bytes * 8000 / ns }'
}

# middle: by whom a reaches d
middle() {
	x a routes --json | tr -d ' \n' | tr '{' '\n' | sed -n 's/^"node":"d".*"via":"\([bc]\)".*/\1/p' | head -n 1
}

number_of() {
	case $1 in b) echo 3 ;; c) echo 4 ;; esac
}

silence() { # MIDDLE
	on "$1" ip neigh replace "2001:db8:0:$(number_of "$1")::2" lladdr 02:00:00:00:00:99 dev to-d nud permanent
	on d ip neigh replace "2001:db8:0:$(number_of "$1")::1" lladdr 02:00:00:00:00:99 dev "to-$1" nud permanent
}

mend() {
	on "$1" ip neigh del "2001:db8:0:$(number_of "$1")::2" dev to-d
	on d ip neigh del "2001:db8:0:$(number_of "$1")::1" dev "to-$1"
}

up() {
	diamond_up "multipath: off" 'api: {rate: 100000}'
}

both_up() {
	for host_up in a d; do
		[ "$(x $host_up peers --json | grep -c '"state": *"up"')" -ge 2 ] || return 1
	done
}

# outage FILE: adds the ms without a packet around a cut of the link in use
outage() {
	within $UP_S both_up || fail "both ways do not come up: $(x d peers)"
	load_start cut a d "$ADDRESS_d" $PPS
	sleep 1
	cut_at=$(middle)
	[ -n "$cut_at" ] || fail "no way: $(x a routes --json)"
	silence "$cut_at"
	sleep 1
	load_stop cut
	mend "$cut_at"
	echo $(($(word_of longest_gap "$WORK/load-cut") * 1000 / PPS)) >>"$1"
}

outage_beside() {
	within $UP_S both_up || fail "both ways do not come up: $(x d peers)"
	ask 4
	sleep 0.5
	outage "$WORK/outages-beside"
	asked
}

# tell NAME UNIT FILE: median, 95th percentile and most
tell() {
	sort -n "$3" | awk -v name="$1" -v unit="$2" '{ v[NR] = $1 } END {
		p = int(NR * 0.95 + 0.999)
		printf "%s: n %d, least %s, median %s, p95 %s, most %s %s\n", name, NR, v[1], v[int((NR + 1) / 2)], v[p], v[NR], unit }'
}

alone() {
	megabits >>"$WORK/alone"
}

beside() {
	ask 60
	sleep 0.5
	megabits >>"$WORK/beside"
	kill "$ASKED" 2>/dev/null || :
	asked
}

# tell_change: of the transfers of each round, with the interval in which the median is by the sign test
tell_change() {
	paste "$WORK/alone" "$WORK/beside" | awk '{ printf "%.2f\n", ($2 / $1 - 1) * 100 }' | sort -n |
		awk '{ v[NR] = $1 } END {
			k = int((NR - 1.96 * sqrt(NR)) / 2); if (k < 1) k = 1
			printf "transfer, busy to idle in a round: median %+.1f %%", v[int((NR + 1) / 2)]
			if (NR >= 6) # fewer cannot tell
				printf ", with 95 %% certainty %+.1f to %+.1f %%", v[k], v[NR + 1 - k]
			print "" }'
}

diamond
up
"$TOOL" pattern "${X0_BYTES:-536870912}" >"$WORK/sent"
echo "load average $(cut -d ' ' -f 1-3 /proc/loadavg), $REQUESTS requests a second, cables of $X0_RATE Mbit/s (0: no limit)"

megabits >/dev/null # the first one is for paths to be learned
round=1
while [ $round -le "$ROUNDS" ]; do
	if [ $((round % 2)) = 1 ]; then # what the machine gives changes by itself
		alone
		beside
	else
		beside
		alone
	fi
	round=$((round + 1))
done
if [ "$ROUNDS" -gt 0 ]; then
	tell "transfer, API idle" Mbit/s "$WORK/alone"
	tell "transfer, API busy" Mbit/s "$WORK/beside"
	tell_change
	sed -n 's/.*per_second=\([0-9]*\).*/\1/p' "$WORK/asked" >"$WORK/rates"
	tell "answered beside it" requests/s "$WORK/rates"
fi

cut=1
while [ $cut -le "$CUTS" ]; do
	if [ $((cut % ROUNDS_A_START)) = 1 ]; then
		up
		sleep $SETTLED_S
	fi
	if [ $((cut % 2)) = 1 ]; then
		outage "$WORK/outages-alone"
		outage_beside
	else
		outage_beside
		outage "$WORK/outages-alone"
	fi
	cut=$((cut + 1))
done
if [ "$CUTS" -gt 0 ]; then
	tell "outage, API idle" ms "$WORK/outages-alone"
	tell "outage, API busy" ms "$WORK/outages-beside"
fi
tail -n 1 "$WORK/asked"
alive a b c d

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What two ways are worth: hosts a and d joined by b and by c, each way of two cables of RATE (100)
# Mbit/s. One TCP stream, several, echoes beside them, and critical packets while a way is cut; with
# multipath off and auto:
#
#   tests/bench/multipath/run.sh BUILD/src/cli/x0 BUILD/tests/e2e/e2e_tool BUILD/tests/support/linkem [--json]
#
# X0_RATE (100) Mbit/s, X0_SECONDS (8) of each transfer, X0_DELAY (0) ms of each cable, one way. Needs
# iperf3 and tc. Method and figures: docs/multipath.md.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../../support/netns.sh"

JSON=${4:-}
RATE=${X0_RATE:-100}
FOR=${X0_SECONDS:-8}
DELAY=${X0_DELAY:-0}
for program in iperf3 tc ping; do
	command -v $program >/dev/null 2>&1 || skip "the program $program is missing"
done

# slow HOST DEVICE: what leaves there has this rate; 20 ms of it may wait
slow() {
	on "$1" tc qdisc add dev "$2" root tbf rate "${RATE}mbit" burst 16kb \
		limit $((RATE * 1000 / 8 * 20)) || skip "no token bucket in this kernel"
}

# join A B NUMBER: a cable with its delay and rate
join() {
	if [ "$DELAY" = 0 ]; then
		cable "$1" "$2" "$3"
	else
		emulated "$1" "$2" "$3"
		emulate "$1" "$2" set both "delay=${DELAY}ms" >/dev/null
	fi
	slow "$1" "to-$2"
	slow "$2" "to-$1"
}

peer() {
	printf '{endpoint: "[2001:db8:0:%s]:26969"}' "$1"
}

# set_up MODE: the four hosts' configuration, and their daemons anew
set_up() {
	configure a "peers: [$(peer 1::2), $(peer 2::2)]" "multipath: $1"
	configure b "peers: [$(peer 1::1), $(peer 3::2)]" "multipath: $1"
	configure c "peers: [$(peer 2::1), $(peer 4::2)]" "multipath: $1"
	configure d "peers: [$(peer 3::1), $(peer 4::1)]" "multipath: $1"
	for name in a b c d; do
		x $name down >/dev/null 2>&1 || :
		x $name up >/dev/null 2>&1 || fail "$name does not start"
	done
	within 20 x a ping d -c 1 -W 1 || fail "a does not reach d"
	ADDRESS_d=$(x d status --json | json_value address)
	sleep 2
}

# bulk STREAMS: Mbit/s of a transfer from a to d
bulk() {
	spawn d iperf3 -s -1 -p 5201 >/dev/null 2>&1
	server=$SPAWNED
	sleep 0.3
	on a iperf3 -6 -c "$ADDRESS_d" -p 5201 -t "$FOR" -O 2 -P "$1" -J >"$WORK/iperf" 2>&1 ||
		fail "iperf3: $(cat "$WORK/iperf")"
	wait "$server" || :
	tr -d ' \n\t' <"$WORK/iperf" |
		sed -n 's/.*"sum_received":{[^}]*"bits_per_second":\([0-9]*\).*/\1/p' |
		awk '{ printf "%.1f", $1 / 1000000 }'
}

resent() {
	tr -d ' \n\t' <"$WORK/iperf" | sed -n 's/.*"sum_sent":{[^}]*"retransmits":\([0-9]*\).*/\1/p'
}

# echoes N: median round trip, ms
echoes() {
	on a ping -6 -n -i 0.05 -c "$1" "$ADDRESS_d" | sed -n 's/.*time=\([0-9.]*\).*/\1/p' | sort -n |
		awk '{ t[NR] = $1 } END { printf "%.2f", t[int((NR + 1) / 2)] }'
}

host a
host b
host c
host d
join a b 1
join a c 2
join b d 3
join c d 4
for name in a b c d; do
	configure $name
done
x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
x b join --no-start "$(invitation a --name b --endpoint '[2001:db8:0:1::1]:26969')" >/dev/null 2>&1 || fail join
x c join --no-start "$(invitation a --name c --endpoint '[2001:db8:0:2::1]:26969')" >/dev/null 2>&1 || fail join
# d has no cable to a: it joins over one that is then taken away
cable a d 9
x d join --no-start "$(invitation a --name d --endpoint '[2001:db8:0:9::1]:26969')" >/dev/null 2>&1 || fail join
on a ip link del to-d

set_up off
idle=$(echoes 60)
one_stream=$(bulk 1)
one_streams=$(bulk 4)
set_up auto
two_stream=$(bulk 1)
two_resent=$(resent)
x a routes --json >"$WORK/routes"
two_streams=$(bulk 4)

# echoes beside a transfer
beside() {
	spawn d iperf3 -s -1 -p 5201 >/dev/null 2>&1
	server=$SPAWNED
	sleep 0.3
	spawn a iperf3 -6 -c "$ADDRESS_d" -p 5201 -t 8 >/dev/null 2>&1
	client=$SPAWNED
	sleep 3
	echoes 60
	wait "$client" "$server" || :
}

two_beside=$(beside)

# critical packets, 200 a second, while the way by b is cut: silently at first, then for good
load_start critical a d "$ADDRESS_d" 200 46
sleep 3
on b ip link set dev to-d down
sleep 3
on b ip link set dev to-d up
sleep 1
load_stop critical
lost_critical=$(lost critical)

set_up off
one_beside=$(beside)

ratio=$(awk "BEGIN { printf \"%.2f\", $two_stream / $one_stream }")
ratios=$(awk "BEGIN { printf \"%.2f\", $two_streams / $one_streams }")
if [ -n "$JSON" ]; then
	printf '{"rate_mbps": %s, "one_way_one_stream_mbps": %s, "two_ways_one_stream_mbps": %s, "ratio_one_stream": %s, ' \
		"$RATE" "$one_stream" "$two_stream" "$ratio"
	printf '"one_way_four_streams_mbps": %s, "two_ways_four_streams_mbps": %s, "ratio_four_streams": %s, ' \
		"$one_streams" "$two_streams" "$ratios"
	printf '"resent": %s, "rtt_idle_ms": %s, "rtt_beside_bulk_one_way_ms": %s, "rtt_beside_bulk_two_ways_ms": %s, ' \
		"$two_resent" "$idle" "$one_beside" "$two_beside"
	printf '"critical_lost": %s}\n' "$lost_critical"
else
	echo "one stream: $one_stream Mbit/s by one way, $two_stream by two: $ratio times (sent again: $two_resent)"
	echo "four streams: $one_streams by one way, $two_streams by two: $ratios times"
	echo "echoes: $idle ms idle; beside bulk $one_beside by one way, $two_beside by two"
	echo "critical packets lost while a way was cut: $lost_critical"
fi

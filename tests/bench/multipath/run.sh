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
# shellcheck source=tests/support/diamond.sh
. "$(dirname "$0")/../../support/diamond.sh"

JSON=${4:-}
FOR=${X0_SECONDS:-8}
for program in iperf3 tc ping; do
	command -v $program >/dev/null 2>&1 || skip "the program $program is missing"
done

# set_up MODE: the daemons anew, with the processor when they need it: what is measured is the ways
set_up() {
	diamond_up "multipath: $1" "qos: {scheduling: ${X0_SCHEDULING:-realtime}}"
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

diamond
set_up off
idle=$(echoes 60)
one_stream=$(bulk 1)
one_streams=$(bulk 4)
set_up auto
two_stream=$(bulk 1)
two_resent=$(resent)
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

# critical packets, 200 a second, while the way by b is cut, silently and with its carrier
load_start critical a d "$ADDRESS_d" 200 46
sleep 3
cut_silently
sleep 3
mend_silently
sleep 5
cut_cable
sleep 3
mend_cable
sleep 3
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

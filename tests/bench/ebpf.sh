#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A TCP transfer through the tunnel while a third host floods the handshake port with forged M1 as
# fast as it can: dropped by the guard, by an nftables netdev rule for the same datagrams, by nobody
# but the daemon; and without a flood. As root:
#
#   tests/bench/ebpf.sh BUILD/src/cli/x0 BUILD/tests/e2e/e2e_tool BUILD/tests/e2e/handshake_flood
#
# X0_ROUNDS (5) interleaved rounds of X0_SECONDS (4); a line of JSON for each, medians at the end.
# Method and figures: docs/benchmarks.md.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

FLOOD=$(realpath "$3")
ROUNDS=${X0_ROUNDS:-5}
SECONDS_EACH=${X0_SECONDS:-4}

received() { # bytes out of the tunnel of a
	on a ip -s link show dev x0 | awk '/RX:/ { getline; print $1 }'
}

ms() {
	echo $(($(date +%s%N) / 1000000))
}

guard_is() { # on or off
	x a status --json | tr -d ' \n' | grep -q "\"name\":\"ebpf.guard\",\"is_on\":$1"
}

# prepare MODE: a daemon on a for it
prepare() {
	x a down >/dev/null 2>&1 || :
	on a nft delete table netdev flood 2>/dev/null || :
	guard=off
	[ "$1" != guard ] && [ "$1" != none ] || guard=on
	configure a "ebpf: { guard: $guard }"
	x a up >/dev/null 2>&1 || fail "a does not start: $1"
	within 15 x a ping b -c 1 -W 1 || fail "a does not reach b: $1"
	[ $guard = off ] || within 10 guard_is true || fail "the guard is off"
	[ "$1" != nft ] || on a nft -f - <<END
table netdev flood {
	chain in {
		type filter hook ingress device "to-m" priority 0; policy accept;
		ip6 saddr 2001:db8:0:3::2 udp dport 26969 counter drop
	}
}
END
}

# round MODE: prints bytes a second of the transfer, and datagrams a second of the flood
round() {
	prepare "$1"
	port=$((port + 1)) # the one before may still be waited for
	spawn b "$TOOL" serve "$B" $port "$WORK/zeros"
	server=$SPAWNED
	sleep 0.2
	spawn a "$TOOL" fetch "$B" $port >/dev/null
	client=$SPAWNED
	flooder=
	if [ "$1" != none ]; then
		spawn m "$FLOOD" forged $((SECONDS_EACH + 4)) 2001:db8:0:3::1 26969 "$invitation" \
			>"$WORK/flood" 2>"$WORK/flood.err"
		flooder=$SPAWNED
		within 10 grep -q ready "$WORK/flood.err" || fail "the flood does not begin"
	fi
	sleep 1
	bytes=$(received) start=$(ms)
	sleep "$SECONDS_EACH"
	bytes=$(($(received) - bytes)) took=$(($(ms) - start))
	[ -z "$flooder" ] || kill "$flooder" 2>/dev/null || :
	[ -z "$flooder" ] || wait "$flooder" 2>/dev/null || :
	kill "$server" "$client" 2>/dev/null || :
	wait "$server" "$client" 2>/dev/null || :
	rate=0
	[ "$1" = none ] || rate=$(awk '{ print $1 }' "$WORK/flood")
	echo "{\"mode\": \"$1\", \"mbit_per_second\": $((bytes * 8 / took / 1000)), \"flood_per_second\": $rate}"
}

median() { # MODE KEY
	grep "\"$1\"" "$WORK/results" | sed 's/.*"'"$2"'": \([0-9]*\).*/\1/' | sort -n |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

host a
host b
host m
cable a b 1
cable a m 3
configure a
configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' 'ebpf: { guard: off }'
x a init --domain test.mesh --name a >/dev/null 2>&1
x b join "$(invitation a --name b --endpoint '[2001:db8:0:1::1]:26969')" >/dev/null 2>&1
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
B=$(x b status --json | json_value address)
invitation=$(invitation a --endpoint '[2001:db8:0:3::1]:26969')
port=8080
truncate -s 64G "$WORK/zeros"
for _ in $(seq "$ROUNDS"); do
	for mode in none guard nft daemon; do
		round $mode >>"$WORK/results"
		tail -n 1 "$WORK/results"
	done
done
none=$(median none mbit_per_second) guard=$(median guard mbit_per_second)
nft=$(median nft mbit_per_second) daemon=$(median daemon mbit_per_second)
echo "{\"rounds\": $ROUNDS, \"mbit_without_flood\": $none, \"mbit_guard\": $guard," \
	"\"mbit_nft\": $nft, \"mbit_daemon_alone\": $daemon," \
	"\"guard_to_nft_percent\": $((guard * 100 / (nft ? nft : 1)))," \
	"\"flood_at_guard\": $(median guard flood_per_second)," \
	"\"flood_at_nft\": $(median nft flood_per_second)}"

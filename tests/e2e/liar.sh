#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A relay that takes part in everything and drops what it should pass on: nftables there throws away
# what leaves it in the form of relayed packets and lets through the rest, so that its links look
# well. a sends to d through it; within ten seconds the packets go by the other relay and arrive.
# Before that, routes are proved: a holds the epoch certificate of d.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v nft >/dev/null 2>&1 || skip "the program nft is missing"
command -v ping >/dev/null 2>&1 || skip "the program ping is missing"

peer() { # NUMBER SIDE
	echo "{endpoint: \"[2001:db8:0:$1::$2]:26969\"}"
}

route_of_d() { # KEY
	x a routes --json | tr -d ' \n' | tr '{' '\n' | grep '"node":"d"' | json_value "$1"
}

is_by() {
	[ "$(route_of_d via)" = "$1" ]
}

is_proved() {
	[ "$(route_of_d origin)" = verified ]
}

# a - b - d, and the longer way a - c - e - d
for name in a b c d e; do
	host $name
done
cable a b 1
cable b d 2
cable a c 3
cable c e 4
cable e d 5
cable a d 6 # to join by
cable a e 7
configure a "peers: [$(peer 1 2), $(peer 3 2)]"
configure b "peers: [$(peer 1 1), $(peer 2 2)]"
configure c "peers: [$(peer 3 1), $(peer 4 2)]"
configure d "peers: [$(peer 2 1), $(peer 5 1)]"
configure e "peers: [$(peer 4 1), $(peer 5 2)]"
x a init --domain test.mesh --name a >/dev/null
for name in b c d e; do
	x $name join "$(invitation a --name $name)" >/dev/null || fail "$name does not join"
done
on a ip link del to-d
on a ip link del to-e
within 30 x a ping d -c 1 -W 1 || fail "a does not reach d: $(x a routes)"
within 10 is_by b || fail "the way to d is not by b: $(x a routes)"
within 10 is_proved || fail "d is not proved: $(x a routes --json)"

ADDRESS_d=$(x d status --json | json_value address)
spawn a ping -i 0.05 -W 1 "$ADDRESS_d" >"$WORK/ping" 2>&1
ping=$SPAWNED
sleep 3
is_by b || fail "the way to d is no longer by b: $(x a routes)"
on b nft -f - <<'EOF'
table inet liar {
	chain out {
		type filter hook output priority 0;
		udp dport 26969 @th,64,8 0x10 @th,80,16 != 0 counter drop
	}
}
EOF
begin=$(date +%s%N)
within 10 is_by c || fail "the route to d is still by b, which drops: $(x a routes --json)"
ms=$((($(date +%s%N) - begin) / 1000000))
on b nft list table inet liar | grep -q 'packets 0 ' && fail "nothing was dropped: no proof"
before=$(grep -c 'bytes from' "$WORK/ping")
sleep 6
after=$(grep -c 'bytes from' "$WORK/ping")
[ $((after - before)) -ge 60 ] || fail "$((after - before)) of 120 packets arrived by c"
is_by c || fail "it went back to b"
kill "$ping"
grep -q neighbour_doubted "$WORK/a/state/x0.log" || fail "a does not tell whom it doubts"
[ "$(x a status --json | json_value ways_doubted)" -gt 0 ] || fail "it is not counted"
echo "b drops what it passes on; a goes by c after $ms ms"

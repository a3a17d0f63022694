#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three hosts on one bridge that no configuration tells of each other are direct neighbours within
# seconds; a host beside them that is no member learns nothing, and its noise, its recordings and
# its flood lead to nothing.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

SECONDS_MAX=10
command -v python3 >/dev/null 2>&1 || skip "the program python3 is missing"
BEACONS=$(realpath "$3")

# plug NAME NUMBER: a cable from the host to the switch
plug() {
	pid=
	eval "pid=\$HOST_$1"
	ip link add "port-$1" type veth peer name eth0 netns "$pid"
	ip link set dev "port-$1" master switch
	ip link set dev "port-$1" up
	on "$1" ip addr add "192.0.2.$2/24" dev eth0
	on "$1" ip link set dev eth0 up
}

# is_beside HOST OTHER: has the other as a direct neighbour whose link is up, at an address of eth0
is_beside() {
	x "$1" peers --json | tr -d ' \n' | sed 's/{"node"/\n&/g' | grep "^{\"node\":\"$2\"" |
		grep -i '"is_neighbour":true' | grep -qi '"state":"up"'
}

all_beside() {
	is_beside a b && is_beside a c && is_beside b a && is_beside b c && is_beside c a &&
		is_beside c b
}

# is_alone HOST: no link of it is up
is_alone() {
	! x "$1" peers --json | tr -d ' \n' | grep -qi '"state":"up"'
}

# of HOST KEY: a number in what discovery says
of() {
	x "$1" status --json | json_value "$2"
}

ip link add switch type bridge 2>"$WORK/bridge" || skip "no bridge: $(cat "$WORK/bridge")"
ip link set dev switch up
number=1
for name in a b c; do
	host $name
	plug $name $number
	number=$((number + 1))
	configure $name "discovery: {lan: on}"
done
host outsider
plug outsider 66
spawn outsider python3 "$BEACONS" record "$WORK/tape" >"$WORK/recorder" 2>&1
recorder=$SPAWNED

x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
for name in b c; do
	x $name join --no-start "$(invitation a --name $name --endpoint 192.0.2.1:26969)" \
		>/dev/null 2>&1 || fail "join"
	configure $name "discovery: {lan: on}" # without the peer that join has written down
done
! grep -q peers "$WORK"/[abc]/x0.yaml || fail "there is a configured peer"
start=$(date +%s)
x b up >/dev/null 2>&1
x c up >/dev/null 2>&1
within $SECONDS_MAX all_beside || fail "not all are neighbours: $(x b status --json)"
echo "ok: three neighbours after $(($(date +%s) - start)) s"
x c ping b -c 1 -W 5 >/dev/null || fail "c does not reach b"
x a status | grep -q "discovery.*eth0" || fail "status: $(x a status)"
x a doctor | grep -q "discovery.*eth0" || fail "doctor: $(x a doctor)"

# one goes and comes back
x c down >/dev/null
sleep 1
x c up >/dev/null 2>&1
within $SECONDS_MAX all_beside || fail "a daemon that was started again is not found"
echo "ok: one that was started again"

# an interface goes, and another comes in its place
on b ip link del eth0
within 10 is_alone b || fail "links without an interface: $(x b peers)"
on b sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null || :
plug b 12
within 15 all_beside || fail "not found on a new interface: $(x b status --json)"
if [ "$(on b cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6)" = 1 ]; then
	x b peers --json | grep -q fe80 && fail "IPv6 on an interface without it: $(x b peers)"
	echo "ok: another interface, with IPv4 alone"
else
	echo "ok: another interface"
fi

# the outsider saw beacons of one length, and nothing in them that it could know
within 20 sh -c "[ \$(wc -c <'$WORK/tape') -ge 624 ]" || fail "the outsider has heard nothing: $(cat "$WORK/recorder")"
kill "$recorder" 2>/dev/null || :
wait "$recorder" 2>/dev/null || :
python3 "$BEACONS" look "$WORK/tape" "$(of a node_id)" "$(of b node_id)" "$(of c node_id)" ||
	fail "beacons tell something"

# its recordings and its noise make nobody do anything
started_a=$(counter a handshakes_started)
met_a=$(of a beacons_met)
on outsider python3 "$BEACONS" replay "$WORK/tape" 20
[ "$(of a beacons_met)" = "$met_a" ] || fail "a recording led to a handshake"
[ "$(counter a handshakes_started)" = "$started_a" ] || fail "a recording led to a handshake"
[ "$(of a beacons_replayed)" -gt 0 ] || fail "recordings are not counted"
x a peers --json | grep -q "192.0.2.66" && fail "somebody speaks with the outsider"
echo "ok: recordings: $(of a beacons_replayed) counted"

# a flood: it is bounded, and the mesh goes on
daemon=$(of a pid)
ticks() { cut -d ' ' -f 14,15 "/proc/$1/stat" | tr ' ' '+'; }
before=$(($(ticks "$daemon")))
on outsider timeout 20 python3 "$BEACONS" flood 5 >"$WORK/flood"
used=$(($(ticks "$daemon") - before))
[ "$(of a beacons_forged)" -gt 1000 ] || fail "no flood arrived: $(cat "$WORK/flood")"
# 4,000 a second of each family are read at most; and 5 s of a processor are 500 ticks
[ "$(of a beacons_forged)" -lt 60000 ] || fail "all of the flood was read"
[ "$used" -lt 200 ] || fail "the flood took $used ticks of a processor"
x c ping a -c 1 -W 5 >/dev/null || fail "a does not answer after the flood"
[ "$(counter a handshakes_started)" = "$started_a" ] || fail "the flood led to a handshake"
echo "ok: a flood of $(cat "$WORK/flood"): $(of a beacons_forged) read, $used ticks"

# switched off, nothing is heard or said
configure c "discovery: {lan: off}"
x c down >/dev/null
x c up >/dev/null 2>&1
x c status | grep -q "discovery.*off: switched off" || fail "off: $(x c status)"
x c doctor | grep -q "discovery.*off: switched off" || fail "off: $(x c doctor)"
on c ss -Hulpn 2>/dev/null | grep -q ":7777 " && fail "port 7777 is open"
alive a b

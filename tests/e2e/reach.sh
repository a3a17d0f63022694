#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ten nodes in a line, with a short cut from the first to the sixth, in zones of four: the first
# reaches the last, which is in no table near it; the short cut is cut and it reaches it again.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v ping >/dev/null || skip "the program ping is missing"
ROUTING='routing: {flat_max: 8, zone_max: 4}'
LAST=9
JOIN='[2001:db8:0:100::1]:26969'

# number of the cable to the node before
cable_of() {
	echo $(($1 + 10))
}

host n0
configure n0
x n0 init --domain test.mesh --name n0 >/dev/null
for i in $(seq 1 $LAST); do
	host "n$i"
	configure "n$i"
	cable n0 "n$i" 100 # to join by, and then no more
	x "n$i" join --no-start "$(invitation n0 --name "n$i" --endpoint "$JOIN")" >/dev/null
	on n0 ip link del "to-n$i"
	cable "n$((i - 1))" "n$i" "$(cable_of "$i")"
done
cable n0 n5 99
x n0 down >/dev/null
configure n0 "$ROUTING" 'tracing: {endpoint: "http://127.0.0.1:4318", sample: 100}'
COLLECTOR=$(realpath "$(dirname "$0")/../support/collector.py")
mkdir "$WORK/spans"
command -v python3 >/dev/null && spawn n0 python3 "$COLLECTOR" serve 4318 "$WORK/spans"
for i in $(seq 1 $LAST); do
	more=
	[ "$i" != 5 ] || more=', {endpoint: "[2001:db8:0:99::1]:26969"}'
	configure "n$i" "$ROUTING" "peers: [{endpoint: \"[2001:db8:0:$(cable_of "$i")::1]:26969\"}$more]"
done
for i in $(seq 0 $LAST); do
	x "n$i" up >/dev/null 2>&1 || fail "n$i does not start"
done

reach_of() { # HOST KEY
	x "$1" status --json | tr -d ' \n' | sed 's/.*"reach":{\([^}]*\)}.*/{\1}/' |
		tr ',' '\n' | json_value "$2"
}

is_whole() {
	for i in $(seq 0 $LAST); do
		[ "$(reach_of "n$i" nodes)" = $((LAST + 1)) ] || return 1
		[ "$(reach_of "n$i" is_zoned)" = true ] || return 1
	done
}

knows() { # HOST NODE
	x "$1" routes --json | tr -d ' \n' | tr '{' '\n' | grep -q "\"node\":\"$2\".*\"is_reachable\":true"
}

counter() {
	x "$1" status --json | json_value "$2"
}

within 40 is_whole || fail "the nodes do not all know how many they are: $(x n0 status --json)"
ADDRESS_last=$(x "n$LAST" status --json | json_value address)
[ "$(reach_of n0 zone)" -le 4 ] || fail "the zone of n0 has $(reach_of n0 zone) nodes"
! knows n0 "n$LAST" || fail "n0 knows n$LAST, which is not in its zone"
x n0 status | grep -q '^zone ' || fail "x0 status does not tell of the zone: $(x n0 status)"

# looks_for HOST: n0 reaches it, and whether n0 has looked for it: a node that wants something of n0
# itself at that moment is known by what it asked.
looks_for() {
	found=$(counter n0 reach_found)
	x n0 ping "$1" -c 3 -W 2 >"$WORK/ping" || fail "n0 does not reach $1: $(cat "$WORK/ping")"
	knows n0 "$1" || fail "$1 was found and is not in the table of n0"
	[ "$(counter n0 reach_found)" -gt "$found" ]
}

LOOKED_FOR=n$LAST
looks_for "n$LAST" || {
	LOOKED_FOR=n8
	! knows n0 n8 && looks_for n8
} || {
	LOOKED_FOR=n7
	! knows n0 n7 && looks_for n7
} || fail "n0 looked for nobody"
echo "n0 looked for $LOOKED_FOR"
on n0 ping -6 -n -c 3 -i 0.2 -W 2 "$ADDRESS_last" >/dev/null || fail "n0 does not reach $ADDRESS_last"
on "n$LAST" ping -6 -n -c 1 -W 2 "$(x n0 status --json | json_value address)" >/dev/null ||
	fail "n$LAST does not reach n0"

# the short cut is on the way, and goes
on n0 ip link set dev to-n5 down
within 20 on n0 ping -6 -n -c 1 -W 1 "$ADDRESS_last" ||
	fail "n0 does not reach n$LAST without the short cut: $(x n0 routes)"
knows n0 "n$LAST" || fail "n0 has no route to n$LAST"

# how long it took to find is a span
is_traced() {
	python3 "$COLLECTOR" decode "$WORK/spans" | tr '}' '\n' |
		grep -q "\"name\": \"mesh.route_discovery\".*\"x0.destination\": \"\\($LOOKED_FOR\\|$SOUGHT_ID\\)\""
}
if command -v python3 >/dev/null; then
	SOUGHT_ID=$(x "$LOOKED_FOR" status --json | json_value node_id)
	within 10 is_traced || fail "the discovery is in no trace: $(python3 "$COLLECTOR" decode "$WORK/spans" | tr '{' '\n' | grep -A1 discovery)"
fi

# who is not there is said to be
x n0 ping nobody -c 1 -W 1 >"$WORK/ping" 2>&1 && fail "nobody answered: $(cat "$WORK/ping")"
echo "n0 reaches n$LAST: $(reach_of n0 zone) nodes in its zone of $(reach_of n0 nodes), $(counter n0 reach_requests) requests"

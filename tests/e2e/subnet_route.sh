#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A host without x0 behind a node answers a node elsewhere, over IPv4 and IPv6; what policy does
# not accept is refused and shown; nothing is left when the daemons have ended, or were killed.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v ping >/dev/null 2>&1 || skip "the program ping is missing"

# The default policy; more rules as given.
policy() {
	echo 'policy:'
	echo '- {allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}'
	echo '- {allow: issue, from: "*"}'
	echo '- {allow: [api, invite], from: "uid:*"}'
	for rule in "$@"; do
		echo "- $rule"
	done
}

state_of() { # HOST PREFIX
	x "$1" routes offered --json | tr -d ' \n' | tr '{' '\n' |
		grep "\"prefix\":\"$2\"" | json_value state
}

left_over() { # HOST
	on "$1" ip rule show
	on "$1" ip -6 rule show
	on "$1" nft list ruleset
	on "$1" sh -c 'cd /proc/sys/net && head -v -n 1 ipv4/ip_forward ipv[46]/conf/*/forwarding \
		ipv4/conf/*/accept_redirects'
}

host a
host b
host h # behind b
cable a b 1
cable b h 2
on b ip addr add 192.168.7.1/24 dev to-h
on h ip addr add 192.168.7.9/24 dev to-b
configure a 'ipv4: {prefix: 10.86.0.0/16}' "$(policy '{allow: prefix, from: "spiffe://*/node/b", to: "192.168.*"}' '{allow: prefix, from: "*", to: "2001:db8:0:2:*"}')"
configure b 'ipv4: {prefix: 10.86.0.0/16}' 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' \
	'routes: {offer: [192.168.7.0/24, "2001:db8:0:2::/64", 172.20.0.0/16, 192.168.0.0/13]}' "$(policy)"
before_a=$(left_over a)
before_b=$(left_over b)
x a init --domain test.mesh --name a >/dev/null
x b join "$(invitation a --name b)" >/dev/null
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"

# IPv4 inside
b4=$(x b status --json | json_value ipv4)
a4=$(x a status --json | json_value ipv4)
case $a4 in 10.86.*) ;; *) fail "a has no IPv4 address: $(x a status)" ;; esac
within 5 on a ping -c 1 -W 1 "$b4" || fail "a does not reach b by IPv4 ($a4, $b4): $(x a status)"
x a status | grep -q "^IPv4 address  *$a4" || fail "x0 status does not show it: $(x a status)"

# what is offered, accepted, refused
used() {
	[ "$(state_of a 192.168.7.0/24)" = used ]
}
within 10 used || fail "192.168.7.0/24 is $(state_of a 192.168.7.0/24): $(x a routes offered)"
[ "$(state_of a 172.20.0.0/16)" = denied ] || fail "172.20.0.0/16: $(x a routes offered)"
[ "$(state_of a 192.168.0.0/13)" = denied ] || fail "more than the rule names: $(x a routes offered)"
x a routes offered | grep -q '172.20.0.0/16.*denied.*no rule allows "prefix"' ||
	fail "it does not say why: $(x a routes offered)"
x b routes offered | grep -q "this node offers.*192.168.7.0/24" || fail "$(x b routes offered)"
on a ip route get 192.168.7.9 | grep -q "dev x0" || fail "no route: $(on a ip route get 192.168.7.9)"
on a ip route get 172.20.0.1 2>&1 | grep -q "dev x0" && fail "a route that nobody accepted"

within 5 on a ping -c 1 -W 1 192.168.7.9 || fail "the host is not reached by IPv4: $(x a status) $(x b status)"
within 5 on a ping -c 1 -W 1 2001:db8:0:2::2 || fail "the host is not reached by IPv6"
# the host begins: the guard lets it, and the node knows its network
on h ip route add 10.86.0.0/16 via 192.168.7.1
on h ip -6 route add "$(x b status --json | json_value address | cut -d: -f1-3)::/48" via 2001:db8:0:2::1
within 5 on h ping -c 1 -W 1 "$a4" || fail "the host does not reach a by IPv4: $(x b status)"
a6=$(x a status --json | json_value address)
within 5 on h ping -c 1 -W 1 "$a6" || fail "the host does not reach a by IPv6: $(x b status)"
on h ping -c 1 -W 1 "$(x b status --json | json_value address)" >/dev/null &&
	fail "the host reaches b's own address inside, past the mesh"
# bulk, from the host to the node: what goes in at b's other interface comes in super-packets
"$TOOL" pattern 4000000 >"$WORK/file"
port=4000
for address in ::ffff:192.168.7.9 2001:db8:0:2::2; do
	port=$((port + 1))
	spawn h "$TOOL" serve "$address" "$port" "$WORK/file"
	fetched() {
		on a timeout 20 "$TOOL" fetch "$address" "$port" >"$WORK/fetched" && cmp "$WORK/file" "$WORK/fetched"
	}
	within 20 fetched || fail "4 MB from $address did not arrive: $(x a status)"
done
[ "$(on b cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || fail "b does not forward"
grep -q forwarding_on "$WORK/b/state/x0.log" || fail "forwarding is not told: $(cat "$WORK/b/state/x0.log")"

# b passes on for the tunnel, and is no router for whoever is beside it
on a ip addr add 203.0.113.1/24 dev to-b
on b ip addr add 203.0.113.2/24 dev to-a
on h ip addr add 198.51.100.9/32 dev lo
on b ip route add 198.51.100.9 via 192.168.7.9
on h ip route add 203.0.113.0/24 via 192.168.7.1
on a ip route add 198.51.100.9 via 203.0.113.2
on b ping -c 1 -W 1 198.51.100.9 >/dev/null || fail "h does not answer b"
on a ping -c 1 -W 1 203.0.113.2 >/dev/null || fail "b does not answer a"
on a ping -c 2 -i 0.2 -W 1 198.51.100.9 >/dev/null && fail "b has become a router between its networks"
[ "$(on b nft -j list counter inet x0nat_x0 not_of_tunnel | json_value packets)" -gt 0 ] ||
	fail "what b does not pass on is not counted: $(on b nft list ruleset)"
on b ip addr del 203.0.113.2/24 dev to-a
on b ip route del 198.51.100.9 via 192.168.7.9

# a network that is offered no longer, and one more that is
sed -i 's/172.20.0.0.16/192.168.8.0\/24/' "$WORK/b/x0.yaml"
x b config reload >/dev/null
more() {
	[ "$(state_of a 192.168.8.0/24)" = used ] && on a ip route get 192.168.8.1 | grep -q "dev x0"
}
within 10 more || fail "192.168.8.0/24 is not used: $(x a routes offered)"
[ -z "$(state_of a 172.20.0.0/16)" ] || fail "172.20.0.0/16 is still offered"

# policy takes one back, while running
sed -i 's/"192.168.\*"/"192.168.7.*"/' "$WORK/a/x0.yaml"
x a config reload >/dev/null
less() {
	[ "$(state_of a 192.168.8.0/24)" = denied ] &&
		! on a ip route get 192.168.8.1 2>&1 | grep -q "dev x0"
}
within 5 less || fail "192.168.8.0/24 is not refused: $(x a routes offered)"
on a ping -c 1 -W 2 192.168.7.9 >/dev/null || fail "the other one went with it"

# b decides who may use it
sed -i 's/, route\]/]/' "$WORK/b/x0.yaml"
x b config reload >/dev/null
on a ping -c 1 -W 1 192.168.7.9 >/dev/null && fail "b let a in without a rule for route"
[ "$(x b status --json | json_value flow_denied)" -gt 0 ] || fail "it is not counted"
sed -i 's/connect\]/connect, route]/' "$WORK/b/x0.yaml"
x b config reload >/dev/null
within 5 on a ping -c 1 -W 1 192.168.7.9 || fail "b does not let a in again"

# the device goes and comes, with all that was on it
on a ip link del x0
within 10 on a ping -c 1 -W 1 192.168.7.9 || fail "not reached through the new tunnel"

# killed: what is left is what the next start removes
restart_killed() { # HOST
	pid=$(x "$1" status --json | json_value pid)
	kill -9 "$(sed -n "s/^PPid:[^0-9]*//p" "/proc/$pid/status")"
	gone() {
		! kill -0 "$pid" 2>/dev/null
	}
	within 5 gone || fail "the daemon outlives its keeper"
}
restart_killed b
on b nft list tables | grep -q x0nat_x0 || fail "NAT went with the keeper; nothing to test"
on b nft flush ruleset # the only other place where it stands how forwarding was before
[ "$(on b cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || fail "forwarding went with the keeper"
sed -i '/^routes:/d' "$WORK/b/x0.yaml"
x b up >/dev/null
[ "$(on b cat /proc/sys/net/ipv4/ip_forward)" = 0 ] || fail "b still forwards"
on b nft list tables | grep -q x0nat_x0 && fail "NAT is left from before"
restart_killed a
on a ip rule show | grep -q "proto 226" || fail "the rules went with the keeper; nothing to test"
sed -i '/allow: prefix/d' "$WORK/a/x0.yaml"
x a up >/dev/null
on a ip rule show | grep -q "proto 226" && fail "rules are left from before"

x a down >/dev/null
x b down >/dev/null
[ "$(left_over a)" = "$before_a" ] || fail "left behind at a: $(left_over a)"
[ "$(left_over b)" = "$before_b" ] || fail "left behind at b: $(left_over b)"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A laptop's way to the internet leads through an exit: a server there sees the exit's address,
# over IPv4 and IPv6, while the laptop's own network stays reachable. With routes.exit_only nothing
# leaves by another way: not while the exit is cut, nor while the daemon is dead.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v ping >/dev/null 2>&1 || skip "the program ping is missing"

POLICY='policy:
- {allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}
- {allow: issue, from: "*"}
- {allow: [api, invite], from: "uid:*"}'

left_over() { # HOST
	on "$1" ip rule show
	on "$1" ip -6 rule show
	on "$1" nft list ruleset
	on "$1" sh -c 'cd /proc/sys/net && head -v -n 1 ipv4/ip_forward ipv[46]/conf/*/forwarding \
		ipv4/conf/*/accept_redirects'
}

# attach HOST NUMBER NETWORK: to the gateway g, which is its default route.
attach() {
	cable "$1" g "$2"
	on "$1" ip addr add "$3.9/24" dev to-g
	on g ip addr add "$3.1/24" dev "to-$1"
	on "$1" ip route add default via "$3.1"
	on "$1" ip -6 route add default via "2001:db8:0:$2::2"
}

host g # the internet
host c # the laptop
host e # the exit
host s # a server
attach c 1 198.51.100
attach e 2 203.0.113
attach s 3 192.0.2
on g sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
on s nft -f - <<END
table inet seen {
	counter exit4 { }
	counter exit6 { }
	counter own4 { }
	counter own6 { }
	chain in {
		type filter hook input priority 0; policy accept;
		ip saddr 203.0.113.9 counter name exit4
		ip6 saddr 2001:db8:0:2::1 counter name exit6
		ip saddr 198.51.100.9 counter name own4
		ip6 saddr 2001:db8:0:1::1 counter name own6
	}
}
END
seen() { # COUNTER: since the last call
	on s nft -j reset counter inet seen "$1" | json_value packets
}
forget() {
	for counter in exit4 exit6 own4 own6; do
		seen $counter >/dev/null
	done
}
reaches() {
	on c ping -c 1 -W 1 192.0.2.9 >/dev/null && on c ping -c 1 -W 1 2001:db8:0:3::1 >/dev/null
}
within 5 reaches || fail "the internet of this test does not work"
[ "$(seen own4)" -gt 0 ] || fail "counters do not count"

configure e 'ipv4: {prefix: 10.86.0.0/16}' 'routes: {exit: true}' "$POLICY"
configure c 'ipv4: {prefix: 10.86.0.0/16}' 'peers: [{endpoint: "[2001:db8:0:2::1]:26969"}]' \
	'routes: {exit_only: false}' "$POLICY"
# the exit is a hardened host, that is more than switched off
on e sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/accept_redirects; echo 1 >/proc/sys/net/ipv4/conf/lo/forwarding'
before_c=$(left_over c)
before_e=$(left_over e)
x e init --domain test.mesh --name e >/dev/null
x c join "$(invitation e --name c)" >/dev/null
within 15 x c ping e -c 1 -W 1 || fail "c does not reach e"

# offered and not accepted: refused, with what to do
refused() {
	x c exit use e 2>&1 | grep -q "policy does not accept the exit.*allow: prefix"
}
within 10 refused || fail "an exit that policy does not accept: $(x c exit use e 2>&1)"
x c exit use nobody 2>&1 | grep -q "nobody offers no exit" || fail "$(x c exit use nobody 2>&1)"
forget
reaches || fail "the internet is gone"
[ "$(seen own4)" -gt 0 ] || fail "the way changed though nothing was chosen"
sed -i 's/^policy:/&\n- {allow: prefix, from: "spiffe:\/\/test.mesh\/node\/e", to: "*\/0"}/' "$WORK/c/x0.yaml"
x c config reload >/dev/null

# through the exit
within 5 x c exit use e || fail "x0 exit use: $(x c exit use e 2>&1)"
forget
within 5 reaches || fail "no way through the exit: $(x c exit; x c status; x e status; on c ip rule)"
sleep 0.2
forget
reaches || fail "not reached again"
[ "$(seen exit4)" -gt 0 ] || fail "the server does not see the exit over IPv4"
[ "$(seen exit6)" -gt 0 ] || fail "the server does not see the exit over IPv6"
[ "$(seen own4)" -eq 0 ] || fail "the server sees the laptop over IPv4"
[ "$(seen own6)" -eq 0 ] || fail "the server sees the laptop over IPv6"
x c exit | grep -q "goes through e" || fail "$(x c exit)"
x c exit --json | tr -d ' \n' | grep -q '"is_in_use":true' || fail "$(x c exit --json)"
on c ip route get 198.51.100.1 | grep -q "dev to-g" || fail "the laptop's own network is not near"
on c ping -c 1 -W 1 198.51.100.1 >/dev/null || fail "the laptop's own network is not reached"
# what is private behind an exit is not the internet
on g ip addr add 192.168.44.1/32 dev lo
on c ping -c 1 -W 1 192.168.44.1 >/dev/null && fail "the exit leads to private networks"
[ "$(x e status --json | json_value not_offered)" -gt 0 ] || fail "it is not counted"

# others that flush what they did not set: it is set again, and the log tells
on e nft flush ruleset
tables_are_back() {
	on e nft list tables | grep -q x0nat_x0 && on e nft list tables | grep -q 'x0_x0$'
}
within 5 tables_are_back || fail "tables that were flushed do not come back: $(x e status)"
within 5 grep -q 'host_state_set_again.*NAT' "$WORK/e/state/x0.log" || fail "it is not told"
is_forwarding() {
	x e routes offered --json | tr -d ' \n' | grep -q '"is_forwarding":true'
}
within 5 is_forwarding || fail "forwarding is not on again: $(x e routes offered --json)"
on c ip rule flush protocol 226
on c ip -6 rule flush protocol 226
rules_are_back() { # NUMBER
	[ "$(on c ip rule show | grep -c 'proto 226')" = "$1" ] &&
		[ "$(on c ip -6 rule show | grep -c 'proto 226')" = "$1" ]
}
within 5 rules_are_back 4 || fail "rules that were deleted do not come back: $(on c ip rule; x c status)"
forget
within 5 reaches || fail "no way through the exit after that: $(x c exit; x c status; x e status)"
[ "$(seen exit4)" -gt 0 ] || fail "the server does not see the exit after that"
[ "$(seen own4)" -eq 0 ] || fail "the server sees the laptop after that"

# without the option the laptop's own way comes back when the exit is gone
on g ip link set to-e down
back() {
	forget
	reaches && [ "$(seen own4)" -gt 0 ]
}
within 20 back || fail "no way without the exit: $(x c exit)"
x c exit | grep -q "not reachable.*by this machine's own way" || fail "$(x c exit)"
on g ip link set to-e up
# Linux forgets IPv6 addresses and routes of a link that was down
on g ip addr add 2001:db8:0:2::2/64 dev to-e nodad 2>/dev/null || :
again() {
	forget
	reaches && [ "$(seen exit4)" -gt 0 ]
}
within 30 again || fail "the exit does not come back: $(x c exit; x c peers)"

# with it nothing leaves, whatever happens
sed -i 's/exit_only: false/exit_only: true/' "$WORK/c/x0.yaml"
x c config reload >/dev/null
within 5 reaches || fail "exit_only: the exit is not used"
forget
on g ip link set to-e down
on c ip rule flush protocol 226
within 5 rules_are_back 5 || fail "exit_only: rules that were deleted do not come back"
forget
tries=0
while [ $tries -lt 12 ]; do # all the time until long after the link is known to be down
	on c ping -c 2 -i 0.2 -W 1 192.0.2.9 >/dev/null 2>&1 || :
	on c ping -c 2 -i 0.2 -W 1 2001:db8:0:3::1 >/dev/null 2>&1 || :
	tries=$((tries + 1))
done
x c exit | grep -q "not reachable; nothing goes to the internet" || fail "$(x c exit)"
x c status --json >/dev/null || fail "the daemon does not answer"
kill -9 "$(x c status --json | json_value pid)"
on c ping -c 5 -i 0.2 -W 1 192.0.2.9 >/dev/null 2>&1 || :
within 10 x c status || fail "the daemon is not started again"
pid=$(x c status --json | json_value pid)
kill -9 "$(sed -n "s/^PPid:[^0-9]*//p" "/proc/$pid/status")"
on c ping -c 5 -i 0.2 -W 1 192.0.2.9 >/dev/null 2>&1 || :
on c ping -c 5 -i 0.2 -W 1 2001:db8:0:3::1 >/dev/null 2>&1 || :
[ "$(seen own4)" -eq 0 ] || fail "leaked around the exit over IPv4"
[ "$(seen own6)" -eq 0 ] || fail "leaked around the exit over IPv6"
on g ip link set to-e up
on g ip addr add 2001:db8:0:2::2/64 dev to-e nodad 2>/dev/null || :
on c timeout 3 sh -c 'while :; do ping -c 1 -W 0.05 192.0.2.9; done' >/dev/null 2>&1 &
pings=$! # all the while, and ping ends at once where there is no route
sleep 0.2
x c up >/dev/null
wait $pings || :
[ "$(seen own4)" -eq 0 ] || fail "leaked while the next keeper started"
within 30 again || fail "after the restart the exit is not in use: $(x c exit; on c ip rule)"
[ "$(seen own4)" -eq 0 ] || fail "leaked at the restart"

# off, and nothing left
x c exit off >/dev/null
within 5 back || fail "exit off: $(x c exit; on c ip rule)"
x c exit | grep -q "No exit is in use" || fail "$(x c exit)"
x c exit use any >/dev/null || fail "x0 exit use any: $(x c exit use any 2>&1)"
within 5 again || fail "the nearest exit is not used: $(x c exit)"
# what a daemon began, the one after it ends where it is offered no longer
sed -i 's/exit: true/exit: false/' "$WORK/e/x0.yaml"
kill -9 "$(x e status --json | json_value pid)"
within 10 x e status || fail "the exit's daemon is not started again"
forwards_nothing() {
	[ "$(on e cat /proc/sys/net/ipv4/ip_forward)" = 0 ] && ! on e nft list tables | grep -q x0nat
}
within 5 forwards_nothing || fail "the exit still forwards: $(left_over e)"
x c down >/dev/null
x e down >/dev/null
forget
reaches || fail "after x0 down the internet is gone"
[ "$(left_over c)" = "$before_c" ] || fail "left behind at c: $(left_over c)"
[ "$(left_over e)" = "$before_e" ] || fail "left behind at e: $(left_over e)"

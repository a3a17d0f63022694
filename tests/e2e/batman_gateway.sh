#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node that is a gateway to batman-adv, and another program in that mesh: a second gateway, of a
# domain of its own, with a host behind it. They and a node of the overlay reach each other by IPv6;
# interface and device go and come; noise on the link harms nothing; what the keeper refuses is told.
# The kernel's own batman-adv is met in tests/qemu.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v ping >/dev/null 2>&1 || skip "the program ping is missing"

prefix='fd12:0:0:7::'
host a # a node of the overlay
host g # the gateway
host k # in the mesh of batman-adv
host h # behind k
cable a g 1
cable g k 2
cable k h 3
configure a 'policy:' '- {allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}' \
	'- {allow: issue, from: "*"}' '- {allow: [api, invite], from: "uid:*"}' \
	"- {allow: prefix, from: \"spiffe://*/node/g\", to: \"$prefix/64\"}" \
	'- {allow: prefix, from: "spiffe://*/node/g", to: "2001:db8:0:3::/64"}'
configure g 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' \
	"routes: {offer: [\"$prefix/64\", \"2001:db8:0:3::/64\"]}" \
	"batman: {interfaces: [to-k, late], addresses: [\"${prefix}1/64\"]}"
configure k "batman: {interfaces: [to-g], addresses: [\"${prefix}2/64\"]}"
sed -i 's/^domain: .*/domain: other.mesh/' "$WORK/k/x0.yaml"
x a init --domain test.mesh --name a >/dev/null
x g join "$(invitation a --name g)" >/dev/null
x k init --domain other.mesh --name k >/dev/null

# batman KEY: of the gateway's part of `x0 status`
batman() {
	x "$1" batman gateway --json | json_value "$2"
}

# mac HOST DEVICE
mac() {
	on "$1" ip -o link show dev "$2" | sed -n 's/.*link\/ether \([^ ]*\).*/\1/p'
}

neighbours() {
	[ "$(batman g neighbours)" = 1 ] && [ "$(batman k neighbours)" = 1 ]
}
within 15 neighbours || fail "they do not hear each other: $(x g status) $(x k batman gateway)"
x g status | grep -q "^batman-adv .*gateway on x0bat: 1 neighbours, 1 originators, 1 clients" ||
	fail "x0 status does not say so: $(x g status)"
x g batman gateway | grep -q "$(mac k to-g).* to-k .*100.0 Mbit/s" ||
	fail "the originator is not listed: $(x g batman gateway)"
x a status | grep -q batman && fail "where it is off there is no line"
on a "$X0" batman gateway --config "$WORK/a/x0.yaml" 2>&1 | grep -q "is no gateway" ||
	fail "x0 batman gateway does not say that it is off"
on g ip link show dev x0bat | grep -q 'mtu 1468' || fail "the MTU: $(on g ip link show dev x0bat)"
within 10 on g ping -6 -c 1 -W 1 "${prefix}2" || fail "g does not reach k: $(x g batman gateway)"
address=$(mac g x0bat)

# over both: a node of the overlay, a host of batman-adv, and one behind that
within 15 x a ping g -c 1 -W 1 || fail "a does not reach g"
within 15 on a ping -6 -c 1 -W 1 "${prefix}2" || fail "a does not reach k: $(x a routes offered)"
overlay=$(x a status --json | json_value address)
on k ip -6 route add "$(echo "$overlay" | cut -d: -f1-3)::/48" via "${prefix}1"
within 5 on k ping -6 -c 1 -W 1 "$overlay" || fail "k does not reach a: $(x g status)"
on k sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
on g ip -6 route add 2001:db8:0:3::/64 via "${prefix}2"
on h ip -6 route add default via 2001:db8:0:3::1
within 10 on a ping -6 -c 1 -W 1 2001:db8:0:3::2 || fail "a does not reach the host behind k"
within 5 on h ping -6 -c 1 -W 1 "$overlay" || fail "the host behind k does not reach a"
[ "$(batman g to_host)" != 0 ] || fail "nothing came by batman-adv: $(x g batman gateway)"
[ "$(batman g from_host)" != 0 ] ||
	fail "nothing went by batman-adv: $(x g batman gateway)"
"$TOOL" pattern 2000000 >"$WORK/sent"
transfer h a 2001:db8:0:3::2 20 || fail "2 MB from the host behind k did not arrive whole"

# the second interface comes later: the others notice nothing of it
x g status | grep -q '^batman-adv .*late: there is none' || fail "that it is missing is not told: $(x g status)"
x g doctor | grep -q '^warning *batman .*late: there is none' || fail "x0 doctor does not tell: $(x g doctor)"
on g ip link add name late type veth peer name early
on g ip link set dev late up
on g ip link set dev early up
found() {
	! x g status | grep -q '^batman-adv .*late' && on g ping -6 -c 1 -W 1 "${prefix}2"
}
within 10 found || fail "a second interface is not found, or the first lost by it: $(x g status)"

# noise of all kinds on the link: nobody falls, nothing grows, and the mesh goes on
on k "$TOOL" noise to-g 30000 || skip "no frames can be sent"
within 20 on a ping -6 -c 1 -W 1 "${prefix}2" || fail "a does not reach k after the noise"
[ "$(batman g malformed)" -gt 10 ] || fail "the noise did not come in: $(x g batman gateway)"
alive a g k

# the interface goes and comes, and the device as well
on g ip link set dev to-k down
lost() {
	x g doctor 2>&1 | grep -q "batman.*to-k: it is down" || x g status | grep -q "batman is off.*to-k"
}
within 5 lost || fail "that the interface is down is not told: $(x g status)"
on g ip link set dev to-k up
within 20 on a ping -6 -c 1 -W 1 "${prefix}2" || fail "a does not reach k after the interface was down"
on g ip link del dev x0bat
again() {
	[ "$(mac g x0bat)" = "$address" ]
}
within 5 again || fail "the device is not made again, or has another address"
on g ip -6 route replace 2001:db8:0:3::/64 via "${prefix}2"
within 20 on a ping -6 -c 1 -W 1 2001:db8:0:3::2 || fail "a does not reach the host behind k by the new device"
alive a g k

# a new daemon has the same address, so that k need not learn it
kill -9 "$(x g status --json | json_value pid)"
restarted() {
	[ "$(counter g restarts)" = 1 ]
}
within 10 restarted || fail "the daemon of g is not started again"
within 5 again || fail "the device has another address after a restart"
within 30 on a ping -6 -c 1 -W 1 "${prefix}2" || fail "a does not reach k after a restart"
x g down >/dev/null
on g ip link show dev x0bat >/dev/null 2>&1 && fail "the device outlives the daemon"

# what cannot be
on g ip link del dev late
sed -i 's/to-k, late/nowhere/' "$WORK/g/x0.yaml"
x g up >/dev/null
x g status | grep -q "^batman is off: interface nowhere: there is none" || fail "no reason: $(x g status)"
on g ip link add name br0 type bridge
on g ip link set dev to-k master br0
sed -i 's/nowhere/to-k/' "$WORK/g/x0.yaml"
x g down >/dev/null
x g up >/dev/null
x g status | grep -q "^batman is off: interface to-k: it is part of another device" || fail "no reason: $(x g status)"
on g ip link set dev to-k nomaster
within 20 on a ping -6 -c 1 -W 1 "${prefix}2" || fail "not reached once the interface is free"
own=$(x g status --json | json_value address)
x g down >/dev/null
sed -i "s|\[\"${prefix}1/64\"\]}|[\"$own/128\"]}|" "$WORK/g/x0.yaml"
x g up >/dev/null
x g status | grep -q "^batman is off: the keeper refuses: .*inside the overlay" || fail "no reason: $(x g status)"

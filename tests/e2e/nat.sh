#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pairs of nodes behind NATs of the usual kinds, made of nftables, beside two public nodes: a direct
# link where theory allows one, relays otherwise, both within 3 s of the daemons' start. Then the
# public nodes go, and two nodes behind NATs find each other again by what they remember.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

SECONDS_MAX=${X0_NAT_SECONDS:-3}
KINDS="full restricted port symmetric"
PORT=26969
WAN=203.0.113

command -v nft >/dev/null 2>&1 || skip "the program nft is missing"
if ! nft add table ip x0_try 2>"$WORK/nft"; then
	skip "no nftables here: $(cat "$WORK/nft")"
fi
nft delete table ip x0_try
ip link add wan type bridge 2>"$WORK/bridge" || skip "no bridge: $(cat "$WORK/bridge")"
ip link set dev wan up

# plug NAME NUMBER: a cable from the host to the internet
plug() {
	pid=
	eval "pid=\$HOST_$1"
	ip link add "wan-$2" type veth peer name eth0 netns "$pid"
	ip link set dev "wan-$2" master wan
	ip link set dev "wan-$2" up
	on "$1" ip addr add "$WAN.$2/24" dev eth0
	on "$1" ip link set dev eth0 up
}

# nat ROUTER KIND EXTERNAL INTERNAL: the port seen outside is another than the one inside, which
# Linux would keep. What nobody behind it asked for is dropped, and leaves no state in the router.
nat() {
	out=$((40000 + $3))
	case $2 in
	symmetric) source="masquerade fully-random" ;;
	*) source="snat to $WAN.$3:$out" ;;
	esac
	case $2 in
	full) in="iifname eth0 udp dport $out dnat to $4:$PORT" ;;
	restricted) in="iifname eth0 udp dport $out ip saddr @asked dnat to $4:$PORT" ;;
	*) in= ;;
	esac
	on "$1" nft -f - <<RULES
table ip x0 {
	set asked { type ipv4_addr; flags dynamic,timeout; timeout 5m; }
	chain source { type nat hook postrouting priority 100;
		oifname eth0 udp sport $PORT $source
		oifname eth0 masquerade
	}
	chain destination { type nat hook prerouting priority -100; $in
	}
	chain input { type filter hook input priority 0; iifname eth0 drop
	}
	chain forward { type filter hook forward priority 0;
		iifname lan meta l4proto udp add @asked { ip daddr }
		iifname eth0 ct state new ct status & dnat == 0 drop
	}
}
RULES
}

# behind NAME KIND NUMBER: a host behind a router of its own
behind() {
	host "r$1"
	host "$1"
	plug "r$1" "$3"
	eval "pid=\$HOST_$1"
	on "r$1" ip link add name lan type veth peer name eth0 netns "$pid"
	on "r$1" ip addr add "10.0.$3.1/24" dev lan
	on "r$1" ip link set dev lan up
	on "$1" ip addr add "10.0.$3.2/24" dev eth0
	on "$1" ip link set dev eth0 up
	on "$1" ip route add default via "10.0.$3.1"
	on "r$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' 2>/dev/null ||
		skip "forwarding cannot be switched on here"
	nat "r$1" "$2" "$3" "10.0.$3.2" 2>"$WORK/nft" || skip "no NAT here: $(cat "$WORK/nft")"
}

# join_as NAME [DISCOVERY]: becomes a member, and does not run yet; c is its only peer
join_as() {
	configure "$1" "discovery: {lan: off}"
	x "$1" join --no-start "$(invitation c --name "$1" --endpoint $WAN.3:$PORT)" >/dev/null 2>&1 ||
		fail "join of $1"
	configure "$1" "discovery: {lan: off, ${2:-links: 4}}" "peers: [{endpoint: '$WAN.3:$PORT'}]"
}

# is_direct A B: there is a link, and it is up
is_direct() {
	x "$1" peers --json | tr -d ' \n' | sed 's/{"node"/\n&/g' | grep "^{\"node\":\"$2\"" |
		grep -i '"is_neighbour":true' | grep -qi '"state":"up"'
}

# in_theory KIND KIND
in_theory() {
	case "$1 $2" in
	"symmetric symmetric" | "symmetric port" | "port symmetric") return 1 ;;
	esac
}

now_ms() {
	date +%s%3N
}

# start A B: both daemons, at the same time
start() {
	x "$1" up >/dev/null 2>&1 &
	first=$!
	x "$2" up >/dev/null 2>&1 || fail "$2 does not start"
	wait $first || fail "$1 does not start"
}

stop() {
	for stopping in "$@"; do
		x "$stopping" down >/dev/null 2>&1 || fail "$stopping does not stop"
	done
}

# try A B: the pair from the start of its daemons; TOOK in ms
try() {
	start "$1" "$2"
	began=$(now_ms)
	within "$SECONDS_MAX" is_direct "$1" "$2" && PATH_IS=direct || PATH_IS=relayed
	TOOK=$(($(now_ms) - began))
	within "$SECONDS_MAX" x "$1" ping "$2" -c 1 -W 1 || fail "$1 does not reach $2 at all"
}

mapping() {
	x "$1" status --json | tr -d ' \n' | sed -n 's/.*"nat":{"ipv4":{"mapping":"\([^"]*\)".*/\1/p'
}

# says_why A B: `x0 peers` tells why there is no link, after it was tried
says_why() {
	x "$1" peers | grep "^No direct link with $2: " | grep -q "tried"
}

# the public ones: c holds the authority, d is there to look at others from elsewhere
host c
plug c 3
host d
plug d 4
configure c "discovery: {lan: off, links: 0, links_max: 64}"
x c init --domain test.mesh --name c >/dev/null 2>&1 || fail "init"
join_as d "links: 0, links_max: 64"
x d up >/dev/null 2>&1 || fail "d does not start"
number=10
for kind in $KINDS; do
	for side in a b; do
		number=$((number + 1))
		behind "$side$kind" "$kind" "$number"
		join_as "$side$kind"
	done
done

printf '%-12s %-12s %-8s %s\n' A B path after
slow=0
seen=
for kind_a in $KINDS; do
	seen="$seen $kind_a"
	for kind_b in $seen; do
		a=a$kind_a
		b=b$kind_b
		in_theory "$kind_a" "$kind_b" && expected=direct || expected=relayed
		try "$a" "$b"
		if [ "$PATH_IS" != "$expected" ]; then # once more, for this machine may have been busy
			slow=$((slow + 1))
			stop "$a" "$b"
			try "$a" "$b"
		fi
		after="$TOOK ms"
		if [ "$PATH_IS" = relayed ]; then
			within 6 says_why "$a" "$b" || fail "not said why: $(x "$a" peers)"
			after=$(x "$a" peers | sed -n "s/^No direct link with $b: //p")
		fi
		printf '%-12s %-12s %-8s %s\n' "$kind_a" "$kind_b" "$PATH_IS" "$after"
		[ "$PATH_IS" = "$expected" ] || fail "$kind_a and $kind_b: $(x "$a" peers; x "$a" status --json)"
		stop "$a" "$b"
	done
done
echo "ok: each pair as in theory, $slow at the second try"

# what two public nodes see tells one kind of NAT from the other, and status says so
start aport bsymmetric
is_mapping() {
	[ "$(mapping "$1")" = "$2" ]
}
within 10 is_mapping aport endpoint-independent || fail "mapping: $(x aport status --json)"
within 10 is_mapping bsymmetric endpoint-dependent || fail "mapping: $(x bsymmetric status --json)"
x aport status | grep -q "the same port for everybody" || fail "status: $(x aport status)"
x bsymmetric status | grep -q "another port for each" || fail "status: $(x bsymmetric status)"
echo "ok: mappings told"

# UDP to c alone: relays, and the reason is told
on rbsymmetric nft add chain ip x0 blocked "{ type filter hook forward priority -10; }"
on rbsymmetric nft add rule ip x0 blocked iifname lan ip daddr != $WAN.3 udp dport != 53 drop
stop bsymmetric
x bsymmetric up >/dev/null 2>&1
within 10 x bsymmetric ping aport -c 1 -W 1 || fail "UDP blocked, and no relay: $(x bsymmetric peers)"
within 10 says_why bsymmetric aport || fail "UDP blocked, not said: $(x bsymmetric peers)"
x bsymmetric peers | grep "No direct link with"
stop aport bsymmetric
echo "ok: UDP blocked but to one node"

# what was learnt outlives all that was configured
start aport bport
within 10 is_direct aport bport || fail "no link before the restart"
x aport ping bport -c 1 -W 2 >/dev/null || fail "no ping before the restart"
stop aport bport d
x c down >/dev/null 2>&1
grep -q '"node/bport"\|node/bport' "$WORK/aport/state/peers.json" || fail "nothing is remembered"
start aport bport
within 15 is_direct aport bport || fail "not found again: $(x aport peers; cat "$WORK/aport/state/peers.json")"
echo "ok: found again without a public node"
alive aport bport

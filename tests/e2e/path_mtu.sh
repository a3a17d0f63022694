#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a path carries is found out: 1,500 bytes, 1,400, 1,280, one that drops long datagrams
# without a word, and jumbo frames. Full packets pass, longer ones are answered with Packet Too Big,
# and TCP never stops.
#
#	a --- r --- b	r is a router of the underlay; the second cable is narrowed
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v ping >/dev/null || skip "the program ping is missing"
command -v python3 >/dev/null || skip "python3 is missing"
FORGER=$(realpath "$(dirname "$0")/../support/packet_too_big.py")
BYTES=2097152
# One datagram a message: a run of them passes the router as one that seems to be long.
PLAIN='offload: {udp_gso: false}'
TIMES='path_mtu: {confirm: 1, raise: 5}'
# shellcheck disable=SC2034 # by eval, in settings
PEER_OF_a='peers: [{endpoint: "[2001:db8:0:2::2]:26969"}]'
# shellcheck disable=SC2034
PEER_OF_b='peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]'

# settings HOST [LINE...]: its configuration
settings() {
	of=$1
	shift
	configure "$of" 'ipv4: {prefix: 10.86.0.0/16}' "$(eval "echo \"\$PEER_OF_$of\"")" "$PLAIN" "$TIMES" "$@"
}

# narrow BYTES: the cable from r to b
narrow() {
	on r ip link set dev to-b mtu "$1"
	on b ip link set dev to-r mtu "$1"
}

path_mtu() { # HOST
	x "$1" peers --json | json_value path_mtu
}

found() { # BYTES: a and b know it, and look for no more; which they do for a path that is used
	full 1344 || :
	[ "$(path_mtu a)" = "$1" ] && [ "$(path_mtu b)" = "$1" ] &&
		[ "$(x a peers --json | json_value is_path_mtu_searched)" = false ] &&
		[ "$(x b peers --json | json_value is_path_mtu_searched)" = false ]
}

# full BYTES: an echo of so long an IPv6 packet, where the kernel knows of no limit
full() {
	on a ping -6 -n -c 1 -W 1 -s $(($1 - 48)) "$ADDRESS_b"
}

passes() {
	within 5 full "$1" || fail "$2: a packet of $1 bytes does not pass: $(full "$1" 2>&1)"
}

transfer() {
	spawn b "$TOOL" serve "$ADDRESS_b" 8080 "$WORK/sent"
	server=$SPAWNED
	sleep 0.2
	on a timeout 30 "$TOOL" fetch "$ADDRESS_b" 8080 >"$WORK/received" || fail "$1: no transfer"
	wait "$server"
	[ "$(sha256sum <"$WORK/sent")" = "$(sha256sum <"$WORK/received")" ] ||
		fail "$1: the file arrived changed"
	spawn a "$TOOL" serve "$ADDRESS_a" 8080 "$WORK/sent"
	server=$SPAWNED
	sleep 0.2
	on b timeout 30 "$TOOL" fetch "$ADDRESS_a" 8080 >"$WORK/received" || fail "$1: none back"
	wait "$server"
	echo "ok: $1"
}

host a
host r
host b
cable a r 1
cable r b 2
on r sysctl -qw net.ipv6.conf.all.forwarding=1 || skip "no forwarding can be switched on here"
on a ip route add 2001:db8:0:2::/64 via 2001:db8:0:1::2
on b ip route add 2001:db8:0:1::/64 via 2001:db8:0:2::1
settings a
settings b
x a init --domain test.mesh --name a >/dev/null
x b join "$(invitation a --name b --endpoint '[2001:db8:0:1::1]:26969')" >/dev/null
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
ADDRESS_a=$(x a status --json | json_value address)
ADDRESS_b=$(x b status --json | json_value address)
IPV4_b=$(x b status --json | json_value ipv4)
"$TOOL" pattern $BYTES >"$WORK/sent"

# 1,450 bytes of ours and 48 around are as much as the default tunnel can use
within 10 found 1498 || fail "1500: path_mtu is $(path_mtu a) and $(path_mtu b)"
passes 1344 "1500"
transfer "a path of 1500"

# somebody says that it is narrower: the kernel does not begin to cut what is longer
on r python3 "$FORGER" 2001:db8:0:1::1 2001:db8:0:2::2 26969 1280 ||
	fail "no Packet Too Big can be forged"
sleep 0.2
on a ip -6 route get 2001:db8:0:2::2 | grep -q "mtu 1280" && fail "the kernel believed who forged it"
passes 1344 "forged"

# it becomes narrow while a file is on its way
"$TOOL" pattern $((200 * 1048576)) >"$WORK/long"
spawn b "$TOOL" serve "$ADDRESS_b" 8080 "$WORK/long"
server=$SPAWNED
sleep 0.2
spawn a timeout 60 "$TOOL" fetch "$ADDRESS_b" 8080 >"$WORK/received"
fetcher=$SPAWNED
sleep 0.3
narrow 1400
[ "$(wc -c <"$WORK/received")" -lt $((200 * 1048576)) ] || echo "note: it was there before"
wait $fetcher || fail "a transfer does not outlive a path that narrows"
wait $server
cmp "$WORK/long" "$WORK/received" || fail "the long file arrived changed"
rm "$WORK/long"
echo "ok: a path that narrows on the way"

within 15 found 1400 || fail "1400: path_mtu is $(path_mtu a) and $(path_mtu b)"
# The first of these is answered with Packet Too Big, here or while the path was still searched;
# the kernel takes it, and from now on fragments what is longer.
full 1344 >/dev/null 2>&1 || :
on a ip -6 route get "$ADDRESS_b" | grep -q "mtu 1280" ||
	fail "the kernel did not take it: $(on a ip -6 route get "$ADDRESS_b")"
[ "$(counter a icmp_told)" -ge 1 ] || fail "icmp_told is 0"
# the same over IPv4
on a ping -4 -n -c 1 -W 1 -M "do" -s $((1344 - 28)) "$IPV4_b" >/dev/null 2>&1 || :
on a ip route get "$IPV4_b" | grep -q "mtu 1280" ||
	fail "the kernel did not take it over IPv4: $(on a ip route get "$IPV4_b")"
passes 1280 "1400"
on a ip -6 route flush cache # a kernel that has not heard of it, or forgot
on b ip -6 route flush cache
lowers_mss() {
	transfer "a path of 1400"
	[ "$(counter a mss_clamped)" -ge 1 ]
}
within 10 lowers_mss || fail "no MSS was lowered"

narrow 1280
within 20 found 1280 || fail "1280: path_mtu is $(path_mtu a) and $(path_mtu b)"
before=$(counter a datagrams_cut)
passes 1280 "1280"
[ "$(counter a datagrams_cut)" -gt "$before" ] || fail "nothing was cut in two"
[ "$(counter b datagrams_joined)" -gt 0 ] || fail "nothing was joined"
transfer "a path of 1280"

narrow 1500
within 30 found 1498 || fail "it is not found to be wide again: $(path_mtu a) and $(path_mtu b)"
on a ip -6 route flush cache
passes 1344 "wide again"
transfer "wide again"

# a black hole: what is longer than 1,400 bytes vanishes, and nobody says so
on r nft "add table inet hole; add chain inet hole f { type filter hook forward priority 0; };
	add rule inet hole f meta length > 1400 drop" || fail "nft cannot drop"
start=$(date +%s)
on a ping -6 -n -i 0.2 -c 75 -s $((1344 - 48)) "$ADDRESS_b" >"$WORK/ping" 2>&1 &
on b ping -6 -n -i 0.2 -c 75 -s $((1344 - 48)) "$ADDRESS_a" >/dev/null 2>&1 &
smaller() {
	[ "$(path_mtu a)" -le 1400 ] && [ "$(path_mtu b)" -le 1400 ]
}
within 12 smaller || fail "the black hole is not noticed: $(path_mtu a) and $(path_mtu b)"
echo "the black hole was noticed after $(($(date +%s) - start)) s"
transfer "through a black hole"
on r nft delete table inet hole
within 70 found 1498 || fail "it is not found to be mended: $(path_mtu a) and $(path_mtu b)"

# jumbo frames, of use to a tunnel that asks for them
for cable in "a to-r" "r to-a" "r to-b" "b to-r"; do
	# shellcheck disable=SC2086
	set -- $cable
	on "$1" ip link set dev "$2" mtu 9000
done
settings a 'tun: {mtu: 8846}'
settings b 'tun: {mtu: 8846}'
x a down >/dev/null
x b down >/dev/null
x a up >/dev/null
x b up >/dev/null
within 15 x a ping b -c 1 -W 1 || fail "jumbo: a does not reach b"
within 15 found 9000 || fail "jumbo: path_mtu is $(path_mtu a) and $(path_mtu b)"
on a ip -6 route flush cache
passes 8846 "9000"
transfer "a path of 9000"

# the same tunnel, where the path carries less than hoped for
narrow 1500
within 60 found 1500 || fail "jumbo tunnel: path_mtu is $(path_mtu a) and $(path_mtu b)"
transfer "a tunnel of 8846 over a path of 1500"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What no honest peer and no sane program sends, on the wire and into the tunnel: dropped, counted,
# shown, and the daemon lives. Then the underlay goes and comes back: carrier, silence, interface.
# (Loops, a lying member and the inside of sealed packets are in tests/sim and the units.)
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

# counted HOST KEYS N COMMAND...: these counters together grow by at least N
total() { # HOST KEYS
	sum=0
	for key in $2; do
		sum=$((sum + $(counter "$1" "$key")))
	done
	echo $sum
}

counted() {
	who=$1 keys=$2 least=$3
	shift 3
	before=$(total "$who" "$keys")
	"$@" || fail "cannot be done: $(echo "$*" | cut -c 1-200)"
	sleep 0.3
	grown=$(($(total "$who" "$keys") - before))
	[ $grown -ge "$least" ] || fail "$keys of $who grew by $grown, not $least: $(echo "$*" | cut -c 1-200)"
	echo "ok: $least in $keys: $(echo "$*" | cut -c 1-90)"
}

# hex_of ADDRESS: its 32 digits
hex_of() {
	python3 -c 'import ipaddress, sys; print(ipaddress.ip_address(sys.argv[1]).packed.hex())' "$1"
}

# What the daemon makes of it: in the kernel the guard would drop most of it before.
two_nodes emulated 'ebpf: {guard: off}'
command -v python3 >/dev/null || skip "python3 is missing"
a=$(hex_of "$ADDRESS_a")
b=$(hex_of "$ADDRESS_b")
WIRE=2001:db8:0:1::1

# on the wire
counted a "malformed" 5 on b "$TOOL" send $WIRE 26969 00 5
counted a "malformed" 5 on b "$TOOL" send $WIRE 26969 6300000000000000000000000000000000000000 5
counted a "malformed" 5 on b "$TOOL" send $WIRE 26969 1000 5
counted a "unknown_index" 5 on b "$TOOL" send $WIRE 26969 \
	"100000000badcafe0000000000000001$(printf '%064d' 0)" 5
counted a "unknown_index" 5 on b "$TOOL" send $WIRE 26969 \
	"120000000badcafe0000000000000001$(printf '%064d' 0)" 5
counted a "udp_too_long" 5 on b "$TOOL" send $WIRE 26969 "$(printf '%018600d' 0)" 5

# into the tunnel: IPv6 is 6, length 2 bytes, next header, hop limit, source, destination
counted a "malformed tun_malformed" 3 on a "$TOOL" inject x0 60000000 3
counted a "malformed tun_malformed" 3 on a "$TOOL" inject x0 "5000000000003b40$a$b" 3
counted a "malformed tun_malformed" 3 on a "$TOOL" inject x0 "6000000007d03b40$a$b" 3
counted a "ttl_expired" 3 on a "$TOOL" inject x0 "6000000000003b00$a$b" 3
counted a "spoofed_tun" 3 on a "$TOOL" inject x0 "6000000000003b40$b$b" 3
counted a "no_route" 3 on a "$TOOL" inject x0 "6000000000003b40$a$a" 3

# fragments go through, and are put together at the other end
reassembled() {
	# shellcheck disable=SC2016 # for awk
	on b awk '$1 == "Ip6ReasmOKs" { print $2 }' /proc/net/snmp6
}
before=$(reassembled)
on a "$TOOL" send "$ADDRESS_b" 9 "$(printf '%04000d' 0)" 3
sleep 0.5
[ $(($(reassembled) - before)) -eq 3 ] || fail "fragments do not arrive"
echo "ok: fragments"

# packets for a session that the other end has lost without a word
emulate a b cut both >/dev/null
x b down >/dev/null 2>&1
x b up >/dev/null 2>&1
before=$(counter b unknown_index)
emulate a b heal both >/dev/null
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b, which has restarted behind a cut"
[ "$(counter b unknown_index)" -gt "$before" ] ||
	echo "note: nothing was sent to the session that was lost"
echo "ok: a session that was lost without a word"

# the underlay
emulate a b down >/dev/null
sleep 1
x a ping b -c 1 -W 1 >/dev/null 2>&1 && fail "a reaches b without a carrier"
emulate a b up >/dev/null
within 15 x a ping b -c 1 -W 1 || fail "not after the carrier came back"
echo "ok: carrier"
on b ip link set dev to-a down
sleep 1
on b ip link set dev to-a up
on b ip addr add 2001:db8:0:1::2/64 dev to-a nodad 2>/dev/null || :
within 15 x a ping b -c 1 -W 1 || fail "not after the interface came back"
echo "ok: interface"
emulate a b cut both >/dev/null
sleep 2
emulate a b heal both >/dev/null
within 15 x a ping b -c 1 -W 1 || fail "not after the cut"
echo "ok: cut"
x a status | grep -q "^dropped" || fail "x0 status does not show what was dropped: $(x a status)"
[ "$(counter a restarts)" = 0 ] || fail "the daemon of a has not survived"
[ "$(counter b restarts)" = 0 ] || fail "the daemon of b has not survived"

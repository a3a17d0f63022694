#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The address of one end changes again and again while packets go both ways: the sessions go on,
# each change loses no more than a few packets, and no nonce is used twice. 20 changes (X0_ROAMINGS);
# with X0_LONG=1, 1,000. They are further apart than the second that a node takes between two moves.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

ROAMINGS=${X0_ROAMINGS:-20}
[ "${X0_LONG:-0}" != 1 ] || ROAMINGS=1000
PPS=500
LOST_MAX=10 # of a change, on average; docs/benchmarks.md has how many it is

two_nodes cable
nonces_start a to-b
load_start towards a b "$ADDRESS_b" $PPS
load_start from b a "$ADDRESS_a" $PPS
sleep 0.5
started=$(counter a handshakes_completed)
on b ip route add 2001:db8:0:1::/64 dev to-a metric 10 # which does not go with an address
old=2
for i in $(seq "$ROAMINGS"); do
	new=$((16 + i))
	# deprecated, so that it is not used while there is another, and ready when it is: a change
	# to an address that is new this moment is harder, and not what is measured (benchmarks.md)
	on b ip addr add "2001:db8:0:1::$(printf %x $new)/64" dev to-a nodad preferred_lft 0
	sleep 0.2
	printf 'addr change 2001:db8:0:1::%x/64 dev to-a preferred_lft forever\naddr del 2001:db8:0:1::%x/64 dev to-a\n' \
		$new $old | on b ip -batch -
	old=$new
	sleep 1
done
load_stop towards from
for name in towards from; do
	echo "$ROAMINGS roamings: $(lost $name) packets lost $name the one that moves," \
		"at most $(word_of longest_gap "$WORK/load-$name") in a row: $(cat "$WORK/load-$name")"
done
nonces_check $((ROAMINGS * PPS * 2))
x a peers --json | tr -d ' \n' | grep -q "\"endpoint\":\"\[2001:db8:0:1::$(printf %x $old)\]" ||
	fail "a does not know where b is: $(x a peers)"
for name in towards from; do
	[ "$(lost $name)" -le $((ROAMINGS * LOST_MAX)) ] || fail "too many packets were lost $name it"
done
[ "$(counter a handshakes_completed)" = "$started" ] || fail "there was a new handshake"
alive a b

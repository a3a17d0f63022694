#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Keys are replaced every second or so under a stream of packets: hardly one is lost, and no nonce
# is used twice. 20 rekeys (X0_REKEYS); with X0_LONG=1, 1,000.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

REKEYS=${X0_REKEYS:-20}
[ "${X0_LONG:-0}" != 1 ] || REKEYS=1000
PPS=500
LOST_MAX=2 # on average

# By its log: where the machine is so slow that a link is lost, keys count from 0 again.
rekeyed() {
	grep -c ' rekeyed ' "$WORK/a/state/x0.log" || : # none yet
}

reached() {
	sleep 0.5
	[ "$(rekeyed)" -ge "$1" ]
}

two_nodes cable 'limits: {rekey_after: 1}' 'log: {level: debug}'
nonces_start a to-b
load_start up b a "$ADDRESS_a" $PPS
first=$(rekeyed)
within $((REKEYS * 3 + 10)) reached $((first + REKEYS)) || fail "only $(($(rekeyed) - first)) rekeys"
rekeys=$(($(rekeyed) - first))
load_stop up
sent=$(word_of sent "$WORK/load-up")
echo "$rekeys rekeys: $(lost up) of $sent packets lost," \
	"at most $(word_of longest_gap "$WORK/load-up") in a row"
nonces_check $((sent * 9 / 10))
[ "$(lost up)" -le $((rekeys * LOST_MAX)) ] || fail "$(lost up) packets were lost in $rekeys rekeys"
alive a b

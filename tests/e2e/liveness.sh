#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What tells of a dead link before silence does: an interface that loses its carrier, and a host that
# answers that nobody listens any more.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

# is_down HOST: its link to the other one
is_down() {
	x "$1" peers --json | tr -d ' \n' | grep -q '"state":"down"'
}

is_up() {
	! is_down "$1"
}

two_nodes cable
[ "$(x a status --json | tr -d ' \n' | sed -n 's/.*"liveness":{"is_on":\([a-z]*\).*/\1/p')" = true ] ||
	fail "no liveness thread: $(x a doctor 2>&1)"

# ---- carrier: b's interface is set down, so a's loses its carrier ----
told_of_a_carrier() {
	[ "$(counter a carriers_lost)" -gt "$before" ]
}

before=$(counter a carriers_lost)
on b ip link set dev to-a down
within 5 is_down a || fail "a does not know that its carrier is lost"
within 5 told_of_a_carrier || fail "a saw silence and no lost carrier: $(x a status --json)"
within 5 is_down b || fail "b does not know that its interface is down"
on b ip link set dev to-a up
on b ip addr add 2001:db8:0:1::2/64 dev to-a nodad 2>/dev/null || :
within 30 is_up a || fail "the link does not come back after its carrier: $(x a peers)"

# at once again: what is known of the link is of no use if it is learned a second later
before=$(counter a carriers_lost)
on b ip link set dev to-a down
within 5 told_of_a_carrier || fail "a was not told when the carrier was lost again"
on b ip link set dev to-a up
on b ip addr add 2001:db8:0:1::2/64 dev to-a nodad 2>/dev/null || :
within 30 is_up a || fail "the link does not come back after its second lost carrier: $(x a peers)"
within 10 x a ping b -c 1 -W 1 || fail "a does not reach b after its carrier is back"

# ---- ICMP: b's daemon ends without a word, and its host says that nobody is there ----
daemon=$(x b status --json | json_value pid)
parent=$(awk '/^PPid/ { print $2 }' "/proc/$daemon/status")
x a ping b -c 3 -i 0.1 >/dev/null || fail "a does not reach b"
before=$(counter a refusals)
kill -KILL "$parent" "$daemon"
within 5 is_down a || fail "a does not know that b is gone"
[ "$(counter a refusals)" -gt "$before" ] || fail "a was told nothing by ICMP: $(x a status --json)"

# ---- and b comes back ----
x b up >/dev/null 2>&1 || fail "b does not start again"
within 30 x a ping b -c 1 -W 1 || fail "a does not reach b that started again"
alive a

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Packet threads: many transfers at once each way, while keys are replaced every second; both threads
# of both nodes carry them, no nonce comes twice, and all arrive as they were. Then between nodes of
# which one has threads, and after the tunnel was deleted.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

BYTES=8388608
FLOWS=12
LEAST=500 # packets that each thread must have carried, of some 100,000

# threads HOST KEY: of each thread, a word each
threads() {
	x "$1" status --json | tr -d ' \n' | sed -n 's/.*"threads":\[\([^]]*\)\].*/\1/p' |
		tr '{' '\n' | sed -n 's/.*"'"$2"'":\([0-9]*\).*/\1/p'
}

# told HOST KEY: the same on one line
told() {
	threads "$1" "$2" | tr '\n' ' '
}

# both_ways WHAT: a file each way
both_ways() {
	transfer b a "$ADDRESS_b" 60 || fail "$1: the file did not arrive at a as it was"
	transfer a b "$ADDRESS_a" 60 || fail "$1: the file did not arrive at b as it was"
}

# all_carry HOST KEY: each of two threads has enough of it
all_carry() {
	n=0
	for count in $(threads "$1" "$2"); do
		[ "$count" -ge $LEAST ] || fail "a thread of $1 has $2 $count only: $(x "$1" status --json)"
		n=$((n + 1))
	done
	[ $n = 2 ] || fail "$1 has $n threads: $(x "$1" doctor 2>&1)"
}

# many WHAT: FLOWS transfers each way at once
many() {
	servers=
	fetchers=
	for flow in $(seq $FLOWS); do
		spawn a "$TOOL" serve "$ADDRESS_a" $((8000 + flow)) "$WORK/sent"
		servers="$servers $SPAWNED"
		spawn b "$TOOL" serve "$ADDRESS_b" $((8000 + flow)) "$WORK/sent"
		servers="$servers $SPAWNED"
	done
	sleep 0.5
	for flow in $(seq $FLOWS); do
		spawn b timeout 90 "$TOOL" fetch "$ADDRESS_a" $((8000 + flow)) >"$WORK/at-b-$flow"
		fetchers="$fetchers $SPAWNED"
		spawn a timeout 90 "$TOOL" fetch "$ADDRESS_b" $((8000 + flow)) >"$WORK/at-a-$flow"
		fetchers="$fetchers $SPAWNED"
	done
	for process in $fetchers $servers; do
		wait "$process" || fail "$1: a transfer failed"
	done
	for flow in $(seq $FLOWS); do
		cmp -s "$WORK/sent" "$WORK/at-a-$flow" || fail "$1: another file arrived at a"
		cmp -s "$WORK/sent" "$WORK/at-b-$flow" || fail "$1: another file arrived at b"
	done
	echo "ok: $1"
}

two_nodes cable 'threads: 2' 'limits: {rekey_after: 1}'
"$TOOL" pattern $BYTES >"$WORK/sent"
nonces_start a to-b
many "two threads at both"
nonces_check 10000
epoch=$(x a peers --json | json_value key_epoch)
[ "$epoch" -ge 1 ] || fail "no rekey meanwhile"
for host in a b; do
	all_carry $host packets_from_tun
	all_carry $host packets_to_tun
	echo "$host: from the tunnel $(told $host packets_from_tun), to it $(told $host packets_to_tun)," \
		"left to the loop $(told $host left_to_loop), dropped $(told $host dropped)"
done
for key in forged malformed spoofed_inner unknown_index; do
	[ "$(counter a $key)" = 0 ] || fail "$key: $(counter a $key)"
done

# a flow that threads carry ends at once where the policy no longer allows it, and goes on where it does
stream() {
	echo $(($(counter b packets_to_tun) - passed))
}
flows() {
	[ "$(stream)" -gt 300 ]
}
load_start denied a b "$ADDRESS_b" 1000
passed=$(counter b packets_to_tun)
within 10 flows || fail "the stream does not arrive"
before=$(threads b left_to_loop | awk '{ n += $1 } END { print n }')
sleep 1
after=$(threads b left_to_loop | awk '{ n += $1 } END { print n }')
[ $((after - before)) -lt 100 ] || fail "the stream goes by the loop: $((after - before)) packets of it"
cp "$WORK/b/x0.yaml" "$WORK/b/allowing.yaml"
cat >>"$WORK/b/x0.yaml" <<END
policy:
  - { allow: [session, ping, relay, issue, invite], from: "*" }
END
x b config reload >/dev/null || fail "the policy is not taken"
sleep 0.2
passed=$(counter b packets_to_tun)
denied=$(counter b flow_denied)
sleep 1
[ "$(stream)" -lt 20 ] || fail "$(stream) packets of what the policy denies went on"
[ "$(counter b flow_denied)" -gt $((denied + 100)) ] || fail "nothing was denied"
cp "$WORK/b/allowing.yaml" "$WORK/b/x0.yaml"
x b config reload >/dev/null || fail "the policy is not taken back"
passed=$(counter b packets_to_tun)
within 10 flows || fail "what is allowed again does not go on"
load_stop denied
echo "ok: the policy denies what threads carry"

configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' 'threads: 1'
x b down >/dev/null 2>&1
x b up >/dev/null 2>&1
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
both_ways "one end without"
[ -z "$(threads b packets_to_tun)" ] || fail "b has threads"
echo "ok: one end without"

on a ip link del dev x0
within 5 on a ip -6 addr show dev x0 || fail "the tunnel did not come back"
within 5 on a ip route get "$ADDRESS_b" from "$ADDRESS_a" || fail "without its address"
both_ways "deleted and made again"
echo "ok: deleted and made again"
alive a b

# a device that was there before and has one queue: the loop does it all, and says so
x b down >/dev/null 2>&1
on b ip tuntap add dev x0 mode tun || fail "no persistent device"
configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' 'threads: 2'
x b up >/dev/null 2>&1
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
x b doctor 2>&1 | grep -q "threads.*off" || fail "doctor does not say that threads are off: $(x b doctor 2>&1)"
both_ways "one queue"
echo "ok: one queue"
alive a b

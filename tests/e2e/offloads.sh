#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A file goes through the tunnel with every offload on, with each switched off, with all off, and
# between nodes that differ in it; it arrives as it was. Then the tunnel is set down and up, and
# deleted, and comes back as it was at the start; and the address below it changes.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

BYTES=8388608
MTU=1344 # the default of tun.mtu
ON='offload: {}'

# offloads HOST LINE: its configuration, and a new daemon with it
offloads() {
	configure "$1" "$2" "$(eval "echo \"\$PEERS_$1\"")"
	x "$1" down >/dev/null 2>&1 || :
	x "$1" up >/dev/null 2>&1
}

# transfers WHAT: a file each way
transfers() {
	within 15 x a ping b -c 1 -W 1 || fail "$1: a does not reach b"
	transfer b a "$ADDRESS_b" 60 || fail "$1: the file did not arrive at a as it was"
	transfer a b "$ADDRESS_a" 60 || fail "$1: the file did not arrive at b as it was"
	echo "ok: $1"
}

# feature HOST NAME: whether it is on
feature() {
	x "$1" status --json | tr -d ' \n' | sed -n 's/.*"name":"'"$2"'","is_on":\([a-z]*\).*/\1/p'
}

# shellcheck disable=SC2034 # by name
PEERS_a='peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]'
# shellcheck disable=SC2034
PEERS_b='peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]'
two_nodes cable
"$TOOL" pattern $BYTES >"$WORK/sent"

transfers "all on"
[ "$(feature a offload.batch)" = true ] || fail "batches are off"
if [ "$(feature a offload.tun)" = true ] && [ "$(feature a offload.udp_gso)" = true ]; then
	reads=$(counter a tun_reads)
	packets=$(counter a packets_from_tun)
	[ "$packets" -gt $((2 * reads)) ] || fail "no super-packets: $packets packets in $reads reads"
	sends=$(counter a udp_messages_out)
	datagrams=$(counter a datagrams_out)
	[ "$datagrams" -gt $((2 * sends)) ] || fail "no segments: $datagrams datagrams in $sends sends"
else
	echo "this kernel lacks some: $(x a doctor)"
fi

for key in tun udp_gso udp_gro batch urgent; do
	without="offload: {$key: false}"
	offloads a "$without"
	offloads b "$without"
	transfers "without $key"
	[ "$(feature a "offload.$key")" = false ] || fail "offload.$key is not off"
	x a doctor 2>&1 | grep -q "offload.$key.*switched off in the configuration" ||
		fail "doctor does not say why offload.$key is off"
done
none='offload: {tun: false, udp_gso: false, udp_gro: false, batch: false, urgent: false}'
offloads a "$none"
offloads b "$none"
transfers "all off"
offloads b "$ON"
transfers "one end without"

# a path that carries no full segment: they go whole, and are fragmented below
on a ip link set dev to-b mtu 1380
on b ip link set dev to-a mtu 1380
offloads a "$ON"
transfers "a path of 1380 bytes"
on a ip link set dev to-b mtu 1500
on b ip link set dev to-a mtu 1500

# one message in a hundred is lost, of one datagram or of a run of them
for without in "" "udp_gso: false, udp_gro: false"; do
	offloads a "offload: {$without}"
	offloads b "offload: {$without}"
	within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
	on b nft "add table inet loss; add chain inet loss in { type filter hook input priority -400; };
		add rule inet loss in udp dport 26969 numgen random mod 100 < 1 drop" ||
		fail "nft cannot drop"
	transfers "1 % loss${without:+, $without}"
	on b nft delete table inet loss
done

# what is read anew of the tunnel waits for the next start, also where the device goes and comes
configure a "$PEERS_a" 'tun: {name: other, mtu: 1280}'
x a config reload | grep -q "tun.mtu" || fail "x0 config reload does not name tun.mtu"

on a ip link set dev x0 down
sleep 0.2
on a ip link set dev x0 up
within 5 on a ip route get "$ADDRESS_b" from "$ADDRESS_a" ||
	fail "the address did not come back: $(on a ip addr show dev x0)"
transfers "down and up again"

on a ip link del dev x0
within 5 on a ip -6 addr show dev x0 || fail "the tunnel did not come back"
within 5 on a ip route get "$ADDRESS_b" from "$ADDRESS_a" || fail "without its address"
on a ip -o link show dev x0 | grep -q "mtu $MTU " || fail "it has another MTU: $(on a ip link show dev x0)"
transfers "deleted and made again"

# the address below changes while a file is on its way
spawn b "$TOOL" serve "$ADDRESS_b" 8080 "$WORK/sent"
server=$SPAWNED
sleep 0.2
spawn a timeout 60 "$TOOL" fetch "$ADDRESS_b" 8080 >"$WORK/received"
fetcher=$SPAWNED
on b ip addr add 2001:db8:0:1::3/64 dev to-a nodad
on b ip addr del 2001:db8:0:1::2/64 dev to-a
wait "$fetcher" || fail "no transfer while the address changed"
wait "$server"
[ "$(sha256sum <"$WORK/sent")" = "$(sha256sum <"$WORK/received")" ] || fail "it arrived changed"
transfers "another address"

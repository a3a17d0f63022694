#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Codepoints and congestion marks as a user's packets carry them, over the tunnel and outside; then
# a slow way out, filled by a transfer, beside which small packets still go.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

BYTES=33554432
for program in nft tc ping; do
	command -v $program >/dev/null 2>&1 || skip "the program $program is missing"
done

# counted HOST NAME: packets that the rule of this name has seen
counted() {
	on "$1" nft list counter inet look "$2" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

counter() {
	x "$1" status --json | json_value "$2"
}

# look HOST: counts what comes in, outside by marks and codepoint, inside by marks
look() {
	on "$1" nft "add table inet look
		add counter inet look outer_ect; add counter inet look outer_ef
		add counter inet look inner_ect; add counter inet look inner_ce
		add chain inet look in { type filter hook input priority 10; }
		add rule inet look in udp dport 26969 ip6 ecn ect0 counter name outer_ect
		add rule inet look in udp dport 26969 ip6 dscp ef counter name outer_ef
		add rule inet look in iifname x0 ip6 ecn ect0 counter name inner_ect
		add rule inet look in iifname x0 ip6 ecn ce counter name inner_ce" 2>"$WORK/nft" ||
		skip "nft cannot count: $(cat "$WORK/nft")"
}

start() {
	configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]' "$1"
	configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' "$1"
	for name in a b; do
		x $name down >/dev/null 2>&1 || :
		x $name up >/dev/null 2>&1
	done
	within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
}

host a
host b
cable a b 1
configure a
configure b
x a init --domain test.mesh --name a >/dev/null
x b join --no-start "$(invitation a --name b --endpoint '[2001:db8:0:1::1]:26969')" >/dev/null
start "qos: {outer_dscp: none}"
ADDRESS_a=$(x a status --json | json_value address)
ADDRESS_b=$(x b status --json | json_value address)
look b

# EF (46) and ECT(0): 0xba. The mark is seen outside, the codepoint is not.
on a ping -6 -q -c 5 -i 0.02 -Q 0xba "$ADDRESS_b" >/dev/null || fail "no answer"
[ "$(counted b outer_ect)" -ge 5 ] || fail "the mark did not go out: $(counted b outer_ect)"
[ "$(counted b inner_ect)" -ge 5 ] || fail "the mark did not come in: $(counted b inner_ect)"
[ "$(counted b outer_ef)" = 0 ] || fail "the codepoint is shown outside"
echo "ok: ECN out and in"

# a router on the way marks congestion
on b nft "add table inet congested
	add chain inet congested in { type filter hook prerouting priority -300; }
	add rule inet congested in udp dport 26969 ip6 ecn ect0 ip6 ecn set ce"
on a ping -6 -q -c 5 -i 0.02 -Q 2 "$ADDRESS_b" >/dev/null || fail "no answer when marked"
[ "$(counted b inner_ce)" -ge 5 ] || fail "congestion was not told: $(counted b inner_ce)"
[ "$(counter b ecn_marked)" -ge 5 ] || fail "x0 did not count it"
[ "$(counter b ecn_dropped)" = 0 ] || fail "x0 dropped marked packets"
on b nft delete table inet congested
echo "ok: congestion on the way is told inside"

start "qos: {outer_dscp: copy}"
on a ping -6 -q -c 5 -i 0.02 -Q 0xb8 "$ADDRESS_b" >/dev/null || fail "no answer"
[ "$(counted b outer_ef)" -ge 5 ] || fail "the codepoint was not copied"
echo "ok: codepoints outside where asked for"

# before other programs of the machine, or the reason why not
start "qos: {scheduling: realtime}"
daemon=$(x a status --json | json_value pid)
case $(x a status --json | tr -d ' \n' | grep -o '"name":"realtime","is_on":[a-z]*') in
*true) [ "$(chrt -p "$daemon" 2>/dev/null | grep -c FIFO)" != 0 ] || echo "unchecked: chrt" ;;
*) x a status --json | grep -q CAP_SYS_NICE || fail "no real-time priority, and no reason" ;;
esac
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b at real-time priority"
echo "ok: real-time priority"
start "qos: {outer_dscp: copy}"

# a way out of 50 Mbit/s whose own queue is longer than what the socket may put there
on a tc qdisc add dev to-b root tbf rate 50mbit burst 128kb limit 8mb 2>"$WORK/tc" ||
	skip "the rest: tc has no token bucket: $(cat "$WORK/tc")"
"$TOOL" pattern $BYTES >"$WORK/sent"
spawn a "$TOOL" serve "$ADDRESS_a" 8080 "$WORK/sent"
server=$SPAWNED
sleep 0.2
spawn b timeout 60 "$TOOL" fetch "$ADDRESS_a" 8080 >"$WORK/received"
fetcher=$SPAWNED
sleep 1
on a ping -6 -q -c 50 -i 0.05 "$ADDRESS_b" >"$WORK/ping" || fail "no answer beside bulk"
wait "$fetcher" || fail "no transfer"
wait "$server"
[ "$(sha256sum <"$WORK/sent")" = "$(sha256sum <"$WORK/received")" ] || fail "it arrived changed"
grep -q " 0% packet loss" "$WORK/ping" || fail "bulk pushed pings out: $(cat "$WORK/ping")"
[ "$(counter a queue_waited)" -gt 0 ] || fail "nothing had to wait: is the way out slow?"
for class in control critical interactive; do
	[ "$(counter a queue_dropped_$class)" = 0 ] || fail "$class was dropped for bulk"
done
echo "ok: pings beside a full way out: $(tail -n 1 "$WORK/ping")," \
	"$(counter a queue_waited) datagrams waited, $(counter a queue_dropped_bulk) of bulk dropped"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A keeper that was killed leaves things on its host: rules that let nothing out but by the exit, a
# name server that does not answer, forwarding, NAT, tables. `x0 down` and `x0 exit off` as root put
# all of it right without a daemon, and say so; who is not root is told how.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v ping >/dev/null 2>&1 || skip "the program ping is missing"

WAS='nameserver 127.0.0.7'

# An /etc of its own, so that this machine's is not touched.
own_etc() { # HOST
	mkdir "$WORK/$1/etc-top"
	cp /etc/passwd /etc/group "$WORK/$1/etc-top/"
	echo "$WAS" >"$WORK/$1/etc-top/resolv.conf"
	for link in ld.so.cache ld.so.conf ld.so.conf.d ssl alternatives; do
		[ ! -e "/etc/$link" ] || cp -a "/etc/$link" "$WORK/$1/etc-top/" 2>/dev/null || :
	done
	on "$1" mount --bind "$WORK/$1/etc-top" /etc || skip "no /etc of its own can be mounted"
}

left_over() { # HOST
	on "$1" ip rule show
	on "$1" ip -6 rule show
	on "$1" nft list ruleset
	on "$1" cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
	on "$1" ls /etc
	on "$1" cat /etc/resolv.conf
}

filters() { # of tc at e's interface, as before Linux 6.6
	command -v tc >/dev/null || return 0
	on e tc filter show dev to-c ingress
	on e tc filter show dev to-c egress
}

kill_keeper() { # HOST
	daemon=$(x "$1" status --json | json_value pid)
	kill -KILL "$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$daemon/status")"
	within 5 sh -c "! kill -0 $daemon 2>/dev/null" || fail "the daemon outlives its keeper"
}

host c
host e
cable c e 1
on c ip addr add 198.51.100.9/24 dev to-e
on e ip addr add 198.51.100.1/24 dev to-c
on e ip addr add 192.0.2.9/32 dev lo # what c reaches by its own way
on c ip route add default via 198.51.100.1
POLICY='policy:
- {allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}
- {allow: issue, from: "*"}
- {allow: prefix, from: "*", to: "*/0"}
- {allow: [api, invite], from: "uid:*"}'
configure e 'ipv4: {prefix: 10.86.0.0/16}' 'routes: {exit: true}' 'names: {resolv_conf: manage}' \
	'ebpf: {attach: clsact}' "$POLICY"
configure c 'ipv4: {prefix: 10.86.0.0/16}' 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]' \
	'routes: {exit_only: true}' 'names: {resolv_conf: manage}' "$POLICY"
for h in c e; do
	own_etc $h
done
before_c=$(left_over c)
before_e=$(left_over e)
x e init --domain test.mesh --name e >/dev/null
x c join "$(invitation e --name c)" >/dev/null
within 15 x c ping e -c 1 -W 1 || fail "c does not reach e"
within 10 x c exit use e || fail "x0 exit use: $(x c exit use e 2>&1)"
named() {
	on "$1" grep -q '^# x0 of' /etc/resolv.conf
}
for h in c e; do
	within 10 named $h || fail "/etc/resolv.conf of $h is not managed"
done

kill_keeper c
named c || fail "nobody could have put it back"
on c ping -c 1 -W 1 192.0.2.9 >/dev/null && fail "exit_only ends with the keeper"

# who is not root learns what to do; the socket is for root and the group, so here it goes first
rm "$WORK/c/run/x0/x0.sock"
if command -v setpriv >/dev/null; then
	chmod 711 "$WORK" "$WORK/c" && chmod 644 "$WORK/c/x0.yaml"
	on c setpriv --reuid 65534 --clear-groups "$X0" down --config "$WORK/c/x0.yaml" >"$WORK/out" 2>&1 || :
	grep -q 'let nothing out.*sudo x0 down' "$WORK/out" || fail "not root: $(cat "$WORK/out")"
	named c || fail "somebody else cleaned up"
fi

# the internet comes back without the daemon
x c exit off >"$WORK/out" || fail "x0 exit off: $(cat "$WORK/out")"
grep -q 'A daemon that was killed had left.*let nothing out' "$WORK/out" || fail "$(cat "$WORK/out")"
on c ping -c 1 -W 1 192.0.2.9 >/dev/null || fail "no way after x0 exit off: $(left_over c)"
[ "$(left_over c)" = "$before_c" ] || fail "left behind at c: $(left_over c)"
x c down | grep -q 'It did not run' || fail "there was nothing left to say"
x c up >/dev/null
x c exit | grep -q "No exit is in use" || fail "the choice was kept: $(x c exit)"

# and so do forwarding, NAT, the guard, the names and filters
has_filters() {
	[ -n "$(filters)" ]
}
within 5 has_filters || echo "SKIPPED: no filters of tc: $(x e status | grep -i ebpf)"
kill_keeper e
on e nft list tables | grep -q x0nat || fail "the NAT table went by itself"
x e down --json >"$WORK/out" || fail "x0 down: $(cat "$WORK/out")"
for what in '"has_left":true' '"forwarding"' '"guard"' '"resolv_conf"'; do
	tr -d ' \n' <"$WORK/out" | grep -q "$what" || fail "no $what: $(cat "$WORK/out")"
done
[ "$(left_over e)" = "$before_e" ] || fail "left behind at e: $(left_over e)"
[ -z "$(filters)" ] || fail "left behind at e: $(filters)"
x e up >/dev/null
within 15 x c ping e -c 1 -W 1 || fail "e is not back"

# the tunnel of one that runs is not another's to clean
sed "s|$WORK/e/run|$WORK/e/run2|" "$WORK/e/x0.yaml" >"$WORK/e/other.yaml"
on e "$X0" down --config "$WORK/e/other.yaml" >"$WORK/out" 2>&1 || fail "$(cat "$WORK/out")"
grep -q 'Nothing was cleaned up: x0 is already running' "$WORK/out" || fail "$(cat "$WORK/out")"
if command -v setpriv >/dev/null; then
	chmod 711 "$WORK/e" && chmod 644 "$WORK/e/other.yaml"
	on e setpriv --reuid 65534 --clear-groups "$X0" down --config "$WORK/e/other.yaml" >"$WORK/out" 2>&1 || :
	grep -q 'killed' "$WORK/out" && fail "what is in use is taken for left over: $(cat "$WORK/out")"
	grep -q 'It did not run' "$WORK/out" || fail "$(cat "$WORK/out")"
fi
x c ping e -c 1 -W 2 >/dev/null || fail "the other's tunnel was cleaned"

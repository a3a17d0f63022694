#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# NAME.x0.internal works in programs that know nothing of x0: getent, ping, Python, dig. A name goes
# with its node; other names still resolve; hostile questions leave the daemon well; and what was
# in /etc/resolv.conf comes back, after a crash too.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"
CLIENT=$(realpath "$3")
python=$(command -v python3) || skip "python3 is missing: it asks the questions"
command -v getent >/dev/null || skip "getent is missing"

# An /etc of its own for each host, so that this machine's is not touched.
own_etc() {
	mkdir "$WORK/$1/etc-top"
	cp /etc/passwd /etc/group "$WORK/$1/etc-top/"
	printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$WORK/$1/etc-top/nsswitch.conf"
	echo '127.0.0.1 localhost' >"$WORK/$1/etc-top/hosts"
	printf 'nameserver 127.0.0.7\noptions timeout:2 attempts:1\n' >"$WORK/$1/etc-top/resolv.conf"
	for link in ld.so.cache ld.so.conf ld.so.conf.d ssl alternatives python3 python3.11; do
		[ ! -e "/etc/$link" ] || cp -a "/etc/$link" "$WORK/$1/etc-top/" 2>/dev/null || :
	done
	on "$1" mount --bind "$WORK/$1/etc-top" /etc || skip "no /etc of its own can be mounted"
}

etc_of() {
	cat "$WORK/$1/etc-top/resolv.conf"
}

host a
host b
host c
cable a b 1
cable a c 2
on a ip addr add 198.51.100.1/24 dev to-b # else getent does not ask for IPv4 addresses
on c ip addr add 198.51.100.3/24 dev to-a
for h in a b c; do
	own_etc $h
	configure $h "names: {resolv_conf: manage}" "ipv4: {prefix: 10.86.0.0/16}"
done
before=$(etc_of a)
echo 'options timeout:2 attempts:1' >"$WORK/c/etc-top/resolv.conf" # this machine's own is meant
spawn c "$python" "$CLIENT" upstream 127.0.0.1
spawn a "$python" "$CLIENT" upstream 127.0.0.7

x a init --domain test.mesh --name a >/dev/null
for h in b c; do
	x $h join --name $h "$(invitation a)" >/dev/null
done
within 10 x b ping c -c 1 -W 1 || fail "b does not reach c over a"
b=$(x a resolve b --json | json_value address)

# as people use them
within 5 on a getent ahostsv6 b.x0.internal || fail "b.x0.internal does not resolve on a"
on a getent ahostsv6 B.X0.Internal. | grep -q "^$b " || fail "case matters, or the address is wrong"
on a "$python" "$CLIENT" resolve b.x0.internal | grep -qx "$b" || fail "Python does not find b"
on b "$python" "$CLIENT" resolve c.x0.internal | grep -q '^fd' || fail "b does not find c, over a"
b4=$(x b status --json | json_value ipv4)
within 5 on a getent ahostsv4 b.x0.internal || fail "b.x0.internal has no IPv4 address on a"
on a getent ahostsv4 b.x0.internal | grep -q "^$b4 " || fail "the IPv4 address is wrong"
on a getent hosts "$b4" | grep -q ' b.x0.internal$' || fail "the IPv4 address of b has no name"
x a resolve "$b4" --json | json_value ipv4 | grep -qx "$b4" || fail "x0 resolve $b4"
on a getent hosts "$b" | grep -q ' b.x0.internal$' || fail "the address of b has no name"
if command -v ping >/dev/null; then
	on a timeout 10 ping -6 -c 2 -W 5 b.x0.internal >/dev/null || fail "ping b.x0.internal"
else
	echo "SKIPPED: ping is not installed; asked with getent and Python only"
fi
on a getent ahosts nobody.x0.internal && fail "a node that is not there resolves"
on a getent ahosts www.b.x0.internal && fail "a label below a node resolves"

# names of others are passed on to the server that was there
on a getent ahostsv4 www.example.org | grep -q '^192.0.2.80 ' || fail "other names do not resolve"
on c getent ahostsv4 www.example.org | grep -q '^192.0.2.80 ' || fail "no nameserver line: $(etc_of c)"
[ "$(x c status --json | json_value is_forwarding)" = true ] || fail "c passes nothing on"

# whom it answers
own=$(x a status --json | json_value address)
[ "$(on a "$python" "$CLIENT" tcp "$own" b.x0.internal)" = "rcode=0 answers=1" ] || fail "TCP"
[ "$(on a "$python" "$CLIENT" udp "$own" www.example.com ::1)" = "silence" ] || fail "answers ::1"
[ "$(on b "$python" "$CLIENT" udp "$own" b.x0.internal)" = "silence" ] || fail "answers a member"
if command -v dig >/dev/null; then
	dig_a() {
		on a dig +time=2 +tries=1 "@$own" "$@"
	}
	[ "$(dig_a +short AAAA b.x0.internal)" = "$b" ] || fail "dig AAAA"
	[ "$(dig_a +short +tcp AAAA b.x0.internal)" = "$b" ] || fail "dig +tcp"
	[ "$(dig_a +short -x "$b")" = b.x0.internal. ] || fail "dig -x"
	dig_a SOA x0.internal | grep -q 'flags: qr aa' || fail "dig SOA"
	dig_a AAAA nobody.x0.internal | grep -q 'status: NXDOMAIN' || fail "dig NXDOMAIN"
	dig_a ANY b.x0.internal | grep -q RFC8482 || fail "dig ANY"
	dig_a +edns=1 +noednsneg AAAA b.x0.internal | grep -q 'status: BADVERS' || fail "dig BADVERS"
	dig_a AXFR x0.internal | grep -q 'Transfer failed' || fail "dig AXFR"
	dig_a +opcode=notify SOA x0.internal | grep -q 'status: NOTIMP' || fail "dig NOTIMP"
else
	echo "SKIPPED: dig (bind9-dnsutils) is not installed; its nine checks were NOT run"
fi

# hostile questions
restarts=$(x a status --json | json_value restarts)
on a "$python" "$CLIENT" hostile "$own"
within 10 on a getent ahostsv6 b.x0.internal || fail "after hostile questions names do not resolve"
within 10 on a "$python" "$CLIENT" tcp "$own" b.x0.internal || fail "idle connections stay"
[ "$(x a status --json | json_value restarts)" = "$restarts" ] || fail "the daemon was restarted"
x a ping b -c 1 -W 2 >/dev/null || fail "the mesh suffered"

# what x0 says of it
x a status | grep -q 'a.x0.internal, by /etc/resolv.conf' || fail "x0 status"
x a doctor | grep -q 'ok *resolver *a.x0.internal resolves' || fail "x0 doctor"
[ "$(x a resolve b | cut -d' ' -f1)" = b.x0.internal ] || fail "x0 resolve"
x a resolve nobody 2>/dev/null && fail "x0 resolve finds nobody"

# another program writes the file, as a DHCP client does
printf 'nameserver 127.0.0.7\n# fresh\n' >"$WORK/a/etc-top/fresh"
mv "$WORK/a/etc-top/fresh" "$WORK/a/etc-top/resolv.conf"
within 20 grep -q '^# x0 of' "$WORK/a/etc-top/resolv.conf" || fail "it is not taken over again"
on a getent ahostsv6 b.x0.internal >/dev/null || fail "names do not resolve with the new file"
before=$(printf 'nameserver 127.0.0.7\n# fresh')

# a node that was removed has no name any more
x a node revoke c >/dev/null
gone() {
	! on "$1" getent ahosts c.x0.internal
}
within 10 gone a ||
	fail "the removed node still resolves on a"
within 10 gone b ||
	fail "the removed node still resolves on b"

# killed with its keeper: other names go on, the next start puts things right
daemon=$(x a status --json | json_value pid)
keeper=$(sed -n 's/^PPid:\t//p' "/proc/$daemon/status")
kill -KILL "$keeper"
within 5 sh -c "! kill -0 $daemon 2>/dev/null" || fail "the daemon outlives its keeper"
etc_of a | grep -q '^# x0 of' || fail "nobody could have restored it"
on a getent ahostsv4 www.example.org | grep -q '^192.0.2.80 ' || fail "a crash breaks other names"
x a up >/dev/null
within 10 on a getent ahostsv6 b.x0.internal || fail "names do not resolve after a crash"
x a down
[ "$(etc_of a)" = "$before" ] || fail "/etc/resolv.conf is not what it was"
[ ! -e "$WORK/a/etc-top/resolv.conf.before-x0" ] || fail "a copy was left behind"

# port 53 is somebody else's: the daemon runs on and says so
configure b "names: {resolv_conf: leave}"
x b down
[ "$(etc_of b | head -n 1)" = "nameserver 127.0.0.7" ] || fail "b has not put its file back"
spawn b "$python" -c 'import socket, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
time.sleep(60)'
within 5 on b grep -q ':0035 ' /proc/net/udp6 || fail "the test has no other server"
x b up >/dev/null
x b status | grep -q 'port 53 (UDP) is taken' || fail "nothing says that port 53 is taken"
kill $SPAWNED
x b down
x b up >/dev/null
x b status | grep -q 'does not ask.*names.resolv_conf: manage' || fail "nothing says what to do"
x b down

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# With a real systemd-resolved: it is told of the zone, sends nothing else to us, and programs resolve
# names of nodes and of others through it. Nothing is asked of this machine's own resolver.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"
CLIENT=$(realpath "$3")
python=$(command -v python3) || skip "python3 is missing: it is the upstream name server"
resolved=/usr/lib/systemd/systemd-resolved
for program in $resolved /usr/bin/resolvectl /usr/bin/dbus-daemon; do
	[ -x "$program" ] || skip "$program is missing (packages systemd-resolved, dbus-daemon)"
done

# This namespace is the host: systemd-resolved serves the network of the first process.
mkdir "$WORK/etc" "$WORK/etc/systemd" "$WORK/run" "$WORK/lib"
for keep in passwd group ld.so.cache ld.so.conf ld.so.conf.d ssl alternatives; do
	[ ! -e "/etc/$keep" ] || cp -a "/etc/$keep" "$WORK/etc/"
done
add_user() {
	grep -q "^$1:" "$WORK/etc/passwd" || echo "$1:x:$2:$2::/:/usr/sbin/nologin" >>"$WORK/etc/passwd"
	grep -q "^$1:" "$WORK/etc/group" || echo "$1:x:$2:" >>"$WORK/etc/group"
}
add_user systemd-resolve 991
add_user messagebus 992
echo 'hosts: files dns' >"$WORK/etc/nsswitch.conf"
echo '127.0.0.1 localhost' >"$WORK/etc/hosts"
echo 0123456789abcdef0123456789abcdef >"$WORK/etc/machine-id"
printf '[Resolve]\nDNS=127.0.0.7\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\n' >"$WORK/etc/systemd/resolved.conf"
ln -s ../run/systemd/resolve/stub-resolv.conf "$WORK/etc/resolv.conf"
for top in /etc /run /var/lib; do
	mount --bind "$WORK/${top##*/}" $top || skip "no $top of its own can be mounted"
done
ip link set lo up
ip link add name to-nobody type veth peer name nobody
ip addr add 198.51.100.1/24 dev to-nobody # else getent does not ask for IPv4 addresses
ip link set to-nobody up
ip link set nobody up
mkdir -p /run/dbus /run/systemd/resolve /run/systemd/netif/links
chown systemd-resolve: /run/systemd/resolve 2>/dev/null || skip "its user is not mapped here: be root"
dbus-daemon --system --fork --nopidfile >/dev/null 2>&1 || skip "dbus-daemon does not start here"
"$python" "$CLIENT" upstream 127.0.0.7 &
$resolved >"$WORK/resolved.log" 2>&1 &
within 5 resolvectl status || skip "systemd-resolved does not run here: $(tail -n 1 "$WORK/resolved.log")"

mkdir "$WORK/a"
configure a
there() {
	verb=$1
	shift
	timeout 30 "$X0" "$verb" --config "$WORK/a/x0.yaml" "$@"
}
there init --domain test.mesh --name a >/dev/null
address=$(there status --json | json_value address)
told() {
	there status | grep -q 'a.x0.internal, by systemd-resolved'
}
within 5 told || fail "systemd-resolved is not told"
getent ahostsv6 a.x0.internal | grep -q "^$address " || fail "a.x0.internal does not resolve"
getent hosts "$address" | grep -q ' a.x0.internal$' || fail "the address has no name"
! getent ahosts nobody.x0.internal || fail "a node that is not there resolves"
getent ahostsv4 www.example.org | grep -q '^192.0.2.80 ' || fail "other names do not resolve"
[ "$(there status --json | json_value refused)" = 0 ] || fail "other names were asked of us"
there doctor | grep -q 'ok *resolver *a.x0.internal resolves on this machine (by systemd-resolved)' ||
	fail "x0 doctor"

# a device that is made again is told of again
ip link delete x0
again() {
	resolvectl dns x0 | grep -q "$address" && resolvectl flush-caches &&
		getent ahostsv6 a.x0.internal | grep -q "^$address "
}
within 10 again || fail "after the device was made again it does not resolve"
there down
[ "$(readlink /etc/resolv.conf)" = ../run/systemd/resolve/stub-resolv.conf ] || fail "the link was touched"
! getent ahostsv6 a.x0.internal | grep -q "^$address " || fail "it resolves without x0"

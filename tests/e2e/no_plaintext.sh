#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A file goes from one node over a relay to another; nothing of it is to be seen on any wire. The
# same eyes must find it when it goes over the wire without the mesh.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

BYTES=8388608

# watch_start HOST INTERFACE...: begins to capture, into $WORK/HOST.capture
watch_start() {
	at=$1
	shift
	rm -f "$WORK/$at.ready"
	spawn "$at" "$TOOL" capture "$@" >"$WORK/$at.capture" 2>"$WORK/$at.ready"
	eval "WATCH_$at=$SPAWNED"
	within 5 grep -q ready "$WORK/$at.ready" || fail "no capture on $at: $(cat "$WORK/$at.ready")"
}

watch_stop() {
	pid=
	eval "pid=\$WATCH_$1"
	kill -TERM "$pid"
	wait "$pid" || fail "the capture on $1 ended badly"
	cat "$WORK/$1.capture"
}

# value HOST KEY: the sum over its interfaces
value() {
	tr ' ' '\n' <"$WORK/$1.capture" | awk -F = -v key="$2" '$1 == key { n += $2 } END { print n + 0 }'
}

host a
host r
host b
cable a r 1
cable r b 2
cable a b 3 # only to join, and for the check that the eyes see
configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]'
configure r
configure b 'peers: [{endpoint: "[2001:db8:0:2::1]:26969"}]'
x a init --domain test.mesh --name a >/dev/null
x r join --no-start "$(invitation a --name r --endpoint '[2001:db8:0:1::1]:26969')" >/dev/null
x b join --no-start "$(invitation a --name b --endpoint '[2001:db8:0:3::1]:26969')" >/dev/null
# join has written the authority's address down as a peer; b is to know the relay alone
configure b 'peers: [{endpoint: "[2001:db8:0:2::1]:26969"}]'
on a ip addr del 2001:db8:0:3::1/64 dev to-b
on b ip addr del 2001:db8:0:3::2/64 dev to-a
x r up >/dev/null
x b up >/dev/null
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
x a routes --json | tr -d ' \n' | grep -q '"node":"b"[^}]*"via":"r"' ||
	fail "a does not reach b over the relay r: $(x a routes)"
address=$(x b status --json | json_value address)
"$TOOL" pattern $BYTES >"$WORK/sent"

watch_start a to-r to-b
watch_start b to-r to-a
watch_start r to-a to-b
transfer b a "$address" 60 || fail "no transfer over the mesh, or it changed"
sleep 0.3
for at in a r b; do
	watch_stop $at
	[ "$(value $at found)" = 0 ] || fail "the text of the file was seen on $at"
	[ "$(value $at bytes)" -gt $BYTES ] || fail "$at saw less than the file: no proof"
	if [ "$(value $at missed)" != 0 ]; then
		grep -q "small buffer" "$WORK/$at.ready" || fail "$at missed frames: no proof"
		skip "$at missed frames, for without root the kernel gives no larger buffer: be root"
	fi
done

on a ip addr add 2001:db8:0:3::1/64 dev to-b nodad
on b ip addr add 2001:db8:0:3::2/64 dev to-a nodad
watch_start a to-b
transfer b a 2001:db8:0:3::2 60 || fail "no transfer over the bare wire"
sleep 0.3
watch_stop a
[ "$(value a found)" -gt 0 ] || fail "the text was not seen on a bare wire: the eyes are blind"

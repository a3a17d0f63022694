#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo transfers a file of recognisable text, while every end of every cable between its
# nodes is watched: nothing of the text is to be seen. Then the same eyes must find it when it goes
# over one of these cables without the mesh.
# Arguments: the program x0, the helper e2e_tool.
set -u

X0=$1
TOOL=$2
MIB=64
BYTES=$((MIB << 20))
ENDS=14 # two rows of three nodes: seven cables
work=$(mktemp -d)
chmod 755 "$work" # the daemons are of another user where root runs this
demo=
trap 'end_demo; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

end_demo() {
	[ -z "$demo" ] || kill -INT "$demo" 2>/dev/null
}

fail() {
	echo "FAILED: demo_plaintext: $*"
	tail -n 40 "$work/err"
	cat "$work"/watch* 2>/dev/null
	exit 1
}

# until_says WHAT SECONDS FILE
until_says() {
	tries=0
	until grep -qs "$1" "$3"; do
		tries=$((tries + 1))
		[ $tries -lt $(($2 * 50)) ] || fail "no \"$1\" after $2 s"
		kill -0 "$demo" 2>/dev/null || fail "the demo has ended before \"$1\""
		sleep 0.02
	done
}

# watch NAME, unwatch NAME: what was seen lands in $work/watch-NAME
watch() {
	"$TOOL" capture-below "$demo" >"$work/watch-$1" 2>"$work/ready-$1" &
	watcher=$!
	until_says ready 5 "$work/ready-$1"
}

unwatch() {
	kill -TERM "$watcher"
	wait "$watcher" || fail "the capture $1 ended badly: $(cat "$work/ready-$1")"
	[ "$(wc -l <"$work/watch-$1")" -eq $ENDS ] || fail "not $ENDS ends of cables were watched"
}

# sum NAME KEY: over all interfaces
sum() {
	tr ' ' '\n' <"$work/watch-$1" | awk -F = -v key="$2" '$1 == key { n += $2 } END { print n + 0 }'
}

if ! (: <>/dev/net/tun) 2>/dev/null; then
	echo "SKIPPED: demo_plaintext was NOT run: /dev/net/tun cannot be opened: be root, or chmod 0666"
	exit 77
fi
"$TOOL" pattern $BYTES >"$work/sent"
: >"$work/err"
"$X0" demo --json --scenario transfer --file "$work/sent" >"$work/out" 2>"$work/err" &
demo=$!
tries=0
until grep -q "daemons up" "$work/err"; do
	if grep -q "this machine refuses" "$work/err"; then
		cat "$work/err"
		echo "SKIPPED: demo_plaintext was NOT run: no namespaces here"
		exit 77
	fi
	kill -0 $demo 2>/dev/null || fail "the demo has ended"
	tries=$((tries + 1))
	[ $tries -lt 1500 ] || fail "no daemons after 30 s"
	sleep 0.02
done

watch demo
! grep -q "SHA-256" "$work/err" || fail "the capture came too late"
until_says '^  "ok": ' 60 "$work/out"
unwatch demo
sed -n 's/.*] \(.*SHA-256.*\)/\1/p' "$work/err"
echo "seen at $ENDS ends: $(sum demo frames) frames, $(sum demo bytes) bytes"
grep -q '^  "ok": true$' "$work/out" || fail "the demo did not succeed"
grep -q "^    \"bytes\": $BYTES,\$" "$work/out" || fail "it transferred another file"
[ "$(sum demo found)" = 0 ] || fail "text of the file was seen on a wire"
if [ "$(sum demo missed)" != 0 ]; then
	grep -q "small buffer" "$work/ready-demo" || fail "frames were missed: no proof"
	echo "SKIPPED: demo_plaintext proves nothing: $(sum demo missed) frames were missed, for without" \
		"root the kernel gives no larger buffer: be root"
	exit 77
fi
# from corner to corner it is three cables, both ends of each, by whichever ways they went
[ "$(sum demo bytes)" -ge $((6 * BYTES)) ] || fail "the file did not pass the eyes: no proof"

# the control: from n2 to n1 without the mesh
head -c 1048576 "$work/sent" >"$work/short"
watch bare
# with_cables SORTED-LIST: the process whose node has just these
with_cables() {
	cut -d : -f 1 "$work/ready-bare" | sort -u | while read -r pid; do
		[ "$(sed -n "s/^$pid://p" "$work/ready-bare" | sort | tr '\n' ' ')" = "$1 " ] && echo "$pid"
	done
}
near=$(with_cables "to-n2 to-n4")
far=$(with_cables "to-n1 to-n3 to-n5")
"$TOOL" inside "$far" serve 2001:db8:0:1::2 8081 "$work/short" &
server=$!
sleep 0.3
timeout 20 "$TOOL" inside "$near" fetch 2001:db8:0:1::2 8081 >"$work/received" ||
	fail "no transfer over the bare cable"
wait $server
sleep 0.2
unwatch bare
cmp "$work/short" "$work/received" || fail "the control's file arrived changed"
[ "$(sum bare found)" -gt 0 ] || fail "the text was not seen on a bare wire: the eyes are blind"
echo "the control: the text was seen in $(sum bare found) frames of a bare cable"
kill -INT $demo
wait $demo
demo=

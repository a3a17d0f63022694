#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each wrong step ends with an error that says what is wrong and names the next command; mistakes
# in the configuration with file, line and what is allowed.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

# refused STATUS WHAT NEXT COMMAND...: it exits with STATUS, and what it says holds both texts.
refused() {
	status=$1
	what=$2
	next=$3
	shift 3
	seen=0
	"$@" >"$WORK/said" 2>&1 || seen=$?
	[ $seen -eq "$status" ] || fail "exit status $seen, not $status, of: $*: $(cat "$WORK/said")"
	tr '\n' ' ' <"$WORK/said" | grep -q -e "$what" ||
		fail "it does not say \"$what\": $*: $(cat "$WORK/said")"
	grep -q -e "$next" "$WORK/said" || fail "it does not name \"$next\": $*: $(cat "$WORK/said")"
	steps=$((${steps:-0} + 1))
}

# valid_token NAME: a fresh one for it
valid_token() {
	invitation a --name "$1" --endpoint '[2001:db8:0:1::1]:26969'
}

host a
host b
cable a b 1
configure a
configure b

# no daemon
for verb in status peers routes invite; do
	refused 3 "the daemon is not running" "x0 up" x a $verb
done
refused 3 "the daemon is not running" "x0 up" x a ping b
refused 1 "not a member of a mesh yet" "x0 init .*--domain" x a up

# init again; a domain that is none
x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
refused 1 "already a member" "x0 leave" x a init --domain test.mesh
refused 2 "no trust domain" "such as example.mesh" x b init --domain 'Not A Domain'

# bad tokens
token=$(valid_token b)
refused 2 "no invitation" "x0 invite" x b join nonsense
refused 2 "no invitation" "x0 invite" x b join "${token%%&k=*}"
refused 1 "does not accept this token" "x0 invite" x b join --name b "${token%?????}AAAAA"

# what the command line alone knows
refused 2 "a duration, such as" "x0 help invite" x a invite --expires 5
refused 2 "from 60 seconds" "--expires 1h" x a invite --expires 5s
refused 1 "member already" "x0 invite --config .*x0.yaml --name" x a invite --name a
refused 2 "never asked about" "tcp:PORT" x a policy explain a connect 22

# a name taken; then the same token used, and used up
open=$(invitation a --endpoint '[2001:db8:0:1::1]:26969')
refused 1 "has this name" "x0 join .*--name" x b join --name a "$open"
x b join --no-start --name b "$open" >/dev/null 2>&1 || fail "join"
refused 1 "member" "x0 leave\|x0 up" x b join --no-start --name b "$open"
rm -rf "$WORK/b/state"
refused 1 "used up" "x0 invite" x b join --no-start --name c "$open"

# an endpoint that does not answer; a name on a host without a resolver
far=$(valid_token c | sed 's/e=[^&]*/e=[2001:db8:0:1::77]:26969/')
refused 1 "no answer: it is not reachable" "x0 invite" x b join --no-start "$far"
refused 1 "looked up now" "resolv.conf" \
	x b join --no-start "$(valid_token c | sed 's/e=[^&]*/e=nowhere.invalid:26969/')"

# a clock far ahead, as what b has once seen says
x a status >/dev/null
rm -rf "$WORK/b/state"
mkdir -m 700 "$WORK/b/state"
echo 2524608000 >"$WORK/b/state/clock-floor" # 2050
refused 1 "expired by this machine's clock" "timedatectl set-ntp true" \
	x b join --no-start --name c "$(valid_token c)"
rm -rf "$WORK/b/state"

# no tunnel
x b join --no-start --name d "$(valid_token d)" >/dev/null 2>&1 || fail "join as d"
on b mount -t tmpfs none /dev/net
on b timeout 30 "$X0" up --config "$WORK/b/x0.yaml" >"$WORK/said" 2>&1 || :
grep -q "modprobe tun" "$WORK/said" ||
	fail "without /dev/net/tun: $(cat "$WORK/said")"
x b down >/dev/null 2>&1 || :
on b umount /dev/net

# a second daemon on the same directory
x b up >/dev/null 2>&1 || fail "up"
sed "s|^run_dir:.*|run_dir: $WORK/b/run/other|" "$WORK/b/x0.yaml" >"$WORK/b/other.yaml"
echo 'listen: ["[::]:26970"]' >>"$WORK/b/other.yaml"
refused 1 "already running on .*as process" "x0 doctor" on b timeout 30 "$X0" up --config "$WORK/b/other.yaml"
x b status >/dev/null || fail "the first daemon suffered from the second"
x b down >/dev/null

# the configuration
cp "$WORK/b/x0.yaml" "$WORK/b/good.yaml"
lines=$(wc -l <"$WORK/b/x0.yaml")
# try_config LINE TEXT: the error stands at the right line
try_config() {
	cp "$WORK/b/good.yaml" "$WORK/b/x0.yaml"
	echo "$1" >>"$WORK/b/x0.yaml"
	refused 1 "x0.yaml:$((lines + 1)): error: $2" "$3" x b config check
	refused 1 "x0.yaml:$((lines + 1)): error: $2" "$3" x b up
}
try_config 'bogus: 1' "unknown key bogus" "x0 config help"
try_config 'listen: 7' "listen" "allowed"
try_config 'tun: {mtu: 9000}' "tun.mtu: 9000 is out of range" "allowed: 1280 to 8846"
try_config 'limits: {peers: many}' "limits.peers" "allowed"
cp "$WORK/b/good.yaml" "$WORK/b/x0.yaml"

# a typo while the daemon runs: all else is refused, but it can be looked at and stopped
cp "$WORK/a/x0.yaml" "$WORK/a/good.yaml"
x a status >/dev/null || fail "a does not run"
echo 'bogus: 1' >>"$WORK/a/x0.yaml"
x a status >"$WORK/said" 2>&1 || fail "a typo blocks x0 status: $(cat "$WORK/said")"
grep -q "has mistakes.*x0 config --config" "$WORK/said" || fail "no warning: $(cat "$WORK/said")"
x a down >/dev/null 2>&1 || fail "a typo blocks x0 down"
refused 1 "unknown key bogus" "x0 config help" x a up
cp "$WORK/a/good.yaml" "$WORK/a/x0.yaml"
x a up >/dev/null 2>&1 || fail "up after the typo"

# a server that can take no connection says so once, and ends
spawn a "$X0" tls serve --config "$WORK/a/x0.yaml" --anyone --listen '[::1]:4433' >"$WORK/said" 2>&1
within 10 grep -q "listening" "$WORK/said" || fail "x0 tls serve: $(cat "$WORK/said")"
prlimit --pid "$SPAWNED" --nofile=3:3
on a timeout 10 "$TOOL" fetch ::1 4433 >/dev/null 2>&1 &
within 10 grep -q "no connection can be taken" "$WORK/said" || fail "x0 tls serve: $(cat "$WORK/said")"
sleep 0.2
kill "$SPAWNED" 2>/dev/null || :
[ "$(grep -c "no connection can be taken" "$WORK/said")" -eq 1 ] || fail "x0 tls serve does not end"

# no permission
if setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
	as_stranger() {
		on a setpriv --reuid 65533 --regid 65533 --clear-groups "$X0" "$@"
	}
	refused 4 "not allowed" "run as root" as_stranger status --config "$WORK/a/x0.yaml"
	refused 4 "Permission denied" "sudo x0 init" \
		as_stranger init --domain x.mesh --config "$WORK/a/other.yaml"
else
	echo "without root: the two steps of a user without permission were NOT tried"
fi
echo "$steps wrong steps, each told what to do next"

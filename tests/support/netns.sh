# SPDX-License-Identifier: Apache-2.0
# netns.sh - hosts of an end-to-end test: a network and a mount namespace each, on this machine.
# Sourced with the test's arguments, the program x0 and the helper e2e_tool, in $1 and $2. The
# test is started again inside namespaces of its own, with which all that it made goes away.
# shellcheck shell=sh disable=SC2034

X0=$(realpath "$1")
TOOL=$(realpath "$2")
TEST=$(basename "$0" .sh)

skip() {
	echo "SKIPPED: $TEST was NOT run: $*"
	exit 77
}

fail() {
	echo "FAILED: $TEST: $*"
	for log in "$WORK"/*/state/x0.log; do
		[ -f "$log" ] && echo "--- $log" && tail -n 15 "$log"
	done
	exit 1
}

if [ -z "${X0_E2E_INSIDE:-}" ]; then
	for program in ip unshare nsenter; do
		command -v $program >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
		command -v $program >/dev/null 2>&1 || skip "the program $program is missing"
	done
	# opened, for its mode alone does not tell
	(: <>/dev/net/tun) 2>/dev/null || skip "/dev/net/tun cannot be opened: be root, or chmod 0666"
	user=
	[ "$(id -u)" = 0 ] || user=--map-root-user
	unshare $user --net --mount --pid --fork true 2>/dev/null ||
		skip "namespaces are refused: be root, or allow user namespaces (x0 doctor)"
	X0_E2E_WORK=$(mktemp -d "${TMPDIR:-/tmp}/x0-e2e-XXXXXX")
	chmod 755 "$X0_E2E_WORK"
	trap 'rm -rf "$X0_E2E_WORK"' EXIT
	trap 'exit 1' INT TERM
	export X0_E2E_WORK X0_E2E_INSIDE=1 PATH
	# all processes inside end with the first of them
	unshare $user --net --mount --pid --fork --kill-child sh "$0" "$@"
	exit $?
fi

set -eu
WORK=$X0_E2E_WORK
mount --make-rprivate / 2>/dev/null || :
mount -t proc proc /proc 2>/dev/null || skip "no /proc of its own can be mounted in this container"

# host NAME: makes one. Its /var/lib, /run and /etc/x0 (where there is one) are its own.
host() {
	mkdir -p "$WORK/$1/lib" "$WORK/$1/run" "$WORK/$1/etc"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --net --mount sh -c '
		mount --bind "$1/lib" /var/lib && mount --bind "$1/run" /run &&
		{ [ ! -d /etc/x0 ] || mount --bind "$1/etc" /etc/x0; } &&
		ip link set dev lo up && : >"$1/ready" && exec sleep 1000' sh "$WORK/$1" &
	eval "HOST_$1=$!"
	tries=0
	until [ -f "$WORK/$1/ready" ]; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "the host $1 is not there after 4 s"
		sleep 0.02
	done
}

# on NAME COMMAND...: runs a command there.
on() {
	where=$1
	shift
	pid=
	eval "pid=\$HOST_$where"
	nsenter --target "$pid" --net --mount "$@"
}

# spawn NAME COMMAND...: the same in the background; its process, which signals reach, in SPAWNED.
spawn() {
	where=$1
	shift
	eval "pid=\$HOST_$where"
	nsenter --target "$pid" --net --mount "$@" &
	SPAWNED=$!
}

# cable A B NUMBER: a veth pair, A has 2001:db8:0:NUMBER::1 on to-B, B has ::2 on to-A.
cable() {
	eval "pid=\$HOST_$2"
	on "$1" ip link add name "to-$2" type veth peer name "to-$1" netns "$pid"
	on "$1" ip addr add "2001:db8:0:$3::1/64" dev "to-$2" nodad
	on "$2" ip addr add "2001:db8:0:$3::2/64" dev "to-$1" nodad
	on "$1" ip link set dev "to-$2" up
	on "$2" ip link set dev "to-$1" up
}

# x NAME VERB...: x0 there.
x() {
	host_name=$1
	verb=$2
	shift 2
	on "$host_name" timeout 30 "$X0" "$verb" --config "$WORK/$host_name/x0.yaml" "$@"
}

# configure NAME [LINE...]: its configuration; more lines as given.
configure() {
	name=$1
	shift
	{
		echo "domain: test.mesh"
		echo "name: $name"
		echo "state_dir: $WORK/$name/state"
		echo "run_dir: $WORK/$name/run/x0"
		for line in "$@"; do
			echo "$line"
		done
	} >"$WORK/$name/x0.yaml"
}

# json_value KEY: of the first such key in JSON on stdin; plain values only.
json_value() {
	sed -n 's/.*"'"$1"'": *\("\([^"]*\)"\|\([^",}]*\)\).*/\2\3/p' | head -n 1
}

# invitation NAME-OF-AUTHORITY [OPTIONS]: prints one.
invitation() {
	authority=$1
	shift
	x "$authority" invite --json "$@" | json_value invitation
}

# within SECONDS COMMAND...: tries until it succeeds.
within() {
	end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 0.05
	done
}

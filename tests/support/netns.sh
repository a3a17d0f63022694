# SPDX-License-Identifier: Apache-2.0
# netns.sh - hosts of an end-to-end test: a network and a mount namespace each, on this machine.
# Sourced with the test's arguments, the program x0 and the helper e2e_tool, in $1 and $2, and for
# emulated links the program linkem in $3. README.md says how to write such a test. The test is
# started again inside namespaces of its own, with which all that it made goes away.
# shellcheck shell=sh disable=SC2034

X0=$(realpath "$1")
TOOL=$(realpath "$2")
LINKEM=${3:+$(realpath "$3")}
TEST=$(basename "$0" .sh)

skip() {
	echo "SKIPPED: $TEST was NOT run: $*"
	exit 77
}

# elapsed_ms: a clock to judge by, of the time that this machine really had. While the host of a virtual
# one gives half of its processors to others (steal, proc(5); the mean of all) it goes half as fast.
HZ=$(getconf CLK_TCK)
elapsed_ms() {
	awk -v hz="$HZ" '
		FILENAME == "/proc/uptime" { up = $1 }
		$1 == "cpu" { stolen = $9 }
		/^cpu[0-9]/ { n++ }
		END { printf "%.0f\n", 1000 * (up - stolen / hz / (n ? n : 1)) }' /proc/uptime /proc/stat
}

uptime_ms() {
	awk '{ printf "%.0f\n", 1000 * $1 }' /proc/uptime
}

# stolen_percent: of this machine's processors, since the test began
stolen_percent() {
	took=$(($(uptime_ms) - BEGAN_MS + 1000))
	echo $((100 - ($(elapsed_ms) - BEGAN_ELAPSED_MS + 1000) * 100 / took))
}

fail() {
	echo "FAILED: $TEST: $*"
	stolen=$(stolen_percent)
	[ "$stolen" -lt 5 ] || echo "(meanwhile the host of this machine kept $stolen % of its processors)"
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
BEGAN_MS=$(uptime_ms)
BEGAN_ELAPSED_MS=$(elapsed_ms)

# host NAME: makes one. Its /var/lib, /run and /etc/x0 (where there is one) are its own.
host() {
	mkdir -p "$WORK/$1/lib" "$WORK/$1/run" "$WORK/$1/etc"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --net --mount sh -c '
		mount --bind "$1/lib" /var/lib && mount --bind "$1/run" /run &&
		{ [ ! -d /etc/x0 ] || mount --bind "$1/etc" /etc/x0; } &&
		ip link set dev lo up && : >"$1/ready" && exec sleep 100000' sh "$WORK/$1" &
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

# configure NAME [LINE...]: its configuration; more lines as given. Nodes do not find each other by
# themselves, nor make links beside those set, but where a line of `discovery` says so: most tests
# are about the way that they set.
# With X0_THREADS=N every daemon of the test has N packet threads, but where a line says how many.
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
		case "$*" in
		*discovery:*) ;;
		*) echo "discovery: {lan: off, links: 0, links_max: 0}" ;;
		esac
		case "${X0_THREADS:-} $*" in
		" "* | *threads:*) ;;
		*) echo "threads: $X0_THREADS" ;;
		esac
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

# within SECONDS COMMAND...: tries until it succeeds; the seconds are those of elapsed_ms.
within() {
	end=$(($(elapsed_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(elapsed_ms)" -lt $end ] || return 1
		sleep 0.05
	done
}

# ---- emulated links: needs the program linkem in $3 ----

# emulated A B NUMBER [gso]: like cable, but by linkem, which emulate changes. X0_SEED (1) decides.
emulated() {
	socket=$WORK/link-$1-$2.sock
	pid_a=
	pid_b=
	eval "pid_a=\$HOST_$1 pid_b=\$HOST_$2"
	"$LINKEM" run "$socket" "${X0_SEED:-1}" ${4:+"$4"} "$pid_a:to-$2" "$pid_b:to-$1" \
		>"$socket.out" 2>&1 &
	within 5 grep -q ready "$socket.out" || skip "no emulated link: $(cat "$socket.out")"
	on "$1" ip addr add "2001:db8:0:$3::1/64" dev "to-$2" nodad
	on "$2" ip addr add "2001:db8:0:$3::2/64" dev "to-$1" nodad
	on "$1" ip link set dev "to-$2" up
	on "$2" ip link set dev "to-$1" up
}

# emulate A B WORDS...: a command for the link between them; "ab" is from A to B.
emulate() {
	socket=$WORK/link-$1-$2.sock
	shift 2
	timeout 5 "$LINKEM" ctl "$socket" "$@" || fail "linkem refuses: $*"
}

# may_judge A B TIME: goes on only where the link was late by less than a tenth of that time.
may_judge() {
	timeout 5 "$LINKEM" ctl "$WORK/link-$1-$2.sock" judge "$3" >"$WORK/judged" ||
		skip "times cannot be judged on this machine now: $(cat "$WORK/judged")"
}

# ---- a mesh ----

# two_nodes CABLE [LINE...]: hosts a and b, joined by `cable` or `emulated`, found a mesh and reach
# each other; each has the other's address as a peer. ADDRESS_a, ADDRESS_b: inside the mesh.
two_nodes() {
	how=$1
	shift
	host a
	host b
	"$how" a b 1
	configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]' "$@"
	configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' "$@"
	x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
	x b join "$(invitation a --name b)" >/dev/null 2>&1 || fail "join"
	# join has written the authority's address down as a second peer
	configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]' "$@"
	within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
	ADDRESS_a=$(x a status --json | json_value address)
	ADDRESS_b=$(x b status --json | json_value address)
}

# counter HOST KEY: of its `x0 status --json`
counter() {
	x "$1" status --json | json_value "$2"
}

# alive HOST...: their daemons answer, and are those of the start
alive() {
	for where_alive in "$@"; do
		[ "$(counter "$where_alive" restarts)" = 0 ] ||
			fail "the daemon of $where_alive has not survived: $(tail -n 3 "$WORK/$where_alive/state/x0.log")"
	done
}

# transfer FROM TO ADDRESS SECONDS: $WORK/sent goes from a server at ADDRESS on FROM to TO; its
# SHA-256 must come out the same.
transfer() {
	spawn "$1" "$TOOL" serve "$3" 8080 "$WORK/sent"
	server=$SPAWNED
	sleep 0.2
	on "$2" timeout "$4" "$TOOL" fetch "$3" 8080 >"$WORK/received" || return 1
	wait "$server"
	[ "$(sha256sum <"$WORK/sent")" = "$(sha256sum <"$WORK/received")" ]
}

# load_start NAME FROM TO ADDRESS PPS [DSCP]: a numbered stream; load_stop NAME... writes what became of
# each into $WORK/load-NAME, as KEY=VALUE words: sent, received, next, late, gaps, longest_gap.
load_start() {
	load=$1
	spawn "$3" "$TOOL" sink "$4" 9000 >"$WORK/sink-$load" 2>"$WORK/sink.err"
	eval "SINK_$load=$SPAWNED"
	within 5 grep -q ready "$WORK/sink.err" || fail "no sink: $(cat "$WORK/sink.err")"
	spawn "$2" "$TOOL" stream "$4" 9000 "$5" 1000000000 "${6:-0}" >"$WORK/stream-$load"
	eval "STREAM_$load=$SPAWNED"
}

load_stop() {
	for load in "$@"; do
		eval "kill -TERM \$STREAM_$load; wait \$STREAM_$load" || fail "a stream ended badly"
	done
	sleep 1 # for what is on its way
	for load in "$@"; do
		eval "kill -TERM \$SINK_$load; wait \$SINK_$load" || fail "a sink ended badly"
		{
			tr '\n' ' ' <"$WORK/stream-$load"
			cat "$WORK/sink-$load"
		} >"$WORK/load-$load"
	done
}

# lost NAME: packets of a load that has been stopped
lost() {
	echo $(($(word_of sent "$WORK/load-$1") - $(word_of received "$WORK/load-$1")))
}

# nonces_start HOST INTERFACE...: looks at every sealed datagram there, until nonces_check, which
# fails where a key was used twice with one nonce, and prints what was seen.
nonces_start() {
	where_nonces=$1
	shift
	spawn "$where_nonces" "$TOOL" nonces "$@" >"$WORK/nonces" 2>"$WORK/nonces.err"
	NONCES=$SPAWNED
	within 5 grep -q ready "$WORK/nonces.err" || fail "no capture: $(cat "$WORK/nonces.err")"
}

nonces_check() { # LEAST: so many must have been seen, or nothing is proved
	kill -TERM "$NONCES"
	wait "$NONCES" || fail "the capture ended badly"
	cat "$WORK/nonces"
	[ "$(word_of nonces "$WORK/nonces")" -ge "$1" ] || fail "fewer than $1 nonces were seen: no proof"
	[ "$(word_of full "$WORK/nonces")" = 0 ] || fail "more nonces than could be remembered: no proof"
	[ "$(word_of reused "$WORK/nonces")" = 0 ] || fail "a nonce was used twice"
}

# word_of KEY FILE: the value in KEY=VALUE words
word_of() {
	tr ' ' '\n' <"$2" | sed -n "s/^$1=//p" | head -n 1
}

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs in the kernel, as a user meets them: what is attached and what it counts; junk at the
# port while somebody joins the mesh; denials in the kernel; that nothing stays attached, neither
# after the end nor after SIGKILL; and what is said where the kernel does not allow any of it.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

FLOOD=$(realpath "$3")
AS_UNIT=$(realpath "$4")
UNIT=$(realpath "$5")
GOOD_OBJECT=${6:+$(realpath "$6")} # where this build has eBPF
BAD_OBJECT=${7:+$(realpath "$7")}

# as_unit VERB...: x0 on host a with the capabilities and the system calls that our unit leaves it
as_unit() {
	verb=$1
	shift
	on a "$AS_UNIT" "$UNIT" timeout 30 "$X0" "$verb" --config "$WORK/a/x0.yaml" "$@"
}

# of PROGRAM KEY: the first of that name among what it counts on host a.
of() {
	x a ebpf list --json | tr -d ' \n' | sed 's/"name":"\(guard\|meter\|flow\|enforce\)"/\n&/g' |
		grep "^\"name\":\"$1\"" | grep -o "\"$2\":[0-9]*" | head -n 1 | cut -d : -f 2
}

feature() { # HOST NAME: "true" or "false"
	x "$1" status --json | tr -d ' \n' | sed -n 's/.*"name":"'"$2"'","is_on":\([a-z]*\).*/\1/p'
}

is_on() {
	[ "$(feature "$1" "$2")" = true ]
}

counter() { # HOST KEY
	x "$1" status --json | json_value "$2"
}

# program_ids HOST: of the programs its keeper attached.
program_ids() {
	x "$1" ebpf list --json | sed -n 's/.*"id": \([0-9]*\).*/\1/p' | sort -u
}

host a
host b
host c
host m
cable a b 1
cable a c 2
cable a m 3
configure a
configure b 'peers: [{endpoint: "[2001:db8:0:1::1]:26969"}]'
configure c 'peers: [{endpoint: "[2001:db8:0:2::1]:26969"}]'
as_unit init --domain test.mesh --name a >/dev/null 2>&1
x b join "$(invitation a --name b --endpoint '[2001:db8:0:1::1]:26969')" >/dev/null 2>&1
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b"
# b has all that root has here; where that is not enough nobody has it
within 10 is_on b ebpf.guard || {
	why=$(x b status | grep '^ebpf')
	case $why in
	*"not permitted"* | *"built without"* | *"no bpf()"*) skip "$why" ;;
	*) fail "the guard is off: $why" ;;
	esac
}
# a has what the service has
within 10 is_on a ebpf.guard || fail "as a service the guard is off: $(x a status)"
for program in meter flow enforce; do
	is_on a ebpf.$program || fail "$program is off: $(x a ebpf list)"
done
x a ebpf list | grep -q '^guard  *on .* on to-b' || fail "x0 ebpf list: $(x a ebpf list)"

# the meter counts what the daemon sends and gets
on a "$TOOL" udp "$(counter a address)" "$(counter b address)" 9 200
sleep 1
in_before=$(counter a datagrams_in) out_before=$(counter a datagrams_out)
meter_in=$(of meter packets)
on b "$TOOL" udp "$(counter b address)" "$(counter a address)" 9 200
sleep 0.5
got=$(($(of meter packets) - meter_in))
daemon=$(($(counter a datagrams_in) - in_before))
[ $daemon -ge 200 ] || fail "the daemon got $daemon datagrams, not 200"
# probes go on between the questions, and the daemon is asked first and last
if [ $got -lt 200 ] || [ $got -gt $((daemon + 10)) ]; then
	fail "the meter counted $got datagrams, the daemon $daemon"
fi
[ "$(counter a datagrams_out)" -ge "$out_before" ] || fail "datagrams_out goes backwards"

# transfer SERVER CLIENT PORT: a file through the mesh
transfer() {
	spawn "$1" "$TOOL" serve "$(counter "$1" address)" "$3" "$WORK/sent"
	server=$SPAWNED
	sleep 0.2
	on "$2" timeout 20 "$TOOL" fetch "$(counter "$1" address)" "$3" >"$WORK/received" ||
		fail "no transfer from $1 to $2"
	wait "$server"
}

# TCP through the mesh is watched
"$TOOL" pattern 1000000 >"$WORK/sent"
transfer b a 8080
[ "$(of flow opened)" -eq 1 ] || fail "flow saw $(of flow opened) connections, not 1"
[ "$(of flow remote_port)" -eq 8080 ] || fail "flow: $(x a ebpf list --json)"
[ "$(of flow bytes_received)" -ge 1000000 ] || fail "flow counted $(of flow bytes_received) bytes"

# a peer that comes back is known to the kernel at once, and nobody is denied
for again in 1 2 3; do
	x b down >/dev/null && x b up >/dev/null 2>&1
	within 15 x a ping b -c 1 -W 1 || fail "a does not reach b after its restart"
	transfer a b $((8080 + again))
	transfer b a $((8090 + again))
done
[ "$(of enforce denied)" -eq 0 ] || fail "the kernel denied what the policy allows"
[ "$(of guard dropped_unknown_index)" -lt 100 ] || fail "the guard drops packets of sessions"

# junk at the port: dropped and counted, and somebody joins meanwhile
invited=$(invitation a --name c --endpoint '[2001:db8:0:2::1]:26969')
before=$(counter a handshake_bad_mac1)
spawn m "$FLOOD" forged 30 2001:db8:0:3::1 26969 "$(invitation a)" >"$WORK/flood" 2>"$WORK/flood.err"
flooder=$SPAWNED
within 10 grep -q ready "$WORK/flood.err" || fail "the flood does not begin: $(cat "$WORK/flood.err")"
sleep 1
x c join "$invited" >/dev/null 2>&1 || fail "nobody can join while there is a flood"
within 10 x a ping c -c 1 -W 1 || fail "c is not reached while there is a flood"
kill -0 "$flooder" || fail "the flood ended before"
kill "$flooder"
wait "$flooder" || :
rate=$(awk '{ print $1 }' "$WORK/flood")
dropped=$(($(of guard dropped_over_network_rate) + $(of guard dropped_over_prefix_rate) + $(of guard dropped_bad_mac1)))
[ "$dropped" -gt "$rate" ] || fail "of $rate datagrams a second the guard dropped $dropped in all"
leaked=$(($(counter a handshake_bad_mac1) - before))
[ $leaked -eq 0 ] || fail "$leaked forged datagrams passed the guard"
echo "{\"flood_per_second\": $rate, \"dropped\": $dropped, \"reached_the_daemon\": $leaked}"

# what is no datagram of ours does not get to the daemon either
before=$(of guard dropped_malformed) malformed=$(counter a malformed)
on m "$TOOL" udp 2001:db8:0:3::2 2001:db8:0:3::1 26969 50
sleep 0.3
[ $(($(of guard dropped_malformed) - before)) -eq 50 ] || fail "the guard dropped not all of 50"
[ "$(counter a malformed)" -eq "$malformed" ] || fail "what the guard drops gets to the daemon"

# The rules of a reload are in force in the kernel too. (The daemon denies before the kernel sees
# it; that the kernel denies the same is shown by tests/bpf on packets that no daemon looked at.)
is_on a ebpf.enforce || fail "enforce went off"
classes=$(of enforce classes)
[ "$classes" -eq 1 ] || fail "all may do the same, but there are $classes classes"
cat >>"$WORK/a/x0.yaml" <<END
policy:
  - { allow: [session, ping, relay, issue, invite], from: "*" }
  - { allow: connect, from: "spiffe://*/node/b", to: "udp:9" }
END
x a config reload >/dev/null || fail "the policy is not taken"
sleep 1.2
[ "$(of enforce classes)" -eq 2 ] || fail "b and c may do different things: $(of enforce classes) classes"
seen=$(of enforce denied)
on b "$TOOL" udp "$(counter b address)" "$(counter a address)" 9 20
sleep 0.5
[ "$(of enforce denied)" -eq "$seen" ] || fail "the kernel denies what the policy allows"

# explain and profile
for program in guard meter flow enforce; do
	x a ebpf explain $program >"$WORK/explained" || fail "explain $program: $(cat "$WORK/explained")"
	grep -q 'exit' "$WORK/explained" || fail "explain $program shows no instructions"
	x a ebpf explain $program --json >/dev/null || fail "explain $program --json"
done
x a ebpf explain meter --dot >"$WORK/dot"
grep -q "^digraph" "$WORK/dot" || fail "explain --dot prints no graph"
x a ebpf profile meter --seconds 1.5 --json | grep -q '"ns_per_run"' || fail "profile"
x a ebpf explain nothing >/dev/null 2>&1 && fail "a program that is not there is explained"

# an object of one's own
x a ebpf check "$GOOD_OBJECT" >"$WORK/checked" 2>&1 || fail "check refuses ours: $(cat "$WORK/checked")"
grep -q 'allowed, and the kernel' "$WORK/checked" || fail "check: $(cat "$WORK/checked")"
x a ebpf check "$BAD_OBJECT" >"$WORK/checked" 2>&1 && fail "check takes what calls a helper that is not on the list"
grep -q 'helper 9 is not on the list' "$WORK/checked" || fail "check: $(cat "$WORK/checked")"

# nothing stays
ids=$(program_ids a)
[ -n "$ids" ] || fail "no ids"
gone() { # ID...: none of these is in the kernel any more
	for id; do
		if bpftool prog show id "$id" >/dev/null 2>&1; then return 1; fi
	done
}
kill_a() { # its keeper and its daemon
	for p in /proc/[0-9]*; do
		tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "x0 up.*$WORK/a/x0.yaml" &&
			kill -KILL "${p#/proc/}" 2>/dev/null
	done
	:
}
x a down >/dev/null
if command -v bpftool >/dev/null 2>&1; then
	# shellcheck disable=SC2086 # a list
	within 5 gone $ids || fail "programs stay after the end: $(bpftool prog)"
	as_unit up >/dev/null 2>&1
	within 10 is_on a ebpf.guard || fail "off after a restart"
	ids=$(program_ids a)
	kill_a
	# shellcheck disable=SC2086
	within 5 gone $ids || fail "programs stay after SIGKILL: $(bpftool prog)"
	as_unit up >/dev/null 2>&1 || fail "no start after SIGKILL"
	within 10 is_on a ebpf.guard || fail "off after SIGKILL and a start"
fi

# Filters at a qdisc outlive a keeper that is killed; the next one takes them away, even if it wants none.
as_unit down >/dev/null 2>&1 || :
cp "$WORK/a/x0.yaml" "$WORK/plain.yaml"
echo 'ebpf: {attach: clsact}' >>"$WORK/a/x0.yaml"
as_unit up >/dev/null 2>&1 || fail "a does not start with clsact"
within 10 is_on a ebpf.guard || fail "with clsact the guard is off: $(x a ebpf list)"
on a tc filter show dev to-b ingress | grep -q x0_guard || fail "the guard is not at the qdisc"
kill_a
on a tc filter show dev to-b ingress | grep -q x0_guard || fail "nothing is left that could be taken away"
cp "$WORK/plain.yaml" "$WORK/a/x0.yaml"
echo 'ebpf: {guard: off, meter: off, flow: off, enforce: off}' >>"$WORK/a/x0.yaml"
as_unit up >/dev/null 2>&1 || fail "no start after SIGKILL with clsact"
on a tc filter show dev to-b ingress | grep x0_ && fail "the guard of a killed keeper goes on"
on a tc qdisc show dev to-b | grep clsact && fail "the qdisc of a killed keeper is left"
cp "$WORK/plain.yaml" "$WORK/a/x0.yaml"
as_unit down >/dev/null
as_unit up >/dev/null 2>&1 || fail "no start as before"

# without the capability it says why, and works all the same
x c down >/dev/null
# the keeper of c has all but these
on c setpriv --bounding-set=-bpf,-sys_admin,-perfmon "$X0" up --config "$WORK/c/x0.yaml" >/dev/null 2>&1 ||
	fail "c does not start without CAP_BPF"
said() {
	x c status | grep -q '^ebpf is off: not permitted.*CAP_BPF'
}
within 10 said || fail "it does not say that CAP_BPF is missing: $(x c status)"
within 10 x a ping c -c 1 -W 1 || fail "c without eBPF is not reached"
x c doctor | grep -q 'ebpf .*not permitted' || fail "x0 doctor does not say it: $(x c doctor)"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How long a grey failure lasts, seen from outside: a pings d each 10 ms through b, the link from b
# to d begins to lose a share of what it carries, one way, and the time until all answers come again
# is measured; so many times. The other way there is slower, so that forwarding keeps to the lossy
# one until it is avoided. By hand:
# grey_mttr.sh X0 E2E_TOOL LINKEM [RUNS [LOSS [PING_INTERVAL [PING_BYTES]]]]; more than
# 256 bytes are bulk, as most packets are.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v ping >/dev/null 2>&1 || skip "the program ping is missing"
RUNS=${4:-10}
LOSS=${5:-20}
INTERVAL=${6:-0.01}
BYTES=${7:-56}
GIVE_UP=25 # seconds

peer() { # NUMBER SIDE
	echo "{endpoint: \"[2001:db8:0:$1::$2]:26969\"}"
}

is_by() {
	[ "$(x a routes --json | tr -d ' \n' | tr '{' '\n' | grep '"node":"d"' | json_value via)" = "$1" ]
}

# a - b - d, and the longer way a - c - e - d
for name in a b c d e; do
	host $name
done
cable a b 1
emulated b d 2
cable a c 3
emulated c e 4
cable e d 5
cable a d 6 # to join by
cable a e 7
configure a "peers: [$(peer 1 2), $(peer 3 2)]"
configure b "peers: [$(peer 1 1), $(peer 2 2)]"
configure c "peers: [$(peer 3 1), $(peer 4 2)]"
configure d "peers: [$(peer 2 1), $(peer 5 1)]"
configure e "peers: [$(peer 4 1), $(peer 5 2)]"
echo "allow avoid rate 60" >"$WORK/a/mandates"
x a init --domain test.mesh --name a >/dev/null
for name in b c d e; do
	x $name join "$(invitation a --name $name)" >/dev/null || fail "$name does not join"
done
on a ip link del to-d
on a ip link del to-e
emulate c e set both delay=200ms >/dev/null
within 30 x a ping d -c 1 -W 1 || fail "a does not reach d: $(x a routes)"
ADDRESS_d=$(x d status --json | json_value address)

# lasted FILE SINCE: milliseconds from then until the last lost packet before a hundred of which one
# at most is lost; nothing where there is no such hundred. Lines of ping -D: [time] ... icmp_seq=N ...
lasted() {
	sed -n 's/^\[\([0-9.]*\)\].*icmp_seq=\([0-9]*\) .*time=\([0-9.]*\).*/\1 \2 \3/p' "$1" |
		awk -v since="$2" -v each="$INTERVAL" '
			{ at[$2] = $1 - $3 / 1000; if ($2 > last) last = $2; if (!first) { first = $2; t0 = at[$2] } }
			END {
				for (n = first; n <= last; n++) {
					if (n in at) { base = at[n]; from = n }
					sent = base + (n - from) * each
					if (sent < since) continue
					lost = 0; end = since
					for (k = n; k < n + 100 && k <= last; k++) if (!(k in at)) lost++
					if (k == n + 100 && lost <= 1 && n in at) {
						printf "%d\n", (sent - since) * 1000
						exit
					}
				}
			}'
}

for run in $(seq "$RUNS"); do
	if [ "$run" -gt 1 ]; then
		x a down >/dev/null || fail "down"
		x a up >/dev/null 2>&1 || fail "up"
	fi
	within 30 is_by b || fail "the way to d is not by b: $(x a routes)"
	spawn a ping -D -i "$INTERVAL" -s "$BYTES" -W 1 "$ADDRESS_d" >"$WORK/ping" 2>&1
	ping=$SPAWNED
	sleep 4
	since=$(date +%s.%N)
	emulate b d set ab loss="$LOSS%" >/dev/null
	ms=
	end=$(($(date +%s) + GIVE_UP))
	while [ -z "$ms" ] && [ "$(date +%s)" -lt $end ]; do
		sleep 0.5
		ms=$(lasted "$WORK/ping" "$since")
		[ -z "$ms" ] || is_by c || ms= # a hundred that were spared
	done
	kill "$ping"
	wait "$ping" 2>/dev/null || :
	echo "run $run: ${ms:-over ${GIVE_UP}000} ms; injected at $(date -u -d "@$since" +%T.%3N)," \
		"$(sed -n 's/^\([0-9:.]*\) .*incident_\([a-z]*\).*state=\([a-z]*\).*/\1 \2 \3/p' \
			"$WORK/a/state/x0.log" | tail -n 4 | tr '\n' ';')"
	echo "${ms:-${GIVE_UP}000}" >>"$WORK/all"
	emulate b d set ab loss=0% >/dev/null
done
sort -n "$WORK/all" | awk '{ v[NR] = $1 }
	END { printf "%d runs: median %d ms, 95 %% within %d ms, worst %d ms\n", NR,
		v[int((NR + 1) / 2)], v[int(NR * 0.95 + 0.999)], v[NR] }'

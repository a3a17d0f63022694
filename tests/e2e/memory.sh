#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A daemon with ten peers stays small: resident memory idle, and after a flood of UDP in each
# direction. Bounds are those of issue "data plane": 12 MB idle, 24 MB after the load.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

unset MALLOC_PERTURB_ # of the test runner: with it all memory that is asked for is touched

PEERS=10
IDLE_MAX_KB=12288
LOADED_MAX_KB=24576
PPS=20000
SECONDS_OF_LOAD=4
[ "${X0_LONG:-0}" != 1 ] || SECONDS_OF_LOAD=60

# field PID FIELD: in kB, from smaps_rollup
field() {
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/smaps_rollup"
}

# resident: of a's daemon and its keeper, in kB; pages that both have count once
resident() {
	daemon=$(counter a pid)
	keeper=$(sed 's/.*) [A-Z] \([0-9]*\) .*/\1/' "/proc/$daemon/stat")
	alone=$(($(field "$keeper" Private_Clean) + $(field "$keeper" Private_Dirty)))
	rss=$(field "$daemon" Rss)
	echo "$1: daemon $rss kB, of it anonymous $(field "$daemon" Anonymous) and locked" \
		"$(field "$daemon" Locked); keeper beside it $alone; together $((rss + alone)) kB" \
		"(both summed up as they are: $((rss + $(field "$keeper" Rss))) kB)" >&2
	echo $((rss + alone))
}

host a
configure a
x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
for i in $(seq $PEERS); do
	host "b$i"
	cable a "b$i" "$i"
	configure "b$i"
	x "b$i" join "$(invitation a --name "b$i" --endpoint "[2001:db8:0:$i::1]:26969")" \
		>/dev/null 2>&1 || fail "join of b$i"
done
for i in $(seq $PEERS); do
	within 20 x a ping "b$i" -c 1 -W 1 || fail "a does not reach b$i"
done
x a down >/dev/null 2>&1
x a up >/dev/null 2>&1
for i in $(seq $PEERS); do
	within 20 x a ping "b$i" -c 1 -W 1 || fail "a does not reach b$i after a restart"
done
sleep 8 # eBPF, ledger and knowledge are there by then, and what only the start needed is given back
idle=$(resident "idle, $PEERS peers")
[ "$idle" -le $IDLE_MAX_KB ] || grown="idle: $idle kB are over $IDLE_MAX_KB"

a=$(x a status --json | json_value address)
for i in $(seq $PEERS); do
	address=$(x "b$i" status --json | json_value address)
	spawn a timeout $SECONDS_OF_LOAD "$TOOL" stream "$address" 9 $PPS 1000000000 >/dev/null
	spawn "b$i" timeout $SECONDS_OF_LOAD "$TOOL" stream "$a" 9 $PPS 1000000000 >/dev/null
done
sleep $((SECONDS_OF_LOAD + 1))
within 20 x a ping b1 -c 1 -W 1 || fail "a does not reach b1 after the flood"
loaded=$(resident "after a flood")
echo "packets: $(counter a packets_from_tun) out, $(counter a packets_to_tun) in;" \
	"dropped: queue_full $(counter a queue_full), tun_dropped $(counter a tun_dropped)," \
	"udp_unsent $(counter a udp_unsent), udp_overflow $(counter a udp_overflow)"
[ "$loaded" -le $LOADED_MAX_KB ] || grown="${grown:-} loaded: $loaded kB are over $LOADED_MAX_KB"
alive a
[ -z "${grown:-}" ] || fail "$grown"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the API carries: GET /api/v1/peers of a node with 50 peers, each a daemon of its own, by 64 kept
# connections, plain (wrk) and with TLS and a client certificate (api_load); and idle WebSockets.
#
#	sudo tests/bench/api_load.sh build/src/cli/x0 build/tests/e2e/e2e_tool build/tests/interop/tls_tool \
#		build/tests/bench/api_load
#
# X0_PEERS (50), X0_SECONDS (10), X0_SOCKETS (10000). The processor time of the API's thread is told beside
# the rate: a busy machine takes from the one and not from the other.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v wrk >/dev/null || skip "wrk is not installed (apt-get install wrk)"
TLS_TOOL=$(realpath "$3")
LOAD=$(realpath "$4")
PEERS=${X0_PEERS:-50}
SECONDS_EACH=${X0_SECONDS:-10}
SOCKETS=${X0_SOCKETS:-10000}

members='{allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}, {allow: issue, from: "*"}'
policy="policy: [$members, {allow: api, from: \"spiffe://test.mesh/node/beta\"}]"
host hub
configure hub "$policy" 'api: {rate: 100000, connections: 20000}'
x hub init --domain test.mesh --name hub >/dev/null 2>&1 || fail "init"
x hub down >/dev/null 2>&1
"$TLS_TOOL" make "$WORK/hub/state" test.mesh "$WORK" || fail "no certificates"
x hub up >/dev/null 2>&1 || fail "up"
i=1
while [ $i -le "$PEERS" ]; do
	host "m$i"
	cable hub "m$i" "$i"
	configure "m$i" "peers: [{endpoint: \"[2001:db8:0:$i::1]:26969\"}]" 'api: {server: off}'
	x "m$i" join "$(invitation hub --name "m$i" --endpoint "[2001:db8:0:$i::1]:26969")" >/dev/null 2>&1 ||
		fail "m$i cannot join"
	i=$((i + 1))
done
linked() {
	[ "$(on hub curl -s http://127.0.0.1:26970/api/v1/peers | grep -o '"state":"up"' | wc -l)" = "$PEERS" ]
}
within 60 linked || fail "not all peers are linked"
on hub curl -s http://127.0.0.1:26970/api/v1/peers >"$WORK/peers"
echo "peers: $PEERS, answer of $(wc -c <"$WORK/peers") bytes; load average $(cut -d ' ' -f 1-3 /proc/loadavg)"

PID=$(x hub status --json | json_value pid)
for task in /proc/"$PID"/task/*; do
	[ "$(cat "$task/comm")" = x0-api ] && TASK=$task
done
# used: processor time of the API's thread so far, in ms
used() {
	awk '{print ($14 + $15) * 10}' "$TASK/stat"
}
# tell NAME REQUESTS BEFORE-MS
tell() {
	awk -v n="$2" -v ms=$(($(used) - $3)) -v name="$1" 'BEGIN {
		printf "%s: %d requests in %.2f s of the thread: %.1f us each, %.0f a second of one core\n",
			name, n, ms / 1000, ms * 1000 / n, n * 1000 / ms }'
}

before=$(used)
on hub wrk -t 1 -c 64 -d "${SECONDS_EACH}s" --latency http://127.0.0.1:26970/api/v1/peers >"$WORK/wrk"
grep -E 'Requests/sec|50%|99%|Non-2xx|Socket errors' "$WORK/wrk" || :
tell plain "$(awk '/requests in/ {print $1}' "$WORK/wrk")" "$before"

ADDRESS=$(x hub status --json | json_value address)
before=$(used)
on hub "$LOAD" requests "$ADDRESS" 26970 64 "$SECONDS_EACH" /api/v1/peers "$WORK/beta.pem" "$WORK/node.key" \
	>"$WORK/tls" || fail "TLS: $(cat "$WORK/tls")"
cat "$WORK/tls"
tell TLS "$(sed -n 's/^requests=\([0-9]*\).*/\1/p' "$WORK/tls")" "$before"

resident() {
	awk '/^VmRSS/ {print $2}' "/proc/$PID/status"
}
sleep 2
empty=$(resident)
mkfifo "$WORK/hold"
on hub "$LOAD" sockets 127.0.0.1 26970 "$SOCKETS" <"$WORK/hold" >"$WORK/sockets" 2>&1 &
exec 9>"$WORK/hold"
within 120 grep -q sockets= "$WORK/sockets" || fail "WebSockets: $(cat "$WORK/sockets")"
sleep 3
echo "$SOCKETS idle WebSockets: $(resident) kB resident, $empty kB before: $((($(resident) - empty) * 1024 / SOCKETS)) bytes each"
exec 9>&-

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Spans of a real mesh at a collector: of requests, of handshakes that both ends tell, of the policy
# and of packets; and a collector that is down, busy, slow, or refuses. Arguments after those of every
# test: the tool that makes certificates, collector.py, a directory to keep npm's packages in,
# otlp.mjs.
kept=$5/otlp
modules=$kept/node_modules
packages="@opentelemetry/otlp-transformer@0.200.0"

# The official protos come with OpenTelemetry's own package. Fetched first: the namespaces have no
# network. Without npm the spans are decoded by the test's own decoder alone.
if [ -z "${X0_E2E_INSIDE:-}" ] && [ ! -f "$kept/complete" ] && command -v npm >/dev/null; then
	mkdir -p "$kept"
	npm install --prefix "$kept" --no-save --ignore-scripts --no-audit --no-fund --legacy-peer-deps \
		"$packages" >"$kept/npm.log" 2>&1 && : >"$kept/complete"
fi
for program in curl python3; do
	command -v $program >/dev/null || {
		echo "SKIPPED: traces were NOT tested: $program is not installed"
		exit 77
	}
done
TLS_TOOL=$(realpath "$3")
COLLECTOR=$(realpath "$4")
SCRIPT=$(realpath "$6")
mkdir -p "$modules"
modules=$(realpath "$modules")
kept=$(dirname "$modules")
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

API=http://127.0.0.1:26970
PARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7
members='{allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}, {allow: issue, from: "*"}'
policy="policy: [$members, {allow: api, from: \"spiffe://test.mesh/node/beta\", to: peers}]"
tracing='tracing: {endpoint: "http://127.0.0.1:4318", sample: 100}'

collect() { # HOST: a collector there, with its directory
	mkdir -p "$WORK/spans-$1"
	spawn "$1" python3 "$COLLECTOR" serve 4318 "$WORK/spans-$1"
	eval "COLLECTOR_$1=$SPAWNED"
	within 10 on "$1" python3 -c 'import socket; socket.create_connection(("127.0.0.1", 4318))' ||
		fail "no collector"
}

# has_span HOST CONDITION: whether one of the spans at it makes the condition true; python's, of s.
has_span() {
	python3 "$COLLECTOR" decode "$WORK/spans-$1" >"$WORK/decoded-$1" || fail "spans that cannot be read"
	python3 -c 'import json, sys
sys.exit(not any(eval(sys.argv[2], {"s": s}) for s in json.load(open(sys.argv[1]))))' "$WORK/decoded-$1" "$2"
}

expect_span() { # HOST CONDITION
	within 20 has_span "$1" "$2" || fail "no span at $1 where $2: $(cat "$WORK/decoded-$1")"
}

tracing_number() { # HOST KEY
	x "$1" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["tracing"][sys.argv[1]])' "$2"
}

# ---- nobody listens yet: what is there is kept, and sent when somebody does ----
two_nodes cable "$tracing" "$policy"
within 20 grep -q traces_not_sent "$WORK/a/state/x0.log" || fail "that nobody listens is not told"
collect a
collect b
expect_span a 's["name"] == "mesh.handshake" and s["attributes"]["x0.peer"] == "b"'
grep -q traces_sent_again "$WORK/a/state/x0.log" || fail "that somebody listens again is not told"
x a doctor >"$WORK/doctor" 2>&1 || :
grep -q 'tracing.*http://127.0.0.1:4318' "$WORK/doctor" || fail "x0 doctor: $(grep tracing "$WORK/doctor")"

# ---- a handshake, told by both ends as one trace ----
x b down >/dev/null 2>&1 || fail "down"
x b up >/dev/null 2>&1 || fail "up"
within 15 x b ping a -c 1 -W 1 || fail "b does not come back"
both_ends_join() {
	python3 "$COLLECTOR" decode "$WORK/spans-a" >"$WORK/decoded-a"
	python3 "$COLLECTOR" decode "$WORK/spans-b" >"$WORK/decoded-b"
	python3 - "$WORK/decoded-a" "$WORK/decoded-b" <<-'END'
		import json, sys
		a, b = ([s for s in json.load(open(p)) if s["name"] == "mesh.handshake" and not s["error"]] for p in sys.argv[1:])
		for one in a:
		    for other in b:
		        first, second = sorted((one, other), key=lambda s: s["kind"], reverse=True)
		        if one["trace"] == other["trace"] and first["kind"] == 3 and second["kind"] == 2:
		            assert second["parent"] == first["span"] and first["parent"] == ""
		            assert first["attributes"]["x0.role"] == "initiator"
		            assert first["end"] > first["start"]
		            sys.exit(0)
		sys.exit(1)
	END
}
within 20 both_ends_join || fail "the two ends of a handshake are not one trace: $(cat "$WORK/decoded-a" "$WORK/decoded-b")"
grep -q 'peer_up.*trace_id=[0-9a-f]\{32\}' "$WORK/b/state/x0.log" || fail "the log does not name the trace"

# ---- a request that is part of a trace ----
on a curl -s -m 10 -D "$WORK/head" -o /dev/null -H "traceparent: $PARENT-01" "$API/api/v1/peers"
expect_span a 's["name"] == "http.server" and s["trace"] == "4bf92f3577b34da6a3ce929d0e0e4736" and s["parent"] == "00f067aa0ba902b7" and s["kind"] == 2 and s["attributes"]["http.route"] == "/api/v1/peers" and s["attributes"]["http.response.status_code"] == 200 and s["resource"]["service.name"] == "x0" and s["resource"]["service.instance.id"] == "spiffe://test.mesh/node/a"'
grep -qi '^traceresponse: 00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]\{16\}-01' "$WORK/head" ||
	fail "no traceresponse: $(cat "$WORK/head")"
on a curl -s -m 10 -o /dev/null "$API/api/v1/nothing"
expect_span a 's["name"] == "http.server" and s["attributes"]["http.response.status_code"] == 404 and s["parent"] == ""'
on a curl -s -m 10 -o /dev/null -H "traceparent: 00-11111111111111111111111111111111-2222222222222222-00" "$API/api/v1/routes"
on a curl -s -m 10 -o /dev/null -H "traceparent: $(printf '%0200d' 1)" "$API/api/v1/links"
expect_span a 's["name"] == "http.server" and s["attributes"]["http.route"] == "/api/v1/links" and s["parent"] == ""'
! has_span a 's["trace"] == "1" * 32' || fail "a trace that is not sampled was recorded"
token=$(cat "$WORK/a/run/x0/api.token")
on a curl -s -m 10 -o /dev/null -X POST -H 'Content-Length: 0' -H "Authorization: Bearer $token" \
	-H "traceparent: $PARENT-01" "$API/api/v1/config:reload"
grep -q 'api_change.*trace_id=4bf92f3577b34da6a3ce929d0e0e4736' "$WORK/a/state/x0.log" ||
	fail "the log of a change does not name its trace"
! python3 "$COLLECTOR" decode "$WORK/spans-a" | grep -q "$token" || fail "the token is in a span"

# ---- the way of a packet: each hop of a trace, and packets as they pass ----
on a curl -s -m 10 -o /dev/null -H "traceparent: 00-33333333333333333333333333333333-4444444444444444-01" "$API/api/v1/trace/b"
expect_span a 's["name"] == "mesh.forward" and s["trace"] == "3" * 32 and s["attributes"]["x0.destination"] == "b" and s["attributes"]["x0.hop"] == 1'
expect_span a 's["name"] == "mesh.forward" and "x0.from" in s["attributes"]'

# ---- what the policy says of a member's request ----
x a down >/dev/null 2>&1 || fail "down"
"$TLS_TOOL" make "$WORK/a/state" test.mesh "$WORK" || fail "no certificates for the test"
x a up >/dev/null 2>&1 || fail "up"
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b again"
ask() {
	on b curl -g -s -m 10 -o /dev/null -k --cert "$WORK/beta.pem" --key "$WORK/node.key" \
		"https://[$ADDRESS_a]:26970/api/v1/$1"
}
ask peers && ask routes
expect_span a 's["name"] == "policy.evaluate" and s["attributes"]["x0.effect"] == "allow" and s["attributes"]["x0.principal"] == "spiffe://test.mesh/node/beta" and s["parent"] != ""'
expect_span a 's["name"] == "policy.evaluate" and s["attributes"]["x0.effect"] == "deny"'

# what it says of a WebSocket is no part of the request that had the same place before
on a curl -s -m 10 -o /dev/null -H "traceparent: 00-66666666666666666666666666666666-4444444444444444-01" "$API/api/v1/peers"
on b curl -g -s -m 5 -o /dev/null -k --http1.1 --cert "$WORK/beta.pem" --key "$WORK/node.key" \
	-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
	-H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' "https://[$ADDRESS_a]:26970/ws" || :
on a curl -s -m 10 -o /dev/null -H "traceparent: 00-77777777777777777777777777777777-4444444444444444-01" "$API/api/v1/peers"
expect_span a 's["trace"] == "7" * 32'
! has_span a 's["trace"] == "6" * 32 and s["name"] == "policy.evaluate"' || fail "a WebSocket is in a foreign trace"

# ---- another decoder, with the official protos, reads the same ----
if [ -f "$kept/complete" ] && command -v node >/dev/null; then
	cp -r "$WORK/spans-b" "$WORK/same" # more may come meanwhile
	python3 "$COLLECTOR" decode "$WORK/same" >"$WORK/ours"
	node "$SCRIPT" "$modules" "$WORK/same" >"$WORK/official" || fail "the official protos cannot read it"
	python3 -c 'import json, sys
ours, official = (json.load(open(p)) for p in sys.argv[1:])
assert ours == official and len(ours) > 2, (ours, official)' "$WORK/ours" "$WORK/official" ||
		fail "the official protos read something else"
	echo "decoded with the official protos as well"
else
	echo "SKIPPED: spans were NOT decoded with the official protos: $packages could not be had from npm"
fi

# ---- a collector that refuses, is busy, is slow ----
sleep 2.5 # what came before is sent
echo 400 >"$WORK/spans-a/answer"
on a curl -s -m 10 -o /dev/null "$API/api/v1/status"
refused() { [ "$(tracing_number a refused)" -gt 0 ]; }
within 10 refused || fail "what the collector refuses is not counted"
echo 429 3 >"$WORK/spans-a/answer"
sleep 1.2 # what came before
: >"$WORK/spans-a/requests"
on a curl -s -m 10 -o /dev/null -H "traceparent: 00-55555555555555555555555555555555-4444444444444444-01" "$API/api/v1/status"
within 10 grep -q 429 "$WORK/spans-a/requests" || fail "nothing was sent"
rm "$WORK/spans-a/answer"
expect_span a 's["trace"] == "5" * 32'
python3 - "$WORK/spans-a/requests" <<-'END' || fail "Retry-After was not kept: $(cat "$WORK/spans-a/requests")"
	import sys
	rows = [l.split() for l in open(sys.argv[1])]
	busy = max(float(r[0]) for r in rows if r[1] == "429")
	after = min(float(r[0]) for r in rows if r[1] == "200")
	sys.exit(not after - busy > 2.8)
END
echo slow >"$WORK/spans-a/answer"
on a curl -s -m 10 -o /dev/null "$API/api/v1/status"
sleep 1.5
took=$(on a curl -s -m 10 -o /dev/null -w '%{time_total}' "$API/api/v1/status")
python3 -c 'import sys; sys.exit(not float(sys.argv[1]) < 0.5)' "$took" ||
	fail "a slow collector makes the API slow: $took s"
x a ping b -c 5 -i 0.05 >/dev/null || fail "a slow collector disturbs the mesh"
start=$(elapsed_ms)
x a down >/dev/null 2>&1 || fail "down"
[ $(($(elapsed_ms) - start)) -le 4000 ] || fail "a slow collector holds up the end"
alive b

# ---- Zipkin, and nothing that begins here ----
rm -f "$WORK/spans-a/answer" "$WORK"/spans-a/*.bin
configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]' \
	'tracing: {endpoint: "http://127.0.0.1:4318", format: zipkin, sample: 0}'
x a up >/dev/null 2>&1 || fail "up"
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b again"
on a curl -s -m 10 -o /dev/null -H "traceparent: $PARENT-01" "$API/api/v1/peers"
zipkin_came() {
	cat "$WORK"/spans-a/*.json 2>/dev/null | python3 -c 'import json, sys
(s,) = json.load(sys.stdin)
assert s["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736" and s["parentId"] == "00f067aa0ba902b7"
assert s["kind"] == "SERVER" and s["localEndpoint"]["serviceName"] == "x0" and s["duration"] > 0'
}
within 10 zipkin_came || fail "no span, or more than the one: $(cat "$WORK"/spans-a/*.json)"
x a down >/dev/null 2>&1 || fail "down"

# ---- over TLS: to whom the system trusts alone ----
roots=/etc/ssl/certs/ca-certificates.crt
if command -v openssl >/dev/null && [ -f $roots ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=collector \
		-addext subjectAltName=IP:127.0.0.1 -keyout "$WORK/tls.key" -out "$WORK/tls.pem" 2>/dev/null ||
		fail "no certificate for the test"
	mkdir "$WORK/spans-tls"
	spawn a python3 "$COLLECTOR" serve 4319 "$WORK/spans-tls" "$WORK/tls.pem" "$WORK/tls.key"
	within 10 on a python3 -c 'import socket; socket.create_connection(("127.0.0.1", 4319))' || fail "no collector"
	configure a 'tracing: {endpoint: "https://127.0.0.1:4319", sample: 100}'
	x a up >/dev/null 2>&1 || fail "up"
	on a curl -s -m 10 -o /dev/null "$API/api/v1/peers"
	within 20 grep -qi 'traces_not_sent.*https:.*certificate' "$WORK/a/state/x0.log" ||
		fail "a collector that nobody vouches for: $(grep traces_ "$WORK/a/state/x0.log")"
	x a down >/dev/null 2>&1 || fail "down"
	on a mount --bind "$WORK/tls.pem" $roots
	x a up >/dev/null 2>&1 || fail "up"
	on a curl -s -m 10 -o /dev/null "$API/api/v1/peers"
	expect_span tls 's["name"] == "http.server"'
	on a umount $roots
	x a down >/dev/null 2>&1 || fail "down"
fi

# ---- a collector by name; and where nobody answers for names, the end does not wait ----
rm -f "$WORK"/spans-a/*
echo "127.0.0.1 collector.test" >"$WORK/hosts"
on a mount --bind "$WORK/hosts" /etc/hosts
configure a 'tracing: {endpoint: "http://collector.test:4318", sample: 100}'
x a up >/dev/null 2>&1 || fail "up"
on a curl -s -m 10 -o /dev/null "$API/api/v1/peers"
expect_span a 's["name"] == "http.server"'
x a down >/dev/null 2>&1 || fail "down"
spawn a python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.9", 53))
asked = open("'"$WORK"'/asked", "wb", 0)
while True:
    asked.write(s.recv(512))'
echo "nameserver 127.0.0.9" >"$WORK/resolv.conf"
on a mount --bind "$WORK/resolv.conf" /etc/resolv.conf
configure a 'tracing: {endpoint: "http://silent.test:4318", sample: 100}'
x a up >/dev/null 2>&1 || fail "up"
on a curl -s -m 10 -o /dev/null "$API/api/v1/peers"
within 10 grep -qa silent "$WORK/asked" || fail "nobody is asked for the collector's name"
x a down >/dev/null 2>&1 || fail "down"
! grep -q 'daemon_hangs\|daemon_killed\|does_not_stop' "$WORK/a/state/x0.log" || fail "silent name servers hold up the end"
on a umount /etc/resolv.conf

# ---- off ----
configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]'
x a up >/dev/null 2>&1 || fail "up"
x a doctor >"$WORK/doctor" 2>&1 || :
grep -q 'tracing.*off: tracing.endpoint is not set' "$WORK/doctor" || fail "x0 doctor does not say that it is off"
echo "tracing: $(python3 "$COLLECTOR" decode "$WORK/spans-b" | tr '{' '\n' | grep -c '"trace"') spans at b"

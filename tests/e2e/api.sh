#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The API as a user meets it: curl on the loopback, what it refuses, the token, and other members
# over TLS.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

for program in curl python3; do
	command -v $program >/dev/null || skip "$program is not installed"
done
CLIENT=$(realpath "$(dirname "$0")/../support/api_client.py")
TLS_TOOL=$LINKEM # the third argument
BASE=http://127.0.0.1:26970

# get HOST PATH [CURL-OPTION...]: the status and type in $WORK/code, the body in $WORK/body.
get() {
	where=$1
	path=$2
	shift 2
	on "$where" curl -g -s -m 10 -o "$WORK/body" -w '%{http_code} %{content_type}' "$@" "$BASE$path" \
		>"$WORK/code" || fail "curl $path ends with $?"
}

# expect STATUS HOST PATH [CURL-OPTION...]
expect() {
	wanted=$1
	shift
	get "$@"
	case $(cat "$WORK/code") in
	"$wanted "*) ;;
	*) fail "$2 answers $(cat "$WORK/code") and not $wanted: $(head -c 300 "$WORK/body")" ;;
	esac
}

# has TEXT: whether the last answer holds it.
has() {
	grep -q -e "$1" "$WORK/body" || fail "there is no $1 in $(head -c 600 "$WORK/body")"
}

# client HOST WHAT...: the part of api_client.py, on the loopback.
client() {
	where=$1
	shift
	on "$where" timeout 90 python3 "$CLIENT" 26970 "$@" >"$WORK/client" 2>&1 ||
		fail "$1: $(cat "$WORK/client")"
}

members='{allow: [session, ping, relay, connect, route], from: "spiffe://*/node/*"}, {allow: issue, from: "*"}'
ADDRESS_a=
two_nodes cable "policy: [$members, {allow: api, from: \"spiffe://test.mesh/node/beta\"}]" \
	'api: {rate: 20}'

x a down >/dev/null 2>&1 || fail "down"
"$TLS_TOOL" make "$WORK/a/state" test.mesh "$WORK" || fail "no certificates for the test"
# so that it can be revoked
python3 - "$WORK/a/state/authority-issued.json" <<-'END' || fail "beta cannot be issued"
	import hashlib, json, sys
	lists = json.load(open(sys.argv[1]))
	(entries,) = (v for v in lists.values() if isinstance(v, list))
	node_id = hashlib.sha256(b"spiffe://test.mesh/node/beta").hexdigest()[:16]
	entries.append({**entries[0], "name": "beta", "node_id": node_id, "serial": "11" * 20, "revoked": False})
	json.dump(lists, open(sys.argv[1], "w"))
END
x a up >/dev/null 2>&1 || fail "up"
within 15 x a ping b -c 1 -W 1 || fail "a does not reach b again"

# ---- reading from this machine ----
expect 200 a /api/v1/status
has '"name":"a"'
grep -q 'application/json' "$WORK/code" || fail "the status is $(cat "$WORK/code")"
for view in topology node bundle metrics/summary peers links sessions routes svid doctor names networks exit policies ebpf batman nodes events; do
	expect 200 a /api/v1/$view
done
expect 200 a /api/v1/peers
has '"node":"b"'
expect 200 a /api/v1/trace/b
has '"event":"hop"'
expect 200 a '/api/v1/ping/b?count=1'
has '"received":1'
expect 200 a /api/v1/names/b
has '"node":"b"'
expect 404 a /api/v1/names/nobody
for path in /health /health/live /health/ready /api/health/ready; do
	expect 200 a $path
done
expect 200 a /api/openapi.json
has '"openapi": "3.1.0"'
expect 200 a /api/v1/policies:evaluate -H 'Content-Type: application/json' \
	-d '{"from": "b", "action": "ping"}'
has '"effect":"allow"'

# ---- the same answer as on the command line ----
get a /api/v1/routes
x a routes --json >"$WORK/routes"
python3 - "$WORK/body" "$WORK/routes" <<-'END' || fail "the routes are others than those of x0 routes"
	import json, sys
	api, cli = (json.load(open(p)) for p in sys.argv[1:])
	strip = lambda l: [{k: v for k, v in r.items() if k in ("node", "node_id", "via", "hops")} for r in l]
	sys.exit(strip(api) != strip(cli))
END

# ---- metrics, here and at the port for Prometheus ----
expect 200 a /metrics
has '^mesh_peers 1$'
has '^# TYPE http_request_duration_seconds histogram$'
has '^mesh_hops{hops="1"} 1$'
has '^pqc_handshake_seconds_count{role="[a-z]*"} [1-9]'
has '^policy_evaluation_seconds_count [1-9]'
has '^process_open_fds [1-9]'
expect 200 a /metrics -H 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5'
grep -q 'application/openmetrics-text' "$WORK/code" || fail "OpenMetrics is $(cat "$WORK/code")"
has '^# TYPE mesh_datagrams counter$'
[ "$(tail -n 1 "$WORK/body")" = '# EOF' ] || fail "OpenMetrics does not end"
on a curl -s -m 10 http://127.0.0.1:9090/metrics >"$WORK/body"
has '^node_health_status'
[ "$(on a curl -s -m 10 -o /dev/null -w '%{http_code}' http://127.0.0.1:9090/api/v1/status)" = 404 ] ||
	fail "the port for metrics has more than metrics"
if command -v promtool >/dev/null; then
	promtool check metrics <"$WORK/body" >"$WORK/promtool" 2>&1 || :
	[ ! -s "$WORK/promtool" ] || fail "promtool: $(cat "$WORK/promtool")"
else
	echo "promtool is not installed: the metrics were checked by test_metrics alone"
fi

# ---- the dashboard, or why there is none ----
get a / -D "$WORK/head" -H 'Accept-Encoding: gzip'
if grep -q '^503 ' "$WORK/code"; then
	has '"code":"dashboard_off"'
	x a doctor 2>&1 | grep -q dashboard || fail "x0 doctor does not say why there is no dashboard"
	echo "this program has no dashboard: $(cat "$WORK/body")"
else
	for line in "HTTP/1.1 200 OK" "Content-Encoding: gzip" "Cache-Control: no-cache" "Referrer-Policy: no-referrer" \
		"X-Content-Type-Options: nosniff" "Content-Security-Policy: default-src 'none'; script-src 'self'; \
style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"; do
		tr -d '\r' <"$WORK/head" | grep -qxF "$line" || fail "the page comes without: $line"
	done
	gunzip <"$WORK/body" >"$WORK/page" || fail "the page is no gzip"
	expect 200 a /dashboard/
	cmp "$WORK/body" "$WORK/page" || fail "packed and not it is another page"
	etag=$(tr -d '\r' <"$WORK/head" | sed -n 's/^ETag: //p')
	expect 304 a / -H "If-None-Match: \"other\", $etag"
	expect 200 a / -H 'If-None-Match: "other"'
	for file in app.js app.css icon.svg licenses.txt; do expect 200 a /dashboard/$file; done
	expect 404 a /dashboard/nothing.js
	expect 405 a / -X POST -H 'Content-Length: 0'
	expect 421 a / -H 'Host: evil.example'
	expect 403 a / -H 'Sec-Fetch-Site: cross-site'
	[ "$(on a curl -s -m 10 -o /dev/null -w '%{http_code}' http://127.0.0.1:9090/)" = 404 ] ||
		fail "the port for metrics has the dashboard"
fi

# ---- errors name the field ----
expect 404 a /nowhere
grep -q 'application/problem+json' "$WORK/code" || fail "an error is $(cat "$WORK/code")"
expect 405 a /api/v1/peers -X DELETE
expect 422 a '/api/v1/ping/b?count=0'
has '"field":"count"'
expect 400 a '/api/v1/ping/b?nonsense=1'
has '"field":"nonsense"'

# ---- changing needs the token, which only the daemon's user and root can read ----
token_file=$WORK/a/run/x0/api.token
[ "$(stat -c %a "$token_file")" = 600 ] || fail "the token can be read by others"
token=$(cat "$token_file")
body='{"name": "b"}'
expect 401 a /api/v1/exit -X PUT -H 'Content-Type: application/json' -d "$body"
has '"code":"needs_token"'
expect 401 a /api/v1/status -H 'Authorization: Bearer 0123'
expect 401 a /api/v1/status -H "Authorization: Bearer $(printf '%064d' 0)"
expect 200 a /api/v1/status -H "Authorization: Bearer $token"
expect 200 a /api/v1/config:reload -X POST -H 'Content-Length: 0' -H "Authorization: Bearer $token"
has '"applied"'
expect 200 a /api/v1/invitations -X POST -H "Authorization: Bearer $token" \
	-H 'Content-Type: application/json' -d '{"uses": 2}'
has '"invitation":"x0://'
expect 422 a /api/v1/invitations -X POST -H "Authorization: Bearer $token" \
	-H 'Content-Type: application/json' -d '{"uses": "2"}'
has '"field":"uses"'
expect 415 a /api/v1/invitations -X POST -H "Authorization: Bearer $token" -d 'uses=2'
expect 409 b /api/v1/invitations -X POST -H 'Content-Length: 0' \
	-H "Authorization: Bearer $(cat "$WORK/b/run/x0/api.token")"
has 'not_authority'
grep -q 'api_change.*operation=invite' "$WORK/a/state/x0.log" || fail "a change left no entry in the log"
! grep -q "$token" "$WORK/a/state/x0.log" || fail "the token is in the log"

# ---- a page from elsewhere, and a foreign name that was made to point here ----
expect 421 a /api/v1/status -H 'Host: evil.example'
expect 403 a /api/v1/status -H 'Origin: http://evil.example'
expect 200 a /api/v1/status -H 'Origin: http://127.0.0.1:26970'
expect 403 a /api/v1/status -H 'Sec-Fetch-Site: cross-site' # an image there has no Origin
expect 403 a /api/v1/status -H 'Sec-Fetch-Site: same-site'
expect 200 a /api/v1/status -H 'Sec-Fetch-Site: same-origin'
on a curl -s -m 10 -D - -o /dev/null "$BASE/api/v1/status" >"$WORK/body"
! grep -qi 'Access-Control-Allow' "$WORK/body" || fail "pages from elsewhere are allowed to read"

# ---- what there is not: asked often, as the database has it from another thread ----
has_answered() {
	[ "$(on a curl -s -o /dev/null -w '%{http_code}' $BASE/api/v1/incidents/1)" = 404 ]
}
within 20 has_answered || fail "the database of incidents is not open"
on a curl -s -m 20 -w '%{http_code}\n' -o /dev/null "$BASE/api/v1/incidents/[1-300]" >"$WORK/codes"
[ "$(sort "$WORK/codes" | uniq -c | tr -s ' ')" = " 300 404" ] ||
	fail "of 300 incidents that there are not: $(sort "$WORK/codes" | uniq -c)"

# ---- each row that is read has a handler; interop_openapi goes through the others ----
expect 200 a /api/openapi.json
on a python3 - "$WORK/body" "$BASE" <<-'END' || fail "rows of the document are not answered"
	import json, re, sys, urllib.error, urllib.request
	opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
	names = {"incident": "1", "kind": "link_loss"}
	wrong, n = [], 0
	for path, item in json.load(open(sys.argv[1]))["paths"].items():
	    if "get" not in item or path == "/ws":
	        continue
	    n += 1
	    try:
	        opener.open(sys.argv[2] + re.sub(r"\{(\w+)\}", lambda m: names.get(m[1], "b"), path), timeout=25).read()
	    except urllib.error.HTTPError as e:
	        problem = json.load(e)
	        if e.code != 404 or problem["code"] != "not_found" or "{" not in path:
	            wrong.append((path, e.code, problem))
	print(wrong)
	sys.exit(bool(wrong) or n < 30)
END

# ---- broken requests, slow ones, WebSockets ----
on a timeout 90 python3 "$CLIENT" 26970 slow >"$WORK/slow" 2>&1 & # beside what follows
slow=$!
client a framing
client a frames
# something happens
on b ip link set dev to-a down
sleep 0.6
on b ip link set dev to-a up
on b ip addr add 2001:db8:0:1::2/64 dev to-a nodad 2>/dev/null || :
within 20 x a ping b -c 1 -W 1 || fail "b does not come back"
client a events

# ---- who asks for what takes long does not keep others out ----
# shellcheck disable=SC2016 # expanded by the inner shell
on a sh -c 'i=0; while [ $i -lt 20 ]; do
	curl -s -m 20 -o /dev/null -w "%{http_code}\n" "$0/api/v1/ping/b?count=8&interval_ms=500" &
	i=$((i + 1)); done; wait' "$BASE" >"$WORK/codes" &
sleep 1.5
expect 200 a /api/v1/status
expect 503 a '/api/v1/ping/b?count=1'
has '"code":"busy"'
wait $!
[ "$(grep -c '^200$' "$WORK/codes")" = 16 ] || fail "16 long requests at a time: $(sort "$WORK/codes" | uniq -c)"

wait $slow || fail "slow clients: $(cat "$WORK/slow")"

# ---- members, over TLS ----
x a tls connect "[$ADDRESS_a]:26970" --expect a >"$WORK/tls" || fail "no TLS: $(cat "$WORK/tls")"
grep -q 'hybrid with ML-KEM' "$WORK/tls" || fail "TLS is not post-quantum: $(cat "$WORK/tls")"
BASE="https://[$ADDRESS_a]:26970"
as_beta="-k --cert $WORK/beta.pem --key $WORK/node.key"
# shellcheck disable=SC2086 # several words
expect 200 b /api/v1/peers $as_beta
has '"node":"b"'
# shellcheck disable=SC2086
expect 421 b /api/v1/peers $as_beta -H 'Host: localhost.evil'
# shellcheck disable=SC2086
expect 422 b /api/v1/exit -X PUT $as_beta -H 'Content-Type: application/json' -d '{"name": 5}'
client b member "$ADDRESS_a" "$WORK/beta.pem" "$WORK/node.key"
client b crowd "$ADDRESS_a" "$WORK/beta.pem" "$WORK/node.key"
for wrong in expired stranger other-domain two-uris; do
	! on b curl -g -s -m 10 -k --cert "$WORK/$wrong.pem" --key "$WORK/node.key" "$BASE/health" \
		>"$WORK/body" 2>&1 || fail "a certificate that is $wrong is let in"
done
! on b curl -g -s -m 10 -k "$BASE/health" >"$WORK/body" 2>&1 || fail "nobody is let in"
! on b curl -g -s -m 10 "http://[$ADDRESS_a]:26970/health" >"$WORK/body" 2>&1 || fail "plain HTTP on the overlay"
# the rate of one member: 20 a second, and a burst of 40
# shellcheck disable=SC2086
many=$(i=0; while [ $i -lt 120 ]; do echo "$BASE/health -o /dev/null"; i=$((i + 1)); done)
# shellcheck disable=SC2086
on b curl -s -m 20 -g $as_beta -o /dev/null -w '%{http_code}\n' $many >"$WORK/codes" || :
grep -q '^429$' "$WORK/codes" || fail "120 requests at once are not limited: $(sort "$WORK/codes" | uniq -c)"
expect_plain=$(on a curl -s -m 10 -o /dev/null -w '%{http_code}' http://127.0.0.1:26970/health)
[ "$expect_plain" = 200 ] || fail "this machine is limited with it: $expect_plain"
# handshakes of one address
refused() {
	on a curl -s -m 10 http://127.0.0.1:26970/metrics | sed -n 's/^http_connections_refused_total //p'
}
before=$(refused)
began=$(date +%s)
client b hasty "$ADDRESS_a" "$WORK/beta.pem" "$WORK/node.key"
begun=$((400 - $(refused) + before))
[ $begun -le $((128 + 50 * ($(date +%s) - began + 2))) ] || fail "$begun handshakes of 400 were begun"
# shellcheck disable=SC2086
within 5 on b curl -g -s -f -m 5 $as_beta "$BASE/health" || fail "who was hasty is not let in again"
# the policy decides by name: without its rule beta is refused
configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]' "policy: [$members]" 'api: {rate: 20}'
x a config reload >/dev/null 2>&1 || fail "reload"
sleep 3
# shellcheck disable=SC2086
expect 403 b /api/v1/peers $as_beta
# shellcheck disable=SC2086
expect 200 b /health $as_beta
# and the revocation, of a connection that is open
configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]' \
	"policy: [$members, {allow: api, from: \"spiffe://test.mesh/node/beta\"}]" 'api: {rate: 20}'
x a config reload >/dev/null 2>&1 || fail "reload"
is_beta_back() {
	# shellcheck disable=SC2086
	on b curl -g -s -f -m 5 $as_beta "$BASE/api/v1/peers" >/dev/null
}
within 5 is_beta_back || fail "beta is not allowed again"
on b timeout 60 python3 "$CLIENT" 26970 revoked "$ADDRESS_a" "$WORK/beta.pem" "$WORK/node.key" >"$WORK/revoked" 2>&1 &
revoked=$!
within 20 grep -q ready "$WORK/revoked" || fail "beta does not follow: $(cat "$WORK/revoked")"
x a node revoke beta >"$WORK/body" 2>&1 || fail "beta cannot be revoked: $(cat "$WORK/body")"
wait $revoked || fail "a revoked member: $(cat "$WORK/revoked")"
BASE=http://127.0.0.1:26970

# ---- off: switched off, port taken, library missing; the reason is told ----
restart_with() {
	x a down >/dev/null 2>&1 || fail "down"
	configure a 'peers: [{endpoint: "[2001:db8:0:1::2]:26969"}]' "$@"
	x a up >/dev/null 2>&1 || fail "up"
	x a status --json >"$WORK/body"
}
restart_with 'api: {server: off}'
has 'api.server'
x a status | grep -q 'api .*switched off' || fail "x0 status does not say that it is off: $(x a status)"
! on a curl -s -m 5 "$BASE/health" >/dev/null || fail "the API answers though it is off"
[ ! -e "$token_file" ] || fail "the token is still there"
# says TEXT: the status comes to hold it; the library is loaded a moment after the start.
says() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	within 5 sh -c '"$0" status --config "$1" --json | grep -q -e "$2"' "$X0" "$WORK/a/x0.yaml" "$1" ||
		fail "the status does not say $1: $(x a status)"
}

spawn a python3 -c 'import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", 26970)); s.listen(); time.sleep(1000)'
within 20 on a python3 -c 'import socket; socket.create_connection(("127.0.0.1", 26970))' ||
	fail "the port cannot be taken"
restart_with
has '127.0.0.1:26970 (TCP): another program listens there'
kill "$SPAWNED" || :
# a membership without its P-256 certificate: no TLS, so nobody on the overlay, and all else as ever
cp "$WORK/a/state/membership" "$WORK/membership" || fail "there is no membership"
python3 - "$WORK/a/state/membership" <<-'END' || fail "the membership is another than thought"
	import sys
	data = open(sys.argv[1], "rb").read()
	at = 1
	def part():
	    global at
	    at += 2 + int.from_bytes(data[at:at + 2], "big")
	def ders():
	    global at
	    n, at = data[at], at + 1
	    for _ in range(n):
	        part()
	    return n
	part(), part(), ders(), ders()
	begin = at
	assert ders() == 1
	open(sys.argv[1], "wb").write(data[:begin] + b"\0" + data[at:])
END
restart_with
within 5 on a curl -s -f -m 5 "$BASE/health" || fail "without TLS this machine is not served: $(x a status)"
says 'no ECDSA certificate'
x a status --json | python3 -c 'import json, sys
at = {l["kind"]: (l["address"], l["why"]) for l in json.load(sys.stdin)["api"]["listeners"]}
assert at["overlay"][0] == "" and "no ECDSA" in at["overlay"][1] and at["loopback"] == ("127.0.0.1:26970", ""), at' ||
	fail "the listeners are others"
x a doctor >"$WORK/doctor" 2>&1 || :
grep -q 'api.overlay.*no ECDSA' "$WORK/doctor" || fail "x0 doctor does not say it: $(cat "$WORK/doctor")"
cp "$WORK/membership" "$WORK/a/state/membership" || fail "the membership cannot be put back"
library=$(find /usr/lib /lib -name 'libwebsockets.so.1[0-9]' 2>/dev/null | head -n 1)
part=$(find /usr/lib /lib -name 'libwebsockets-evlib_uv.so' 2>/dev/null | head -n 1)
if [ -n "$library" ] && [ -n "$part" ]; then
	on a mount --bind /dev/null "$part"
	restart_with
	says 'libwebsockets-evlib-uv'
	on a mount --bind /dev/null "$library"
	restart_with
	says 'is not installed'
	on a umount "$library"
	on a umount "$part"
fi
restart_with 'api: {loopback_read: false}'
expect 401 a /api/v1/status
expect 200 a /health
expect 200 a /api/v1/status -H "Authorization: Bearer $(cat "$token_file")"
expect 401 a /ws -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
	-H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' -D "$WORK/head"
has '"code":"needs_token"'
has '"field":"Authorization"'
grep -qi '^WWW-Authenticate: Bearer' "$WORK/head" || fail "a WebSocket is not told what it lacks: $(cat "$WORK/head")"

# ---- all places taken: one more is closed, and when they are gone others are answered ----
restart_with 'api: {connections: 64}'
within 5 on a curl -s -m 5 "$BASE/health" || fail "no API"
client a many 80
places=$(head -n 1 "$WORK/client")
{ [ "$places" -ge 60 ] && [ "$places" -le 64 ]; } || fail "$places places instead of 64"
within 5 on a curl -s -f -m 5 "$BASE/health" || fail "the places do not come back"

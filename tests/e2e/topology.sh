#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The mesh as one node sees it: all of it soon after somebody looks, a link cut silently elsewhere within
# a second, a killed node, and nothing asked when nobody looks.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"
# shellcheck source=tests/support/diamond.sh
. "$(dirname "$0")/../support/diamond.sh"

for program in curl python3; do
	command -v $program >/dev/null || skip "$program is not installed"
done

# look NAME: the topology as it says, in $WORK/topology
look() {
	on "$1" curl -s -m 10 http://127.0.0.1:26970/api/v1/topology >"$WORK/topology"
}

# sees NAME EXPRESSION: whether it holds of state(node) and links(a, b), which are the two ends' states
sees() {
	look "$1" && python3 - "$WORK/topology" "$2" <<-'END'
		import json, sys
		t = json.load(open(sys.argv[1]))
		name = {n["id"]: n["name"] for n in t["nodes"]}
		def state(wanted):
		    return next((n["state"] for n in t["nodes"] if n["name"] == wanted), None)
		def links(x, y):
		    for l in t["links"]:
		        if {name[l["a"]], name[l["b"]]} == {x, y}:
		            return sorted(str(s and s["state"]) for s in (l["ab"], l["ba"]))
		    return None
		assert all(l["a"] < l["b"] for l in t["links"])
		assert sum(n["is_self"] for n in t["nodes"]) == 1
		sys.exit(not eval(sys.argv[2]))
	END
}

X0_RATE=1000
RATE=1000
diamond
diamond_up 'log: {level: info}'

# ---- all of it, soon ----
within 3 sees a 't["is_complete"] and len(t["nodes"]) == 4 and len(t["links"]) == 4' ||
	fail "a does not see all: $(cat "$WORK/topology")"
for pair in 'a", "b' 'a", "c' 'b", "d' 'c", "d'; do
	# on a busy machine a link may be doubted for a moment
	within 5 sees a "links(\"$pair\") == [\"up\", \"up\"]" || fail "$pair: $(cat "$WORK/topology")"
done
sees a 'all(n["version"] and n["uptime_s"] is not None and n["n_links"] == 2 for n in t["nodes"])' ||
	fail "what nodes say of themselves: $(cat "$WORK/topology")"

# ---- a cut between two others, at a node that is at neither end ----
on a timeout 60 python3 - >"$WORK/watch" <<-'END' &
	import json, time, urllib.request
	end = time.monotonic() + 20
	while time.monotonic() < end:
	    t = json.load(urllib.request.urlopen("http://127.0.0.1:26970/api/v1/topology"))
	    name = {n["id"]: n["name"] for n in t["nodes"]}
	    for l in t["links"]:
	        if {name[l["a"]], name[l["b"]]} == {"b", "d"}:
	            if all(s and s["state"] == "down" for s in (l["ab"], l["ba"])):
	                print("seen")
	                raise SystemExit
	    time.sleep(0.02)
END
watcher=$!
sleep 1
cut_ms=$(elapsed_ms)
cut_silently
wait $watcher || :
seen_ms=$(elapsed_ms)
[ -s "$WORK/watch" ] || fail "the cut does not show at a: $(cat "$WORK/topology")"
echo "a cut between b and d shows at a, from both ends, after $((seen_ms - cut_ms)) ms"
[ $((seen_ms - cut_ms)) -le 1000 ] || fail "that is more than a second"
on a curl -s "http://127.0.0.1:26970/api/v1/events?topics=topology&limit=1000" | grep -q topology_changed ||
	fail "no event topology_changed"
mend_silently
within 20 sees a 'links("b", "d") == ["up", "up"]' || fail "the link does not come back"

# ---- a node that is killed: its ends say nothing, the others say down ----
pid=$(x d status --json | json_value pid)
group=$(cut -d ' ' -f 5 "/proc/$pid/stat") # of keeper and daemon
kill -9 "-$group"
within 8 sees a 'state("d") in ("silent", "unreachable") and links("b", "d") == ["None", "down"]' ||
	fail "the killed node: $(cat "$WORK/topology")"

# ---- the other operations ----
on a curl -s 'http://127.0.0.1:26970/api/v1/metrics/summary?seconds=5' | python3 -c '
import json, sys
s = json.load(sys.stdin)
assert s["interval_s"] == 1 and len(s["series"]["sent_bps"]) == 5, s
assert len(s["series"]["rtt_ms"]) >= 2 and s["series"]["memory_bytes"][-1] > 1e6, s
' || fail "metrics/summary"
on a curl -s http://127.0.0.1:26970/api/v1/node | python3 -c '
import json, sys
n = json.load(sys.stdin)
assert n["name"] == "a" and n["is_authority"] and n["features"] and n["address"], n
' || fail "node"
on a curl -s http://127.0.0.1:26970/api/v1/bundle | python3 -c '
import base64, json, sys
b = json.load(sys.stdin)
assert b["trust_domain"] == "test.mesh" and len(b["roots"]) == 2, b
assert all(base64.b64decode(r["certificate"], validate=True)[0] == 0x30 for r in b["roots"])
' || fail "bundle"

# ---- a WebSocket that has named the topic looks as well ----
on a timeout 30 python3 - >"$WORK/followed" 2>&1 <<-'END' &
	import socket, time
	s = socket.create_connection(("127.0.0.1", 26970))
	s.sendall(b"GET /ws?topics=topology HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
	          b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	          b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	print(s.recv(100))
	time.sleep(22)
END
follower=$!
sleep 20 # by itself it would have ended after 18
[ "$(on b curl -s http://127.0.0.1:26970/api/v1/node | json_value surveyed_by)" = 1 ] ||
	fail "nobody is told while a WebSocket follows: $(cat "$WORK/followed")"
wait $follower

# ---- nobody looks: nobody is told ----
sleep 19 # 10 s of looking, 8 s that a question counts
[ "$(on b curl -s http://127.0.0.1:26970/api/v1/node | json_value surveyed_by)" = 0 ] ||
	fail "b still tells somebody"
echo "ok: $TEST"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deploy/monitoring/ with the real programs: Prometheus scrapes a node, its rules are evaluated, and
# when a link is cut Alertmanager gets the alert, and later that it is over. Arguments after those of
# every test: check.py, webhook.py.
for program in prometheus prometheus-alertmanager curl python3; do
	command -v $program >/dev/null || {
		echo "SKIPPED: monitoring was NOT run: $program is not installed (apt-get install prometheus prometheus-alertmanager)"
		exit 77
	}
done
CHECK=$(realpath "$3")
WEBHOOK=$(realpath "$4")
ROOT=$(realpath "$(dirname "$0")/../..")
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

two_nodes cable

# ---- what the daemon exports is what is asked for ----
on a curl -s -m 10 http://127.0.0.1:26970/metrics >"$WORK/metrics" || fail "no metrics"
python3 "$CHECK" "$ROOT" "$WORK/metrics" || fail "names that the daemon does not export"
if command -v promtool >/dev/null; then
	promtool check metrics <"$WORK/metrics" >"$WORK/promtool" 2>&1 || :
	[ ! -s "$WORK/promtool" ] || fail "promtool: $(cat "$WORK/promtool")"
fi

# ---- the configuration as it is shipped, with short times ----
mkdir "$WORK/prom"
monitoring=$ROOT/deploy/monitoring
sed 's/_interval: 15s/_interval: 1s/' "$monitoring/prometheus.yml" >"$WORK/prom/prometheus.yml"
sed 's/for: [0-9]*m$/for: 1s/' "$monitoring/x0.rules.yml" >"$WORK/prom/x0.rules.yml"
sed -e 's/group_wait: .*/group_wait: 1s/' -e 's/group_interval: .*/group_interval: 1s/' \
	"$monitoring/alertmanager.yml" >"$WORK/prom/alertmanager.yml"
grep -q 'scrape_interval: 1s' "$WORK/prom/prometheus.yml" || fail "the times are not short"
spawn a python3 "$WEBHOOK" 9099 "$WORK/hook"
spawn a prometheus-alertmanager --config.file="$WORK/prom/alertmanager.yml" \
	--storage.path="$WORK/prom/am" --web.listen-address=127.0.0.1:9093 --cluster.listen-address= \
	>"$WORK/prom/am.log" 2>&1
spawn a prometheus --config.file="$WORK/prom/prometheus.yml" --storage.tsdb.path="$WORK/prom/data" \
	--web.listen-address=127.0.0.1:9091 >"$WORK/prom/prometheus.log" 2>&1

query() { # whether the query has a result
	on a curl -s -g -m 5 --data-urlencode "query=$1" http://127.0.0.1:9091/api/v1/query |
		grep -q '"value":'
}
within 30 query 'mesh_reachable_nodes == 1' ||
	fail "Prometheus does not see the node: $(tail -n 5 "$WORK/prom/prometheus.log")"
within 20 on a curl -s -f -m 5 http://127.0.0.1:9093/-/ready ||
	fail "no Alertmanager: $(tail -n 5 "$WORK/prom/am.log")"
rules_are_healthy() {
	on a curl -s -m 5 http://127.0.0.1:9091/api/v1/rules >"$WORK/rules"
	python3 - "$WORK/rules" <<-'END'
		import json, sys
		rules = [r for g in json.load(open(sys.argv[1]))["data"]["groups"] for r in g["rules"]]
		bad = [r["name"] + ": " + r.get("lastError", r["health"]) for r in rules if r["health"] != "ok"]
		print(bad)
		sys.exit(bool(bad) or len(rules) < 10)
	END
}
within 20 rules_are_healthy || fail "rules that cannot be evaluated: $(rules_are_healthy)"
[ ! -s "$WORK/hook" ] || fail "an alert without a cause: $(cat "$WORK/hook")"

# ---- a link is cut, and mended ----
on a ip link set dev to-b down
within 60 grep -q '^firing X0NodesUnreachable$' "$WORK/hook" ||
	fail "no alert: $(cat "$WORK/hook" 2>/dev/null) $(tail -n 3 "$WORK/prom/am.log")"
on a ip link set dev to-b up
on a ip addr add 2001:db8:0:1::1/64 dev to-b nodad 2>/dev/null || :
within 30 x a ping b -c 1 -W 1 || fail "b does not come back"
within 60 grep -q '^resolved X0NodesUnreachable$' "$WORK/hook" || fail "the alert does not end: $(cat "$WORK/hook")"

# ---- the daemon is stopped ----
x a down >/dev/null 2>&1 || fail "down"
within 60 grep -q '^firing X0Down$' "$WORK/hook" || fail "no alert that the node is down: $(cat "$WORK/hook")"
echo "alerts: $(sort "$WORK/hook" | uniq -c | tr -s ' \n' ' ')"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# x0-lab eval on small data sets made here: what is found is found, names decide nothing, and
# what is broken is refused.
set -eu
lab=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail()
{
	echo "test_eval: $*" >&2
	exit 1
}

# figure FILE SET METHOD NAME: of the JSON, one member a line in the order it is printed.
figure()
{
	awk -v set="\"$2\":" -v method="\"$3\":" -v name="\"$4\":" '
		$1 == set { in_set = 1 }
		in_set && $1 == "\"mean\":" { in_mean = 1 }
		in_mean && $1 == method { in_method = 1 }
		in_method && $1 == name { sub(/,$/, "", $2); print $2; exit }' "$1"
}

at_least()
{
	awk -v value="$1" -v least="$2" 'BEGIN { exit !(value != "" && value + 0 >= least) }' ||
		fail "$3 is \"$1\", less than $2"
}

# Three waves; the second jumps where it is strange.
mkdir -p "$dir/t/made/host"
waves()
{
	awk -v n="$1" -v from="$2" -v to="$3" 'BEGIN {
		srand(from + 1)
		for (i = 0; i < n; i++)
			printf "%.4f,%.4f,%.4f\n", sin(i / 9) + rand() / 5,
				cos(i / 9) + rand() / 5 + (i >= from && i < to ? 3 : 0), rand()
	}'
}
waves 1500 -1 -1 >"$dir/t/made/host/train.csv"
waves 600 400 430 | gzip >"$dir/t/made/host/test.csv.gz"
awk 'BEGIN { for (i = 0; i < 600; i++) print (i >= 400 && i < 430) }' >"$dir/t/made/host/test_label.csv"
"$lab" eval timeseries --json "$dir/t" >"$dir/t.json" || fail "timeseries"
at_least "$(figure "$dir/t.json" made forecast auroc)" 0.95 "AUROC of the forecast detector"
at_least "$(figure "$dir/t.json" made forecast event_recall)" 1 "its event recall"
"$lab" eval timeseries --json "$dir/t" | cmp -s - "$dir/t.json" || fail "two runs differ"
"$lab" eval timeseries "$dir/t" | grep -q '^  random ' || fail "no baseline in the table"

echo 1,2 >>"$dir/t/made/host/train.csv"
! "$lab" eval timeseries "$dir/t" >/dev/null 2>&1 || fail "a ragged table was taken"

# A shop: front calls a and b, both call db; db is slow in the middle, noise is slow always.
# shop FRONT A B DB NOISE: the same under other names.
shop()
{
	mkdir -p "$dir/r/shop/noissue" "$dir/r/shop/issue_0"
	printf ',%s,%s,%s,%s,%s\n%s,0,1,1,0,1\n%s,0,0,0,1,0\n%s,0,0,0,1,0\n%s,0,0,0,0,0\n%s,0,0,0,0,0\n' \
		"$1" "$2" "$3" "$4" "$5" "$1" "$2" "$3" "$4" "$5" >"$dir/r/shop/graph.csv"
	for file in noissue issue_0; do
		printf 'microservice,%s,%s,%s,%s,%s\n' "$1" "$2" "$3" "$4" "$5"
		echo 'metric,latency,latency,latency,latency,latency'
		echo 'statistic,Average,Average,Average,Average,Average'
		echo 'unix_timestamp,,,,,'
		if [ "$file" = noissue ]; then
			awk 'BEGIN { srand(1); for (i = 0; i < 60; i++) printf "%d,%f,%f,%f,%f,%f\n",
				300 * i, 9 + rand(), 5 + rand(), 5 + rand(), 2 + rand(), 3 + rand() }'
		else
			printf '1,9.5,5.4,5.5,2.5,9\n2,11,6.5,6.4,4.5,9\n3,12,7.5,7,6,9\n4,9.6,5.5,5.4,2.4,9\n5,9.4,5.5,5.6,2.6,9\n'
		fi >"$dir/rows"
		cat "$dir/rows"
	done | awk -v dir="$dir/r/shop" '/^microservice/ { n++ }
		{ print >(dir (n == 1 ? "/noissue" : "/issue_0") "/metrics.csv") }'
	printf '{"target": {"node": "%s", "metric": "latency", "agg": "Average"}, "root_cause": {"node": "%s"}}\n' \
		"$1" "$4" >"$dir/r/shop/issue_0/target.json"
}
shop front a b db noise
"$lab" eval rca --json "$dir/r" >"$dir/r.json" || fail "rca"
at_least "$(figure "$dir/r.json" shop explained ac_1)" 1 "the cause's place"
rm -r "$dir/r"
shop z9 y8 x7 m1 a0
"$lab" eval rca --json "$dir/r" | cmp -s - "$dir/r.json" || fail "names decide"

rm -r "$dir/r/shop/noissue"
! "$lab" eval rca "$dir/r" >/dev/null 2>"$dir/err" || fail "nothing was evaluated, and that passed"
grep -q 'no normal period' "$dir/err" || fail "a scenario was left out in silence"

# Pods: the second one's processor is busy for four minutes.
mkdir -p "$dir/n/pods/faulty"
for pod in front_service web-1 db-1; do
	awk -v pod="$pod" 'BEGIN { srand(length(pod)); print "TimeStamp,Cpu,Latency"
		for (t = 0; t < 1200; t += 60)
			printf "%d,%f,%f\n", t, 5 + rand() + (pod == "db-1" && t >= 600 && t < 840 ? 9 : 0),
				1 + rand() / 9 }' >"$dir/n/pods/faulty/$pod.csv"
done
printf 'timestamp,pod,type\n600,db-1,cpu\n' >"$dir/n/pods/faults.csv"
printf 'Source,Target,Weight\nweb,db,1\n' >"$dir/n/pods/dependency.csv"
"$lab" eval rca --json "$dir/n" >"$dir/n.json" || fail "pods"
at_least "$(figure "$dir/n.json" pods explained ac_1)" 1 "the pod's place"

status=0
"$lab" eval nothing "$dir" >/dev/null 2>&1 || status=$?
[ "$status" -eq 2 ] || fail "a wrong subject ended with $status"
! "$lab" eval timeseries "$dir/nowhere" >/dev/null 2>&1 || fail "a folder that is not there passed"

# Four routers in a ring; the second shuts an interface, which the one at its other end sees too.
# fabric A B C D: the same under other names.
fabric()
{
	run=$dir/f/one
	mkdir -p "$run"
	printf 'a,a_if,b,b_if\n%s,e1,%s,e0\n%s,e1,%s,e0\n%s,e1,%s,e0\n%s,e1,%s,e0\n' \
		"$1" "$2" "$2" "$3" "$3" "$4" "$4" "$1" >"$run/edges.csv"
	printf 't,event,duration,device,interface\n-1,traffic,,,\n412.5,shutdown_interface,,%s,e1\n' \
		"$2" >"$run/events.csv"
	awk -v names="$*" -v dir="$run" 'BEGIN {
		srand(7)
		split(names, name, " ")
		print "t,node,in_kbps,out_kbps,if_up,bfd_up,bgp_up,d_drops,bgp_paths,d_bgp_updates" >(dir "/nodes_ts.csv")
		print "t,node,if,up,in_kbps,out_kbps,in_pps,out_pps,d_in_drops,d_out_drops,d_errors,d_carrier" >(dir "/ifaces_ts.csv")
		for (t = 0; t < 600; t += 10)
			for (v = 1; v <= 4; v++) {
				cut = t > 412 && (v == 2 || v == 3)
				printf "%d,%s,%d,%d,%d,2,,0,%d,0\n", t, name[v], 900 + 90 * rand() - 400 * cut,
					900 + 90 * rand(), 2 - cut, 50 + 5 * rand() >(dir "/nodes_ts.csv")
				for (i = 0; i < 2; i++) {
					off = t < 413 ? 0 : v == 2 ? 0.3 + 0.7 * i : v == 3 && i == 0 ? 0.5 : 0
					printf "%d,%s,e%d,%d,%d,%d,,,0,0,,0\n", t, name[v], i, !(v == 2 && off == 1),
						(400 + 40 * rand()) * (1 - off), (400 + 40 * rand()) * (1 - off) >(dir "/ifaces_ts.csv")
				}
			}
	}'
}
fabric leaf1 leaf2 spine1 spine2
"$lab" eval fabric --json "$dir/f" >"$dir/f.json" || fail "fabric"
at_least "$(figure "$dir/f.json" detection forecast found)" 1 "the event of the fabric"
at_least "$(figure "$dir/f.json" detection rolling_mad auroc)" 0.95 "AUROC of the rolling median"
at_least "$(figure "$dir/f.json" device five_largest ac_1)" 1 "the router's place"
at_least "$(figure "$dir/f.json" device explained ac_3)" 1 "the router's place among three"
at_least "$(figure "$dir/f.json" interface five_largest ac_1)" 1 "the interface's place"
rm -r "$dir/f"
fabric spine9 dr7 leaf8 leaf0
"$lab" eval fabric --json "$dir/f" | cmp -s - "$dir/f.json" || fail "names of routers decide"
printf 't,event\n1,x\n' >"$dir/f/one/events.csv"
! "$lab" eval fabric "$dir/f" >/dev/null 2>&1 || fail "events without a device were taken"

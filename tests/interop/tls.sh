#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs tls.mjs with Node.js of a major version, found or fetched as node.sh says; skipped aloud (77)
# where there is none. Arguments: the version, x0, tls_tool, a directory to keep Node.js in, the script.
set -eu
# shellcheck source=tests/interop/node.sh
. "$(dirname "$0")/node.sh"

version=$1

skip() {
	echo "SKIPPED: TLS with Node.js $version was NOT tested: $*" >&2
	exit 77
}

find_node "$version" "$4"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$node" "$5" "$2" "$3" "$work"

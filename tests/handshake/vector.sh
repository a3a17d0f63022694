#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs vector.mjs where there is a Node.js; says so and skips where there is none.
command -v node >/dev/null 2>&1 || {
	echo "skipped: no node, the second implementation of the key schedule cannot run" >&2
	exit 77
}
exec node "$1" "$2"

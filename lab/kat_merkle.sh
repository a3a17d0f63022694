#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the published Merkle vectors, if they are there: all of them. usage: kat_merkle.sh X0-LAB
set -eu
archive=$(find "$X0_SHARED/vectors/merkle" -name '*.tar.gz' 2>/dev/null | head -n 1)
if [ -z "$archive" ]; then
	echo "skipped: no published test vectors in $X0_SHARED/vectors/merkle"
	exit 77
fi
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
tar -xzf "$archive" -C "$directory"
n=$(find "$directory" -name '*.json' | wc -l)
"$1" kat --json "$directory" >"$directory/result"
passed=$(grep -o '"passed": *[0-9]*' "$directory/result" | grep -o '[0-9]*$' | sort -n | tail -n 1)
echo "$passed of $n cases"
[ "$passed" -eq "$n" ]

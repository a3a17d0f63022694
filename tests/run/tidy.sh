#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy over our C files that changed since they last passed, for a limited time.
#
#   tidy.sh BUILD_DIR MAX_SECONDS STATE_DIR
#
# Ends with 0 when all files passed, 77 when the time was over before all were looked at.
# A file is looked at again when it, any header or .clang-tidy is newer than its last pass.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
max_s=$2
state=$3

mkdir -p "$state" || exit 1
if [ ! -f "$state/.rules" ] ||
	[ -n "$(find .clang-tidy src lab tests \( -name '*.h' -o -name .clang-tidy \) \
		-newer "$state/.rules" | head -n 1)" ]; then
	rm -f "$state"/*.passed
	touch "$state/.rules"
fi

# What changed last comes first. The rest comes in an order that each commit has of its own, so that
# fresh trees, none of which gets through, look at others each time.
in_order()
{
	{
		git log -n 20 --format= --name-only 2>/dev/null | grep '\.c$'
		find src lab tests -name '*.c' | sort | awk -v "seed=$(git rev-parse --short=7 HEAD 2>/dev/null)" '
			BEGIN { for (i = 1; i <= length(seed); i++)
					n = n * 16 + index("0123456789abcdef", substr(seed, i, 1)) - 1
				srand(n) }
			{ print rand(), $0 }' | sort -n | cut -d " " -f 2
	} | awk '!seen[$0]++'
}

todo=$(in_order | while read -r file; do
	[ -f "$file" ] || continue # it may be gone since
	grep -q "[\"/]$file\"" "$build/compile_commands.json" || continue
	stamp=$state/$(echo "$file" | tr / -).passed
	[ -f "$stamp" ] && [ -z "$(find "$file" -newer "$stamp")" ] || echo "$file"
done)
[ -n "$todo" ] || exit 0
echo "$(echo "$todo" | wc -l) files to look at"

# shellcheck disable=SC2016 # expanded by the inner shell
echo "$todo" | BUILD=$build STATE=$state END=$(($(date +%s) + max_s)) xargs -P "$(nproc)" -n 1 sh -c '
	[ "$(date +%s)" -lt "$END" ] || { touch "$STATE/.late"; exit 0; }
	log=$STATE/$(echo "$1" | tr / -)
	began=$STATE/.began.$$
	touch "$began"
	if clang-tidy --quiet -p "$BUILD" "$1" >"$log.log" 2>/dev/null; then
		mv "$began" "$log.passed"
		exit 0
	fi
	rm -f "$began"
	grep " error: \|: warning: " "$log.log" || cat "$log.log" # the whole stays in the log
	exit 1' sh
status=$?

if [ -f "$state/.late" ]; then
	rm -f "$state/.late"
	[ $status -ne 0 ] || exit 77
fi
[ $status -eq 0 ]

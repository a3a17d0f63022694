#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The dashboard in Debian's Chromium, at a node of a mesh of six: what it shows, how soon, and what it
# must never do. Skipped aloud (77) without Chromium or the packages.
# shellcheck source=tests/dashboard/mesh.sh
. "$(dirname "$0")/mesh.sh"
find_programs
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

six_nodes
on n1 curl -s -m 5 http://127.0.0.1:26970/ >"$WORK/page" || fail "no page"
if grep -q dashboard_off "$WORK/page"; then
	skip "$(cat "$WORK/page")"
fi
load_start steady n1 n6 "$ADDRESS_n6" 100
drive test || fail "the dashboard in the browser"

# One packet a second, as in the demo: with more the relay tells of itself.
if command -v nft >/dev/null 2>&1 && command -v ping >/dev/null 2>&1; then
	load_stop steady
	spawn n1 ping -i 1 -W 1 "$ADDRESS_n6" >/dev/null 2>&1
	sleep 4
	drive incident || fail "an incident in the browser"
else
	echo "NOT TESTED: an incident in the browser: nft or ping is missing"
fi

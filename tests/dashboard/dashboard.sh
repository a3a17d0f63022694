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

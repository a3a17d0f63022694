#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A file goes over a link that loses, reorders and duplicates 1 % each, and arrives as it was; and
# one over a link that damages frames. 64 MiB; with X0_LONG=1, 1 GiB.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

BYTES=67108864
SECONDS_MAX=90
if [ "${X0_LONG:-0}" = 1 ]; then
	BYTES=1073741824
	SECONDS_MAX=1200
fi

two_nodes emulated
"$TOOL" pattern $BYTES >"$WORK/sent"
emulate a b set both loss=1% reorder=1% reorder_by=500us duplicate=1% >/dev/null
nonces_start a to-b
begin=$(date +%s%N)
transfer b a "$ADDRESS_b" $SECONDS_MAX || fail "the file did not arrive as it was"
ms=$((($(date +%s%N) - begin) / 1000000))
echo "$BYTES bytes in $ms ms: $((BYTES / 125 / ms)) Mbit/s"
nonces_check $((BYTES / 1500))
emulate a b stats | sed 's/.*"ba":/b to a: /'
for key in lost reordered duplicated; do
	[ "$(emulate a b stats | sed 's/.*"ba"//' | tr ',' '\n' | sed -n "s/.*\"$key\"://p" | head -n 1)" -gt 0 ] ||
		fail "nothing was $key: no proof"
done
[ "$(counter a replayed)" -gt 0 ] || fail "no copy was found to be one"

emulate a b clear both >/dev/null
emulate a b set both corrupt=1% >/dev/null
"$TOOL" pattern 4194304 >"$WORK/sent"
transfer b a "$ADDRESS_b" 60 || fail "what was damaged on the way did not arrive as it was"
alive a b

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random requests and frames against the API of a running daemon, for X0_API_FUZZ_S seconds (5) from
# X0_API_FUZZ_SEED (1). The daemon lives on, an honest client is answered all the while, and a
# daemon built with sanitizers has reported nothing.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v python3 >/dev/null || skip "python3 is not installed"
FUZZ=$(realpath "$(dirname "$0")/../support/api_fuzz.py")

two_nodes cable
before=$(x b status --json | json_value pid)
on b timeout $((${X0_API_FUZZ_S:-5} + 60)) python3 "$FUZZ" 26970 "${X0_API_FUZZ_S:-5}" \
	"${X0_API_FUZZ_SEED:-1}" "$WORK/b/run/x0/api.token" || fail "see above"
[ "$(x b status --json | json_value pid)" = "$before" ] || fail "the daemon ended and was started again"
! grep -q -e Sanitizer -e 'runtime error' "$WORK/b/state/x0.log" || fail "a sanitizer found something"
within 10 x a ping b -c 1 -W 1 || fail "a no longer reaches b"
alive a b

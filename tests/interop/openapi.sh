#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The OpenAPI document of a running daemon: checked by a linter, and gone through by a client that is
# made from it. Both come from npm, once, into a directory; skipped aloud (77) without npm.
# Arguments: x0, the helper of end-to-end tests, a directory to keep them in, the script.
packages="@redocly/cli@2.77.0 openapi-client-axios@7.9.1 axios@1.21.1"
kept=$3/openapi
modules=$kept/node_modules

skip() {
	echo "SKIPPED: the OpenAPI document was NOT tested: $*" >&2
	exit 77
}

# Fetched first: the namespaces of the test have no network.
fetch() {
	[ ! -f "$kept/complete" ] || return 0
	command -v npm >/dev/null || skip "npm is not installed (apt-get install npm)"
	mkdir -p "$kept"
	# shellcheck disable=SC2086 # several words
	npm install --prefix "$kept" --no-save --ignore-scripts --no-audit --no-fund $packages \
		>"$kept/npm.log" 2>&1 || skip "npm cannot install $packages, see $kept/npm.log"
	: >"$kept/complete"
}

# shellcheck source=tests/interop/node.sh
. "$(dirname "$0")/node.sh"
[ -n "${X0_E2E_INSIDE:-}" ] || fetch
find_node 24 "$3"
node=$(realpath "$node")
modules=$(realpath "$modules")
script=$(realpath "$4")
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

two_nodes cable
on a curl -s -m 10 http://127.0.0.1:26970/api/openapi.json >"$WORK/openapi.json" || fail "no document"
# The one thing that the document has and the linter's rules do not know is an answer of 101 alone.
REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true "$node" "$modules/@redocly/cli/bin/cli.js" \
	lint --skip-rule operation-2xx-response "$WORK/openapi.json" >"$WORK/lint" 2>&1 ||
	fail "the linter: $(cat "$WORK/lint")"
! grep -qi 'warning' "$WORK/lint" || fail "the linter: $(cat "$WORK/lint")"
on a "$node" "$script" "$modules" "$WORK/openapi.json" http://127.0.0.1:26970 \
	"$WORK/a/run/x0/api.token" b || fail "the generated client"

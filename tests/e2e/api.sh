#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The API as a user meets it: curl on the loopback, what it refuses, the token, and other members
# over TLS.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

command -v curl >/dev/null || skip "curl is not installed"
BASE=http://127.0.0.1:26970

# get HOST PATH [CURL-OPTION...]: the status in the first line of $WORK/answer, then the body.
get() {
	where=$1
	path=$2
	shift 2
	on "$where" curl -s -m 10 -o "$WORK/body" -w '%{http_code} %{content_type}' "$@" "$BASE$path" \
		>"$WORK/code" || fail "curl $path ends with $?"
}

# expect STATUS HOST PATH [CURL-OPTION...]
expect() {
	wanted=$1
	shift
	get "$@"
	case $(cat "$WORK/code") in
	"$wanted "*) ;;
	*) fail "$2 answers $(cat "$WORK/code") and not $wanted: $(head -c 300 "$WORK/body")" ;;
	esac
}

host a
host b
cable a b 1
x a init --domain test.mesh --name a >"$WORK/init"
x a invite --no-qr >"$WORK/invite"
x b join --name b "$(grep -o 'x0://[^ ]*' "$WORK/invite")" >"$WORK/join"
within 10 x b ping a -c 1 -W 1 || fail "b does not reach a"

# has TEXT: whether the last answer holds it.
has() {
	grep -q -e "$1" "$WORK/body" || fail "there is no $1 in $(head -c 600 "$WORK/body")"
}

# ---- reading from this machine ----
expect 200 a /api/v1/status
has '"name":"a"'
grep -q 'application/json' "$WORK/code" || fail "the status is $(cat "$WORK/code")"
for view in peers links sessions routes svid doctor names networks exit policies ebpf batman nodes events; do
	expect 200 a /api/v1/$view
done
expect 200 a /api/v1/peers
has '"node":"b"'
expect 200 a /api/v1/trace/b
has '"event":"hop"'
expect 200 a '/api/v1/ping/b?count=1'
has '"received":1'
expect 200 a /api/v1/names/b
has '"node":"b"'
for path in /health /health/live /health/ready /api/health/ready; do
	expect 200 a $path
done

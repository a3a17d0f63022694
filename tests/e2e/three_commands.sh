#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two fresh hosts are connected by three commands, in less than ten seconds, and stay so.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

host a
host b
cable a b 1

start=$(elapsed_ms)
x a init --domain test.mesh --name a >"$WORK/init"           # 1
x a invite --no-qr >"$WORK/invite"                           # 2
x b join --name b "$(grep -o 'x0://[^ ]*' "$WORK/invite")" >"$WORK/join" # 3
x b ping a -c 3 -i 0.5 -W 5 || fail "b does not reach a"
x a ping b -c 3 -i 0.5 -W 5 || fail "a does not reach b"
seconds=$((($(elapsed_ms) - start) / 1000))
echo "connected after $seconds s"
[ $seconds -lt 10 ] || fail "$seconds s is too long"
address=$(x a status --json | json_value address)
on b timeout 10 ping -c 1 -W 5 "$address" >/dev/null 2>&1 || ! command -v ping >/dev/null ||
	fail "the kernel of b does not reach $address"

# both machines start anew; up is what the service manager runs
x a down
x b down
x b up >/dev/null
x a up >/dev/null
within 10 x b ping a -c 1 -W 1 || fail "after a restart b does not reach a"
within 10 x a ping b -c 1 -W 1 || fail "after a restart a does not reach b"

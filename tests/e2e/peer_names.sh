#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A peer given by a DNS name: met as soon as the name resolves, and met again when it leads
# elsewhere. A peer that comes or goes with the configuration does so at once.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

host a
host b
cable a b 1
printf '::1 localhost\n' >"$WORK/hosts"
on b mount --bind "$WORK/hosts" /etc/hosts 2>"$WORK/mount" || skip "no hosts file of its own: $(cat "$WORK/mount")"
on b getent ahosts localhost >/dev/null 2>&1 || skip "names are not looked up in /etc/hosts here"

# is_linked_at HOST ADDRESS: its link is up, to there
is_linked_at() {
	x "$1" peers --json | tr -d ' \n' | grep "\"endpoint\":\"\[$2\]:26969\"" | grep -qi '"state":"up"'
}

configure a
x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
configure b
x b join --no-start "$(invitation a --name b)" >/dev/null 2>&1 || fail "join"
configure b 'peers: [{endpoint: "hub.test", name: "spiffe://test.mesh/node/a"}]'
x b up >/dev/null 2>&1 || fail "b does not start"
sleep 1
x b peers --json | grep -q '"state":' && fail "linked with whom? $(x b peers)"
printf '2001:db8:0:1::1 hub.test\n' >>"$WORK/hosts"
within 20 is_linked_at b 2001:db8:0:1::1 || fail "the name was not looked up again: $(x b peers)"
echo "ok: a name that did not resolve at first"

printf '::1 localhost\n2001:db8:0:1::7 hub.test\n' >"$WORK/hosts"
x a down >/dev/null 2>&1
on a ip addr del 2001:db8:0:1::1/64 dev to-b
on a ip addr add 2001:db8:0:1::7/64 dev to-b nodad
x a up >/dev/null 2>&1 || fail "a does not start again"
within 60 is_linked_at b 2001:db8:0:1::7 || fail "the name leads elsewhere now: $(x b peers)"
echo "ok: a name that leads elsewhere now"

configure b
x b config reload >/dev/null 2>&1 || on b kill -HUP "$(counter b pid)"
x b ping a -c 1 -W 2 >/dev/null || fail "a link does not end with its line in the configuration"
x a down >/dev/null 2>&1
x a up >/dev/null 2>&1
sleep 3
is_linked_at b 2001:db8:0:1::7 && fail "a peer that was taken out is still called"
configure b 'peers: [{endpoint: "[2001:db8:0:1::7]:26969"}]'
on b kill -HUP "$(counter b pid)"
within 15 is_linked_at b 2001:db8:0:1::7 || fail "a peer that was added is not called: $(x b peers)"
alive a b
echo "ok: peers come and go with the configuration"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who was invited, admitted and revoked, and by whom, is in the ledger in that order, and no secret is;
# without room for it the daemon goes on and says so; x0 leave takes it away.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

entries() { # of a host: what, where; a line each
	x "$1" ledger show --json | sed -n 's/.*"\(what\|where\)": *"\([^"]*\)".*/\1 \2/p' |
		sed -n '/^what/{N;s/^what \(.*\)\nwhere /\1,/p}'
}

has() { # HOST WHAT,WHERE
	entries "$1" | grep -qx "$2"
}

two_nodes cable
token=$(invitation a --name c)
within 10 has a 'invitation made,c' || fail "the invitation is not there: $(x a ledger show)"
x a node revoke b >/dev/null || fail "revoke"
within 10 has a 'node revoked,b' || fail "the revocation is not there: $(x a ledger show)"
entries a >"$WORK/entries"
printf '%s\n' 'invitation made,b' 'node admitted,b' 'invitation made,c' 'node revoked,b' >"$WORK/expected"
cmp "$WORK/expected" "$WORK/entries" || fail "another order, or other entries: $(cat "$WORK/entries")"
x a ledger show | grep -q 'uid:' || fail "nobody is named: $(x a ledger show)"
! x a ledger show --json | grep -qF "${token#x0://}" || fail "the invitation itself is in it"
is_counted() {
	[ "$(counter a ledger_entries)" -ge 4 ]
}
within 10 is_counted || fail "they are not counted"
within 10 x a ledger checkpoint || fail "no checkpoint"

# a policy that changes; the daemon ends before a minute has passed
echo 'policy: [{allow: ping, from: "*"}]' >>"$WORK/a/x0.yaml"
kill -HUP "$(x a status --json | json_value pid)"
within 10 grep -q reloaded "$WORK/a/state/x0.log" || fail "it is not reloaded"
x a down >/dev/null || fail "down"
x a ledger show | grep -q 'signal  policy changed: rules: 1' || fail "no policy: $(x a ledger show)"
x a ledger verify >/dev/null || fail "not intact: $(x a ledger verify)"
[ "$(x a ledger show | grep -c '^ *[0-9]')" = "$(x a ledger checkpoint | sed -n 2p)" ] || fail "the last entries are not signed"

# less room than it needs: the daemon runs without
host d
mkdir "$WORK/d/state"
on d mount -t tmpfs -o size=8m,mode=0700 small "$WORK/d/state" || skip "no small file system can be mounted"
configure d
x d init --domain test.mesh --name d >"$WORK/init" 2>&1 || fail "init without room for a ledger: $(cat "$WORK/init")"
has_none() {
	x d status --json | tr -d '\n' | tr '{' '\n' | grep '"name": *"ledger"' |
		grep '"is_on": *false' | grep -q 'No space left'
}
within 10 has_none ||
	fail "the ledger is not said to be off: $(x d status)"
invitation d >/dev/null || fail "without a ledger it invites nobody"
alive d

# the mesh is left, and its ledger with it
x b leave --yes >/dev/null || fail "leave: $(x b leave --yes 2>&1)"
[ ! -e "$WORK/b/state/ledger" ] || fail "the ledger is still there"
left=$(find "$WORK/b/state" -name "knowledge*")
[ -z "$left" ] || fail "what is known of incidents is still there: $left"

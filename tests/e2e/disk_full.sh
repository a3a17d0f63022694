#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The disk of the state directory fills up while another incident is open: what the daemon itself may
# forget is given back, that is recorded in the reserve of the ledger, and nothing else is done.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"
FILL=$(realpath "$3")

host a
mkdir "$WORK/a/state"
on a mount -t tmpfs -o size=48m,mode=0700 small "$WORK/a/state" || skip "no small file system can be mounted"
configure a "services: tcp://127.0.0.1:9"
x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
x a down >/dev/null || fail "down"
on a rm -f "$WORK/a/state/knowledge.db" "$WORK/a/state/knowledge.db-wal" "$WORK/a/state/knowledge.db-spare"
on a "$FILL" "$WORK/a/state" 1500 || fail "no database of old incidents"
on a chown -R --reference="$WORK/a/state" "$WORK/a/state/knowledge.db" "$WORK/a/state/knowledge.db-spare"
x a up >/dev/null 2>&1 || fail "up"
has_incident() { # KIND, of now and not of before
	x a heal --json --kind "$1" | tr -d ' \n' | grep -q "\"kind\":\"$1\""
}
within 20 has_incident service || fail "no other incident: $(x a heal)"
invitation a --name b >/dev/null || fail "invite"

# all of it, to the last byte
on a dd if=/dev/zero of="$WORK/a/state/filler" bs=64k  2>/dev/null || true
on a dd if=/dev/zero of="$WORK/a/state/filler2" bs=1k  2>/dev/null || true
within 30 has_incident disk || fail "no incident of the disk: $(x a heal; on a df "$WORK/a/state")"
x a ledger show >/dev/null || fail "the ledger cannot be read"
is_done() {
	x a ledger show | grep -q 'result .* free_space .*-> confirmed by a probe'
}
within 30 is_done || fail "it was not done: $(x a ledger show; x a heal; on a df "$WORK/a/state"; on a tail -n 5 "$WORK/a/state/x0.log")"
on a grep -q knowledge_given_back "$WORK/a/state/x0.log" || fail "the log does not say so"
[ "$(x a ledger show | grep -c ' intent ')" = 1 ] || fail "something else was done: $(x a ledger show)"
[ "$(x a ledger show --json | grep -c '"disk": *true')" = 2 ] || fail "not marked as of the disk: $(x a ledger show --json)"
x a heal --json --kind service | grep -q '"action": *null' || fail "something was done for the service: $(x a heal --json --kind service)"
alive a
on a rm "$WORK/a/state/filler" "$WORK/a/state/filler2"
x a ledger verify >/dev/null || fail "not intact: $(x a ledger verify)"

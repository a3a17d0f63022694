#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Neighbours cosign each other's ledgers, and know after a restart what they have signed; one whose
# ledger was put back to an older state, which it proves in itself, is refused, and people are told.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

cosigned() { # OF: by the one neighbour, all that is signed
	signed=$(x "$1" ledger checkpoint 2>/dev/null | sed -n 2p)
	[ -n "$signed" ] && [ "$(x "$1" ledger witnesses --json | json_value size)" = "$signed" ]
}

two_nodes cable
within 20 cosigned a || fail "b has not signed: $(x a ledger witnesses; cat "$WORK/a/state/x0.log")"
x a ledger witnesses | grep -q 'test.mesh/node/b' || fail "it is not said who: $(x a ledger witnesses)"
x a status --json | tr -d ' \n' | grep -q '"cosigned_by":1' || fail "the status does not say it: $(x a status --json)"
x a ledger show | grep -q 'Witnesses of the first' || fail "show does not say it: $(x a ledger show)"
x a ledger verify | grep -q 'Witnesses of the first' || fail "verify does not say it: $(x a ledger verify)"

# an older state of all that a keeps, for later
x a down >/dev/null || fail "down"
cp -a "$WORK/a/state/ledger" "$WORK/old"
x a up >/dev/null || fail "up"
alive a

invitation a --name c >/dev/null
x a down >/dev/null || fail "down"
x a up >/dev/null || fail "up"
within 20 cosigned a || fail "b has not signed what is new after the restart: $(x a ledger witnesses)"
x b down >/dev/null || fail "down"

# b restarts, and a is an older one, which goes on in another way
x a down >/dev/null || fail "down"
rm -r "$WORK/a/state/ledger"
mv "$WORK/old" "$WORK/a/state/ledger"
x b up >/dev/null || fail "up"
x a up >/dev/null || fail "up"
refuses() {
	x b heal --json | grep -q '"kind": *"ledger_split"'
}
within 30 refuses || fail "b opens no incident: $(x b heal; cat "$WORK/b/state/x0.log")"
within 10 grep -q ledger_not_cosigned "$WORK/a/state/x0.log" || fail "a is not told"
is_recorded() {
	x b ledger show | grep -q 'ledger not vouched for at test.mesh/node/a'
}
within 10 is_recorded || fail "it is not in b's own ledger: $(x b ledger show)"
[ "$(find "$WORK/b/state/ledger/logs" -name 'evidence-*' | wc -l)" = 2 ] || fail "no evidence is kept"
x b ledger verify >/dev/null || fail "b's own ledger is not intact: $(x b ledger verify)"

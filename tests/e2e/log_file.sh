#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The log of a daemon that no journald hears does not fill the disk: when it is long it is kept once,
# and keeper and daemon go on in an empty one.
# shellcheck source=tests/support/netns.sh
. "$(dirname "$0")/../support/netns.sh"

LOG=$WORK/a/state/x0.log
host a
configure a
x a init --domain test.mesh --name a >/dev/null 2>&1 || fail "init"
within 10 grep -q ' started ' "$LOG" || fail "the daemon logs nothing"
{
	echo "the first of many"
	head -c 5000000 /dev/zero | tr '\0' '-' | fold -w 100
} >>"$LOG"
within 90 test -f "$LOG.1" || fail "after more than a minute it is still $(wc -c <"$LOG") bytes long"
within 5 grep -q ' log_turned kept=x0.log.1' "$LOG" || fail "it is not told: $(tail -n 3 "$LOG")"
[ "$(wc -c <"$LOG")" -lt 4096 ] || fail "it has $(wc -c <"$LOG") bytes yet"
grep -q ' started ' "$LOG.1" || fail "what was in it first is not kept"
grep -q '^the first of many' "$LOG.1" || fail "what was in it is not kept"
[ "$(wc -c <"$LOG.1")" -gt 5000000 ] || fail "of it $(wc -c <"$LOG.1") bytes are kept"
[ "$(stat -c %a "$LOG.1")" = 600 ] || fail "others may read it: $(stat -c %a "$LOG.1")"

kill -9 "$(x a status --json | json_value pid)"
within 10 grep -q 'daemon_killed\|daemon_died' "$LOG" || fail "the keeper logs elsewhere: $(cat "$LOG")"
within 10 grep -q ' started ' "$LOG" || fail "the new daemon logs elsewhere: $(cat "$LOG")"
[ "$(tr -d '\0' <"$LOG" | wc -c)" = "$(wc -c <"$LOG")" ] || fail "there is a hole in it"
cat "$LOG"

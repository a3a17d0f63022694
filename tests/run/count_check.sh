#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looks that count.awk counts a log as it should, finds the reason of each skip and the last words of what
# failed, and that a second try counts instead of the first, aloud.
set -u
here=$(cd "$(dirname "$0")" && pwd -P) || exit 1

cat_log()
{
	cat <<'END'
{"name": "x:unit / a", "stdout": "1..3\nok 1 - one\nnot ok 2 - two\nskipped: no tun\nok 3 - three # SKIP\n", "result": "FAIL"}
{"name": "x:e2e / said_on_stdout", "stdout": "SKIPPED: b was NOT run: no root\n", "stderr": "noise\n", "result": "SKIP"}
{"name": "x:unit / said_on_stderr", "stdout": "", "stderr": "noise\nskipped: no \"node\" here\n", "result": "SKIP"}
{"name": "x:unit / mute", "result": "SKIP"}
{"name": "x:unit / plain", "stdout": "whatever\n", "result": "OK"}
{"name": "x:unit / crashed", "stdout": "ok 1 - one\n", "result": "FAIL"}
{"name": "x:e2e / late", "stderr": "trying\nfailed: too late\n", "result": "FAIL"}
{"name": "x:e2e / script", "stdout": "FAILED: script: a does not reach b\n--- a's log\nFAILED: of another\n", "stderr": "a note\n", "result": "FAIL"}
{"name": "x:unit / mixed", "stdout": "not ok 1 - one\nFAILED: x\nnot ok 2 - two\n", "result": "FAIL"}
{"name": "x:unit / race", "stderr": "WARNING: ThreadSanitizer: data race\n", "result": "FAIL"}
END
}

cat_second_log()
{
	cat <<'END'
{"name": "x:unit / crashed", "stdout": "ok 1 - one\n", "result": "FAIL"}
{"name": "x:e2e / late", "stderr": "trying\n", "result": "OK"}
END
}

first='skip a, three: no tun
fail a: FAIL: two
again a
skip said_on_stdout: b was NOT run: no root
skip said_on_stderr: no "node" here
skip mute: no reason given
fail crashed: FAIL: ok 1 - one
again crashed
fail late: FAIL: failed: too late
again late
fail script: FAIL: script: a does not reach b
again script
fail mixed: FAIL: one, two
again mixed
fail race: FAIL: WARNING: ThreadSanitizer: data race
passed 3
failed 7'
second='unsteady late: FAIL: failed: too late
skip a, three: no tun
fail a: FAIL: two
again a
skip said_on_stdout: b was NOT run: no root
skip said_on_stderr: no "node" here
skip mute: no reason given
fail crashed: FAIL: ok 1 - one
again crashed
fail script: FAIL: script: a does not reach b
again script
fail mixed: FAIL: one, two
again mixed
fail race: FAIL: WARNING: ThreadSanitizer: data race
passed 4
failed 6'

compare() # expected seen
{
	[ "$1" = "$2" ] && return
	printf 'expected:\n%s\n\nseen:\n%s\n' "$1" "$2"
	exit 1
}

logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT
cat_log >"$logs/first"
cat_second_log >"$logs/second"
compare "$first" "$(awk -f "$here/count.awk" "$logs/first")"
compare "$second" "$(awk -f "$here/count.awk" "$logs/first" "$logs/second")"
